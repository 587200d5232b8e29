"""The time of a training, foreseen from a few steps of each of its phases."""

import math
import time
from dataclasses import replace

import torch

from autosynth.budget import ClockFunction
from autosynth.composite import Resolved
from autosynth.training.config import TrainerConfig
from autosynth.training.devicedataset import DeviceDataset
from autosynth.training.loop import Trainer, TrainingRows, cuda_of


def time_steps(
    resolved: Resolved,
    data: DeviceDataset,
    rows: TrainingRows,
    config: TrainerConfig,
    *,
    warmup: int,
    steps: int,
    patience: float = math.inf,
    clock: ClockFunction = time.perf_counter,
) -> float:
    """The seconds that a training takes for each step of the plan.

    For every phase the least time of some steps is taken, by a `clock` in seconds, after others to
    warm up: other work of the machine only adds to it. After `patience` seconds of steps, those
    that were made have to do; on a GPU the first is not counted, in which kernels are loaded.
    Trainings out of fold are counted in.
    """
    parts = max(phase.n_units for phase in resolved.training_plan.phases)
    # No more rows than it takes: what stands is computed for all of them before the first step.
    # Of texts those of the mean length.
    few = data.lengths.typical(rows.train)[: config.batch_size * (warmup + steps) * parts]
    trainer = Trainer(resolved, data, replace(rows, train=few), config, 0, config.batch_size)
    seconds, cold = 0.0, int(data.device.type == "cuda")
    with torch.random.fork_rng(devices=cuda_of(data.device)):
        for phase in trainer.phases:
            if phase.is_fit:
                continue
            phase_trainer, taken = trainer.phase_trainer(phase), []
            for step in range(warmup + steps):
                start = clock()
                float(phase_trainer.step(step + 1))
                taken.append(clock() - start)
                if len(taken) > cold and sum(taken[cold:]) > patience:
                    break
            seconds += phase.fraction * min(taken[warmup:] or taken[cold:] or taken)
    return seconds * float(trainer.settings["length"]) / trainer.trained_share()

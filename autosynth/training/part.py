"""A part of a training, trained apart: one phase that needs nothing another one has learnt.

Such phases can be trained anywhere and at once, one a worker. What each comes to is taken by the
training of the whole as if it had been trained there.
"""

import time

import torch

from autosynth.budget import NEVER, Deadline
from autosynth.composite import Composite, Resolved
from autosynth.composite.plan import Phase
from autosynth.training.config import TrainerConfig
from autosynth.training.devicedataset import DeviceDataset
from autosynth.training.loop import Outcome, Trainer, TrainingRows, cuda_of, in_memory
from autosynth.training.phase import Monitor, OnRung, ScoreFunction, Told
from autosynth.training.weights import Bank, packed


def train_part(
    resolved: Resolved,
    data: DeviceDataset,
    rows: TrainingRows,
    config: TrainerConfig,
    part: Phase,
    *,
    seed: int = 0,
    score: ScoreFunction | None = None,
    on_rung: OnRung | None = None,
    deadline: Deadline = NEVER,
    bank: Bank | None = None,
    told: Told = lambda: False,
) -> Outcome:
    """Train the phase `part` of a composite and no other, to what it comes to in the whole.

    Only for one that `alone_of` gives: it needs nothing that another has learnt. The arguments are
    those of `train`, and so is what it raises. The model is the composite, its other pieces as
    they were drawn; `weights_of` gives what was trained.
    """

    def attempt(batch: int) -> Outcome:
        trainer = Trainer(resolved, data, rows, config, seed, batch, None, bank)
        start = time.monotonic()
        monitor = Monitor(score, on_rung, deadline, start, told=told)
        index = trainer.phases.index(part)
        trainer.apart = frozenset(each.name for each in trainer.phases) - {part.name}
        with torch.random.fork_rng(devices=cuda_of(data.device)):
            steps, stopped = trainer.train_phase(part, index, monitor)
        return Outcome(
            model=trainer.model,
            seconds=time.monotonic() - start,
            steps=steps,
            samples_seen=trainer.samples,
            stopped=stopped,
            best_fractions=trainer.best_fractions,
            train_flops=trainer.flops,
        )

    return in_memory(attempt, config.batch_size)


def weights_of(model: Composite, part: Phase) -> bytes:
    """What a phase trains of a composite, as it is now, by the composite's names."""
    state = model.state_dict()
    return packed({key: v for key, v in state.items() if key.split(".", 2)[1] in part.trains})

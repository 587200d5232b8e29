"""A part of a training, trained apart: a phase, or a whole training out of fold.

What needs nothing that another part has learnt can be trained anywhere and at once, one a worker.
The training of the whole takes what each comes to as if it had been trained there.
"""

import time
from collections.abc import Mapping

import torch

from autosynth.budget import NEVER, Deadline
from autosynth.composite import Composite, Resolved
from autosynth.composite.plan import Phase
from autosynth.training.attempt import in_memory
from autosynth.training.config import TrainerConfig
from autosynth.training.devicedataset import DeviceDataset
from autosynth.training.loop import Outcome, Trainer, TrainingRows, cuda_of
from autosynth.training.phase import Monitor, OnRung, ScoreFunction, Told
from autosynth.training.settle import FOLDS, deal_folds, fold_name
from autosynth.training.weights import Bank, packed


def train_part(
    resolved: Resolved,
    data: DeviceDataset,
    rows: TrainingRows,
    config: TrainerConfig,
    part: str,
    *,
    seed: int = 0,
    score: ScoreFunction | None = None,
    on_rung: OnRung | None = None,
    deadline: Deadline = NEVER,
    until: Mapping[str, float] | None = None,
    bank: Bank | None = None,
    told: Told = lambda: False,
) -> Outcome:
    """Train one part of a composite and no other, to what it comes to in the whole.

    `part` names a phase that needs nothing another one has learnt (`alone_of`, or the only one
    there is), or a further training that leaves out a fold. The other arguments are those of
    `train`, and so is what it raises. The model is the composite, with what else it has as it was
    drawn; `part_weights` gives what was trained.
    """

    def attempt(batch: int) -> Outcome:
        trainer = Trainer(resolved, data, rows, config, seed, batch, until, bank)
        start = time.monotonic()
        monitor = Monitor(score, on_rung, deadline, start, told=told)
        phases = [phase for phase in trainer.phases if phase.name == part]
        if phases:
            trainer.apart = frozenset(phase.name for phase in trainer.phases) - {part}
        else:
            names = [fold_name(number) for number in range(FOLDS)]
            inside, _ = list(deal_folds(data, rows.train, seed))[names.index(part)]
            trainer = trainer.without(inside)
            phases = trainer.phases
            monitor = Monitor(None, None, deadline, start, told=told)
        steps, stopped = 0, ""
        with torch.random.fork_rng(devices=cuda_of(data.device)):
            for phase in phases:
                taken, stopped = trainer.train_phase(phase, trainer.phases.index(phase), monitor)
                steps += taken
                if stopped:
                    break
        return Outcome(
            model=trainer.model,
            seconds=time.monotonic() - start,
            steps=steps,
            samples_seen=trainer.samples,
            stopped=stopped,
            best_fractions=trainer.best_fractions,
            train_flops=trainer.flops,
            cut="; ".join(trainer.cuts),
        )

    return in_memory(attempt, config.batch_size)


def part_weights(model: Composite, resolved: Resolved, part: str) -> bytes:
    """What a part trains of a composite, as it is now, by the composite's names."""
    state, phase = model.state_dict(), phase_of(resolved, part)
    if phase is not None:
        state = {key: v for key, v in state.items() if key.split(".", 2)[1] in phase.trains}
    return packed(state)


def phase_of(resolved: Resolved, part: str) -> Phase | None:
    """The phase of that name; None for a further training out of fold."""
    phases = resolved.training_plan.phases
    return next((phase for phase in phases if phase.name == part), None)

"""What is fitted after the training: fusion weights, stacks, thresholds of cascades.

Each reads outputs for rows that the parts have not learnt from: those of `calibration`, and
out-of-fold ones from further trainings where there are no such rows, and for a stack always.
"""

from collections.abc import Callable, Iterator
from importlib import import_module

import numpy as np
import torch
from torch import Tensor

from autosynth.composite import Composite
from autosynth.composite.join import PostHocModule
from autosynth.composite.program import Program
from autosynth.spec import RowNumbers
from autosynth.task.task import task_of
from autosynth.training.devicedataset import DeviceDataset
from autosynth.training.work import CHUNK, values

# Each further fold is a training: three of two thirds of the rows take as long as two on all, and
# with the last one three times the time of a composite that needs none. Two would leave parts that
# have learnt from half of the rows, whose outputs are unlike those of the parts that are kept.
FOLDS = 3
TrainOn = Callable[[int, RowNumbers, RowNumbers], Composite]
"""A composite trained without some rows: given (the number of the fold, the others, these)."""


def folds_of(program: Program, settles: tuple[int, ...], *, has_fit: bool) -> int:
    """How many further trainings fitting takes."""
    asked = any(program.pieces[program.step(at).name].learns == "out of fold" for at in settles)
    return FOLDS if settles and (asked or not has_fit) else 0


def trainings_of(program: Program, settles: tuple[int, ...], *, has_fit: bool) -> int:
    """How many trainings' worth of time it all takes: K folds of (K - 1) / K, and all rows."""
    return max(1, folds_of(program, settles, has_fit=has_fit))


def settle(
    model: Composite,
    settles: tuple[int, ...],
    data: DeviceDataset,
    train: RowNumbers,
    fit: RowNumbers,
    seed: int,
    train_on: TrainOn,
) -> None:
    """Fit the pieces that give `settles`, in the order of the program."""
    program = model.program
    sources: list[tuple[Composite, RowNumbers]] = [(model, fit)] if len(fit) else []
    if folds_of(program, settles, has_fit=bool(len(fit))):
        dealt = enumerate(deal_folds(data, train, seed))
        sources += [(train_on(number, inside, held), held) for number, (inside, held) in dealt]
    for at in settles:
        step = program.step(at)
        found: list[list[Tensor]] = []
        targets: list[Tensor] = []
        weights: list[Tensor] = []
        for source, numbers in sources:
            rows = data.rows(numbers)
            for part in torch.split(rows, CHUNK):
                found.append(values(source, data, part, step.args))
                targets.append(data.y[part])
                weights += [] if data.weights is None else [data.weights[part]]
        joined = [torch.cat(parts) for parts in zip(*found, strict=True)]
        module = model.modules_by_name[step.name].requires_grad_(True)
        assert isinstance(module, PostHocModule)
        own = torch.cat(weights) if weights else None
        module.fit_post_hoc(joined, torch.cat(targets), own)
        for source, _ in sources:
            source.modules_by_name[step.name].load_state_dict(module.state_dict())


def fold_name(number: int) -> str:
    """What the further training is called that leaves out the fold of a number, from 0."""
    return f"fold {number + 1}"


def deal_folds(
    data: DeviceDataset, train: RowNumbers, seed: int
) -> Iterator[tuple[RowNumbers, RowNumbers]]:
    """RowNumbers to train on and rows held out, so that each row is held out once."""
    y = data.y[data.rows(train)].cpu().numpy()
    # Late: half a second of a processor, for strategies that fit what joins them out of fold.
    dealers = import_module("sklearn.model_selection")
    kind = dealers.KFold
    if task_of(data.target).few_classes and np.bincount(y).min() >= FOLDS:
        kind = dealers.StratifiedKFold
    for inside, held in kind(FOLDS, shuffle=True, random_state=seed).split(train, y):
        yield train[inside], train[held]

"""A dataset as tensors on one device, cut into batches there: no loaders, no copies a step.

What is on disk stays there, and what the device has no room for stays on the host (`batch.py`). Of
a ranking it has what rows had before: their logits are left out of the loss, for a network that is
asked for the next item alone would spend itself on knowing what it had already.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from autosynth.composite.objective import base_of, class_indicators
from autosynth.scale import Scale, fit_scale, scaled
from autosynth.spec import Dataset, InputSpec, SeenItems, TargetSpec
from autosynth.task.target import DAYS
from autosynth.task.task import task_of
from autosynth.training.batch import Lengths, gather, lengths_of, on_device
from autosynth.training.memory import Memory
from autosynth.training.store import ValueStore

# So many of a history's newest items are left out of the loss. A batch holds as many codes a row,
# also where one user's history is ten times as long as any other.
MAX_MASKED = 1_000


@dataclass(frozen=True)
class HistoryMask:
    """Row `i` had `codes[start[i]:stop[i]]` before; `most` is the longest that is looked at."""

    codes: Tensor
    start: Tensor
    stop: Tensor
    most: int

    def mask_logits(self, out: Tensor, rows: Tensor) -> Tensor:
        """Logits (batch, items) of rows, `rows` on the device; -inf for what they had before."""
        items = out.shape[1]
        at = self.stop[rows, None] - 1 - torch.arange(self.most, device=out.device)
        there = at >= self.start[rows, None]
        codes = torch.where(there, self.codes[at.clamp(min=0)], items)  # a column too many
        return F.pad(out, (0, 1)).scatter(1, codes, -torch.inf)[:, :items]


def history_mask(
    seen: SeenItems, device: torch.device, max_masked: int = MAX_MASKED
) -> HistoryMask:
    """What rows had before, put on a device: the newest `max_masked` of them are looked at."""
    codes, start, stop = (
        torch.from_numpy(each).to(device) for each in (seen.codes, seen.start, seen.stop)
    )
    most = int((seen.stop - seen.start).max(initial=1))
    return HistoryMask(codes, start, stop, min(most, max_masked))


# The room for values that a phase computes once. Training on a frozen network's features takes .04
# of the time when they are computed once (64 pixels, results/README.md), so that room pays; but a
# trial leaves memory to the data and to other workers.
STATIC_BYTES = 2**30


@dataclass(frozen=True, kw_only=True)
class DeviceDataset:
    """Raw inputs and targets of all rows, on the device.

    Values are standardised on the scale of their training rows; `scales`, one for each field of
    the target, bring outputs back to its own unit (classes and labels stay as they are).
    `balance` is of the losses of several targets: each over that of knowing nothing. `weights`
    (n,) are those of rows in losses and fits, with those of their classes; None where all count
    alike. `y_true` are the targets as the dataset has them, on the host, and `score_weights` those
    of rows in metrics, which know nothing of classes. `memory` keeps what frozen networks give;
    `seen` and `history_mask` are what rankings leave out, `lengths` where texts end.
    `static_bytes` is the room for values that a phase computes once, before its first step.
    """

    specs: tuple[InputSpec, ...]
    target: TargetSpec
    inputs: Mapping[str, Tensor]
    y: Tensor
    y_true: NDArray[Any]
    scales: tuple[Scale, ...]
    balance: tuple[float, ...]
    device: torch.device
    weights: Tensor | None = None
    score_weights: NDArray[np.float64] | None = None
    memory: Memory = field(compare=False, repr=False)
    seen: SeenItems | None = None
    history_mask: HistoryMask | None = None
    lengths: Lengths = field(default_factory=Lengths, compare=False, repr=False)
    static_bytes: int = STATIC_BYTES

    def batch(self, rows: Tensor) -> tuple[dict[str, Tensor], Tensor]:
        """The inputs and targets of some rows, given as indices on the device."""
        inputs = {name: gather(values, rows) for name, values in self.inputs.items()}
        return inputs, self.y.index_select(0, rows)

    def rows(self, numbers: NDArray[np.int64]) -> Tensor:
        """Row numbers on the device."""
        return torch.from_numpy(np.ascontiguousarray(numbers)).to(self.device)

    def weights_of(self, rows: Tensor) -> Tensor | None:
        """How much some rows count in losses and fits, given as indices on the device."""
        return None if self.weights is None else self.weights.index_select(0, rows)


def to_device(
    dataset: Dataset,
    device: torch.device,
    train: NDArray[np.int64],
    store: ValueStore | None = None,
) -> DeviceDataset:
    """Put a dataset on a device. `train` are the rows whose target statistics may be seen.

    What frozen networks give is taken from the `store`, and goes there.
    """
    inputs = {spec.name: on_device(dataset.x[spec.name], device) for spec in dataset.inputs}
    found = _standardised(dataset, train)
    return DeviceDataset(
        specs=dataset.inputs,
        target=dataset.target,
        inputs=inputs,
        y=found.y.to(device),
        y_true=dataset.y,
        scales=found.scales,
        balance=found.balance,
        device=device,
        memory=Memory(len(dataset.y), store=store),
        weights=_row_weights(dataset, device),
        score_weights=dataset.weights,
        seen=dataset.seen,
        history_mask=history_mask(dataset.seen, device) if dataset.seen else None,
        lengths=lengths_of(dataset),
    )


def _row_weights(dataset: Dataset, device: torch.device) -> Tensor | None:
    """Weights of rows times those of their classes, 1 on average over training rows."""
    found = dataset.weights
    if dataset.class_weights:
        each = np.asarray(dataset.class_weights)[dataset.y]
        found = each if found is None else found * each
    return None if found is None else torch.from_numpy(found.astype(np.float32)).to(device)


class _Scaled(NamedTuple):
    y: Tensor
    scales: tuple[Scale, ...]
    balance: tuple[float, ...]


def _standardised(dataset: Dataset, train: NDArray[np.int64]) -> _Scaled:
    """Values on their scales; classes and labels as they are."""
    target = dataset.target
    if target.is_coded:
        return _Scaled(torch.from_numpy(dataset.y), (Scale(),), ())
    y = dataset.y.astype(np.float64).reshape(len(dataset.y), -1)
    least = np.fmin.reduce(y[train])  # a step of a forecast may be missing (NaN)
    if target.base:
        series = torch.from_numpy(np.ascontiguousarray(dataset.x[target.base]))
        base = base_of(target, series)
        assert base is not None
        y -= base.numpy()
    scales, balance = [], []
    for i, (part, _, columns) in enumerate(target.fields):
        known, task, scale = y[train, columns], task_of(part), Scale()
        if task.is_standardised:
            scale = (
                dataset.scales[i]
                if dataset.scales
                else fit_scale("linear", known[np.isfinite(known)])
            )
            # Of a forecast, `known` are changes: what must not be negative is where they lead.
            # Of dates 0 is a day like any other.
            is_amount = part.unit != DAYS and least[columns].min() >= 0
            scale = replace(scale, lowest=0.0 if is_amount else None)
            y[:, columns] = scaled(scale, y[:, columns])
        scales.append(scale)
        balance.append(task.weight(known))
    values = torch.from_numpy(y.astype(np.float32))
    return _Scaled(
        values.squeeze(1) if dataset.y.ndim == 1 else values,
        tuple(scales),
        tuple(balance) if target.parts else (),
    )


# Means, deviations and quantiles are taken from at least so many rows, if there are as many: the
# sixteen bins of a column then have some five hundred each.
STATISTICS_ROWS = 8192


def sample(data: DeviceDataset, train: NDArray[np.int64]) -> tuple[dict[str, Tensor], Tensor]:
    """Raw inputs of training rows and their outcomes, on the host: enough for statistics."""
    rows = data.rows(train[:: max(1, len(train) // STATISTICS_ROWS)])
    inputs, y = data.batch(rows)
    return {name: raw.cpu() for name, raw in inputs.items()}, class_indicators(
        y.cpu(), data.target
    )

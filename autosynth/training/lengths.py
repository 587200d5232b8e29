"""Where texts and histories end: batches of rows that are about as long, cut behind the longest.

What lies behind the end of a text is masked, so that a composite gives the same without it
(`Composite.cuts`), for a half or a third of the work: few texts are as long as the longest.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from autosynth.modality import MODALITIES
from autosynth.spec import Dataset

BATCHES_A_BUCKET = 16
"""So many batches are drawn at random, and then dealt by length among themselves."""
ROUND = 8
"""Lengths are rounded up to a multiple: fewer shapes to prepare kernels for."""
_CHUNK = 65_536
_Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Lengths:
    """For each text and history of a dataset, the tokens of every row; none of other kinds."""

    by_input: Mapping[str, _Rows] = field(default_factory=dict)

    def total(self, rows: _Rows) -> _Rows | None:
        """Of all texts of each row together; None where there are none."""
        if not self.by_input:
            return None
        total: _Rows = np.sum([sizes[rows] for sizes in self.by_input.values()], axis=0)
        return total

    def longest(self, names: Collection[str], rows: _Rows) -> dict[str, int]:
        """How much of each text some rows need."""
        most = {name: int(self.by_input[name][rows].max(initial=1)) for name in names}
        return {name: -(-size // ROUND) * ROUND for name, size in most.items()}

    def typical(self, rows: _Rows) -> _Rows:
        """The rows in order of how near they are to the mean length."""
        total = self.total(rows)
        if total is None:
            return rows
        return rows[np.argsort(np.abs(total - total.mean()), kind="stable")]


def lengths_of(dataset: Dataset) -> Lengths:
    """The lengths of a dataset's rows."""
    coded = [spec.name for spec in dataset.inputs if MODALITIES[spec.kind].is_coded]
    return Lengths({name: _ends(dataset.x[name]) for name in coded})


def _ends(codes: Any) -> _Rows:
    """One place behind the last code of each row that is not 0."""
    parts = [np.zeros(0, dtype=np.int64)]
    for start in range(0, len(codes), _CHUNK):
        there = np.asarray(codes[start : start + _CHUNK]) != 0
        parts.append(np.where(there, np.arange(1, there.shape[1] + 1), 0).max(1))
    return np.concatenate(parts)


def cut(inputs: Mapping[str, Tensor], longest: Mapping[str, int]) -> dict[str, Tensor]:
    """The inputs, those named without what lies behind so many places."""
    return {name: x[:, : longest[name]] if name in longest else x for name, x in inputs.items()}


def bucket_by_length(
    order: Tensor, sizes: _Rows, batch: int, generator: torch.Generator
) -> Tensor:
    """Places in a random order, so that each batch of them holds rows of a like size.

    Args:
        order: places on the host, shuffled.
        sizes: of each place.
        batch: rows of a batch; a short last one stays at the end.
        generator: of the order of the batches.
    """
    whole = len(order) // batch * batch
    keys = torch.from_numpy(sizes)[order[:whole]]
    group = torch.arange(whole) // (BATCHES_A_BUCKET * batch)
    by_size = torch.argsort(group * (int(sizes.max()) + 1) + keys, stable=True)
    batches = order[:whole][by_size].view(-1, batch)
    batches = batches[torch.randperm(len(batches), generator=generator)]
    return torch.cat((batches.flatten(), order[whole:]))

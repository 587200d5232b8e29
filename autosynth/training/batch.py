"""Batches: rows of an input where it stands, about as long as each other, cut behind the longest.

An input is a tensor on the device where there is room for it. A memory map is not copied: each
batch reads its rows from the disk, in the order in which they stand there. What lies behind the
end of a text or a history is masked, so that a composite gives the same without it
(`Composite.cuts`), for a half or a third of the work: few texts are as long as the longest.
"""

import warnings
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from autosynth.modality import MODALITIES
from autosynth.spec import Dataset, RowNumbers

# Inputs of more bytes are read in the order in which their rows stand: a page of a file is then
# read once a batch. A smaller input is in memory after its first epoch, where a sort costs more.
LARGE = 2**28
# The share of a GPU's free memory that an input may take; a larger one stays on the host. The
# other half is for weights, what the backward pass keeps, and further inputs.
ROOM = 0.5


def on_device(values: NDArray[Any], device: torch.device, room: float = ROOM) -> Tensor:
    """All rows as a tensor: on the device, or on the host where the device has no room."""
    tensor = _tensor(values)
    if device.type == "cuda" and tensor.nbytes > room * torch.cuda.mem_get_info(device)[0]:
        return tensor
    return tensor.to(device)


def gather(values: Tensor, rows: Tensor, large: int = LARGE) -> Tensor:
    """The rows of `values` on the device of `rows`; on the host in order if over `large` bytes."""
    in_order = values.device.type == "cpu" and values.nbytes > large
    if values.device == rows.device and not in_order:
        return values.index_select(0, rows)
    # In order, so that pages of a file are read once; then as they were asked for.
    found, order = rows.to(values.device).sort()
    chosen = values.index_select(0, found)
    if rows.is_cuda:
        chosen = chosen.pin_memory().to(rows.device, non_blocking=True)
        order = order.to(rows.device)
    return torch.empty_like(chosen).index_copy_(0, order, chosen)


def _tensor(values: NDArray[Any]) -> Tensor:
    with warnings.catch_warnings():
        # A map is for reading, as all inputs are: nothing writes into its tensors.
        warnings.filterwarnings("ignore", "The given NumPy array is not writable")
        return torch.from_numpy(np.ascontiguousarray(values))


# So many batches are drawn at random, and then dealt by length among themselves. Over all rows at
# once every epoch would have the same batches, of rows that are alike; over one, no padding goes.
BATCHES_A_BUCKET = 16
# Lengths are rounded up to a multiple: fewer shapes to prepare kernels for.
ROUND = 8
_CHUNK = 65_536


@dataclass(frozen=True)
class Lengths:
    """For each text and history of a dataset, the tokens of every row; none of other kinds."""

    by_input: Mapping[str, RowNumbers] = field(default_factory=dict)

    def total(self, rows: RowNumbers) -> RowNumbers | None:
        """Of all texts of each row together; None where there are none."""
        if not self.by_input:
            return None
        total: RowNumbers = np.sum([sizes[rows] for sizes in self.by_input.values()], axis=0)
        return total

    def longest(self, names: Collection[str], rows: RowNumbers) -> dict[str, int]:
        """How much of each text some rows need."""
        most = {name: int(self.by_input[name][rows].max(initial=1)) for name in names}
        return {name: -(-size // ROUND) * ROUND for name, size in most.items()}

    def typical(self, rows: RowNumbers) -> RowNumbers:
        """The rows in order of how near they are to the mean length."""
        total = self.total(rows)
        if total is None:
            return rows
        return rows[np.argsort(np.abs(total - total.mean()), kind="stable")]


def lengths_of(dataset: Dataset) -> Lengths:
    """The lengths of a dataset's rows."""
    coded = [spec.name for spec in dataset.inputs if MODALITIES[spec.kind].is_coded]
    return Lengths({name: _ends(dataset.x[name]) for name in coded})


def _ends(codes: Any) -> RowNumbers:
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
    order: Tensor, sizes: RowNumbers, batch: int, generator: torch.Generator
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

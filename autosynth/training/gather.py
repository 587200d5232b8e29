"""An input as a tensor where there is room for it, and batches of its rows on the device.

Takes arrays, memory maps among them; gives tensors. A map is not copied: each batch reads its rows
from the disk, in the order in which they stand there.
"""

import warnings
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

LARGE = 2**28
"""Rows of more bytes on the host are read in the order in which they stand there."""
ROOM = 0.5
"""An input may take this share of a GPU's free memory; a larger one stays on the host."""


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

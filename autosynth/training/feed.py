"""A dataset as tensors on one device, cut into batches there: no loaders, no copies a step.

What is on disk stays there, and what the device has no room for stays on the host (`gather.py`).
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from autosynth.data.spec import Dataset, InputSpec, TargetSpec
from autosynth.training.gather import gather, placed


@dataclass(frozen=True, kw_only=True)
class Feed:
    """Raw inputs and targets of all rows, on the device.

    A regression target is standardised by the mean and deviation of the training rows; `center`
    and `spread` bring outputs back to its own unit.
    """

    specs: tuple[InputSpec, ...]
    target: TargetSpec
    inputs: Mapping[str, Tensor]
    y: Tensor
    center: float
    spread: float
    device: torch.device

    def batch(self, rows: Tensor) -> tuple[dict[str, Tensor], Tensor]:
        """The inputs and targets of some rows, given as indices on the device."""
        inputs = {name: gather(values, rows) for name, values in self.inputs.items()}
        return inputs, self.y.index_select(0, rows)

    def rows(self, numbers: NDArray[np.int64]) -> Tensor:
        """Row numbers on the device."""
        return torch.from_numpy(np.ascontiguousarray(numbers)).to(self.device)


def feed(dataset: Dataset, device: torch.device, train: NDArray[np.int64]) -> Feed:
    """Put a dataset on a device. `train` are the rows whose target statistics may be seen."""
    y = torch.from_numpy(dataset.y)
    center, spread = 0.0, 1.0
    if dataset.target.task == "regression":
        known = dataset.y[train].astype(np.float64)
        center, spread = float(known.mean()), float(known.std()) or 1.0
        y = ((y.double() - center) / spread).float()
    inputs = {spec.name: placed(dataset.x[spec.name], device) for spec in dataset.inputs}
    return Feed(
        specs=dataset.inputs, target=dataset.target, inputs=inputs, y=y.to(device),
        center=center, spread=spread, device=device,
    )  # fmt: skip

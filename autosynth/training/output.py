"""A composite's outputs on given rows, as probabilities or in the target's own unit."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from autosynth.composite import Composite
from autosynth.composite.objective import base_of, finished, mask_seen
from autosynth.training.devicedataset import DeviceDataset
from autosynth.training.phase import PartOutput
from autosynth.training.work import values


def outputs(
    model: nn.Module, data: DeviceDataset, numbers: NDArray[Any], batch_size: int = 512
) -> NDArray[Any]:
    """What a model gives for some rows, on the host.

    Class or label probabilities (n, classes); values in the target's own unit, (n,) or (n, steps);
    those of several targets side by side. What a row's user had before has the probability 0.
    """
    model.eval()
    found = []
    sizes = data.lengths.total(numbers)
    order = np.arange(len(numbers)) if sizes is None else np.argsort(sizes, kind="stable")
    numbers = numbers[order]
    with torch.inference_mode():
        for start in range(0, len(numbers), batch_size):
            few = numbers[start : start + batch_size]
            found.append(finished_rows(_raw(model, data, data.rows(few)), data, few))
    whole: NDArray[Any] = torch.cat(found).cpu().numpy()
    return whole[np.argsort(order)]


def finished_rows(raw: Tensor, data: DeviceDataset, numbers: NDArray[Any]) -> Tensor:
    """Raw outputs (n, n_outputs) of some rows as `outputs` gives them, where they are."""
    raw, series = raw.double(), None
    if data.seen is not None:
        raw = mask_seen(raw, data.seen.only(numbers))
    if data.target.base:  # what a forecast starts from
        series = data.batch(data.rows(numbers))[0][data.target.base].to(raw.device)
    return finished(data.target, raw, data.scales, base_of(data.target, series))


def raw_outputs(model: Composite, data: DeviceDataset, numbers: NDArray[Any]) -> Tensor:
    """What a model gives for some rows as it is, (n, n_outputs) on the host: logits, or values."""
    model.eval()
    rows = torch.split(data.rows(numbers), 512)
    with torch.inference_mode():
        return torch.cat([_raw(model, data, part).float().cpu() for part in rows])


def _raw(model: nn.Module, data: DeviceDataset, rows: Tensor) -> Tensor:
    """Outputs of some rows; what frozen networks give for them comes from the data's memory."""
    found: Tensor
    if isinstance(model, PartOutput):
        (found,) = values(model.model, data, rows, (model.output,), whole=False)
    elif isinstance(model, Composite):
        (found,) = values(model, data, rows, (model.program.output,), whole=False)
    else:
        found = model(data.batch(rows)[0])
    return found

"""A composite's outputs on given rows, as probabilities or in the target's own unit."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from autosynth.composite import Composite
from autosynth.data.spec import TargetSpec
from autosynth.training.feed import Feed
from autosynth.training.known import values
from autosynth.training.stretch import View


def outputs(
    model: nn.Module, data: Feed, numbers: NDArray[np.int64], batch_size: int = 512
) -> NDArray[Any]:
    """Class probabilities (n, classes), or predictions (n,) in the target's own unit."""
    model.eval()
    rows = data.rows(numbers)
    with torch.inference_mode():
        found = [_raw(model, data, part) for part in torch.split(rows, batch_size)]
    return finish(torch.cat(found), data.target, data.center, data.spread)


def _raw(model: nn.Module, data: Feed, rows: Tensor) -> Tensor:
    """Outputs of some rows; what frozen networks give for them comes from the feed's memory."""
    found: Tensor
    if isinstance(model, View):
        (found,) = values(model.model, data, rows, (model.output,))
    elif isinstance(model, Composite):
        (found,) = values(model, data, rows, (model.program.output,))
    else:
        found = model(data.batch(rows)[0])
    return found


def finish(raw: Tensor, target: TargetSpec, center: float, spread: float) -> NDArray[Any]:
    """Raw outputs of the network as probabilities or in the target's own unit, on the host."""
    if target.task == "classification":
        proba: NDArray[Any] = raw.double().softmax(-1).cpu().numpy()
        return proba
    values: NDArray[Any] = (raw.squeeze(-1).double() * spread + center).cpu().numpy()
    return values

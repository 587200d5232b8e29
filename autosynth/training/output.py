"""A composite's outputs on given rows, as probabilities or in the target's own unit."""

from typing import Any

import torch
from numpy.typing import NDArray
from torch import nn

from autosynth.composite.objective import base_of, finished, hidden
from autosynth.training.feed import Feed


def outputs(
    model: nn.Module, data: Feed, numbers: NDArray[Any], batch_size: int = 512
) -> NDArray[Any]:
    """What a model gives for some rows, on the host.

    Class or label probabilities (n, classes); values in the target's own unit, (n,) or (n, steps);
    those of several targets side by side. What a row's user had before has the probability 0.
    """
    model.eval()
    target, found = data.target, []
    with torch.inference_mode():
        for start in range(0, len(numbers), batch_size):
            few = numbers[start : start + batch_size]
            inputs, _ = data.batch(data.rows(few))
            base = base_of(target, inputs.get(target.base))
            raw = model(inputs).double()
            if data.seen is not None:
                raw = hidden(raw, data.seen.only(few))
            found.append(finished(target, raw, data.center, data.spread, base))
    whole: NDArray[Any] = torch.cat(found).cpu().numpy()
    return whole

"""Outputs back in the target's own unit: `scale.py` undone, in operations of PyTorch alone.

Takes a scale and what a network gives on it; `torch.export` traces it with the network.
"""

import torch
from torch import Tensor

from autosynth.scale import Scale


def in_unit(scale: Scale, out: Tensor, base: Tensor | None = None) -> Tensor:
    """Standardised values in the target's own unit, as float64.

    Args:
        scale: that the values were learnt on.
        out: `(batch, n)`, or of any other shape without a base.
        base: what a forecast is the change from, `(batch, 1)`.
    """
    values = out.double()  # float32: a large center would swallow the digits that matter
    if scale.bounds is not None:
        values = values.clamp(*scale.bounds)
    values = values * scale.spread + scale.center
    if scale.kind == "log":
        values = scale.unit * values.sinh()
    elif scale.kind == "quantile":
        values = _interpolated(values, scale)
    if scale.factor != 1:
        values = values * scale.factor
    if base is not None:
        values = values + base
    return values if scale.lowest is None else values.clamp(min=scale.lowest)


def _interpolated(z: Tensor, scale: Scale) -> Tensor:
    """The line through the knots, as `numpy.interp` draws it."""
    if len(scale.knots) == 1:
        return torch.full_like(z, scale.knots[0])
    normal = torch.tensor(scale.normal, dtype=z.dtype, device=z.device)
    knots = torch.tensor(scale.knots, dtype=z.dtype, device=z.device)
    z = z.clamp(scale.normal[0], scale.normal[-1])
    right = torch.searchsorted(normal, z.contiguous()).clamp(1, len(scale.knots) - 1)
    left = right - 1
    share = (z - normal[left]) / (normal[right] - normal[left])
    return knots[left] + share * (knots[right] - knots[left])

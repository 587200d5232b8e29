"""What outputs say: those of several parts as one, and outputs as probabilities or values.

Takes a `TargetSpec` and the network's raw outputs (batch, n_outputs). Several targets are each
held against their own outputs, as the task of each one says (`autosynth/task`).
"""

import math
from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor

from autosynth.exportable import searched
from autosynth.modality.convolution import last_known
from autosynth.scale import PLAIN, Scale
from autosynth.spec import SeenItems, TargetSpec
from autosynth.task.task import task_of


def logs_of(target: TargetSpec, out: Tensor) -> Tensor:
    """What a model over outputs reads: log probabilities of classes, the rest as it is."""
    return _joined(
        [task_of(part).stacked(out[..., outputs]) for part, outputs, _ in target.fields]
    )


def mean_of(target: TargetSpec, outs: Sequence[Tensor]) -> Tensor:
    """The mean of several parts' outputs: of probabilities where they are of classes or labels.

    Each target has its own: logits whose softmax, or sigmoid, is the mean; values as they are.
    """
    return _joined(
        [
            task_of(part).mean(torch.stack([out[..., outputs].float() for out in outs]))
            for part, outputs, _ in target.fields
        ]
    )


def class_indicators(y: Tensor, target: TargetSpec) -> Tensor:
    """What may come true of a row, as columns of 0 and 1 (B, n): what stems relate values to.

    A class of each, labels as they are, and values above their median.

    Args:
        y: true values (B,) or (B, columns).
        target: what they are values of.
    """
    columns = y.unsqueeze(1) if y.dim() == 1 else y
    found = [task_of(part).indicators(columns[:, at], part) for part, _, at in target.fields]
    return torch.cat(found, 1).float()


def _joined(parts: Sequence[Tensor]) -> Tensor:
    return parts[0] if len(parts) == 1 else torch.cat(list(parts), -1)


def finished(
    target: TargetSpec,
    out: Tensor,
    scales: Sequence[Scale],
    base: Tensor | None = None,
    temperature: float = 1.0,
) -> Tensor:
    """Raw outputs as probabilities, or in the target's own unit.

    Args:
        target: what the outputs are of.
        out: `(batch, n_outputs)`.
        scales: on which each field's values were learnt; of classes and labels not looked at.
        base: `base_of` the rows.
        temperature: that logits of classes and labels are divided by.

    Returns:
        Class probabilities as `out`, values as float64; `(batch,)` for a single number, else
        `(batch, n_outputs)`.
    """
    parts = [
        task_of(part).link(out[..., outputs], temperature, partial(in_unit, scale, base=base))
        for scale, (part, outputs, _) in zip(scales, target.fields, strict=True)
    ]
    if task_of(target).is_number:
        return parts[0].squeeze(-1)
    return _joined(parts if len(parts) == 1 else [part.double() for part in parts])


def mask_seen(out: Tensor, seen: SeenItems) -> Tensor:
    """Outputs (rows, items) by which what a row's user had before has the probability 0."""
    rows, codes = (torch.from_numpy(each).to(out.device) for each in seen.pairs())
    return out.index_put((rows, codes), out.new_tensor(-math.inf))


def base_of(target: TargetSpec, series: Tensor | None) -> Tensor | None:
    """The last known value of the first channel of `series` `(batch, channels, steps)`.

    In the target's own unit: `(batch, 1)`, float64, 0 of `series` where a row has none; None for a
    target without a base.
    """
    if not target.base:
        return None
    assert series is not None
    base = last_known(series[:, :1].double()).squeeze(1)
    unit = target.base_unit
    return base if unit == PLAIN else base * unit.size + unit.center


def in_unit(scale: Scale, out: Tensor, base: Tensor | None = None) -> Tensor:
    """Standardised values in the target's own unit, as float64: what `scale.py` did, undone.

    In operations of PyTorch alone; `torch.export` traces them with the network.

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
        values = scale.unit * 0.5 * (values.exp() - (-values).exp())  # ONNX has no such sinh
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
    right = searched(normal, z).clamp(1, len(scale.knots) - 1)
    left = right - 1
    share = (z - normal[left]) / (normal[right] - normal[left])
    return knots[left] + share * (knots[right] - knots[left])

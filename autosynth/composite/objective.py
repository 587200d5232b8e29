"""What outputs are held against: the loss of a target, and outputs as probabilities or values.

Takes a `TargetSpec` and the network's raw outputs (batch, n_outputs). Several targets are each
held against their own outputs.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from autosynth.composite.unit import in_unit
from autosynth.modality.convolution import last_known
from autosynth.scale import Scale
from autosynth.spec import SeenItems, TargetSpec


def loss_of(
    target: TargetSpec,
    out: Tensor,
    y: Tensor,
    smoothing: float = 0.0,
    weights: Sequence[float] = (),
) -> Tensor:
    """The loss of outputs `(batch, n_outputs)`, the mean over rows.

    Cross entropy of class codes; binary cross entropy of labels; squared error of one value on the
    scale that it is learnt on; of a forecast Huber's loss, which a few steps far off do not rule.

    Args:
        target: what the outputs are of.
        out: raw outputs.
        y: `(batch,)`, or `(batch, n_columns)` where the target has several columns.
        smoothing: of labels, 0 to 1.
        weights: one for each of several targets; 1 if left out.
    """
    if not target.parts:
        return _loss(target, out, y, smoothing)
    losses = []
    for i, (part, outputs, columns) in enumerate(target.fields):
        own = y[:, columns].squeeze(1) if part.n_columns == 1 else y[:, columns]
        loss = _loss(part, out[:, outputs], own, smoothing)
        losses.append(loss * weights[i] if weights else loss)
    return torch.stack(losses).sum()


def _loss(target: TargetSpec, out: Tensor, y: Tensor, smoothing: float) -> Tensor:
    if target.task == "ranking":  # smoothing would ask for what users had before
        return F.cross_entropy(out, y.long())
    if target.is_coded:
        return F.cross_entropy(out, y.long(), label_smoothing=smoothing)
    if target.task == "multilabel":
        soft = y * (1 - smoothing) + smoothing / 2
        return F.binary_cross_entropy_with_logits(out, soft.to(out.dtype))
    if target.task == "forecasting":
        return F.smooth_l1_loss(out, y.to(out.dtype), beta=0.5)
    return F.mse_loss(out.squeeze(-1), y.to(out.dtype))


def logs_of(target: TargetSpec, out: Tensor) -> Tensor:
    """What a model over outputs reads: log probabilities of classes, the rest as it is."""
    parts = [
        F.log_softmax(out[..., outputs].float(), -1) if part.is_coded else out[..., outputs]
        for part, outputs, _ in target.fields
    ]
    return parts[0] if len(parts) == 1 else torch.cat(parts, -1)


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
        Class probabilities as `out`, values as float64; `(batch,)` for a single regression, else
        `(batch, n_outputs)`.
    """
    parts = []
    for i, (part, outputs, _) in enumerate(target.fields):
        own = out[..., outputs]
        if part.is_coded:
            parts.append((own / temperature).softmax(-1))
        elif part.task == "multilabel":
            parts.append((own / temperature).sigmoid())
        else:
            parts.append(in_unit(scales[i], own, base))
    if target.task == "regression":
        return parts[0].squeeze(-1)
    return parts[0] if len(parts) == 1 else torch.cat([part.double() for part in parts], -1)


def mask_seen(out: Tensor, seen: SeenItems) -> Tensor:
    """Outputs (rows, items) by which what a row's user had before has the probability 0."""
    rows, codes = (torch.from_numpy(each).to(out.device) for each in seen.pairs())
    return out.index_put((rows, codes), out.new_tensor(-math.inf))


def base_of(target: TargetSpec, series: Tensor | None) -> Tensor | None:
    """The last known value of the first channel of `series` `(batch, channels, steps)`.

    `(batch, 1)`, float64, 0 where a row has none; None for a target without a base.
    """
    if not target.base:
        return None
    assert series is not None
    return last_known(series[:, :1].double()).squeeze(1)

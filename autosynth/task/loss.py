"""The loss of a target's raw outputs, as the task of each of its fields says."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from autosynth.spec import TargetSpec
from autosynth.task.task import task_of

if TYPE_CHECKING:
    from torch import Tensor


def loss_of(
    target: TargetSpec,
    out: "Tensor",
    y: "Tensor",
    smoothing: float = 0.0,
    balance: Sequence[float] = (),
    weights: "Tensor | None" = None,
) -> "Tensor":
    """The loss of outputs `(batch, n_outputs)`, the mean over rows, as the task says.

    Args:
        target: what the outputs are of.
        out: raw outputs.
        y: `(batch,)`, or `(batch, n_columns)` where the target has several columns.
        smoothing: of labels, 0 to 1.
        balance: a factor for each of several targets; 1 if left out.
        weights: of rows, `(batch,)`: the loss of each is multiplied by its own. They are not
            brought to a sum, so that a batch of rows that count little moves a network little.
    """
    if not target.parts:
        return _mean_loss(target, out, y, smoothing, weights)
    losses = []
    for i, (part, outputs, columns) in enumerate(target.fields):
        own = y[:, columns].squeeze(1) if part.n_columns == 1 else y[:, columns]
        loss = _mean_loss(part, out[:, outputs], own, smoothing, weights)
        losses.append(loss * balance[i] if balance else loss)
    return sum(losses[1:], losses[0])


def _mean_loss(
    target: TargetSpec, out: "Tensor", y: "Tensor", smoothing: float, weights: "Tensor | None"
) -> "Tensor":
    """Of one target."""
    if weights is None:
        return task_of(target).loss(out, y, smoothing)
    losses = task_of(target).loss(out, y, smoothing, "none")
    return (losses * weights.to(losses.dtype)).mean()

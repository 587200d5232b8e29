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
    weights: Sequence[float] = (),
) -> "Tensor":
    """The loss of outputs `(batch, n_outputs)`, the mean over rows, as the task says.

    Args:
        target: what the outputs are of.
        out: raw outputs.
        y: `(batch,)`, or `(batch, n_columns)` where the target has several columns.
        smoothing: of labels, 0 to 1.
        weights: one for each of several targets; 1 if left out.
    """
    if not target.parts:
        return task_of(target).loss(out, y, smoothing)
    losses = []
    for i, (part, outputs, columns) in enumerate(target.fields):
        own = y[:, columns].squeeze(1) if part.n_columns == 1 else y[:, columns]
        loss = task_of(part).loss(out[:, outputs], own, smoothing)
        losses.append(loss * weights[i] if weights else loss)
    return sum(losses[1:], losses[0])

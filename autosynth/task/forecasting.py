"""Forecasting: the next steps of a series, each learnt as its change from the last known value.

A step ahead that is missing (NaN) has no part in loss and scores; the others of its row have.
"""

from typing import Any

import numpy as np

from autosynth.spec import Array, TargetSpec
from autosynth.task.metric import TINY
from autosynth.task.regression import VALUE_METRICS
from autosynth.task.task import Task, Tensor, mean_of_losses


class Forecasting(Task):
    """Several steps, by Huber's loss, which a few steps far off do not rule."""

    name = "forecasting"
    metrics = VALUE_METRICS
    default_metric = "neg_mae"
    gives = "the columns `step_1`, `step_2`, ... (the values that come next), a row a series"

    def about(self, target: TargetSpec) -> str:
        """How many steps."""
        return f"the next {target.steps} steps"

    def loss(self, out: Tensor, y: Tensor, smoothing: float, reduction: str = "mean") -> Tensor:
        """Huber's loss, the mean over the steps that are known."""
        from torch.nn.functional import smooth_l1_loss

        known = ~y.isnan()
        # Squared up to half a deviation of the changes, as a straight line beyond it.
        losses = smooth_l1_loss(out, y.nan_to_num().to(out.dtype), reduction="none", beta=0.5)
        return mean_of_losses(losses, known, reduction)

    def indicators(self, y: Tensor, target: TargetSpec) -> Tensor:
        """Whether each step is known and above its median."""
        above: Tensor = y > y.nanmedian(0).values
        return above

    def trivial(self, y: Array, target: TargetSpec, weights: Array | None = None) -> Array:
        """The mean of each step where it is known; of all steps, of one that never is."""
        return mean_of_known(y, weights)

    def columns(self, target: TargetSpec, output: Array, scores: Array) -> dict[str, Any]:
        """`step_1`, `step_2`, ...: the values that come next."""
        return {f"step_{i + 1}": output[:, i] for i in range(output.shape[1])}


def mean_of_known(y: Array, weights: Array | None = None) -> Array:
    """The mean of each column of values (rows, columns), NaN left out; that of all without any.

    `weights` (rows,) say how much each row counts.
    """
    known = np.isfinite(y)
    if weights is None:
        sums, counts = np.where(known, y, 0.0).sum(axis=0, dtype=np.float64), known.sum(axis=0)
    else:
        sums, counts = weights @ np.where(known, y, 0.0), weights @ known
    every = sums.sum() / max(TINY, counts.sum())
    return np.asarray(np.where(counts > 0, sums / np.maximum(counts, TINY), every))

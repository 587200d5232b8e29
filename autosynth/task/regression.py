"""Regression: one number a row, in the target's own unit. R², RMSE and MAE."""

from typing import Any, ClassVar

import numpy as np

from autosynth.spec import Array, TargetSpec
from autosynth.task.metric import TINY, Metric, Scorer, by_name, negated_mean
from autosynth.task.task import Task, Tensor


def _prepare_neg_mae(y: Array, output: Array) -> Scorer:
    return negated_mean(_by_row(np.abs(_residual(y, output))))


def _prepare_neg_rmse(y: Array, output: Array) -> Scorer:
    square = _by_row(_residual(y, output) ** 2)
    return lambda weight: -float(np.sqrt(weight @ square / weight.sum()))


def _prepare_r2(y: Array, output: Array) -> Scorer:
    """The share of the variance that is explained."""
    square = _by_row(_residual(y, output) ** 2)
    target = y.astype(np.float64).reshape(len(y), -1)
    target = target - target.mean()  # whose squares would swallow the differences of large values
    least = TINY * float((target**2).max()) or TINY

    def scorer(weight: Array) -> float:
        mean = (weight @ target).sum() / (weight.sum() * target.shape[1])
        spread = weight @ _by_row((target - mean) ** 2)
        return 1.0 - float(weight @ square / max(spread, least))

    return scorer


def _residual(y: Array, output: Array) -> Array:
    return output.reshape(y.shape).astype(np.float64) - y


def _by_row(values: Array) -> Array:
    return np.asarray(values.reshape(len(values), -1).mean(axis=1))


VALUE_METRICS = by_name(
    Metric(name="r2", prepare=_prepare_r2),
    Metric(name="neg_rmse", prepare=_prepare_neg_rmse, relative=True),
    Metric(name="neg_mae", prepare=_prepare_neg_mae, relative=True),
)
"""Of values, one a row or several: of a forecast over all of its steps."""


class Regression(Task):
    """One number, by its squared error on the scale that it is learnt on."""

    name: ClassVar[str] = "regression"
    metrics = VALUE_METRICS
    default_metric: ClassVar[str] = "r2"
    is_number = True
    gives = "the columns `prediction` (a value in the target's own unit)"

    def loss(self, out: Tensor, y: Tensor, smoothing: float) -> Tensor:
        """Squared error."""
        from torch.nn.functional import mse_loss

        return mse_loss(out.squeeze(-1), y.to(out.dtype))

    def columns(self, target: TargetSpec, output: Array, scores: Array) -> dict[str, Any]:
        """`prediction` in the target's own unit."""
        return {"prediction": output}

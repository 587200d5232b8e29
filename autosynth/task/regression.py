"""Regression: one number a row, in the target's own unit; dates in days. R², RMSE and MAE."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from math import nan
from typing import Any, ClassVar

import numpy as np

from autosynth.number import date_text
from autosynth.spec import Array, TargetSpec
from autosynth.task.metric import TINY, Metric, Scorer, by_name
from autosynth.task.target import DAYS
from autosynth.task.task import Detail, Task, Tensor, value_detail


def _prepare_neg_mae(y: Array, output: Array) -> Scorer:
    return _negated_mean(np.abs(_residual(y, output)))


def _prepare_neg_rmse(y: Array, output: Array) -> Scorer:
    mean_square = _negated_mean(_residual(y, output) ** 2)
    return lambda weight: -float(np.sqrt(-mean_square(weight)))


def _prepare_r2(y: Array, output: Array) -> Scorer:
    """The share of the variance that is explained; NaN where there is none."""
    target = y.astype(np.float64).reshape(len(y), -1)
    # The squares of large values would swallow their differences.
    target = target - np.nansum(target) / max(1, np.isfinite(target).sum())
    square, known = _of_known(_residual(y, output) ** 2)
    total, _ = _of_known(target)
    # What is left of a constant by rounding is no variance.
    rounding = (1e-12 * float(np.nanmax(np.abs(target), initial=0.0))) ** 2

    def scorer(weight: Array) -> float:
        mean = weight @ total / max(weight @ known, TINY)
        spread, _ = _of_known((target - mean) ** 2)
        variance = float(weight @ spread)
        if variance <= rounding * float(weight.sum()):
            return nan
        return 1.0 - float(weight @ square) / variance

    return scorer


def _residual(y: Array, output: Array) -> Array:
    return (output.reshape(y.shape).astype(np.float64) - y).reshape(len(y), -1)


def _of_known(values: Array) -> tuple[Array, Array]:
    """Each row's sum over its columns as a share of their number, and the share that is known.

    A true value that is missing (NaN), as a step ahead may be, has no part in either.
    """
    known = ~np.isnan(values)
    return np.where(known, values, 0.0).mean(axis=1), known.mean(axis=1)


def _negated_mean(losses: Array) -> Scorer:
    """Minus the weighted mean of the losses (rows, columns) that are known."""
    rows, known = _of_known(losses)
    return lambda weight: -float(weight @ rows / max(weight @ known, TINY))


VALUE_METRICS = by_name(
    Metric(name="r2", prepare=_prepare_r2),
    Metric(name="neg_rmse", prepare=_prepare_neg_rmse, relative=True),
    Metric(name="neg_mae", prepare=_prepare_neg_mae, relative=True),
)
"""Of values, one a row or several: of a forecast over all of its steps that are known."""


class Regression(Task):
    """One number, by its squared error on the scale that it is learnt on."""

    name: ClassVar[str] = "regression"
    metrics = VALUE_METRICS
    default_metric: ClassVar[str] = "r2"
    is_number = True
    gives = "the columns `prediction` (a value in the target's own unit)"

    def loss(self, out: Tensor, y: Tensor, smoothing: float, reduction: str = "mean") -> Tensor:
        """Squared error."""
        from torch.nn.functional import mse_loss

        return mse_loss(out.squeeze(-1), y.to(out.dtype), reduction=reduction)

    def about(self, target: TargetSpec) -> str:
        """What is predicted, and in which unit its errors are."""
        if target.unit == DAYS:
            return f"{self.name} of dates (errors in {DAYS})"
        return f"{self.name} (in {target.unit})" if target.unit else self.name

    def columns(self, target: TargetSpec, output: Array, scores: Array) -> dict[str, Any]:
        """`prediction` in the target's own unit; dates as texts, as the training data has them."""
        return {"prediction": _dates(target, output) if target.unit == DAYS else output}

    def detail(self, target: TargetSpec, y: Array, output: Array, index: Sequence[Any]) -> Detail:
        """The residuals; the rows that are furthest off with their dates, where these are some."""
        found = value_detail(target, y, output, index)
        if target.unit != DAYS or found.worst is None:
            return found
        dates = {name: _dates(target, found.worst[name]) for name in ("truth", "prediction")}
        return replace(found, worst=found.worst.assign(**dates))


def _dates(target: TargetSpec, days: Iterable[float]) -> list[str]:
    return [date_text(float(each), target.form) for each in days]

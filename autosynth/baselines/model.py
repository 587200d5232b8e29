"""What would do without us: a dataset in, a simple model's outputs on select and test rows out.

The most frequent class or the mean, a linear model, gradient boosting: they stand on the
leaderboard beside the composites.
"""

import math
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline

from autosynth.baselines.forecast import fit_lags, fit_last, fit_means, fit_seasonal
from autosynth.baselines.ranking import RANKERS
from autosynth.baselines.rocket import ROCKET, fit_rocket, reads
from autosynth.baselines.several import Fit, Fitted, of_labels, of_targets
from autosynth.baselines.table import Table, dense_of, numbers_of, table_of
from autosynth.data.kept import Kept
from autosynth.data.spec import Dataset, TargetSpec
from autosynth.errors import lookup

Array = NDArray[Any]
_ROWS = 50_000
MAX_ROWS = 100_000
"""Of large data, at most so many training rows."""


@dataclass(frozen=True, kw_only=True)
class BaselineResult:
    """What one baseline gave.

    `select` and `test` are class probabilities `(n, k)` or predictions `(n,)`, in the order of
    those splits. `row_share` (0 to 1) is the share of the rows outside select and test it was
    fitted on, which `note` says in words. `flops` a sample and `params` are None where they are
    no plain arithmetic.
    """

    name: str
    state: Literal["complete", "failed", "not_run"]
    reason: str = ""
    note: str = ""
    select: Array | None = None
    test: Array | None = None
    train_seconds: float | None = None
    row_share: float = 0.0
    flops: int | None = None
    params: int | None = None


def _fit_majority(table: Table, y: Array, target: TargetSpec, seed: int, seconds: float) -> Fitted:
    share = (np.bincount(y, minlength=target.n_outputs) / len(y)).astype(np.float32)
    return Fitted(lambda x: np.tile(share, (len(x), 1)), 0, 0)


def _fit_mean(table: Table, y: Array, target: TargetSpec, seed: int, seconds: float) -> Fitted:
    mean = np.float32(y.mean(dtype=np.float64))
    return Fitted(lambda x: np.full(len(x), mean), 0, 0)


def _fit_logistic(table: Table, y: Array, target: TargetSpec, seed: int, seconds: float) -> Fitted:
    if len(np.unique(y)) == 1:
        return _fit_majority(table, y, target, seed, seconds)
    # Thousands of weights of which a text meets a few ask for less of a penalty.
    model = LogisticRegression(C=10 if table.texts else 1, max_iter=200, random_state=seed)
    pipeline = make_pipeline(numbers_of(table), model)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # said in the note
        pipeline.fit(table.x, y)
    note = "stopped after 200 iterations" if model.n_iter_.max() >= 200 else ""
    params = model.coef_.size + model.intercept_.size
    predict = _probabilities(pipeline, model.classes_, target.n_outputs)
    return Fitted(predict, _linear_flops(table, model.coef_), params, note)


def _fit_ridge(table: Table, y: Array, target: TargetSpec, seed: int, seconds: float) -> Fitted:
    model = Ridge(alpha=1.0)
    pipeline = make_pipeline(numbers_of(table), model).fit(table.x.astype(np.float64), y)
    flops, params = _linear_flops(table, model.coef_), model.coef_.size + 1
    return Fitted(lambda x: pipeline.predict(x.astype(np.float64)), flops, params)


def _linear_flops(table: Table, weights: Array) -> int | None:
    """2 a weight; None with texts, of whose many weights a row meets few."""
    return None if table.texts else 2 * weights.size


def _fit_hgb(table: Table, y: Array, target: TargetSpec, seed: int, seconds: float) -> Fitted:
    features = dense_of(table, seed)
    x = features.fit_transform(table.x)
    cards = np.zeros(x.shape[1], np.int64)
    cards[: len(table.cells)] = table.cardinalities[table.cells]
    settings = {
        # scikit-learn takes up to 255 categories a column; codes of more are cut as numbers are.
        "categorical_features": (cards > 0) & (cards <= 255),
        "random_state": seed,
        # Of many columns (pixels), fewer cuts lose nothing and are four times as fast to search.
        "max_bins": 255 if x.shape[1] <= 256 else 64,
    }
    values = target.task == "regression"
    kind = HistGradientBoostingRegressor if values else HistGradientBoostingClassifier
    if not values and len(np.unique(y)) == 1:
        return _fit_majority(table, y, target, seed, seconds)
    rounds = 100
    if seconds < math.inf:
        start = time.perf_counter()
        kind(**settings, max_iter=2).fit(x, y)
        rounds = int(np.clip(2 * seconds / (time.perf_counter() - start) - 2, 5, 100))
    model = kind(**settings, max_iter=rounds).fit(x, y)
    note = "" if rounds == 100 else f"{rounds} rounds of 100"
    pipeline = make_pipeline(features, model)  # both are fitted
    if values:
        return Fitted(pipeline.predict, None, None, note)
    return Fitted(_probabilities(pipeline, model.classes_, target.n_outputs), None, None, note)


def _probabilities(model: Any, classes: Array, k: int) -> Callable[[Array], Array]:
    def predict(x: Array) -> Array:
        proba = np.zeros((len(x), k), np.float32)
        proba[:, classes] = model.predict_proba(x)  # a class may be absent from the rows fitted
        return proba

    return predict


_CLASSIFIERS = {"majority": _fit_majority, "logistic": _fit_logistic, "hgb": _fit_hgb}
_REGRESSORS = {"mean": _fit_mean, "ridge": _fit_ridge, "hgb": _fit_hgb}
BASELINES: Mapping[str, Mapping[str, Fit]] = {
    "classification": {**_CLASSIFIERS, ROCKET: fit_rocket},
    "regression": {**_REGRESSORS, ROCKET: fit_rocket},
    "forecasting": {
        "mean": fit_means,
        "last": fit_last,
        "seasonal": fit_seasonal,
        "ridge": fit_lags,
    },
    "multilabel": {name: of_labels(fit) for name, fit in _CLASSIFIERS.items()},
    "multitask": {
        name: of_targets(classify, regress)
        for name, classify, regress in (
            ("majority", _fit_majority, _fit_mean),
            ("linear", _fit_logistic, _fit_ridge),
            ("hgb", _fit_hgb, _fit_hgb),
        )
    },
    "ranking": RANKERS,
}
"""The baselines of a task by name, quick ones first; the first one knows the target alone."""


def fitting(dataset: Dataset) -> tuple[str, ...]:
    """The names of the baselines that can read a dataset."""
    names = BASELINES[dataset.target.task]
    return tuple(name for name in names if name != ROCKET or reads(dataset))


def run(
    name: str, dataset: Dataset, *, seed: int = 0, rows: int | None = None,
    seconds: float = math.inf,
) -> BaselineResult:  # fmt: skip
    """Fit one baseline and give its outputs.

    Args:
        name: a name in `BASELINES` for the dataset's task.
        dataset: fitted on rows of `splits.train` and `splits.fit`.
        seed: which rows, and the model's own chance.
        rows: at most so many of them; all if left out, or `MAX_ROWS` of data kept on disk.
        seconds: a wish, for the models that can do with fewer rounds.

    Raises:
        UnknownNameError: the task has no baseline of that name.
    """
    fit = lookup(BASELINES[dataset.target.task], name, "baseline")
    pool = np.concatenate([dataset.splits.train, dataset.splits.fit])
    if rows is None and any(isinstance(values, Kept) for values in dataset.x.values()):
        rows = MAX_ROWS
    chosen = np.random.default_rng(seed).permutation(pool)[:rows]
    start = time.perf_counter()
    model = fit(table_of(dataset, chosen), dataset.y[chosen], dataset.target, seed, seconds)
    train_seconds = time.perf_counter() - start
    share = len(chosen) / len(pool)
    on = f"fitted on {len(chosen)} of {len(pool)} rows" if share < 1 else ""
    return BaselineResult(
        name=name,
        state="complete",
        note="; ".join(filter(None, (on, model.note))),
        select=_outputs(model, dataset, dataset.splits.select),
        test=_outputs(model, dataset, dataset.splits.test),
        train_seconds=train_seconds,
        row_share=share,
        flops=model.flops,
        params=model.params,
    )


def _outputs(model: Fitted, dataset: Dataset, rows: Array) -> Array:
    """A model's outputs for some rows, of which no more than a part is in memory at once."""
    parts = [rows[at : at + _ROWS] for at in range(0, max(1, len(rows)), _ROWS)]
    return np.concatenate([model.predict(table_of(dataset, part).x) for part in parts])

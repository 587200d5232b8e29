"""What baselines learn: a table of training rows and true values in, a fitted model out.

A linear model and gradient boosting. This file loads scikit-learn, which takes a second of a
processor: `model.py` says by name what is here, and loads it where something is fitted.
"""

import math
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline

from autosynth.baselines.feature import dense_of, linear_features
from autosynth.baselines.rocket import fit_rocket
from autosynth.baselines.table import (
    BaselineInputs,
    FittedBaseline,
    Table,
    known_cells,
)
from autosynth.baselines.trivial import counting, fit_majority, per_label, per_target
from autosynth.spec import Array

# Rounds of two short fits, whose difference is what a round takes.
_FEW, _MORE = 2, 6
# Of the time that is left: early rounds can be quicker than later ones.
_SAFELY = 0.7
# scikit-learn's own default, so that the bar is what a user gets without us.
_ROUNDS = 100


def fit_logistic(it: BaselineInputs) -> FittedBaseline:
    """Logistic regression, where there is more than one class."""
    if len(np.unique(it.y)) == 1:
        return fit_majority(it)
    # Thousands of weights of which a text meets a few ask for less of a penalty.
    model = LogisticRegression(C=10 if it.table.texts else 1, max_iter=200, random_state=it.seed)
    pipeline = make_pipeline(linear_features(it.table), model)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # said in the note
        pipeline.fit(it.table.x, it.y)
    note = "stopped after 200 iterations" if model.n_iter_.max() >= 200 else ""
    params = model.coef_.size + model.intercept_.size
    predict = _probabilities(pipeline, model.classes_, it.target.n_outputs)
    return FittedBaseline(predict, _linear_flops(it.table, model.coef_), params, note)


def _fit_ridge(it: BaselineInputs) -> FittedBaseline:
    model = Ridge(alpha=1.0)
    pipeline = make_pipeline(linear_features(it.table), model)
    pipeline.fit(it.table.x.astype(np.float64), it.y)
    flops, params = _linear_flops(it.table, model.coef_), model.coef_.size + 1
    return FittedBaseline(lambda x: pipeline.predict(x.astype(np.float64)), flops, params)


def _linear_flops(table: Table, weights: Array) -> int | None:
    """2 a weight; None with texts, of whose many weights a row meets few."""
    return None if table.texts else 2 * weights.size


def fit_boosting(it: BaselineInputs) -> FittedBaseline:
    """Histogram gradient boosting, with as many of its rounds as there is time for."""
    start = time.perf_counter()
    features = dense_of(it.table, it.seed)
    x = features.fit_transform(it.table.x)
    cards = np.zeros(x.shape[1], np.int64)
    cells = known_cells(it.table)
    cards[: len(cells)] = it.table.cardinalities[cells]
    settings = {
        # scikit-learn takes up to 255 categories a column; codes of more are cut as numbers are.
        "categorical_features": (cards > 0) & (cards <= 255),
        "random_state": it.seed,
    }
    values = not it.target.is_coded
    kind = HistGradientBoostingRegressor if values else HistGradientBoostingClassifier
    if not values and len(np.unique(it.y)) == 1:
        return fit_majority(it)
    left = it.seconds - (time.perf_counter() - start)
    rounds = _rounds(lambda n: kind(**settings, max_iter=n).fit(x, it.y), left)
    model = kind(**settings, max_iter=rounds).fit(x, it.y)
    # One that stopped by itself before its rounds were over would not have made more of 100.
    is_whole = rounds == _ROUNDS or model.n_iter_ < rounds
    cut = "" if is_whole else f"{rounds} of {_ROUNDS} rounds"
    pipeline = make_pipeline(features, model)  # both are fitted
    predict = pipeline.predict
    if not values:
        predict = _probabilities(pipeline, model.classes_, it.target.n_outputs)
    return FittedBaseline(predict, None, None, cut=cut)


def _rounds(fit: Callable[[int], Any], seconds: float) -> int:
    """All rounds of boosting, or as many as the time allows where all would not fit into it.

    Two short fits tell what a round takes from what binning and the start take.
    """
    if seconds == math.inf:
        return _ROUNDS
    spent = []
    for rounds in (_FEW, _MORE):
        start = time.perf_counter()
        fit(rounds)
        spent.append(time.perf_counter() - start)
    left = seconds - sum(spent)
    each = max(1e-9, (spent[1] - spent[0]) / (_MORE - _FEW))
    once = max(0.0, spent[0] - _FEW * each)
    if once + _ROUNDS * each <= left:
        return _ROUNDS
    return int(np.clip((_SAFELY * left - once) / each, 5, _ROUNDS - 1))


def _probabilities(model: Any, classes: Array, k: int) -> Callable[[Array], Array]:
    def predict(x: Array) -> Array:
        proba = np.zeros((len(x), k), np.float32)
        proba[:, classes] = model.predict_proba(x)  # a class may be absent from the rows fitted
        return proba

    return predict


fit_ridge = counting(_fit_ridge)
fit_value_boosting = counting(fit_boosting)
fit_value_rocket = counting(fit_rocket)
fit_labels_logistic = per_label(fit_logistic)
fit_labels_boosting = per_label(fit_boosting)
fit_targets_linear = per_target(fit_logistic, fit_ridge)
fit_targets_boosting = per_target(fit_boosting, fit_value_boosting)

"""Fits forests: boosting and extra trees, on a matrix of numbers and codes, in the time there is.

Takes rows, targets and weights; gives a `Forest`, and whether its fit was cut short. The libraries
are scikit-learn's. It takes a second to load, so that this file is loaded where something is
fitted, and `autosynth.components` does not name it.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
)
from threadpoolctl import threadpool_limits

from autosynth.budget import NEVER, Deadline
from autosynth.components.forest import Forest, Link
from autosynth.components.forestnodes import ForestNodes, constant_tree, pack_forest
from autosynth.components.forestreader import (
    MOST_CODES,
    read_boosted_classes,
    read_boosting,
    read_tree_means,
)

# scikit-learn's own defaults: rounds, leaves and learning rate of boosting, trees of a forest.
ROUNDS, LEAVES, RATE, TREES = 100, 31, 0.1, 100
# Of extra trees. On adult, credit_taiwan and diamonds (2026-11) leaves of three rows had test
# scores of .909, .782 and .980, and leaves of one .890, .760 and .980, with three to six times as
# many nodes. The depth bounds what a row costs; with it they had .909, .785 and .980.
LEAF_ROWS, TREE_DEPTH = 3, 20
# Rounds or trees of the first stage, whose time foretells that of the next, and by how much a
# stage may be larger than all before: each begins with the same work again, such as binning.
_FIRST, _GROWTH = 2, 4
# Of the time that is left, what a stage may be expected to take: later rounds can be slower.
_SAFELY = 0.7
# From so many rows on boosting holds some back, by class, and stops by them; a class of one row
# cannot be shared out.
_STOPS_FROM = 10_000
ForestTask = Literal["classes", "labels", "values"]


@dataclass(frozen=True, kw_only=True)
class ForestRows:
    """What a forest is fitted to.

    `x` is (n, F), float32, NaN where missing; `cardinalities` (F) says of each column how many
    codes it has, 0 of numbers. `y` are class codes (n,), labels (n, k), 0 and 1, or values (n,) or
    (n, k); of labels and values NaN where unknown. `n_classes` is that of classes. `weights` (n,)
    are of rows, all equal if None.
    """

    x: NDArray[np.float32]
    cardinalities: NDArray[np.int64]
    y: NDArray[Any]
    task: ForestTask
    n_classes: int = 0
    weights: NDArray[np.float64] | None = None

    @property
    def columns(self) -> NDArray[np.int64]:
        """The columns that hold a value: libraries cannot cut one that is empty. At least one."""
        known = np.flatnonzero(~np.isnan(self.x).all(0))
        return known if len(known) else np.zeros(1, np.int64)

    @property
    def values(self) -> NDArray[np.float32]:
        """These columns; zeros where none holds a value, which no tree cuts."""
        values = self.x[:, self.columns]
        return values if not np.isnan(values).all() else np.zeros_like(values)

    @property
    def n_outputs(self) -> int:
        """The columns of its targets, or the classes."""
        if self.task == "classes":
            return self.n_classes
        return 1 if self.y.ndim == 1 else self.y.shape[1]


@dataclass(frozen=True, kw_only=True)
class FittedForest:
    """A fitted forest; `cut` says what it has less of than it should, for want of time."""

    forest: Forest
    cut: str = ""


Fit = Callable[[NDArray[np.float32], NDArray[Any], NDArray[np.float64] | None, Deadline], Any]
"""Columns, one target and weights of the rows at hand in, and until when; a fitted model out."""


def fit_boosted_forest(
    rows: ForestRows,
    *,
    rounds: int = ROUNDS,
    leaves: int = LEAVES,
    rate: float = RATE,
    seed: int = 0,
    threads: int = 1,
    deadline: Deadline = NEVER,
) -> FittedForest:
    """Histogram gradient boosting: logits of classes or labels, or values, (B, n_outputs).

    Args:
        rows: what it is fitted to.
        rounds: trees for every output.
        leaves: of a tree at most.
        rate: the share of what a tree found that is added.
        seed: of its chance.
        threads: that it may use.
        deadline: by which it should have ended, with fewer rounds if need be.
    """
    grown = _Growth("max_iter", rounds, "rounds", threads)
    columns = rows.columns
    cards = rows.cardinalities[columns]
    settings = {
        # Codes of more than scikit-learn takes are cut as numbers are.
        "categorical_features": (cards > 0) & (cards <= MOST_CODES),
        "max_leaf_nodes": leaves,
        "learning_rate": rate,
        "random_state": seed,
    }

    def fit(x: Any, y: NDArray[Any], weights: Any, until: Deadline) -> Any:
        if rows.task == "values":
            model = HistGradientBoostingRegressor(**settings)
        else:
            counts = np.unique(y, return_counts=True)[1]
            stops = "auto" if len(y) <= _STOPS_FROM or counts.min() > 1 else False
            model = HistGradientBoostingClassifier(**settings, early_stopping=stops)
        return grown.fit(model, x, y, weights, until)

    n_features = rows.x.shape[1]
    if rows.task == "classes":
        if len(np.unique(rows.y)) == 1:
            return _one_class(rows)
        model = fit(rows.values, rows.y, rows.weights, deadline)
        nodes = read_boosted_classes(model, rows.n_classes, n_features=n_features, columns=columns)
    else:
        models = _each_output(rows, fit, deadline, _logit)
        nodes = read_boosting(models, n_features=n_features, columns=columns)
    return _fitted(rows, nodes, "identity", grown)


def fit_extra_trees(
    rows: ForestRows,
    *,
    trees: int = TREES,
    depth: int = TREE_DEPTH,
    seed: int = 0,
    threads: int = 1,
    deadline: Deadline = NEVER,
) -> FittedForest:
    """Extra trees: log-probabilities of classes, logits of labels, or values, (B, n_outputs).

    Categories are cut by their codes, as numbers are. The method is that of Geurts, Ernst and
    Wehenkel, 2006, "Extremely randomized trees". There are `trees` of at most `depth` comparisons;
    the other arguments are those of `fit_boosted_forest`.
    """
    grown = _Growth("n_estimators", trees, "trees", threads)
    settings = {
        "min_samples_leaf": LEAF_ROWS,
        "max_depth": depth,
        "random_state": seed,
        "n_jobs": threads,
    }
    kind = ExtraTreesRegressor if rows.task == "values" else ExtraTreesClassifier

    def fit(x: Any, y: NDArray[Any], weights: Any, until: Deadline) -> Any:
        return grown.fit(kind(**settings), x, y, weights, until)

    if rows.task == "classes" or not np.isnan(rows.y).any():
        models = [fit(rows.values, rows.y, rows.weights, deadline)]
    else:  # a tree takes no target that is unknown
        models = _each_output(rows, fit, deadline, float)
    nodes = read_tree_means(
        models,
        n_features=rows.x.shape[1],
        columns=rows.columns,
        classes=rows.n_classes if rows.task == "classes" else None,
    )
    links: dict[ForestTask, Link] = {"classes": "log", "labels": "logit", "values": "identity"}
    return _fitted(rows, nodes, links[rows.task], grown)


def _fitted(rows: ForestRows, nodes: ForestNodes, link: Link, grown: "_Growth") -> FittedForest:
    forest = Forest(rows.x.shape[1], rows.n_outputs, link).take(nodes)
    return FittedForest(forest=forest, cut=grown.cut)


def _one_class(rows: ForestRows) -> FittedForest:
    """The shares of the classes, each with half a row more than it has."""
    counts = np.bincount(rows.y, rows.weights, rows.n_classes) + 0.5
    tree = constant_tree(np.zeros(rows.n_classes))
    nodes = pack_forest([tree], np.log(counts / counts.sum()), rows.x.shape[1])
    return FittedForest(forest=Forest(rows.x.shape[1], rows.n_classes).take(nodes))


def _logit(share: float) -> float:
    return math.log(share / (1 - share))


def _each_output(
    rows: ForestRows,
    fit: Fit,
    deadline: Deadline,
    constant: Callable[[float], float],
) -> list[Any]:
    """A model for each label or value, of the rows where it is known.

    In place of a label that is always the same stands a number: `constant` of how likely it is.
    Those still to come share the time that is left.
    """
    x, y = rows.values, rows.y.reshape(len(rows.y), -1)
    models: list[Any] = []
    for i, column in enumerate(y.T):
        known = np.flatnonzero(~np.isnan(column))
        own = column[known]
        weights = None if rows.weights is None else rows.weights[known]
        if rows.task == "labels" and len(np.unique(own)) < 2:
            each = np.ones(len(own)) if weights is None else weights
            ones = (each @ own + 0.5) / (each.sum() + 1)
            models.append(constant(float(ones)))
        elif not len(own):
            models.append(0.0)
        else:
            until = deadline.within(deadline.left / (y.shape[1] - i))
            models.append(fit(x[known], own, weights, until))
    return models


class _Growth:
    """Grows a model in stages, to all its rounds or trees or to as many as there is time for.

    Without a deadline it is one stage. The stages of a model add up to what one would have given;
    but for boosting that would have stopped with the last round of a stage, and has one more.
    """

    def __init__(self, size: str, most: int, unit: str, threads: int) -> None:
        self.size, self.most, self.unit, self.threads = size, most, unit, threads
        self.cut = ""

    def fit(self, model: Any, x: Any, y: Any, weights: Any, deadline: Deadline) -> Any:
        """The model, fitted; at least its first stage, whatever the time."""
        model.set_params(warm_start=True)
        done, goal = 0, self.most if deadline.at == math.inf else _FIRST
        while True:
            start = time.monotonic()
            model.set_params(**{self.size: goal})
            with threadpool_limits(self.threads, user_api="openmp"):
                model.fit(x, y, sample_weight=weights)
            each = (time.monotonic() - start) / (goal - done)
            # Boosting that stopped by itself would not have made more of what is left.
            if goal == self.most or getattr(model, "n_iter_", goal) < goal:
                return model
            done = goal
            goal = min(self.most, done * _GROWTH, done + self._more(each, deadline))
            if goal == done:
                self.cut = f"{done} of {self.most} {self.unit}"
                return model

    def _more(self, each_seconds: float, deadline: Deadline) -> int:
        return max(0, int(_SAFELY * deadline.left / max(1e-9, each_seconds)))

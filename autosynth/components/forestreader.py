"""Fitted forests of scikit-learn as arrays: what their trees hold, in the order of `forestnodes`.

Takes a fitted `HistGradientBoosting…`, `ExtraTrees…` or `RandomForest…`; gives `ForestNodes` that
add up to the same. It loads no scikit-learn: what was fitted has brought it.

The trees of histogram boosting have no public form: `_predictors`, `_baseline_prediction` and
`_preprocessor` are read as they are in 1.9. A version that changes them fails
`tests/components/test_forestreader.py`, which compares outputs.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from autosynth.components.forestnodes import (
    Doubles,
    ForestNodes,
    ForestTree,
    Ints,
    constant_tree,
    pack_forest,
)

# scikit-learn's bound on the categories of a column, and its codes: a byte, less one for missing.
MOST_CODES = 255


def read_boosting(
    models: Sequence[Any], *, n_features: int, columns: Ints | None = None
) -> ForestNodes:
    """The sums of histogram boosting for one or more outputs, a model each.

    Args:
        models: fitted regressors, or classifiers of 0 and 1, of which the logit is taken; a number
            stands for an output that is always that.
        n_features: of the rows that the forest reads.
        columns: for each feature of the models, its place among those; all, in order, if left out.

    Raises:
        ValueError: a loss other than the squared error and the log loss, or categories that are
            not whole numbers from 0.
    """
    rounds = [
        [] if isinstance(model, float) else _boosted_trees(model, _places(columns, n_features))
        for model in models
    ]
    none = constant_tree(np.zeros(1))
    trees = [
        own[i][0] if i < len(own) else none
        for i in range(max(1, *map(len, rounds)))
        for own in rounds
    ]
    bias = [
        model if isinstance(model, float) else float(model._baseline_prediction.item())
        for model in models
    ]
    return pack_forest(trees, np.array(bias), n_features)


def read_boosted_classes(
    model: Any, classes: int, *, n_features: int, columns: Ints | None = None
) -> ForestNodes:
    """The logits of classes of histogram boosting.

    Of two classes they are half the sum and its negative. A class that no row had when it was
    fitted begins as likely as if half a row had had it.

    Args:
        model: a fitted classifier of codes, two of them or more.
        classes: how many there are; codes are 0 to `classes` - 1.
        n_features: of the rows that the forest reads.
        columns: for each feature of the model, its place among those; all, in order, if left out.

    Raises:
        ValueError: as `read_boosting`.
    """
    rounds = _boosted_trees(model, _places(columns, n_features))
    start = model._baseline_prediction.ravel()
    present = np.asarray(model.classes_).astype(np.int64)
    rows = int(model._predictors[0][0].nodes["count"][0]) if rounds else 1
    if len(present) == 2:  # one sum for both: a tree adds to all outputs at once
        share = np.zeros(classes)
        share[present] = -0.5, 0.5
        trees = [replace(tree, values=tree.values * share) for (tree,) in rounds]
        trees = trees or [constant_tree(np.zeros(classes))]
        start = start * share[present]
    else:
        none = constant_tree(np.zeros(1))
        places = {code: i for i, code in enumerate(present.tolist())}
        trees = [
            own[places[code]] if code in places else none
            for own in rounds or [[none] * len(present)]
            for code in range(classes)
        ]
    # The starts are logarithms of shares, up to a number that is the same for all.
    bias = np.full(classes, np.logaddexp.reduce(start) - np.log(2 * rows))
    bias[present] = start
    return pack_forest(trees, bias, n_features)


def _places(columns: Ints | None, n_features: int) -> Ints:
    return np.arange(n_features) if columns is None else columns


def _boosted_trees(model: Any, columns: Ints) -> list[list[ForestTree]]:
    """The trees of every round, each for one sum."""
    if model.loss not in ("squared_error", "log_loss"):
        raise ValueError(
            f"boosting with the loss {model.loss!r} has outputs on a scale of its own; "
            "fit it with squared_error or log_loss"
        )
    names, codes = columns, None
    if model._preprocessor is not None:
        # Categories come first there, as numbers in the order of their codes.
        is_category = np.asarray(model.is_categorical_)
        names = np.concatenate([columns[is_category], columns[~is_category]])
        codes = [
            _codes(each) for each in model._preprocessor.named_transformers_["encoder"].categories_
        ]
    return [[_boosted_tree(each, names, codes) for each in own] for own in model._predictors]


def _codes(categories: Any) -> Ints:
    """The codes of the categories that a column was fitted with; the missing one is none."""
    known = np.asarray(categories, np.float64)
    known = known[~np.isnan(known)]
    if ((known < 0) | (known != np.floor(known))).any():
        bad = known[(known < 0) | (known != np.floor(known))][0]
        raise ValueError(
            f"categories are codes, whole numbers from 0, and one is {bad:g}; encode the column"
        )
    return known.astype(np.int64)


def _boosted_tree(predictor: Any, names: Ints, codes: list[Ints] | None) -> ForestTree:
    nodes = predictor.nodes
    is_leaf = nodes["is_leaf"].astype(bool)
    missing_left = nodes["missing_go_to_left"].astype(bool)
    is_set = nodes["is_categorical"].astype(bool) & ~is_leaf
    sets = np.where(is_set, nodes["bitset_idx"].astype(np.int64), -1)
    most = max((int(own.max(initial=-1)) + 1 for own in codes or ()), default=0)
    goes_left = np.zeros((len(predictor.raw_left_cat_bitsets), most), np.bool_)
    for node in np.flatnonzero(is_set):
        known = (codes or [])[nodes["feature_idx"][node]]
        words = predictor.raw_left_cat_bitsets[sets[node]].astype("<u4")
        bits = np.unpackbits(words.view(np.uint8), bitorder="little")
        row = np.full(most, missing_left[node])  # what was never seen goes with what is missing
        row[known] = bits[: len(known)]
        goes_left[sets[node]] = row
    return ForestTree(
        feature=names[np.where(is_leaf, 0, nodes["feature_idx"])],
        threshold=np.where(is_leaf | is_set, 0.0, nodes["num_threshold"]),
        left=nodes["left"].astype(np.int64),
        right=nodes["right"].astype(np.int64),
        is_leaf=is_leaf,
        missing_left=missing_left,
        values=nodes["value"].astype(np.float64)[:, None],
        sets=sets,
        goes_left=goes_left,
    )


def read_tree_means(
    models: Sequence[Any],
    *,
    n_features: int,
    columns: Ints | None = None,
    classes: int | None = None,
) -> ForestNodes:
    """The means of extra trees or of a random forest: shares of classes or labels, or values.

    Args:
        models: one that is fitted, of one target or of several; or one for each of several
            targets. A number stands for an output that is always that.
        n_features: of the rows that the forest reads.
        columns: for each feature of the models, its place among those; all, in order, if left out.
        classes: of one classifier, with codes 0 to `classes` - 1. None: classifiers are of labels,
            0 and 1, and give the share of ones.
    """
    places = _places(columns, n_features)
    means = [
        []
        if isinstance(model, float)
        else [
            _mean_tree(each.tree_, places, _leaf_values(model, each.tree_, classes) / len(model))
            for each in model.estimators_
        ]
        for model in models
    ]
    width = max(own[0].values.shape[1] if own else 1 for own in means)
    none = constant_tree(np.zeros(width))
    trees = [
        own[i] if i < len(own) else none for i in range(max(1, *map(len, means))) for own in means
    ]
    bias = [np.full(width, model if isinstance(model, float) else 0.0) for model in models]
    return pack_forest(trees, np.concatenate(bias), n_features)


def _leaf_values(model: Any, tree: Any, classes: int | None) -> Doubles:
    """What each node would give, (nodes, width)."""
    value = np.asarray(tree.value, np.float64)  # (nodes, targets, classes, or 1 of a number)
    if not hasattr(model, "classes_"):
        return value[:, :, 0]
    value = value / value.sum(2, keepdims=True)
    several = isinstance(model.classes_, list)
    if several or classes is None:
        labels = model.classes_ if several else [model.classes_]
        return np.stack([value[:, i, : len(own)] @ own for i, own in enumerate(labels)], 1)
    shares = np.zeros((len(value), classes))
    shares[:, np.asarray(model.classes_).astype(np.int64)] = value[:, 0]
    return shares


def _mean_tree(tree: Any, names: Ints, values: Doubles) -> ForestTree:
    is_leaf = tree.children_left < 0
    return ForestTree(
        feature=names[np.where(is_leaf, 0, tree.feature)],
        threshold=np.asarray(tree.threshold, np.float64),
        left=np.asarray(tree.children_left, np.int64),
        right=np.asarray(tree.children_right, np.int64),
        is_leaf=is_leaf,
        missing_left=np.asarray(tree.missing_go_to_left).astype(bool),
        values=values,
        sets=np.full(len(is_leaf), -1, np.int64),
        goes_left=np.zeros((0, 0), np.bool_),
    )

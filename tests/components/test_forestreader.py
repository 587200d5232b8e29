"""Forests that scikit-learn fitted: outputs equal to its own, every row in the same leaf."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)

from autosynth.components.forest import Forest
from autosynth.components.forestnodes import ForestNodes
from autosynth.components.forestreader import (
    read_boosted_classes,
    read_boosting,
    read_tree_means,
)

N, F = 1000, 6
SETTINGS: dict[str, Any] = {"categorical_features": [1, 4], "max_iter": 20, "random_state": 0}
RNG = np.random.default_rng(0)


def _table() -> np.ndarray:
    x = RNG.normal(size=(N, F)).astype(np.float32)
    # Neighbours in float32: the thresholds of float64 lie between them, and are none.
    x[:, 0] = 1 + RNG.integers(0, 60, N) * np.float32(2**-23)
    x[:, 1] = RNG.choice([0, 2, 3, 7, 9, 254], N)
    x[:, 4] = RNG.integers(0, 5, N)
    x[:, 5] = RNG.integers(0, 4, N)  # never missing
    x[:, :5][RNG.random((N, 5)) < 0.1] = np.nan
    return x


X = _table()
_known = np.nan_to_num(X).astype(np.float64)
VALUES = (_known[:, 0] - 1) * 2**21 % 7 + _known[:, 2] + _known[:, 1] % 3 * _known[:, 4]
VALUES += np.isnan(X[:, 3]) * 2.0
CODES = np.digitize(VALUES, np.quantile(VALUES, [0.3, 0.6, 0.8]))


def probes(forest: Forest) -> np.ndarray:
    """Rows of this table with every threshold, its neighbours, and every kind of category."""
    known = forest.threshold.numpy()
    columns = forest.feature.numpy()
    rows = [X]
    for i in range(F):
        own = np.unique(known[(columns < 2 * F) & (columns % F == i)])
        values = [own, np.nextafter(own, np.float32(np.inf)), np.nextafter(own, -own - 1)]
        if i in (1, 4):
            values = [np.array([0, 1, 2, 3, 7, 9, 11, 253, 254, 255, 300, -1, 1.5])]
        column = np.concatenate(
            [*values, [np.nan, np.inf, -np.inf] if i not in (1, 4) else [np.nan]]
        )
        block = X[RNG.integers(0, N, len(column))]
        block[:, i] = column
        rows.append(block)
    return np.concatenate(rows).astype(np.float32)


def outputs(forest: Forest, x: np.ndarray) -> np.ndarray:
    return forest(torch.from_numpy(x)).double().numpy()


def test_boosted_values_are_the_librarys_tree_by_tree() -> None:
    model = HistGradientBoostingRegressor(**SETTINGS).fit(X, VALUES)
    forest = Forest(F, 1).take(read_boosting([model], n_features=F))
    assert len(forest.sets)
    x = probes(forest)
    staged = np.array(list(model.staged_predict(x)))
    trees = forest.tree_values(torch.from_numpy(x))[:, 1:, 0].T
    np.testing.assert_allclose(trees, np.diff(staged, axis=0), rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(outputs(forest, x)[:, 0], model.predict(x), rtol=0, atol=1e-5)


@pytest.mark.parametrize("classes", [2, 4])
def test_boosted_classes_are_the_librarys(classes: int) -> None:
    y = np.minimum(CODES, classes - 1)
    model = HistGradientBoostingClassifier(**SETTINGS).fit(X, y)
    forest = Forest(F, classes).take(read_boosted_classes(model, classes, n_features=F))
    # Two classes have one sum, and one tree a round.
    assert forest.n_trees == 20 * (1 if classes == 2 else classes)
    x = probes(forest)
    shares = torch.from_numpy(outputs(forest, x)).softmax(1)
    np.testing.assert_allclose(shares, model.predict_proba(x), rtol=0, atol=1e-5)


@pytest.mark.parametrize("present", [[0, 3], [0, 2, 3]])
def test_a_class_that_was_not_there_is_hardly_likely(present: list[int]) -> None:
    rows = np.isin(CODES, present)
    model = HistGradientBoostingClassifier(**SETTINGS).fit(X[rows], CODES[rows])
    forest = Forest(F, 4).take(read_boosted_classes(model, 4, n_features=F))
    shares = torch.from_numpy(outputs(forest, X)).softmax(1).numpy()
    assert 0 < shares[:, 1].max() < 5e-3
    assert forest.n_trees == 20 * (1 if len(present) == 2 else 4)
    # It begins at half a row of so many.
    first = forest.bias.double().exp().numpy()
    np.testing.assert_allclose(first[1] / first[present].sum(), 0.5 / rows.sum(), rtol=1e-5)
    np.testing.assert_allclose(shares[:, present], model.predict_proba(X), rtol=0, atol=5e-3)


def test_several_outputs_may_have_different_rounds() -> None:
    short = HistGradientBoostingRegressor(**SETTINGS | {"max_iter": 3}).fit(X, -VALUES)
    label = HistGradientBoostingClassifier(**SETTINGS).fit(X, VALUES > 1)
    forest = Forest(F, 3).take(read_boosting([short, 0.25, label], n_features=F))
    x = probes(forest)
    found = outputs(forest, x)
    np.testing.assert_allclose(found[:, 0], short.predict(x), rtol=0, atol=1e-5)
    np.testing.assert_allclose(found[:, 1], 0.25)
    np.testing.assert_allclose(found[:, 2], label.decision_function(x), rtol=0, atol=1e-5)


def test_columns_have_their_places_among_more() -> None:
    model = HistGradientBoostingRegressor(**SETTINGS).fit(X, VALUES)
    places = np.array([7, 0, 3, 4, 2, 6])
    forest = Forest(8, 1).take(read_boosting([model], n_features=8, columns=places))
    wide = np.full((N, 8), np.nan, np.float32)
    wide[:, places] = X
    np.testing.assert_allclose(outputs(forest, wide)[:, 0], model.predict(X), rtol=0, atol=1e-5)


def test_what_cannot_be_read_is_said() -> None:
    model = HistGradientBoostingRegressor(loss="poisson", max_iter=2).fit(X, np.exp(VALUES / 9))
    with pytest.raises(ValueError, match="loss 'poisson' has outputs on a scale of its own"):
        read_boosting([model], n_features=F)
    halves = X / 2
    model = HistGradientBoostingRegressor(**SETTINGS).fit(halves, VALUES)
    with pytest.raises(ValueError, match="codes, whole numbers from 0, and one is"):
        read_boosting([model], n_features=F)


SMALL: dict[str, Any] = {"n_estimators": 10, "random_state": 0}


@pytest.mark.parametrize("kind", [ExtraTreesRegressor, RandomForestRegressor])
def test_means_of_trees_are_the_librarys_tree_by_tree(kind: Callable[..., Any]) -> None:
    model = kind(**SMALL).fit(X, VALUES)
    forest = Forest(F, 1).take(read_tree_means([model], n_features=F))
    x = probes(forest)
    x = x[np.isfinite(x[:, 0]) | np.isnan(x[:, 0])]
    x[np.isinf(x)] = 0  # the library takes no infinite number
    trees = forest.tree_values(torch.from_numpy(x))[:, :, 0].numpy()
    theirs = np.stack([tree.predict(x) for tree in model.estimators_], 1)
    assert np.array_equal(trees, (theirs / 10).astype(np.float32))
    np.testing.assert_allclose(outputs(forest, x)[:, 0], model.predict(x), rtol=0, atol=1e-5)


@pytest.mark.parametrize("kind", [ExtraTreesClassifier, RandomForestClassifier])
def test_shares_of_classes_are_the_librarys(kind: Callable[..., Any]) -> None:
    model = kind(**SMALL).fit(X, CODES + (CODES > 1))  # the code 2 is not there
    nodes = read_tree_means([model], n_features=F, classes=5)
    shares = outputs(Forest(F, 5).take(nodes), X)
    present = [0, 1, 3, 4]
    np.testing.assert_allclose(shares[:, present], model.predict_proba(X), rtol=0, atol=1e-5)
    assert not shares[:, 2].any()
    # Leaves that say the same share a row.
    assert len(nodes.value) < len(nodes.leaf) / 5


def test_trees_of_several_targets() -> None:
    several = np.stack([VALUES, -(VALUES**2) / 9], 1)
    model = ExtraTreesRegressor(**SMALL).fit(X, several)
    forest = Forest(F, 2).take(read_tree_means([model], n_features=F))
    np.testing.assert_allclose(outputs(forest, X), model.predict(X), rtol=0, atol=1e-5)
    labels = np.stack([VALUES > 1, np.zeros(N), VALUES > 2], 1)
    model = ExtraTreesClassifier(**SMALL).fit(X, labels)
    forest = Forest(F, 3).take(read_tree_means([model], n_features=F))
    shares = np.stack(
        [each @ own for each, own in zip(model.predict_proba(X), model.classes_, strict=True)], 1
    )
    np.testing.assert_allclose(outputs(forest, X), shares, rtol=0, atol=1e-5)


def nodes_of(model: Any) -> ForestNodes:
    return read_boosting([model], n_features=F)


@pytest.mark.parametrize("rows", [1, 12])
def test_trees_without_a_cut(rows: int) -> None:
    model = HistGradientBoostingRegressor(max_iter=2).fit(X[:rows], VALUES[:rows])
    forest = Forest(F, 1).take(nodes_of(model))
    assert forest.flops == 0
    np.testing.assert_allclose(outputs(forest, X)[:, 0], model.predict(X), rtol=0, atol=1e-5)

"""Forests fitted to every kind of target, with weights, gaps and categories; cut by time."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.ensemble import (
    ExtraTreesClassifier,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
)

from autosynth.budget import Deadline
from autosynth.components.forestfitter import ForestRows, fit_boosted_forest, fit_extra_trees

N = 300
FITS = {"boosting": fit_boosted_forest, "trees": fit_extra_trees}
RNG = np.random.default_rng(0)
X = RNG.normal(size=(N, 5)).astype(np.float32)
X[:, 1] = RNG.integers(0, 6, N)
X[RNG.random((N, 5)) < 0.05] = np.nan
X[:, 3] = np.nan  # holds no value
VALUES = np.nan_to_num(X[:, 0] + X[:, 1] % 2).astype(np.float64)
CODES = np.digitize(VALUES, [0, 1])
LABELS = np.stack([VALUES > 0, VALUES > 1], 1).astype(np.float64)
CARDINALITIES = np.array([0, 6, 0, 0, 0])
VALUE_ROWS = ForestRows(x=X, cardinalities=CARDINALITIES, y=VALUES, task="values")
CLASS_ROWS = replace(VALUE_ROWS, y=CODES, task="classes", n_classes=3)
LABEL_ROWS = replace(VALUE_ROWS, y=LABELS, task="labels")
READ = [0, 1, 2, 4]  # all but the empty one
IS_CATEGORY = [False, True, False, False]


def outputs(fitted: torch.nn.Module) -> np.ndarray:
    return fitted(torch.from_numpy(X)).double().numpy()


def test_boosting_is_the_librarys_with_its_defaults() -> None:
    fitted = fit_boosted_forest(VALUE_ROWS)
    model = HistGradientBoostingRegressor(categorical_features=IS_CATEGORY, random_state=0)
    model.fit(X[:, READ], VALUES)
    assert fitted.cut == ""
    theirs = model.predict(X[:, READ])
    np.testing.assert_allclose(outputs(fitted.forest)[:, 0], theirs, rtol=0, atol=1e-5)


def test_weights_of_rows_count() -> None:
    weights = RNG.random(N) + 0.1
    fitted = fit_boosted_forest(replace(CLASS_ROWS, weights=weights), seed=3)
    model = HistGradientBoostingClassifier(categorical_features=IS_CATEGORY, random_state=3)
    model.fit(X[:, READ], CODES, sample_weight=weights)
    shares = torch.from_numpy(outputs(fitted.forest)).softmax(1)
    np.testing.assert_allclose(shares, model.predict_proba(X[:, READ]), rtol=0, atol=1e-5)


def test_extra_trees_are_the_librarys_but_for_a_tree_that_knows_nothing() -> None:
    fitted = fit_extra_trees(CLASS_ROWS, seed=1)
    model = ExtraTreesClassifier(min_samples_leaf=3, max_depth=20, random_state=1)
    model.fit(X[:, READ], CODES)
    shares = (100 * model.predict_proba(X[:, READ]) + 1 / 3) / 101
    np.testing.assert_allclose(np.exp(outputs(fitted.forest)), shares, rtol=0, atol=1e-5)


@pytest.mark.parametrize("kind", FITS)
def test_every_kind_of_target_is_learnt(kind: str) -> None:
    fit = FITS[kind]
    classes = outputs(fit(CLASS_ROWS).forest)
    assert (classes.argmax(1) == CODES).mean() > 0.9
    two = replace(VALUE_ROWS, y=np.stack([VALUES, -VALUES], 1))
    values = outputs(fit(two).forest)
    assert np.corrcoef(values[:, 0], VALUES)[0, 1] > 0.9
    assert np.corrcoef(values[:, 1], -VALUES)[0, 1] > 0.9
    labels = outputs(fit(LABEL_ROWS).forest)
    assert ((labels > 0) == (LABELS > 0)).mean() > 0.9


@pytest.mark.parametrize("kind", FITS)
def test_unknown_targets_teach_nothing(kind: str) -> None:
    """A label that is known of half the rows is learnt from these, as if there were no others."""
    fit, half = FITS[kind], np.arange(N) % 2 == 0
    weights = RNG.random(N) + 0.1
    gaps = LABELS.copy()
    gaps[half, 1] = np.nan
    found = outputs(fit(replace(LABEL_ROWS, y=gaps, weights=weights)).forest)
    alone = replace(LABEL_ROWS, x=X[~half], y=LABELS[~half, 1], weights=weights[~half])
    np.testing.assert_allclose(found[:, 1], outputs(fit(alone).forest)[:, 0], rtol=0, atol=1e-5)


@pytest.mark.parametrize("kind", FITS)
def test_what_is_always_the_same_has_finite_outputs(kind: str) -> None:
    fit = FITS[kind]
    one = outputs(fit(replace(CLASS_ROWS, y=np.full(N, 2))).forest)
    assert np.isfinite(one).all()
    assert (one.argmax(1) == 2).all()
    labels = np.stack([np.ones(N), np.zeros(N), np.full(N, np.nan), LABELS[:, 0]], 1)
    found = outputs(fit(replace(LABEL_ROWS, y=labels)).forest)
    assert np.isfinite(found).all()
    assert (found[:, 0] > 2).all()
    assert (found[:, 1] < -2).all()
    assert np.allclose(found[:, 2], 0)
    empty = outputs(fit(replace(VALUE_ROWS, x=np.full_like(X, np.nan))).forest)
    np.testing.assert_allclose(empty[:, 0], VALUES.mean(), rtol=0, atol=1e-5)


def test_codes_of_more_than_255_are_cut_as_numbers() -> None:
    many = X.copy()
    many[:, 1] = np.arange(N) % 300
    rows = replace(VALUE_ROWS, x=many, cardinalities=np.array([0, 300, 0, 0, 0]))
    assert not len(fit_boosted_forest(rows).forest.sets)
    assert len(fit_boosted_forest(VALUE_ROWS).forest.sets)


def test_a_class_of_one_row_is_learnt_where_boosting_would_hold_rows_back() -> None:
    x = np.zeros((10_001, 1), np.float32)
    x[::2] = 1
    y = x[:, 0].astype(np.int64)
    y[7] = 2
    rows = ForestRows(x=x, cardinalities=np.zeros(1, np.int64), y=y, task="classes", n_classes=3)
    forest = fit_boosted_forest(rows).forest
    assert forest(torch.ones(1, 1)).argmax() == 1


@pytest.mark.parametrize("kind", FITS)
def test_a_fit_that_has_no_time_is_cut_and_says_so(kind: str) -> None:
    clock = iter(range(10**6))
    over = Deadline(-1.0, lambda: next(clock))
    fitted = FITS[kind](VALUE_ROWS, deadline=over)
    unit = {"boosting": "rounds", "trees": "trees"}[kind]
    assert fitted.cut == f"2 of 100 {unit}"
    assert fitted.forest.n_trees == 2


@pytest.mark.parametrize("kind", FITS)
def test_a_fit_that_has_time_is_as_one_without_end(kind: str) -> None:
    timed = FITS[kind](CLASS_ROWS, deadline=Deadline.after(10**6))
    assert timed.cut == ""
    whole = FITS[kind](CLASS_ROWS)
    assert timed.forest.n_trees == whole.forest.n_trees
    assert np.array_equal(outputs(timed.forest), outputs(whole.forest))
    again = FITS[kind](CLASS_ROWS, threads=2)
    np.testing.assert_allclose(outputs(again.forest), outputs(whole.forest), rtol=0, atol=1e-5)

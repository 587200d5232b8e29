"""The scikit-learn face: what scikit-learn expects of an estimator, labels as they were given."""

import pickle
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import estimator_checks

from autosynth.errors import ConfigError, DataError, RunError
from autosynth.estimator import AutoSynthClassifier, AutoSynthRegressor

BOTH = pytest.mark.parametrize("kind", [AutoSynthClassifier, AutoSynthRegressor])
QUICK = {"budget": None, "trials": 1, "refit": False, "space": "small"}


def rows(n: int = 2500) -> tuple[pd.DataFrame, np.ndarray]:
    """Numbers and a category, and a value that follows from both."""
    rng = np.random.default_rng(0)
    size = rng.uniform(-1, 1, n)
    colour = rng.choice(["red", "blue"], n)
    value = 100 * size + np.where(colour == "red", 300.0, 0.0)
    return pd.DataFrame({"size": size, "colour": colour, "noise": rng.normal(size=n)}), value


@pytest.fixture(scope="module")
def classifier(short_schedules: None) -> AutoSynthClassifier:
    frame, value = rows()
    labels = np.where(value > 300, "large", "small")
    return AutoSynthClassifier(**QUICK).fit(frame, pd.Series(labels, name="size"))


@pytest.fixture(scope="module")
def regressor(short_schedules: None) -> AutoSynthRegressor:
    frame, value = rows()
    frame = frame.assign(red=frame["colour"] == "red").drop(columns="colour")
    return AutoSynthRegressor(**QUICK).fit(frame.to_numpy(dtype=np.float64), value)


def test_labels_come_back_as_they_were_given(classifier: AutoSynthClassifier) -> None:
    frame, value = rows()
    labels = np.where(value > 300, "large", "small")
    assert list(classifier.classes_) == ["large", "small"]
    found = classifier.predict(frame)
    assert found.dtype == labels.dtype
    assert (found == labels).mean() > 0.9
    assert classifier.score(frame, labels) == (found == labels).mean()


def test_probabilities_stand_in_the_order_of_the_classes(classifier: AutoSynthClassifier) -> None:
    frame, _ = rows()
    found = classifier.predict_proba(frame)
    assert found.shape == (len(frame), 2)
    assert np.abs(found.sum(axis=1) - 1).max() < 1e-5
    assert (classifier.classes_[found.argmax(axis=1)] == classifier.predict(frame)).all()


def test_numbers_come_back_in_their_unit(regressor: AutoSynthRegressor) -> None:
    frame, value = rows()
    x = (
        frame.assign(red=frame["colour"] == "red")
        .drop(columns="colour")
        .to_numpy(dtype=np.float64)
    )
    assert regressor.predict(x).shape == value.shape
    assert regressor.score(x, value) > 0.8
    assert regressor.n_features_in_ == 3


def test_what_the_search_found_is_told(classifier: AutoSynthClassifier) -> None:
    board = classifier.leaderboard_
    assert (board["state"] == "complete").any()
    assert classifier.strategy_.split(" |")[0] in set(board["strategy"])
    assert "omposing paid" in classifier.sentence_


def test_columns_are_those_of_fit(classifier: AutoSynthClassifier) -> None:
    frame, _ = rows()
    assert list(classifier.feature_names_in_) == ["size", "colour", "noise"]
    with pytest.raises(ValueError, match="feature names should match"):
        classifier.predict(frame.rename(columns={"noise": "sound"}))
    with pytest.raises(ValueError, match="feature names"):
        classifier.predict(frame[["size", "colour"]])


def test_rows_of_another_width_are_refused(regressor: AutoSynthRegressor) -> None:
    with pytest.raises(ValueError, match="expecting 3 features"):
        regressor.predict(np.zeros((4, 2)))


def test_a_fitted_estimator_pickles(classifier: AutoSynthClassifier) -> None:
    frame, _ = rows()
    again = pickle.loads(pickle.dumps(classifier))
    assert np.array_equal(again.predict_proba(frame), classifier.predict_proba(frame))
    assert again.leaderboard_.equals(classifier.leaderboard_)


def test_a_clone_has_the_options_and_is_not_fitted(classifier: AutoSynthClassifier) -> None:
    again = clone(classifier)
    assert again.get_params() == classifier.get_params()
    with pytest.raises(NotFittedError, match="not fitted"):
        again.predict(rows()[0])


def test_in_a_pipeline_with_whole_numbers_as_labels(short_schedules: None, tmp_path: Path) -> None:
    frame, value = rows()
    x = frame[["size", "noise"]].to_numpy()
    labels = np.where(x[:, 0] > 0, 7, -3)
    model = make_pipeline(StandardScaler(), AutoSynthClassifier(**QUICK))
    model.set_params(autosynthclassifier__out=tmp_path / "run")
    found = model.fit(x, labels).predict(x)
    assert found.dtype == labels.dtype
    assert set(found) == {7, -3}
    assert (found == labels).mean() > 0.9
    assert (tmp_path / "run" / "leaderboard.csv").exists()


def test_nothing_is_left_on_disk(
    classifier: AutoSynthClassifier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    classifier.predict(rows()[0])
    assert not classifier.model_.folder.exists()
    assert list(tmp_path.iterdir()) == []


@BOTH
@pytest.mark.parametrize(
    "name",
    [
        *("check_no_attributes_set_in_init", "check_parameters_default_constructible"),
        *("check_get_params_invariance", "check_set_params", "check_estimators_unfitted"),
        *("check_estimator_cloneable", "check_valid_tag_types"),
        *("check_mixin_order", "check_estimator_repr", "check_requires_y_none"),
        *("check_estimator_tags_renamed", "check_estimator_sparse_tag"),
    ],
)
def test_scikit_learns_own_checks(kind: type, name: str) -> None:
    getattr(estimator_checks, name)(kind.__name__, kind())


@BOTH
def test_bad_input_is_refused_before_anything_is_searched(kind: type) -> None:
    frame, value = rows()
    labels = value > 300
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        kind().fit(frame, labels[:-1])
    with pytest.raises(DataError, match="Reshape your data"):
        kind().fit(value, labels)
    with pytest.raises(ConfigError, match="'ten'"):
        kind(budget="ten").fit(frame, labels)


def test_a_budget_in_which_nothing_ends_is_an_error() -> None:
    frame, value = rows()
    with pytest.raises(RunError, match="no strategy came to its end within budget='1s'"):
        AutoSynthRegressor(budget="1s", space="small").fit(frame, value)


def test_numbers_without_end_are_no_classes() -> None:
    frame, value = rows()
    with pytest.raises(ValueError, match="Unknown label type: continuous"):
        AutoSynthClassifier().fit(frame, value)


@pytest.mark.slow
def test_weights_of_rows_and_classes_are_those_of_the_search(short_schedules: None) -> None:
    """A row that counts for nothing is none, and what counts more is found more often."""
    rng = np.random.default_rng(0)
    rare = rng.random(900) < 0.15
    x = np.stack([rng.normal(size=900) + 1.2 * rare, rng.normal(size=900)], axis=1)
    asked = {**QUICK, "trials": 3, "metric": "roc_auc"}
    found = []
    for more, weights in (({}, None), ({}, 1 + 8 * rare), ({"class_weight": "balanced"}, None)):
        model = AutoSynthClassifier(**asked, **more).fit(x, rare * 1, sample_weight=weights)
        found.append(float(model.predict_proba(x)[rare, 1].mean()))
    assert min(found[1:]) > found[0] + 0.1
    keep = np.arange(900) % 3 > 0
    whole = AutoSynthRegressor(**QUICK).fit(x, x[:, 0] * 3, sample_weight=keep * 1.0)
    part = AutoSynthRegressor(**QUICK).fit(x[keep], x[keep, 0] * 3, sample_weight=np.ones(600))
    np.testing.assert_allclose(whole.predict(x), part.predict(x))
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        AutoSynthRegressor(**QUICK).fit(x, x[:, 0], sample_weight=np.ones(3))
    with pytest.raises(DataError, match="row 2 holds '-1'"):
        AutoSynthRegressor(**QUICK).fit(
            x, x[:, 0], sample_weight=np.where(np.arange(900) == 2, -1, 1)
        )

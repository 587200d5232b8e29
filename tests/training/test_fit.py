"""Parts that are no networks, in a training: fitted once, alone, and as well as their library."""

from typing import Any

import numpy as np
import pytest
import torch
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression

from autosynth.budget import Deadline
from autosynth.composite import cost, resolve
from autosynth.data import load_dataset
from autosynth.spec import Dataset
from autosynth.strategy import parse
from autosynth.task.score import default_metric
from autosynth.training.config import TrainerConfig
from autosynth.training.devicedataset import to_device
from autosynth.training.loop import Outcome, TrainingRows, train
from autosynth.training.output import outputs

CONFIG = TrainerConfig(device="cpu", batch_size=32, steps=30)


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return load_dataset("digits")


def trained(dataset: Dataset, strategy: str, **more: Any) -> tuple[Outcome, np.ndarray]:
    data = to_device(dataset, torch.device("cpu"), dataset.splits.train)
    rows = TrainingRows(train=dataset.splits.train, calibration=dataset.splits.calibration)
    resolved = resolve(parse(strategy), dataset.inputs, dataset.target)
    score = default_metric(dataset.target).score
    outcome = train(resolved, data, rows, CONFIG, score=score, **more)
    return outcome, outputs(outcome.model, data, dataset.splits.test)


def test_a_linear_model_is_as_good_as_its_library_and_surer(digits: Dataset) -> None:
    outcome, found = trained(digits, "linear")
    splits = digits.splits
    x, y = digits.x["image"].reshape(len(digits.y), -1) / 16.0, digits.y
    library = LogisticRegression(max_iter=500).fit(x[splits.train], y[splits.train])
    right = (found.argmax(1) == y[splits.test]).mean()
    assert right >= library.score(x[splits.test], y[splits.test]) - 0.01
    assert outcome.steps == outcome.samples_seen == 0
    assert outcome.cut == ""


def test_boosting_gives_what_its_library_gives(digits: Dataset) -> None:
    _, found = trained(digits, "boosting[rounds=5]")
    splits = digits.splits
    x, y = digits.x["image"].reshape(len(digits.y), -1).astype(np.float32), digits.y
    library = HistGradientBoostingClassifier(max_iter=5, random_state=0)
    library.fit(x[splits.train], y[splits.train])
    expected = library.predict_proba(x[splits.test])
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_a_fit_that_has_no_time_says_what_it_was_cut_of(digits: Dataset) -> None:
    outcome, found = trained(digits, "boosting[rounds=300]", deadline=Deadline.after(1.0))
    assert outcome.cut.endswith(" of 300 rounds")
    assert np.isfinite(found).all()
    resolved = resolve(parse("boosting[rounds=300]"), digits.inputs, digits.target)
    assert cost(resolved, outcome.model).flops < cost(resolved).flops


def test_parts_are_joined_as_they_are_alone(digits: Dataset) -> None:
    """The mean of two is the mean of what each gives."""
    (_, linear), (_, trees) = trained(digits, "linear"), trained(digits, "trees[trees=9]")
    _, both = trained(digits, "mean(linear, trees[trees=9])")
    np.testing.assert_allclose(both, (linear + trees) / 2, atol=1e-5)
    _, network = trained(digits, "mlp[width=8]")
    _, beside = trained(digits, "mean(linear, mlp[width=8])")
    np.testing.assert_allclose(beside, (linear + network) / 2, atol=1e-5)


def test_equal_parts_are_drawn_by_different_numbers(digits: Dataset) -> None:
    """An ensemble of one network twice would be that network."""
    _, one = trained(digits, "mlp[width=8]")
    _, two = trained(digits, "mean(mlp[width=8], mlp[width=8]) train=subsets rows=all")
    assert np.abs(one - two).max() > 0.01


@pytest.mark.parametrize("joined", ["stack[linear]", "weighted[fit]", "cascade[0.3]"])
def test_what_joins_them_is_fitted_to_rows_that_they_did_not_see(
    digits: Dataset, joined: str
) -> None:
    _, found = trained(digits, f"{joined}(linear, trees[trees=9, depth=30])")
    right = (found.argmax(1) == digits.y[digits.splits.test]).mean()
    assert right > 0.9  # fitted to training rows, the trees would seem to be right in all of them

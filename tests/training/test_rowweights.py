"""Trainings on rows with weights: what a heavy row does, and what none does."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from autosynth.composite import resolve
from autosynth.errors import TrialError
from autosynth.spec import Dataset, InputSpec, Splits, TargetSpec
from autosynth.strategy import parse
from autosynth.training.config import TrainerConfig
from autosynth.training.devicedataset import DeviceDataset, to_device
from autosynth.training.loop import Outcome, Trainer, TrainingRows, train
from autosynth.training.output import outputs

CPU = torch.device("cpu")
CONFIG = TrainerConfig(device="cpu", batch_size=64, steps=120)
MLP = "mlp[width=16, depth=1]"


def data_of(dataset: Dataset) -> DeviceDataset:
    return to_device(dataset, CPU, dataset.splits.train)


def trained(dataset: Dataset, text: str, **more: object) -> tuple[Outcome, DeviceDataset]:
    data, splits = data_of(dataset), dataset.splits
    resolved = resolve(parse(text), dataset.inputs, dataset.target)
    rows = TrainingRows(train=splits.train, calibration=splits.calibration)
    return train(resolved, data, rows, CONFIG, **more), data  # type: ignore[arg-type]


def weighed(dataset: Dataset, heavy: np.ndarray) -> Dataset:
    """With rows that count all but nothing beside the heavy ones."""
    weights = np.where(heavy, 1.0, 1e-3)
    return replace(dataset, weights=weights / weights[dataset.splits.train].mean())


def contradicted(dataset: Dataset) -> tuple[Dataset, np.ndarray]:
    """A dataset in which every other row says the next class; and which rows are right."""
    right = np.arange(len(dataset.y)) % 2 == 0
    k = len(dataset.target.classes)
    return replace(dataset, y=np.where(right, dataset.y, (dataset.y + 1) % k)), right


# A network alone, one whose parts are trained apart, and all that is fitted at once or afterwards.
@pytest.mark.parametrize(
    "text",
    [
        MLP,
        f"mean({MLP}, linear) train=subsets rows=all",
        f"weighted[fit]({MLP}, {MLP.replace('16', '8')})",
        pytest.param(f"stack[linear]({MLP}, {MLP.replace('16', '8')})", marks=pytest.mark.slow),
        "linear",
        "boosting[rounds=8]",
        "trees[trees=30]",
    ],
)
def test_what_is_learnt_is_what_the_heavy_rows_say(digits: Dataset, text: str) -> None:
    dataset, right = contradicted(digits)
    test = digits.splits.test
    (outcome, data), (plain, _) = trained(weighed(dataset, right), text), trained(dataset, text)
    scores = [
        float((outputs(each.model, data, test).argmax(1) == digits.y[test]).mean())
        for each in (outcome, plain)
    ]
    assert scores[0] > 0.7
    assert scores[0] > scores[1] + 0.1


def test_rocket_learns_what_the_heavy_rows_say(waves: Dataset) -> None:
    dataset, right = contradicted(waves)
    outcome, data = trained(weighed(dataset, right), "rocket[features=800, groups=8]")
    test = waves.splits.test
    found = outputs(outcome.model, data, test)
    assert (found.argmax(1) == waves.y[test]).mean() > 0.9
    assert found.max(1).mean() > 0.8  # and is not unsure for the sake of the others


def test_the_loss_of_a_step_is_that_of_weighted_rows(prices: Dataset) -> None:
    rng = np.random.default_rng(0)
    weights = rng.exponential(size=len(prices.y))
    weights /= weights[prices.splits.train].mean()
    losses, found = [], []
    for each in (prices, replace(prices, weights=weights)):
        data = data_of(each)
        resolved = resolve(parse(f"{MLP} | augment=none dropout=0"), each.inputs, each.target)
        rows = TrainingRows(train=each.splits.train, calibration=each.splits.calibration[:0])
        trainer = Trainer(resolved, data, rows, CONFIG, 0, 64)
        phase = trainer.phase_trainer(trainer.phases[0])
        places, longest = next(phase.batches)
        known, y = phase.known.batch(places, "none", longest)
        out = trainer.model.eval().values(known, phase.phase.outputs)[0].squeeze(1)
        square = (out - y).square().detach()
        own = torch.ones(64) if data.weights is None else data.weights[phase.known.rows[places]]
        found.append(float((square * own).mean()))
        phase.batches = iter([(places, longest)])
        losses.append(float(phase.step(1)))
    assert losses == pytest.approx(found, rel=1e-4)
    assert found[0] != pytest.approx(found[1], rel=1e-3)


def test_weights_of_one_change_nothing_that_matters(digits: Dataset) -> None:
    ones = replace(digits, weights=np.ones(len(digits.y)))
    (plain, data), (one, _) = trained(digits, MLP), trained(ones, MLP)
    test = digits.splits.test
    found = [outputs(each.model, data, test) for each in (plain, one)]
    np.testing.assert_allclose(*found, atol=0.02)
    assert data.weights is None


def test_weights_of_classes_are_of_losses_and_those_of_rows_of_scores_too(
    digits: Dataset,
) -> None:
    rng = np.random.default_rng(0)
    rows = rng.exponential(size=len(digits.y))
    classes = tuple(np.linspace(0.5, 1.5, 10).tolist())
    data = data_of(replace(digits, weights=rows, class_weights=classes))
    assert data.weights is not None
    np.testing.assert_allclose(data.weights, rows * np.array(classes)[digits.y], rtol=1e-5)
    assert data.score_weights is rows
    alone = data_of(replace(digits, class_weights=classes))
    assert alone.weights is not None
    np.testing.assert_allclose(alone.weights, np.array(classes)[digits.y], rtol=1e-6)
    assert alone.score_weights is None


def test_the_best_moment_is_that_of_weighted_rows(digits: Dataset) -> None:
    seen = []

    def score(y: np.ndarray, out: np.ndarray, weights: np.ndarray | None) -> float:
        seen.append(weights)
        return 0.0

    rng = np.random.default_rng(0)
    dataset = replace(digits, weights=rng.exponential(size=len(digits.y)))
    trained(dataset, MLP, score=score)
    assert dataset.weights is not None
    assert all(np.array_equal(w, dataset.weights[digits.splits.calibration]) for w in seen)
    seen.clear()
    trained(digits, MLP, score=score)
    assert seen
    assert all(each is None for each in seen)


def test_what_begins_masked_learns_of_all_rows_alike(digits: Dataset) -> None:
    heavy = weighed(digits, np.arange(len(digits.y)) % 2 == 0)
    steps = []
    for dataset in (digits, heavy):
        data = data_of(dataset)
        resolved = resolve(parse("cnn[width=8, depth=2] init=masked"), data.specs, data.target)
        rows = TrainingRows(train=dataset.splits.train, calibration=dataset.splits.calibration)
        trainer = Trainer(resolved, data, rows, CONFIG, 0, 64)
        (first, *_) = trainer.phases
        assert not first.supervised
        steps.append(float(trainer.phase_trainer(first).step(1)))
    assert steps[0] == steps[1]


def test_what_takes_no_weights_is_not_fitted_to_rows_that_have_some() -> None:
    rows = np.arange(120)
    x = np.cumsum(np.random.default_rng(0).normal(size=(120, 1, 24)), axis=2).astype(np.float32)
    dataset = Dataset(
        name="toy",
        source="toy",
        inputs=(InputSpec(name="past", kind="series", shape=(1, 24), anchored=True),),
        target=TargetSpec(name="load", task="forecasting", steps=3, base="past"),
        x={"past": x},
        y=x[:, 0, -3:].astype(np.float64),
        splits=Splits(train=rows[:80], calibration=rows[80:], validation=rows, test=rows),
        encoders={},
        fingerprint="",
        weights=np.ones(120),
    )
    with pytest.raises(TrialError, match="seasonal counts all rows alike.*--weight"):
        trained(dataset, "seasonal[period=4]")

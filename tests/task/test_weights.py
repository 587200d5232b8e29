"""Weights of rows in losses and scores: a row of weight two is two rows, as in scikit-learn."""

from functools import partial

import numpy as np
import pytest
import torch
from sklearn import metrics as sk

from autosynth.plugin import MULTITASK, TASKS
from autosynth.spec import TargetSpec
from autosynth.task.calibration import calibrate
from autosynth.task.loss import loss_of
from autosynth.task.score import (
    bootstrap_interval,
    metrics_of,
    paired_interval,
    score_all,
    score_interval,
    standard_error,
)
from autosynth.task.task import task_of

N = 60
NAMES = ("a", "b", "c")
KIND = TargetSpec(name="kind", task="classification", classes=NAMES)
PRICE = TargetSpec(name="price", task="regression")
TARGETS = {
    "classification": KIND,
    "multilabel": TargetSpec(name="y", task="multilabel", classes=NAMES),
    "regression": PRICE,
    "forecasting": TargetSpec(name="y", task="forecasting", steps=3),
    "ranking": TargetSpec(name="y", task="ranking", classes=NAMES),
    MULTITASK: TargetSpec(name="both", task=MULTITASK, parts=(KIND, PRICE)),
}
METRICS = {name: TASKS[name].metrics for name in ("classification", "regression", "multilabel")}


def values(target: TargetSpec) -> np.ndarray:
    rng = np.random.default_rng(0)
    columns = [
        rng.integers(0, len(part.classes) if part.is_coded else 2, (N, part.n_columns))
        if part.classes
        else rng.normal(size=(N, part.n_columns))
        for part, _, _ in target.fields
    ]
    y = np.concatenate(columns, axis=1).astype(np.float32)
    if target.is_coded:
        return y[:, 0].astype(np.int64)
    return y[:, 0] if task_of(target).is_number else y


def given(target: TargetSpec) -> np.ndarray:
    """Outputs as they are scored: chances, or values."""
    rng = np.random.default_rng(1)
    out = rng.random((N, target.n_outputs))
    if target.is_coded:
        out /= out.sum(1, keepdims=True)
    return out[:, 0] if task_of(target).is_number else out


WEIGHTS = np.random.default_rng(2).integers(1, 5, N)


@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)
def test_the_mean_of_one_loss_a_row_is_the_loss(target: TargetSpec) -> None:
    generator = torch.Generator().manual_seed(0)
    out = torch.randn(N, target.n_outputs, generator=generator)
    y = torch.from_numpy(values(target))
    ones, twos = torch.ones(N), torch.full((N,), 2.0)
    plain = loss_of(target, out, y, 0.1)
    torch.testing.assert_close(loss_of(target, out, y, 0.1, weights=ones), plain)
    torch.testing.assert_close(loss_of(target, out, y, 0.1, weights=twos), 2 * plain)
    for part, outputs, columns in target.fields:
        own = y if not target.parts else y[:, columns].squeeze(1)
        rows = task_of(part).loss(out[:, outputs], own, 0.1, "none")
        assert rows.shape == (N,)
        torch.testing.assert_close(rows.mean(), task_of(part).loss(out[:, outputs], own, 0.1))


@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)
def test_a_weight_of_two_is_the_loss_of_two_rows(target: TargetSpec) -> None:
    out = torch.randn(N, target.n_outputs, generator=torch.Generator().manual_seed(0))
    y, weights = torch.from_numpy(values(target)), torch.from_numpy(WEIGHTS)
    found = loss_of(target, out, y, 0.1, weights=weights / weights.float().mean())
    rows = torch.repeat_interleave(torch.arange(N), weights)
    torch.testing.assert_close(found, loss_of(target, out[rows], y[rows], 0.1))


def test_a_label_that_nobody_knows_has_no_loss_whatever_its_row_weighs() -> None:
    target = TARGETS["multilabel"]
    y = torch.from_numpy(values(target))
    y[3] = torch.nan
    out = torch.zeros(N, 3, requires_grad=True)
    loss = loss_of(target, out, y, weights=torch.where(torch.arange(N) == 3, 50.0, 1.0))
    loss.backward()  # type: ignore[no-untyped-call]
    assert out.grad is not None
    assert (out.grad[3] == 0).all()
    torch.testing.assert_close(loss.detach(), loss_of(target, out.detach(), y))


@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)
def test_a_weight_of_two_is_the_score_of_two_rows(target: TargetSpec) -> None:
    y, output = values(target), given(target)
    rows = np.repeat(np.arange(N), WEIGHTS)
    expected = score_all(y[rows], output[rows], target)
    found = score_all(y, output, target, WEIGHTS / WEIGHTS.mean())
    assert found == pytest.approx(expected, rel=1e-9)
    assert found != pytest.approx(score_all(y, output, target), rel=1e-3)
    for part, _, columns in target.fields:
        own = y.reshape(N, -1)[:, columns]
        wanted = task_of(part).trivial(own[rows], part)
        np.testing.assert_allclose(task_of(part).trivial(own, part, WEIGHTS), wanted, rtol=1e-6)


def test_scores_are_those_of_scikit_learn() -> None:
    rng = np.random.default_rng(3)
    y, proba, weights = values(KIND), given(KIND), rng.exponential(size=N)
    guess = proba.argmax(1)
    macro = {"average": "macro", "zero_division": 0}
    expected = {
        "accuracy": sk.accuracy_score(y, guess, sample_weight=weights),
        "balanced_accuracy": sk.balanced_accuracy_score(y, guess, sample_weight=weights),
        "f1": sk.f1_score(y, guess, sample_weight=weights, **macro),
        "precision": sk.precision_score(y, guess, sample_weight=weights, **macro),
        "recall": sk.recall_score(y, guess, sample_weight=weights, **macro),
        "f1_micro": sk.f1_score(y, guess, sample_weight=weights, average="micro"),
        "roc_auc": np.mean(
            [sk.roc_auc_score(y == c, proba[:, c], sample_weight=weights) for c in range(3)]
        ),
        "neg_log_loss": -sk.log_loss(y, proba, sample_weight=weights),
    }
    found = score_all(y, proba, KIND, weights)
    assert {name: found[name] for name in expected} == pytest.approx(expected, abs=1e-6)
    truth, output = values(PRICE), given(PRICE)
    expected = {
        "r2": sk.r2_score(truth, output, sample_weight=weights),
        "neg_rmse": -sk.root_mean_squared_error(truth, output, sample_weight=weights),
        "neg_mae": -sk.mean_absolute_error(truth, output, sample_weight=weights),
    }
    assert score_all(truth, output, PRICE, weights) == pytest.approx(expected, rel=1e-6)


def test_intervals_lie_about_the_weighted_score() -> None:
    rng = np.random.default_rng(4)
    y = rng.integers(0, 2, 400)
    proba = np.eye(2)[np.where(rng.random(400) < np.where(y == 1, 0.9, 0.4), y, 1 - y)]
    weights = np.where(y == 1, 9.0, 1.0)  # the class that is guessed well
    for name in ("accuracy", "f1"):
        metric = METRICS["classification"][name]
        score = metric.score(y, proba, weights)
        assert abs(score - metric.score(y, proba)) > 0.04
        for interval in (score_interval, partial(bootstrap_interval, n=200)):
            low, high = interval(metric, y, proba, weights)
            assert low < score < high < low + 0.2
    metric = METRICS["classification"]["accuracy"]
    wide = score_interval(metric, y, proba, np.where(np.arange(400) < 40, 100.0, 0.01))
    assert wide[1] - wide[0] > 2 * np.subtract(*score_interval(metric, y, proba)[::-1])
    lone = standard_error(metric, y, proba, np.where(np.arange(400) < 40, 100.0, 0.01))
    assert lone > 2 * standard_error(metric, y, proba)
    other = np.eye(2)[1 - y]
    low, high = paired_interval(metric, y, proba, other, weights, n=100)
    assert low < metric.score(y, proba, weights) < high  # the other has none right


TWO = TargetSpec(name="kind", task="classification", classes=NAMES[:2])


@pytest.mark.parametrize("target", [TWO, TARGETS["multilabel"]], ids=lambda t: t.task)
def test_a_temperature_and_thresholds_are_fitted_to_weighted_rows(target: TargetSpec) -> None:
    y = values(target)
    weights = 1 + 5 * (y.reshape(N, -1)[:, 0] == 0)  # these are guessed too seldom
    proba = 0.85 * given(target) + 0.15 * (np.eye(2)[y] if target.is_coded else y)
    metric = METRICS[target.task]["f1"]
    rows = np.repeat(np.arange(N), weights)
    found = calibrate(y, proba, metric, target, weights.astype(np.float64))
    repeated = calibrate(y[rows], proba[rows], metric, target)
    assert found.temperature == pytest.approx(repeated.temperature, rel=1e-4)
    assert found.temperature != pytest.approx(calibrate(y, proba, metric, target).temperature)
    scores = [
        metric.score(y, each.scores(proba, target), weights.astype(np.float64))
        for each in (found, calibrate(y, proba, metric, target))
    ]
    assert scores[0] > scores[1]  # what is best of rows that count alike is not


def test_every_metric_takes_weights() -> None:
    for target in TARGETS.values():
        y, output = values(target), given(target)
        for name, metric in metrics_of(target).items():
            one, two = (metric.score(y, output, w) for w in (np.ones(N), np.full(N, 3.0)))
            assert one == pytest.approx(metric.score(y, output)), name
            assert two == pytest.approx(one, rel=1e-9), name

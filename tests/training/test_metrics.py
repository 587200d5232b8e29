"""Every score is held against scikit-learn, or against a value worked out by hand."""

import warnings

import numpy as np
import pytest
from sklearn import metrics as sk

from autosynth.errors import ConfigError, TrialError, UnknownNameError
from autosynth.training.metrics import (
    METRICS,
    apply_class_bias,
    bootstrap_interval,
    default_metric,
    evaluate,
    find_metric,
    fit_class_bias,
    metrics_of,
    paired_interval,
    per_row_loss,
)


def softmax(logits):
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    return (odds / odds.sum(axis=1, keepdims=True)).astype(np.float32)


def made_up(n, k, skill=1.0, seed=0):
    rng = np.random.default_rng(seed)
    y = rng.integers(0, k, n)
    logits = rng.normal(size=(n, k))
    logits[np.arange(n), y] += skill
    return y, softmax(logits)


@pytest.mark.parametrize("k", [2, 3, 10])
def test_classification_scores_agree_with_scikit_learn(k):
    y, proba = made_up(700, k)
    guess = proba.argmax(axis=1)
    proba64 = proba.astype(float) / proba.sum(axis=1, keepdims=True, dtype=float)
    area = (
        sk.roc_auc_score(y, proba[:, 1])
        if k == 2
        else sk.roc_auc_score(y, proba64, multi_class="ovr", average="macro")
    )
    macro = {"average": "macro", "zero_division": 0}
    assert evaluate(y, proba, "classification") == pytest.approx(
        {
            "accuracy": sk.accuracy_score(y, guess),
            "balanced_accuracy": sk.balanced_accuracy_score(y, guess),
            "f1": sk.f1_score(y, guess, **macro),
            "precision": sk.precision_score(y, guess, **macro),
            "recall": sk.recall_score(y, guess, **macro),
            "roc_auc": area,
            "neg_log_loss": -sk.log_loss(y, proba64),
        },
        abs=1e-6,
    )


def test_ties_count_half_in_the_area():
    y, proba = made_up(500, 2)
    coarse = np.round(proba, 1)
    assert METRICS["roc_auc"].score(y, coarse) == pytest.approx(
        sk.roc_auc_score(y, coarse[:, 1]), abs=1e-12
    )
    flat = np.full((500, 2), 0.5, np.float32)
    assert METRICS["roc_auc"].score(y, flat) == pytest.approx(0.5)


def test_regression_scores_agree_with_scikit_learn():
    rng = np.random.default_rng(0)
    y = rng.normal(50, 9, 300).astype(np.float32)
    output = y + rng.normal(size=300).astype(np.float32)
    assert evaluate(y, output, "regression") == pytest.approx(
        {
            "r2": sk.r2_score(y, output),
            "neg_rmse": -sk.root_mean_squared_error(y, output),
            "neg_mae": -sk.mean_absolute_error(y, output),
        },
        rel=1e-6,
    )


def test_classes_absent_from_the_rows_leave_every_score_finite():
    y, proba = made_up(60, 8)
    keep = y < 3
    scores = evaluate(y[keep], proba[keep], "classification")
    assert all(np.isfinite(list(scores.values())))
    columns = [sk.roc_auc_score(y[keep] == c, proba[keep, c]) for c in range(3)]
    assert scores["roc_auc"] == pytest.approx(np.mean(columns))
    only = evaluate(np.zeros(5, int), proba[:5, :2], "classification")
    assert only["roc_auc"] == 0.5
    assert all(np.isfinite(list(only.values())))


def test_outputs_that_are_not_finite_fail_the_trial():
    y, proba = made_up(20, 3)
    proba[3, 1] = np.nan
    proba[7, 0] = np.inf
    with pytest.raises(TrialError, match="finite, and 2 of 20 rows"):
        evaluate(y, proba, "classification")
    with pytest.raises(TrialError, match="1 of 2 rows"):
        evaluate(np.zeros(2), np.array([0.0, np.nan]), "regression")


def test_errors_are_shares_of_what_knowing_nothing_gives():
    assert METRICS["accuracy"].error(0.9, 0.1) == pytest.approx(0.1)
    assert METRICS["r2"].error(1.0, 0.0) == 0.0
    assert METRICS["neg_rmse"].error(-2.0, -8.0) == pytest.approx(0.25)
    assert METRICS["neg_log_loss"].error(-0.2, -2.0) == pytest.approx(0.1)


def test_aliases_and_defaults():
    assert find_metric("rmse", "regression") is METRICS["neg_rmse"]
    assert find_metric("log_loss", "classification") is METRICS["neg_log_loss"]
    assert default_metric("classification").name == "accuracy"
    assert default_metric("regression").name == "r2"
    assert [m.name for m in metrics_of("regression")] == ["r2", "neg_rmse", "neg_mae"]


def test_a_metric_that_is_none_or_of_the_other_task_is_refused():
    with pytest.raises(UnknownNameError, match="unknown metric 'acuracy'.*mean 'accuracy'"):
        find_metric("acuracy", "classification")
    with pytest.raises(ConfigError, match="'rmse' is for regression.*valid: accuracy, bal"):
        find_metric("rmse", "classification")


def test_rows_have_the_loss_the_metric_counts():
    y = np.array([0, 1, 1])
    proba = np.array([[0.5, 0.5], [0.75, 0.25], [0.1, 0.9]])
    assert per_row_loss(METRICS["f1"], y, proba).tolist() == [0, 1, 0]
    assert per_row_loss(METRICS["roc_auc"], y, proba) == pytest.approx(-np.log([0.5, 0.25, 0.9]))
    output = np.array([1.0, 3.0, 1.0])
    assert per_row_loss(METRICS["r2"], y, output).tolist() == [1, 4, 0]


@pytest.mark.parametrize("name", ["accuracy", "f1", "roc_auc", "neg_log_loss"])
def test_the_interval_holds_the_score_and_narrows_with_rows(name):
    metric = METRICS[name]
    widths = []
    for n in (200, 3200):
        y, proba = made_up(n, 3)
        low, high = bootstrap_interval(metric, y, proba, n=200)
        assert low < metric.score(y, proba) < high
        widths.append(high - low)
    assert widths[1] == pytest.approx(widths[0] / 4, rel=0.35)


def test_the_interval_of_accuracy_is_the_binomial_one():
    y, proba = made_up(1000, 2)
    p = METRICS["accuracy"].score(y, proba)
    low, high = bootstrap_interval(METRICS["accuracy"], y, proba)
    assert high - low == pytest.approx(2 * 1.96 * np.sqrt(p * (1 - p) / 1000), rel=0.1)
    assert bootstrap_interval(METRICS["accuracy"], y, proba) == (low, high)


def test_pairing_makes_the_interval_of_a_difference_narrow():
    y, proba = made_up(1000, 3)
    better = proba.copy()
    better[np.arange(20), y[:20]] = 2.0
    low, high = paired_interval(METRICS["accuracy"], y, better, proba, n=300)
    assert 0 < low < high < 0.03
    alone = bootstrap_interval(METRICS["accuracy"], y, better, n=300)
    assert high - low < (alone[1] - alone[0]) / 2
    assert paired_interval(METRICS["r2"], y, proba[:, 0], proba[:, 0], n=50) == (0, 0)


@pytest.mark.parametrize("k", [2, 4])
@pytest.mark.parametrize("name", ["f1", "balanced_accuracy"])
def test_biases_raise_the_metric_on_rows_not_fitted(name, k):
    rng = np.random.default_rng(0)
    y = rng.choice(k, 4000, p=np.r_[np.full(k - 1, 0.06), 1 - 0.06 * (k - 1)])
    logits = rng.normal(size=(4000, k))
    logits[:, -1] += 2
    logits[np.arange(4000), y] += 2
    proba = softmax(logits)
    metric = METRICS[name]
    bias = fit_class_bias(y[:2000], proba[:2000], metric)
    moved = apply_class_bias(proba, bias)
    assert np.allclose(moved.sum(axis=1), 1, atol=1e-5)
    assert metric.score(y[2000:], moved[2000:]) > metric.score(y[2000:], proba[2000:]) + 0.03
    fitted = metric.score(y[:2000], moved[:2000])
    for step in np.linspace(-0.5, 0.5, 11):  # no place close by is better
        for c in range(k):
            other = apply_class_bias(proba[:2000], bias + step * np.eye(k)[c])
            assert metric.score(y[:2000], other) <= fitted + 0.004


def test_no_bias_where_thresholds_do_not_matter():
    y, proba = made_up(100, 3)
    assert fit_class_bias(y, proba, METRICS["accuracy"]).tolist() == [0, 0, 0]
    assert fit_class_bias(y, proba, METRICS["roc_auc"]).tolist() == [0, 0, 0]


def test_perfect_and_tiny_inputs_bias_without_warnings():
    y = np.array([0, 1])
    proba = np.array([[1.0, 0.0], [0.0, 1.0]], np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert fit_class_bias(y, proba, METRICS["f1"]).tolist() == [0, 0]

"""Every score is held against scikit-learn, or against a value worked out by hand."""

import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn import metrics as sk
from torch.nn.functional import smooth_l1_loss

from autosynth.bundle.evaluation import details_of
from autosynth.errors import ConfigError, TrialError, UnknownNameError
from autosynth.jsonfields import from_fields, json_ready
from autosynth.plugin import TASKS
from autosynth.spec import TargetSpec
from autosynth.task.calibration import Calibration, calibrate
from autosynth.task.score import (
    bootstrap_interval,
    default_metric,
    find_metric,
    metrics_of,
    paired_interval,
    score_all,
    score_interval,
)

CLASSIFIED, VALUED = TASKS["classification"].metrics, TASKS["regression"].metrics
NUMBER = TargetSpec(name="y", task="regression")


def classes(k):
    return TargetSpec(name="y", task="classification", classes=tuple("abcdefghij"[:k]))


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
    assert score_all(y, proba, classes(proba.shape[1])) == pytest.approx(
        {
            "accuracy": sk.accuracy_score(y, guess),
            "balanced_accuracy": sk.balanced_accuracy_score(y, guess),
            "f1": sk.f1_score(y, guess, **macro),
            "precision": sk.precision_score(y, guess, **macro),
            "recall": sk.recall_score(y, guess, **macro),
            **{
                f"{name}_micro": score(y, guess, average="micro")
                for name, score in (
                    ("f1", sk.f1_score), ("precision", sk.precision_score),
                    ("recall", sk.recall_score),
                )
            },
            "roc_auc": area,
            "neg_log_loss": -sk.log_loss(y, proba64),
            "neg_calibration_error": -by_hand_gap(guess == y, proba.max(axis=1)),
        },
        abs=1e-6,
    )  # fmt: skip


def by_hand_gap(hit, sure):
    """Expected calibration error, bin by bin."""
    total = 0.0
    for low in range(15):
        inside = (sure * 15).astype(int).clip(0, 14) == low
        if inside.any():
            total += inside.sum() * abs(hit[inside].mean() - sure[inside].mean())
    return total / len(hit)


def test_ties_count_half_in_the_area():
    y, proba = made_up(500, 2)
    coarse = np.round(proba, 1)
    assert CLASSIFIED["roc_auc"].score(y, coarse) == pytest.approx(
        sk.roc_auc_score(y, coarse[:, 1]), abs=1e-12
    )
    flat = np.full((500, 2), 0.5, np.float32)
    assert CLASSIFIED["roc_auc"].score(y, flat) == pytest.approx(0.5)


def test_regression_scores_agree_with_scikit_learn():
    rng = np.random.default_rng(0)
    y = rng.normal(50, 9, 300).astype(np.float32)
    output = y + rng.normal(size=300).astype(np.float32)
    assert score_all(y, output, NUMBER) == pytest.approx(
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
    scores = score_all(y[keep], proba[keep], classes(8))
    assert all(np.isfinite(list(scores.values())))
    columns = [sk.roc_auc_score(y[keep] == c, proba[keep, c]) for c in range(3)]
    assert scores["roc_auc"] == pytest.approx(np.mean(columns))
    only = score_all(np.zeros(5, int), proba[:5, :2], classes(2))
    assert "roc_auc" not in only
    assert all(np.isfinite(list(only.values())))


def test_outputs_that_are_not_finite_fail_the_trial():
    y, proba = made_up(20, 3)
    proba[3, 1] = np.nan
    proba[7, 0] = np.inf
    with pytest.raises(TrialError, match="finite, and 2 of 20 rows"):
        score_all(y, proba, classes(proba.shape[1]))
    with pytest.raises(TrialError, match="1 of 2 rows"):
        score_all(np.zeros(2), np.array([0.0, np.nan]), NUMBER)


def test_errors_are_shares_of_what_knowing_nothing_gives():
    assert CLASSIFIED["accuracy"].error(0.9, 0.1) == pytest.approx(0.1)
    assert VALUED["r2"].error(1.0, 0.0) == 0.0
    assert VALUED["neg_rmse"].error(-2.0, -8.0) == pytest.approx(0.25)
    assert CLASSIFIED["neg_log_loss"].error(-0.2, -2.0) == pytest.approx(0.1)


@pytest.mark.parametrize(
    "target",
    [
        classes(3), NUMBER,
        TargetSpec(name="y", task="multilabel", classes=("a", "b")),
        TargetSpec(name="y", task="ranking", classes=tuple("abcdefghijkl")),
        TargetSpec(name="y + z", task="multitask", parts=(classes(2), replace(NUMBER, name="z"))),
    ],
    ids=lambda target: target.task,
)  # fmt: skip
def test_what_is_maximised_is_found_by_its_own_name(target):
    """Workers are told the metric of their run by its name."""
    for metric in metrics_of(target).values():
        if metric.maximised:
            assert find_metric(metric.name, target).name == metric.name


def test_aliases_and_defaults():
    assert find_metric("rmse", NUMBER) is VALUED["neg_rmse"]
    assert find_metric("log_loss", classes(3)) is CLASSIFIED["neg_log_loss"]
    assert default_metric(classes(2)).name == "accuracy"
    assert default_metric(NUMBER).name == "r2"
    assert list(metrics_of(NUMBER)) == ["r2", "neg_rmse", "neg_mae"]


def test_a_metric_that_is_none_or_of_another_task_is_refused():
    with pytest.raises(UnknownNameError, match="unknown metric 'acuracy'.*mean 'accuracy'"):
        find_metric("acuracy", classes(2))
    with pytest.raises(UnknownNameError, match="'neg_rmse' for classification.*accuracy, bal"):
        find_metric("rmse", classes(2))
    with pytest.raises(ConfigError, match="reported and not maximised.*such as log_loss"):
        find_metric("calibration_error", classes(2))


def test_label_scores_agree_with_scikit_learn():
    rng = np.random.default_rng(0)
    y = (rng.random((300, 4)) < [0.1, 0.3, 0.5, 0.7]).astype(np.float32)
    proba = np.clip(0.5 * y + rng.random(y.shape) * 0.6, 0.01, 0.99)
    guess, labels = proba >= 0.5, TargetSpec(name="y", task="multilabel", classes=tuple("abcd"))
    found = score_all(y, proba, labels)
    for average in ("macro", "micro"):
        end = "" if average == "macro" else "_micro"
        for name, score in (("f1", sk.f1_score), ("precision", sk.precision_score)):
            assert found[name + end] == pytest.approx(score(y, guess, average=average))
    assert found["accuracy"] == pytest.approx(sk.accuracy_score(y, guess))
    assert found["roc_auc"] == pytest.approx(sk.roc_auc_score(y, proba, average="macro"))
    each = [sk.log_loss(y[:, i], proba[:, i]) for i in range(4)]
    assert found["neg_log_loss"] == pytest.approx(-np.mean(each))
    assert found["neg_calibration_error"] == pytest.approx(
        -by_hand_gap(y.ravel(), proba.ravel()), abs=1e-9
    )


def test_a_forecast_is_scored_over_all_steps():
    rng = np.random.default_rng(0)
    y, output = rng.normal(size=(50, 6)), rng.normal(size=(50, 6))
    found = score_all(y, output, TargetSpec(name="y", task="forecasting", steps=6))
    assert found["neg_mae"] == pytest.approx(-np.abs(y - output).mean())
    assert found["neg_rmse"] == pytest.approx(-np.sqrt(((y - output) ** 2).mean()))
    assert found["r2"] == pytest.approx(sk.r2_score(y.ravel(), output.ravel()))


def test_a_missing_step_ahead_has_no_part_in_scores_and_loss():
    rng = np.random.default_rng(0)
    y, output = rng.normal(size=(50, 6)), rng.normal(size=(50, 6))
    y[rng.random(y.shape) < 0.3] = np.nan
    y[:, 2], y[5] = np.nan, np.nan
    known, steps = np.isfinite(y), TargetSpec(name="y", task="forecasting", steps=6)
    found, error = score_all(y, output, steps), (y - output)[known]
    assert found["neg_mae"] == pytest.approx(-np.abs(error).mean())
    assert found["neg_rmse"] == pytest.approx(-np.sqrt((error**2).mean()))
    assert found["r2"] == pytest.approx(sk.r2_score(y[known], output[known]))
    weight = np.arange(50.0)
    by_row = (np.abs(y - output) * weight[:, None])[known].sum() / (weight[:, None] * known).sum()
    assert VALUED["neg_mae"].prepare(y, output)(weight) == pytest.approx(-by_row)
    task, out = TASKS["forecasting"], torch.tensor(output, requires_grad=True)
    loss = task.loss(out, torch.tensor(y), 0.0)
    by_hand = smooth_l1_loss(torch.tensor(output[known]), torch.tensor(y[known]), beta=0.5)
    assert loss.item() == pytest.approx(by_hand.item())
    loss.backward()
    np.testing.assert_array_equal(out.grad.numpy() != 0, known)
    means = task.trivial(y, steps)
    assert means[0] == pytest.approx(y[:, 0][known[:, 0]].mean())
    assert means[2] == pytest.approx(y[known].mean())
    (detail,) = details_of(steps, y, output, range(50))
    assert detail.residuals["mae"].iloc[0] == pytest.approx(
        np.abs(y - output)[:, 0][known[:, 0]].mean()
    )
    assert np.isfinite(detail.worst[["truth", "residual"]].to_numpy(float)).all()


def test_rankings_by_hand():
    items = TargetSpec(name="item", task="ranking", classes=tuple(f"i{n}" for n in range(30)))
    output = np.tile(np.linspace(1, 0, 30), (3, 1))
    output[2, 4:8] = output[2, 4]  # four level items share places 5 to 8
    found = score_all(np.array([0, 11, 7]), output, items)
    assert found["hr@10"] == pytest.approx(2 / 3)
    assert found["hr@5"] == pytest.approx(1 / 3)
    assert found["ndcg@10"] == pytest.approx((1 + 1 / np.log2(1 + 6.5)) / 3)
    assert find_metric("hr@12", items).score(np.array([11]), output[:1]) == 1
    assert find_metric("ndcg@3", items).score(np.array([1]), output[:1]) == pytest.approx(
        1 / np.log2(3)
    )


def test_several_targets_are_scored_each_by_its_own():
    y, proba = made_up(100, 3)
    value = np.random.default_rng(1).normal(size=100)
    both = TargetSpec(name="a + b", task="multitask", parts=(classes(3), NUMBER))
    both = replace(both, parts=(replace(classes(3), name="a"), replace(NUMBER, name="b")))
    found = score_all(np.column_stack([y, value]), np.column_stack([proba, value / 2]), both)
    accuracy, r2 = CLASSIFIED["accuracy"].score(y, proba), sk.r2_score(value, value / 2)
    assert found["a.accuracy"] == pytest.approx(accuracy)
    assert found["b.r2"] == pytest.approx(r2)
    assert found["mean_score"] == pytest.approx((accuracy + r2) / 2)
    assert find_metric("b.mae", both).error(-1.0, -4.0) == 0.25


@pytest.mark.parametrize("name", ["accuracy", "f1", "roc_auc", "neg_log_loss"])
def test_the_interval_holds_the_score_and_narrows_with_rows(name):
    metric = CLASSIFIED[name]
    widths = []
    for n in (200, 3200):
        y, proba = made_up(n, 3)
        low, high = bootstrap_interval(metric, y, proba, n=200)
        assert low < metric.score(y, proba) < high
        widths.append(high - low)
    assert widths[1] == pytest.approx(widths[0] / 4, rel=0.35)


def test_the_interval_of_accuracy_is_the_binomial_one():
    y, proba = made_up(1000, 2)
    p = CLASSIFIED["accuracy"].score(y, proba)
    low, high = bootstrap_interval(CLASSIFIED["accuracy"], y, proba)
    assert high - low == pytest.approx(2 * 1.96 * np.sqrt(p * (1 - p) / 1000), rel=0.1)
    assert bootstrap_interval(CLASSIFIED["accuracy"], y, proba) == (low, high)


def test_pairing_makes_the_interval_of_a_difference_narrow():
    y, proba = made_up(1000, 3)
    better = proba.copy()
    better[np.arange(20), y[:20]] = 2.0
    low, high = paired_interval(CLASSIFIED["accuracy"], y, better, proba, n=300)
    assert 0 < low < high < 0.03
    alone = bootstrap_interval(CLASSIFIED["accuracy"], y, better, n=300)
    assert high - low < (alone[1] - alone[0]) / 2
    assert paired_interval(VALUED["r2"], y, proba[:, 0], proba[:, 0], n=50) == (0, 0)


@pytest.mark.parametrize("k", [2, 4])
@pytest.mark.parametrize("name", ["f1", "balanced_accuracy"])
def test_biases_raise_the_metric_on_rows_not_fitted(name, k):
    rng = np.random.default_rng(0)
    y = rng.choice(k, 4000, p=np.r_[np.full(k - 1, 0.06), 1 - 0.06 * (k - 1)])
    logits = rng.normal(size=(4000, k))
    logits[:, -1] += 2
    logits[np.arange(4000), y] += 2
    proba = softmax(logits)
    metric = CLASSIFIED[name]
    target = classes(k)
    fitted = calibrate(y[:2000], proba[:2000], metric, target)
    moved = fitted.scores(proba, target)
    assert np.allclose(moved.sum(axis=1), 1, atol=1e-5)
    assert metric.score(y[2000:], moved[2000:]) > metric.score(y[2000:], proba[2000:]) + 0.03
    reached = metric.score(y[:2000], moved[:2000])
    for step in np.linspace(-0.5, 0.5, 11):  # no place close by is better
        for c in range(k):
            bias = np.asarray(fitted.bias) + step * np.eye(k)[c]
            other = replace(fitted, bias=tuple(bias)).scores(proba[:2000], target)
            assert metric.score(y[:2000], other) <= reached + 0.004


def test_thresholds_of_labels_are_moved_one_by_one():
    rng = np.random.default_rng(0)
    y = (rng.random((1000, 2)) < 0.2).astype(np.float32)
    proba = 0.1 + 0.2 * y + 0.1 * rng.random(y.shape)  # never half: no label is ever guessed
    labels = TargetSpec(name="y", task="multilabel", classes=("a", "b"))
    metric = TASKS["multilabel"].metrics["f1"]
    assert metric.score(y, proba) == 0
    moved = calibrate(y, proba, metric, labels).scores(proba, labels)
    assert metric.score(y, moved) > 0.97


def test_the_temperature_undoes_what_sharpened_the_logits():
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(4000, 3)) * 2
    y = np.array([rng.choice(3, p=row) for row in softmax(logits).astype(float)
                  / softmax(logits).sum(1, keepdims=True, dtype=float)])  # fmt: skip
    sharp, target = softmax(3 * logits), classes(3)
    fitted = calibrate(y, sharp, CLASSIFIED["accuracy"], target)
    assert fitted.temperature == pytest.approx(3, rel=0.1)
    assert fitted.bias == ()
    cooled = fitted.probabilities(sharp, target)
    gap = CLASSIFIED["neg_calibration_error"]
    assert gap.score(y, cooled) > gap.score(y, sharp) / 3
    assert from_fields(Calibration, json_ready(fitted)) == fitted


def test_nothing_is_fitted_on_few_rows_or_for_values():
    y, proba = made_up(49, 2)
    assert calibrate(y, proba, CLASSIFIED["f1"], classes(2)) == Calibration()
    assert calibrate(np.ones(90), np.ones(90), VALUED["r2"], NUMBER) == Calibration()


def test_perfect_inputs_calibrate_without_warnings():
    y = np.arange(60) % 2
    proba = np.eye(2, dtype=np.float32)[y]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert calibrate(y, proba, CLASSIFIED["f1"], classes(2)).bias == (0, 0)


@pytest.mark.parametrize("name", ["accuracy", "f1", "roc_auc", "balanced_accuracy"])
@pytest.mark.parametrize("right", [True, False])
def test_the_interval_is_honest_where_all_or_nothing_is_right(name, right):
    y = np.arange(40) % 2
    proba = np.eye(2)[y if right else 1 - y]
    low, high = score_interval(CLASSIFIED[name], y, proba)
    exact = 0.025 ** (1 / 40)  # so good a share has no error in 40 rows in one case of 40
    if right:
        assert high == 1.0
        assert exact - 0.01 <= low <= exact + 0.02
    else:
        assert low == 0.0
        assert 1 - exact - 0.02 <= high <= 1 - exact + 0.01


def test_the_interval_of_a_share_is_wilsons():
    y = np.zeros(150, dtype=int)
    proba = np.eye(2)[np.r_[1, np.zeros(149, dtype=int)]]
    low, high = score_interval(CLASSIFIED["accuracy"], y, proba)
    assert (low, high) == pytest.approx((0.9632, 0.9988), abs=1e-4)


def test_what_the_rows_do_not_define_has_no_score():
    y, proba = np.zeros(30, dtype=int), made_up(30, 2)[1]
    target = classes(2)
    assert "roc_auc" not in score_all(y, proba, target)
    assert "accuracy" in score_all(y, proba, target)
    assert np.isnan(score_interval(CLASSIFIED["roc_auc"], y, proba)).all()
    same = np.full(30, 0.1)
    assert set(score_all(same, proba[:, 0], NUMBER)) == {"neg_rmse", "neg_mae"}
    assert VALUED["r2"].score(1e-9 * np.arange(30.0), 1e-9 * np.arange(30.0)) == 1.0


def test_few_rows_of_one_class_leave_an_interval():
    y = np.r_[np.ones(2, dtype=int), np.zeros(20, dtype=int)]
    proba = np.eye(2)[y] * 0.5 + 0.25 + made_up(22, 2)[1] * 0.3
    low, high = score_interval(CLASSIFIED["roc_auc"], y, proba)
    assert 0 <= low <= high <= 1


@pytest.mark.parametrize("k", [2, 4])
def test_an_area_is_the_same_where_no_row_has_a_weight(k: int) -> None:
    rng, metric = np.random.default_rng(k), CLASSIFIED["roc_auc"]
    for n in (1, 2, 7, 300):
        y = rng.integers(0, k, n)
        output = rng.integers(0, 9, (n, k)).astype(np.float32) / 9  # with many ties
        expected = metric.score(y, output, np.ones(n))
        assert metric.score(y, output) == pytest.approx(expected, abs=1e-12, nan_ok=True)
    # A class that is absent has none.
    y = np.zeros(9, dtype=int)
    assert np.isnan(metric.score(y, rng.random((9, 2))))

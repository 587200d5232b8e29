"""What scores on few rows let expect: luck is drawn to its like, knowledge stays as it is."""

from dataclasses import replace

import numpy as np
import pytest

from autosynth.leaderboard import chosen, remarks
from autosynth.record import Record, merit, worth
from autosynth.study.finalist import expect, smoothed


def trial(number: int, family: str, score: float, error: float, flops: int) -> Record:
    return Record(
        trial=number, seed=0, strategy=family, topology="single", components=family,
        state="complete", val={"accuracy": score}, flops=flops,
        canonical=f"{family} | length=1.0 lr=0.002", standard_error=error,
    )  # fmt: skip


def a_run(error: float) -> list[Record]:
    """Eight of one family at about .70, eight of another at about .60, a lucky one of these."""
    cnn = [trial(n, "cnn", 0.70 + 0.01 * (n % 2), error, 10_000 + 1_000 * n) for n in range(8)]
    mlp = [trial(n, "mlp", 0.60 + 0.01 * (n % 2), error, 10_000 + 1_000 * n) for n in range(8, 16)]
    return [*cnn, *mlp, trial(16, "mlp", 0.72, error, 18_500)]


def test_luck_is_drawn_to_strategies_alike() -> None:
    records = a_run(error=0.05)
    scores = np.array([r.val["accuracy"] for r in records])
    found = smoothed(records, scores)
    assert 0.58 < found[16] < 0.66
    assert found[:8].min() > found[8:].max()
    assert found[:8].min() > 0.68


def test_half_of_an_error_is_that_of_rows_that_are_hard_for_all() -> None:
    """Were all of it luck, the lucky one would be drawn to .62; were a quarter of it, to .69."""
    records = a_run(error=0.03)
    found = smoothed(records, np.array([r.val["accuracy"] for r in records]))
    assert 0.65 < found[16] < 0.68


def test_what_is_expected_goes_before_the_score() -> None:
    lucky = replace(trial(0, "mlp", 0.9, 0.05, 1_000), expected=0.7)
    assert worth(lucky, "accuracy") == (0.7, 0.0)
    assert worth(replace(lucky, expected=None), "accuracy") == merit(lucky, "accuracy") == (0.9, 0)


def test_scores_of_many_rows_stay_as_they_are() -> None:
    records = a_run(error=0.0001)
    scores = np.array([r.val["accuracy"] for r in records])
    np.testing.assert_allclose(smoothed(records, scores), scores, atol=0.002)
    equal = np.full(len(records), 0.7)
    np.testing.assert_array_equal(smoothed(records, equal), equal)


def test_a_run_of_few_rows_hands_over_what_is_to_be_expected() -> None:
    records = a_run(error=0.05)
    best = chosen(records, metric="accuracy")
    assert best is not None
    assert best.trial == 16
    assert remarks(records, metric="accuracy") == []
    records = expect(records, "accuracy", floor=0.1)
    best = chosen(records, metric="accuracy")
    assert best is not None
    assert best.components == "cnn"
    (line,) = remarks(records, metric="accuracy")
    assert line.startswith("Trial 16 has the highest score (0.7200), but on so few rows")


def test_a_diverged_training_does_not_hide_the_others() -> None:
    records = a_run(error=0.05)
    records[0] = replace(records[0], val={"accuracy": -1e9})
    expected = {r.trial: r.expected or 0.0 for r in expect(records, "accuracy", floor=0.1)}
    assert expected[3] == pytest.approx(0.7, abs=0.04)
    assert expected[12] < expected[3]

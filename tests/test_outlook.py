"""How far a search has come, and what as much again would bring."""

import pytest

from autosynth.leaderboard.outlook import (
    FEWEST_ENDED,
    HIGH,
    LEAST_MOVED,
    LOW,
    Moved,
    outlook,
    outlook_of,
    outlook_sentence,
)
from autosynth.record import Record


def steps(errors: list[float]) -> list[Moved]:
    return [Moved(price=1.0, error=error, cost=3.0) for error in errors]


def test_what_moved_late_is_told_from_what_moved_early() -> None:
    early = outlook(steps([0.9, 0.1, *[0.5] * 18]), worst=1.0)
    late = outlook(steps([0.9] * 19 + [0.1]), worst=1.0)
    assert early is not None
    assert late is not None
    assert early.last_half == early.last_tenth == 0.0
    assert late.last_tenth == pytest.approx(8 / 9)
    assert late.high == pytest.approx(HIGH * (8 / 9 + LEAST_MOVED))
    assert late.high > early.high > 0
    assert early.low == LOW * LEAST_MOVED


def test_of_few_trainings_nothing_is_said() -> None:
    assert outlook(steps([0.5] * (FEWEST_ENDED - 1)), worst=1.0) is None
    assert outlook(steps([1.5] * 20), worst=1.0) is None  # none is better than knowing nothing


def test_a_run_is_read_by_seconds_or_by_flops_where_no_clock_decided() -> None:
    def run(**more: object) -> list[Record]:
        baseline = Record(
            trial=0, seed=0, kind="baseline", strategy="majority", state="complete",
            val={"accuracy": 0.1}, flops=0,
        )  # fmt: skip
        done = [
            Record(
                trial=1 + i, seed=0, strategy="s", state="complete", topology="single",
                val={"accuracy": 0.5 if i < 15 else 0.9}, flops=1000, train_flops=1.0,
                train_seconds=1.0 if i < 15 else 100.0, **more,  # type: ignore[arg-type]
            )
            for i in range(20)
        ]  # fmt: skip
        return [*done, baseline]

    by_flops = outlook_of(run(), metric="accuracy", cost="flops")
    timed = outlook_of(run(foreseen_seconds=1.0), metric="accuracy", cost="flops")
    assert by_flops is not None
    assert timed is not None
    assert by_flops.last_tenth == 0.0  # it moved at fifteen of twenty
    assert by_flops.last_half == pytest.approx(0.5)
    assert timed.last_half == 0.0  # by the clock the five took longest, and the first moved it
    assert "moved by 0.0% of its hypervolume" in outlook_sentence(by_flops)


def test_without_a_baseline_or_a_single_component_nothing_is_said() -> None:
    only = [
        Record(trial=i, seed=0, strategy="s", state="complete", val={"accuracy": 0.5}, flops=10)
        for i in range(30)
    ]
    assert outlook_of(only, metric="accuracy", cost="flops") is None

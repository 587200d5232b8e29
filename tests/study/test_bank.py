"""The bank: what a run has trained serves a part of a later trial, if it is the same training."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from autosynth.composite import resolve
from autosynth.data import Dataset, load
from autosynth.record import Record, read_all
from autosynth.strategy import parse
from autosynth.study.bench import Bench
from autosynth.study.trial import Job, run_trial
from autosynth.training.loop import Rows, train

MakeBench = Callable[..., Bench]
WIDE, DEEP = "mlp[depth=1, width=32]", "mlp[depth=2, width=16]"
STEPS = 40


@pytest.fixture(scope="module")
def wine() -> Dataset:
    return load("wine")


@pytest.fixture
def bench(bench_of: MakeBench, wine: Dataset, tmp_path: Path) -> Bench:
    """A run in which one part stands trained, and one was trained with another learning rate."""
    found = bench_of(wine, tmp_path, steps=STEPS)
    trial(found, WIDE, 0)
    trial(found, f"{DEEP} | lr=0.01", 1)
    return found


def trial(bench: Bench, text: str, number: int = 9) -> Record:
    resolved = resolve(parse(text), bench.dataset.inputs, bench.dataset.target)
    record = run_trial(bench, Job(number=number, resolved=resolved, origin="given"))
    assert record.state == "complete", record.reason
    return record


def phases_trained(bench: Bench, text: str) -> float:
    """How many whole schedules a trial took."""
    record = trial(bench, text)
    assert record.epochs is not None
    samples = record.epochs * len(bench.dataset.splits.train)
    return samples / (bench.plan.steps * bench.plan.batch_size)


@pytest.mark.parametrize(
    ("text", "schedules"),
    [
        (f"mean({WIDE}, {DEEP}) init=parts", 2),
        (f"mean({WIDE}, {DEEP}) init=parts | lr=0.01", 2),  # the other part
        (f"mean({WIDE}, {DEEP}) train=subsets rows=all", 1),
        (f"{WIDE} > {DEEP} init=parts", 1),
        # Nothing of these was trained so before.
        (f"mean({WIDE}, {DEEP}) train=subsets", 2),
        (f"mean({WIDE}, {DEEP}) train=subsets rows=bootstrap", 2),
        (f"mean({WIDE}, {DEEP}) train=staged", 1),
        (f"mean({WIDE}, {DEEP}) init=parts | lr=0.02", 3),
        (f"mean({WIDE}, {DEEP}) init=parts | length=2", 6),
    ],
)
def test_a_part_is_taken_where_its_training_is_the_same(
    text: str, schedules: float, bench: Bench
) -> None:
    assert phases_trained(bench, text) == pytest.approx(schedules, abs=0.05)


def test_what_was_trained_for_another_time_is_not_taken(bench: Bench) -> None:
    longer = replace(bench, plan=replace(bench.plan, steps=2 * STEPS))
    assert phases_trained(longer, f"mean({WIDE}, {DEEP}) init=parts") == 3


def test_the_last_training_is_the_one_that_was_scored(bench: Bench) -> None:
    """It takes nothing from the bank: a part is trained in it as long as it was when it stood."""
    text = f"mean({WIDE}, {DEEP}) init=parts"
    single = read_all(bench.folder)[0]
    record = trial(bench, text)
    share = min(single.best_shares.values(), default=1.0)
    assert record.best_shares.get("part 1", 1.0) == share
    resolved = resolve(parse(text), bench.dataset.inputs, bench.dataset.target)
    rows = Rows(train=bench.dataset.splits.train, fit=np.array([], np.int64))
    last = train(resolved, bench.feed, rows, bench.plan, until=record.best_shares)
    shares = [record.best_shares.get(phase.name, 1.0) for phase in resolved.course.phases]
    assert last.steps == sum(round(STEPS * share) for share in shares)
    # The trial itself took two schedules: the third is that of the part it took.
    assert single.epochs is not None
    assert record.epochs == pytest.approx(2 * single.epochs)

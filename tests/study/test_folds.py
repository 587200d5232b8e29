"""Of few rows, every trial is scored by outputs for all of them, out of fold."""

from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from autosynth.budget import Deadline
from autosynth.data import load_dataset
from autosynth.record import Record, read_all, write_record
from autosynth.spec import Array, Dataset
from autosynth.study.context import RunContext
from autosynth.study.driver import Driver
from autosynth.study.fold import OutOfTime, fold_outputs
from autosynth.study.job import Job
from autosynth.study.pruner import Decision, RungBook
from autosynth.study.trial import run_trial

MakeBench = Callable[..., RunContext]
MakeTrial = Callable[..., Record]


@pytest.fixture(scope="module")
def wine() -> Dataset:
    return load_dataset("wine")


def test_folds_hold_every_row_out_once(
    context_of: MakeBench, wine: Dataset, tmp_path: Path
) -> None:
    context = context_of(wine, tmp_path)
    held = [wine.splits.validation]
    for inside, outside in context.other_folds():
        assert not np.intersect1d(inside, outside).size
        assert len(inside) + len(outside) == len(context.learnable)
        held.append(outside)
    assert np.array_equal(np.sort(np.concatenate(held)), np.sort(context.learnable))


def test_few_rows_are_all_scored_out_of_fold(
    context_of: MakeBench, trial_of: MakeTrial, wine: Dataset, tmp_path: Path
) -> None:
    context = context_of(wine, tmp_path)
    assert context.folds == 3
    record = trial_of(context, "mlp[width=8]")
    hits = record.val["accuracy"] * len(context.learnable)
    assert hits == pytest.approx(round(hits))
    assert record.n_folds == 3
    behind = replace(record, trial=99, val={"accuracy": 2.0})
    write_record(behind, tmp_path)  # what is far behind the best is scored on the first fold alone
    assert trial_of(context, "mlp[width=4]").n_folds == 1
    # Three trainings were paid for; one of them is what is kept.
    assert record.samples_seen == pytest.approx(
        3 * record.epochs * len(wine.splits.train), rel=0.1
    )


def test_rows_that_lie_together_are_not_dealt_to_folds(
    context_of: MakeBench, trial_of: MakeTrial, wine: Dataset, tmp_path: Path
) -> None:
    context = context_of(replace(wine, independent=False), tmp_path)
    assert context.folds == 1
    assert not context.is_small
    record = trial_of(context, "mlp[width=8]")
    hits = record.val["accuracy"] * len(wine.splits.validation)
    assert hits == pytest.approx(round(hits))
    assert record.n_folds == 1


def test_a_fold_without_time_is_none(context_of: MakeBench, wine: Dataset, tmp_path: Path) -> None:
    context = context_of(wine, tmp_path, steps=100_000)
    resolved = context.resolved("mlp[width=8]")
    inside, outside = next(iter(context.other_folds()))
    with pytest.raises(OutOfTime, match="fold"):
        fold_outputs(context, resolved, inside, outside, Deadline(0.0))


def test_what_was_split_by_group_or_time_lies_together() -> None:
    rows = np.random.default_rng(0).normal(size=(60, 2))
    columns = {"a": rows[:, 0], "y": (rows[:, 1] > 0).astype(int), "who": np.arange(60) % 12}
    frame = pd.DataFrame(columns)
    assert load_dataset(frame, target="y").independent
    assert not load_dataset(frame, target="y", group="who").independent
    assert not load_dataset(frame, target="y", time="who").independent


def test_as_many_folds_as_bring_enough_rows(
    context_of: MakeBench, wine: Dataset, tmp_path: Path
) -> None:
    context = context_of(wine, tmp_path)
    n = len(context.learnable)
    for held, folds in ((10, 5), (40, 3), (76, 2), (100, 1), (300, 1)):
        splits = replace(wine.splits, validation=np.arange(held), train=np.arange(held, n))
        assert replace(context, dataset=replace(wine, splits=splits)).folds == folds


def test_folds_that_do_not_end_leave_the_trial_whole(
    context_of: MakeBench, wine: Dataset, tmp_path: Path
) -> None:
    context = context_of(wine, tmp_path)
    job = Job(number=0, strategy=str(context.resolved("mlp[width=8]").strategy))

    class Late(RunContext):
        """The time is up when the first training has ended, on any machine."""

        def other_folds(self) -> Iterator[tuple[Array, Array]]:
            object.__setattr__(job, "deadline", Deadline(0.0))
            return super().other_folds()

    known = {each.name: getattr(context, each.name) for each in fields(context)}
    record = run_trial(Late(**known), job).record
    assert record.state == "complete"
    assert record.n_folds == 1


def test_few_rows_end_no_training(
    context_of: MakeBench, driver_of: Callable[..., Driver], wine: Dataset, tmp_path: Path
) -> None:
    asked: list[float] = []

    class Worst(RungBook):
        """Prunes whatever it is asked of."""

        def decide(self, *_: object, **more: object) -> Decision:
            asked.append(1.0)
            return Decision(prune=True, constraint=1.0, why="behind")

    def search(context: RunContext) -> set[str]:
        driver_of(context, Worst(), trials=1).run()
        return {r.state for r in read_all(context.folder)}

    few = context_of(wine, tmp_path, steps=360)  # the first rung is at 120
    assert search(few) == {"complete"}
    assert asked
    many = replace(few, dataset=replace(wine, independent=False), folder=tmp_path / "many")
    (tmp_path / "many" / "trials").mkdir(parents=True)
    assert search(many) == {"pruned"}

"""After the trials: the choice among the front on small data, and the winner trained again."""

import math
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from autosynth.composite import resolve
from autosynth.data import load
from autosynth.record import Record, read_all
from autosynth.run.finish import cross_validate, refit
from autosynth.strategy import parse
from autosynth.study import spacefile
from autosynth.study.bench import Bench, trivial_score
from autosynth.study.narrow import narrow
from autosynth.study.probe import fixed_plan
from autosynth.study.study import claim
from autosynth.study.trial import Job, run_trial
from autosynth.training.feed import feed
from autosynth.training.metrics import METRICS


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    wine, metric = load("wine"), METRICS["classification"]["accuracy"]
    (tmp_path / "trials").mkdir()
    return Bench(
        dataset=wine, feed=feed(wine, torch.device("cpu"), wine.splits.train),
        space=narrow(spacefile.load("small"), wine.inputs, "classification"),
        plan=fixed_plan("cpu", len(wine.splits.train), 40), metric=metric,
        trivial_score=trivial_score(wine, metric), folder=tmp_path, seed=0,
    )  # fmt: skip


def trained(bench: Bench, *texts: str) -> list[Record]:
    data = bench.dataset
    return [
        run_trial(
            bench,
            Job(
                number=claim(bench.folder), origin="given",
                resolved=resolve(parse(text), data.inputs, data.target),
            ),
        )
        for text in texts
    ]  # fmt: skip


def test_the_front_is_scored_over_all_folds(bench: Bench) -> None:
    records = trained(bench, "mlp[width=16]", "cnn[width=8]")
    cross_validate(bench, records, math.inf)
    after = read_all(bench.folder)
    assert [r.notes["folds"] for r in after] == ["3", "3"]
    assert all(r.cv is not None and 0.4 < r.cv <= 1 for r in after)


def test_without_time_or_a_rival_there_is_no_race(bench: Bench) -> None:
    records = trained(bench, "mlp[width=16]", "mlp[width=8]")
    cross_validate(bench, records[:1], math.inf)
    cross_validate(bench, records, time.time())
    assert [r.cv for r in read_all(bench.folder)] == [None, None]


def test_a_fold_that_takes_longer_than_foreseen_counts_for_none(bench: Bench) -> None:
    records = [
        replace(r, train_seconds=0.0) for r in trained(bench, "mlp[width=16]", "cnn[width=8]")
    ]
    slow = replace(bench, plan=replace(bench.plan, steps=100_000))
    cross_validate(slow, records, time.time() + 2.0)
    assert [r.cv for r in read_all(bench.folder)] == [None, None]


def test_the_winner_learns_from_everything_but_test(bench: Bench) -> None:
    (record,) = trained(bench, "mlp[width=16]")
    again = refit(bench, record, math.inf)
    assert again is not None
    assert (again.n_train, again.n_fit) == (len(bench.learnable), 0)
    assert again.test["accuracy"] > 0.5


def test_rows_to_fit_a_threshold_on_are_kept_for_it(bench: Bench) -> None:
    splits = bench.dataset.splits
    cut = replace(splits, train=splits.train[10:], fit=splits.train[:10])
    bench = replace(bench, dataset=replace(bench.dataset, splits=cut))
    (record,) = trained(bench, "cascade(mlp[width=4], mlp[width=16])")
    again = refit(bench, record, math.inf)
    assert again is not None
    assert (again.n_train, again.n_fit) == (len(bench.learnable) - 10, 10)
    (gate,) = [m for m in again.model.modules_by_name.values() if hasattr(m, "threshold")]
    seen: list[int] = []
    gate.register_forward_hook(lambda module, args, rows: seen.append(len(rows)))
    again.model(bench.feed.batch(bench.feed.rows(cut.fit))[0])
    assert seen == [3]  # .3 of the ten rows that it was fitted to

"""The choice among the front on small data: a race over folds, within its time."""

import math
import time
from pathlib import Path

import pytest
import torch

from autosynth.composite import resolve
from autosynth.data import load
from autosynth.record import Record, read_all
from autosynth.run.finish import cross_validate
from autosynth.strategy import parse
from autosynth.study import spacefile
from autosynth.study.bench import Bench, trivial_score
from autosynth.study.probe import fixed_plan
from autosynth.study.space import narrow
from autosynth.study.study import claim
from autosynth.study.trial import Job, run_trial
from autosynth.training.feed import feed
from autosynth.training.metrics import METRICS


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    wine, metric = load("wine"), METRICS["accuracy"]
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
    assert [r.notes["folds"] for r in after] == ["5", "5"]
    assert all(r.cv is not None and 0.4 < r.cv <= 1 for r in after)


def test_without_time_or_a_rival_there_is_no_race(bench: Bench) -> None:
    records = trained(bench, "mlp[width=16]", "mlp[width=8]")
    cross_validate(bench, records[:1], math.inf)
    cross_validate(bench, records, time.time())
    assert [r.cv for r in read_all(bench.folder)] == [None, None]

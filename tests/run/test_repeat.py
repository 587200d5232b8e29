"""`--repeats`: the front trained on further seeds, its score their mean."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import autosynth
from autosynth.budget import NEVER
from autosynth.composite import Resolved
from autosynth.data import load_dataset
from autosynth.leaderboard import front
from autosynth.plugin import TASKS
from autosynth.record import Record
from autosynth.run import repeat as repeats
from autosynth.run.run import Run, open_run
from autosynth.study import spacefile
from autosynth.study.context import RunContext, trivial_score
from autosynth.study.probe import fixed_plan
from autosynth.study.restrict import restrict
from autosynth.training.devicedataset import to_device
from autosynth.training.loop import train


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    out = tmp_path_factory.mktemp("repeats") / "run"
    return autosynth.search("digits", space="small", trials=6, repeats=3, refit=False, out=out)


def test_all_of_the_front_has_as_many_trainings(run: Run) -> None:
    members = front(run.records, metric=run.metric, cost=run.cost)
    assert members
    for record in members:
        assert len(record.repeats) == 3
        assert record.val[run.metric] == pytest.approx(np.mean(record.repeats))


def test_trainings_on_other_seeds_differ_where_chance_has_a_part(run: Run) -> None:
    networks = [r for r in run.records if r.repeats and (r.samples_seen or 0) > 0]
    assert networks
    assert any(len(set(record.repeats)) > 1 for record in networks)
    # The first is the search's own.
    assert all(record.repeats[0] == pytest.approx(1 - record.curve[-1][1]) for record in networks)


def test_the_board_gives_the_mean_and_its_interval(run: Run) -> None:
    board = run.leaderboard.set_index("trial")
    for record in run.records:
        row = board.loc[record.trial]
        if not record.repeats:
            assert row[["repeats", "repeats_low", "repeats_high"]].isna().all()
            continue
        n = len(record.repeats)  # fewer, where the mean of two put it off the front
        assert row["repeats"] == n
        low, high = row["repeats_low"], row["repeats_high"]
        assert (low + high) / 2 == pytest.approx(np.mean(record.repeats))
        half = {2: 12.706205, 3: 4.302653}[n] * np.std(record.repeats, ddof=1) / np.sqrt(n)
        assert (high - low) / 2 == pytest.approx(half, rel=1e-5)


@pytest.mark.slow
def test_a_run_that_goes_on_trains_none_of_them_again(run: Run, tmp_path: Path) -> None:
    before = {record.trial: record.repeats for record in run.records if record.repeats}
    autosynth.search("digits", space="small", trials=6, repeats=3, refit=False, out=run.folder)
    after = {r.trial: r.repeats for r in open_run(run.folder).records if r.repeats}
    assert after == before


def test_no_part_is_trained_alone_that_nobody_takes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained: list[str] = []

    def noted(resolved: Resolved, *given: Any, **more: Any) -> Any:
        trained.append(resolved.canonical)
        return train(resolved, *given, **more)

    monkeypatch.setattr(repeats, "train", noted)
    wine, metric = load_dataset("wine"), TASKS["classification"].metrics["accuracy"]
    context = RunContext(
        dataset=wine, device_dataset=to_device(wine, torch.device("cpu"), wine.splits.train),
        space=restrict(spacefile.load_space("small"), wine.inputs, "classification"),
        trainer_config=fixed_plan("cpu", len(wine.splits.train), 20), metric=metric,
        trivial_score=trivial_score(wine, metric), folder=tmp_path, seed=0,
    )  # fmt: skip
    for rows, n in (("rows=all", 3), ("rows=bootstrap", 1), ("rows=disjoint", 1)):
        trained.clear()
        text = f"mean(mlp[width=8], mlp[width=16]) train=subsets {rows}"
        record = Record(
            trial=0, seed=0, strategy=text, state="complete",
            canonical=context.resolved(text).canonical,
        )  # fmt: skip
        repeats._OneSeed(context, 1, NEVER).scores(record)
        assert len(trained) == n

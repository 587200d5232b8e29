"""A run that begins from others: with what they learnt, and with their trials if it can."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

import autosynth
from autosynth.errors import RunError
from autosynth.record import read_all
from autosynth.run.run import Run
from autosynth.study.context import EARLIER_FILE


@pytest.fixture(scope="module")
def earlier(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("earlier") / "run"
    return autosynth.search("wine", trials=5, space="small", refit=False, out=folder)


def test_of_the_same_data_it_has_the_trials(earlier: Run, tmp_path: Path) -> None:
    run = autosynth.search(
        "wine", trials=7, space="small", refit=False, from_run=earlier.folder, out=tmp_path / "on"
    )
    before = {r.trial: r for r in earlier.records if r.kind == "strategy"}
    after = {r.trial: r for r in run.records}
    assert set(before) <= set(after)
    assert all(after[n].train_seconds == r.train_seconds for n, r in before.items())
    assert sum(r.kind == "baseline" for r in run.records) == 1
    new = [r for r in run.records if r.kind == "strategy" and r.trial not in before]
    assert {r.canonical for r in new}.isdisjoint(r.canonical for r in before.values())
    assert sum(each.seconds for each in run.reasons.spent) <= 1.01 * run.reasons.seconds
    # The run that it began from is as it was.
    assert {r.trial for r in read_all(earlier.folder)} == {r.trial for r in earlier.records}


def test_of_other_data_it_has_what_was_learnt(earlier: Run, tmp_path: Path) -> None:
    run = autosynth.search(
        "iris", trials=3, space="small", refit=False, from_run=[earlier.folder], out=tmp_path / "o"
    )
    (known,) = json.loads((run.folder / EARLIER_FILE).read_text())
    assert known["facts"]["data.size"] == pytest.approx(3.7, abs=0.01)  # 13 columns
    assert known["strategies"]
    assert sum(r.kind == "strategy" and r.origin != "composed" for r in run.records) == 3


def test_another_seed_is_another_deal_of_rows(earlier: Run, tmp_path: Path) -> None:
    run = autosynth.search(
        "wine", trials=2, seed=1, space="small", refit=False,
        from_run=earlier.folder, out=tmp_path / "seed",
    )  # fmt: skip
    assert sum(r.kind == "strategy" and r.origin != "composed" for r in run.records) == 2
    assert {replace(r, val={}).seed for r in run.records} == {1}


def test_what_is_no_run_is_named(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(RunError, match="is no run"):
        autosynth.search("wine", trials=1, from_run=tmp_path / "empty", out=tmp_path / "out")

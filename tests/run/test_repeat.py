"""`--repeats`: the front trained on further seeds, its score their mean."""

from pathlib import Path

import numpy as np
import pytest

import autosynth
from autosynth.leaderboard import front
from autosynth.run.run import Run, open_run


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

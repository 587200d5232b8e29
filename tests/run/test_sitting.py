"""How long a run has gone, saved while it goes."""

import shutil
import time
from contextlib import suppress
from pathlib import Path

import pytest

from autosynth.errors import RunError
from autosynth.run.sitting import Sitting
from autosynth.run.state import RunState, read_state


def test_seconds_are_saved_as_they_pass(tmp_path: Path) -> None:
    """Who is killed in a training of hours is not to begin its budget anew."""
    sitting = Sitting(tmp_path, RunState(elapsed_seconds=100.0), time.monotonic() - 5.0)
    with sitting.saving(every=0.01):
        first = read_state(tmp_path).elapsed_seconds
        while (now := read_state(tmp_path)).elapsed_seconds == first:
            time.sleep(0.005)
    assert 105 <= first < now.elapsed_seconds
    assert not now.finished
    sitting.save(finished=True)
    assert read_state(tmp_path).finished


def test_a_run_whose_folder_goes_away_is_told_by_who_writes_next(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    sitting = Sitting(folder, RunState(), time.monotonic())
    with sitting.saving(every=0.01):
        shutil.rmtree(folder, ignore_errors=True)
        time.sleep(0.05)
    shutil.rmtree(folder, ignore_errors=True)
    with pytest.raises(RunError, match="the run's folder .* is gone"):
        sitting.save()


def test_what_could_not_be_saved_once_is_saved_the_next_time(tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    with Sitting(tmp_path, RunState(), time.monotonic()).saving(every=0.01):
        while not state.is_dir():  # which no file can take the place of
            state.unlink(missing_ok=True)
            with suppress(FileExistsError):
                state.mkdir()
        time.sleep(0.1)
        state.rmdir()
        end = time.monotonic() + 60
        while not state.is_file() and time.monotonic() < end:
            time.sleep(0.01)
        assert state.is_file()


def test_a_budget_of_its_own_forgets_no_second_of_the_run(tmp_path: Path) -> None:
    ended = RunState(elapsed_seconds=60.0, finished=True)
    with Sitting(tmp_path, ended.anew(), time.monotonic() - 5.0).saving():
        state = read_state(tmp_path)
    assert 5.0 <= state.elapsed_seconds < 60.0
    assert 65.0 <= state.whole_seconds < 120.0
    broken_off = RunState(elapsed_seconds=60.0)
    assert broken_off.anew() == broken_off

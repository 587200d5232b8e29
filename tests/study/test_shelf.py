"""The weights of a run are kept within a limit of disk, the worst going first."""

from pathlib import Path

import pytest

from autosynth.errors import ConfigError
from autosynth.leaderboard import pick
from autosynth.record import Record, read_all, weights_path, write_record
from autosynth.study.shelf import Shelf

SCORES = {0: 0.5, 1: 0.9, 2: 0.7, 3: 0.6}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for trial, score in SCORES.items():
        record = Record(
            trial=trial, seed=0, strategy="cnn", state="complete", val={"accuracy": score}, flops=9
        )
        write_record(record, tmp_path)
        weights_path(tmp_path, trial).write_bytes(bytes(400 * 1024))
    return tmp_path


def kept(folder: Path) -> list[int]:
    return [trial for trial in SCORES if weights_path(folder, trial).exists()]


def test_the_worst_go_first_and_what_may_be_chosen_stays(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUTOSYNTH_WEIGHTS_MB", "1")  # of 1.6
    dropped = Shelf(folder).drop(read_all(folder), lambda records: {0}, "accuracy")
    assert [record.trial for record in dropped] == [3, 2]
    assert kept(folder) == [0, 1]
    assert [r.trial for r in read_all(folder) if r.weights_dropped] == [2, 3]
    assert Shelf(folder).drop(read_all(folder), lambda records: {0}, "accuracy") == []


def test_what_has_no_weights_is_not_chosen(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTOSYNTH_WEIGHTS_MB", "0")
    Shelf(folder).drop(read_all(folder), lambda records: {2}, "accuracy")
    assert kept(folder) == [2]
    assert pick(read_all(folder), metric="accuracy").trial == 2


def test_within_the_limit_nothing_is_asked_and_nothing_goes(folder: Path) -> None:
    def asked(records: list[Record]) -> set[int]:
        pytest.fail("who is spared is asked, and costs time, where some have to go")

    assert Shelf(folder).drop(read_all(folder), asked, "accuracy") == []
    assert kept(folder) == list(SCORES)


def test_a_limit_that_is_no_number_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTOSYNTH_WEIGHTS_MB", "much")
    with pytest.raises(ConfigError, match="AUTOSYNTH_WEIGHTS_MB is 'much'"):
        Shelf(folder).drop(read_all(folder), lambda records: (), "accuracy")

"""The study on disk, against real optuna: two objectives, pruned trials, a killed process."""

import json
import math
import subprocess
import sys
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState

from autosynth.errors import RunError
from autosynth.study import storage
from autosynth.study.pruner import Curve


def run(study: optuna.Study, n: int) -> None:
    """Synthetic trials in a conditional space: wide is good and dear, and `b` is behind."""
    for _ in range(n):
        trial = study.ask()
        kind = trial.suggest_categorical("kind", ["a", "b"])
        width = trial.suggest_int(f"{kind}.width", 0, 5)
        cost = 10.0 ** (3 + width / 2)
        error = 0.5 - 0.07 * width + (0.2 if kind == "b" else 0.0)
        storage.start(trial, cost=cost, strategy=f"{kind}[width={width}]")
        storage.write_rung(trial, 1 / 9, error + 0.1)
        if trial.number % 7 == 3:
            storage.fail(study, trial, why="loss is not finite")
        elif kind == "b":
            storage.prune(study, trial, constraint=0.2, why="behind")
        else:
            storage.finish(study, trial, error=error, cost=cost)


@pytest.fixture(name="journal")
def _journal(tmp_path: Path) -> Path:
    return tmp_path / "study.journal"


def test_sixty_trials_and_the_sampler_learns_from_pruned_ones(journal):
    study = storage.open_study(journal, seed=0)
    run(study, 60)
    trials = study.get_trials(deepcopy=False)
    assert len(trials) == 60
    late = [trial.params["kind"] for trial in trials[storage.N_STARTUP + 4 :]]
    # Pruned trials are half of the first ones; without their constraint they would stay so.
    assert late.count("a") > 0.75 * len(late)
    assert all(t.constraints == {"behind": 0.2} for t in trials if t.state == TrialState.PRUNED)
    done = [t for t in trials if t.state == TrialState.COMPLETE]
    assert done[0].values[1] == pytest.approx(math.log10(done[0].user_attrs["cost"]))


def asked(study):
    """The strategies of all trials, in their order."""
    return [trial.user_attrs["strategy"] for trial in study.get_trials()]


def test_one_seed_makes_one_study_and_another_seed_another(tmp_path):
    strategies = []
    for name, seed in [("one", 3), ("same", 3), ("other", 4)]:
        study = storage.open_study(tmp_path / name, seed=seed)
        run(study, 24)
        strategies.append(asked(study))
    assert strategies[0] == strategies[1] != strategies[2]


def test_a_study_that_goes_on_does_not_draw_the_same_again(journal):
    run(storage.open_study(journal, seed=0), 8)
    run(storage.open_study(journal, seed=0), 8)
    drawn = asked(storage.open_study(journal, seed=0))
    assert len(drawn) == 16
    assert drawn[:8] != drawn[8:]


def test_workers_see_each_others_curves_and_draw_their_own(journal):
    first, second = (storage.open_study(journal, seed=0, worker=w) for w in (0, 1))
    trials = [first.ask(), second.ask()]
    drawn = [[t.suggest_int(f"p{i}", 0, 100) for i in range(5)] for t in trials]
    assert drawn[0] != drawn[1]
    storage.start(trials[0], cost=10.0, strategy="cnn")
    storage.write_rung(trials[0], 1 / 27, 0.5)
    storage.write_rung(trials[0], 1 / 9, 0.4)
    # the second trial has no cost yet, and so no curve
    expected = {0: Curve(cost=10.0, errors={0.037037: 0.5, 0.111111: 0.4})}
    assert storage.curves(second) == expected


def test_trials_a_killed_process_left_running_are_failed(journal):
    code = (
        "import os, sys; from autosynth.study import storage\n"
        "study = storage.open_study(sys.argv[1], seed=0)\n"
        "study.enqueue_trial({'x': 1}); study.enqueue_trial({'x': 2}); study.ask()\n"
        "os._exit(9)"
    )
    subprocess.run([sys.executable, "-c", code, str(journal)], check=False)
    storage.mend(journal)
    study = storage.open_study(journal, seed=0)
    assert storage.reap(study) == [0]
    states = [trial.state for trial in study.get_trials(deepcopy=False)]
    assert states == [TrialState.FAIL, TrialState.WAITING]
    assert storage.reap(study) == []
    assert study.ask().suggest_int("x", 0, 5) == 2  # what was enqueued is still to come


@pytest.mark.parametrize("torn", [b'{"op_code":5,"wor', b'{"op_code":5}', b"\0\0\0\0\n\0\0"])
def test_a_half_written_end_is_cut_off(journal, torn):
    run(storage.open_study(journal, seed=0), 3)
    whole = journal.read_bytes()
    journal.write_bytes(whole + torn)
    lock = journal.with_name(journal.name + ".lock")
    lock.touch()
    assert storage.mend(journal) == len(torn)
    assert journal.read_bytes() == whole
    assert not lock.exists()
    run(storage.open_study(journal, seed=0), 1)
    assert len(asked(storage.open_study(journal, seed=0))) == 4


def test_a_journal_whose_folder_went_away_is_told(journal):
    study = storage.open_study(journal, seed=0)
    run(study, 1)
    journal.parent.rename(journal.parent.with_name("elsewhere"))
    with pytest.raises(RunError, match=r"cannot write '.*': No such file or directory"):
        run(study, 1)


def test_nothing_stands_beside_a_journal_that_could_be_left_behind(journal):
    run(storage.open_study(journal, seed=0), 1)
    assert [path.name for path in journal.parent.iterdir()] == [journal.name]
    older = journal.with_name(f"{journal.name}.lock1234.rename")
    older.touch()
    storage.mend(journal)
    assert not older.exists()


def test_a_sound_or_missing_journal_is_left_alone(journal):
    assert storage.mend(journal) == 0
    assert not journal.exists()
    storage.open_study(journal, seed=0)
    assert storage.mend(journal) == 0


def test_what_stands_before_a_bad_line_is_kept(journal):
    run(storage.open_study(journal, seed=0), 2)
    whole = journal.read_bytes()
    lines = whole.splitlines(keepends=True)
    journal.write_bytes(b"".join([*lines[:5], b"oops\n", *lines[5:]]))
    said: list[str] = []
    assert storage.mend(journal, said.append) > 0
    assert journal.read_bytes() == b"".join(lines[:5])
    assert "line 6 is not a line of a journal" in said[0]
    assert b"oops" in journal.with_name("study.journal.damaged").read_bytes()
    assert storage.mend(journal, said.append) == 0
    assert len(said) == 1


@pytest.mark.parametrize("line", [b'{"op_code":99}\n', b'{"op_code":5,"worker_id":1}\n', b"{}\n"])
def test_a_journal_that_makes_no_study_is_begun_anew(journal, line):
    run(storage.open_study(journal, seed=0), 1)
    journal.write_bytes(line + journal.read_bytes())
    said: list[str] = []
    storage.mend(journal, said.append)
    assert "the sampler forgets" in said[0]
    run(storage.open_study(journal, seed=0), 1)
    assert len(asked(storage.open_study(journal, seed=0))) == 1


def test_a_study_keeps_the_space_it_was_made_with(journal):
    storage.open_study(journal, seed=0, fingerprint="aaaa")
    storage.open_study(journal, seed=0, fingerprint="aaaa")
    with pytest.raises(RunError, match=r"another search space \(aaaa, now bbbb\).*--out"):
        storage.open_study(journal, seed=0, fingerprint="bbbb")


def test_a_database_can_take_the_place_of_the_journal(tmp_path):
    where = f"sqlite:///{tmp_path / 'study.db'}"
    run(storage.open_study(where, seed=0), 2)
    assert len(asked(storage.open_study(where, seed=0))) == 2


def test_importance_says_what_mattered_for_the_error(journal):
    study = storage.open_study(journal, seed=1)
    assert storage.importance(study) == {}
    for number in range(30):
        trial = study.ask()
        x, _ = trial.suggest_float("x", 0, 1), trial.suggest_float("noise", 0, 1)
        assert (storage.importance(study) == {}) == (number < storage.MIN_FOR_IMPORTANCE)
        storage.finish(study, trial, error=x, cost=10.0)
    shares = storage.importance(study)
    assert list(shares) == ["x", "noise"]
    assert shares["x"] > 0.6
    assert sum(shares.values()) == pytest.approx(1)
    assert json.loads(json.dumps(shares)) == shares


def test_the_values_of_a_study_have_names_for_who_opens_it_elsewhere(journal):
    study = storage.open_study(journal, seed=0)
    storage.name_metrics(study, "roc_auc", "flops")
    again = storage.open_study(journal, seed=0)
    assert again.metric_names == ["error (roc_auc)", "log10 of flops"]
    lines = journal.read_bytes().count(b"\n")
    storage.name_metrics(again, "roc_auc", "flops")
    assert journal.read_bytes().count(b"\n") == lines  # known already

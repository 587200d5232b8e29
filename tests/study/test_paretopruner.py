"""The pruner that anyone's study of an error and a known cost can use."""

import math
import subprocess
import sys
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState

from autosynth.study.paretopruner import ParetoPruner

optuna.logging.set_verbosity(optuna.logging.WARNING)
STEPS = (1, 3, 9)


def study_of(storage: optuna.storages.BaseStorage | None = None) -> optuna.Study:
    return optuna.create_study(
        storage=storage,
        study_name="mine",
        directions=["minimize", "minimize"],
        sampler=optuna.samplers.RandomSampler(seed=0),
        load_if_exists=True,
    )


def objective(trial: optuna.Trial, pruner: ParetoPruner) -> tuple[float, float]:
    """An error that falls with width, steps and luck."""
    width = trial.suggest_int("width", 1, 100)
    luck = trial.suggest_float("luck", 0.0, 1.0)
    pruner.begin(trial, cost=float(width))
    error = math.nan
    for step in STEPS:
        error = luck + 1.0 / width + 0.1 / step
        pruner.report(trial, step, error)
        if pruner.should_prune(trial):
            raise optuna.TrialPruned
    return error, math.log10(width)


def test_what_is_behind_is_pruned_and_the_front_is_kept() -> None:
    pruner, study = ParetoPruner(spare=False), study_of()
    study.optimize(lambda trial: objective(trial, pruner), n_trials=120)
    pruned = study.get_trials(states=(TrialState.PRUNED,))
    assert len(pruned) > 20
    assert all("stand on a better layer" in trial.user_attrs["reason"] for trial in pruned)
    # Errors here fall alike for all, so that no step can be mistaken: what is lost of the front
    # is behind something that costs a twentieth more, which counts as no dearer.
    params = {trial.number: trial.params for trial in study.trials}
    ends = {n: (p["luck"] + 1 / p["width"], p["width"]) for n, p in params.items()}
    for trial in pruned:
        error, width = ends[trial.number]
        assert any(other < error and cost <= 1.05 * width for other, cost in ends.values())


def test_of_the_same_study_pruned_trials_have_a_constraint_that_orders_them() -> None:
    pruner, study = ParetoPruner(spare=False), study_of()
    study.optimize(lambda trial: objective(trial, pruner), n_trials=60)
    for trial in study.get_trials(states=(TrialState.PRUNED,)):
        (behind,) = [v for k, v in trial.system_attrs.items() if "behind" in k]
        assert behind > 0


def test_one_in_twenty_is_spared() -> None:
    pruned: list[int] = []
    for spare in (False, True):
        pruner, study = ParetoPruner(spare=spare, seed=3), study_of()
        study.optimize(lambda trial, p=pruner: objective(trial, p), n_trials=100)
        pruned.append(len(study.get_trials(states=(TrialState.PRUNED,))))
    assert pruned[1] < pruned[0]


def test_it_is_asked_rightly_or_says_how() -> None:
    pruner, study = ParetoPruner(), study_of()
    trial = study.ask()
    with pytest.raises(ValueError, match="trial 0 has no cost or no error as yet: call begin"):
        pruner.should_prune(trial)
    with pytest.raises(ValueError, match="a cost is above 0, and finite, not 0"):
        pruner.begin(trial, 0.0)
    pruner.begin(trial, 2.0)
    with pytest.raises(ValueError, match="an error is finite, not nan"):
        pruner.report(trial, 1, math.nan)
    pruner.report(trial, 1, 0.5)
    assert not pruner.should_prune(trial)
    assert "too few to judge" in pruner.decision(trial).why
    with pytest.raises(ValueError, match="share_above is from 0 to 1, not 2"):
        ParetoPruner(share_above=2.0)
    with pytest.raises(ValueError, match="standard_error is 0 or more"):
        ParetoPruner(standard_error=-1.0)


@pytest.mark.slow
def test_processes_share_what_trials_have_shown(tmp_path: Path) -> None:
    code = f"""
import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})
import optuna, test_paretopruner as here
from optuna.storages.journal import JournalFileBackend
storage = optuna.storages.JournalStorage(JournalFileBackend({str(tmp_path / "journal")!r}))
study = here.study_of(storage)
study.sampler = optuna.samplers.RandomSampler()
pruner = here.ParetoPruner(spare=False)
study.optimize(lambda trial: here.objective(trial, pruner), n_trials=40)
"""
    workers = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(2)]
    assert [worker.wait(120) for worker in workers] == [0, 0]
    backend = optuna.storages.journal.JournalFileBackend(str(tmp_path / "journal"))
    study = study_of(optuna.storages.JournalStorage(backend))
    assert len(study.trials) == 80
    assert len(study.get_trials(states=(TrialState.PRUNED,))) > 10

"""The contract of a sampler, over all there are, on a planted space."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.samplers import BaseSampler
from optuna.trial import BaseTrial, TrialState

from autosynth.study.chosen import Choices, ChoosingSampler
from autosynth.study.samplers import SAMPLERS

optuna.logging.set_verbosity(optuna.logging.WARNING)
NAMES = list(SAMPLERS)


def choose(trial: BaseTrial) -> None:
    """What is asked depends on what was answered."""
    kind = trial.suggest_categorical("kind", ["deep", "wide", "none"])
    if kind == "deep":
        trial.suggest_int("depth", 1, 8)
    if kind != "none":
        trial.suggest_int("width", 8, 512, log=True)
        trial.suggest_categorical("norm", ["batch", "layer", "off"])
    trial.suggest_float("lr", 1e-4, 1e-1, log=True)


def cost(params: Mapping[str, Any]) -> float:
    """Known before: by depth and width."""
    return float(params.get("depth", 1) * params.get("width", 4) ** 2)


def error(params: Mapping[str, Any]) -> float:
    """To be learnt: the rate, the norm, and that width and depth serve."""
    found = 0.1 * (math.log10(params["lr"]) + 2.5) ** 2
    if params["kind"] == "none":
        return found + 0.6
    found += {"batch": 0.0, "layer": 0.05, "off": 0.15}[params["norm"]]
    return found + 0.9 / math.log2(params["width"]) - 0.015 * params.get("depth", 0)


def sampler_of(name: str, seed: int) -> BaseSampler:
    return SAMPLERS[name].make(choose, cost, seed)


def optimised(sampler: BaseSampler, n_trials: int) -> optuna.Study:
    study = optuna.create_study(directions=["minimize", "minimize"], sampler=sampler)

    def objective(trial: optuna.Trial) -> tuple[float, float]:
        choose(trial)
        return error(trial.params), math.log10(cost(trial.params))

    study.optimize(objective, n_trials=n_trials)
    return study


def hypervolume(study: optuna.Study) -> float:
    """Over errors up to 1 and costs up to 10⁷."""
    points = np.array([trial.values for trial in study.best_trials])
    points = points[np.lexsort(points.T)]
    best = np.minimum.accumulate(points[:, 0])
    return float(((1.0 - best).clip(0) * np.diff(np.append(points[:, 1], 7.0))).sum())


@pytest.mark.parametrize("name", NAMES)
def test_answers_are_those_that_the_objective_asks_for(name: str) -> None:
    for trial in optimised(sampler_of(name, 1), 40).trials:
        again = Choices(np.random.default_rng(0), trial.params, rate=0.0)
        choose(again)
        assert again.params == trial.params


@pytest.mark.parametrize("name", NAMES)
def test_one_seed_proposes_the_same(name: str) -> None:
    found = [
        [trial.params for trial in optimised(sampler_of(name, seed), 30).trials]
        for seed in (5, 5, 6)
    ]
    assert found[0] == found[1]
    assert found[0] != found[2]


@pytest.mark.parametrize("name", NAMES)
def test_failed_and_pruned_trials_and_those_at_work_are_no_hindrance(name: str) -> None:
    study = optuna.create_study(directions=["minimize", "minimize"], sampler=sampler_of(name, 0))
    for number in range(40):
        trial = study.ask()
        choose(trial)
        if number % 4 == 0:
            study.tell(trial, state=TrialState.FAIL)
        elif number % 4 == 1:
            trial.set_constraint("behind", 0.5)
            study.tell(trial, state=TrialState.PRUNED)
        elif number % 4 == 2:
            study.tell(trial, [error(trial.params), math.log10(cost(trial.params))])
    assert len(study.trials) == 40


@pytest.mark.parametrize("name", NAMES)
def test_enqueued_answers_are_kept(name: str) -> None:
    study = optuna.create_study(directions=["minimize", "minimize"], sampler=sampler_of(name, 0))
    study.enqueue_trial({"kind": "wide", "width": 64})
    trial = study.ask()
    choose(trial)
    assert (trial.params["kind"], trial.params["width"]) == ("wide", 64)


@pytest.mark.parametrize("name", [n for n in NAMES if n in ("evolution", "reinforce", "model")])
def test_nothing_is_proposed_twice_and_what_has_no_cost_never(name: str) -> None:
    def few(trial: BaseTrial) -> None:
        trial.suggest_categorical("a", list(range(6)))
        trial.suggest_int("b", 0, 7)

    def known(params: Mapping[str, Any]) -> float:
        if params["a"] == 5:
            raise ValueError("no such thing")
        return params["b"] + 1.0

    sampler = SAMPLERS[name].make(few, known, 0)
    assert isinstance(sampler, ChoosingSampler)
    study = optuna.create_study(directions=["minimize", "minimize"], sampler=sampler)

    def objective(trial: optuna.Trial) -> tuple[float, float]:
        few(trial)
        return 1.0 / (1 + trial.params["a"]), math.log(trial.params["b"] + 1.0)

    study.optimize(objective, n_trials=30)
    assert all(trial.params["a"] != 5 for trial in study.trials)
    assert len({tuple(sorted(trial.params.items())) for trial in study.trials}) >= 28
    study.optimize(objective, n_trials=20)  # more than there are: then again what was


@pytest.mark.slow
@pytest.mark.parametrize("name", [n for n in NAMES if n != "random"])
def test_on_a_planted_space_it_is_better_than_chance(name: str) -> None:
    ours, chance = (
        np.mean([hypervolume(optimised(sampler_of(each, seed), 200)) for seed in range(5)])
        for each in (name, "random")
    )
    assert ours > chance

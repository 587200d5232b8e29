"""Which choices of a search mattered for the error, as a person would name them.

A space asks some fifty questions, each for its place in a strategy. Together they are what a
person chooses between: topology, components, fusion, sharing, training, settings, sizes, inputs.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np
import optuna
from numpy.typing import NDArray
from optuna.trial import FrozenTrial

from autosynth.composite.settings import SETTINGS
from autosynth.study.encoding import AnswerColumns
from autosynth.study.storage import answered

# Trials at least: of fewer, those held out say nothing.
FEWEST_TRIALS = 20
# Draws of four fifths of the trials, of which an interval is made, and of errors dealt by chance.
_DRAWS = 20
_SHARE, _FOLDS, _TREES = 0.8, 4, 60
_ENDS = {
    ".family": "components",
    "fusion": "fusion",
    ".sharing": "sharing",
    ".reads": "inputs",
}
_NAMES = {
    "topology": "topology",
    "n_parts": "topology",
    "hybrid.shape": "topology",
    "training": "training",
}
Shares = dict[str, float]


@dataclass(frozen=True, kw_only=True)
class Mattered:
    """What is chosen, and by how much knowing it lessens what is not known of an error.

    `share` is of the variance of errors (at most 1; about 0, or below, for what says nothing),
    with a 95 % interval.
    """

    choice: str
    share: float
    low: float
    high: float


def what_mattered(study: optuna.Study, *, seed: int = 0) -> list[Mattered]:
    """What a person chooses between, what matters most first; none of under 20 trials.

    A random forest foresees the errors of trials that are held out; what is chosen is then dealt
    to them anew by chance, all its questions together, and counts by how much worse the forest is
    for it (Breiman, 2001; of groups Gregorutti, Michel and Saint-Pierre, 2015). Intervals are of
    draws of four fifths of the trials. PED-ANOVA, by which questions stand in importance.json,
    holds the best tenth of the trials against all: of 60, where one choice of two decides
    everything, it named another.
    """
    trials = answered(study)
    if len(trials) < FEWEST_TRIALS:
        return []
    rng, n = np.random.default_rng(seed), len(trials)
    draws = [
        _shares([trials[at] for at in rng.choice(n, round(_SHARE * n), replace=False)], rng)
        for _ in range(_DRAWS)
    ]
    found = []
    for choice in draws[0]:
        values = [each[choice] for each in draws if choice in each]
        low, high = np.quantile(values, [0.025, 0.975])
        mean = float(np.mean(values))
        found.append(Mattered(choice=choice, share=mean, low=float(low), high=float(high)))
    return sorted(found, key=lambda each: -each.share)


def choice_of(question: str) -> str:
    """What a person calls that which a question of a space is about."""
    if question in SETTINGS:
        return "settings"
    if question in _NAMES:
        return _NAMES[question]
    if question.startswith("init"):
        return "training"
    return next((name for end, name in _ENDS.items() if question.endswith(end)), "sizes")


def _shares(trials: Sequence[FrozenTrial], rng: np.random.Generator) -> Shares:
    """By how much worse errors held out are foreseen without each choice, over their variance."""
    forests: Any = import_module("sklearn.ensemble")
    asked = sorted({name for trial in trials for name in trial.params})
    columns = {
        choice: AnswerColumns([_answers(trial, choice) for trial in trials])
        for choice in sorted({choice_of(name) for name in asked})
    }
    blocks = {
        choice: each.rows([_answers(trial, choice) for trial in trials])
        for choice, each in columns.items()
    }
    errors = np.array([trial.values[0] for trial in trials])
    worse: dict[str, list[float]] = {choice: [] for choice in blocks}
    for held in np.array_split(rng.permutation(len(trials)), _FOLDS):
        kept = np.setdiff1d(np.arange(len(trials)), held)
        forest = forests.RandomForestRegressor(
            _TREES, min_samples_leaf=2, random_state=int(rng.integers(2**31)), n_jobs=1
        )
        forest.fit(np.hstack([block[kept] for block in blocks.values()]), errors[kept])

        def missed(
            parts: dict[str, NDArray[np.float64]], held: Any = held, forest: Any = forest
        ) -> float:
            foreseen = forest.predict(np.hstack(list(parts.values())))
            return float(np.square(foreseen - errors[held]).sum())

        whole = {choice: block[held] for choice, block in blocks.items()}
        base = missed(whole)
        for choice, block in blocks.items():
            dealt = block[rng.choice(kept, len(held))]
            worse[choice].append(missed({**whole, choice: dealt}) - base)
    total = float(np.square(errors - errors.mean()).sum()) or 1.0
    # Values dealt by chance are wrong twice over: where they were, and where they are.
    return {choice: min(1.0, sum(values) / (2 * total)) for choice, values in worse.items()}


def _answers(trial: FrozenTrial, choice: str) -> dict[str, float | str]:
    """What a trial answered to the questions of one choice."""
    return {
        name: value if isinstance(value, str) else float(value)
        for name, value in trial.params.items()
        if choice_of(name) == choice
    }

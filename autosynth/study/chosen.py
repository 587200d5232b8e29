"""What samplers have in common that choose a whole trial before its first question.

Optuna asks for one answer at a time. Here all are chosen when a trial begins, by a function that
asks for them as the objective will (`Choices`), and then given one by one: so that a choice may
depend on another one, and a cost that follows from all of them is known.
"""

import math
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.samplers import BaseSampler
from optuna.trial import BaseTrial, FixedTrial, FrozenTrial, TrialState

# Before a sampler gives up to find answers that have a cost.
MOST_DRAWS = 200
AskAll = Callable[[BaseTrial], object]
"""Asks a trial for all that is chosen, by `suggest_*`, as the objective does."""
KnownCost = Callable[[Mapping[str, Any]], float]
"""Of the answers by name, above 0; what it raises `ValueError` for is not proposed."""


class Choices(FixedTrial):
    """A trial that answers what it is asked: as its parent did, or by chance.

    `params` are the answers afterwards, and `distributions` what they were drawn from.
    """

    def __init__(
        self, rng: np.random.Generator, parent: Mapping[str, Any] | None = None, rate: float = 1.0
    ) -> None:
        """Answer as `parent` did, but for a share `rate` (0 to 1) of the questions.

        Args:
            rng: of the chance.
            parent: answers by name; what it does not answer is drawn.
            rate: 1 to draw all.
        """
        super().__init__({})
        self._rng, self._parent, self._rate = rng, dict(parent or {}), rate

    def _suggest(self, name: str, distribution: BaseDistribution) -> Any:
        if name not in self._params:
            self._params[name] = self.answer(name, distribution)
        return super()._suggest(name, distribution)

    def answer(self, name: str, distribution: BaseDistribution) -> Any:
        """The answer to a question that was not asked before."""
        kept = name in self._parent and fits(distribution, self._parent[name])
        if kept and self._rng.random() >= self._rate:
            return self._parent[name]
        return drawn(distribution, self._rng, self._parent[name] if kept else None)


class ChoosingSampler(BaseSampler):
    """A sampler that chooses all answers of a trial at once, in `propose`."""

    def __init__(self, choose: AskAll, cost: KnownCost, *, seed: int | None = None) -> None:
        """What may be chosen, and what that costs.

        Args:
            choose: asks a trial for all that is chosen, by `suggest_*`, as the objective does.
            cost: of the answers by name, above 0; what it raises `ValueError` for is not proposed.
            seed: of its chance.
        """
        self.choose, self.cost = choose, cost
        self.rng = np.random.default_rng(seed)
        self._next: dict[int, dict[str, Any]] = {}

    @abstractmethod
    def propose(self, trials: Sequence[FrozenTrial]) -> dict[str, Any]:
        """Answers by name for one more trial, given all there are."""

    def reseed_rng(self) -> None:
        """Draw other numbers, in a process of its own."""
        self.rng = np.random.default_rng()

    def infer_relative_search_space(
        self, study: optuna.Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Nothing: all is chosen before the first question, and answered one by one."""
        return {}

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Nothing."""
        return {}

    def before_trial(self, study: optuna.Study, trial: FrozenTrial) -> None:
        """AskAll all answers of a trial."""
        self._next[trial.number] = self.propose(study.get_trials(deepcopy=False))

    def sample_independent(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """The answer that was chosen; by chance where the objective asks something else."""
        chosen = self._next.get(trial.number, {})
        if param_name in chosen and fits(param_distribution, chosen[param_name]):
            return chosen[param_name]
        return drawn(param_distribution, self.rng)

    def after_trial(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        state: TrialState,
        values: Sequence[float] | None,
    ) -> None:
        """Forget what was chosen for it."""
        self._next.pop(trial.number, None)

    def drawn(self, parent: Mapping[str, Any] | None = None) -> Choices:
        """Answers by chance; or those of a parent, of which one or two are changed."""
        rate = 1.0 if parent is None else max(0.1, 1.5 / max(1, len(parent)))
        trial = Choices(self.rng, parent, rate)
        self.choose(trial)
        return trial

    def new(
        self, parents: Sequence[Mapping[str, Any] | None], trials: Sequence[FrozenTrial]
    ) -> list[Choices]:
        """Answers that no trial has had and that have a cost, one a parent at most.

        None for a parent draws all.
        """
        seen = {key_of(each.params) for each in trials} | {*map(key_of, self._next.values())}
        found: dict[frozenset[Any], Choices] = {}
        for parent in parents:
            each = self.drawn(parent)
            key = key_of(each.params)
            if key not in seen and not math.isnan(self.log_cost(each.params)):
                found.setdefault(key, each)
        return list(found.values())

    def some(self) -> dict[str, Any]:
        """Answers by chance that have a cost, if any are found; they may be those of a trial."""
        for _ in range(MOST_DRAWS):
            found = self.drawn().params
            if not math.isnan(self.log_cost(found)):
                break
        return found

    def ended(self, trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
        """The complete trials that answered something which has a cost."""
        return [
            each
            for each in trials
            if each.state == TrialState.COMPLETE
            and each.params
            and not math.isnan(self.log_cost(each.params))
        ]

    def log_cost(self, params: Mapping[str, Any]) -> float:
        """The natural logarithm of the cost; NaN where there is none."""
        try:
            return math.log(self.cost(params))
        except ValueError:
            return math.nan


def key_of(params: Mapping[str, Any]) -> frozenset[Any]:
    """What tells some answers from others."""
    return frozenset((name, repr(value)) for name, value in params.items())


def fits(distribution: BaseDistribution, value: Any) -> bool:
    """Whether a value is one that the distribution has."""
    try:
        return bool(distribution._contains(distribution.to_internal_repr(value)))
    except (ValueError, TypeError):
        return False


def drawn(distribution: BaseDistribution, rng: np.random.Generator, before: Any = None) -> Any:
    """A value by chance: any of a category; of numbers one near `before`, or any without one."""
    if isinstance(distribution, CategoricalDistribution):
        return distribution.choices[rng.integers(len(distribution.choices))]
    assert isinstance(distribution, IntDistribution | FloatDistribution)
    low, high = on_line(distribution, distribution.low), on_line(distribution, distribution.high)
    at = rng.uniform(low, high)
    if before is not None:  # a fifth of the range away, mostly
        near = rng.normal(on_line(distribution, before), 0.2 * (high - low))
        at = float(np.clip(near, low, high))
    return number_at(distribution, at)


def on_line(distribution: IntDistribution | FloatDistribution, value: float) -> float:
    """A number on the scale that it is drawn from."""
    return math.log(value) if distribution.log else float(value)


def number_at(distribution: IntDistribution | FloatDistribution, at: float) -> float | int:
    """The number that stands at a place of that scale, or the nearest there is."""
    low, high, step = distribution.low, distribution.high, distribution.step
    value = math.exp(at) if distribution.log else at
    if step and not distribution.log:
        value = low + round((value - low) / step) * step
    value = min(max(value, low), high)
    return round(value) if isinstance(distribution, IntDistribution) else value

"""A controller that learns by policy gradient what to answer, as an Optuna sampler."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import FrozenTrial

from autosynth.front import layers
from autosynth.study.chosen import (
    AskAll,
    Choices,
    ChoosingSampler,
    KnownCost,
    number_at,
    on_line,
)

# Numbers are answered by one of so many parts of their range, and by chance inside of it.
BINS = 8
# Of a step against the gradient, in log-odds.
STEP = 0.6
# Of the mean reward so far, that the next one is held against, what stays at each trial.
MEMORY = 0.9


class ReinforceSampler(ChoosingSampler):
    """Draws each answer from odds of its own, which move towards what was rewarded.

    Williams (1992), "Simple statistical gradient-following algorithms", as Zoph and Le (2017),
    "Neural architecture search with reinforcement learning", use it; odds stand in a table by
    question instead of in a recurrent network. A trial is rewarded by its place among the layers
    of (error, log cost) of all: 1 on the front, 0 on the last layer.
    """

    def __init__(self, choose: AskAll, cost: KnownCost, *, seed: int | None = None) -> None:
        super().__init__(choose, cost, seed=seed)
        self._odds: dict[str, NDArray[np.float64]] = {}
        self._learnt: set[int] = set()
        self._mean = 0.5

    def propose(self, trials: Sequence[FrozenTrial]) -> dict[str, Any]:
        """Answers by name for one more trial, given all there are."""
        known = self.ended(trials)
        if any(each.number not in self._learnt for each in known):
            self._learn(known)
        found = self.new([None] * 20, trials)
        return found[0].params if found else self.some()

    def drawn(self, parent: Mapping[str, Any] | None = None) -> Choices:
        """Answers by the odds as they are."""
        trial = _Answering(self.rng, self._odds)
        self.choose(trial)
        return trial

    def _learn(self, known: Sequence[FrozenTrial]) -> None:
        """Move the odds of what new trials answered by what they were worth."""
        layer = layers([[each.values[0], self.log_cost(each.params)] for each in known])
        rewards = 1 - (layer - 1) / max(1, int(layer.max()) - 1)
        for trial, reward in zip(known, rewards, strict=True):
            if trial.number in self._learnt:
                continue
            self._learnt.add(trial.number)
            for name, value in trial.params.items():
                distribution = trial.distributions[name]
                odds = odds_of(self._odds, name, distribution)
                step = -_shares(odds)
                step[place_of(distribution, value)] += 1
                odds += STEP * (float(reward) - self._mean) * step
            self._mean = MEMORY * self._mean + (1 - MEMORY) * float(reward)


class _Answering(Choices):
    """A trial that answers by odds."""

    def __init__(self, rng: np.random.Generator, odds: dict[str, NDArray[np.float64]]) -> None:
        super().__init__(rng)
        self._odds = odds

    def answer(self, name: str, distribution: BaseDistribution) -> Any:
        odds = odds_of(self._odds, name, distribution)
        place = int(self._rng.choice(len(odds), p=_shares(odds)))
        if isinstance(distribution, CategoricalDistribution):
            return distribution.choices[place]
        assert isinstance(distribution, IntDistribution | FloatDistribution)
        low, high = (on_line(distribution, end) for end in (distribution.low, distribution.high))
        at = low + (high - low) * (place + self._rng.random()) / len(odds)
        return number_at(distribution, at)


def odds_of(
    odds: dict[str, NDArray[np.float64]], name: str, distribution: BaseDistribution
) -> NDArray[np.float64]:
    """The log-odds of the answers to a question: even, where it is new or is another one now."""
    n = len(distribution.choices) if isinstance(distribution, CategoricalDistribution) else BINS
    if name not in odds or len(odds[name]) != n:
        odds[name] = np.zeros(n)
    return odds[name]


def place_of(distribution: BaseDistribution, value: Any) -> int:
    """Which answer a value is: of a category, or the part of the range that a number is in."""
    if isinstance(distribution, CategoricalDistribution):
        return int(distribution.to_internal_repr(value))
    assert isinstance(distribution, IntDistribution | FloatDistribution)
    low, high = (on_line(distribution, end) for end in (distribution.low, distribution.high))
    share = (on_line(distribution, value) - low) / (high - low) if high > low else 0.0
    return min(BINS - 1, int(BINS * share))


def _shares(odds: NDArray[np.float64]) -> NDArray[np.float64]:
    found = np.exp(odds - odds.max())
    return np.asarray(found / found.sum())

"""What is trained next, of all that could be: the largest gain in hypervolume for its price.

A strategy is trained at some lengths, the shortest first. What could be done is to begin one, or
to train one for longer that was begun. Each has a price, and a gain: by how much the front of
(error, log cost) is expected to move if it is trained to the end. The best ratio has its turn.

The error of what is new is foreseen by extra trees on the choices it is made of, as in BANANAS
(White, Neiswanger and Savani, 2021), its cost is exact. Before enough is known for that, it is
foreseen by what was guessed of it, in relation to those that have shown theirs; later on the guess
is one column of the forest's. How an error falls with a longer training is taken from those that
had one. It knows no clock and no data: prices are in any unit.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autosynth.front import layers
from autosynth.study.encoding import AnswerColumns, Answers
from autosynth.study.knowncost import hypervolume_gains

# Strategies that were begun, before anything is modelled: until then they are taken by chance.
FEWEST_KNOWN = 8
# One beginning in ten is by chance later on, too: what no model expects is found so.
_RANDOM_SHARE = 0.1
# One strategy in twenty is trained to the end whatever it has shown, so that what is not
# lengthened by mistake can be counted.
SPARED_SHARE = 0.05
# Of what is begun, the share that goes on to each longer training, as its price is foreseen.
GOES_ON = 0.3
# What errors fall to by each longer training, until enough are known.
FALLS = (0.6, 0.75, 0.85, 0.95, 1.0)
# Strategies that may be known more, before the forest is grown anew, as a share of those it knows.
_STALE = 0.05
# Actions, the best first, that are held against the time that is left.
_MOST_ASKED = 50
# How far the reference point lies beyond the largest cost, as a logarithm: what is better there
# counts as if it were so over a decade. Without, what is dearest would never gain.
REACH = math.log(10.0)
LEAST = 1e-3
# Of the trainings' price at least, that single components and composites each have.
KIND_SHARE = 0.4
# Draws of what an error may be, and trees of a forest.
DRAWS = 64
_Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Arm:
    """A strategy that can be trained: what it is made of, its cost, and its price at each length.

    `prices` are those of a training of each length, the shortest first.
    """

    key: str
    answers: Answers
    cost: float
    prices: tuple[float, ...]
    is_single: bool = False


@dataclass(frozen=True, kw_only=True)
class Action:
    """To train an arm at a length, by its number, and why."""

    arm: Arm
    level: int
    why: str


May = Callable[[Arm, int], bool]
"""Whether an arm may be trained at a level now."""
Guess = Callable[[Sequence[Arm]], _Floats]
"""What is guessed of arms before any is trained: logarithms of their errors over a usual one, as
some draws, (DRAWS, n)."""


@dataclass(kw_only=True)
class Auction:
    """Chooses what is trained next, and is told what came of it.

    `levels` are how many lengths there are.
    """

    levels: int
    seed: int = 0
    is_balanced: bool = True
    in_logs: bool = False
    reach: float = REACH
    guess: Guess | None = None
    errors: dict[str, dict[int, float]] = field(default_factory=dict)
    """What arms have shown, by key and level."""
    begun: dict[str, Arm] = field(default_factory=dict)
    """The arms that were begun, by key; some may still be trained."""
    running: dict[str, int] = field(default_factory=dict)
    """The level that each arm is being trained at now."""
    spent: dict[bool, float] = field(default_factory=lambda: {True: 0.0, False: 0.0})
    """The price of what was begun so far: of single components, and of composites."""

    def __post_init__(self) -> None:
        self._rng = np.random.default_rng(self.seed)
        self._forest: _Forest | None = None
        self._guesses: dict[str, _Floats] = {}

    def start(self, action: Action) -> None:
        """Note that something is being trained."""
        self.begun[action.arm.key] = action.arm
        self.running[action.arm.key] = action.level
        self.spent[action.arm.is_single] += action.arm.prices[action.level]

    def end(self, key: str, level: int, error: float | None) -> None:
        """Note what came of it; None where it failed."""
        self.running.pop(key, None)
        if error is not None:
            self.errors.setdefault(key, {})[level] = error
        elif key not in self.errors:
            self.begun.pop(key, None)
        else:  # it stays as good as it was, and goes on no more
            arm = self.begun[key]
            self.begun[key] = replace(arm, prices=arm.prices[: self._next(arm)])

    def choose(self, fresh: Sequence[Arm], may: May = lambda arm, level: True) -> Action | None:
        """The next action, of beginning one of the `fresh` and of going on with what was begun.

        Of those that it `may` take; None where there are none.
        """
        idle = [
            arm
            for key, arm in self.begun.items()
            if key not in self.running and self._next(arm) < len(arm.prices)
        ]
        for ours, more in self._shares(fresh, idle):
            if action := self._best(ours, more, may):
                return action
        return None

    def _best(self, fresh: Sequence[Arm], idle: Sequence[Arm], may: May) -> Action | None:
        """The best of some actions, or one by chance."""
        is_known = self.guess is not None or len(self.errors) >= FEWEST_KNOWN
        if fresh and (not is_known or self._rng.random() < _RANDOM_SHARE):
            by_chance = self._rng.permutation(len(fresh))[:_MOST_ASKED].tolist()
            if found := self._first([fresh[at] for at in by_chance], may, "by chance"):
                return found
        if idle and self._rng.random() < SPARED_SHARE:
            by_chance = self._rng.permutation(len(idle))[:_MOST_ASKED].tolist()
            if found := self._first([idle[at] for at in by_chance], may, "spared"):
                return found
        arms = [*fresh, *idle]
        if not arms or not (self.errors or self.guess):
            return None
        worth = self.gains(arms) / np.array([self._to_go(arm) for arm in arms])
        order = np.argsort(-worth, kind="stable")[:_MOST_ASKED].tolist()
        return self._first([arms[at] for at in order], may, "it promises most for its price")

    def _first(self, arms: Sequence[Arm], may: May, why: str) -> Action | None:
        """The first of them that may be trained now."""
        for arm in arms:
            level = self._next(arm)
            if may(arm, level):
                return Action(arm=arm, level=level, why=why)
        return None

    def gains(self, arms: Sequence[Arm]) -> _Floats:
        """The hypervolume that each is expected to add to what is known, trained to the end."""
        known = [arm for key, arm in self.begun.items() if key in self.errors]
        points = [[self._error(arm), math.log(arm.cost)] for arm in known]
        # What is being trained counts as if it had come to what is foreseen.
        awaited = [self.begun[key] for key in self.running if key not in self.errors]
        is_foreseen = self.guess is not None or len(known) >= FEWEST_KNOWN
        if awaited and is_foreseen:
            means = self._foreseen(awaited, known).mean(axis=0)
            points += [[e, math.log(arm.cost)] for e, arm in zip(means, awaited, strict=True)]
        costs, draws = np.log([arm.cost for arm in arms]), self._draws(arms, known)
        if not points:  # nothing was begun: as if the cheapest were as bad as any
            points = [[float(draws.max()), float(costs.min())]]
        front = np.array(points)
        front = front[layers(front) == 1]
        if self.in_logs:
            front[:, 0], draws = (
                np.log(np.maximum(front[:, 0], LEAST)),
                np.log(np.maximum(draws, LEAST)),
            )
        return hypervolume_gains(draws, costs, front, reach=self.reach)

    def _draws(self, arms: Sequence[Arm], known: Sequence[Arm]) -> _Floats:
        """What the error of each may be at its end, (draws, n)."""
        shown = np.array([self._error(arm) if arm.key in self.errors else np.nan for arm in arms])
        draws = np.tile(shown, (DRAWS, 1))
        new = np.flatnonzero(np.isnan(shown)).tolist()
        if len(new):
            draws[:, new] = self._foreseen([arms[at] for at in new], known)
        falls = self._falls()
        for at, arm in enumerate(arms):
            for level in range(self._next(arm), len(arm.prices)):
                if level > 0:
                    draws[:, at] *= self._rng.choice(falls[level - 1], DRAWS)
        return draws

    def _foreseen(self, arms: Sequence[Arm], known: Sequence[Arm]) -> _Floats:
        """What each tree says of arms that were not begun, at the first level."""
        first = [arm for arm in known if 0 in self.errors[arm.key]]
        if self.guess is not None and len(first) < FEWEST_KNOWN:
            return self._guessed(arms, first)
        if self._forest is None or len(first) > (1 + _STALE) * self._forest.n_known:
            errors = [self.errors[arm.key][0] for arm in first]
            seed = int(self._rng.integers(2**31))
            self._forest = _Forest(first, errors, self._hints(first), seed)
        return self._forest.predict(arms, self._hints(arms))

    def _guessed(self, arms: Sequence[Arm], first: Sequence[Arm]) -> _Floats:
        """What is guessed, times what errors were over their guesses."""
        draws = np.exp(self._logs(arms))
        if not first:
            return draws
        shown = np.array([self.errors[arm.key][0] for arm in first])
        ratios = shown / np.exp(self._logs(first)).mean(axis=0)
        found: _Floats = draws * self._rng.choice(ratios, (len(draws), 1))
        return found

    def _logs(self, arms: Sequence[Arm]) -> _Floats:
        """The guesses, each made once."""
        assert self.guess is not None
        new = [arm for arm in arms if arm.key not in self._guesses]
        if new:
            made = self.guess(new).T
            self._guesses |= {arm.key: each for arm, each in zip(new, made, strict=True)}
        return np.array([self._guesses[arm.key] for arm in arms]).T

    def _hints(self, arms: Sequence[Arm]) -> _Floats:
        """One number an arm, the mean of its guesses; nothing where there are none."""
        if self.guess is None:
            return np.zeros((len(arms), 0))
        hints: _Floats = self._logs(arms).mean(axis=0)[:, None]
        return hints

    def _falls(self) -> list[_Floats]:
        """By what factor errors fell from each level to the next one."""
        found = [list(FALLS) for _ in range(self.levels - 1)]
        for shown in self.errors.values():
            for level in range(1, self.levels):
                if level in shown and shown.get(level - 1, 0.0) > 0:
                    found[level - 1].append(shown[level] / shown[level - 1])
        return [np.array(each) for each in found]

    def _error(self, arm: Arm) -> float:
        return min(self.errors[arm.key].values())

    def _next(self, arm: Arm) -> int:
        """The level that comes next for an arm."""
        return 1 + max(self.errors.get(arm.key, {}), default=-1)

    def _to_go(self, arm: Arm) -> float:
        """The price of going on, with what is likely to follow."""
        price, share = 0.0, 1.0
        for level in range(self._next(arm), len(arm.prices)):
            price += share * arm.prices[level]
            share *= GOES_ON
        return price

    def _shares(
        self, fresh: Sequence[Arm], idle: Sequence[Arm]
    ) -> Iterator[tuple[Sequence[Arm], Sequence[Arm]]]:
        """First single components, or composites, where they have had less than their share."""
        total = sum(self.spent.values())
        for kind in (True, False):
            if self.is_balanced and self.spent[kind] < KIND_SHARE * total:
                yield (
                    [arm for arm in fresh if arm.is_single == kind],
                    [arm for arm in idle if arm.is_single == kind],
                )
        yield fresh, idle


class _Forest:
    """Extra trees on what strategies are made of, and hints: error out."""

    def __init__(
        self, known: Sequence[Arm], errors: Sequence[float], hints: _Floats, seed: int
    ) -> None:
        self.n_known = len(known)
        self._columns = AnswerColumns([arm.answers for arm in known])
        # Late: it takes half a second, and a run of few trials has no model.
        forests: Any = import_module("sklearn.ensemble")
        self._forest = forests.ExtraTreesRegressor(
            DRAWS, min_samples_leaf=2, random_state=seed, n_jobs=1
        )
        self._forest.fit(self._rows(known, hints), errors)

    def predict(self, arms: Sequence[Arm], hints: _Floats) -> _Floats:
        """What each tree says of each arm, (trees, n)."""
        rows = self._rows(arms, hints)
        return np.array([tree.predict(rows) for tree in self._forest.estimators_])

    def _rows(self, arms: Sequence[Arm], hints: _Floats) -> NDArray[np.float32]:
        rows = np.column_stack([self._columns.rows([arm.answers for arm in arms]), hints])
        return rows.astype(np.float32)

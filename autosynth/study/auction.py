"""What is trained next, of all that could be: the largest gain in hypervolume for its price.

A strategy is trained at some lengths, as a rule the shortest first, and each is a training of its
own. What could be done is to begin one, or to train one for longer that was begun. Each has a
price, and a gain: by how much the front of (log error, log cost) is expected to move by it. The
best ratio has its turn.

The error of what is new is foreseen by what was guessed of it before, and by extra trees that
learn how far those that were trained are from their guesses, as BANANAS learns errors (White,
Neiswanger and Savani, 2021); its cost is exact. How an error falls with a longer training is taken
from those that had one. It knows no clock and no data: prices are in any unit. So far
results/benchmark replays it, and no search goes by it.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from itertools import pairwise
from typing import Any
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from autosynth.front import ParetoFront, layers
from autosynth.study.encoding import AnswerColumns, Answers
from autosynth.study.knowncost import hypervolume_gains

# Draws of what an error may be, and trees of a forest.
DRAWS = 64
# Strategies that have ended, before trees learn from them: until then a mean moves all guesses.
FEWEST_KNOWN = 6
# Of the price of all, what begins by chance: what no model expects is found so.
CHANCE_SHARE = 0.05
# One strategy in so many is trained to its end whatever it has shown, so that what is not
# lengthened by mistake can be counted; they take this share of the price of all at most.
SPARED_ONE_IN, SPARED_SHARE = 20, 0.05
# Of a training that is k times as long the error is k to the power of minus one of these times as
# large, as far as nothing was measured.
EXPONENTS = (0.0, 0.1, 0.2, 0.3, 0.45)
# Errors below count as it: of a few hundred rows none may be wrong.
LEAST_ERROR = 1e-3
# How far the reference point lies beyond the largest cost, as a logarithm: what is better there
# counts as if it were so over a decade. Without, what is dearest would never gain.
REACH = math.log(10.0)
# Of the trainings' price at least, that single components and composites each have.
KIND_SHARE = 0.4
# Strategies that may be known more, before the forest is grown anew, as a share of those it knows.
_STALE = 0.05
# Actions, the best first, that are asked for whether they may be.
_MOST_ASKED = 50
# What was begun goes on only where so small a share of its error would be on the front.
_BEST_FALL = 0.4
_Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Arm:
    """A strategy that can be trained, at any length: what it is made of, and its cost.

    One that takes no steps has no longer training than the first.
    """

    key: str
    answers: Answers
    cost: float
    is_single: bool = False
    takes_steps: bool = True


@dataclass(frozen=True, kw_only=True)
class Action:
    """To train an arm at a length, by its number, and why."""

    arm: Arm
    level: int
    why: str = ""


Price = Callable[[Arm, int], float]
"""Of training an arm at a level, above 0."""
May = Callable[[Arm, int], bool]
"""Whether an arm may be trained at a level now."""
Guess = Callable[[Sequence[Arm]], _Floats]
"""What is guessed of arms before any is trained: logarithms of their errors over a usual one, as
some draws, (DRAWS, n)."""


@dataclass(kw_only=True)
class _Begun:
    """An arm that was begun: the errors it has shown by level, and how many levels it may have."""

    arm: Arm
    levels: int
    errors: dict[int, float] = field(default_factory=dict)

    @property
    def next(self) -> int:
        """The level that comes next."""
        return 1 + max(self.errors, default=-1)

    @property
    def error(self) -> float:
        """The least that it has shown, as a logarithm."""
        return math.log(min(self.errors.values()))


@dataclass(kw_only=True)
class Auction:
    """Chooses what is trained next, and is told what came of it.

    `lengths` are those that there are, ascending; `in_logs` and `is_balanced` are for comparisons.
    """

    lengths: Sequence[float]
    price: Price
    seed: int = 0
    guess: Guess | None = None
    is_balanced: bool = True
    in_logs: bool = True
    reach: float = REACH
    spent: dict[bool, float] = field(default_factory=lambda: {True: 0.0, False: 0.0})
    """The price so far of single components, and of composites."""
    spent_for: dict[str, float] = field(default_factory=dict)
    """The price so far by reason."""

    def __post_init__(self) -> None:
        self._rng = np.random.default_rng(self.seed)
        self._begun: dict[str, _Begun] = {}
        self._running: dict[str, tuple[Action, bool, float]] = {}
        self._points: list[tuple[float, float]] = []  # logarithms of error and cost
        self._front = ParetoFront()
        self._falls = [
            [-each * math.log(longer / shorter) for each in EXPONENTS]
            for shorter, longer in pairwise(self.lengths)
        ]
        self._guesses: dict[str, _Floats] = {}
        self._residuals: dict[str, _Floats] = {}
        self._forest: _Forest | None = None

    @property
    def known(self) -> int:
        """How many strategies have shown an error."""
        return sum(bool(each.errors) for each in self._begun.values())

    def is_begun(self, key: str) -> bool:
        """Whether a strategy was begun, and did not fail at once."""
        return key in self._begun

    def is_running(self, key: str) -> bool:
        """Whether a strategy is being trained."""
        return key in self._running

    def start(self, action: Action, *, is_single: bool | None = None) -> None:
        """Note that something is being trained, on the account of single components or not."""
        arm, level = action.arm, action.level
        begun = self._begun.setdefault(arm.key, self._new(arm))
        side = begun.arm.is_single if is_single is None else is_single
        charged = self.price(begun.arm, level)
        self._running[arm.key] = action, side, charged
        self._charge(action.why, side, charged)

    def end(
        self, key: str, level: int, error: float | None, *, price: float | None = None
    ) -> None:
        """Note what came of it: the error, none where it failed, and the price that it had."""
        action, side, charged = self._running.pop(key, (None, False, 0.0))
        if action is not None and price is not None:
            self._charge(action.why, side, price - charged)
        begun = self._begun.get(key)
        if begun is None:
            return
        if error is None:
            begun.levels = begun.next
            if not begun.errors:
                del self._begun[key]
            return
        error = max(error, LEAST_ERROR)
        before = begun.errors.get(level - 1)
        begun.errors[level] = error
        point = math.log(error), math.log(begun.arm.cost)
        self._front.insert(len(self._points), point[1], point[0])
        self._points.append(point)
        if before is not None:
            self._falls[level - 1].append(math.log(error / before))
            if error >= before:  # a longer one would hardly be better
                begun.levels = begun.next

    def note(self, arm: Arm, level: int, error: float, *, price: float = 0.0) -> None:
        """Take in what was trained before, or without being chosen here."""
        self._begun.setdefault(arm.key, self._new(arm))
        self._charge("", arm.is_single, price)
        self.end(arm.key, level, error)

    def _new(self, arm: Arm) -> _Begun:
        return _Begun(arm=arm, levels=len(self.lengths) if arm.takes_steps else 1)

    def choose(self, fresh: Sequence[Action], may: May = lambda arm, level: True) -> Action | None:
        """The next action, of the `fresh` beginnings and of going on with what was begun.

        Of those that it `may` take; None where there are none.
        """
        idle = list(self._going_on())
        for ours, more in self._sides(fresh, idle):
            if action := self._best(ours, more, may):
                return action
        return None

    def _best(self, fresh: Sequence[Action], idle: Sequence[Action], may: May) -> Action | None:
        """The best of some actions, or one by chance."""
        total = sum(self.spent.values())
        is_blind = self.guess is None and self.known < FEWEST_KNOWN
        if is_blind or self.spent_for.get("by chance", 0.0) < CHANCE_SHARE * total:
            order = self._rng.permutation(len(fresh))[:_MOST_ASKED].tolist()
            if found := _first([fresh[at] for at in order], may, "by chance"):
                return found
        if self.spent_for.get("spared", 0.0) < SPARED_SHARE * total:
            spared = [each for each in idle if crc32(each.arm.key.encode()) % SPARED_ONE_IN == 0]
            if found := _first(spared[:_MOST_ASKED], may, "spared"):
                return found
        actions = [*fresh, *filter(self._may_gain, idle)]
        if not actions or is_blind:
            return None
        prices = np.array([self.price(each.arm, each.level) for each in actions])
        order = np.argsort(-self.gains(actions) / prices, kind="stable")[:_MOST_ASKED].tolist()
        return _first([actions[at] for at in order], may, "it promises most for its price")

    def gains(self, actions: Sequence[Action]) -> _Floats:
        """The hypervolume that each is expected to add to what is known, (n,)."""
        points = [self._points[number] for number in self._front]
        # What is being trained counts as if it had come to what is foreseen.
        awaited = [action for action, _, _ in self._running.values()]
        if awaited:
            means = self._draws(awaited).mean(axis=0).tolist()
            costs = [math.log(each.arm.cost) for each in awaited]
            points += list(zip(means, costs, strict=True))
        costs_asked, draws = np.log([each.arm.cost for each in actions]), self._draws(actions)
        if not points:  # nothing was begun: as if the cheapest were as bad as any
            points = [(float(draws.max()), float(costs_asked.min()))]
        front = np.array(points)
        front = front[layers(front) == 1]
        if not self.in_logs:
            front[:, 0], draws = np.exp(front[:, 0]), np.exp(draws)
        return hypervolume_gains(draws, costs_asked, front, reach=self.reach)

    def _going_on(self) -> Iterator[Action]:
        """Longer trainings of what was begun."""
        for key, each in self._begun.items():
            if key not in self._running and each.errors and each.next < each.levels:
                yield Action(arm=each.arm, level=each.next)

    def _may_gain(self, action: Action) -> bool:
        """Whether what was begun might come to the front by a longer training."""
        best = self._front.best(math.log(action.arm.cost))
        return self._begun[action.arm.key].error + math.log(_BEST_FALL) < best

    def _draws(self, actions: Sequence[Action]) -> _Floats:
        """What the logarithm of the error of each may be, (DRAWS, n)."""
        begun = [self._begun.get(each.arm.key) for each in actions]
        known = [bool(each and each.errors) for each in begun]
        draws = np.zeros((DRAWS, len(actions)))
        new = [at for at, is_known in enumerate(known) if not is_known]
        if new:
            draws[:, new] = self._foreseen([actions[at].arm for at in new])
        first = np.zeros(len(actions), dtype=int)
        for at, each in enumerate(begun):
            if known[at] and each is not None:
                first[at] = max(each.errors)
                draws[:, at] = math.log(each.errors[int(first[at])])
        last = np.array([each.level for each in actions])
        for level, falls in enumerate(self._falls):
            through = np.flatnonzero((first <= level) & (level < last))
            draws[:, through] += self._rng.choice(falls, (DRAWS, len(through)))
        return draws

    def _foreseen(self, arms: Sequence[Arm]) -> _Floats:
        """What arms that have shown nothing may come to at the shortest length, (DRAWS, n)."""
        ended = [each for each in self._begun.values() if each.errors]
        guesses = self._guessed(arms)
        if len(ended) < FEWEST_KNOWN:
            return guesses + (float(np.mean(self._beyond(ended))) if ended else 0.0)
        if self._forest is None or len(ended) > (1 + _STALE) * self._forest.n_known:
            known = [each.arm for each in ended]
            self._forest = _Forest(known, self._beyond(ended), int(self._rng.integers(2**31)))
            self._residuals = {}
        new = [arm for arm in arms if arm.key not in self._residuals]
        if new:
            made = self._forest.predict(new).T
            self._residuals |= {arm.key: each for arm, each in zip(new, made, strict=True)}
        found: _Floats = guesses + np.array([self._residuals[arm.key] for arm in arms]).T
        return found

    def _beyond(self, ended: Sequence[_Begun]) -> _Floats:
        """How far errors at the shortest length are from their guesses, as logarithms."""
        means = [float(np.mean(falls)) for falls in self._falls]
        shown = []
        for each in ended:
            level = min(each.errors)
            shown.append(math.log(each.errors[level]) - sum(means[:level]))
        found: _Floats = np.array(shown) - self._guessed([e.arm for e in ended]).mean(axis=0)
        return found

    def _guessed(self, arms: Sequence[Arm]) -> _Floats:
        """The guesses, each made once, (DRAWS, n)."""
        if self.guess is None:
            return np.zeros((DRAWS, len(arms)))
        new = [arm for arm in arms if arm.key not in self._guesses]
        if new:
            made = self.guess(new).T
            self._guesses |= {arm.key: each for arm, each in zip(new, made, strict=True)}
        return np.array([self._guesses[arm.key] for arm in arms]).T

    def _charge(self, why: str, is_single: bool, price: float) -> None:
        self.spent[is_single] += price
        self.spent_for[why] = self.spent_for.get(why, 0.0) + price

    def _sides(
        self, fresh: Sequence[Action], idle: Sequence[Action]
    ) -> Iterator[tuple[Sequence[Action], Sequence[Action]]]:
        """First single components, or composites, where they have had less than their share."""
        total = sum(self.spent.values())
        for kind in (True, False):
            if self.is_balanced and self.spent[kind] < KIND_SHARE * total:
                yield (
                    [each for each in fresh if each.arm.is_single == kind],
                    [each for each in idle if each.arm.is_single == kind],
                )
        yield fresh, idle


def _first(actions: Sequence[Action], may: May, why: str) -> Action | None:
    """The first of them that may be taken now."""
    for each in actions:
        if may(each.arm, each.level):
            return Action(arm=each.arm, level=each.level, why=why)
    return None


class _Forest:
    """Extra trees on what strategies are made of: how far errors are from guesses."""

    def __init__(self, known: Sequence[Arm], beyond: _Floats, seed: int) -> None:
        self.n_known = len(known)
        self._columns = AnswerColumns([arm.answers for arm in known])
        # Late: it takes half a second.
        forests: Any = import_module("sklearn.ensemble")
        self._forest = forests.ExtraTreesRegressor(
            DRAWS, min_samples_leaf=2, random_state=seed, n_jobs=1
        )
        self._forest.fit(self._rows(known), beyond)

    def predict(self, arms: Sequence[Arm]) -> _Floats:
        """What each tree says of each arm, (DRAWS, n)."""
        rows = self._rows(arms)
        return np.array([tree.predict(rows) for tree in self._forest.estimators_])

    def _rows(self, arms: Sequence[Arm]) -> NDArray[np.float32]:
        return self._columns.rows([arm.answers for arm in arms]).astype(np.float32)

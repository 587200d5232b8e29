"""What is trained next, of all that could be: the largest gain for its price.

A strategy is trained at some lengths, as a rule the shortest first, and each is a training of its
own. What could be done is to begin one, or to train one for longer that was begun. Each has a
price, and a gain that is foreseen (`foresight.py`). The best ratio has its turn.

Two gains are asked for, each for half of the price: by how much the front of (log error, log cost)
is expected to move, and by how much the least error is to fall. What does most for the front are
many small trainings at its cheap end; a user wants the best as well. And going on with what was
begun has half of the price, too, as the shares of a halving are equal at all lengths (Li et al.,
2018, "Hyperband"): of much that is new some always promises more than it holds. For the same
reason what was promised is held against what came of it, and counts for less where it fell short.

It knows no clock and no data: prices are in any unit.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from autosynth.front import ParetoFront, layers
from autosynth.study.foresight import FEWEST_KNOWN, LEAST_ERROR, Arm, Begun, Foresight, Guess
from autosynth.study.knowncost import hypervolume_gains

# Why something is trained, which has a share of the price of all. By chance: what no model expects
# is found so.
BY_CHANCE, CHANCE_SHARE = "by chance", 0.05
# One strategy in so many is trained to its end whatever it has shown, so that what is not
# lengthened by mistake can be counted.
SPARED_WHY, SPARED_ONE_IN, SPARED_SHARE = "spared", 20, 0.05
FOR_FRONT = "it promises most for its price"
FOR_BEST, BEST_SHARE = "it may be the best for its price", 0.5
# Of the price, that longer trainings have, and that single components and composites have each.
LONG_SHARE, KIND_SHARE = 0.5, 0.4
# How far the reference point lies beyond the largest cost, as a logarithm: what is better there
# counts as if it were so over a decade. Without, what is dearest would never gain.
REACH = math.log(10.0)
# Of what was promised and what came of it, the share that still counts after one more; and as how
# many that kept what they promised all begin.
KEPT_SHARE, TRUST = 0.95, 4.0
# Actions, the best first, that are asked for whether they may be.
_MOST_ASKED = 50
# What was begun goes on only where so small a share of its error would be on the front.
_BEST_FALL = 0.4
_Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Action:
    """To train an arm at a length, by its number, and why."""

    arm: Arm
    level: int
    why: str = ""

    @property
    def is_long(self) -> bool:
        """Whether it is longer than the shortest training."""
        return self.level > 0


Price = Callable[[Arm, int], float]
"""Of training an arm at a level, above 0."""
May = Callable[[Arm, int], bool]
"""Whether an arm may be trained at a level now."""


class _Running(NamedTuple):
    """What is being trained: on whose account, and at what price."""

    action: Action
    is_single: bool
    charged: float


class _Point(NamedTuple):
    """Logarithms of an error and of a cost."""

    error: float
    cost: float


@dataclass(kw_only=True)
class Auction:
    """Chooses what is trained next, and is told what came of it.

    `lengths` are those that there are, ascending; `is_balanced` is for comparisons.
    """

    lengths: Sequence[float]
    price: Price
    seed: int = 0
    guess: Guess | None = None
    is_balanced: bool = True
    spent: dict[bool, float] = field(default_factory=lambda: {True: 0.0, False: 0.0})
    """The price so far of single components, and of composites."""
    spent_for: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    """The price so far by reason."""
    spent_long: float = 0.0

    def __post_init__(self) -> None:
        self._rng = np.random.default_rng(self.seed)
        self._foresight = Foresight(self.lengths, self.guess, self._rng)
        self._begun: dict[str, Begun] = {}
        self._running: dict[str, _Running] = {}
        self._points: list[_Point] = []
        self._front = ParetoFront()
        self._drawn = ""  # what begins by chance next
        self._promised: dict[str, float] = {}
        self._credits: dict[tuple[str, bool], _Credit] = defaultdict(_Credit)

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
        arm = self._begun.setdefault(action.arm.key, self._new(action.arm)).arm
        side = arm.is_single if is_single is None else is_single
        charged = self.price(arm, action.level)
        self._running[arm.key] = _Running(action, side, charged)
        self._charge(action, side, charged)

    def end(
        self, key: str, level: int, error: float | None, *, price: float | None = None
    ) -> None:
        """Note what came of it: the error, none where it failed, and the price that it had."""
        running = self._running.pop(key, None)
        if running is not None and price is not None:
            self._charge(running.action, running.is_single, price - running.charged)
        begun = self._begun.get(key)
        if begun is None:
            return
        point = None
        if error is not None:
            error = max(error, LEAST_ERROR)
            point = _Point(math.log(error), math.log(begun.arm.cost))
        if running is not None:
            self._settle(running.action, point)
        if error is None or point is None:
            begun.levels = begun.next
            if not begun.errors:
                del self._begun[key]
            return
        if before := begun.errors.get(level - 1):
            self._foresight.fell(level - 1, before, error)
        begun.errors[level] = error
        self._add(point)

    def revise(self, errors: Mapping[tuple[str, int], float]) -> None:
        """Take other errors for those that were shown, by key and level, with less luck in them.

        Of many errors on few rows the least is the luckiest, and nothing would promise to be less.
        """
        for (key, level), error in errors.items():
            begun = self._begun.get(key)
            if begun is not None and level in begun.errors:
                begun.errors[level] = max(error, LEAST_ERROR)
        self._points, self._front = [], ParetoFront()
        for each in self._begun.values():
            for error in each.errors.values():
                self._add(_Point(math.log(error), math.log(each.arm.cost)))

    def _add(self, point: _Point) -> None:
        self._front.insert(len(self._points), point.cost, point.error)
        self._points.append(point)

    def note(self, action: Action, error: float, *, price: float = 0.0) -> None:
        """Take in what was trained before, or without being chosen here."""
        self._begun.setdefault(action.arm.key, self._new(action.arm))
        self._charge(action, action.arm.is_single, price)
        self.end(action.arm.key, action.level, error)

    def choose(self, fresh: Sequence[Action], may: May = lambda arm, level: True) -> Action | None:
        """The next action, of the `fresh` beginnings and of going on with what was begun.

        Of those that it `may` take; None where there are none.
        """
        total, idle = sum(self.spent.values()), list(self._going_on())
        if action := self._by_chance(fresh, may) or self._spared(idle, may):
            return action
        for ours, more in self._sides(fresh, idle):
            hopeful = [each for each in more if self._may_gain(each)]
            is_behind = self.spent_long < LONG_SHARE * total
            long = [each for each in [*ours, *hopeful] if each.is_long]
            if is_behind and (action := self._best(long, may)):
                return action
            if action := self._best([*ours, *hopeful], may):
                return action
        return None

    def gains(self, actions: Sequence[Action]) -> _Floats:
        """The hypervolume that each is expected to add to what is known, (n,)."""
        points, draws = self._awaited(), self._draws(actions)
        costs = np.log([each.arm.cost for each in actions])
        if not points:  # nothing was begun: as if the cheapest were as bad as any
            points = [_Point(float(draws.max()), float(costs.min()))]
        front = np.array(points)
        return hypervolume_gains(draws, costs, front[layers(front) == 1], reach=REACH)

    def _gains_of_best(self, actions: Sequence[Action]) -> _Floats:
        """By how much the logarithm of the least error is expected to fall by each, (n,)."""
        least = min(point.error for point in self._awaited())
        gains: _Floats = np.clip(least - self._draws(actions), 0.0, None).mean(axis=0)
        return gains

    def _best(self, actions: Sequence[Action], may: May) -> Action | None:
        """The largest gain for its price."""
        if not actions or self._is_blind:
            return None
        is_due = self.spent_for[FOR_BEST] < BEST_SHARE * sum(self.spent.values())
        why = FOR_BEST if self._points and is_due else FOR_FRONT
        gains = self._gains_of_best(actions) if why == FOR_BEST else self.gains(actions)
        trusted = gains * [self._credits[why, each.is_long].factor for each in actions]
        prices = np.array([self._price_of(each) for each in actions])
        order = np.argsort(-trusted / prices, kind="stable")[:_MOST_ASKED].tolist()
        for at in order:
            if found := _first([actions[at]], may, why):
                self._promised[found.arm.key] = float(gains[at])
                return found
        return None

    def _by_chance(self, fresh: Sequence[Action], may: May) -> Action | None:
        """What begins whatever is foreseen of it, once its share of the price is there.

        It is drawn beforehand and waits: whatever its price, it has the same chance.
        """
        left = CHANCE_SHARE * sum(self.spent.values()) - self.spent_for[BY_CHANCE]
        if not (self._is_blind or left > 0):
            return None
        fresh = [each for each in fresh if not each.is_long]
        known = {each.arm.key: each for each in fresh}
        if self._drawn not in known or not may(known[self._drawn].arm, known[self._drawn].level):
            order = self._rng.permutation(len(fresh))[:_MOST_ASKED].tolist()
            found = _first([fresh[at] for at in order], may, BY_CHANCE)
            self._drawn = found.arm.key if found else ""
        drawn = known.get(self._drawn)
        if drawn is None or not (self._is_blind or self._price_of(drawn) <= left):
            return None
        return replace(drawn, why=BY_CHANCE)

    def _spared(self, idle: Sequence[Action], may: May) -> Action | None:
        """What goes on whatever it has shown."""
        if self.spent_for[SPARED_WHY] >= SPARED_SHARE * sum(self.spent.values()):
            return None
        spared = [each for each in idle if crc32(each.arm.key.encode()) % SPARED_ONE_IN == 0]
        return _first(spared[:_MOST_ASKED], may, SPARED_WHY)

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

    @property
    def _is_blind(self) -> bool:
        """Whether nothing is known that anything could be foreseen from."""
        return self.guess is None and self.known < FEWEST_KNOWN

    def _going_on(self) -> Iterator[Action]:
        """Longer trainings of what was begun."""
        for key, each in self._begun.items():
            if key not in self._running and each.errors and each.next < each.levels:
                yield Action(arm=each.arm, level=each.next)

    def _may_gain(self, action: Action) -> bool:
        """Whether what was begun might come to the front by a longer training."""
        best = self._front.best(math.log(action.arm.cost))
        return self._begun[action.arm.key].error + math.log(_BEST_FALL) < best

    def _awaited(self) -> list[_Point]:
        """The front of what has ended, and what is being trained as it is foreseen."""
        points = [self._points[number] for number in self._front]
        actions = [each.action for each in self._running.values()]
        if actions:
            means = self._draws(actions).mean(axis=0).tolist()
            points += [
                _Point(error, math.log(each.arm.cost))
                for each, error in zip(actions, means, strict=True)
            ]
        return points

    def _draws(self, actions: Sequence[Action]) -> _Floats:
        asked = [(each.arm, each.level) for each in actions]
        return self._foresight.draws(asked, list(self._begun.values()))

    def _settle(self, action: Action, point: _Point | None) -> None:
        """Hold what came of an action against what it promised."""
        promised = self._promised.pop(action.arm.key, None)
        if promised is None:
            return
        kept = 0.0
        if point and self._points and action.why == FOR_BEST:
            kept = max(0.0, min(each.error for each in self._points) - point.error)
        elif point and self._points:
            front = np.array([self._points[number] for number in self._front])
            errors, costs = np.array([[point.error]]), np.array([point.cost])
            kept = float(hypervolume_gains(errors, costs, front, reach=REACH)[0])
        self._credits[action.why, action.is_long].add(promised, kept)

    def _price_of(self, action: Action) -> float:
        return self.price(action.arm, action.level)

    def _charge(self, action: Action, is_single: bool, price: float) -> None:
        self.spent[is_single] += price
        self.spent_for[action.why] += price
        self.spent_long += price if action.is_long else 0.0

    def _new(self, arm: Arm) -> Begun:
        return Begun(arm=arm, levels=len(self.lengths) if arm.takes_steps else 1)


def _first(actions: Sequence[Action], may: May, why: str) -> Action | None:
    """The first of them that may be taken now."""
    for each in actions:
        if may(each.arm, each.level):
            return Action(arm=each.arm, level=each.level, why=why)
    return None


@dataclass(kw_only=True)
class _Credit:
    """By how much what was promised has come true."""

    promised: float = 0.0
    kept: float = 0.0
    number: float = 0.0

    def add(self, promised: float, kept: float) -> None:
        self.promised = KEPT_SHARE * self.promised + promised
        self.kept = KEPT_SHARE * self.kept + kept
        self.number = KEPT_SHARE * self.number + 1.0

    @property
    def factor(self) -> float:
        if not self.promised:
            return 1.0
        usual = TRUST * self.promised / self.number
        return (self.kept + usual) / (self.promised + usual)

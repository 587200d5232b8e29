"""What an error may come to: of what was not begun, and of a longer training of what was.

The error of what is new is foreseen by what was guessed of it before, and by extra trees that
learn how far those that were trained are from their guesses, as BANANAS learns errors (White,
Neiswanger and Savani, 2021). How an error falls with a longer training is taken from those that
had one. All errors are logarithms, and what is foreseen is some draws of what may be.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autosynth.study.encoding import AnswerColumns, Answers

# Draws of what an error may be, and trees of a forest.
DRAWS = 64
# Strategies that have ended, before trees learn from them: until then a mean moves all guesses.
FEWEST_KNOWN = 6
# Of a training that is k times as long the error is k to the power of minus one of these times as
# large, as far as nothing was measured.
EXPONENTS = (0.0, 0.1, 0.2, 0.3, 0.45)
# Errors below count as it: of a few hundred rows none may be wrong.
LEAST_ERROR = 1e-3
# Strategies that may be known more, before the forest is grown anew: so many, or as a share of
# those that it knows. To grow it takes some 50 ms.
_STALE, _STALE_SHARE = 3, 0.1
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


@dataclass(kw_only=True)
class Begun:
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


Guess = Callable[[Sequence[Arm]], _Floats]
"""What is guessed of arms before any is trained: logarithms of their errors over a usual one, as
some draws, (DRAWS, n)."""


class Foresight:
    """Foresees errors, and is told of those that came."""

    def __init__(
        self, lengths: Sequence[float], guess: Guess | None, rng: np.random.Generator
    ) -> None:
        """`lengths` are those that there are, ascending."""
        self._guess, self._rng = guess, rng
        self._falls = [
            [-each * math.log(longer / shorter) for each in EXPONENTS]
            for shorter, longer in pairwise(lengths)
        ]
        self._guesses: dict[str, _Floats] = {}
        self._residuals: dict[str, _Floats] = {}
        self._forest: _Forest | None = None

    def fell(self, level: int, before: float, after: float) -> None:
        """Note how the error of a level has changed at the next one."""
        self._falls[level].append(math.log(after / before))

    def draws(self, asked: Sequence[tuple[Arm, int]], begun: Sequence[Begun]) -> _Floats:
        """What the error of each arm at a level may be, given all that was begun, (DRAWS, n)."""
        shown = {each.arm.key: each for each in begun if each.errors}
        draws = np.zeros((DRAWS, len(asked)))
        new = [at for at, (arm, _) in enumerate(asked) if arm.key not in shown]
        if new:
            arms = [asked[at][0] for at in new]
            draws[:, new] = self._foreseen(arms, list(shown.values()))
        first = np.zeros(len(asked), dtype=int)
        for at, (arm, _) in enumerate(asked):
            if each := shown.get(arm.key):
                first[at] = max(each.errors)
                draws[:, at] = math.log(each.errors[int(first[at])])
        last = np.array([level for _, level in asked])
        for level, falls in enumerate(self._falls):
            through = np.flatnonzero((first <= level) & (level < last))
            draws[:, through] += self._rng.choice(falls, (DRAWS, len(through)))
        return draws

    def _foreseen(self, arms: Sequence[Arm], ended: Sequence[Begun]) -> _Floats:
        """What arms that have shown nothing may come to at the shortest length, (DRAWS, n)."""
        guesses = self._guessed(arms)
        if len(ended) < FEWEST_KNOWN:
            return guesses + (float(np.mean(self._beyond(ended))) if ended else 0.0)
        forest = self._forest
        if forest is None or len(ended) > forest.n_known + max(
            _STALE, _STALE_SHARE * forest.n_known
        ):
            known = [each.arm for each in ended]
            forest = _Forest(known, self._beyond(ended), int(self._rng.integers(2**31)))
            self._forest, self._residuals = forest, {}
        new = [arm for arm in arms if arm.key not in self._residuals]
        if new:
            made = forest.predict(new).T
            self._residuals |= {arm.key: each for arm, each in zip(new, made, strict=True)}
        found: _Floats = guesses + np.array([self._residuals[arm.key] for arm in arms]).T
        return found

    def _beyond(self, ended: Sequence[Begun]) -> _Floats:
        """How far errors at the shortest length are from their guesses."""
        means = [float(np.mean(falls)) for falls in self._falls]
        shown = []
        for each in ended:
            level = min(each.errors)
            shown.append(math.log(each.errors[level]) - sum(means[:level]))
        found: _Floats = np.array(shown) - self._guessed([e.arm for e in ended]).mean(axis=0)
        return found

    def _guessed(self, arms: Sequence[Arm]) -> _Floats:
        """The guesses, each made once, (DRAWS, n)."""
        if self._guess is None:
            return np.zeros((DRAWS, len(arms)))
        new = [arm for arm in arms if arm.key not in self._guesses]
        if new:
            made = self._guess(new).T
            self._guesses |= {arm.key: each for arm, each in zip(new, made, strict=True)}
        return np.array([self._guesses[arm.key] for arm in arms]).T


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

"""What was trained on a set, as arms of a replayed search and what each comes to."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from experience import ends, without
from numpy.typing import NDArray

from autosynth.front import ParetoFront
from autosynth.strategy import parse
from autosynth.study.encoding import costed_answers
from autosynth.study.foresight import LEAST_ERROR, Arm, Guess

LEVELS = (0.11, 0.33, 1.0)
"""The lengths that strategies are trained at, over what the data ask for."""
# How far prices that are foreseen are from true ones: the standard deviation of their logarithm.
PRICE_ERROR = 0.3
# Of a training that is gone on with, what of the shorter one need not be trained again.
TRUNK = 0.8


@dataclass(frozen=True, kw_only=True)
class Pool:
    """All that was trained on a set on one schedule, as arms and what each comes to.

    `val` and `test` are errors by arm and level, none worse than knowing nothing, and `cost` what
    each training took; `foreseen` is by which factor that is misjudged, by arm. `rung` has
    validation errors within the longest training after a third of it, `places` those of arms that
    the space names. Where a longer training `goes_on`, it begins where the last one before came
    down from its peak.
    """

    name: str
    arms: list[Arm]
    val: dict[tuple[str, int], float]
    test: dict[tuple[str, int], float]
    costs: dict[tuple[str, int], float]
    foreseen: dict[str, float]
    rung: dict[str, float]
    trivial: float
    places: dict[str, float]
    goes_on: bool = False
    guess: Guess | None = None

    def last(self, arm: Arm) -> int:
        """The level of an arm's longest training."""
        return len(LEVELS) - 1 if arm.takes_steps else 0

    def price(self, arm: Arm, level: int, before: int | None = None) -> float:
        """What a training takes, where the last one before it was of that level."""
        whole = self.costs[arm.key, level]
        known = before is not None and self.goes_on
        return whole - (TRUNK * self.costs[arm.key, before] if known and before is not None else 0)

    @cached_property
    def whole_price(self) -> float:
        """Of training every arm once at full length."""
        return sum(self.price(arm, self.last(arm)) for arm in self.arms)

    @cached_property
    def reference(self) -> tuple[float, float]:
        """The worst error that counts, and the largest cost, of hypervolumes."""
        return self.trivial, max(float(np.log10(arm.cost)) for arm in self.arms) + 0.1

    def worth(self, shown: Sequence[tuple[Arm, int]]) -> float:
        """The hypervolume on test of the front, chosen on validation, of what has ended."""
        chosen, held = ParetoFront(), ParetoFront()
        for number, (arm, level) in enumerate(shown):
            chosen.insert(number, float(np.log10(arm.cost)), self.val[arm.key, level])
        for number in chosen:
            arm, level = shown[number]
            held.insert(number, float(np.log10(arm.cost)), self.test[arm.key, level])
        error, cost = self.reference
        return held.hypervolume(cost, error)

    def error(self, shown: Sequence[tuple[Arm, int]]) -> float:
        """The test error of the best on validation rows; that of knowing nothing before any."""
        if not shown:
            return self.trivial
        arm, level = min(shown, key=lambda pair: self.val[pair[0].key, pair[1]])
        return max(self.test[arm.key, level], LEAST_ERROR)

    @cached_property
    def least(self) -> float:
        """That of everything trained to its end."""
        return self.error([(arm, self.last(arm)) for arm in self.arms])

    @cached_property
    def full(self) -> float:
        """The worth of everything trained to its end."""
        return self.worth([(arm, self.last(arm)) for arm in self.arms])


def pools(
    table: pd.DataFrame,
    schedule: str,
    unit: str,
    names: Sequence[str] = (),
    *,
    goes_on: bool = False,
) -> dict[str, Pool]:
    """The sets of a table, each with the strategies that ended at all lengths of a schedule.

    `unit` is that of prices: `train_flops` or `seconds`. Each length is a training of its own; or
    one that `goes_on` where the one before began to come down, as those of `wsd` could.
    """
    table = table[(table["seed"] == 0) & (table["state"] == "complete")]
    return {
        str(name): _pool(str(name), group, schedule, unit, goes_on=goes_on)
        for name, group in table.groupby("set", sort=False)
        if not names or name in names
    }


def _pool(name: str, group: pd.DataFrame, schedule: str, unit: str, *, goes_on: bool) -> Pool:
    found = Pool(
        name=name, arms=[], val={}, test={}, costs={}, foreseen={}, rung={}, trivial=1.0,
        places={}, goes_on=goes_on,
    )  # fmt: skip
    rng = np.random.default_rng(0)
    for text, runs in group.groupby("strategy", sort=False):
        fitted = runs[runs["steps"] == 0]
        ours = fitted if len(fitted) else runs[runs["schedule"] == schedule]
        by_length = {row["length"]: row for _, row in ours.iterrows()}
        lengths = (1.0,) if len(fitted) else LEVELS
        if not set(lengths) <= set(by_length):
            continue
        rows = [by_length[length] for length in lengths]
        arm = Arm(
            key=str(text),
            answers=costed_answers(parse(str(text)), rows[-1]["flops"]),
            cost=float(max(rows[-1]["flops"], 1)),
            is_single=rows[-1]["topology"] == "single",
            takes_steps=not len(fitted),
        )
        found.arms.append(arm)
        found.foreseen[arm.key] = float(np.exp(PRICE_ERROR * rng.standard_normal()))
        for level, row in enumerate(rows):
            # What is fitted costs no FLOPs that are counted; nothing is free of charge.
            found.costs[arm.key, level] = max(float(row[unit]), 1e8 if unit != "seconds" else 0.01)
            found.val[arm.key, level] = min(row["val_error"], 1.0)
            found.test[arm.key, level] = min(row["test_error"], 1.0)
        rungs = dict(zip(rows[-1]["rungs"], rows[-1]["rung_errors"], strict=True))
        found.rung[arm.key] = rungs.get(0.3333, np.nan)
        if np.isfinite(place := runs["place"].max()):
            found.places[arm.key] = float(place)
    return replace(found, trivial=max(found.val.values(), default=1.0))


def guessing(found: dict[str, Pool], table: pd.DataFrame) -> dict[str, Pool]:
    """The same pools, each with what is guessed of its arms from all other sets."""
    known = ends(table)
    return {name: replace(pool, guess=_guess_of(known, name)) for name, pool in found.items()}


def _guess_of(known: dict[str, dict[str, Any]], name: str) -> Guess | None:
    experience = without(known, name)
    if experience is None or name not in known:
        return None
    facts = known[name]["facts"]

    def guess(arms: Sequence[Arm]) -> NDArray[np.float64]:
        return experience.factors(facts, [arm.answers for arm in arms])

    return guess

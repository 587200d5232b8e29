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
from autosynth.study.auction import Arm, Guess
from autosynth.study.encoding import costed_answers
from autosynth.study.experience import LEAST_ERROR

LEVELS = (0.11, 0.33, 1.0)
"""The lengths that strategies are trained at, over what the data ask for."""


@dataclass(frozen=True, kw_only=True)
class Pool:
    """All that was trained on a set on one schedule, as arms and what each comes to.

    `val` and `test` are errors by arm and level, `rung` validation errors within the longest
    training after a third of it; `places` those of arms that the space names.
    """

    name: str
    arms: list[Arm]
    val: dict[tuple[str, int], float]
    test: dict[tuple[str, int], float]
    rung: dict[str, float]
    trivial: float
    places: dict[str, float]
    guess: Guess | None = None

    @cached_property
    def whole_price(self) -> float:
        """Of training every arm once at full length."""
        return sum(arm.prices[-1] for arm in self.arms)

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
        return self.error([(arm, len(arm.prices) - 1) for arm in self.arms])

    @cached_property
    def full(self) -> float:
        """Of everything trained to its end."""
        return self.worth([(arm, len(arm.prices) - 1) for arm in self.arms])


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
    found: dict[str, Pool] = {}
    for name, group in table.groupby("set", sort=False):
        if names and name not in names:
            continue
        arms, val, test, rung, places = [], {}, {}, {}, {}
        for text, runs in group.groupby("strategy", sort=False):
            fitted = runs[(runs["steps"] == 0)]
            ours = fitted if len(fitted) else runs[runs["schedule"] == schedule]
            by_level = {LEVELS.index(row["length"]): row for _, row in ours.iterrows()}
            if not (len(fitted) or len(by_level) == len(LEVELS)):
                continue
            rows = [by_level[at] for at in sorted(by_level)]
            prices = [float(row[unit]) for row in rows]
            if goes_on and len(prices) == len(LEVELS):
                prices = [prices[0], prices[1] - 0.8 * prices[0], prices[2] - 0.8 * prices[1]]
            # What is fitted costs no FLOPs that are counted; nothing is free of charge.
            prices = [max(each, 1e8 if unit == "train_flops" else 0.01) for each in prices]
            arm = Arm(
                key=str(text),
                answers=costed_answers(parse(str(text)), rows[-1]["flops"]),
                cost=float(max(rows[-1]["flops"], 1)),
                prices=tuple(prices),
                is_single=rows[-1]["topology"] == "single",
            )
            arms.append(arm)
            for at, row in enumerate(rows):
                val[arm.key, at], test[arm.key, at] = row["val_error"], row["test_error"]
            rungs = dict(zip(rows[-1]["rungs"], rows[-1]["rung_errors"], strict=True))
            rung[arm.key] = rungs.get(0.3333, np.nan)
            if np.isfinite(place := runs["place"].max()):
                places[arm.key] = float(place)
        # An error of 1 is that of knowing nothing, where a metric says so; of classes the worst.
        trivial = 1.0 if max(val.values()) > 1 else max(v for (_, at), v in val.items())
        found[str(name)] = Pool(
            name=str(name),
            arms=arms,
            val=val,
            test=test,
            rung=rung,
            trivial=trivial,
            places=places,
        )
    return found


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

"""How far a search has come: what its last part brought, and what as much again would bring.

The front of (score, cost) is worth its hypervolume. What twice the budget would add is foreseen
from what the second half of it has added; the factors between the two are quantiles over replayed
searches (results/benchmark/outlook.py, which makes them and checks them on sets that were left
out).
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from autosynth.front import CHEAP_SHARE, ParetoFront
from autosynth.record import Record, cost_of, score_of

# What twice the budget adds to the hypervolume, over what the second half of it has added and a
# least amount: the quantiles of 5 and 95 %.
LOW, HIGH, LEAST_MOVED = 0.0, 4.6, 0.002
# Trainings, before anything is said.
FEWEST_ENDED = 12


class Moved(NamedTuple):
    """A training that ended: its price, its error, and the logarithm of its cost."""

    price: float
    error: float
    cost: float


@dataclass(frozen=True, kw_only=True)
class Outlook:
    """By which shares of its hypervolume a front has moved, and may yet move.

    `last_tenth` in the last tenth of the price, `last_half` in its second half; `low` to `high`
    for as much again, a 90 % interval.
    """

    last_tenth: float
    last_half: float
    low: float
    high: float


def outlook(steps: Sequence[Moved], worst: float) -> Outlook | None:
    """How a search stands after some trainings, in their order; None of too few.

    Args:
        steps: the trainings.
        worst: the error of knowing nothing, beyond which none counts.
    """
    total = sum(step.price for step in steps)
    if len(steps) < FEWEST_ENDED or not total:
        return None
    largest = max(step.cost for step in steps) + math.log10(2.0)
    front, spent = ParetoFront(), 0.0
    at: dict[float, float] = {0.5: 0.0, 0.9: 0.0}
    for number, step in enumerate(steps):
        spent += step.price
        front.insert(number, step.cost, step.error)
        for share in at:
            if spent <= share * total:
                at[share] = front.hypervolume(largest, worst)
    whole = front.hypervolume(largest, worst)
    if not whole:
        return None
    half = (whole - at[0.5]) / whole
    return Outlook(
        last_tenth=(whole - at[0.9]) / whole,
        last_half=half,
        low=LOW * (half + LEAST_MOVED),
        high=HIGH * (half + LEAST_MOVED),
    )


def outlook_of(records: Iterable[Record], *, metric: str, cost: str) -> Outlook | None:
    """How a run stands, from its records: by seconds, or by FLOPs where no clock decided."""
    records = list(records)
    trivial = [score_of(r, metric) for r in records if r.kind == "baseline"]
    done = [r for r in records if r.kind == "strategy" and r.state == "complete"]
    costs = [cost_of(r, cost) for r in done if r.topology == "single"]
    if not done or not costs or not trivial or not math.isfinite(max(trivial)):
        return None
    floor = max(CHEAP_SHARE * max(costs), 1e-6)
    is_timed = any(r.foreseen_seconds for r in done)
    steps = [
        Moved(
            price=(r.train_seconds if is_timed else r.train_flops) or 0.0,
            error=-score_of(r, metric),
            cost=math.log10(max(cost_of(r, cost), floor)),
        )
        for r in sorted(done, key=lambda r: r.trial)
    ]
    return outlook(steps, worst=-max(trivial))


def outlook_sentence(found: Outlook) -> str:
    """What a user should know of it."""
    return (
        f"In the last tenth of the time for trainings the front moved by {found.last_tenth:.1%} "
        f"of its hypervolume; as much time again would move it by {found.low:.1%} to "
        f"{found.high:.1%} (90 % interval)."
    )

"""Records and a wish in, the one strategy to export out."""

import math
from collections.abc import Iterable, Sequence

import numpy as np

from autosynth.errors import ConfigError, RunError
from autosynth.leaderboard.rank import chosen, front, score_of
from autosynth.number import human
from autosynth.record import Record


def pick(
    records: Iterable[Record],
    which: str | int = "best",
    *,
    metric: str,
    cost: str = "flops",
    max_flops: float | None = None,
) -> Record:
    """One complete strategy of a run.

    Args:
        records: of one run.
        which: `best`, what the search itself chose (see `chosen`); `knee`, the member of
            the front that stands out farthest from the line between its ends, over log cost; or a
            trial's number.
        metric: what `best` and the front go by.
        cost: a name in `COSTS`.
        max_flops: strategies of more are not considered.

    Raises:
        ConfigError: no such choice, or a trial that is no complete strategy.
        RunError: nothing complete, or nothing within `max_flops`.
    """
    records = list(records)
    if str(which).isdecimal():
        return _trial(records, int(which), max_flops)
    if which not in ("best", "knee"):
        raise ConfigError(f"--pick is best, knee or the number of a trial, not {which!r}")
    able = [r for r in records if r.kind == "strategy" and score_of(r, metric) > -math.inf]
    if not able:
        raise RunError("the run has no complete strategy to pick; give it more budget")
    within = [r for r in able if _fits(r, max_flops)]
    if not within:
        least = min(r.flops for r in able if r.flops is not None)
        raise RunError(
            f"no complete strategy takes at most {human(max_flops)} FLOPs; the least is "
            f"{human(least)}: raise --max-flops"
        )
    judged = [*within, *(r for r in records if r.kind == "baseline")]  # the front is above these
    members = [r for r in front(judged, metric=metric, cost=cost) if r.kind == "strategy"]
    if which == "knee" and members:
        return _knee(members, metric, cost)
    best = chosen(judged, metric=metric, cost=cost)
    assert best is not None  # some are within
    return best


def _trial(records: Sequence[Record], trial: int, max_flops: float | None) -> Record:
    for record in records:
        if record.trial == trial:
            break
    else:
        raise ConfigError(f"the run has no trial {trial}; its trials are {_span(records)}")
    if record.kind != "strategy" or record.state != "complete":
        what = "a baseline" if record.kind == "baseline" else record.state.replace("_", " ")
        raise ConfigError(f"trial {trial} is {what}; pick a complete strategy")
    if not _fits(record, max_flops):
        raise ConfigError(
            f"trial {trial} takes {human(record.flops)} FLOPs, more than --max-flops "
            f"{human(max_flops)}"
        )
    return record


def _span(records: Sequence[Record]) -> str:
    numbers = [record.trial for record in records]
    return f"{min(numbers)} to {max(numbers)}" if numbers else "none"


def _fits(record: Record, max_flops: float | None) -> bool:
    return max_flops is None or (record.flops is not None and record.flops <= max_flops)


def _cost(record: Record, cost: str) -> float:
    known = getattr(record, cost)
    return math.inf if known is None else float(known)


def _knee(members: Sequence[Record], metric: str, cost: str) -> Record:
    """The front's member farthest above its chord, both axes scaled to 0 ... 1."""
    x = np.log([max(_cost(r, cost), 1e-12) for r in members])
    y = np.asarray([score_of(r, metric) for r in members])
    if len(members) < 3 or x[-1] == x[0] or y[-1] == y[0]:
        return members[-1]
    above = (y - y[0]) / (y[-1] - y[0]) - (x - x[0]) / (x[-1] - x[0])
    best = int(above.argmax())
    return members[best] if above[best] > 1e-9 else members[-1]

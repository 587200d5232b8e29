"""Records in, one ranked table out, strategies by score against cost; and the choice among them.

Pure: it reads no file and trains nothing. The strategy that is chosen for export stands first; the
others are ranked by non-dominated layer of (score, cost), then by validation score. What is no
better than knowing the target alone has no rank; neither has what did not complete, as a baseline
that was cut. Baselines whose cost is no plain arithmetic stand outside the layers.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from importlib import import_module
from typing import Any, Literal

import numpy as np
import pandas as pd

from autosynth.errors import ConfigError, RunError, lookup
from autosynth.number import human
from autosynth.record import Record, cost_of, preference, record_layers, score_of

COSTS: Mapping[str, str] = {
    "flops": "FLOPs a sample",
    "params": "parameters",
    "latency_ms": "latency, ms at batch 1",
}
"""What a strategy can be charged for, and how a reader calls it."""

TRIVIAL = ("majority", "mean", "popularity")
"""The baselines that know the target alone."""

_STATES = ("complete", "cut", "stopped", "pruned", "failed", "infeasible", "not_run")
_WHOLE = (
    *("rank", "flops", "worst_flops", "params", "samples_seen", "pareto", "trial", "seed"),
    "repeats",
)
_NUMBERS = ("latency_ms", "train_flops", "train_seconds", "epochs")
_WORDS = (
    *("strategy", "settings", "topology", "components", "sharing", "fusion", "training", "init"),
    "state",
)
_MEASURES = (
    *("flops", "worst_flops", "params", "latency_ms", "train_flops", "train_seconds"),
    *("samples_seen", "epochs"),
)
_GUESSES = ("precision", "recall", "f1")


def build_leaderboard(
    records: Iterable[Record], *, metric: str, cost: str = "flops"
) -> pd.DataFrame:
    """The leaderboard of a run, best first.

    Args:
        records: of one run, in any order.
        metric: canonical name; the scores ranked are `record.val[metric]`, higher is better.
        cost: a name in `COSTS`.

    Returns:
        One row a record; `pareto` is the number of the non-dominated layer, `test_low` and
        `test_high` are the 95 % interval of the test score, where it was scored. Where some were
        trained on several seeds, `repeats` says on how many, and `repeats_low` and `repeats_high`
        are the 95 % interval of the mean score. Numbers that are not known are missing values.

    Raises:
        UnknownNameError: no such cost.
    """
    records = list(records)
    layer = layer_numbers(records, metric=metric, cost=cost)
    ordered = _ordered(records, layer, metric, cost)
    rank = _ranks(ordered, layer)
    columns = {
        "rank": [rank.get(r.trial) for r in ordered],
        **_columns(ordered, metric, _other_metrics(records, metric)),
        "pareto": [layer.get(r.trial) for r in ordered],
        **{name: [getattr(r, name) for r in ordered] for name in ("trial", "seed", "reason")},
    }
    scores = [name for name in columns if name.startswith(("val_", "test_"))]
    scores += [name for name in ("repeats_low", "repeats_high") if name in columns]
    whole = [name for name in _WHOLE if name in columns]
    types = {**dict.fromkeys(whole, "Int64"), **dict.fromkeys((*_NUMBERS, *scores), "float64")}
    # An empty column has no type of its own: a text, until told that it is a number.
    return pd.DataFrame(columns, dtype=None if ordered else object).astype(types)


def ranks(records: Iterable[Record], *, metric: str, cost: str = "flops") -> dict[int, int]:
    """The rank, from 1, of each trial that has one, by trial number."""
    records = list(records)
    layer = layer_numbers(records, metric=metric, cost=cost)
    return _ranks(_ordered(records, layer, metric, cost), layer)


def _ranks(ordered: Sequence[Record], layer: Mapping[int, int]) -> dict[int, int]:
    placed = (record.trial for record in ordered if record.trial in layer)
    return {trial: rank for rank, trial in enumerate(placed, start=1)}


def _ordered(
    records: Sequence[Record], layer: Mapping[int, int], metric: str, cost: str
) -> list[Record]:
    """The records as a board lists them."""
    best = _chosen(records, layer, metric, cost)
    return sorted(
        records, key=lambda r: (r is not best, *_order(r, layer.get(r.trial), metric, cost))
    )


def layer_numbers(records: Iterable[Record], *, metric: str, cost: str) -> dict[int, int]:
    """The non-dominated layer (1 is the front) of each trial that has one, by trial number."""
    lookup(COSTS, cost, "cost", "(--cost)")
    records = list(records)
    trivial = [score_of(r, metric) for r in records if _is_trivial(r)]
    floor = max(trivial, default=-math.inf)
    ranked = [
        r
        for r in records
        if getattr(r, cost) is not None and score_of(r, metric) > floor and not _is_trivial(r)
    ]
    return record_layers(ranked, metric=metric, cost=cost)


def front(records: Iterable[Record], *, metric: str, cost: str = "flops") -> list[Record]:
    """The records that nothing beats in score without costing more, cheapest first."""
    records = list(records)
    layer = layer_numbers(records, metric=metric, cost=cost)
    members = [r for r in records if layer.get(r.trial) == 1]
    return sorted(members, key=lambda r: (getattr(r, cost), r.trial))


def chosen(records: Iterable[Record], *, metric: str, cost: str = "flops") -> Record | None:
    """The strategy that a search hands over; None where no strategy is complete.

    The best by what is to be expected where rows are few, else by validation score; of equal ones
    the surer, then the cheaper. A cascade saves cost and knows no more than its parts: it is the
    best where it is a standard error above all else. What is no better than knowing the target
    alone only where nothing is.
    """
    records = list(records)
    return _chosen(records, layer_numbers(records, metric=metric, cost=cost), metric, cost)


def _chosen(
    records: Sequence[Record], layer: Mapping[int, int], metric: str, cost: str
) -> Record | None:
    able = [r for r in records if r.kind == "strategy" and score_of(r, metric) > -math.inf]
    able = [r for r in able if not r.weights_dropped] or able
    able = [r for r in able if r.trial in layer] or able
    judged = [r for r in able if r.expected is not None]
    raced = [r for r in able if r.cv is not None]  # as runs before there were expectations
    if raced and not judged:
        judged = [replace(r, expected=r.cv) for r in raced]
    best = min(judged or able, key=lambda r: preference(r, metric, cost), default=None)
    return next((r for r in able if best and r.trial == best.trial), None)


def group_of(record: Record) -> Literal["single", "composite", "baseline"]:
    """What a record counts as when composites are held against their parts."""
    if record.kind == "baseline":
        return "baseline"
    return "single" if record.topology == "single" else "composite"


def _is_trivial(record: Record) -> bool:
    return record.kind == "baseline" and record.strategy in TRIVIAL


def _order(record: Record, layer: int | None, metric: str, cost: str) -> tuple[float, ...]:
    return (
        math.inf if layer is None else layer,
        _STATES.index(record.state),
        -score_of(record, metric),
        cost_of(record, cost),
        record.trial,
    )


def _other_metrics(records: Sequence[Record], metric: str) -> tuple[str, ...]:
    """Precision, recall and F1 where classes are guessed, else all that was scored."""
    known = dict.fromkeys(name for r in records for name in r.val)
    names = _GUESSES if "f1" in known or not known else tuple(known)
    return tuple(name for name in names if name != metric)


def _columns(
    records: Sequence[Record], metric: str, others: tuple[str, ...]
) -> dict[str, list[Any]]:
    columns: dict[str, list[Any]] = {name: [getattr(r, name) for r in records] for name in _WORDS}
    columns["topology"] = ["baseline" if r.kind == "baseline" else r.topology for r in records]
    intervals = [r.test_interval or (None, None) for r in records]
    return {
        **columns,
        f"val_{metric}": [r.val.get(metric) for r in records],
        f"test_{metric}": [r.test.get(metric) for r in records],
        "test_low": [low for low, _ in intervals],
        "test_high": [high for _, high in intervals],
        **(_repeats(records) if any(r.repeats for r in records) else {}),
        **{f"val_{name}": [r.val.get(name) for r in records] for name in others},
        **{f"test_{name}": [r.test.get(name) for r in records] for name in others},
        **{name: [getattr(r, name) for r in records] for name in _MEASURES},
    }


def _repeats(records: Sequence[Record]) -> dict[str, list[Any]]:
    intervals = [_seeds_interval(r.repeats) for r in records]
    return {
        "repeats": [len(r.repeats) or None for r in records],
        "repeats_low": [low for low, _ in intervals],
        "repeats_high": [high for _, high in intervals],
    }


def _seeds_interval(scores: Sequence[float]) -> tuple[float | None, float | None]:
    """The 95 % interval of a mean over seeds, by Student's t; nothing of fewer than two."""
    if len(scores) < 2:
        return None, None
    half = _t_quantile(len(scores) - 1) * float(np.std(scores, ddof=1)) / math.sqrt(len(scores))
    mean = float(np.mean(scores))
    return mean - half, mean + half


def _t_quantile(freedom: int) -> float:
    """The 97.5 % quantile of Student's distribution."""
    # Late: most boards have no repeats, and the library takes a moment.
    return float(import_module("scipy.special").stdtrit(freedom, 0.975))


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
        which: `best`, what the search itself chose (see `chosen`); `cheapest`, the cheapest of
            the front that is within one standard error of it, as trees are pruned (Breiman et
            al., 1984); `knee`, the member of the front that stands out farthest from the line
            between its ends, over log cost; or a trial's number.
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
    if which not in ("best", "cheapest", "knee"):
        raise ConfigError(
            f"--pick is best, cheapest, knee or the number of a trial, not {which!r}"
        )
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
    if which == "cheapest":
        bar = score_of(best, metric) - (best.standard_error or 0.0)
        enough = [r for r in members if score_of(r, metric) >= bar]
        return min([*enough, best], key=lambda r: cost_of(r, cost))
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


def _knee(members: Sequence[Record], metric: str, cost: str) -> Record:
    """The front's member farthest above its chord, both axes scaled to 0 ... 1."""
    x = np.log([max(cost_of(r, cost), 1e-12) for r in members])
    y = np.asarray([score_of(r, metric) for r in members])
    if len(members) < 3 or x[-1] == x[0] or y[-1] == y[0]:
        return members[-1]
    above = (y - y[0]) / (y[-1] - y[0]) - (x - x[0]) / (x[-1] - x[0])
    best = int(above.argmax())
    # On a straight or hollow front none stands out: then the best score.
    return members[best] if above[best] > 1e-9 else members[-1]

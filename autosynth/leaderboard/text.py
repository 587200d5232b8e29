"""What a leaderboard says in words: whether composing paid, and what to know of the best."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from autosynth.leaderboard.rank import chosen
from autosynth.number import signed
from autosynth.record import Record


def composing_sentence(composing: Mapping[str, Any] | None) -> str:
    """One sentence on whether composing paid, from a run's `composing.json`, or None."""
    if not composing or composing.get("difference") is None:
        return (
            "Whether composing paid is not known: it takes a complete composite and a "
            "complete single component that costs no more."
        )
    if composing.get("withheld"):
        return f"Whether composing paid cannot be said of this run: {composing['withheld']}."
    baseline = composing.get("baseline")
    others = [composing, *([baseline] if baseline else [])]
    verdict = "Whether composing paid is open in this run"
    if all(each["low"] > 0 for each in others):
        verdict = "Composing paid in this run"
    elif any(each["high"] < 0 for each in others):
        verdict = "Composing did not pay in this run"
    beside = f"; against the baseline {baseline['name']} {_shown(baseline)}" if baseline else ""
    missing = composing.get("singles_not_run", 0)
    note = ""
    if missing:
        note = f" Single components that had no time to train to the end: {missing}."
    return (
        f"{verdict}: the best composite (trial {composing['composite']}) against the front of "
        f"single components (trial {composing['single']}) is "
        f"{_shown(composing, composing['metric'])} over {composing['n']:,} test rows of one "
        f"seed{beside}.{note}"
    )


def _shown(found: Mapping[str, Any], metric: str = "") -> str:
    low, high = signed(found["low"]), signed(found["high"])
    named = " ".join(filter(None, (signed(found["difference"]), metric)))
    return f"{named}, 95 % interval {low} to {high}"


def remarks(records: Iterable[Record], *, metric: str, cost: str = "flops") -> list[str]:
    """What a user should know of the chosen strategy: why it, and whether it may gain yet."""
    records = list(records)
    best = chosen(records, metric=metric, cost=cost)
    if best is None:
        return []
    gaining = (
        f"The best strategy (trial {best.trial}) may gain by a longer training: "
        f"{best.still_gaining}. Give the search more time with --budget."
    )
    return [*_luckier(best, records, metric), *([gaining] if best.still_gaining else [])]


def _luckier(best: Record, records: Sequence[Record], metric: str) -> Iterator[str]:
    """That the highest score is another strategy's, where rows are few."""
    judged = [r for r in records if r.kind == "strategy" and r.expected is not None]
    highest = max(judged, key=lambda r: r.val[metric], default=best)
    if best.expected is not None and highest.val[metric] > best.val[metric]:
        yield (
            f"Trial {highest.trial} has the highest score ({highest.val[metric]:.4f}), but on so "
            f"few rows that is partly luck: beside strategies like it, {highest.expected:.4f} is "
            f"to be expected of it on new rows, and {best.expected:.4f} of trial {best.trial}."
        )

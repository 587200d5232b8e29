"""What a leaderboard says in words: numbers a reader takes in, and whether composing paid."""

from collections.abc import Mapping
from typing import Any

import pandas as pd


def composing_sentence(composing: Mapping[str, Any] | None) -> str:
    """One sentence on whether composing paid, from a run's `composing.json`, or None."""
    if not composing or composing.get("difference") is None:
        return (
            "Whether composing paid is not known: it takes a complete composite and a "
            "complete single component."
        )
    low, high = composing["low"], composing["high"]
    verdict = "Whether composing paid is open in this run"
    if low > 0:
        verdict = "Composing paid in this run"
    elif high < 0:
        verdict = "Composing did not pay in this run"
    missing = composing.get("singles_not_run", 0)
    note = ""
    if missing:
        note = f" Single components that had no time to train to the end: {missing}."
    return (
        f"{verdict}: the best composite (trial {composing['composite']}) against the front of "
        f"single components (trial {composing['single']}) is "
        f"{signed(composing['difference'])} {composing['metric']}, 95 % interval "
        f"{signed(low)} to {signed(high)} over {composing['n']:,} test rows of one seed.{note}"
    )


def human(number: float | None) -> str:
    """A count in three digits: 13.3M, 45.1k, 850; "-" where it is not known."""
    if number is None or pd.isna(number):
        return "-"
    value, units = float(number), iter("kMGT")
    unit = ""
    while abs(value) >= 999.5 and (larger := next(units, "")):
        value, unit = value / 1000, larger
    digits = 0 if abs(value) >= 99.95 or not unit else 1 if abs(value) >= 9.995 else 2
    return f"{value:.{digits}f}{unit}"


def signed(number: float) -> str:
    """A difference of scores with its sign."""
    return f"{number:+.4f}" if abs(number) < 10 else f"{number:+.4g}"

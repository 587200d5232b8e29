"""Finds what tells the series of a panel apart: one column, or two together (store and item).

Takes a table in which times repeat; gives the names of the columns.
"""

from collections.abc import Iterator, Sequence
from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from autosynth.cell import missing_in, numbers_of
from autosynth.data.framing.clock import Moments
from autosynth.errors import DataError

_MOST_NAMELESS = 0.05  # of the rows, that may lack the name of their series
_LEAST_STEPS = 8  # on average, of the series that columns tell apart by themselves
_MOST_KEYS = 16  # columns, of which two may tell series apart together: 120 pairs


def find_panel(
    frame: pd.DataFrame, times: Moments, target: str | None, clock: str, place: str
) -> tuple[str, ...]:
    """The columns that say whose step a row is, where times repeat; none elsewhere.

    One column, or where none does it alone, two together.

    Args:
        frame: the columns, rows in any order.
        times: of each row.
        target: the column that is forecast.
        clock: the column of time.
        place: where the table comes from, for messages.

    Raises:
        DataError: several columns, or pairs of them, would do.
    """
    if not pd.Series(times).duplicated().any():
        return ()
    codes = dict(_candidates(frame, {clock, target}))
    alone: list[tuple[str, ...]] = [(name,) for name in codes]
    pairs: list[tuple[str, ...]] = list(combinations(list(codes)[:_MOST_KEYS], 2))
    for keys in (alone, pairs):
        found: dict[bytes, tuple[str, ...]] = {}
        for names in keys:
            of = _codes_of([codes[name] for name in names])
            there = of >= 0
            if not 1 < of.max() + 1 <= len(frame) / _LEAST_STEPS:
                continue
            if not pd.DataFrame({"of": of, "at": times})[there].duplicated().any():
                # A second name of the same series says no more.
                found.setdefault(of.tobytes(), names)
        if len(found) > 1:
            listed = ", ".join(" and ".join(names) for names in found.values())
            raise DataError(
                f"times in column {clock!r} of {place} repeat, and several columns could say "
                f"whose series a row is of: {listed}. Name one with --group; of two that say it "
                "together, each with a --group of its own."
            )
        if found:
            return next(iter(found.values()))
    return ()


def told_panel(names: Sequence[str]) -> Iterator[str]:
    """What is to be said of columns that were found."""
    if names:
        yield (
            f"{' and '.join(names)}: which series a row is a step of, for times repeat and no "
            "other column tells them apart; --group names another"
        )


def _candidates(
    frame: pd.DataFrame, others: set[str | None]
) -> Iterator[tuple[str, NDArray[np.int64]]]:
    """Columns that may name series, with the code of each row, -1 where it has none."""
    for name in frame.columns:
        gone = missing_in(frame[name])
        if name in others or gone.mean() > _MOST_NAMELESS:
            continue
        numbers = numbers_of(frame[name])
        if numbers is not None and (numbers[~gone] != np.floor(numbers[~gone])).any():
            continue
        codes, names = pd.factorize(frame[name].where(~gone))
        if 1 < len(names) <= len(frame) / _LEAST_STEPS:
            yield str(name), codes.astype(np.int64)


def _codes_of(columns: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    """A code for what a row holds in all columns, in order of appearance; -1 where one lacks."""
    joined = columns[0]
    for codes in columns[1:]:
        wide = np.where((joined < 0) | (codes < 0), -1, joined * (codes.max() + 1) + codes)
        found, _ = pd.factorize(np.where(wide < 0, np.nan, wide))
        joined = found.astype(np.int64)
    return joined

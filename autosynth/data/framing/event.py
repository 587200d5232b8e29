"""Reads interactions: who had what, and when. A table in, events in order of user and time out.

Of what a user had twice the first time counts: a ranking leaves out what the user had before.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from autosynth.cell import missing_in, numbers_of, text_of
from autosynth.data.column.date import read_dates
from autosynth.data.column.dateorder import Dates, dates_of, other_forms
from autosynth.data.column.span import numbers_or_seconds
from autosynth.errors import DataError, did_you_mean


@dataclass(frozen=True, kw_only=True)
class InteractionColumns:
    """Which columns say who, what and when; `time` empty: the order of the rows says when.

    `forms` are the formats of dates that say when; none for numbers.
    """

    user: str
    item: str
    time: str = ""
    forms: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """All that there are."""
        return tuple(name for name in (self.user, self.item, self.time) if name)


@dataclass(frozen=True, kw_only=True)
class Events:
    """Interactions, a user's own together and in order of time.

    `user` and `item` are codes into `users` and `items`, their names; `others` are the columns
    that say something else, row by row.
    """

    users: tuple[str, ...]
    items: tuple[str, ...]
    user: NDArray[np.int64]
    item: NDArray[np.int64]
    others: pd.DataFrame
    warnings: tuple[str, ...] = ()

    @property
    def start(self) -> NDArray[np.int64]:
        """Where the events of each one's user begin."""
        return np.searchsorted(self.user, self.user)

    @property
    def stop(self) -> NDArray[np.int64]:
        """Where the events of each one's user end."""
        return np.searchsorted(self.user, self.user, side="right")

    def only(self, keep: NDArray[Any]) -> "Events":
        """Some of the events, in their order; names and codes stay."""
        others = self.others.iloc[np.flatnonzero(keep)].reset_index(drop=True)
        return replace(self, user=self.user[keep], item=self.item[keep], others=others)

    def among(self, items: Sequence[str]) -> NDArray[np.int64]:
        """The place of each event's item among `items`; -1 for others."""
        place = {name: code for code, name in enumerate(items)}
        return np.array([place.get(name, -1) for name in self.items], dtype=np.int64)[self.item]

    def known(self, items: Sequence[str]) -> "Events":
        """The events with some items, whose codes are then places among `items`."""
        codes = self.among(items)
        left = self.only(codes >= 0)
        return replace(left, items=tuple(items), item=codes[codes >= 0])


def read_events(frame: pd.DataFrame, columns: InteractionColumns, source: str) -> Events:
    """The events of a table.

    Raises:
        DataError: a column is not there, or the one of time holds no time.
    """
    _check_columns(frame, columns, source)
    given = [name for name in (columns.user, columns.item, columns.time) if name]
    moments, told = _moments(frame, columns, source)
    gone = np.any([missing_in(frame[name]) for name in given], axis=0) | ~np.isfinite(moments)
    warnings = [*told]
    if gone.any():
        warnings.append(
            f"{int(gone.sum())} of {len(frame)} interactions lack {' or '.join(given)} and were "
            "left out. Fill them in to have them read"
        )
    frame = frame[~gone].reset_index(drop=True)
    if not columns.time:
        warnings.append("no column of time is named (--time); the order of the rows stands for it")
    user, users = name_codes(frame[columns.user])
    item, items = name_codes(frame[columns.item])
    order = np.lexsort([moments[~gone], user])  # ties: the order of the file
    pairs = pd.Series(user[order] * len(items) + item[order])
    again = pairs.duplicated().to_numpy()
    if again.any():
        warnings.append(
            f"{int(again.sum())} interactions are with what the user had before and were left "
            "out: a ranking is of new items"
        )
    order = order[~again]
    return Events(
        users=users,
        items=items,
        user=user[order],
        item=item[order],
        others=frame.drop(columns=given).iloc[order].reset_index(drop=True),
        warnings=tuple(warnings),
    )


def _check_columns(frame: pd.DataFrame, columns: InteractionColumns, source: str) -> None:
    there = [str(name) for name in frame.columns]
    problems = []
    for what, name, option in (
        ("users", columns.user, "--user"),
        ("items", columns.item, "--target"),
        ("times", columns.time, "--time"),
    ):
        if name in there or (what == "times" and not name):
            continue
        hint = did_you_mean(name, there).replace(" Did", "; did")
        said = f"{name!r} is no column of {source}" if name else f"{source} names none"
        problems.append(f"the column of {what} ({option}): {said}{hint}")
    if problems:
        raise DataError(f"{'. '.join(problems)}. Its columns: {', '.join(there[:12])}.")
    named = [columns.user, columns.item, *filter(None, [columns.time])]
    if len(set(named)) < len(named):
        raise DataError(
            f"users, items and times are columns of their own; {source} is read with "
            f"{', '.join(named)}. Name another with --user, --target or --time."
        )


def name_codes(values: "pd.Series[Any]") -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Codes and names; names that read as numbers in their order, others in alphabetic order."""
    raw, found = pd.factorize(values)
    texts = [text_of(value) for value in found]
    numbers = numbers_of(pd.Series(texts, dtype=object)) if texts else None
    names = sorted(set(texts))
    if numbers is not None:
        # As they were read, in whatever form; what is no number among them stands at the end.
        value = dict(zip(texts, np.nan_to_num(numbers, nan=np.inf).tolist(), strict=True))
        names.sort(key=value.__getitem__)
    place = {text: code for code, text in enumerate(names)}
    return np.array([place[text] for text in texts], dtype=np.int64)[raw], tuple(names)


def time_of(
    frame: pd.DataFrame, columns: InteractionColumns, detail: str
) -> tuple[InteractionColumns, Dates | None]:
    """The columns with the formats of their times, if these are dates, and how they were found.

    `detail` is the format that the user says.
    """
    if columns.time not in frame or (not detail and numbers_of(frame[columns.time]) is not None):
        return columns, None
    dates = dates_of(frame[columns.time], frame, detail=detail)
    return (replace(columns, forms=dates.forms) if dates else columns), dates


def _moments(
    frame: pd.DataFrame, columns: InteractionColumns, source: str
) -> tuple[NDArray[Any], Sequence[str]]:
    """When each row was, as a number that grows, NaN where it is not told; and what is said."""
    if not columns.time:
        return np.arange(len(frame)), ()
    values = frame[columns.time]
    told: Sequence[str] = ()
    moments = None if columns.forms else numbers_or_seconds(values)
    if moments is None:
        forms = columns.forms
        if not forms:  # of a model that was saved without
            dates = dates_of(values, frame)
            forms = dates.forms if dates else ()
        if forms:
            forms, told = other_forms(values, forms)
            moments = read_dates(values, forms)[0]
    if moments is None or not np.isfinite(moments).any():
        raise DataError(
            f"column {columns.time!r} of {source} says when (--time): numbers that grow, or "
            f"dates; row 0 holds {text_of(values.iloc[0])!r}. Name another column, or "
            "leave --time out where the rows stand in order."
        )
    return moments, told


def listed(names: Sequence[str], most: int = 5) -> str:
    """The first of some names."""
    return ", ".join(names[:most]) + (", ..." if len(names) > most else "")

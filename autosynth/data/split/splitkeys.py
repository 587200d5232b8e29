"""What decides which rows are held out, beside chance: the column of a group, or of a time."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from autosynth.cell import numbers_of
from autosynth.data.column.date import find_formats, read_dates
from autosynth.data.source.rows import BatchedRows
from autosynth.errors import DataError, did_you_mean

_LISTED = 12


@dataclass(frozen=True, kw_only=True)
class SplitKeys:
    """`groups` `(n,)` labels, `times` `(n,)` numbers that grow with time; None where not asked."""

    groups: NDArray[Any] | None = None
    times: NDArray[np.float64] | None = None

    @property
    def asked(self) -> str:
        """How rows are split, where they are not drawn one by one."""
        if self.groups is not None:
            return "by group"
        return "by time" if self.times is not None else ""

    def only(self, keep: NDArray[np.int64]) -> "SplitKeys":
        """Of these rows alone."""
        return SplitKeys(
            groups=None if self.groups is None else self.groups[keep],
            times=None if self.times is None else self.times[keep],
        )


def split_keys_of(
    table: BatchedRows, group: str | None, time: str | None, source: str
) -> SplitKeys:
    """The values of the columns `group` and `time` of a table.

    Raises:
        DataError: there is no such column, or it holds no times.
    """
    groups = _column(table, group, "--group", source)
    times = _column(table, time, "--time", source)
    return SplitKeys(
        groups=None if groups is None else groups.to_numpy(dtype=object),
        times=None if times is None else _times(times, source),
    )


def _column(
    table: BatchedRows, name: str | None, option: str, source: str
) -> "pd.Series[Any] | None":
    if name is None:
        return None
    check_column(name, table.columns, f"{option} {name!r}", source)
    return table[name]


def check_column(name: str, columns: Iterable[str], what: str, place: str) -> None:
    """Raise `DataError` where `name` is none of the columns of `place`; `what` says what it is."""
    there = list(columns)
    if name not in there:
        raise DataError(
            f"{what} is no column of {place}; its columns: {', '.join(there[:_LISTED])}."
            f"{did_you_mean(name, there)}"
        )


def _times(values: "pd.Series[Any]", source: str) -> NDArray[np.float64]:
    numbers = numbers_of(values)
    if numbers is not None:
        return numbers
    forms = find_formats(values)
    if not forms:
        shown = ", ".join(repr(str(value)) for value in values.dropna().unique()[:3])
        raise DataError(
            f"--time {str(values.name)!r} of {source} holds neither dates nor numbers, but "
            f"{shown}. Name another column, or write its dates as 2024-01-31."
        )
    return read_dates(values, forms)[0]

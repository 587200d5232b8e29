"""What decides which rows are held out, beside chance: the column of a group, or of a time."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from autosynth.cell import missing_in, text_of
from autosynth.data.column.choice import means
from autosynth.data.column.date import read_dates
from autosynth.data.column.dateorder import Dates, dates_of
from autosynth.data.column.span import numbers_or_seconds
from autosynth.data.source.rows import BatchedRows
from autosynth.errors import DataError, did_you_mean

_LISTED = 12


@dataclass(frozen=True, kw_only=True)
class SplitKeys:
    """`groups` `(n,)` labels, `times` `(n,)` numbers that grow with time; None where not asked.

    Where it was no matter of course how the column `time` is read, `dates` says it; `lost` says
    how many rows have no group or no time.
    """

    groups: NDArray[Any] | None = None
    times: NDArray[np.float64] | None = None
    time: str = ""
    group: tuple[str, ...] = ()
    dates: Dates | None = None
    lost: tuple[str, ...] = ()

    @property
    def asked(self) -> str:
        """How rows are split, where they are not drawn one by one."""
        if self.groups is not None:
            return "by group"
        return "by time" if self.times is not None else ""

    def only(self, keep: NDArray[np.int64]) -> "SplitKeys":
        """Of these rows alone."""
        return replace(
            self,
            groups=None if self.groups is None else self.groups[keep],
            times=None if self.times is None else self.times[keep],
        )

    @property
    def assumed(self) -> tuple[str, ...]:
        """How times were read, where that was assumed."""
        return (f"{self.time}: {self.dates.assumed}",) if self.dates and self.dates.assumed else ()

    @property
    def warnings(self) -> tuple[str, ...]:
        """Of times that may be read otherwise, and of rows without a time or a group."""
        doubt = self.dates.doubt if self.dates else ""
        return (*((f"column {self.time!r}: {doubt}",) if doubt else ()), *self.lost)

    def kinds_of(self, columns: Iterable[str], told: Mapping[str, str]) -> dict[str, str]:
        """The kinds that inputs are `told` to be, with the column of time as it is read here.

        A column that is told for its part in the split alone is none of the inputs' `columns`.
        """
        there = set(columns)
        own = {self.time: f"date:{self.dates.forms[0]}"} if self.dates else {}
        keys = {name for name in (self.time, *self.group) if name and name not in there}
        return {
            name: kind
            for name, kind in {**own, **told}.items()
            if not any(means(name, key) for key in keys) or any(means(name, c) for c in there)
        }


def split_keys_of(
    table: BatchedRows,
    group: Sequence[str],
    time: str | None,
    source: str,
    detail: str = "",
) -> SplitKeys:
    """The values of the columns `group` and `time` of a table; `detail` is the format of dates.

    Of several columns of groups, rows are of one group that are alike in all of them.

    Raises:
        DataError: there is no such column, or it holds no times.
    """
    columns = [_column(table, name, "--group", source) for name in group]
    labels = joint_labels([each for each in columns if each is not None])
    values = _column(table, time, "--time", source)
    groups = times = dates = None
    lost: list[str] = []
    if labels is not None:
        alone = missing_in(labels)
        groups = np.array(labels, dtype=object)
        groups[alone] = None
        lost += _without(labels, alone, "no group", "each counts as a group of its own")
    if values is not None:
        times, dates = _times(values, table, source, detail)
        told = "they count as the oldest, which are trained on"
        lost += _without(values, np.isnan(times), "no time", told)
    return SplitKeys(
        groups=groups,
        times=times,
        group=tuple(group),
        time=time or "",
        dates=dates,
        lost=tuple(lost),
    )


def joint_labels(columns: "Sequence[pd.Series[Any]]") -> "pd.Series[Any] | None":
    """What several columns say together (`store=1, item=7`), nothing where one says nothing.

    One column is what it is.
    """
    if len(columns) < 2:
        return columns[0] if columns else None
    gone = np.any([missing_in(each) for each in columns], axis=0)
    rows = zip(
        *([f"{each.name}={text_of(cell)}" for cell in each] for each in columns), strict=True
    )
    name = ", ".join(str(each.name) for each in columns)
    joined = pd.Series(list(map(", ".join, rows)), columns[0].index, dtype=object, name=name)
    return joined.mask(gone)


def _without(
    values: "pd.Series[Any]", lost: NDArray[np.bool_], what: str, then: str
) -> Iterator[str]:
    """A warning about rows that do not say where they belong."""
    if lost.any():
        first = int(np.flatnonzero(lost)[0])
        yield (
            f"column {str(values.name)!r}: {int(lost.sum())} of {len(lost)} rows hold {what}, the "
            f"first is row {first} with {values.iloc[first]!r}; {then}. Fill them in, or take "
            "these rows out"
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


def _times(
    values: "pd.Series[Any]", table: BatchedRows, source: str, detail: str
) -> tuple[NDArray[np.float64], Dates | None]:
    """Numbers that grow with time, and how dates are read where that has to be told."""
    numbers = None if detail else numbers_or_seconds(values)
    if numbers is not None:
        return numbers, None

    def beside() -> pd.DataFrame:
        frame: pd.DataFrame = table.only(table.sample(np.arange(len(table)))).whole()
        return frame

    dates = dates_of(values, beside, detail=detail)
    if dates is None:
        shown = ", ".join(repr(str(value)) for value in values.dropna().unique()[:3])
        raise DataError(
            f"--time {str(values.name)!r} of {source} holds neither dates nor numbers, but "
            f"{shown}. Name another column, or write its dates as 2024-01-31."
        )
    times = read_dates(values, dates.forms)[0]
    if np.isnan(times).all():
        raise DataError(
            f"--time {str(values.name)!r} of {source} holds no date that {dates.forms[0]!r} "
            f"reads, but {str(values.dropna().iloc[0])!r}. Say how it writes them: --column "
            f'"{values.name}=date:%d/%m/%Y".'
        )
    return times, dates if dates.assumed or dates.doubt else None

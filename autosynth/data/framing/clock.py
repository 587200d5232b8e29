"""The column of time: which one it is, what its cells mean, and how time goes from step to step.

Takes a column; gives moments as numbers, and the `TimeGrid` that they stand on: an even step, days
without those of the week that never occur, or months. A row that lacks shows as a hole in it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from autosynth.data.column.choice import date_detail
from autosynth.data.column.date import read_dates
from autosynth.data.column.dateorder import Dates, dates_of, other_forms
from autosynth.data.column.span import numbers_or_seconds
from autosynth.data.split.splitkeys import check_column
from autosynth.errors import DataError

Moments = NDArray[np.float64]
"""Days since 1970-01-01 of dates, and numbers as they are; NaN where missing."""

_OFF = 0.1  # of a step, that a moment may be beside its place
_REGULAR = 0.99  # of the steps, that stand on the grid of a regular clock
_MONTH = 27.5  # days; a step of as many is one of the calendar
_WEEKS = 4  # after which a day of the week that never occurs is none of the clock
_MONDAY = 3  # 1970-01-01 was a Thursday
_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_UNITS = (("days", 1.0), ("hours", 24.0), ("minutes", 1_440.0), ("seconds", 86_400.0))


@dataclass(frozen=True, kw_only=True)
class Clock:
    """The column of time: `forms` are those of dates, none for numbers."""

    name: str
    forms: tuple[str, ...] = ()

    def read(self, column: "pd.Series[Any]") -> tuple[Moments, Sequence[str]]:
        """The moments of a column, and what is said of the way they are written."""
        if self.forms:
            forms, told = other_forms(column, self.forms)
            return read_dates(column, forms)[0], told
        numbers = numbers_or_seconds(column)
        if numbers is None:
            coerced = pd.to_numeric(column.astype(object), errors="coerce")
            numbers = coerced.to_numpy(dtype=np.float64, na_value=np.nan)
        return np.where(np.isfinite(numbers), numbers, np.nan), ()

    def text(self, moment: float) -> str:
        """A moment that stands in no cell, as its cell would say it."""
        if not self.forms:
            return f"{moment:g}"
        found = np.datetime64(round(moment * 86_400), "s")
        return str(found).replace("T", " ").removesuffix(" 00:00:00")


def find_clock(
    frame: pd.DataFrame, time: str | None, place: str, kinds: Mapping[str, str] | None = None
) -> tuple[Clock | None, Dates | None]:
    """The column of time: the one named, or the first that holds dates; and how these are read.

    Where those of the first repeat, another may be finer: the one with the most dates. `kinds` are
    those that columns are said to be.

    Raises:
        DataError: the one named is not there, or gives no order.
    """
    if time is None:
        read = ((column, _dates(frame, column, kinds)) for column in frame.columns)
        clocks = ((Clock(name=column, forms=d.forms), d) for column, d in read if d)
        first = next(clocks, None)
        if first is None:
            return None, None
        if not frame[first[0].name].duplicated().any():
            return first
        return max([first, *clocks], key=lambda found: frame[found[0].name].nunique())
    check_column(time, frame.columns, f"column {time!r}, of time,", place)
    dates = _dates(frame, time, kinds)
    if dates is None and numbers_or_seconds(frame[time]) is None:
        raise DataError(
            f"column {time!r} of {place} gives no order of time: {frame[time].iloc[0]!r} is "
            "neither a date nor a number. Name another with --time, or write dates as 2024-05-31."
        )
    return Clock(name=time, forms=dates.forms if dates else ()), dates


def _dates(frame: pd.DataFrame, column: str, kinds: Mapping[str, str] | None) -> Dates | None:
    return dates_of(frame[column], frame, detail=date_detail(column, kinds))


@dataclass(frozen=True, kw_only=True)
class TimeGrid:
    """Where the steps of a series may stand in time, one after another.

    - even: every `size` days, or units of a clock of numbers;
    - weekdays: every day but those of the week whose letter in `week`, from Monday, is 0;
    - months: every `months` months, on the day `day` from 0, or on the last of a shorter month.
    """

    rule: Literal["even", "weekdays", "months"] = "even"
    size: float = 1.0
    week: str = "1111111"
    months: int = 1
    day: int = 0

    def to_dict(self) -> dict[str, Any]:
        """The grid as JSON-able data."""
        return asdict(self)

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Self:
        """The grid of `to_dict`."""
        return cls(**plain)

    def jumps(self, moments: Moments) -> NDArray[np.float64]:
        """How many steps of the grid it is from each moment (n,) to the next, (n - 1,)."""
        if self.rule == "even":
            return np.diff(moments) / self.size
        days = _days_of(moments)
        if self.rule == "weekdays":
            # A moment on a day that the week is without stands between two steps.
            off = 0.5 * ~np.is_busday(days, weekmask=self.week)
            return np.asarray(np.busday_count(days[:-1], days[1:], weekmask=self.week) + off[1:])
        months = days.astype("datetime64[M]").astype(np.int64)
        return np.asarray(np.diff(months) / self.months, dtype=np.float64)

    def after(self, moments: Moments, steps: NDArray[np.int64] | int = 1) -> Moments:
        """The moments that stand some steps after others."""
        if self.rule == "even":
            return moments + self.size * steps
        days = _days_of(moments)
        hours = moments - days.astype(np.float64)
        if self.rule == "weekdays":
            to = np.busday_offset(days, steps, roll="backward", weekmask=self.week)
            return np.asarray(to.astype(np.float64) + hours)
        to = days.astype("datetime64[M]").astype(np.int64) + np.asarray(steps) * self.months
        starts, last = (
            each.astype("datetime64[M]").astype("datetime64[D]").astype(np.float64)
            for each in (to, to + 1)
        )
        return np.asarray(starts + np.minimum(self.day, last - starts - 1) + hours)

    def about(self, *, dates: bool) -> str:
        """The usual step, in the largest unit in which it is one or more."""
        if not dates:
            return f"{self.size:g}"
        if self.rule == "months":
            years = self.months % 12 == 0
            count, unit = (self.months // 12, "year") if years else (self.months, "month")
            return f"{count} {unit}{'s' * (count > 1)}"
        unit, scale = next(
            ((unit, scale) for unit, scale in _UNITS if self.size * scale >= 1 - 1e-6), _UNITS[-1]
        )
        without = [day for day, is_in in zip(_WEEKDAYS, self.week, strict=True) if is_in == "0"]
        more = f", without {' and '.join(without)}" if without else ""
        return f"{round(self.size * scale, 3):g} {unit}{more}"


@dataclass(frozen=True, eq=False, kw_only=True)
class When:
    """The time of each step: `moments` (n,), on a `grid`.

    It stands in `cells` at the `rows` (n,) of the table; -1 where a step was put in.
    """

    clock: Clock
    grid: TimeGrid
    moments: Moments
    cells: "pd.Series[Any]"
    rows: NDArray[np.int64]

    def only(self, at: NDArray[np.int64]) -> "When":
        """That of some steps, in order."""
        return replace(self, moments=self.moments[at], rows=self.rows[at])

    def labels(self, at: NDArray[np.int64]) -> list[str]:
        """How the table says the times of some steps."""
        said = [str(cell) for cell in self.cells.iloc[np.maximum(self.rows[at], 0)].tolist()]
        for place in np.flatnonzero(self.rows[at] < 0):
            said[int(place)] = self.clock.text(float(self.moments[at[place]]))
        return said

    def label(self, at: int) -> str:
        """How the table says the time of a step."""
        return self.labels(np.array([at]))[0]


def _days_of(moments: Moments) -> NDArray[np.datetime64]:
    """The day of each moment; of a millisecond less than midnight the next."""
    return np.floor(moments + 1e-8).astype(np.int64).astype("datetime64[D]")


def find_grid(series: Sequence[Moments], *, dates: bool) -> TimeGrid:
    """The grid on which nearly all moments of some series stand, each in order of time."""
    sizes = np.concatenate([np.diff(moments) for moments in series] or [np.array([])])
    if not len(sizes):
        return TimeGrid()
    even = TimeGrid(size=float(np.median(sizes)))
    if not dates:
        return even
    if even.size >= _MONTH:
        whole = TimeGrid(rule="months", size=even.size)
        jumps = np.concatenate([whole.jumps(moments) for moments in series])
        dated = _days_of(np.concatenate(series))
        day = int((dated - dated.astype("datetime64[M]")).astype(np.int64).max())
        months = replace(whole, months=max(1, int(np.median(jumps))), day=day)
        return months if _share(months, series) >= _REGULAR else even
    if abs(even.size - 1) < 1e-6 and _share(even, series) >= _REGULAR:
        days = np.floor(np.concatenate(series) + 1e-8)
        there = np.isin(np.arange(7), (days + _MONDAY) % 7)
        if not there.all() and np.ptp(days) >= 7 * _WEEKS:
            week = "".join("1" if each else "0" for each in there)
            return TimeGrid(rule="weekdays", size=1.0, week=week)
    return even


def _share(grid: TimeGrid, series: Sequence[Moments]) -> float:
    """The share of steps that end on the grid."""
    jumps = np.concatenate([grid.jumps(moments) for moments in series])
    return float(on_grid(jumps).mean()) if len(jumps) else 0.0


def on_grid(jumps: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which jumps are one or more whole steps of a grid."""
    return (np.abs(jumps - jumps.round()) <= _OFF) & (jumps.round() >= 1)


def is_regular(jumps: NDArray[np.float64]) -> bool:
    """Whether nearly all jumps are whole steps of the grid."""
    return not len(jumps) or bool(on_grid(jumps).mean() >= _REGULAR)

"""Decides which comes first in dates that may be read in two ways: the day, or the month.

Takes a column whose cells fit both, in the order of its file, and the columns beside it; gives the
reading that something speaks for, and says what: that the rows then stand in order, that steps are
regular, that all are firsts of months, that no day is a weekend, that other dates of the table are
written so, or agree. Where nothing does, one is taken, and it is a warning.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from autosynth.cell import numbers_of, without_no_value
from autosynth.data.column.date import (
    DATES,
    MIN_READ,
    DateForms,
    are_moments,
    different_texts,
    find_dates,
    read_dates,
    read_texts,
)
from autosynth.data.column.dateformat import DAY_FIRST, ISO, order_of

_Days = NDArray[np.float64]

# Shares of rows: as good as all, what is less than that (of dates in order read the other way
# round 11 steps of 12 may still go up), and few.
_ALL, _MOST, _FEW = 0.98, 0.95, 0.5
_CENTURY = "years of two digits are those from 1969 to 2068; write four digits where that is wrong"
_MIN_STEPS = 8
_GAP = 1.5  # of the usual step; a longer one is none
_REGULAR, _TIMES = 0.4, 3.0
_MIN_DATES = 20
_WORKDAYS = 5
_THURSDAY = 3  # 1970-01-01, where Monday is 0
_MONTH_NAME, _DAY_NAME = re.compile(r"(?i)mon(th)?s?($|[^a-z])"), re.compile(r"(?i)day|dom")
_MOST_ROWS = 20_000
_MOST_COLUMNS = 200


@dataclass(frozen=True, kw_only=True)
class Dates:
    """How a column of dates is read: its formats, what was assumed, and a warning or none."""

    forms: tuple[str, ...]
    assumed: str = ""
    doubt: str = ""


def dates_of(
    values: "pd.Series[Any]",
    beside: Callable[[], pd.DataFrame] | pd.DataFrame,
    *,
    detail: str = "",
    named: bool = False,
) -> Dates | None:
    """How a column of dates is read, all considered; None if it is none.

    Args:
        values: its cells, in the order of the file.
        beside: rows of all columns in their order; a function is called if they are needed.
        detail: the format that the user says, which goes before everything.
        named: the user says that they are dates.
    """
    if detail:
        return Dates(forms=(detail,))
    found = find_dates(values, named=named)
    if found is None:
        return None
    if len(orders := _orders(found.forms)) > 1:
        both = (
            f"some dates fit {orders[0]} alone and others {orders[1]} alone; those that fit both "
            f"are read {orders[0]} ({found.forms[0]}). Write all in one way"
        )
        return Dates(forms=found.forms, doubt=both)
    if not found.rivals:
        return Dates(forms=found.forms, assumed=_of_course(values, found))
    frame = beside() if callable(beside) else beside
    return _settle(frame[values.name], found, _dates_beside(values, frame), frame)


def _orders(forms: Sequence[str]) -> list[str]:
    """The different orders of numbers among formats."""
    return list(dict.fromkeys(order for form in forms if (order := order_of(form))))


def _dates_beside(values: "pd.Series[Any]", frame: pd.DataFrame) -> dict[str, DateForms]:
    """The other columns of dates, by name; those of which the order of the rows tells are sure."""
    dates = {}
    for name in frame.columns:
        found = None if name == values.name else find_dates(frame[name])
        if found is not None and found.rivals:
            readings = {found.order: found.forms, **found.rivals}
            order, _ = _decided(frame[name], readings, {}, frame[[name]])
            if order:
                found = DateForms(forms=readings[order], order=order)
        if found is not None:
            dates[str(name)] = found
    return dates


def other_forms(
    values: "pd.Series[Any]", forms: Sequence[str]
) -> tuple[tuple[str, ...], Sequence[str]]:
    """The formats with which to read more of a column than in training, and what is said of it.

    A format is another one than in training where just one reads nearly all values, or nearly all
    that are left; of two, the one that puts day and month as in training, or that something
    speaks for.
    """
    present = without_no_value(values).dropna()
    if not len(present) or are_moments(present):
        return tuple(forms), ()
    known = () if list(forms) == [DATES] else tuple(forms)
    texts = different_texts(present)
    lost = texts[read_texts(texts, known).isna()] if known else texts
    if not len(lost):
        return known, ()
    order = next(iter(_orders(known)), "")
    what = (
        f"column {values.name!r}: {len(lost)} of {len(texts)} different dates are written "
        "otherwise than in training rows"
    )
    whole = [(texts, ())] if len(lost) > (1 - MIN_READ) * len(texts) else []
    for part, kept in (*whole, (lost, known)):
        found = find_dates(part, named=True)
        if found is None or len(_orders(found.forms)) > 1:
            continue
        read = (
            found.forms
            if not found.rivals
            else {found.order: found.forms, **found.rivals}.get(order)
        )
        if read is None:
            settled = dates_of(part, part.to_frame())
            assert settled is not None
            if settled.doubt:
                both = " and ".join(form for form, *_ in (found.forms, *found.rivals.values()))
                return known, (f"{what}, and fit {both} alike; they are missing",)
            read = settled.forms
        if not known and read == (ISO,):  # what was a date of pandas is saved as text so
            return read, ()
        told = f"{what}; read as {' or '.join(read)}"
        if kept and order and order_of(read[0]) not in ("", order):
            told += f"; those that fit both are read {order}"
        return (*kept, *read), (told,)
    return tuple(forms), ()


def _settle(
    values: "pd.Series[Any]", found: DateForms, dates: Mapping[str, DateForms], frame: pd.DataFrame
) -> Dates:
    """The reading of a column that something speaks for.

    Args:
        values: the cells of the column.
        found: the readings that fit them.
        dates: the other columns of dates beside it, by name.
        frame: the same rows of all columns.
    """
    readings = {found.order: found.forms, **found.rivals}
    order, why = _decided(values, readings, dates, frame)
    first = order or found.order
    other = next(each for each in readings if each != first)
    cure = f'--column "{values.name}=date:{readings[other][0]}"'
    told = f"dates that fit {first} and {other} alike; read {first} ({readings[first][0]})"
    if order or (first == DAY_FIRST and "." in found.forms[0]):
        why = why or "as dates with points are written"
        more = f". Its {_CENTURY}" if "%y" in readings[first][0] else ""
        return Dates(forms=readings[first], assumed=f"{told}: {why}. {cure} reads the other{more}")
    doubt = f"{told}, as nothing speaks for either. If that is wrong, say {cure}"
    return Dates(forms=readings[first], assumed="", doubt=doubt)


def _of_course(values: "pd.Series[Any]", found: DateForms) -> str:
    """What is to be said of dates that fit one reading."""
    if found.numbers:
        return (
            f"whole numbers that are all dates ({found.forms[0]}), and read as such. "
            f'--column "{values.name}=number" reads numbers'
        )
    if any("%y" in form for form in found.forms):
        return f"its {_CENTURY}"
    return ""


def _decided(
    values: "pd.Series[Any]",
    readings: Mapping[str, tuple[str, ...]],
    dates: Mapping[str, DateForms],
    frame: pd.DataFrame,
) -> tuple[str, str]:
    """The order that something speaks for, and what does; empty if nothing."""
    rows = np.argsort(values.index.to_numpy(), kind="stable")[:_MOST_ROWS]
    values = values.iloc[rows]
    days = {order: read_dates(values, forms)[0] for order, forms in readings.items()}
    ways: tuple[tuple[Callable[[], str], str], ...] = (
        (lambda: _compact(days), "so they are of few years"),
        (lambda: _one(days, _in_order, _ALL, _MOST), "so the rows stand in order"),
        (lambda: _regular(days), "so the steps between them are regular"),
        (lambda: _firsts(days), "so all are the first of a month"),
        (lambda: _one(days, _on_workdays, _ALL, _ALL - 1e-9), "so none is on a weekend"),
        (lambda: _alike(dates, readings), "so are the other dates of the table"),
        (lambda: _of_parts(days, frame.iloc[rows]), "so they agree with a column of numbers"),
        (lambda: _beside(days, dates, frame.iloc[rows]), "so they stand on one side of others"),
        (lambda: _by_comma(readings, frame.iloc[rows]), "so are numbers with a decimal comma"),
    )
    for decide, why in ways:
        if order := decide():
            return order, why
    return "", ""


def _one(
    days: Mapping[str, _Days], share: Callable[[_Days], float], least: float, most: float
) -> str:
    """The only reading of which a share is `least` or more, and of the others less than `most`."""
    shares = {order: share(each) for order, each in days.items()}
    best = max(shares, key=shares.__getitem__)
    others = [value for order, value in shares.items() if order != best]
    return best if shares[best] >= least and max(others) < most else ""


def _compact(days: Mapping[str, _Days]) -> str:
    """The reading that has far fewer different years, where these have two digits."""
    years = {
        order: len(np.unique(_dates(each).astype("datetime64[Y]"))) for order, each in days.items()
    }
    best = min(years, key=years.__getitem__)
    others = [count for order, count in years.items() if order != best]
    return best if min(others) >= _TIMES * years[best] else ""


def _in_order(days: _Days) -> float:
    """The share of steps from row to row, of those that are any, that go the same way."""
    steps = np.diff(days[np.isfinite(days)])
    steps = steps[steps != 0]
    if len(steps) < _MIN_STEPS:
        return 0.0
    return float(max((steps > 0).mean(), (steps < 0).mean()))


def _steps(days: _Days) -> _Days:
    return np.diff(np.unique(days[np.isfinite(days)]))


def _evenness(days: _Days) -> float:
    """The share of the time between first and last that steps of the usual length cover."""
    steps = _steps(days)
    if len(steps) < 2:
        return 0.0
    usual = np.median(steps)
    return float(steps[(steps <= _GAP * usual) & (steps * _GAP >= usual)].sum() / steps.sum())


def _regular(days: Mapping[str, _Days]) -> str:
    """The reading whose steps are far more regular than those of any other."""
    shares = {order: _evenness(each) for order, each in days.items()}
    best = max(shares, key=shares.__getitem__)
    second = max(value for order, value in shares.items() if order != best)
    enough = len(_steps(days[best])) >= 2
    return best if enough and shares[best] >= max(_REGULAR, _TIMES * second) else ""


def _firsts(days: Mapping[str, _Days]) -> str:
    """The reading in which all are firsts of months.

    Of less than a whole year these may as well be the days of one January.
    """
    first = _one(days, _on_first, _ALL, _FEW)
    if not first:
        return ""
    months = np.unique(days[first][np.isfinite(days[first])])
    january = [each for order, each in days.items() if order != first]
    as_regular = any(_evenness(each) >= _MOST for each in january)
    return first if len(months) >= 12 or (len(months) > 2 and not as_regular) else ""


def _dates(days: _Days) -> NDArray[np.datetime64]:
    return np.floor(days[np.isfinite(days)]).astype("datetime64[D]")


def _on_first(days: _Days) -> float:
    dates = _dates(days)
    return float((dates == dates.astype("datetime64[M]")).mean()) if len(dates) else 0.0


def _on_workdays(days: _Days) -> float:
    """The share of dates, of many different ones, that is on workdays."""
    dates = np.unique(_dates(days)).astype(np.int64)
    if len(dates) < _MIN_DATES:
        return 0.0
    return float(((dates + _THURSDAY) % 7 < _WORKDAYS).mean())


def _alike(dates: Mapping[str, DateForms], readings: Mapping[str, Any]) -> str:
    """The order of the other columns of dates that are written with numbers, if it is one."""
    orders = {each.order for each in dates.values() if each.order and not each.rivals}
    only = orders.pop() if len(orders) == 1 else ""
    return only if only in readings else ""


def _of_parts(days: Mapping[str, _Days], frame: pd.DataFrame) -> str:
    """The reading whose months, days or weekdays stand in a column of numbers.

    Months are those of a column that is called so: what is a month in one reading is the day in
    another.
    """
    for name in list(frame.columns)[:_MOST_COLUMNS]:
        numbers = numbers_of(frame[name])
        if numbers is None or not len(numbers) or np.nanmax(numbers, initial=0) > 366:
            continue
        right = {order: _agreement(each, numbers, str(name)) for order, each in days.items()}
        if order := _one({o: np.array([share]) for o, share in right.items()}, _only, _ALL, _MOST):
            return order
    return ""


def _only(share: _Days) -> float:
    return float(share[0])


def _agreement(days: _Days, numbers: _Days, name: str) -> float:
    """The share of rows whose number is the month, the day or the weekday of its date."""
    known = np.isfinite(days) & np.isfinite(numbers)
    if known.sum() < _MIN_STEPS:
        return 0.0
    dates = np.floor(days[known]).astype("datetime64[D]")
    months = dates.astype("datetime64[M]")
    weekday = (dates.astype(np.int64) + _THURSDAY) % 7
    of_year = (dates - dates.astype("datetime64[Y]")).astype(np.int64) + 1
    parts = [weekday, weekday + 1, (weekday + 1) % 7, (weekday + 1) % 7 + 1]  # from Monday, Sunday
    parts.append(of_year)
    if _DAY_NAME.search(name):
        parts.append((dates - months).astype(np.int64) + 1)
    elif _MONTH_NAME.search(name):
        parts = [months.astype(np.int64) % 12 + 1]
    return max(float((part == numbers[known]).mean()) for part in parts)


def _beside(days: Mapping[str, _Days], dates: Mapping[str, DateForms], frame: pd.DataFrame) -> str:
    """The reading in which all dates are before, or all after, those of a column that is sure."""
    for name, found in dates.items():
        if found.rivals or name not in frame:
            continue
        there = read_dates(frame[name], found.forms)[0]
        if order := _one(
            {order: each - there for order, each in days.items()}, _on_one_side, _ALL, _MOST
        ):
            return order
    return ""


def _on_one_side(apart: _Days) -> float:
    apart = apart[np.isfinite(apart)]
    if len(apart) < _MIN_DATES:
        return 0.0
    return float(max((apart >= 0).mean(), (apart <= 0).mean()))


def _by_comma(readings: Mapping[str, Any], frame: pd.DataFrame) -> str:
    """Day first, where a column writes numbers with a decimal comma.

    No one who has the month first does.
    """
    if DAY_FIRST not in readings:
        return ""
    for name in list(frame.columns)[:_MOST_COLUMNS]:
        if frame[name].dtype.kind in "biufcmM":
            continue
        texts = frame[name].dropna().astype(str).str.strip()
        comma = texts.str.fullmatch(r"[-+]?(\d+|\d{1,3}(\.\d{3})+),(\d{1,2}|\d{4,})")
        if len(texts) >= _MIN_STEPS and comma.mean() >= _FEW:
            return DAY_FIRST
    return ""

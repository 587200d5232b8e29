"""Reads columns of dates as days since 1970-01-01.

Takes text, whole numbers such as 20240131, or pandas and Python dates of any year; the formats are
found on training rows and kept, so that one date means the same day ever after. A column may hold
up to three: each value is read in the first that fits it, those that read most values first.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from autosynth.cell import numbers_of, text_of, without_no_value
from autosynth.data.column.dateformat import (
    DAY_FIRST,
    ORDERS,
    formats_of,
    order_of,
    parse_dates,
    plain_dates,
)

DATES = "dates"
_MOST_FORMATS = 3
_SAMPLE = 200
_MOST_TEXTS = 20_000  # that are looked at, a tenth of a second; what reads these reads the others
MIN_READ = 0.95
_SHORTEST, _LONGEST = 6, 45  # 1.1.24; Wednesday, 25th of September 2024 12:00:00 PM
_MICROSECONDS_A_DAY = 86_400_000_000
_YEARS_OF_MONTHS = (1800, 2200)  # a month without a day is of these: 1101-12 is a code
_DIGITS = {"%Y%m%d": 8, "%Y%m": 6, "%Y%m%d%H%M": 12, "%Y%m%d%H%M%S": 14}
"""How whole numbers write dates, and in how many digits."""
_YEARS_OF_NUMBERS = (1900, 2100)
LEAST_NUMBER = _YEARS_OF_NUMBERS[0] * 10.0 ** (min(_DIGITS.values()) - 4)
"""No whole number that is less is a date by its look."""
_NEVER = 9999  # the year of what has no end
_NAMED = re.compile(
    r"(?i)date|datum|day|time|when|month|period|yyyymm|ymd|(^|[_\W])(dt|ts|dob|on|at)($|[_\W])"
)
# Of numbers of 8 digits one in 27 is a date, of 6 digits (a year and a month) one in 8: so many
# different ones are none by chance.
_MIN_DISTINCT = {8: 10, 6: 20, 12: 10, 14: 10}


@dataclass(frozen=True, kw_only=True)
class DateForms:
    """In what formats a column of dates is written, by its own cells.

    `rivals` are other readings of as many values, by the order of their numbers (`DAY_FIRST`);
    `order` is the one of `forms`, empty where there is none. `numbers` says that the cells are
    whole numbers, and dates by their look.
    """

    forms: tuple[str, ...]
    order: str = ""
    rivals: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    numbers: bool = False


def find_dates(values: "pd.Series[Any]", *, named: bool = False) -> DateForms | None:
    """The formats in which at least 95 % of `values` read as dates; None if they are no dates.

    Args:
        values: cells of one column.
        named: they are said to be dates, so that a few numbers such as 20240131 are enough.
    """
    present = without_no_value(values).dropna()
    if are_moments(present):
        return DateForms(forms=(DATES,))
    numbers = numbers_of(present)
    if numbers is not None:
        return find_number_dates(numbers, str(values.name), named=named)
    if not len(present) or not _look(texts_of(present.iloc[:_SAMPLE])):
        return None
    texts = different_texts(present)
    sample = texts.iloc[:: max(1, len(texts) // _SAMPLE)]
    return _found(texts, sample) if len(sample) and _look(sample) else None


def _found(texts: "pd.Series[Any]", sample: "pd.Series[Any]") -> DateForms | None:
    """The formats of different texts, by some of them; for each order of numbers on its own."""
    read = {form: parse_dates(sample, form) for form in formats_of(plain_dates(sample))}
    there = {order_of(form) for form in read}
    readings = {order: _most(read, order) for order in [o for o in ORDERS if o in there] or [""]}
    counts = {order: _count(read, forms) for order, forms in readings.items()}
    most = max(counts.values(), default=0)
    if most < MIN_READ * len(sample):
        readings = {"": _most(read, *ORDERS)}  # some have the day first, and others the month
    else:
        readings = {order: readings[order] for order in readings if counts[order] == most}
    days = {order: read_texts(texts, forms) for order, forms in readings.items() if forms}
    counts = {order: int(found.notna().sum()) for order, found in days.items()}
    best = max(counts, key=lambda order: (counts[order], _usual(readings[order])), default="")
    if not days or counts[best] < MIN_READ * len(texts):
        return None
    if not _plausible(days[best], readings[best]):
        return None
    rivals = {
        order: readings[order]
        for order in days
        if counts[order] == counts[best] and not days[order].equals(days[best])
    }
    return DateForms(forms=readings[best], order=best, rivals=rivals)


def find_number_dates(
    numbers: NDArray[np.float64], name: str, *, named: bool = False
) -> DateForms | None:
    """The format of whole numbers such as 20240131, where all are dates of our times.

    They are dates if there are many different ones, or a few in a column that is called so by its
    `name`, or `named` so by the user.
    """
    named = named or bool(_NAMED.search(name))
    known = numbers[np.isfinite(numbers)]
    most = float(known.max(initial=0))
    digits = len(f"{most:.0f}")
    form = next((form for form, size in _DIGITS.items() if size == digits), "")
    if not form or float(known.min()) < _YEARS_OF_NUMBERS[0] * 10.0 ** (digits - 4):
        return None
    known = np.unique(known)
    if (known != np.round(known)).any() or not (named or len(known) >= _MIN_DISTINCT[digits]):
        return None
    found = parse_dates(pd.Series([f"{number:.0f}" for number in known]), form)
    years = found.dt.year
    good = found.notna() & (years.between(*_YEARS_OF_NUMBERS) | (years == _NEVER))
    return DateForms(forms=(form,), numbers=True) if good.all() else None


def read_dates(
    values: "pd.Series[Any]", forms: Sequence[str]
) -> tuple[NDArray[np.float64], Sequence[str]]:
    """Days since 1970-01-01 (UTC), NaN where missing; and what could not be read."""
    values = without_no_value(values)
    if list(forms) == [DATES] or are_moments(values.dropna()):
        parsed = _moments(values)
    else:
        parsed = read_texts(texts_of(values), forms)
    days = days_of(parsed)
    lost = int((np.isnan(days) & values.notna().to_numpy()).sum())
    if lost:
        return days, (f"column {values.name!r}: {lost} values are no dates; taken as missing",)
    return days, ()


def days_of(moments: "pd.Series[Any]") -> NDArray[np.float64]:
    """Days since 1970-01-01 of moments in UTC, NaN where there is none."""
    exact = moments.astype("datetime64[us, UTC]")
    numbers = exact.astype("int64").to_numpy(dtype=np.float64) / _MICROSECONDS_A_DAY
    return np.where(exact.isna().to_numpy(), np.nan, numbers)


def are_moments(values: "pd.Series[Any]") -> bool:
    """Whether these are dates of pandas, Arrow or Python already, and no text."""
    if pd.api.types.is_datetime64_any_dtype(values.dtype):
        return True
    if isinstance(values.dtype, pd.ArrowDtype):
        return "date" in str(values.dtype)
    if values.dtype != object:
        return isinstance(values.dtype, pd.PeriodDtype)
    return pd.api.types.infer_dtype(values, skipna=True) in _MOMENTS


_MOMENTS = ("date", "datetime", "datetime64", "period")


def _moments(values: "pd.Series[Any]") -> "pd.Series[Any]":
    if pd.api.types.is_datetime64_any_dtype(values.dtype):
        return pd.to_datetime(values, utc=True, errors="coerce")
    if isinstance(values.dtype, pd.PeriodDtype):
        return values.dt.to_timestamp().dt.tz_localize("UTC")
    cells = values.astype(object).where(values.notna(), None)
    cells = cells.map(lambda cell: cell.to_timestamp() if isinstance(cell, pd.Period) else cell)
    return pd.to_datetime(cells, utc=True, errors="coerce")


def texts_of(values: "pd.Series[Any]") -> "pd.Series[Any]":
    """Cells as texts, whole numbers without a point; None where there is no value."""
    if pd.api.types.infer_dtype(values, skipna=True) == "string":
        return values.astype(object).where(values.notna(), None)
    return values.astype(object).map(text_of, na_action="ignore").where(values.notna(), None)


def different_texts(present: "pd.Series[Any]") -> "pd.Series[Any]":
    """The different texts of cells, without blank ones; of very many, some from everywhere."""
    different = present.drop_duplicates()
    texts = texts_of(different.iloc[:: 1 + len(different) // _MOST_TEXTS]).drop_duplicates()
    return texts[texts.str.strip() != ""]


def _look(texts: "pd.Series[Any]") -> bool:
    short = texts.str.len().between(_SHORTEST, _LONGEST) & texts.str.contains(r"\d", regex=True)
    return bool(short.mean() >= MIN_READ)


def _most(read: Mapping[str, "pd.Series[Any]"], *orders: str) -> tuple[str, ...]:
    """The formats that read most of a sample, one after another, of some orders of numbers."""
    forms = [form for form in read if order_of(form) in ("", *orders)]
    left = next((days.index for days in read.values()), pd.RangeIndex(0))
    enough = (1 - MIN_READ) * len(left)
    found: list[str] = []
    while forms and len(found) < _MOST_FORMATS and len(left) > enough:
        counts = {form: int(read[form].loc[left].notna().sum()) for form in forms}
        best = max(forms, key=counts.__getitem__)
        if not counts[best]:
            break
        found.append(best)
        left = left[read[best].loc[left].isna().to_numpy()]
    return tuple(found)


def _count(read: Mapping[str, "pd.Series[Any]"], forms: Sequence[str]) -> int:
    """How many of a sample one of the formats reads."""
    masks = [read[form].notna().to_numpy() for form in forms]
    return int(np.any(masks, axis=0).sum()) if masks else 0


def _usual(forms: Sequence[str]) -> bool:
    """Whether the day comes first where it usually does: in all but 1/2/2024."""
    return order_of(forms[0]) == DAY_FIRST and "/" not in forms[0]


def _plausible(days: "pd.Series[Any]", forms: Sequence[str]) -> bool:
    """Whether months without a day are of years in which people write months."""
    if any("%d" in form or "%" not in form or "%u" in form for form in forms):
        return True
    return bool(days.dropna().dt.year.between(*_YEARS_OF_MONTHS).mean() >= MIN_READ)


def read_texts(texts: "pd.Series[Any]", forms: Sequence[str]) -> "pd.Series[Any]":
    """The moments of texts, each in the first format that fits it; NaT for others."""
    parsed = parse_dates(texts, forms[0])
    for form in forms[1:]:
        lost = parsed.isna()
        if lost.any():
            again = parse_dates(texts[lost], form).astype("datetime64[us, UTC]")
            parsed = parsed.astype("datetime64[us, UTC]").where(~lost, again)
    return parsed

"""Reads columns of dates as days since 1970-01-01.

Takes text, or pandas and Python dates; the formats are found on training rows and kept, so that
one date means the same day ever after. A column may hold up to three: each value is read in the
first that fits it, those that read most values first.
"""

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

DATES = "dates"
_LOOKS = re.compile(
    r"^\s*(\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}([ T]\d|\s*$)"
    r"|\d{1,2}[ -][A-Za-z]{3,9}[ -,]+\d{4}|[A-Za-z]{3,9} \d{1,2},? \d{4})"
)
_DAYS = (
    *("%m/%d/%Y", "%d/%m/%Y", "%Y/%m/%d", "%d.%m.%Y", "%d-%m-%Y", "%m/%d/%y", "%d/%m/%y"),
    *("%d %b %Y", "%d %B %Y", "%d-%b-%Y", "%b %d, %Y", "%B %d, %Y", "%b %d %Y", "%B %d %Y"),
)
_TIMES = ("", " %H:%M", " %H:%M:%S")
_FORMATS = ("ISO8601", *(day + time for day in _DAYS for time in _TIMES))
_MOST_FORMATS = 3
_SAMPLE = 200
_MIN_READ = 0.95
_SECONDS_A_DAY = 86_400


def find_formats(values: "pd.Series[Any]") -> tuple[str, ...]:
    """The formats in which at least 95 % of `values` read as dates; none if they are no dates."""
    present = values.dropna()
    if _are_dates(present):
        return (DATES,)
    if not len(present) or not _look(present.iloc[:_SAMPLE].astype(str)):
        return ()
    texts = pd.Series(present.astype(str).unique())
    sample = texts.iloc[:: max(1, len(texts) // _SAMPLE)]
    if not _look(sample):
        return ()
    found: list[str] = []
    left = sample
    while len(found) < _MOST_FORMATS and len(left) > (1 - _MIN_READ) * len(sample):
        read = {form: _parse(left, form).notna() for form in _FORMATS}
        best = max(_FORMATS, key=lambda form: int(read[form].sum()))
        if not read[best].any():
            return ()
        found.append(best)
        left = left[~read[best]]
    return tuple(found) if _read(texts, found).notna().mean() >= _MIN_READ else ()


def read_dates(
    values: "pd.Series[Any]", forms: Sequence[str]
) -> tuple[NDArray[np.float64], Sequence[str]]:
    """Days since 1970-01-01 (UTC), NaN where missing; and what could not be read."""
    if list(forms) == [DATES] or _are_dates(values.dropna()):
        parsed = pd.to_datetime(values, utc=True, errors="coerce")
    else:
        parsed = _read(values.astype(object).where(values.notna(), None), forms)
    seconds = (parsed - pd.Timestamp(0, tz="UTC")) / pd.Timedelta(seconds=1)
    days = seconds.to_numpy(dtype=np.float64, na_value=np.nan) / _SECONDS_A_DAY
    lost = int((np.isnan(days) & values.notna().to_numpy()).sum())
    if lost:
        return days, (f"column {values.name!r}: {lost} values are no dates; taken as missing",)
    return days, ()


def _look(texts: "pd.Series[Any]") -> bool:
    return bool(texts.map(lambda text: bool(_LOOKS.match(text))).mean() >= _MIN_READ)


def _are_dates(values: "pd.Series[Any]") -> bool:
    if pd.api.types.is_datetime64_any_dtype(values.dtype):
        return True
    if values.dtype != object:
        return False
    return pd.api.types.infer_dtype(values, skipna=True) in ("date", "datetime", "datetime64")


def _read(texts: "pd.Series[Any]", forms: Sequence[str]) -> "pd.Series[Any]":
    parsed = _parse(texts, forms[0])
    for form in forms[1:]:
        lost = parsed.isna()
        if lost.any():
            parsed = parsed.where(~lost, _parse(texts.where(lost), form))
    return parsed


def _parse(texts: "pd.Series[Any]", form: str) -> "pd.Series[Any]":
    return pd.to_datetime(texts, format=form, utc=True, errors="coerce")

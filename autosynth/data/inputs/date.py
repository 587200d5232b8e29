"""Reads columns of dates as days since 1970-01-01.

Takes text, or pandas and Python dates; the format is found on training rows and kept, so that one
date means the same day ever after.
"""

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

DATES = "dates"
_LOOKS = re.compile(r"^\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}([ T]\d|$)")
_DAYS = ("%m/%d/%Y", "%d/%m/%Y", "%Y/%m/%d", "%d.%m.%Y", "%d-%m-%Y", "%m/%d/%y", "%d/%m/%y")
_TIMES = ("", " %H:%M", " %H:%M:%S")
_FORMATS = ("ISO8601", *(day + time for day in _DAYS for time in _TIMES))
_SAMPLE = 200
_MIN_READ = 0.95
_SECONDS_A_DAY = 86_400


def find_format(values: "pd.Series[Any]") -> str | None:
    """The format in which at least 95 % of `values` read as dates; None if they are no dates."""
    present = values.dropna()
    if _are_dates(present):
        return DATES
    texts = pd.Series(present.astype(str).unique())
    if not texts.iloc[:_SAMPLE].map(lambda text: bool(_LOOKS.match(text))).all():
        return None
    for form in _FORMATS:
        if _parse(texts.iloc[:_SAMPLE], form).notna().mean() < _MIN_READ:
            continue
        if _parse(texts, form).notna().mean() >= _MIN_READ:
            return form
    return None


def read_dates(values: "pd.Series[Any]", form: str) -> tuple[NDArray[np.float64], Sequence[str]]:
    """Days since 1970-01-01 (UTC), NaN where missing; and what could not be read."""
    if form == DATES or _are_dates(values.dropna()):
        parsed = pd.to_datetime(values, utc=True, errors="coerce")
    else:
        parsed = _parse(values.astype(object).where(values.notna(), None), form)
    seconds = (parsed - pd.Timestamp(0, tz="UTC")) / pd.Timedelta(seconds=1)
    days = seconds.to_numpy(dtype=np.float64, na_value=np.nan) / _SECONDS_A_DAY
    lost = int((np.isnan(days) & values.notna().to_numpy()).sum())
    if lost:
        return days, (f"column {values.name!r}: {lost} values are no dates; taken as missing",)
    return days, ()


def _are_dates(values: "pd.Series[Any]") -> bool:
    if pd.api.types.is_datetime64_any_dtype(values.dtype):
        return True
    if values.dtype != object:
        return False
    return pd.api.types.infer_dtype(values, skipna=True) in ("date", "datetime", "datetime64")


def _parse(texts: "pd.Series[Any]", form: str) -> "pd.Series[Any]":
    return pd.to_datetime(texts, format=form, utc=True, errors="coerce")

"""Reads spans of time as numbers of seconds: `1:30:00`, `2 days 03:00:00`, `PT1H30M`, `90 min`.

Takes text, or what pandas, Arrow and Python have for them; a time of day is the span since
midnight. Two numbers alone (`14:05`) are hours and minutes, or minutes and seconds: which of them
is found on training rows, and kept.
"""

import re
from collections.abc import Sequence
from datetime import time, timedelta
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from autosynth.cell import missing_in, numbers_of, text_of, without_no_value

HOURS_FIRST, MINUTES_FIRST = "h:m", "m:s"
SPAN_FORMS = (HOURS_FIRST, MINUTES_FIRST)
"""How a column of spans is read: what two numbers with a colon between them are."""

_DAY = 86_400.0
_YEAR = 365.2425 * _DAY  # as the Gregorian calendar has it on average
_SECONDS = {
    **dict.fromkeys(("y", "yr", "yrs", "year", "years"), _YEAR),
    **dict.fromkeys(("mo", "mos", "mth", "mths", "month", "months"), _YEAR / 12),
    **dict.fromkeys(("w", "wk", "wks", "week", "weeks"), 7 * _DAY),
    **dict.fromkeys(("d", "day", "days"), _DAY),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), 3600.0),
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes"), 60.0),
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), 1.0),
    **dict.fromkeys(("ms", "msec", "millisecond", "milliseconds"), 1e-3),
    **dict.fromkeys(("us", "µs", "μs", "microsecond", "microseconds"), 1e-6),
    **dict.fromkeys(("ns", "nanosecond", "nanoseconds"), 1e-9),
}
_NUMBER = r"\d+(?:[.,]\d+)?"
_UNIT = re.compile(rf"({_NUMBER})\s*([a-zA-Zµμ]+)\.?(?:\s*,\s*|\s+and\s+|\s*)")
_UNITS = re.compile(rf"[-+]?(?:{_UNIT.pattern})+")
_CLOCK = re.compile(
    r"(?P<sign>[-+])?(?:(?P<days>\d+)(?:\.|\s*d(?:ays?)?(?P<whole>,?\s*\+|,)?\s*))?"
    r"(?P<first>\d{1,4}):(?P<second>[0-5]\d)(?::(?P<third>[0-5]\d))?(?P<part>[.,]\d+)?"
    r"(?:\s*(?P<half>[ap])\.?m\.?)?",
    re.IGNORECASE,
)
_ISO = re.compile(
    rf"(?P<sign>[-+])?P(?=.)(?:({_NUMBER})Y)?(?:({_NUMBER})M)?(?:({_NUMBER})W)?(?:({_NUMBER})D)?"
    rf"(?:T(?=.)(?:({_NUMBER})H)?(?:({_NUMBER})M)?(?:({_NUMBER})S)?)?"
)
_ISO_SECONDS = (_YEAR, _YEAR / 12, 7 * _DAY, _DAY, 3600.0, 60.0, 1.0)
_TWO = re.compile(r"[-+]?(\d{1,4}):[0-5]\d")
_THREE = re.compile(r"[-+]?(\d{1,4}):[0-5]\d:")
# One letter behind all numbers is a unit of time if it is one of these: `5 m` are metres, `1980s`
# no seconds and `3D` no days.
_LONE = re.compile(r"[-+]?(?:\d+(?:[.,]\d+)?\s*[hdwy]|\d{1,3}(?:[.,]\d+)?\s*s)")
_LETTER = re.compile(r"[-+]?\d+(?:[.,]\d+)?\s*[a-zA-Z]")
_LOOKS = re.compile(r"[-+]?(?:P[\dT]|\d)")
_MIN_READ = 0.95
_SAMPLE = 200
_LONGEST = 60
_HOURS = 24
_NATIVE = ("timedelta", "timedelta64", "time")


def find_spans(values: "pd.Series[Any]") -> tuple[str, ...]:
    """The form in which at least 95 % of `values` read as spans of time; none if they are none."""
    present = without_no_value(values).dropna()
    if are_spans(present):
        return (HOURS_FIRST,)
    if not len(present) or numbers_of(present.iloc[:_SAMPLE]) is not None:
        return ()
    if not _look(present.iloc[:_SAMPLE]):
        return ()
    texts = pd.Series(list(dict.fromkeys(present.map(text_of))))
    texts = texts[texts != ""]
    if not len(texts) or not _look(texts.iloc[:: max(1, len(texts) // _SAMPLE)]):
        return ()
    if texts.str.fullmatch(_LETTER).mean() >= _MIN_READ:
        letters = set(texts[texts.str.fullmatch(_LETTER)].str[-1])
        if len(letters) == 1 and not texts.str.fullmatch(_LONE).all():
            return ()
    form = _first(texts)
    read = np.array([_seconds(text, form) for text in texts])
    return (form,) if np.isfinite(read).mean() >= _MIN_READ else ()


def read_spans(
    values: "pd.Series[Any]", forms: Sequence[str]
) -> tuple[NDArray[np.float64], Sequence[str]]:
    """Seconds, NaN where missing; and what could not be read."""
    values = without_no_value(values)
    if pd.api.types.is_timedelta64_dtype(values.dtype):
        whole = pd.to_timedelta(values).astype("timedelta64[us]")
        numbers = whole.astype("int64").to_numpy(dtype=np.float64) / 1e6
        return np.where(values.isna().to_numpy(), np.nan, numbers), ()
    codes, found = pd.factorize(values.astype(object))
    seconds = np.array([*(_cell(cell, forms[0]) for cell in found), np.nan])[codes]
    lost = int((np.isnan(seconds) & ~missing_in(values)).sum())
    if lost:
        told = f"column {values.name!r}: {lost} values are no spans of time; taken as missing"
        return seconds, (told,)
    return seconds, ()


def numbers_or_seconds(values: "pd.Series[Any]") -> NDArray[np.float64] | None:
    """`values` as numbers, spans of time as seconds; None where they are neither."""
    numbers = numbers_of(values)
    if numbers is None and (forms := find_spans(values)):
        return read_spans(values, forms)[0]
    return numbers


def said_of_spans(values: "pd.Series[Any]", forms: Sequence[str]) -> str:
    """What was assumed of a column of spans, and the option that reads it otherwise."""
    texts = values.dropna().map(text_of)
    two = texts[texts.str.fullmatch(_TWO)]
    more = f"; {two.iloc[0]} is {units_of_two(forms)}" if len(two) else ""
    what = "spans of time, or times of day since midnight, as seconds"
    return f'{what}{more}. --column "{values.name}=category" reads words'


def units_of_two(forms: Sequence[str]) -> str:
    """What two numbers with a colon between them are, in words."""
    return "hours and minutes" if forms[0] == HOURS_FIRST else "minutes and seconds"


def are_spans(values: "pd.Series[Any]") -> bool:
    """Whether these are spans, or times of day, of pandas, Arrow or Python."""
    if pd.api.types.is_timedelta64_dtype(values.dtype):
        return True
    if isinstance(values.dtype, pd.ArrowDtype):
        return str(values.dtype).startswith(("duration", "time32", "time64"))
    return values.dtype == object and pd.api.types.infer_dtype(values, skipna=True) in _NATIVE


def _look(values: "pd.Series[Any]") -> bool:
    texts = values.map(text_of)
    short = (
        texts.str.len().le(_LONGEST) & texts.str.match(_LOOKS) & texts.str.contains(r"[:\w]\D|:")
    )
    return bool(short.mean() >= _MIN_READ)


def _first(texts: "pd.Series[Any]") -> str:
    """What two numbers with a colon are: a time of day where all may be hours of one.

    Beside three numbers they lack their hours, unless those are hours of a day, too.
    """
    two = texts.str.extract(rf"^{_TWO.pattern}$")[0].dropna().astype(int)
    if texts.str.fullmatch(r"[-+]?\d{1,4}:[0-5]\d[.,]\d+").any():
        return MINUTES_FIRST
    three = texts.str.extract(rf"^{_THREE.pattern}")[0].dropna().astype(int)
    if len(two) and len(three) and three.max() < _HOURS // 2:
        return MINUTES_FIRST
    return HOURS_FIRST if not len(two) or two.max() < _HOURS else MINUTES_FIRST


def _cell(cell: Any, form: str) -> float:
    if isinstance(cell, timedelta):  # those of pandas, too
        return cell.total_seconds()
    if isinstance(cell, time):
        return cell.hour * 3600 + cell.minute * 60 + cell.second + cell.microsecond / 1e6
    if isinstance(cell, np.timedelta64):
        return float(cell.astype("timedelta64[us]").astype(np.int64)) / 1e6
    return _seconds(text_of(cell), form)


def _seconds(text: str, form: str) -> float:
    """The seconds of a text; NaN where it is no span."""
    text = text.strip()
    if found := _CLOCK.fullmatch(text):
        return _clock(found, form)
    if found := _ISO.fullmatch(text):
        sign, *numbers = found.groups()
        total = sum(
            _float(number) * size
            for number, size in zip(numbers, _ISO_SECONDS, strict=True)
            if number
        )
        return -total if sign == "-" else total
    if _UNITS.fullmatch(text):
        parts = [(_float(number), _size(unit)) for number, unit in _UNIT.findall(text)]
        total = sum(number * size for number, size in parts)
        return -total if text.startswith("-") else total
    return float("nan")


def _clock(found: "re.Match[str]", form: str) -> float:
    first, second = int(found["first"]), int(found["second"])
    part = _float(f"0{found['part']}") if found["part"] else 0.0
    if found["third"]:
        total = first * 3600 + second * 60 + int(found["third"]) + part
    elif form == HOURS_FIRST and not found["part"]:
        total = first * 3600.0 + second * 60
    else:
        total = first * 60 + second + part
    if half := found["half"]:
        if not 1 <= first <= 12:
            return float("nan")
        total += (first % 12 - first + 12 * (half.lower() == "p")) * 3600
    days, minus = int(found["days"] or 0) * _DAY, found["sign"] == "-"
    if found["whole"] and minus:  # -1 day, 23:00:00 is Python's way to say one hour less than none
        return total - days
    return -total - days if minus else total + days


def _size(unit: str) -> float:
    return _SECONDS.get(unit, _SECONDS.get(unit.lower(), float("nan")))


def _float(text: str) -> float:
    return float(text.replace(",", "."))

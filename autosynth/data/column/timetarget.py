"""Targets that are dates or spans of time: as numbers, days since 1970-01-01 or seconds, and back.

Takes raw columns of a target; gives numbers, how its cells are read, and in what form dates of
predictions are printed: that of the file.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from autosynth.cell import text_of
from autosynth.data.column.date import (
    DATES,
    are_moments,
    days_of,
    different_texts,
    read_dates,
    read_texts,
)
from autosynth.data.column.dateformat import ISO
from autosynth.data.column.dateorder import dates_of, other_forms
from autosynth.data.column.span import (
    HOURS_FIRST,
    are_spans,
    find_spans,
    read_spans,
    units_of_two,
)
from autosynth.errors import DataError
from autosynth.number import date_text
from autosynth.spec import TargetSpec
from autosynth.task.target import DAYS, SECONDS, TimeUnit

_Column: TypeAlias = "pd.Series[Any]"
_Columns: TypeAlias = "pd.Series[Any] | pd.DataFrame"

_MAX_CLASSES = 20  # whole numbers of a target that are more are no classes either
_SAMPLE = 200
_MOST_LOST = 0.5  # of the cells of what is said to be dates
_DAY, _CLOCK = "%Y-%m-%d", ("%H:%M", "%H:%M:%S", "%H:%M:%S.%f")
_WHOLE = (_DAY, *(f"{_DAY}{mark}{time}" for mark in " T" for time in _CLOCK))
_PRINTED = (*_WHOLE, *(f"{form}{zone}" for zone in ("Z", "+00:00") for form in _WHOLE[1:]))
"""How a date may be written that the standard allows."""


def read_times(
    y: _Columns,
    name: str,
    beside: Callable[[], pd.DataFrame],
    *,
    certain: bool,
    kinds: Mapping[str, str],
) -> tuple[_Columns, dict[str, TimeUnit], tuple[str, ...], tuple[str, ...]]:
    """Targets with dates and spans of time as numbers.

    Args:
        y: a column, or several.
        name: of one column.
        beside: rows of the other columns, which may tell the day from the month.
        certain: the targets are numbers; else a few different texts are classes.
        kinds: what columns are said to be, by name: a date goes before what it looks like.

    Returns:
        The columns, the unit of each that was one of times, what was assumed, and warnings.

    Raises:
        DataError: a target is said to hold dates, and does not.
    """
    if isinstance(y, pd.Series):
        found = _read(y.rename(name), beside, certain=certain, kind=kinds.get(name, ""))
        if found is None:
            return y, {}, (), ()
        numbers, unit, assumed, warnings = found
        return numbers, {name: unit}, assumed, warnings
    columns: dict[str, _Column] = {}
    units: dict[str, TimeUnit] = {}
    told: list[tuple[str, ...]] = [(), ()]
    for title in map(str, y.columns):
        values, unit_of, *texts = read_times(y[title], title, beside, certain=certain, kinds=kinds)
        columns[title] = values
        units |= unit_of
        told = [(*old, *new) for old, new in zip(told, texts, strict=True)]
    return (pd.DataFrame(columns) if units else y), units, told[0], told[1]


def times_again(y: _Columns, target: TargetSpec) -> tuple[_Columns, tuple[str, ...]]:
    """Later columns of a target, those of dates and spans as numbers; and what is said of it."""
    if isinstance(y, pd.Series):
        return _again(y, target)
    specs = [part for part, _, _ in target.fields for _ in range(part.n_columns)]
    if len(specs) != y.shape[1]:  # told where the columns are counted
        return y, ()
    pairs = [_again(y[title], spec) for title, spec in zip(y, specs, strict=True)]
    told = tuple(text for _, texts in pairs for text in texts)
    return pd.DataFrame({n: values for n, (values, _) in zip(y, pairs, strict=True)}), told


def _again(y: _Column, target: TargetSpec) -> tuple[_Column, tuple[str, ...]]:
    if target.unit == DAYS:
        forms, told = other_forms(y, target.forms)
        days, _ = read_dates(y, forms)
        return pd.Series(days, index=y.index, name=y.name), tuple(told)
    forms = target.forms
    if target.classes or (target.unit != SECONDS and not (forms := find_spans(y))):
        return y, ()
    # Older models read all spans so.
    seconds, _ = read_spans(y, forms if target.unit else (HOURS_FIRST,))
    return pd.Series(seconds, index=y.index, name=y.name), ()


def _read(
    y: _Column, beside: Callable[[], pd.DataFrame], *, certain: bool, kind: str
) -> tuple[_Column, TimeUnit, tuple[str, ...], tuple[str, ...]] | None:
    what, _, detail = kind.partition(":")
    present = y.dropna()
    if y.dtype == object and not present.map(pd.api.types.is_hashable).all():
        return None  # lists of labels
    native = are_spans(present) or are_moments(present)
    many = certain or native or y.nunique() > _MAX_CLASSES
    if what in ("category", "number") or not (many or what == "date"):
        return None
    if forms := () if what == "date" else find_spans(y):
        seconds, _ = read_spans(y, forms)
        told = (
            f"target {y.name!r}: spans of time, as seconds; 1:30 is {units_of_two(forms)}; --task "
            "classification predicts words"
        )
        numbers = pd.Series(seconds, index=y.index, name=y.name)
        return numbers, TimeUnit(unit=SECONDS, forms=forms), (told,), ()
    return _dates(y, beside, detail=detail, named=what == "date")


def _dates(
    y: _Column, beside: Callable[[], pd.DataFrame], *, detail: str, named: bool
) -> tuple[_Column, TimeUnit, tuple[str, ...], tuple[str, ...]] | None:
    name = str(y.name)

    def whole() -> pd.DataFrame:
        others = beside()
        own = y.iloc[: len(others)].reset_index(drop=True) if len(others.columns) else y
        return others.reset_index(drop=True).assign(**{name: own})

    found = dates_of(y.reset_index(drop=True), whole, detail=detail, named=named)
    if found is None:
        if named:
            raise DataError(
                f"target {name!r} cannot be read as date: its values are no dates in a format "
                f"that is known (it begins {text_of(y.dropna().iloc[0])!r})."
            )
        return None
    days, lost = read_dates(y, found.forms)
    if named and np.isnan(days).mean() > _MOST_LOST:
        raise DataError(
            f"target {name!r} cannot be read as date:{detail}: {np.isfinite(days).mean():.0%} of "
            f"its values fit that (it begins {text_of(y.dropna().iloc[0])!r})."
        )
    form = _printed(y, found.forms)
    forms = (ISO,) if tuple(found.forms) == (DATES,) else found.forms
    told = (
        f"{name}: dates, learnt as days since 1970-01-01: errors (MAE, RMSE) are in days, and "
        f"predictions are printed like {date_text(float(np.nanmedian(days)), form)}; --task "
        "classification predicts one of the dates that there are"
    )
    more = (f"{name}: {found.assumed}",) if found.assumed else ()
    doubts = (f"target {name!r}: {found.doubt}",) if found.doubt else ()
    warnings = [text.replace("column", "target", 1) for text in lost]
    unit = TimeUnit(unit=DAYS, forms=tuple(forms), form=form)
    return pd.Series(days, index=y.index, name=y.name), unit, (told, *more), (*doubts, *warnings)


def _printed(y: _Column, forms: Sequence[str]) -> str:
    """The format that writes most of the dates as they stand."""
    present = y.dropna()
    if are_moments(present):
        days = read_dates(present, (DATES,))[0]
        return _DAY if (days == np.floor(days)).all() else _WHOLE[2]
    texts = different_texts(present)
    texts = texts.iloc[:: max(1, len(texts) // _SAMPLE)]
    days = days_of(read_texts(texts, forms))
    known = np.isfinite(days)
    pairs = list(zip(texts[known], days[known], strict=True))
    candidates = [each for form in forms for each in _variants(form)]
    counts = {
        form: sum(date_text(float(day), form) == text.strip() for text, day in pairs)
        for form in candidates
    }
    return max(candidates, key=lambda form: counts[form])


def _variants(form: str) -> list[str]:
    """A format, and the same without noughts before numbers, and with longer names of months."""
    if form == ISO:
        return list(_PRINTED)
    short = form.replace("%d", "%-d").replace("%m", "%-m").replace("%I", "%-I")
    found = [form, short, short.replace("%-m", "%m").replace("%-d", "%d")]
    found += [each.replace("%b", "%B") for each in found if "%b" in each]
    found += [each.replace("d %Y", "d, %Y") for each in found if "d %Y" in each]
    named = [f"{day}{each}" for each in found for day in ("%a ", "%a, ", "%A ", "%A, ")]
    return list(dict.fromkeys([*found, *named]))

"""Steps in their order: a table or an array in, channels over time and the time of each out.

What a forecast is learnt from, and what it starts from; one series, without groups.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from autosynth.cell import (
    NumberReading,
    numbers_of,
    read_numbers,
    reading_of,
    words_told,
)
from autosynth.data.column.date import find_formats, read_dates
from autosynth.data.encoder.apply import check_columns
from autosynth.data.source.layout import to_float32
from autosynth.data.source.memory import BY_SIZE, Batching
from autosynth.data.source.raw import RowFormat
from autosynth.data.source.read import read_unlabelled
from autosynth.data.source.rows import as_frame, rows_of
from autosynth.data.split.splitkeys import check_column
from autosynth.errors import DataError
from autosynth.scale import PLAIN, NumberUnit, fit_unit

NO_FORMS: Mapping[str, str] = MappingProxyType({})
_UNITS = (("days", 1.0), ("hours", 24.0), ("minutes", 1_440.0), ("seconds", 86_400.0))
_LISTED = 12
_GAP = 1.5
_SPAN = 31.5 / 28  # months and years are steps as regular as the calendar allows


@dataclass(frozen=True, kw_only=True)
class Clock:
    """The column of time: `forms` are those of dates, none for numbers."""

    name: str
    forms: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Steps:
    """One series in order: `values` (channels, n), float64; `times` (n,), in days or as they are.

    `labels` are the times as they stand in the table; None of both without a column of time.
    `ignored` are the columns that make no channel, with the reason. `forms` are how numbers are
    written, by channel, where they are not plain; `assumed` tells of them.
    """

    source: str
    name: str
    channels: tuple[str, ...]
    values: NDArray[np.float64]
    clock: Clock | None = None
    times: NDArray[np.float64] | None = None
    labels: "pd.Series[Any] | None" = None
    ignored: tuple[tuple[str, str], ...] = ()
    forms: Mapping[str, str] = field(default_factory=dict)
    assumed: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def step(self) -> float:
        """The usual time from one step to the next; 1 without a column of time."""
        if self.times is None or len(self.times) < 2:
            return 1.0
        return float(np.median(np.diff(self.times)))


def read_steps(
    source: Any,
    *,
    target: str | None,
    time: str | None,
    drop: Sequence[str] = (),
    batching: Batching = BY_SIZE,
) -> Steps:
    """The steps of a source to learn from; the target is the first channel, then all numbers.

    Args:
        source: a table (a path or a frame), or an array (n,) or (n, channels).
        target: the column that is forecast; it may be left out where there is one channel, and
            is the first one of an array.
        time: the column of time; found by its content if left out.
        drop: columns that are not read.
        batching: how much of the source may be in memory at once while it is read.

    Raises:
        DataError: no such column, a target without numbers, times that are none or stand twice.
    """
    frame, name, place, is_table, warnings = _frame(source, batching)
    for column in drop:
        check_column(column, frame.columns, f"column {column!r}, to be dropped,", place)
    frame = frame.drop(columns=list(drop))
    clock = _clock(frame, time, place) if is_table or time else None
    numbers, ignored, readings = _numbers(frame, clock)
    if target is None and (not is_table or len(numbers) == 1):
        target = next(iter(numbers), None)
    if target is None:
        raise DataError(
            f"{place} has {len(numbers)} columns of numbers and no target is named. Name the one "
            f"to forecast with --target; they are {', '.join(list(numbers)[:_LISTED])}."
        )
    check_column(target, frame.columns, f"column {target!r}, the target,", place)
    if target not in numbers:
        reason = dict(ignored).get(target, "it is the column of time")
        raise DataError(
            f"a forecast is of numbers; the target {target!r} of {place} is none ({reason}). "
            "Name another with --target."
        )
    names = (target, *(column for column in numbers if column != target))
    if clock is None and is_table:
        warnings += (f"{place} has no column of time: its rows are taken as steps in their order",)
    values = np.stack([numbers[column] for column in names])
    forms = {each: found.form for each, found in readings.items() if found.form}
    told = {each: found.told() for each, found in readings.items() if found.form}
    words = {
        each: words_told(frame[each], found)
        for each, found in readings.items()
        if found.is_word.any()
    }
    doubts = {each: told[each] for each in told if not readings[each].sure}
    steps = Steps(
        source=place,
        name=name,
        channels=names,
        values=values,
        ignored=ignored,
        forms=forms,
        assumed=tuple(f"{each}: {text}" for each, text in told.items()),
        warnings=(
            *warnings,
            *(f"column {each!r}: {text}" for each, text in {**words, **doubts}.items()),
        ),
    )
    return _ordered(frame, clock, steps)


def read_again(
    source: Any,
    channels: Sequence[str],
    clock: Clock | None,
    batching: Batching,
    forms: Mapping[str, str] = NO_FORMS,
) -> Steps:
    """The steps of a source of the same form: to test on, or to forecast from.

    `forms` are how numbers of channels are written, where they are not plain.
    """
    frame, name, place, _, warnings = _frame(source, batching)
    wanted = [*channels, *([clock.name] if clock else [])]
    check_columns(wanted, frame.columns, place)
    rows = []
    for column in channels:
        numbers, words = read_numbers(frame[column], forms.get(column, ""))
        if words.all():
            raise DataError(f"column {column!r} of {place} holds other than numbers; mend it.")
        if words.any():
            warnings += (
                f"column {column!r}: {int(words.sum())} values are no numbers; taken as missing",
            )
        rows.append(_finite(numbers))
    values = np.stack(rows)
    steps = Steps(
        source=place, name=name, channels=tuple(channels), values=values, warnings=warnings
    )
    return _ordered(frame, clock, steps)


def _frame(
    source: Any, batching: Batching
) -> tuple[pd.DataFrame, str, str, bool, tuple[str, ...]]:
    """Columns over steps, the source's name and place, and whether its columns have names."""
    raw = read_unlabelled(source, RowFormat(), batching)
    assert raw.main is not None
    rows = rows_of(raw.main.x, batching)
    x = rows.whole()
    if rows.is_table:
        return x, raw.name, raw.source, True, raw.warnings
    if x.ndim != 2:
        raise DataError(
            f"the array in {raw.source} has shape {x.shape}; a forecast takes steps in order, "
            "(n,) or (n, channels)."
        )
    return as_frame(x), raw.name, raw.source, False, raw.warnings


def _clock(frame: pd.DataFrame, time: str | None, place: str) -> Clock | None:
    """The column of time: the one named, or the first that holds dates."""
    if time is None:
        candidates = ((column, find_formats(frame[column])) for column in frame.columns)
        return next(
            (Clock(name=column, forms=forms) for column, forms in candidates if forms), None
        )
    check_column(time, frame.columns, f"column {time!r}, of time,", place)
    forms = find_formats(frame[time])
    if not forms and numbers_of(frame[time]) is None:
        raise DataError(
            f"column {time!r} of {place} gives no order of time: {frame[time].iloc[0]!r} is "
            "neither a date nor a number. Name another with --time, or write dates as 2024-05-31."
        )
    return Clock(name=time, forms=forms)


def _numbers(
    frame: pd.DataFrame, clock: Clock | None
) -> tuple[dict[str, NDArray[np.float64]], tuple[tuple[str, str], ...], dict[str, NumberReading]]:
    """The columns of numbers, those that are set aside, with the reason, and how they are read."""
    numbers, ignored, readings = {}, [], {}
    for name in frame.columns:
        if clock and name == clock.name:
            continue
        reading = reading_of(frame[name])
        if reading is None:
            ignored.append((name, "no numbers: a step of a series is one"))
            continue
        values = _finite(reading.numbers)
        known = values[~np.isnan(values)]
        if not len(known):
            ignored.append((name, "no value in any row"))
        elif (known == known[0]).all() and len(known) == len(values) and len(frame.columns) > 1:
            ignored.append((name, f"constant: {known[0]:g}"))
        else:
            numbers[name], readings[name] = values, reading
    return numbers, tuple(ignored), readings


def _finite(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(np.isfinite(values), values, np.nan)


def _ordered(frame: pd.DataFrame, clock: Clock | None, steps: Steps) -> Steps:
    """The steps sorted by time. Raises for times that are missing or stand twice."""
    if clock is None:
        return steps
    place, column = steps.source, frame[clock.name]
    times = read_dates(column, clock.forms)[0] if clock.forms else numbers_of(column)
    lost = np.flatnonzero(np.isnan(times)) if times is not None else np.arange(len(column))
    if times is None or len(lost):
        raise DataError(
            f"column {clock.name!r} of {place}: row {lost[0]} holds {column.iloc[lost[0]]!r}, "
            f"which is no time ({len(lost)} such rows). Mend them or leave them out."
        )
    order = np.argsort(times, kind="stable")
    times = times[order]
    twice = np.flatnonzero(np.diff(times) == 0)
    if len(twice):
        raise DataError(
            f"column {clock.name!r} of {place}: {column.iloc[order[twice[0]]]} stands twice "
            f"({len(twice)} such rows); a series has one row a step. Keep the rows of one series, "
            "or sum or average those of one time: groups of series are not read."
        )
    return replace(
        steps,
        values=steps.values[:, order],
        clock=clock,
        times=times,
        labels=column.iloc[order].reset_index(drop=True),
        warnings=(*steps.warnings, *_gaps(times, column.iloc[order], clock)),
    )


def _gaps(times: NDArray[np.float64], labels: "pd.Series[Any]", clock: Clock) -> tuple[str, ...]:
    """A warning about steps that are longer than others, or uneven."""
    if len(times) < 3:
        return ()
    sizes = np.diff(times)
    usual = float(np.median(sizes))
    gaps = np.flatnonzero(sizes > _GAP * usual)
    warnings = []
    if len(gaps):
        warnings.append(
            f"column {clock.name!r}: {len(gaps)} gaps between steps, the first after "
            f"{labels.iloc[gaps[0]]}; what stands on both sides is read as neighbours. Fill them "
            "with empty rows where steps are missing"
        )
    uneven = int(((sizes * _SPAN < usual) | (sizes > usual * _SPAN)).sum()) - len(gaps)
    if uneven > 0:
        warnings.append(
            f"column {clock.name!r}: {uneven} steps are shorter or longer than the others"
        )
    return tuple(warnings)


def saved_units(steps: Steps, train: int) -> dict[str, Any]:
    """What the values of each channel are counted in, by the steps to learn from, as JSON-able.

    Nothing where float32 holds all of them.
    """
    units = [fit_unit(line[:train], steps=True) for line in steps.values]
    return {} if set(units) == {PLAIN} else {"units": [each.to_list() for each in units]}


def units_of(steps: Steps, saved: Mapping[str, Any]) -> list[NumberUnit]:
    """The units of each channel that `saved_units` made data of."""
    found = [
        NumberUnit.from_list(each) for each in saved.get("units", ())
    ]  # old bundles have none
    return found or [PLAIN] * len(steps.channels)


def counted(steps: Steps, saved: Mapping[str, Any]) -> NDArray[np.float32]:
    """The channels as networks read them (channels, n), NaN where float32 ends."""
    pairs = zip(units_of(steps, saved), steps.values, strict=True)
    values = to_float32(np.stack([unit.encoded(line) for unit, line in pairs]))
    return np.where(np.isfinite(values), values, np.float32(np.nan))


def hashed(line: NDArray[np.float64]) -> NDArray[Any]:
    """A channel as float32, by which series have been known ever since, where it holds it."""
    return to_float32(line) if fit_unit(line, steps=True) == PLAIN else line


def step_text(steps: Steps) -> str:
    """The usual step, in the largest unit in which it is one or more."""
    if steps.clock is None or not steps.clock.forms:
        return f"{steps.step:g}"
    unit, scale = next(
        ((unit, scale) for unit, scale in _UNITS if steps.step * scale >= 1 - 1e-6), _UNITS[-1]
    )
    return f"{round(steps.step * scale, 3):g} {unit}"

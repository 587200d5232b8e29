"""Reads a timeline: a table or an array in, the steps of one or several series out.

Rows may stand in any order. Which column is the time, and which one tells series apart, is found
where it is not named.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from autosynth.cell import (
    NumberReading,
    missing_in,
    read_numbers,
    reading_of,
    words_told,
)
from autosynth.data.column.date import find_dates
from autosynth.data.column.span import SPAN_FORMS, find_spans, read_spans, said_of_spans
from autosynth.data.encoder.apply import check_columns
from autosynth.data.framing.clock import Clock, Moments, TimeGrid, When, find_clock
from autosynth.data.framing.event import name_codes
from autosynth.data.framing.panel import find_panel, told_panel
from autosynth.data.framing.steps import Steps, check_once, completed
from autosynth.data.source.memory import BY_SIZE, Batching
from autosynth.data.source.raw import RowFormat, levels_of
from autosynth.data.source.read import read_unlabelled
from autosynth.data.source.rows import as_frame, rows_of
from autosynth.data.split.splitkeys import check_column, joint_labels
from autosynth.errors import DataError

NO_FORMS: Mapping[str, str] = MappingProxyType({})
_LISTED = 12


@dataclass(frozen=True, kw_only=True)
class _Table:
    """Columns over rows in any order; `is_named` where the columns have names."""

    frame: pd.DataFrame
    name: str
    place: str
    is_named: bool
    times: Moments | None = None
    warnings: tuple[str, ...] = ()
    assumed: tuple[str, ...] = ()


def read_steps(
    source: Any,
    *,
    target: str | None,
    time: str | None,
    group: Sequence[str] = (),
    drop: Sequence[str] = (),
    columns: Mapping[str, str] | None = None,
    batching: Batching = BY_SIZE,
) -> Steps:
    """The steps of a source to learn from; the target is the first channel, then all numbers.

    Args:
        source: a table (a path or a frame), or an array (n,) or (n, channels).
        target: the column that is forecast; it may be left out where there is one channel, and
            is the first one of an array.
        time: the column of time; found by its content if left out.
        group: the columns that say together whose series a row is a step of; found where times
            repeat if left out.
        drop: columns that are not read.
        columns: kinds that columns are said to be: how the one of time writes its dates.
        batching: how much of the source may be in memory at once while it is read.

    Raises:
        DataError: no such column, a target without numbers, no times or twice the same.
    """
    table = _read(source, batching, time, group)
    for column in drop:
        check_column(
            column, table.frame.columns, f"column {column!r}, to be dropped,", table.place
        )
    table = replace(table, frame=table.frame.drop(columns=list(drop)))
    for name in group:
        check_column(name, table.frame.columns, f"column {name!r}, of series,", table.place)
    clock, dates = None, None
    if table.is_named or time:
        clock, dates = find_clock(table.frame, time, table.place, columns)
    if clock and dates:
        doubt = (f"column {clock.name!r}: {dates.doubt}",) if dates.doubt else ()
        assumed = (f"{clock.name}: {dates.assumed}",) if dates.assumed else ()
        table = replace(
            table, warnings=(*table.warnings, *doubt), assumed=(*table.assumed, *assumed)
        )
    table = _timed(table, clock)
    if not group and clock is not None:
        assert table.times is not None
        group = find_panel(table.frame, table.times, target, clock.name, table.place)
        table = replace(table, assumed=(*table.assumed, *told_panel(group)))
    table, of_series = _grouped(table, group)
    numbers, ignored, readings, spans = _numbers(table.frame, clock, of_series)
    table = _told_of(table, readings, spans)
    names = _target_first(table, numbers, target, dict(ignored))
    if clock is None and table.is_named:
        told = f"{table.place} has no column of time: its rows are taken as steps in their order"
        table = replace(table, warnings=(*table.warnings, told))
    values = np.stack([numbers[column] for column in names])
    steps = _ordered(table, names, values, clock, of_series, None)
    forms = {each: found.form for each, found in readings.items() if found.form} | spans
    return replace(steps, ignored=ignored, forms=forms, keys=tuple(group))


def read_again(
    source: Any,
    channels: Sequence[str],
    clock: Clock | None,
    batching: Batching,
    group: Sequence[str] = (),
    grid: TimeGrid | None = None,
    forms: Mapping[str, str] = NO_FORMS,
) -> Steps:
    """The steps of a source of the same form: to test on, or to forecast from.

    `forms` are how numbers of channels are written, where they are not plain; those of spans of
    time are read as seconds.
    """
    table = _read(source, batching, clock.name if clock else None, group)
    named = [*([clock.name] if clock else []), *group]
    check_columns([*channels, *named], table.frame.columns, table.place)
    table = _timed(table, clock)
    table, of_series = _grouped(table, group)
    rows = []
    for column in channels:
        form, values = forms.get(column, ""), table.frame[column]
        if form in SPAN_FORMS:
            numbers = read_spans(values, (form,))[0]
            words = np.isnan(numbers) & ~missing_in(values)
        else:
            numbers, words = read_numbers(values, form)
        if words.all():
            raise DataError(
                f"column {column!r} of {table.place} holds other than numbers; mend it."
            )
        if words.any():
            told = f"column {column!r}: {int(words.sum())} values are no numbers; taken as missing"
            table = replace(table, warnings=(*table.warnings, told))
        rows.append(_finite(numbers))
    steps = _ordered(table, tuple(channels), np.stack(rows), clock, of_series, grid)
    return replace(steps, keys=tuple(group))


def _grouped(table: _Table, group: Sequence[str]) -> tuple[_Table, str]:
    """The rows that say whose series they are of, and the column that does.

    Several columns are one, named by all of them.
    """
    label = joint_labels([table.frame[name] for name in group])
    if label is None:
        return table, ""
    name = str(label.name)
    if len(group) > 1:
        frame = table.frame.drop(columns=list(group))
        table = replace(table, frame=frame.assign(**{name: label}))
    return _without(table, name, "series", missing_in(label)), name


def _read(source: Any, batching: Batching, time: str | None, group: Sequence[str]) -> _Table:
    """The columns over steps.

    A level of a frame's index is one of them where it is the `time` or the `group`, or holds dates
    and no other time is named.
    """
    raw = read_unlabelled(source, RowFormat(), batching)
    assert raw.main is not None
    rows = rows_of(raw.main.x, batching)
    x = rows.whole()
    if rows.is_table:
        for level, values in levels_of(raw.main.index, set(x.columns)).items():
            if level in (time, *group) or (time is None and find_dates(values)):
                x = pd.concat([values, x], axis=1)
    elif x.ndim != 2:
        raise DataError(
            f"the array in {raw.source} has shape {x.shape}; a forecast takes steps in order, "
            "(n,) or (n, channels)."
        )
    return _Table(
        frame=as_frame(x).reset_index(drop=True),
        name=raw.name,
        place=raw.source,
        is_named=rows.is_table,
        warnings=raw.warnings,
        assumed=raw.assumed,
    )


def _timed(table: _Table, clock: Clock | None) -> _Table:
    """The rows that have a time; the others are told."""
    if clock is None:
        return table
    times, told = clock.read(table.frame[clock.name])
    table = replace(table, times=times, warnings=(*table.warnings, *told))
    return _without(table, clock.name, "time", np.isnan(times))


def _without(table: _Table, name: str, what: str, lost: NDArray[np.bool_]) -> _Table:
    """The rows that say their time, or series, in the column `name`; the others are told."""
    if not lost.any():
        return table
    frame, first = table.frame, int(np.flatnonzero(lost)[0])
    told = (
        f"column {name!r} of {table.place}: {int(lost.sum())} of {len(frame)} rows hold no {what} "
        f"and are left out; the first is row {first}, which holds {frame[name].iloc[first]!r}. "
        "Fill them in to have them read"
    )
    if lost.all():
        raise DataError(f"no row of {table.place} has a {what}; {told}.")
    return replace(
        table,
        frame=frame[~lost].reset_index(drop=True),
        times=None if table.times is None else table.times[~lost],
        warnings=(*table.warnings, told),
    )


def _numbers(
    frame: pd.DataFrame, clock: Clock | None, group: str
) -> tuple[
    dict[str, NDArray[np.float64]],
    tuple[tuple[str, str], ...],
    dict[str, NumberReading],
    dict[str, str],
]:
    """The columns of numbers, those that are set aside, with the reason, and how they are read.

    The last are the forms of spans of time, which are numbers of seconds.
    """
    numbers, ignored, readings, spans = {}, [], {}, {}
    codes = pd.factorize(frame[group])[0] if group else None
    for name in frame.columns:
        if name == group or (clock and name == clock.name):
            continue
        reading = reading_of(frame[name])
        forms = () if reading is not None else find_spans(frame[name])
        if reading is None and not forms:
            ignored.append((name, "no numbers: a step of a series is one"))
            continue
        values = _finite(reading.numbers if reading else read_spans(frame[name], forms)[0])
        known = values[~np.isnan(values)]
        if not len(known):
            ignored.append((name, "no value in any row"))
        elif (known == known[0]).all() and len(known) == len(values) and len(frame.columns) > 1:
            ignored.append((name, f"constant: {known[0]:g}"))
        elif codes is not None and pd.Series(values).groupby(codes).nunique().max() == 1:
            ignored.append((name, "constant in every series"))
        else:
            numbers[name] = values
            if reading is not None:
                readings[name] = reading
            else:
                spans[name] = forms[0]
    return numbers, tuple(ignored), readings, spans


def _told_of(
    table: _Table, readings: Mapping[str, NumberReading], spans: Mapping[str, str]
) -> _Table:
    """The table, told of how the numbers of its columns are written, and of words among them."""
    assumed, warnings = list(table.assumed), list(table.warnings)
    for name, form in spans.items():
        said = said_of_spans(table.frame[name], (form,)).partition(". --column")[0]
        assumed.append(f"{name}: {said}; --drop {name} leaves it out")
    for name, reading in readings.items():
        if reading.form:
            assumed.append(f"{name}: {reading.told()}")
        if reading.is_word.any():
            warnings.append(f"column {name!r}: {words_told(table.frame[name], reading)}")
        elif reading.form and not reading.sure:
            warnings.append(f"column {name!r}: {reading.told()}")
    return replace(table, assumed=tuple(assumed), warnings=tuple(warnings))


def _target_first(
    table: _Table,
    numbers: dict[str, NDArray[np.float64]],
    target: str | None,
    reasons: dict[str, str],
) -> tuple[str, ...]:
    """The names of the channels, that of the target first."""
    if target is None and (not table.is_named or len(numbers) == 1):
        target = next(iter(numbers), None)
    if target is None:
        raise DataError(
            f"{table.place} has {len(numbers)} columns of numbers and no target is named. Name "
            f"the one to forecast with --target; they are {', '.join(list(numbers)[:_LISTED])}."
        )
    check_column(target, table.frame.columns, f"column {target!r}, the target,", table.place)
    if target not in numbers:
        reason = reasons.get(target, "it is the column of time, or of series")
        raise DataError(
            f"a forecast is of numbers; the target {target!r} of {table.place} is none ({reason})."
            " Name another with --target."
        )
    return (target, *(column for column in numbers if column != target))


def _finite(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(np.isfinite(values), values, np.nan)


def _ordered(
    table: _Table,
    channels: tuple[str, ...],
    values: NDArray[np.float64],
    clock: Clock | None,
    group: str,
    grid: TimeGrid | None,
) -> Steps:
    """The steps by series and time. Raises for times that stand twice."""
    frame, codes = table.frame, np.zeros(len(table.frame), dtype=np.int64)
    names: tuple[str, ...] = ("",)
    if group:
        codes, names = name_codes(frame[group])
    times = np.arange(float(len(frame))) if table.times is None else table.times
    order = np.lexsort([times, codes])  # of equal ones in the order of the file
    codes = codes[order]
    steps = Steps(
        source=table.place,
        name=table.name,
        channels=channels,
        values=values[:, order],
        bounds=np.searchsorted(codes, np.arange(len(names) + 1)),
        series=names,
        group=group,
        warnings=table.warnings,
        assumed=table.assumed,
    )
    if clock is None:
        return steps
    when = When(
        clock=clock,
        grid=grid or TimeGrid(),
        moments=times[order],
        cells=frame[clock.name],
        rows=order,
    )
    steps = replace(steps, when=when)
    check_once(steps)
    return completed(steps, grid)

"""Rows that stand for themselves: of a table, or arrays of images or series.

Takes a source and what is asked of it; gives a `Dataset`, and rows to predict or to score on. The
steps are those of every framing: read, understand the target, split, fit encoders on training
rows, encode everything.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from autosynth.cell import NO_VALUE_WORDS
from autosynth.data.column.timetarget import times_again
from autosynth.data.encoder.apply import adapted, apply
from autosynth.data.encoder.array import row_shape
from autosynth.data.encoder.encoder import Encoder
from autosynth.data.encoder.frame import understood_columns
from autosynth.data.framing.build import build_dataset, understand_array, understand_table
from autosynth.data.framing.framing import Encoded, Framing, LabelledRows
from autosynth.data.framing.join import assumed_of, join, layout_of, with_cells
from autosynth.data.framing.weight import WEIGHT, read_weights
from autosynth.data.source.framefolder import FRAMES_COLUMN, told_frames
from autosynth.data.source.layout import Layout
from autosynth.data.source.mappedarray import take_rows
from autosynth.data.source.memory import BY_SIZE, Batching
from autosynth.data.source.raw import (
    PARTS,
    Raw,
    RawRows,
    RowFormat,
    fingerprint,
    headers_of,
    with_levels,
)
from autosynth.data.source.read import Source, all_rows, read_source, read_unlabelled
from autosynth.data.source.rows import rows_of
from autosynth.errors import DataError
from autosynth.options import DataConfig
from autosynth.spec import Dataset, RowNumbers, TargetSpec
from autosynth.task.read import true_values_of
from autosynth.task.target import LeftOut, drop_words
from autosynth.task.task import task_of

_TARGET_KINDS = ("number", "category", "date")


class RowFraming(Framing):
    """Rows that stand for themselves, a row of the source each."""

    @staticmethod
    def load(source: Source, config: DataConfig, batching: Batching) -> Dataset:
        """As `Framing`."""
        if config.horizon is not None or config.history is not None:
            raise DataError("--horizon and --history are of forecasts. Add --task forecasting.")
        words = [name for name, kind in config.columns.items() if kind == "category"]
        words += ["*"] if config.keep_missing_words else []
        text = [n for n, kind in config.columns.items() if kind.startswith("number:")]
        batching = replace(batching, words=tuple(words), text=tuple(text))
        raw = _read(source, config, batching)
        kinds, config = _target_kinds(raw, config)
        layout = layout_of(raw, config.columns)
        if layout.kind == "audio":
            raw, layout = with_cells(raw), Layout(kind="table")
        raw = assumed_of(raw, layout, config.columns)
        understand = understand_table if layout.kind == "table" else understand_array
        state = understand(raw, join(raw, layout, batching), layout, config)
        return build_dataset(raw, state, config, kinds)

    def encode(self, source: Any) -> Encoded:
        """As `Framing`."""
        raw = read_unlabelled(source, self._row_format, self._reading)
        rows = self._whole(raw.main)
        return _checked(_encode(self.inputs, rows, raw.source, self.batching), raw)

    @cached_property
    def _reading(self) -> Batching:
        """How other data is read: what was learnt of words for no value and forms of numbers."""
        cells = [column for each in self.inputs for column in understood_columns(each)]
        kept = [c.name for c in cells if not set(NO_VALUE_WORDS).isdisjoint(c.categories)]
        text = [c.name for c in cells if c.kind == "number" and c.forms]
        return replace(self.batching, words=tuple(kept), text=tuple(text))

    @cached_property
    def _row_format(self) -> RowFormat:
        """What rows to predict look like."""
        inputs = self.inputs
        wanted = tuple(dict.fromkeys(name for each in inputs for name in each.columns))
        headers = tuple(map(tuple, self.encoders.get("headers", ())))  # older models have none
        return replace(inputs[0].row_format, wanted=wanted, headers=headers)

    def _whole(self, rows: RawRows | None) -> RawRows:
        """Rows with the columns that the inputs read, of which some may be levels of an index."""
        assert rows is not None
        wanted = (*self._row_format.wanted, self.encoders.get(WEIGHT, ""))
        found: RawRows = with_levels(rows, wanted)
        return found

    def encode_parts(self, source: Any) -> Iterator[Encoded]:
        """As `Framing`."""
        raw = read_unlabelled(source, self._row_format, self._reading)
        rows, told = self._whole(raw.main), raw.warnings
        every = rows_of(rows.x, self.batching)
        inputs, more = adapted(self.inputs, every, raw.source)
        told += more
        for start, batch in every.batches():
            stop = start + len(batch)
            piece = replace(rows, x=batch, index=rows.index[start:stop])
            part = _encode(inputs, piece, raw.source, adapt=False)
            if len(batch) == len(rows):
                yield _checked(replace(part, warnings=(*more, *part.warnings)), raw)
                return
            where = f"rows {start:,} to {stop - 1:,}"
            told += tuple(f"{where}: {text}" for text in part.warnings)
            yield replace(part, warnings=told)
            told = ()

    def labelled(self, source: Any, target: TargetSpec, columns: Sequence[str]) -> LabelledRows:
        """As `Framing`."""
        inputs = self.inputs
        names = columns or _target_columns(inputs[0], target)
        raw = _read_labelled(source, self._row_format, names, self._reading)
        rows = raw.test or raw.main
        if rows is None or not len(rows):
            raise DataError(f"{raw.source} holds no rows to score.")
        rows = self._whole(rows)
        if rows.y is None:
            raise DataError(
                f"{raw.source} holds {len(rows)} rows to test on without a target; scoring needs "
                "one value a row. Give labelled rows, or use `autosynth predict`."
            )
        applied = apply(inputs, rows.x, raw.source, rows.folder, self.batching, later=True)
        y = rows.y
        if raw.has_words:
            y = drop_words(y, [name for part, _, _ in target.fields for name in part.classes])
        y, told = times_again(y, target)
        true_values = true_values_of(y, target, raw.source)
        both, at_x, at_y = np.intersect1d(applied.keep, true_values.keep, return_indices=True)
        if not len(both):
            raise DataError(f"no row of {raw.source} has both values to read and a target.")
        unread = len(rows) - len(applied.keep)
        lost = (LeftOut(reason="that could not be read", rows=unread),) if unread else ()
        whole = len(both) == len(rows)
        found = LabelledRows(
            source=raw.source,
            x={n: v if whole else take_rows(v, at_x, self.batching) for n, v in applied.x.items()},
            y=true_values.y if whole else true_values.y[at_y],
            index=list(rows.index) if whole else [rows.index[int(row)] for row in both],
            official=raw.test is not None,
            fingerprint=fingerprint(raw.main, raw.validation, raw.test, batching=self.batching),
            raw=rows_of(rows.x, self.batching).only(both),
            left_out=(*true_values.left_out, *lost),
            warnings=(*raw.warnings, *applied.warnings, *told, *true_values.warnings),
        )
        return _weighed(found, self.encoders.get(WEIGHT, ""), rows, both, raw.decimal)


def _weighed(
    labelled: LabelledRows, column: str, rows: RawRows, kept: RowNumbers, form: str
) -> LabelledRows:
    """Labelled rows, which are the `kept` ones of all `rows`, with weights if the model had some.

    Those of weight 0 are left out.
    """
    table, source = rows_of(rows.x), labelled.source
    if not column:
        return labelled
    if column not in table.columns:
        lacks = f"{source} lacks the column {column!r}, by which the rows of training were weighed"
        told = f"{lacks}: here all count alike"
        return replace(labelled, warnings=(*labelled.warnings, told))
    weights = read_weights(table[column], column, source, form).of(kept)
    counting = weights.counting
    if not len(counting):
        raise DataError(
            f"no row of {source} that can be scored has a weight ({column!r}) above 0."
        )
    lost = len(kept) - len(counting)
    values = weights.values[counting]
    return replace(
        labelled.only(counting) if lost else labelled,
        weights=values / values.mean(),
        weight=column,
        left_out=(
            *labelled.left_out,
            *((LeftOut(reason=f"of weight 0 ({column!r})", rows=lost),) if lost else ()),
        ),
    )


def _read(source: Source, config: DataConfig, batching: Batching) -> Raw:
    frames = told_frames(config.columns)
    raw = read_source(source, config.target, batching=batching, frames=frames)
    if raw.main is None:
        raise DataError(f"{raw.source} has test rows only; training needs others.")
    for part, beside in (("test", config.test), ("validation", config.validation)):
        if beside is not None:
            like, headers = _format(raw, config), headers_of(raw)
            other = read_source(beside, config.target, like, batching, headers)
            found: dict[str, Any] = {part: all_rows(other)}
            words = raw.has_words or other.has_words
            warnings = (*raw.warnings, *other.warnings)
            raw = replace(raw, **found, has_words=words, warnings=warnings)
    # What is named may be a level of a frame's index.
    asked = (*config.group, config.time, config.weight, *config.columns, *config.keep)
    named = {name for name in asked if isinstance(name, str)}
    parts: dict[str, Any] = {part: with_levels(getattr(raw, part), named) for part in PARTS}
    return replace(raw, **parts)


def _target_kinds(raw: Raw, config: DataConfig) -> tuple[dict[str, str], DataConfig]:
    """What columns of the target are said to be, and what is asked of all others."""
    assert raw.main is not None
    y = raw.main.y
    names = set(map(str, y.columns)) if isinstance(y, pd.DataFrame) else {raw.target}
    kinds = {name: kind for name, kind in config.columns.items() if name in names}
    for name, kind in kinds.items():
        if kind.partition(":")[0] not in _TARGET_KINDS:
            raise DataError(
                f"target {name!r} cannot be read as {kind!r}: a target is one of "
                f"{', '.join(_TARGET_KINDS)}."
            )
    others = {name: kind for name, kind in config.columns.items() if name not in names}
    return kinds, replace(config, columns=others)


def _format(raw: Raw, config: DataConfig) -> RowFormat | None:
    """What the rows of images look like, to which those of other folders are brought."""
    assert raw.main is not None
    layout = layout_of(raw, config.columns)
    if raw.kind == FRAMES_COLUMN:
        return RowFormat(kind=raw.kind)
    if layout.kind != "image":
        return None
    return RowFormat(kind="image", shape=row_shape(rows_of(raw.main.x).whole(), layout))


def _encode(
    inputs: Sequence[Encoder],
    rows: RawRows,
    source: str,
    batching: Batching = BY_SIZE,
    *,
    adapt: bool = True,
) -> Encoded:
    """Those of the rows that can be read."""
    applied = apply(inputs, rows.x, source, rows.folder, batching, adapt=adapt, later=True)
    index = rows.index
    if len(applied.keep) < len(index):
        if isinstance(index, pd.Index):
            index = index[applied.keep]
        else:
            index = [str(index[int(row)]) for row in applied.keep]
    return Encoded(x=applied.x, index=index, warnings=applied.warnings)


def _checked(encoded: Encoded, raw: Raw) -> Encoded:
    """All rows of a source, of which one can be read; with the warnings of reading it."""
    if not len(encoded.index):
        told = "; ".join(encoded.warnings)
        raise DataError(f"no row of {raw.source} can be read{f' ({told})' if told else ''}.")
    return replace(encoded, warnings=(*raw.warnings, *encoded.warnings))


def _read_labelled(source: Any, rows: RowFormat, names: Sequence[str], batching: Batching) -> Raw:
    if isinstance(source, np.ndarray) and source.dtype.names is None:
        raise DataError(
            f"an array of shape {source.shape} has no labels to score against; give (x, y)."
        )
    return read_source(source, names, rows, batching, rows.headers)


def _target_columns(encoder: Encoder, target: TargetSpec) -> tuple[str, ...]:
    """The columns of a table that hold the true values; none where the form itself tells."""
    if not encoder.columns or encoder.width is not None:  # arrays have no names
        return ()
    if target.parts:
        return tuple(part.name for part in target.parts)
    several = task_of(target).joins_columns and target.name == " + ".join(target.classes)
    return target.classes if several else (target.name,)

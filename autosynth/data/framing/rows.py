"""Rows that stand for themselves: of a table, or arrays of images or series.

Takes a source and what is asked of it; gives a `Dataset`, and rows to predict or to score on. The
steps are those of every framing: read, understand the target, split, fit encoders on training
rows, encode everything.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from autosynth.data.column.choice import choose, date_detail
from autosynth.data.column.column import IgnoredColumn
from autosynth.data.column.path import subfolders
from autosynth.data.column.span import targets_in_seconds
from autosynth.data.encoder.apply import adapted, apply, apply_by_part
from autosynth.data.encoder.array import row_shape
from autosynth.data.encoder.encoder import Applied, Encoder
from autosynth.data.encoder.frame import fit_frame
from autosynth.data.encoder.image import ImageEncoder
from autosynth.data.encoder.series import SeriesEncoder
from autosynth.data.framing.framing import Encoded, Framing, LabelledRows
from autosynth.data.framing.join import JoinedRows, assumed_of, join, layout_of, with_cells
from autosynth.data.inspection.describe import describe
from autosynth.data.inspection.leak import leaks
from autosynth.data.inspection.scalechoice import choose_scales
from autosynth.data.source.classfolder import AUDIO_COLUMN
from autosynth.data.source.frames import check_flat
from autosynth.data.source.layout import Layout
from autosynth.data.source.mappedarray import concatenate_rows, take_rows
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
from autosynth.data.source.tablefile import as_table
from autosynth.data.split.equalrows import split_rows
from autosynth.data.split.split import without
from autosynth.data.split.splitkeys import SplitKeys, split_keys_of
from autosynth.errors import DataError
from autosynth.options import DataConfig
from autosynth.spec import Dataset, TargetSpec
from autosynth.task.read import infer_target, true_values_of
from autosynth.task.target import LeftOut, Target
from autosynth.task.task import task_of

_MIN_ROWS = 10


@dataclass(frozen=True, kw_only=True)
class _LoadState:
    """Rows on their way: those of arrays are encoded at once, and those of tables when split."""

    rows: JoinedRows
    inputs: Sequence[Encoder] = ()
    x: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    ignored: tuple[IgnoredColumn, ...] = ()
    drop: frozenset[str] = frozenset()
    split_keys: SplitKeys = field(default_factory=SplitKeys)
    keep: NDArray[np.int64] | None = None
    warnings: tuple[str, ...] = ()


class RowFraming(Framing):
    """Rows that stand for themselves, a row of the source each."""

    @staticmethod
    def load(source: Source, config: DataConfig, batching: Batching) -> Dataset:
        """As `Framing`."""
        if config.horizon is not None or config.history is not None:
            raise DataError("--horizon and --history are of forecasts. Add --task forecasting.")
        raw = _read(source, config, batching)
        layout = layout_of(raw, config.columns)
        if layout.kind == "audio":
            raw, layout = with_cells(raw), Layout(kind="table")
        raw = assumed_of(raw, layout, config.columns)
        read = _table if layout.kind == "table" else _array
        return _dataset(raw, read(raw, join(raw, layout, batching), layout, config), config)

    def encode(self, source: Any) -> Encoded:
        """As `Framing`."""
        raw = read_unlabelled(source, self._row_format, self.batching)
        rows = self._whole(raw.main)
        return _checked(_encode(self.inputs, rows, raw.source, self.batching), raw)

    @property
    def _row_format(self) -> RowFormat:
        """What rows to predict look like."""
        inputs = self.inputs
        wanted = tuple(dict.fromkeys(name for each in inputs for name in each.columns))
        headers = tuple(map(tuple, self.encoders.get("headers", ())))  # older models have none
        return replace(inputs[0].row_format, wanted=wanted, headers=headers)

    def _whole(self, rows: RawRows | None) -> RawRows:
        """Rows with the columns that the inputs read, of which some may be levels of an index."""
        assert rows is not None
        found: RawRows = with_levels(rows, self._row_format.wanted)
        return found

    def encode_parts(self, source: Any) -> Iterator[Encoded]:
        """As `Framing`."""
        raw = read_unlabelled(source, self._row_format, self.batching)
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
        raw = _read_labelled(source, self._row_format, names, self.batching)
        rows = raw.test or raw.main
        if rows is None or not len(rows):
            raise DataError(f"{raw.source} holds no rows to score.")
        rows = self._whole(rows)
        if rows.y is None:
            raise DataError(
                f"{raw.source} holds {len(rows)} rows to test on without a target; scoring needs "
                "one value a row. Give labelled rows, or use `autosynth predict`."
            )
        applied = apply(inputs, rows.x, raw.source, rows.folder, self.batching)
        y = rows.y if target.classes else targets_in_seconds(rows.y, certain=True)[0]
        true_values = true_values_of(y, target, raw.source)
        both, at_x, at_y = np.intersect1d(applied.keep, true_values.keep, return_indices=True)
        if not len(both):
            raise DataError(f"no row of {raw.source} has both values to read and a target.")
        unread = len(rows) - len(applied.keep)
        lost = (LeftOut(reason="that could not be read", rows=unread),) if unread else ()
        whole = len(both) == len(rows)
        return LabelledRows(
            source=raw.source,
            x={n: v if whole else take_rows(v, at_x, self.batching) for n, v in applied.x.items()},
            y=true_values.y if whole else true_values.y[at_y],
            index=list(rows.index) if whole else [rows.index[int(row)] for row in both],
            official=raw.test is not None,
            fingerprint=fingerprint(raw.main, raw.validation, raw.test, batching=self.batching),
            raw=rows_of(rows.x, self.batching).only(both),
            left_out=(*true_values.left_out, *lost),
            warnings=(*raw.warnings, *applied.warnings, *true_values.warnings),
        )


def _dataset(raw: Raw, state: _LoadState, config: DataConfig) -> Dataset:
    """Target, splits and encoders of the rows that were found."""
    rows = state.rows
    goal = _goal(rows, raw, config)
    spare = rows.only(goal.missing[rows.part[goal.missing] != "test"])
    rows, keys = rows.only(goal.keep), state.split_keys.only(goal.keep)
    _check_size(rows, raw)
    few = task_of(goal.spec).few_classes
    copies = split_rows(goal.y, rows.x, rows.parts(), keys, stratified=few, seed=config.seed)
    splits = copies.splits
    state = _fit(replace(state, rows=rows), raw, splits.train, config)
    if state.keep is not None and len(state.keep) < len(goal.y):
        splits = without(splits, state.keep, len(goal.y))
        goal = goal.of_readable(state.keep, raw.source)
        _check_size(rows.only(state.keep), raw)
    dataset = Dataset(
        name=raw.name,
        source=raw.source,
        inputs=tuple(encoder.spec for encoder in state.inputs),
        target=goal.spec,
        x=state.x,
        y=goal.y,
        splits=splits,
        encoders=_learnt(state.inputs, raw),
        fingerprint=fingerprint(raw.main, raw.validation, raw.test, batching=rows.x.batching),
        independent=not keys.asked and raw.validation is None and copies.are_few,
        warnings=(
            *raw.warnings,
            *rows.warnings,
            *keys.warnings,
            *goal.warnings,
            *state.warnings,
            *copies.warnings,
        ),
    )
    raw = replace(raw, assumed=(*raw.assumed, *keys.assumed))
    dataset = _inspected(dataset, raw, state, (*goal.assumed, *copies.assumed))
    return _with_unlabelled(dataset, state.inputs, spare) if len(spare.part) else dataset


def _goal(rows: JoinedRows, raw: Raw, config: DataConfig) -> Target:
    """The target of all rows; spans of time are learnt as numbers."""
    y, told = rows.y, tuple[str, ...]()
    if config.task in (None, "regression"):
        y, told = targets_in_seconds(y, certain=config.task is not None)
    goal = infer_target(
        y,
        raw.target,
        task=config.task,
        in_test=rows.part == "test",
        labels=raw.labels,
        coded=raw.kind is None,
    )
    return replace(goal, assumed=(*told, *goal.assumed))


def _learnt(inputs: Sequence[Encoder], raw: Raw) -> dict[str, Any]:
    """What is kept of the data: its encoders, and the headers that other files of it may lack."""
    headers = [list(names) for names in headers_of(raw)]
    learnt = {"inputs": [encoder.to_dict() for encoder in inputs]}
    return {**learnt, "headers": headers} if headers else learnt


def _inspected(dataset: Dataset, raw: Raw, state: _LoadState, assumed: Sequence[str]) -> Dataset:
    """The dataset with the scales that it is learnt on, and what a user should know of it."""
    choice = choose_scales(dataset)
    dataset = replace(dataset, scales=choice.scales, warnings=(*dataset.warnings, *leaks(dataset)))
    lines = describe(
        dataset,
        raw,
        state.ignored,
        learnt=choice.reasons,
        assumed=assumed,
        fitted=state.inputs,
    )
    return replace(dataset, summary=lines)


def _with_unlabelled(dataset: Dataset, inputs: Sequence[Encoder], rows: JoinedRows) -> Dataset:
    """The dataset with rows that have no target after its own."""
    applied = _encoded(inputs, rows, dataset.source)
    x, n, more = applied.x, len(dataset.y), len(applied.keep)
    return replace(
        dataset,
        x={
            name: concatenate_rows([values, x[name]], rows.x.batching)
            for name, values in dataset.x.items()
        },
        y=np.concatenate([dataset.y, np.zeros((more, *dataset.y.shape[1:]), dataset.y.dtype)]),
        splits=replace(dataset.splits, unlabelled=np.arange(n, n + more)),
    )


def _encoded(inputs: Sequence[Encoder], rows: JoinedRows, source: str) -> Applied:
    """The arrays of the inputs; those of arrays are what `rows` hold."""
    if not rows.x.is_table:
        return Applied(x={inputs[0].name: rows.x.whole()}, keep=np.arange(len(rows.part)))
    return apply_by_part(inputs, rows.x, rows.part, source, rows.folder_of_rows())


def _read(source: Source, config: DataConfig, batching: Batching) -> Raw:
    raw = read_source(source, config.target, batching=batching)
    if raw.main is None:
        raise DataError(f"{raw.source} has test rows only; training needs others.")
    for part, beside in (("test", config.test), ("validation", config.validation)):
        if beside is not None:
            like, headers = _format(raw, config), headers_of(raw)
            other = read_source(beside, config.target, like, batching, headers)
            found: dict[str, Any] = {part: all_rows(other)}
            raw = replace(raw, **found, warnings=(*raw.warnings, *other.warnings))
    # What is named may be a level of a frame's index.
    asked = (config.group, config.time, *config.columns, *config.keep)
    named = {name for name in asked if name is not None}
    parts: dict[str, Any] = {part: with_levels(getattr(raw, part), named) for part in PARTS}
    return replace(raw, **parts)


def _format(raw: Raw, config: DataConfig) -> RowFormat | None:
    """What the rows of images look like, to which those of other folders are brought."""
    assert raw.main is not None
    layout = layout_of(raw, config.columns)
    if layout.kind != "image":
        return None
    return RowFormat(kind="image", shape=row_shape(rows_of(raw.main.x).whole(), layout))


def _array(raw: Raw, rows: JoinedRows, layout: Layout, config: DataConfig) -> _LoadState:
    if flags := [flag for flag in config.column_options if flag != "--column"]:
        raise DataError(
            f"only columns of a table can be named with {flags[0]}; {raw.source} has none."
        )
    assert raw.main is not None
    fitted: Encoder
    if layout.kind == "image":
        fitted = ImageEncoder.fit_array(rows_of(raw.main.x).whole(), layout)
    else:
        fitted = SeriesEncoder.fit_array(rows.x.whole(), layout)
    applied = apply([fitted], rows.x, raw.source)
    x = rows_of(applied.x[fitted.name], rows.x.batching)
    return _LoadState(rows=rows.only(applied.keep, x), inputs=[fitted], warnings=applied.warnings)


def _table(raw: Raw, rows: JoinedRows, layout: Layout, config: DataConfig) -> _LoadState:
    table = as_table(rows.x)
    assert raw.main is not None
    columns = table.columns
    beside = [name for name in subfolders(raw.main.folder) if name not in columns]
    dropped = choose([*columns, *beside], raw.source, drop=config.drop).drop
    detail = date_detail(config.time or "", config.columns)
    keys = split_keys_of(table, config.group, config.time, raw.source, detail)
    unused = {*dropped, *((config.group,) if config.group else ())}
    table = table.drop([name for name in columns if name in unused])
    if not table.columns and not set(beside) - dropped:
        raise DataError(
            f"{raw.source} has no column beside its target {raw.target!r} to learn from."
        )
    return _LoadState(rows=replace(rows, x=table), drop=dropped, split_keys=keys)


def _fit(state: _LoadState, raw: Raw, train: NDArray[np.int64], config: DataConfig) -> _LoadState:
    """Inputs of a table's columns, understood on training rows; and the arrays of all inputs."""
    rows, inputs, ignored = state.rows, state.inputs, state.ignored
    told = tuple[str, ...]()
    if not inputs:
        assert raw.main is not None
        main = rows_of(raw.main.x)
        chosen = rows.x.sample(train)
        sample = rows.x.only(chosen).whole()
        check_flat(sample, raw.source, {*raw.cells, *config.columns})
        inputs, ignored = fit_frame(
            sample,
            np.arange(len(chosen)),
            width=None if main.is_table else int(main.whole().shape[-1]),
            kinds=state.split_keys.kinds_of(sample.columns, _kinds(raw, config, main.is_table)),
            keep=config.keep,
            drop=tuple(state.drop),
            folders=rows.folder_of_rows()[chosen],
            arrays=raw.cells,
        )
        learnable = rows.x.only(np.flatnonzero(rows.part == "main"))
        # Dates of the other rows may tell the day from the month where those of training do not.
        inputs, told = adapted(inputs, learnable, raw.source)
    applied = _encoded(inputs, rows, raw.source)
    return replace(
        state,
        inputs=inputs,
        x=applied.x,
        ignored=ignored,
        keep=applied.keep,
        warnings=tuple(
            dict.fromkeys((*state.warnings, *_set_aside(ignored), *told, *applied.warnings))
        ),
    )


def _kinds(raw: Raw, config: DataConfig, is_table: bool) -> dict[str, str]:
    """Kinds of columns that are told: by the user, or by the form of the source."""
    own = {AUDIO_COLUMN: "audio"} if raw.kind == "audio" else {}
    return {**own, **config.columns} if is_table else own


def _check_size(rows: JoinedRows, raw: Raw) -> None:
    learnable = int((rows.part != "test").sum())
    if learnable < _MIN_ROWS:
        raise DataError(
            f"{raw.source} has {learnable} rows with a target to learn from; at least {_MIN_ROWS} "
            "are needed."
        )
    if raw.test and raw.test.y is not None and learnable == len(rows.part):
        raise DataError(
            f"no row of the test part of {raw.source} is left: its {raw.target} is missing, or "
            f"holds classes that training rows lack ({', '.join(_shown(raw.test.y))})."
        )


def _encode(
    inputs: Sequence[Encoder],
    rows: RawRows,
    source: str,
    batching: Batching = BY_SIZE,
    *,
    adapt: bool = True,
) -> Encoded:
    """Those of the rows that can be read."""
    applied = apply(inputs, rows.x, source, rows.folder, batching, adapt=adapt)
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


def _shown(values: "pd.Series[Any] | pd.DataFrame") -> list[str]:
    return [repr(value) for value in pd.unique(values.to_numpy().ravel())[:4]]


def _set_aside(ignored: Sequence[IgnoredColumn]) -> list[str]:
    """One warning a reason, with the columns it set aside."""
    reasons: dict[str, list[str]] = {}
    for ignored_column in ignored:
        reasons.setdefault(ignored_column.reason, []).append(ignored_column.name)
    return [
        f"{'column' if len(names) == 1 else f'{len(names)} columns'} set aside: "
        f"{', '.join(names[:8])}{', ...' if len(names) > 8 else ''} ({reason})"
        for reason, names in reasons.items()
    ]

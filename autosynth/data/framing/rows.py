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

from autosynth.cell import NO_VALUE_WORDS
from autosynth.data.column.choice import choose
from autosynth.data.column.column import IgnoredColumn
from autosynth.data.column.path import subfolders
from autosynth.data.encoder.apply import apply, unfamiliar_in
from autosynth.data.encoder.encoder import Applied, Encoder
from autosynth.data.encoder.frame import cells_of, fit_frame
from autosynth.data.encoder.image import ImageEncoder
from autosynth.data.encoder.series import SeriesEncoder
from autosynth.data.framing.framing import Encoded, Framing, LabelledRows
from autosynth.data.framing.join import JoinedRows, join, settled
from autosynth.data.inspection.describe import describe
from autosynth.data.inspection.leak import leaks
from autosynth.data.inspection.scalechoice import choose_scales
from autosynth.data.source.frames import check_flat
from autosynth.data.source.layout import Layout, infer_layout
from autosynth.data.source.mappedarray import concatenate_rows, take_rows
from autosynth.data.source.memory import BY_SIZE, Batching
from autosynth.data.source.raw import Raw, RawRows, RowFormat, fingerprint
from autosynth.data.source.read import Source, all_rows, read_source, read_unlabelled
from autosynth.data.source.rows import rows_of
from autosynth.data.source.tablefile import as_table
from autosynth.data.split.split import left_out, split, without
from autosynth.data.split.splitkeys import SplitKeys, split_keys_of
from autosynth.errors import DataError
from autosynth.options import DataConfig
from autosynth.spec import Dataset, TargetSpec
from autosynth.task.read import infer_target, true_values_of
from autosynth.task.target import LeftOut, drop_words
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
        words = [name for name, kind in config.columns.items() if kind == "category"]
        words += ["*"] if config.keep_missing_words else []
        text = [n for n, kind in config.columns.items() if kind.startswith("number:")]
        batching = replace(batching, words=tuple(words), text=tuple(text))
        raw = _read(source, config, batching)
        layout = _layout(raw)
        read = _table if layout.kind == "table" else _array
        return _dataset(raw, read(raw, join(raw, layout, batching), layout, config), config)

    def encode(self, source: Any) -> Encoded:
        """As `Framing`."""
        inputs = self.inputs
        raw = read_unlabelled(source, inputs[0].row_format, self._reading)
        assert raw.main is not None
        return _checked(_encode(inputs, raw.main, raw.source, self.batching), raw)

    def encode_parts(self, source: Any) -> Iterator[Encoded]:
        """As `Framing`."""
        inputs = self.inputs
        raw = read_unlabelled(source, inputs[0].row_format, self._reading)
        rows, told = raw.main, raw.warnings
        assert rows is not None
        for start, batch in rows_of(rows.x, self.batching).batches():
            stop = start + len(batch)
            piece = replace(rows, x=batch, index=rows.index[start:stop])
            part = _encode(inputs, piece, raw.source)
            if len(batch) == len(rows):
                yield _checked(part, raw)
                return
            where = f"rows {start:,} to {stop - 1:,}"
            told += tuple(f"{where}: {text}" for text in part.warnings)
            yield replace(part, warnings=told)
            told = ()

    @property
    def _reading(self) -> Batching:
        """How other data is read: what was learnt of words for no value and forms of numbers."""
        cells = [c for each in self.inputs for c in cells_of(each)]
        kept = [c.name for c in cells if not set(NO_VALUE_WORDS).isdisjoint(c.categories)]
        text = [c.name for c in cells if c.kind == "number" and c.forms]
        return replace(self.batching, words=tuple(kept), text=tuple(text))

    def labelled(self, source: Any, target: TargetSpec, columns: Sequence[str]) -> LabelledRows:
        """As `Framing`."""
        inputs = self.inputs
        names = columns or _target_columns(inputs[0], target)
        raw = _read_labelled(source, inputs[0].row_format, names, self._reading)
        rows = raw.test or raw.main
        if rows is None or not len(rows):
            raise DataError(f"{raw.source} holds no rows to score.")
        if rows.y is None:
            raise DataError(
                f"{raw.source} holds {len(rows)} rows to test on without a target; scoring needs "
                "one value a row. Give labelled rows, or use `autosynth predict`."
            )
        applied = apply(inputs, rows.x, raw.source, rows.folder, self.batching, later=True)
        y = rows.y
        if raw.has_words:
            y = drop_words(y, [name for part, _, _ in target.fields for name in part.classes])
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
            index=rows.index if whole else [rows.index[int(row)] for row in both],
            official=raw.test is not None,
            fingerprint=fingerprint(raw.main, raw.validation, raw.test, batching=self.batching),
            raw=rows_of(rows.x, self.batching).only(both),
            left_out=(*true_values.left_out, *lost),
            warnings=(*raw.warnings, *applied.warnings, *true_values.warnings),
        )


def _dataset(raw: Raw, state: _LoadState, config: DataConfig) -> Dataset:
    """Target, splits and encoders of the rows that were found."""
    rows, told = settled(state.rows, raw, config)
    goal = infer_target(
        rows.y,
        raw.target,
        task=config.task,
        in_test=rows.part == "test",
        labels=raw.labels,
        coded=raw.kind is None,
        decimal=raw.decimal,
    )
    spare = rows.only(goal.missing[rows.part[goal.missing] != "test"])
    rows, keys = rows.only(goal.keep), state.split_keys.only(goal.keep)
    _check_size(rows, raw)
    classified = task_of(goal.spec).few_classes
    splits = split(
        goal.y,
        rows.parts(),
        stratified=classified,
        seed=config.seed,
        groups=keys.groups,
        times=keys.times,
    )
    lost = left_out(splits, len(goal.y))
    state = _fit(replace(state, rows=rows), raw, splits.train, config)
    if state.keep is not None and len(state.keep) < len(goal.y):
        splits = without(splits, state.keep, len(goal.y))
        goal = replace(goal, y=goal.y[state.keep])
        _check_size(rows.only(state.keep), raw)
    dataset = Dataset(
        name=raw.name,
        source=raw.source,
        inputs=tuple(encoder.spec for encoder in state.inputs),
        target=goal.spec,
        x=state.x,
        y=goal.y,
        splits=splits,
        encoders={"inputs": [encoder.to_dict() for encoder in state.inputs]},
        fingerprint=fingerprint(raw.main, raw.validation, raw.test, batching=rows.x.batching),
        independent=keys.groups is None and keys.times is None,
        warnings=(
            *raw.warnings,
            *rows.warnings,
            *told,
            *goal.warnings,
            *state.warnings,
            *([f"{lost} rows share a group with test rows and are left out"] if lost else []),
        ),
    )
    dataset = _inspected(dataset, raw, state, goal.assumed)
    return _with_unlabelled(dataset, state.inputs, spare) if len(spare.part) else dataset


def _inspected(dataset: Dataset, raw: Raw, state: _LoadState, assumed: Sequence[str]) -> Dataset:
    """The dataset with the scales that it is learnt on, and what a user should know of it."""
    choice = choose_scales(dataset)
    dataset = replace(dataset, scales=choice.scales, warnings=(*dataset.warnings, *leaks(dataset)))
    lines = describe(
        dataset, raw, state.ignored, learnt=choice.reasons, assumed=assumed, inputs=state.inputs
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
    return apply(inputs, rows.x, source, rows.folder_of_rows())


def _read(source: Source, config: DataConfig, batching: Batching) -> Raw:
    raw = read_source(source, config.target, batching=batching)
    if raw.main is None:
        raise DataError(f"{raw.source} has test rows only; training needs others.")
    for part, beside in (("test", config.test), ("validation", config.validation)):
        if beside is not None:
            other = read_source(beside, config.target, like=raw.main, batching=batching)
            found: dict[str, Any] = {part: all_rows(other)}
            raw = replace(raw, **found, warnings=(*raw.warnings, *other.warnings))
    return raw


def _layout(raw: Raw) -> Layout:
    assert raw.main is not None
    rows = rows_of(raw.main.x)
    if rows.is_table:
        return Layout(kind="table")
    if raw.kind is not None and raw.channels is not None:
        return Layout(kind=raw.kind, channels=raw.channels)
    return infer_layout(rows.whole(), raw.kind, raw.source)


def _array(raw: Raw, rows: JoinedRows, layout: Layout, config: DataConfig) -> _LoadState:
    if config.column_options:
        raise DataError(
            f"only columns of a table can be named with {config.column_options[0]}; "
            f"{raw.source} has none."
        )
    of_arrays = ImageEncoder if layout.kind == "image" else SeriesEncoder
    fitted = of_arrays.fit_array(rows.x.whole(), layout)
    applied = apply([fitted], rows.x, raw.source)
    x = rows_of(applied.x[fitted.name], rows.x.batching)
    return _LoadState(rows=rows.only(applied.keep, x), inputs=[fitted], warnings=applied.warnings)


def _table(raw: Raw, rows: JoinedRows, layout: Layout, config: DataConfig) -> _LoadState:
    table = as_table(rows.x)
    assert raw.main is not None
    columns = table.columns
    beside = [name for name in subfolders(raw.main.folder) if name not in columns]
    dropped = choose([*columns, *beside], raw.source, drop=config.drop).drop
    keys = split_keys_of(table, config.group, config.time, raw.source)
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
    if not inputs:
        assert raw.main is not None
        main = rows_of(raw.main.x)
        chosen = rows.x.sample(train)
        sample = rows.x.only(chosen).whole()
        check_flat(sample, raw.source)
        inputs, ignored = fit_frame(
            sample,
            np.arange(len(chosen)),
            width=None if main.is_table else int(main.whole().shape[-1]),
            kinds=config.columns,
            keep=config.keep,
            drop=tuple(state.drop),
            folders=rows.folder_of_rows()[chosen],
            decimal=raw.decimal,
        )
    applied = _encoded(inputs, rows, raw.source)
    official = rows.x.only(np.flatnonzero(rows.part == "test"))
    told = unfamiliar_in(inputs, official) if official.is_table and len(official) else ()
    return replace(
        state,
        inputs=inputs,
        x=applied.x,
        ignored=ignored,
        keep=applied.keep,
        warnings=(
            *state.warnings,
            *_set_aside(ignored),
            *_doubts(inputs),
            *applied.warnings,
            *(f"test rows: {text}" for text in told),
        ),
    )


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
    inputs: Sequence[Encoder], rows: RawRows, source: str, batching: Batching = BY_SIZE
) -> Encoded:
    """Those of the rows that can be read."""
    applied = apply(inputs, rows.x, source, rows.folder, batching, later=True)
    index = rows.index
    if len(applied.keep) < len(index):
        index = [str(index[int(row)]) for row in applied.keep]
    return Encoded(x=applied.x, index=index, warnings=applied.warnings)


def _checked(encoded: Encoded, raw: Raw) -> Encoded:
    """All rows of a source, of which one can be read; with the warnings of reading it."""
    if not len(encoded.index):
        told = "; ".join(encoded.warnings)
        raise DataError(f"no row of {raw.source} can be read{f' ({told})' if told else ''}.")
    return replace(encoded, warnings=(*raw.warnings, *encoded.warnings))


def _read_labelled(source: Any, rows: RowFormat, names: Sequence[str], batching: Batching) -> Raw:
    if isinstance(source, np.ndarray):
        raise DataError(
            f"an array of shape {source.shape} has no labels to score against; give (x, y)."
        )
    like = None
    if rows.kind == "image":  # images of a folder are brought to its shape
        channels, height, width = rows.shape
        like = RawRows(x=np.empty((0, height, width, channels)), index=range(0))
    return read_source(source, names, like, batching)


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


def _doubts(inputs: Sequence[Encoder]) -> list[str]:
    """Columns that another reading fits as well."""
    return [column.doubt for each in inputs for column in cells_of(each) if column.doubt]


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

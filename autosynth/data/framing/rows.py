"""Rows that stand for themselves, as a dataset: of a table, or arrays of images or series.

Takes a source and what is asked of it; gives a `Dataset`. The steps are those of every framing:
read, understand the target, split, fit encoders on training rows, encode everything.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from autosynth.data.column.choice import choose
from autosynth.data.column.column import IgnoredColumn
from autosynth.data.column.path import subfolders
from autosynth.data.encoder.apply import apply_large
from autosynth.data.encoder.encoder import Applied, Encoder
from autosynth.data.encoder.frame import fit_frame
from autosynth.data.encoder.image import ImageEncoder
from autosynth.data.encoder.mappedarray import concatenate_rows
from autosynth.data.encoder.series import SeriesEncoder
from autosynth.data.framing.join import JoinedRows, join
from autosynth.data.inspection.describe import describe
from autosynth.data.inspection.leak import leaks
from autosynth.data.inspection.scalechoice import choose_scales
from autosynth.data.source.fingerprint import fingerprint
from autosynth.data.source.frames import check_flat
from autosynth.data.source.layout import Layout, infer_layout
from autosynth.data.source.outofcore import FRAMES, as_table, read_large, sample_of
from autosynth.data.source.raw import Raw
from autosynth.data.source.read import Source, all_rows, read_source
from autosynth.data.split.split import left_out, split, without
from autosynth.data.split.splitkeys import SplitKeys, split_keys_of
from autosynth.errors import DataError
from autosynth.options import DataConfig
from autosynth.spec import Dataset
from autosynth.task.read import infer_target
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


def load_rows(source: Source, config: DataConfig) -> Dataset:
    """Read rows that stand for themselves: of a table, or arrays of images or series.

    Args:
        source: as `load_dataset` takes it.
        config: what is asked of the reading.

    Raises:
        DataNotFoundError: no such path or built-in set.
        DataError: the data cannot be read, or there is nothing in it to learn.
    """
    raw = _read(source, config)
    layout = _layout(raw)
    read = _table if layout.kind == "table" else _array
    return _dataset(raw, read(raw, layout, config), config)


def _dataset(raw: Raw, state: _LoadState, config: DataConfig) -> Dataset:
    """Target, splits and encoders of the rows that were found."""
    rows = state.rows
    goal = infer_target(
        rows.y, raw.target, task=config.task, in_test=rows.part == "test", labels=raw.labels,
        coded=raw.kind is None,
    )  # fmt: skip
    spare = rows.only(goal.missing[rows.part[goal.missing] != "test"])
    rows, keys = rows.only(goal.keep), state.split_keys.only(goal.keep)
    _check_size(rows, raw)
    classified = task_of(goal.spec).few_classes
    splits = split(
        goal.y, rows.parts(), stratified=classified, seed=config.seed, groups=keys.groups,
        times=keys.times,
    )  # fmt: skip
    lost = left_out(splits, len(goal.y))
    state = _fit(replace(state, rows=rows), raw, splits.train, config)
    if state.keep is not None and len(state.keep) < len(goal.y):
        splits = without(splits, state.keep, len(goal.y))
        goal = replace(goal, y=goal.y[state.keep])
        _check_size(rows.only(state.keep), raw)
    dataset = Dataset(
        name=raw.name, source=raw.source, inputs=tuple(encoder.spec for encoder in state.inputs),
        target=goal.spec, x=state.x, y=goal.y, splits=splits,
        encoders={"inputs": [encoder.to_dict() for encoder in state.inputs]},
        fingerprint=fingerprint(raw.main, raw.validation, raw.test),
        independent=keys.groups is None and keys.times is None,
        warnings=(
            *raw.warnings, *rows.warnings, *goal.warnings, *state.warnings,
            *([f"{lost} rows share a group with test rows and are left out"] if lost else []),
        ),
    )  # fmt: skip
    choice = choose_scales(dataset)
    dataset = replace(
        dataset, scales=choice.scales, warnings=(*dataset.warnings, *leaks(dataset))
    )  # fmt: skip
    lines = describe(dataset, raw, state.ignored, learnt=choice.reasons)
    dataset = replace(dataset, summary=lines)
    return _with_unlabelled(dataset, state.inputs, spare) if len(spare.part) else dataset


def _with_unlabelled(dataset: Dataset, inputs: Sequence[Encoder], rows: JoinedRows) -> Dataset:
    """The dataset with rows that have no target after its own."""
    applied = _encoded(inputs, rows, dataset.source)
    x, n, more = applied.x, len(dataset.y), len(applied.keep)
    return replace(
        dataset,
        x={name: concatenate_rows(values, x[name]) for name, values in dataset.x.items()},
        y=np.concatenate([dataset.y, np.zeros((more, *dataset.y.shape[1:]), dataset.y.dtype)]),
        splits=replace(dataset.splits, unlabelled=np.arange(n, n + more)),
    )


def _encoded(inputs: Sequence[Encoder], rows: JoinedRows, source: str) -> Applied:
    """The arrays of the inputs; those of arrays are what `rows` hold."""
    if isinstance(rows.x, FRAMES):
        return apply_large(inputs, rows.x, source, rows.folder_of_rows())
    return Applied(x={inputs[0].name: rows.x}, keep=np.arange(len(rows.part)))


def _read(source: Source, config: DataConfig) -> Raw:
    test, validation = config.test, config.validation
    if large := read_large(source, config.target, test):
        return large
    raw = read_source(source, config.target)
    if raw.main is None:
        raise DataError(f"{raw.source} has test rows only; training needs others.")
    if test is not None:
        other = read_source(test, config.target, like=raw.main)
        raw = replace(raw, test=all_rows(other), warnings=(*raw.warnings, *other.warnings))
    if validation is not None:
        other = read_source(validation, config.target, like=raw.main)
        raw = replace(raw, validation=all_rows(other), warnings=(*raw.warnings, *other.warnings))
    return raw


def _layout(raw: Raw) -> Layout:
    assert raw.main is not None
    if isinstance(raw.main.x, FRAMES):
        return Layout(kind="table")
    if raw.kind is not None and raw.channels is not None:
        return Layout(kind=raw.kind, channels=raw.channels)
    return infer_layout(raw.main.x, raw.kind, raw.source)


def _array(raw: Raw, layout: Layout, config: DataConfig) -> _LoadState:
    if config.column_options:
        raise DataError(
            f"only columns of a table can be named with {config.column_options[0]}; "
            f"{raw.source} has none."
        )
    rows = join(raw, layout)
    of_arrays = ImageEncoder if layout.kind == "image" else SeriesEncoder
    fitted = of_arrays.fit_array(rows.x, layout)
    applied = apply_large([fitted], rows.x, raw.source)
    return _LoadState(
        rows=rows.only(applied.keep, applied.x[fitted.name]), inputs=[fitted],
        warnings=applied.warnings,
    )  # fmt: skip


def _table(raw: Raw, layout: Layout, config: DataConfig) -> _LoadState:
    rows = join(raw, layout)
    frame = as_table(rows.x)
    assert raw.main is not None
    columns = list(frame.columns)
    beside = [name for name in subfolders(raw.main.folder) if name not in columns]
    dropped = choose([*columns, *beside], raw.source, drop=config.drop).drop
    keys = split_keys_of(frame, config.group, config.time, raw.source)
    unused = {*dropped, *((config.group,) if config.group else ())}
    frame = frame.drop(columns=[name for name in columns if name in unused])
    if not len(frame.columns) and not set(beside) - dropped:
        raise DataError(
            f"{raw.source} has no column beside its target {raw.target!r} to learn from."
        )
    if isinstance(frame, pd.DataFrame):
        check_flat(frame, raw.source)
    return _LoadState(rows=replace(rows, x=frame), drop=dropped, split_keys=keys)


def _fit(state: _LoadState, raw: Raw, train: NDArray[np.int64], config: DataConfig) -> _LoadState:
    """Inputs of a table's columns, understood on training rows; and the arrays of all inputs."""
    rows, inputs, ignored = state.rows, state.inputs, state.ignored
    if not inputs:
        assert raw.main is not None
        width = None if isinstance(raw.main.x, FRAMES) else int(raw.main.x.shape[-1])
        sample = sample_of(rows.x, train)
        folders = rows.folder_of_rows()
        inputs, ignored = fit_frame(
            sample.frame, sample.train, width=width, kinds=config.columns, keep=config.keep,
            drop=tuple(state.drop),
            folders=folders if len(folders) == len(sample.frame) else raw.main.folder,
        )  # fmt: skip
    applied = _encoded(inputs, rows, raw.source)
    return replace(
        state, inputs=inputs, x=applied.x, ignored=ignored, keep=applied.keep,
        warnings=(*state.warnings, *_set_aside(ignored), *applied.warnings),
    )  # fmt: skip


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

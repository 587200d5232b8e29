"""Reads a source into a `Dataset`: rows, target, splits, encoders, and what to tell the user.

The one place that knows all steps: read, understand the target, split, fit encoders on training
rows, encode everything.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Unpack

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from autosynth.data.describe import describe
from autosynth.data.fingerprint import fingerprint
from autosynth.data.forms.frames import check_flat
from autosynth.data.held import Held, held_by
from autosynth.data.inputs.choice import choose
from autosynth.data.inputs.column import Aside
from autosynth.data.inputs.encoder import fit_array, input_spec
from autosynth.data.inputs.frame import Applied, Fitted, fit_frame
from autosynth.data.inputs.layout import Layout, understand_array
from autosynth.data.inputs.media import subfolders
from autosynth.data.interactions import load_interactions
from autosynth.data.join import Joined, join
from autosynth.data.kept import joined
from autosynth.data.large import FRAMES, apply_large, read_large, rows_of, sample_of
from autosynth.data.leak import leaks
from autosynth.data.raw import Raw
from autosynth.data.read import Source, all_rows, read
from autosynth.data.request import Asked, Request
from autosynth.data.scalechoice import choose_scales
from autosynth.data.spec import Dataset
from autosynth.data.split import left_out, split, without
from autosynth.data.targets import understand_target
from autosynth.data.windows import load_windows
from autosynth.errors import DataError

_MIN_ROWS = 10


@dataclass(frozen=True, kw_only=True)
class _Found:
    """Rows on their way: those of arrays are encoded at once, and those of tables when split."""

    rows: Joined
    inputs: Sequence[Fitted] = ()
    x: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    asides: tuple[Aside, ...] = ()
    drop: frozenset[str] = frozenset()
    held: Held = field(default_factory=Held)
    keep: NDArray[np.int64] | None = None
    warnings: tuple[str, ...] = ()


def load(source: Source, *, seed: int = 0, **asked: Unpack[Asked]) -> Dataset:
    """Read `source` and understand it.

    Args:
        source: a built-in name (`BUILTIN`), a path, a frame, `(x, y)` or `(x, y, x_test, y_test)`,
            a map-style dataset of torch, `openml:ID` or `hf:NAME`.
        seed: decides the rows of each split that is not official.
        asked: what `Asked` says.

    Raises:
        DataNotFoundError: no such path or built-in set.
        DataError: the data cannot be read, or there is nothing in it to learn.
    """
    request = Request.of(asked, seed)
    if request.task == "forecasting":
        return _forecast(source, request)
    if request.task == "ranking" or request.user or request.features:
        return load_interactions(source, request)
    if request.horizon is not None or request.history is not None:
        raise DataError("--horizon and --history are of forecasts. Add --task forecasting.")
    raw = _read(source, request)
    layout = _layout(raw)
    read = _table if layout.kind == "table" else _array
    return _dataset(raw, read(raw, layout, request), request)


def _dataset(raw: Raw, found: _Found, asked: Request) -> Dataset:
    """Target, splits and encoders of the rows that were found."""
    rows = found.rows
    goal = understand_target(
        rows.y, raw.target, task=asked.task, in_test=rows.part == "test", labels=raw.labels,
        coded=raw.kind is None,
    )  # fmt: skip
    spare = rows.only(goal.missing[rows.part[goal.missing] != "test"])
    rows, held = rows.only(goal.keep), found.held.only(goal.keep)
    _check_size(rows, raw)
    classified = goal.spec.task == "classification"
    splits = split(
        goal.y, rows.parts(), stratified=classified, seed=asked.seed, groups=held.groups,
        times=held.times,
    )  # fmt: skip
    lost = left_out(splits, len(goal.y))
    found = _fit(replace(found, rows=rows), raw, splits.train, asked)
    if found.keep is not None and len(found.keep) < len(goal.y):
        splits = without(splits, found.keep, len(goal.y))
        goal = replace(goal, y=goal.y[found.keep])
        _check_size(rows.only(found.keep), raw)
    dataset = Dataset(
        name=raw.name, source=raw.source, inputs=tuple(map(input_spec, found.inputs)),
        target=goal.spec, x=found.x, y=goal.y, splits=splits,
        encoders={"inputs": list(found.inputs)},
        fingerprint=fingerprint(raw.main, raw.validation, raw.test),
        independent=held.groups is None and held.times is None,
        warnings=(
            *raw.warnings, *rows.warnings, *goal.warnings, *found.warnings,
            *([f"{lost} rows share a group with test rows and are left out"] if lost else []),
        ),
    )  # fmt: skip
    choice = choose_scales(dataset)
    dataset = replace(
        dataset, scales=choice.scales, warnings=(*dataset.warnings, *leaks(dataset))
    )  # fmt: skip
    lines = describe(dataset, raw, found.asides, learnt=choice.told)
    dataset = replace(dataset, understood=lines)
    return _with_unlabelled(dataset, spare) if len(spare.part) else dataset


def _forecast(source: Source, asked: Request) -> Dataset:
    if len(asked.target) > 1:
        raise DataError(
            f"a forecast is of one column, not of {', '.join(asked.target)}. Name one with "
            "--target; the others are read beside it."
        )
    return load_windows(
        source, target=next(iter(asked.target), None), test=asked.test, drop=asked.drop,
        horizon=asked.horizon, history=asked.history, time=asked.time,
    )  # fmt: skip


def _with_unlabelled(dataset: Dataset, rows: Joined) -> Dataset:
    """The dataset with rows that have no target after its own."""
    applied = _encoded(dataset.encoders["inputs"], rows, dataset.source)
    x, n, more = applied.x, len(dataset.y), len(applied.keep)
    return replace(
        dataset,
        x={name: joined(values, x[name]) for name, values in dataset.x.items()},
        y=np.concatenate([dataset.y, np.zeros((more, *dataset.y.shape[1:]), dataset.y.dtype)]),
        splits=replace(dataset.splits, unlabelled=np.arange(n, n + more)),
    )


def _encoded(inputs: Sequence[Fitted], rows: Joined, source: str) -> Applied:
    """The arrays of the inputs; those of arrays are what `rows` hold."""
    if isinstance(rows.x, FRAMES):
        return apply_large(inputs, rows.x, source, rows.folder_of_rows())
    return Applied(x={inputs[0]["name"]: rows.x}, keep=np.arange(len(rows.part)))


def _read(source: Source, asked: Request) -> Raw:
    test, validation = asked.test, asked.validation
    if large := read_large(source, asked.target, test):
        return large
    raw = read(source, asked.target)
    if raw.main is None:
        raise DataError(f"{raw.source} has test rows only; training needs others.")
    if test is not None:
        other = read(test, asked.target, like=raw.main)
        raw = replace(raw, test=all_rows(other), warnings=(*raw.warnings, *other.warnings))
    if validation is not None:
        other = read(validation, asked.target, like=raw.main)
        raw = replace(raw, validation=all_rows(other), warnings=(*raw.warnings, *other.warnings))
    return raw


def _layout(raw: Raw) -> Layout:
    assert raw.main is not None
    if isinstance(raw.main.x, FRAMES):
        return Layout(kind="table")
    if raw.kind is not None and raw.channels is not None:
        return Layout(kind=raw.kind, channels=raw.channels)
    return understand_array(raw.main.x, raw.kind, raw.source)


def _array(raw: Raw, layout: Layout, asked: Request) -> _Found:
    if asked.of_columns:
        raise DataError(
            f"only columns of a table can be named with {asked.of_columns[0]}; {raw.source} has "
            "none."
        )
    rows = join(raw, layout)
    fitted = fit_array(rows.x, layout)
    applied = apply_large([fitted], rows.x, raw.source)
    return _Found(
        rows=rows.only(applied.keep, applied.x[fitted["name"]]), inputs=[fitted],
        warnings=applied.warnings,
    )  # fmt: skip


def _table(raw: Raw, layout: Layout, asked: Request) -> _Found:
    rows = join(raw, layout)
    frame = rows_of(rows.x)
    assert raw.main is not None
    columns = list(frame.columns)
    beside = [name for name in subfolders(raw.main.folder) if name not in columns]
    lost = choose([*columns, *beside], raw.source, drop=asked.drop).drop
    held = held_by(frame, asked.group, asked.time, raw.source)
    gone = {*lost, *((asked.group,) if asked.group else ())}
    frame = frame.drop(columns=[name for name in columns if name in gone])
    if not len(frame.columns) and not set(beside) - lost:
        raise DataError(
            f"{raw.source} has no column beside its target {raw.target!r} to learn from."
        )
    if isinstance(frame, pd.DataFrame):
        check_flat(frame, raw.source)
    return _Found(rows=replace(rows, x=frame), drop=lost, held=held)


def _fit(found: _Found, raw: Raw, train: NDArray[np.int64], asked: Request) -> _Found:
    """Inputs of a table's columns, understood on training rows; and the arrays of all inputs."""
    rows, inputs, asides = found.rows, found.inputs, found.asides
    if not inputs:
        assert raw.main is not None
        width = None if isinstance(raw.main.x, FRAMES) else int(raw.main.x.shape[-1])
        sample = sample_of(rows.x, train)
        folders = rows.folder_of_rows()
        inputs, asides = fit_frame(
            sample.frame, sample.train, width=width, kinds=asked.columns, keep=asked.keep,
            drop=tuple(found.drop),
            folders=folders if len(folders) == len(sample.frame) else raw.main.folder,
        )  # fmt: skip
    applied = _encoded(inputs, rows, raw.source)
    return replace(
        found, inputs=inputs, x=applied.x, asides=asides, keep=applied.keep,
        warnings=(*found.warnings, *_set_aside(asides), *applied.warnings),
    )  # fmt: skip


def _check_size(rows: Joined, raw: Raw) -> None:
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


def _set_aside(asides: Sequence[Aside]) -> list[str]:
    """One warning a reason, with the columns it set aside."""
    reasons: dict[str, list[str]] = {}
    for aside in asides:
        reasons.setdefault(aside.reason, []).append(aside.name)
    return [
        f"{'column' if len(names) == 1 else f'{len(names)} columns'} set aside: "
        f"{', '.join(names[:8])}{', ...' if len(names) > 8 else ''} ({reason})"
        for reason, names in reasons.items()
    ]

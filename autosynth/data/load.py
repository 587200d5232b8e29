"""Reads a source into a `Dataset`: rows, target, splits, encoders, and what to tell the user.

The one place that knows all steps: read, understand the target, split, fit encoders on training
rows, encode everything.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from autosynth.data.describe import describe
from autosynth.data.fingerprint import fingerprint
from autosynth.data.forms.table import as_frame
from autosynth.data.inputs.columns import Aside
from autosynth.data.inputs.encoder import apply, fit_array, input_spec
from autosynth.data.inputs.frame import Applied, Fitted, fit_frame
from autosynth.data.inputs.layout import Layout, understand_array
from autosynth.data.interactions import load_interactions
from autosynth.data.join import Joined, join
from autosynth.data.raw import Raw
from autosynth.data.read import Source, all_rows, read
from autosynth.data.spec import Dataset, Task
from autosynth.data.split import split
from autosynth.data.targets import understand_target
from autosynth.errors import DataError

_MIN_ROWS = 10


@dataclass(frozen=True, kw_only=True)
class _Found:
    """Rows on their way: those of arrays are encoded at once, and those of tables when split."""

    rows: Joined
    inputs: Sequence[Fitted] = ()
    x: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    asides: tuple[Aside, ...] = ()
    warnings: tuple[str, ...] = ()


def load(
    source: Source,
    *,
    target: str | Sequence[str] | None = None,
    test: Source | None = None,
    task: Task | None = None,
    drop: Sequence[str] = (),
    user: str | None = None,
    time: str | None = None,
    features: Sequence[Source] = (),
    seed: int = 0,
) -> Dataset:
    """Read `source` and understand it.

    Args:
        source: a built-in name (`BUILTIN`), a path, a DataFrame, `(x, y)` or
            `(x, y, x_test, y_test)`.
        target: the column to predict, or several; a table needs it.
        test: a source of the same form; its rows are the test split, in place of an official one.
        task: classification or regression, where the target's values would say otherwise;
            ranking, to predict a user's next item from interactions.
        drop: columns of a table to leave out.
        user: the column of interactions that says who; their `target` is the column of items.
        time: the column of interactions that says when; the order of the rows if left out.
        features: tables about users or items, one row each.
        seed: decides the rows of each split that is not official.

    Raises:
        DataNotFoundError: no such path or built-in set.
        DataError: the data cannot be read, or there is nothing in it to learn.
    """
    names = (target,) if isinstance(target, str) else tuple(target or ())
    if task == "ranking" or user or features:
        return load_interactions(
            source, target=names, user=user or "", time=time or "", features=features, drop=drop,
            task=task, test=test, seed=seed,
        )  # fmt: skip
    raw = _read(source, names, test)
    layout = _layout(raw)
    found = _table(raw, layout, drop) if layout.kind == "table" else _array(raw, layout, drop)
    rows = found.rows
    goal = understand_target(
        rows.y,
        raw.target,
        task=task,
        in_test=rows.part == "test",
        labels=raw.labels,
        coded=raw.kind is None,
    )
    spare = rows.only(goal.missing[rows.part[goal.missing] != "test"])
    rows = rows.only(goal.keep)
    _check_size(rows, raw)
    classified = goal.spec.task == "classification"
    splits = split(goal.y, rows.parts(), stratified=classified, seed=seed)
    found = _fit(replace(found, rows=rows), raw, splits.train)
    dataset = Dataset(
        name=raw.name,
        source=raw.source,
        inputs=tuple(map(input_spec, found.inputs)),
        target=goal.spec,
        x=found.x,
        y=goal.y,
        splits=splits,
        encoders={"inputs": list(found.inputs)},
        fingerprint=fingerprint(raw.main, raw.validation, raw.test),
        warnings=(*raw.warnings, *rows.warnings, *goal.warnings, *found.warnings),
    )
    dataset = replace(dataset, understood=describe(dataset, raw, found.asides))
    return _with_unlabelled(dataset, spare) if len(spare.part) else dataset


def _with_unlabelled(dataset: Dataset, rows: Joined) -> Dataset:
    """The dataset with rows that have no target after its own."""
    x = _encoded(dataset.encoders["inputs"], rows, dataset.source).x
    n, more = len(dataset.y), len(rows.part)
    return replace(
        dataset,
        x={name: np.concatenate([values, x[name]]) for name, values in dataset.x.items()},
        y=np.concatenate([dataset.y, np.zeros((more, *dataset.y.shape[1:]), dataset.y.dtype)]),
        splits=replace(dataset.splits, unlabelled=np.arange(n, n + more)),
    )


def _encoded(inputs: Sequence[Fitted], rows: Joined, source: str) -> Applied:
    """The arrays of the inputs; those of arrays are what `rows` hold."""
    if isinstance(rows.x, pd.DataFrame):
        return apply(inputs, rows.x, source)
    return Applied(x={inputs[0]["name"]: rows.x}, keep=np.arange(len(rows.part)))


def _read(source: Source, target: Sequence[str], test: Source | None) -> Raw:
    raw = read(source, target)
    if raw.main is None:
        raise DataError(f"{raw.source} has test rows only; training needs others.")
    if test is None:
        return raw
    other = read(test, target, like=raw.main)
    return replace(raw, test=all_rows(other), warnings=(*raw.warnings, *other.warnings))


def _layout(raw: Raw) -> Layout:
    assert raw.main is not None
    if isinstance(raw.main.x, pd.DataFrame):
        return Layout(kind="table")
    return understand_array(raw.main.x, raw.kind, raw.source)


def _array(raw: Raw, layout: Layout, drop: Sequence[str]) -> _Found:
    if drop:
        raise DataError(f"only columns of a table can be dropped; {raw.source} has none.")
    rows = join(raw, layout)
    fitted = fit_array(rows.x, layout)
    applied = apply([fitted], rows.x, raw.source)
    return _Found(
        rows=rows.only(applied.keep, applied.x[fitted["name"]]), inputs=[fitted],
        warnings=applied.warnings,
    )  # fmt: skip


def _table(raw: Raw, layout: Layout, drop: Sequence[str]) -> _Found:
    rows = join(raw, layout)
    frame = as_frame(rows.x)
    for name in drop:
        if name not in frame.columns:
            near = get_close_matches(name, list(frame.columns), n=1, cutoff=0.5)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise DataError(
                f"column {name!r}, to be dropped, is no column of {raw.source}; its columns: "
                f"{', '.join(frame.columns[:12])}.{hint}"
            )
    return _Found(rows=replace(rows, x=frame.drop(columns=list(drop))))


def _fit(found: _Found, raw: Raw, train: NDArray[np.int64]) -> _Found:
    """Inputs of a table's columns, understood on training rows; and the arrays of all inputs."""
    rows, inputs, asides = found.rows, found.inputs, found.asides
    if not inputs:
        assert raw.main is not None
        width = None if isinstance(raw.main.x, pd.DataFrame) else int(raw.main.x.shape[-1])
        inputs, asides = fit_frame(rows.x, train, width=width)
    applied = _encoded(inputs, rows, raw.source)
    return replace(
        found, inputs=inputs, x=applied.x, asides=asides,
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

"""Makes inputs of a table's columns: its numbers and categories, and each series, text and medium.

Fitted on training rows: one JSON-able dict an input, with which the same columns are read again.
"""

import re
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from autosynth.data.column.choice import Choice, choose
from autosynth.data.column.column import Column, IgnoredColumn, encode_column, encode_columns
from autosynth.data.column.group import find_groups, group_name
from autosynth.data.column.inference import infer_columns
from autosynth.data.column.order import order_columns
from autosynth.data.column.path import Folders, find_beside, paths_beside, paths_of
from autosynth.data.encoder.audio import apply_audio, fit_audio
from autosynth.data.encoder.image import apply_pictures, fit_pictures
from autosynth.data.encoder.series import apply_series, fit_series
from autosynth.data.encoder.text import apply_text, fit_text
from autosynth.data.source.mediafile import MediaKind
from autosynth.data.source.table import as_frame
from autosynth.data.types import FittedInput
from autosynth.errors import DataError

Fit = Callable[["pd.Series[Any]", NDArray[np.int64], str], dict[str, Any]]
Apply = Callable[
    [FittedInput, "pd.Series[Any]"], tuple[NDArray[Any], NDArray[np.int64], Sequence[str]]
]

TABLE_NAME = "table"
_SAMPLE = 1_000
MEDIA: dict[MediaKind, tuple[Fit, Apply]] = {
    "image": (fit_pictures, apply_pictures),
    "audio": (fit_audio, apply_audio),
}
"""What fits a column of paths and reads its files; some files may be left out."""


@dataclass(frozen=True, kw_only=True)
class Applied:
    """The arrays of the inputs, by name; the row numbers they hold, and what was wrong."""

    x: Mapping[str, NDArray[Any]]
    keep: NDArray[np.int64]
    warnings: tuple[str, ...] = ()


def fit_frame(
    frame: pd.DataFrame,
    train: NDArray[np.int64],
    *,
    width: int | None,
    kinds: Mapping[str, str] | None = None,
    keep: Sequence[str] = (),
    drop: Sequence[str] = (),
    folders: Folders = "",
) -> tuple[list[dict[str, Any]], tuple[IgnoredColumn, ...]]:
    """The inputs that the columns of `frame` make, and the columns that make none.

    Args:
        frame: all rows, without the columns to drop.
        train: the rows to learn from.
        width: the number of columns of an array, which have no names; None of a frame.
        kinds: the kind to read a column as, in place of what it looks like.
        keep: columns to use though they look like an id or a constant.
        drop: sub-folders of files that are not to be read.
        folders: the folder of the table, or of each row, from which files are named.

    Raises:
        DataError: a name that is no column, a kind that does not fit, or no column is left.
    """
    choice = choose(list(frame.columns), "the table", kinds=kinds, keep=keep)
    inferred = infer_columns(frame, train, choice)
    ignored = [column for column in inferred if isinstance(column, IgnoredColumn)]
    columns = [column for column in inferred if isinstance(column, Column)]
    inputs = _fit_cells(frame, columns, train, choice if width is None else None)
    taken = {TABLE_NAME, *(fitted["name"] for fitted in inputs)}
    named: set[str] = set()
    for column in columns:
        if column.kind == "text":
            name = _name(column.name, taken)
            inputs += fit_text(frame[column.name], train, name)
        elif column.kind in MEDIA:
            paths = paths_of(frame[column.name], folders)
            named.update(Path(path).parent.name for path in paths.iloc[train[:_SAMPLE]])
            inputs.append(MEDIA[column.kind][0](paths, train, _name(column.name, taken)))
    if width is None:
        inputs += _fit_beside(frame, train, folders, {*drop, *named}, taken)
    if not inputs:
        reasons = "; ".join(
            f"{ignored_column.name}: {ignored_column.reason}" for ignored_column in ignored[:8]
        )
        raise DataError(f"no column is left to learn from ({reasons}).")
    return [{**fitted, "width": width} for fitted in inputs], tuple(ignored)


def apply_frame(
    inputs: Sequence[FittedInput], x: Any, place: str, folders: Folders = ""
) -> Applied:
    """The arrays that the inputs make of a frame, or of an array without names. Names `place`.

    `folders` are those of the table, or of each row, from which files are named. Rows whose file
    cannot be read are left out of all inputs.
    """
    frame = _checked(inputs, x, place)
    arrays: dict[str, NDArray[Any]] = {}
    row_numbers: dict[str, NDArray[np.int64]] = {}
    warnings: list[str] = []
    for fitted in inputs:
        name, kind = fitted["name"], fitted["kind"]
        if kind == "table":
            arrays[name] = encode_columns(frame, fitted["columns"], warnings)
        elif kind == "series":
            arrays[name] = apply_series(fitted, frame, warnings)
        elif kind == "text":
            arrays[name] = apply_text(fitted, frame[fitted["column"]])
        else:
            paths = _paths(fitted, frame[fitted["column"]], folders)
            arrays[name], row_numbers[name], wrong = MEDIA[kind][1](fitted, paths)
            warnings.extend(wrong)
    keep = reduce(np.intersect1d, row_numbers.values(), np.arange(len(frame)))
    for name, values in arrays.items():
        own = row_numbers.get(name)
        if own is not None and len(own) > len(keep):
            arrays[name] = values[np.isin(own, keep)]
        elif own is None and len(keep) < len(frame):
            arrays[name] = values[keep]
    return Applied(x=arrays, keep=keep, warnings=tuple(dict.fromkeys(warnings)))


def columns_of(fitted: FittedInput) -> list[str]:
    """The names of the columns that an input is made of; none for arrays."""
    if "columns" in fitted:
        return [column["name"] for column in fitted["columns"]]
    return [fitted["column"]] if "column" in fitted else []


def _checked(inputs: Sequence[FittedInput], x: Any, place: str) -> pd.DataFrame:
    """`x` as a frame that has all columns wanted."""
    wanted = list(dict.fromkeys(name for fitted in inputs for name in columns_of(fitted)))
    width = inputs[0]["width"]
    if not isinstance(x, pd.DataFrame) and (x.ndim != 2 or x.shape[1] != width):
        rows = f"rows with the columns {_some(wanted)}" if width is None else f"{width} columns"
        raise DataError(f"x in {place} has shape {x.shape}; {rows} are expected.")
    frame = as_frame(x)
    frame = frame.rename(columns={name: str(name) for name in frame.columns})
    lacking = [name for name in wanted if name not in frame.columns]
    if lacking:
        raise DataError(
            f"{place} lacks {len(lacking)} columns that the model was trained on: "
            f"{', '.join(lacking[:8])}."
        )
    return frame


def _fit_cells(
    frame: pd.DataFrame,
    columns: Sequence[Column],
    train: NDArray[np.int64],
    choice: Choice | None,
) -> list[dict[str, Any]]:
    """The table of numbers, categories and dates, and the series among its numbers.

    A column that the user said to be a number stays one by itself. Without a `choice` columns have
    no names, and make no series.
    """
    cells = [column for column in columns if column.kind in ("number", "category", "date")]
    if not cells:
        return []
    x = np.column_stack([encode_column(frame[c.name].iloc[train], c)[0] for c in cells])
    free = [
        index
        for index, column in enumerate(cells)
        if choice is not None and column.kind == "number" and column.name not in choice.kinds
    ]
    groups = find_groups([cells[index].name for index in free], x[:, free])
    inputs: list[dict[str, Any]] = []
    taken, used = {TABLE_NAME}, set()
    for group in groups:
        indices = np.array(free)[np.array(group.places)]
        used.update(indices.ravel().tolist())
        steps = [[cells[index] for index in channel] for channel in indices]
        series = fit_series(steps, x[:, indices.ravel()])
        inputs.append({"name": _name(group_name(group), taken), **series})
    left = [index for index in range(len(cells)) if index not in used]
    if left:
        order = order_columns(x[:, left], [cells[index].name for index in left])
        dicts = [cells[left[index]].to_dict() for index in order]
        inputs.insert(0, {"name": TABLE_NAME, "kind": "table", "columns": dicts})
    return inputs


def _fit_beside(
    frame: pd.DataFrame,
    train: NDArray[np.int64],
    folders: Folders,
    without: Container[str],
    taken: set[str],
) -> list[dict[str, Any]]:
    """An input of each sub-folder whose files a column names, but those `without`."""
    base = folders if isinstance(folders, str) else str(folders[train[0]])
    inputs = []
    for beside in find_beside(frame.iloc[train], base, without):
        paths = paths_beside(frame[beside.column], folders, beside.kind, beside.folder)
        fitted = MEDIA[beside.kind][0](paths, train, _name(beside.folder, taken))
        inputs.append({**fitted, "column": beside.column, "folder": beside.folder})
    return inputs


def _paths(fitted: FittedInput, values: "pd.Series[Any]", folders: Folders) -> "pd.Series[Any]":
    if "folder" in fitted:
        return paths_beside(values, folders, fitted["kind"], fitted["folder"])
    return paths_of(values, folders)


def _name(column: str, taken: set[str]) -> str:
    """A name for an input that a strategy can write: letters, digits and lines; now taken."""
    name = re.sub(r"\W+", "_", column, flags=re.ASCII).strip("_") or "text"
    name = name if name[0].isalpha() else f"text_{name}"
    candidate, number = name, 2
    while candidate in taken:
        candidate, number = f"{name}_{number}", number + 1
    taken.add(candidate)
    return candidate


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")

"""Makes inputs of a table's columns: its numbers and categories, and each series, text and medium.

Takes a frame and its training rows; gives the encoders that are fitted on them, with which the
same columns are read again.
"""

import re
from collections.abc import Collection, Container, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from autosynth.cell import text_of
from autosynth.data.column.choice import Choice, choose
from autosynth.data.column.column import (
    COLUMN_KINDS,
    Column,
    IgnoredColumn,
    counted_columns,
    read_columns,
    with_unit,
    with_units,
)
from autosynth.data.column.group import find_groups, group_name
from autosynth.data.column.inference import infer_columns
from autosynth.data.column.path import Folders, find_beside, is_content, paths_beside, paths_of
from autosynth.data.encoder.array import array_of_cells, is_cell, spread
from autosynth.data.encoder.audio import AudioEncoder, audio_rate
from autosynth.data.encoder.encoder import Encoder
from autosynth.data.encoder.frames import FramesEncoder, names_frames
from autosynth.data.encoder.image import ImageEncoder
from autosynth.data.encoder.registry import ENCODERS
from autosynth.data.encoder.series import SeriesEncoder
from autosynth.data.encoder.table import TableEncoder
from autosynth.data.source.layout import Layout, infer_layout, with_channels
from autosynth.data.source.mediafile import MEDIA_SUFFIXES
from autosynth.data.source.object import unequal_steps
from autosynth.data.source.rows import subsample
from autosynth.errors import DataError

TABLE_NAME = "table"
CELL_KINDS = ("number", "category", "date")
"""Columns that stand beside each other in the table; every other is an input of its own."""
ARRAY_KINDS = ("series", "table")
"""What a cell is beside pictures and sounds that holds an array."""
PATH_KINDS = (*MEDIA_SUFFIXES, FramesEncoder.kind)
"""What a cell is that holds a picture, a sound or pictures in a row, or names where they are."""
ARRAY_ENCODERS: Mapping[str, type[ImageEncoder] | type[FramesEncoder] | type[SeriesEncoder]] = {
    "image": ImageEncoder,
    "frames": FramesEncoder,
    "series": SeriesEncoder,
}
"""What reads the rows of an array, by what it holds."""
_SAMPLE = 1_000
_LOOKED_AT = 2**28  # bytes of the arrays in cells, from which their shape is known


def fit_frame(
    frame: pd.DataFrame,
    train: NDArray[np.int64],
    *,
    width: int | None,
    kinds: Mapping[str, str] | None = None,
    keep: Sequence[str] = (),
    drop: Sequence[str] = (),
    folders: Folders = "",
    arrays: Collection[str] = (),
    decimal: str = "",
) -> tuple[list[Encoder], tuple[IgnoredColumn, ...]]:
    """The encoders of what the columns of `frame` make, and the columns that make none.

    Args:
        frame: all rows, without the columns to drop.
        train: the rows to learn from.
        width: the number of columns of an array, which have no names; None of a frame.
        kinds: the kind to read a column as, in place of what it looks like.
        keep: columns to use though they look like an id or a constant.
        drop: sub-folders of files that are not to be read.
        folders: the folder of the table, or of each row, from which files are named.
        arrays: columns whose cells hold arrays.
        decimal: how numbers are written where cells do not tell, as the table's form suggests.

    Raises:
        DataError: a name that is no column, a kind that does not fit, or no column is left.
    """
    of_encoders = [kind for kind, encoder in ENCODERS.items() if encoder.reads_column]
    known = tuple(dict.fromkeys((*COLUMN_KINDS, *of_encoders, *ARRAY_KINDS)))
    choice = choose(
        list(frame.columns), "the table", kinds=kinds, keep=keep, known=known, decimal=decimal
    )
    choice = _with_frames(frame, train, choice, folders)
    held = _held(frame, train, choice, arrays)
    flat = [name for name, layout in held.items() if layout.kind == "table"]
    frame = spread(frame, [each for name in flat for each in _numbered(frame[name], train)])
    inside = {name: frame[name] for name in held if name not in flat}
    frame = frame.drop(columns=list(inside))
    inferred = infer_columns(frame, train, choice)
    ignored = [column for column in inferred if isinstance(column, IgnoredColumn)]
    columns = [column for column in inferred if isinstance(column, Column)]
    encoders = _fit_cells(frame, columns, train, choice, width)
    taken = {TABLE_NAME, *(encoder.name for encoder in encoders)}
    for column_name, values in inside.items():
        name = _name(column_name, taken)
        encoders.append(_fit_held(values, train, name, held[column_name], choice))
    named: set[str] = set()
    for column in columns:
        if column.kind in CELL_KINDS:
            continue
        values, name = frame[column.name], _name(column.name, taken)
        if column.kind in PATH_KINDS:
            values = paths_of(values, folders)
            chosen = [path for path in values.iloc[train[:_SAMPLE]] if not is_content(path)]
            named.update(Path(path).parent.name for path in chosen)
        encoder = ENCODERS[column.kind]
        encoders.append(encoder.fit(values, train, name, width=width))
        encoders += encoder.fit_pretrained(values, train, name, width)
    if width is None:
        encoders += _fit_beside(frame, train, folders, {*drop, *named}, taken)
    if not encoders:
        reasons = "; ".join(
            f"{ignored_column.name}: {ignored_column.reason}" for ignored_column in ignored[:8]
        )
        raise DataError(f"no column is left to learn from ({reasons}).")
    return encoders, tuple(ignored)


def _with_frames(
    frame: pd.DataFrame, train: NDArray[np.int64], choice: Choice, folders: Folders
) -> Choice:
    """The choice with columns that name folders of pictures, of those that are said to be none."""
    rows = train[:_SAMPLE]
    own = folders if isinstance(folders, str) else folders[rows]
    found = {
        str(name): FramesEncoder.kind
        for name, dtype in frame.dtypes.items()
        if dtype.kind not in "fbmM"
        and name not in choice.kinds
        and names_frames(frame[name].iloc[rows], own)
    }
    return replace(choice, kinds={**found, **choice.kinds}) if found else choice


def _held(
    frame: pd.DataFrame, train: NDArray[np.int64], choice: Choice, arrays: Collection[str]
) -> dict[str, Layout]:
    """How the cells of each column are read that hold arrays: as told, or as arrays by themselves.

    Raises:
        DataError: a column is said to hold some, and holds one value a cell.
    """
    found: dict[str, Layout] = {}
    for name, dtype in zip(frame.columns, frame.dtypes, strict=True):
        told = choice.kinds.get(name)
        if dtype.kind in "biufcmM" and told not in ARRAY_KINDS:
            continue  # such a type holds one value a cell
        cells = frame[name].iloc[train[:_SAMPLE]].dropna()
        first = next(iter(cells), None)
        if told in ARRAY_KINDS and not is_cell(first):
            raise DataError(
                f"column {name!r} cannot be read as {told}: a cell holds one value (it begins "
                f"{text_of(first)[:40]!r}), and of a {told} a list or an array."
            )
        if not is_cell(first) or not (name in arrays or told in (*ARRAY_KINDS, *PATH_KINDS)):
            continue
        place = choice.details.get(name)
        if told == "audio":
            found[name] = Layout(kind="audio")
            continue
        unequal = unequal_steps(list(cells))
        if unequal is None:
            layout = infer_layout(array_of_cells(cells), told, f"column {name!r}")
        else:
            layout = Layout(kind=told or "series", channels=unequal)
        found[name] = with_channels(layout, place, f"column {name!r}")
    return found


def _numbered(values: "pd.Series[Any]", train: NDArray[np.int64]) -> list[str]:
    """The names of the columns that the cells make."""
    width = array_of_cells(values.iloc[train[:_SAMPLE]]).shape[1]
    return [f"{values.name}[{number}]" for number in range(width)]


def _fit_held(
    values: "pd.Series[Any]", train: NDArray[np.int64], name: str, layout: Layout, choice: Choice
) -> Encoder:
    """The encoder of a column whose cells hold a picture, a series or a sound as an array."""
    column = str(values.name)
    if layout.kind == "audio":
        rate = audio_rate(choice.details.get(column), column)
        return AudioEncoder.fit(values, train, name, rate=rate)
    of_arrays = ARRAY_ENCODERS[layout.kind]
    first = next(cell for cell in values.iloc[train] if is_cell(cell))
    most = max(_SAMPLE, _LOOKED_AT // max(1, np.asarray(first).nbytes))
    cells = values.iloc[subsample(train, most)]
    return of_arrays.fit_array(array_of_cells(cells), layout, name, column)


def _fit_cells(
    frame: pd.DataFrame,
    columns: Sequence[Column],
    train: NDArray[np.int64],
    choice: Choice,
    width: int | None,
) -> list[Encoder]:
    """The table of numbers, categories and dates, and the series among its numbers.

    A column that the user said to be a number stays one by itself. The columns of an array
    have no names, and make no series.
    """
    cells = [column for column in columns if column.kind in CELL_KINDS]
    if not cells:
        return []
    raw, _ = read_columns(frame.iloc[train], cells)
    cells = with_units(cells, raw)
    x, _ = counted_columns(raw, cells)
    free = [
        index
        for index, column in enumerate(cells)
        if width is None and column.kind == "number" and column.name not in choice.kinds
    ]
    groups = find_groups([cells[index].name for index in free], x[:, free])
    encoders: list[Encoder] = []
    taken, used = {TABLE_NAME}, set()
    for group in groups:
        indices = np.array(free)[np.array(group.places)]
        used.update(indices.ravel().tolist())
        steps = [with_unit([cells[i] for i in channel], raw[:, channel]) for channel in indices]
        inside, _ = counted_columns(raw[:, indices.ravel()], [c for own in steps for c in own])
        name = _name(group_name(group), taken)
        encoders.append(SeriesEncoder.fit(steps, inside, name, width))
    left = [index for index in range(len(cells)) if index not in used]
    if left:
        alone = [cells[index] for index in left]
        encoders.insert(0, TableEncoder.fit(alone, x[:, left], TABLE_NAME, width))
    return encoders


def understood_columns(encoder: Encoder) -> tuple[Column, ...]:
    """The columns whose cells an encoder reads as numbers; none of arrays, texts and files."""
    return encoder.cells if isinstance(encoder, TableEncoder | SeriesEncoder) else ()


def _fit_beside(
    frame: pd.DataFrame,
    train: NDArray[np.int64],
    folders: Folders,
    without: Container[str],
    taken: set[str],
) -> list[Encoder]:
    """An input of each sub-folder whose files a column names, but those `without`."""
    base = folders if isinstance(folders, str) else str(folders[train[0]])
    encoders: list[Encoder] = []
    for beside in find_beside(frame.iloc[train], base, without):
        paths = paths_beside(frame[beside.column], folders, beside.kind, beside.folder)
        fitted = ENCODERS[beside.kind].fit(
            paths, train, _name(beside.folder, taken), column=beside.column, folder=beside.folder
        )
        encoders.append(fitted)
    return encoders


def _name(column: str, taken: set[str]) -> str:
    """A name for an input that a strategy can write: letters, digits and lines; now taken."""
    name = re.sub(r"\W+", "_", column, flags=re.ASCII).strip("_") or "text"
    name = name if name[0].isalpha() else f"text_{name}"
    candidate, number = name, 2
    while candidate in taken:
        candidate, number = f"{name}_{number}", number + 1
    taken.add(candidate)
    return candidate

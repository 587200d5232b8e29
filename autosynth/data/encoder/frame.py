"""Makes inputs of a table's columns: its numbers and categories, and each series, text and medium.

Takes a frame and its training rows; gives the encoders that are fitted on them, with which the
same columns are read again.
"""

import re
from collections.abc import Container, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from autosynth.data.column.choice import Choice, choose
from autosynth.data.column.column import (
    COLUMN_KINDS,
    Column,
    IgnoredColumn,
    encode_column,
    read_cells,
    with_unit,
)
from autosynth.data.column.group import find_groups, group_name
from autosynth.data.column.inference import infer_columns
from autosynth.data.column.path import Folders, find_beside, paths_beside, paths_of
from autosynth.data.encoder.encoder import Encoder
from autosynth.data.encoder.registry import ENCODERS
from autosynth.data.encoder.series import SeriesEncoder
from autosynth.data.encoder.table import TableEncoder
from autosynth.data.source.mediafile import MEDIA_SUFFIXES
from autosynth.errors import DataError

TABLE_NAME = "table"
CELL_KINDS = ("number", "category", "date")
"""Columns that stand beside each other in the table; every other is an input of its own."""
_SAMPLE = 1_000


def fit_frame(
    frame: pd.DataFrame,
    train: NDArray[np.int64],
    *,
    width: int | None,
    kinds: Mapping[str, str] | None = None,
    keep: Sequence[str] = (),
    drop: Sequence[str] = (),
    folders: Folders = "",
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
        decimal: how numbers are written where cells do not tell, as the table's form suggests.

    Raises:
        DataError: a name that is no column, a kind that does not fit, or no column is left.
    """
    of_encoders = [kind for kind, encoder in ENCODERS.items() if encoder.reads_column]
    known = tuple(dict.fromkeys((*COLUMN_KINDS, *of_encoders)))
    choice = choose(
        list(frame.columns), "the table", kinds=kinds, keep=keep, known=known, decimal=decimal
    )
    inferred = infer_columns(frame, train, choice)
    ignored = [column for column in inferred if isinstance(column, IgnoredColumn)]
    columns = [column for column in inferred if isinstance(column, Column)]
    encoders = _fit_cells(frame, columns, train, choice, width)
    taken = {TABLE_NAME, *(encoder.name for encoder in encoders)}
    named: set[str] = set()
    for column in columns:
        if column.kind in CELL_KINDS:
            continue
        values, name = frame[column.name], _name(column.name, taken)
        if column.kind in MEDIA_SUFFIXES:
            values = paths_of(values, folders)
            named.update(Path(path).parent.name for path in values.iloc[train[:_SAMPLE]])
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
    raw = np.column_stack([read_cells(frame[c.name].iloc[train], c)[0] for c in cells])
    cells = [one for i, c in enumerate(cells) for one in with_unit([c], raw[:, i : i + 1])]
    x = np.column_stack([encode_column(frame[c.name].iloc[train], c)[0] for c in cells])
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
        inside = [
            encode_column(frame[c.name].iloc[train], c)[0] for channel in steps for c in channel
        ]
        name = _name(group_name(group), taken)
        encoders.append(SeriesEncoder.fit(steps, np.column_stack(inside), name, width))
    left = [index for index in range(len(cells)) if index not in used]
    if left:
        alone = [cells[index] for index in left]
        encoders.insert(0, TableEncoder.fit(alone, x[:, left], TABLE_NAME, width))
    return encoders


def cells_of(encoder: Encoder) -> tuple[Column, ...]:
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

"""Applies the encoders of a dataset to raw rows: in memory, or to disk where they are larger.

Takes what was fitted, one JSON-able dict an input, and raw rows of any form; gives the arrays that
all inputs make, each once.
"""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from autosynth.data.column.path import Folders
from autosynth.data.encoder.array import apply_array
from autosynth.data.encoder.frame import Applied, apply_frame
from autosynth.data.encoder.mappedarray import map_arrays
from autosynth.data.source.disktable import DiskTable
from autosynth.data.source.memorymap import is_map, pieces_of
from autosynth.data.types import FittedInput


def is_from_columns(fitted: FittedInput) -> bool:
    """Whether an input is made of columns of a table."""
    return "width" in fitted


def apply(inputs: Sequence[FittedInput], x: Any, place: str, folders: Folders = "") -> Applied:
    """The arrays that all fitted inputs of a dataset make of raw rows `x`, each once.

    `folders` are those of the table, or of each row, to which files that cells name are relative.

    Raises:
        DataError: columns lack or shapes differ, naming `place`.
    """
    if is_from_columns(inputs[0]):
        return apply_frame(inputs, x, place, folders)
    return apply_array(inputs, x, place)


def apply_large(
    inputs: Sequence[FittedInput], x: Any, place: str, folders: Folders = ""
) -> Applied:
    """As `apply`; what is larger than memory may hold is kept on disk."""
    if isinstance(x, DiskTable):
        return _apply_disk(inputs, x, place, folders)
    if not is_map(x):
        return apply(inputs, x, place, folders)
    return map_arrays(pieces_of(x), lambda piece: apply(inputs, piece, place), len(x), "arrays")


def _apply_disk(
    inputs: Sequence[FittedInput], table: DiskTable, place: str, folders: Folders
) -> Applied:
    """The arrays that fitted inputs make of all rows, as memory maps."""

    def read(frame: pd.DataFrame) -> Applied:
        near = folders if isinstance(folders, str) else folders[frame.index]
        return apply_frame(inputs, frame.reset_index(drop=True), place, near)

    frames = (
        frame.set_axis(range(at, at + len(frame)), axis=0)
        for at, frame in table.pieces(table.columns)
    )
    return map_arrays(frames, read, len(table), table.digest())

"""Applies the encoders of a dataset to raw rows: in memory, or to disk where they are larger.

Takes encoders and raw rows of any form; gives the arrays that all inputs make, each once. Rows
that one of them cannot read are left out of all.
"""

from collections.abc import Sequence
from functools import reduce
from typing import Any

import numpy as np
import pandas as pd

from autosynth.data.column.path import Folders
from autosynth.data.encoder.encoder import Applied, Encoder
from autosynth.data.encoder.mappedarray import map_arrays
from autosynth.data.source.disktable import DiskTable
from autosynth.data.source.memorymap import is_map, pieces_of
from autosynth.data.source.table import as_frame
from autosynth.errors import DataError


def apply(encoders: Sequence[Encoder], x: Any, place: str, folders: Folders = "") -> Applied:
    """The arrays that all encoders of a dataset make of raw rows `x`, each once.

    `folders` are those of the table, or of each row, to which files that cells name are relative.

    Raises:
        DataError: columns lack or shapes differ, naming `place`.
    """
    if encoders[0].columns:
        x = _checked(encoders, x, place)
    found = {each.name: each.transform(x, place, folders) for each in encoders}
    every = np.arange(len(x))
    keep = reduce(np.intersect1d, [t.keep for t in found.values() if t.keep is not None], every)
    arrays = {}
    for name, transformed in found.items():
        arrays[name], own = transformed.values, transformed.keep
        if own is None and len(keep) < len(every):
            arrays[name] = transformed.values[keep]
        elif own is not None and len(own) > len(keep):
            arrays[name] = transformed.values[np.isin(own, keep)]
    warnings = [text for transformed in found.values() for text in transformed.warnings]
    return Applied(x=arrays, keep=keep, warnings=tuple(dict.fromkeys(warnings)))


def apply_large(encoders: Sequence[Encoder], x: Any, place: str, folders: Folders = "") -> Applied:
    """As `apply`; what is larger than memory may hold is kept on disk."""
    if isinstance(x, DiskTable):
        return _apply_disk(encoders, x, place, folders)
    if not is_map(x):
        return apply(encoders, x, place, folders)
    return map_arrays(pieces_of(x), lambda piece: apply(encoders, piece, place), len(x), "arrays")


def _apply_disk(
    encoders: Sequence[Encoder], table: DiskTable, place: str, folders: Folders
) -> Applied:
    """The arrays that all rows of a table on disk make, as memory maps."""

    def read(frame: pd.DataFrame) -> Applied:
        near = folders if isinstance(folders, str) else folders[frame.index]
        return apply(encoders, frame.reset_index(drop=True), place, near)

    frames = (
        frame.set_axis(range(at, at + len(frame)), axis=0)
        for at, frame in table.pieces(table.columns)
    )
    return map_arrays(frames, read, len(table), table.digest())


def _checked(encoders: Sequence[Encoder], x: Any, place: str) -> pd.DataFrame:
    """`x` as a frame that has all columns wanted."""
    wanted = list(dict.fromkeys(name for encoder in encoders for name in encoder.columns))
    width = encoders[0].width
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


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")

"""Rows of a table that stay in their files, and what of a frame's behaviour reading them needs.

Takes the chunks of one or more files; gives columns, samples and pieces of them.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, overload

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from autosynth.data.source.chunks import Chunks
from autosynth.errors import DataError

SAMPLE_ROWS = 200_000
"""Encoders of large data are fitted on at most so many training rows."""

_PIECES = 64
_PIECE = 2**16


@dataclass(frozen=True, eq=False)
class DiskTable:
    """Rows of tables on disk, in the order of their files.

    `columns` are the names in use; `rows` the numbers of the rows in use, ascending, or None for
    all of them.
    """

    parts: tuple[Chunks, ...]
    columns: tuple[str, ...]
    rows: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return self.size if self.rows is None else len(self.rows)

    @property
    def size(self) -> int:
        """The number of rows in the files."""
        return sum(part.n_rows for part in self.parts)

    @overload
    def __getitem__(self, which: str) -> "pd.Series[Any]": ...
    @overload
    def __getitem__(self, which: NDArray[np.int64]) -> "DiskTable": ...
    def __getitem__(self, which: Any) -> Any:
        """One column, in memory; or some of the rows, as they stand."""
        if isinstance(which, str):
            return _column([frame[which] for _, frame in self.pieces([which])], which)
        assert (np.diff(which) > 0).all()
        return replace(self, rows=which if self.rows is None else self.rows[which])

    def drop(self, columns: Sequence[str]) -> "DiskTable":
        """Without these columns."""
        return replace(self, columns=tuple(c for c in self.columns if c not in columns))

    def take(self, which: NDArray[np.int64]) -> pd.DataFrame:
        """Some of the rows, in memory; the index holds their places in the files."""
        wanted = np.zeros(self.size, bool)
        wanted[which if self.rows is None else self.rows[which]] = True
        found = []
        for start, frame in self._files(self.columns):
            inside = np.flatnonzero(wanted[start : start + len(frame)])
            if len(inside):
                found.append(frame.iloc[inside].set_axis(start + inside, axis=0))
        return pd.concat(found)

    def digest(self) -> str:
        """16 hex digits of a SHA-256 over columns, and over each file's size and parts of it.

        64 parts of 64 kB are read, the first and the last among them: a change of a few cells
        between them is not seen. The target's values are hashed whole, as of any dataset.
        """
        found = hashlib.sha256("\n".join(self.columns).encode())
        for part in self.parts:
            size = part.path.stat().st_size
            found.update(str(size).encode())
            with part.path.open("rb") as file:
                for at in np.linspace(0, max(0, size - _PIECE), _PIECES).astype(int):
                    file.seek(int(at))
                    found.update(file.read(_PIECE))
        return found.hexdigest()[:16]

    def _files(self, columns: Sequence[str]) -> Iterator[tuple[int, pd.DataFrame]]:
        """All rows, each frame with the number of its first row."""
        start = 0
        for part in self.parts:
            for frame in part.frames(columns):
                yield start, frame
                start += len(frame)

    def pieces(self, columns: Sequence[str]) -> Iterator[tuple[int, pd.DataFrame]]:
        """The rows in use, each frame with the number of its first row among them."""
        at = 0
        for start, frame in self._files(columns):
            if self.rows is not None:
                low, high = np.searchsorted(self.rows, [start, start + len(frame)])
                if high - low < len(frame):
                    frame = frame.iloc[self.rows[low:high] - start]
            if len(frame):
                yield at, frame.reset_index(drop=True)
            at += len(frame)


def disk_table(parts: Sequence[Chunks], source: str) -> DiskTable:
    """Parts of one table under each other; the columns are those of the first, in its order."""
    names = parts[0].names
    for part in parts[1:]:
        if lacking := [name for name in names if name not in part.names]:
            raise DataError(f"{part.path} lacks columns of {source}: {', '.join(lacking[:12])}.")
    return DiskTable(parts=tuple(parts), columns=names)


def concatenate_tables(arrays: Sequence[DiskTable], source: str) -> DiskTable:
    """All rows of several, which have no rows left out yet."""
    assert all(array.rows is None for array in arrays)
    whole = disk_table([part for array in arrays for part in array.parts], source)
    return replace(whole, columns=arrays[0].columns)


def subsample(rows: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    """At most so many of the rows, evenly from all of them."""
    if len(rows) <= most:
        return rows
    return rows[np.linspace(0, len(rows) - 1, most).astype(np.int64)]


def _column(pieces: Sequence["pd.Series[Any]"], name: str) -> "pd.Series[Any]":
    """The pieces under each other; a text that stands often is held once."""
    if not any(piece.dtype.kind == "O" for piece in pieces):
        return pd.concat(pieces, ignore_index=True)
    found: dict[Any, Any] = {}
    values = []
    for piece in pieces:
        codes, distinct = pd.factorize(piece)
        shared = [found.setdefault(value, value) for value in distinct]
        values.append(np.array([*shared, np.nan], dtype=object)[codes])
    return pd.Series(np.concatenate(values), name=name, dtype=object)

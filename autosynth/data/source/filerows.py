"""Rows of a table that stay in their files, and are read from there a few thousand at a time.

Takes the chunks of files; gives `BatchedRows`, as which the rows of arrays are read too where they
stand for a table.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Self

import numpy as np
import pandas as pd

from autosynth.data.source.chunks import Chunks, Matrix
from autosynth.data.source.memory import Batching
from autosynth.data.source.rows import BatchedRows, as_frame, rows_of
from autosynth.errors import DataError
from autosynth.spec import RowNumbers

CELLS = 2**21
"""At most so many cells are read at once, of columns that are numbers 16 MB."""
_CELL = 8  # bytes

_LISTED = 12
_PIECES = 64
_PIECE = 2**16


@dataclass(frozen=True, eq=False, kw_only=True)
class FileRows(BatchedRows):
    """Rows of files under each other, which have the columns of the first.

    `names` are the columns in use; `rows` the numbers of the rows in use, ascending, or None for
    all of them; `n_bytes` about the memory that all would take.
    """

    parts: tuple[Chunks, ...]
    names: tuple[str, ...]
    n_bytes: int
    rows: RowNumbers | None = None

    def __len__(self) -> int:
        """As `BatchedRows`."""
        return sum(part.n_rows for part in self.parts) if self.rows is None else len(self.rows)

    @property
    def columns(self) -> tuple[str, ...]:
        """As `BatchedRows`."""
        return self.names

    @property
    def is_table(self) -> bool:
        """As `BatchedRows`."""
        return True

    @property
    def bytes_on_disk(self) -> int:
        """As `BatchedRows`."""
        return self.n_bytes

    def batches(self) -> Iterator[tuple[int, pd.DataFrame]]:
        """As `BatchedRows`."""
        cells = min(CELLS, self.batching.limit // _CELL)
        most = self.batching.rows or max(1, cells // max(1, len(self.names)))
        start = place = 0
        for frame in chain.from_iterable(part.frames(self.names, most) for part in self.parts):
            stop = place + len(frame)
            frame = frame.set_axis(range(place, stop), axis=0)
            if self.rows is not None:
                low, high = np.searchsorted(self.rows, [place, stop])
                if high - low < len(frame):
                    frame = frame.iloc[self.rows[low:high] - place]
            if len(frame):
                yield start, frame
            start, place = start + len(frame), stop

    def only(self, rows: RowNumbers) -> Self:
        """As `BatchedRows`."""
        return replace(self, rows=rows if self.rows is None else self.rows[rows])

    def select(self, columns: Sequence[str]) -> Self:
        """As `BatchedRows`."""
        return replace(self, names=tuple(columns))

    def extract(self) -> Iterator[bytes]:
        """16 hex digits of a SHA-256 over columns, and over each file's size and parts of it.

        64 parts of 64 kB are read, the first and the last among them: a change of a few cells
        between them is not seen. The target's values are hashed whole, as of any dataset.
        """
        found = hashlib.sha256("\n".join(self.names).encode())
        for path in (part.path for part in self.parts):
            size = path.stat().st_size
            found.update(str(size).encode())
            with path.open("rb") as file:
                for at in np.linspace(0, max(0, size - _PIECE), _PIECES).astype(int):
                    file.seek(int(at))
                    found.update(file.read(_PIECE))
        yield found.hexdigest()[:16].encode()


def file_rows(chunks: Chunks, n_bytes: int, batching: Batching) -> FileRows:
    """All rows of a file, which would take about so many bytes of memory."""
    return FileRows(parts=(chunks,), names=chunks.names, n_bytes=n_bytes, batching=batching)


def as_table(rows: BatchedRows) -> BatchedRows:
    """Rows as those of a table: the columns of an array are `x0`, `x1`, ..."""
    if rows.is_table:
        return rows
    x = rows.whole()
    if rows.batching.holds(rows.bytes_on_disk):
        return rows_of(as_frame(x), rows.batching)
    return file_rows(Matrix(x), rows.bytes_on_disk, rows.batching)


def stack(tables: Sequence[BatchedRows], source: str) -> BatchedRows:
    """Whole parts of one table under each other; the columns are those of the first, in its order.

    Raises:
        DataError: a later part lacks columns.
    """
    columns, batching = tables[0].columns, tables[0].batching
    for table in tables[1:]:
        if lacking := [name for name in columns if name not in table.columns]:
            raise DataError(
                f"the test part of {source} lacks columns of the training part: "
                f"{', '.join(lacking[:_LISTED])}."
            )
    if len(tables) == 1:
        return tables[0]
    if not any(table.bytes_on_disk for table in tables):  # then they are one batch
        frames = [table.select(columns).whole() for table in tables]
        return rows_of(pd.concat(frames, ignore_index=True), batching)
    parts = [
        table.parts if isinstance(table, FileRows) else (Matrix(table.whole()),)
        for table in tables
    ]
    n_bytes = sum(table.bytes_on_disk for table in tables)
    return FileRows(
        parts=tuple(chain.from_iterable(parts)), names=columns, n_bytes=n_bytes, batching=batching
    )

"""Rows of a table that stay in its file, and are read from it a few thousand at a time.

Takes the chunks of a file; gives `BatchedRows`.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import pandas as pd

from autosynth.data.source.chunks import Chunks
from autosynth.data.source.rows import BatchedRows, stack_series
from autosynth.spec import RowNumbers

CELLS = 2**21
"""At most so many cells are read at once, of columns that are numbers 16 MB."""
_CELL = 8  # bytes

_PIECES = 64
_PIECE = 2**16


@dataclass(frozen=True, eq=False, kw_only=True)
class FileRows(BatchedRows):
    """Rows of a file.

    `names` are the columns in use; `rows` the numbers of the rows in use, ascending, or None for
    all of them; `n_bytes` about the memory that all would take.
    """

    chunks: Chunks
    names: tuple[str, ...]
    n_bytes: int
    rows: RowNumbers | None = None

    def __len__(self) -> int:
        """As `BatchedRows`."""
        return self.chunks.n_rows if self.rows is None else len(self.rows)

    @property
    def columns(self) -> tuple[str, ...]:
        """As `BatchedRows`."""
        return self.names

    @property
    def bytes_on_disk(self) -> int:
        """As `BatchedRows`."""
        return self.n_bytes

    def batches(self) -> Iterator[tuple[int, pd.DataFrame]]:
        """As `BatchedRows`."""
        cells = min(CELLS, self.batching.limit // _CELL)
        most = self.batching.rows or max(1, cells // max(1, len(self.names)))
        start = place = 0
        for frame in self.chunks.frames(self.names, most):
            stop = place + len(frame)
            frame = frame.set_axis(range(place, stop), axis=0)
            if self.rows is not None:
                low, high = np.searchsorted(self.rows, [place, stop])
                if high - low < len(frame):
                    frame = frame.iloc[self.rows[low:high] - place]
            if len(frame):
                yield start, frame
            start, place = start + len(frame), stop

    def take(self, rows: RowNumbers) -> pd.DataFrame:
        """As `BatchedRows`."""
        found: pd.DataFrame = self.only(rows).whole()
        return found

    def only(self, rows: RowNumbers) -> Self:
        """As `BatchedRows`."""
        return replace(self, rows=rows if self.rows is None else self.rows[rows])

    def __getitem__(self, column: str) -> "pd.Series[Any]":
        """As `BatchedRows`."""
        frames = [frame for _, frame in self.select([column]).batches()]
        return stack_series([frame[column] for frame in frames]).reset_index(drop=True)

    def select(self, columns: Sequence[str]) -> Self:
        """As `BatchedRows`."""
        return replace(self, names=tuple(columns))

    def extract(self) -> Iterator[bytes]:
        """16 hex digits of a SHA-256 over columns, and over the file's size and parts of it.

        64 parts of 64 kB are read, the first and the last among them: a change of a few cells
        between them is not seen. The target's values are hashed whole, as of any dataset.
        """
        found = hashlib.sha256("\n".join(self.names).encode())
        size = self.chunks.path.stat().st_size
        found.update(str(size).encode())
        with self.chunks.path.open("rb") as file:
            for at in np.linspace(0, max(0, size - _PIECE), _PIECES).astype(int):
                file.seek(int(at))
                found.update(file.read(_PIECE))
        yield found.hexdigest()[:16].encode()

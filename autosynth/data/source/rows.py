"""Raw rows of any size: batch after batch, some of them, or a column of a table.

What fits memory is one batch. Frames and arrays are given as such; rows of tables that stay in
their files are in `chunks.py`. Nobody else asks which kind of rows they are.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import pandas as pd
from pandas.api.types import union_categoricals

from autosynth.data.source.mappedarray import bytes_on_disk, piece_rows, take_rows
from autosynth.data.source.memory import BY_SIZE, Batching
from autosynth.spec import RowNumbers

SAMPLE_ROWS = 200_000
"""Encoders of large data are fitted on at most so many training rows."""

_EXTRACT_ROWS = 4_096


@dataclass(frozen=True, eq=False, kw_only=True)
class BatchedRows(ABC):
    """Raw rows in their order. `batching` says how many are in memory at once."""

    batching: Batching = BY_SIZE

    @abstractmethod
    def __len__(self) -> int:
        """The number of rows."""

    @property
    @abstractmethod
    def columns(self) -> tuple[str, ...]:
        """The names of a table's columns; none of an array's rows."""

    @property
    @abstractmethod
    def is_table(self) -> bool:
        """Whether they are rows of a table, and no array's."""

    @property
    @abstractmethod
    def bytes_on_disk(self) -> int:
        """About the memory that the rows would take which are not in memory; 0 where all are."""

    @abstractmethod
    def batches(self) -> Iterator[tuple[int, Any]]:
        """Frames or arrays in memory, each with the number of its first row; one or more.

        The index of a frame holds the rows' places in the source.
        """

    @abstractmethod
    def only(self, rows: RowNumbers) -> Self:
        """Some of the rows, which are ascending, wherever they are."""

    @abstractmethod
    def select(self, columns: Sequence[str]) -> Self:
        """Some columns of a table, in this order."""

    @abstractmethod
    def extract(self) -> Iterator[bytes]:
        """What stands for the content of rows on disk that are too large to be read for it."""

    def drop(self, columns: Sequence[str]) -> Self:
        """A table without some columns."""
        dropped = set(columns)
        return self.select([name for name in self.columns if name not in dropped])

    def __getitem__(self, column: str) -> "pd.Series[Any]":
        """A column of a table, in memory, numbered from 0."""
        pieces = [frame[column] for _, frame in self.select([column]).batches()]
        return stack_series(pieces).reset_index(drop=True)

    def whole(self) -> Any:
        """All rows as one frame or array in memory."""
        return stack_frames([batch for _, batch in self.batches()])

    def sample(self, rows: RowNumbers) -> RowNumbers:
        """Those of the rows that encoders are fitted on: all, but of large data some."""
        return rows if self.bytes_on_disk <= self.batching.limit else subsample(rows, SAMPLE_ROWS)


@dataclass(frozen=True, eq=False, kw_only=True)
class MemoryRows(BatchedRows):
    """Rows of a frame, or of an array, which may be a map."""

    x: Any

    def __len__(self) -> int:
        """As `BatchedRows`."""
        return len(self.x)

    @property
    def columns(self) -> tuple[str, ...]:
        """As `BatchedRows`."""
        return tuple(self.x.columns) if self.is_table else ()

    @property
    def is_table(self) -> bool:
        """As `BatchedRows`."""
        return isinstance(self.x, pd.DataFrame)

    @property
    def bytes_on_disk(self) -> int:
        """As `BatchedRows`."""
        return bytes_on_disk(self.x)

    def batches(self) -> Iterator[tuple[int, Any]]:
        """As `BatchedRows`."""
        step = max(1, len(self))
        if not self.batching.holds(self.bytes_on_disk):
            step = self.batching.rows or piece_rows(self.x, self.batching)
        for start in range(0, max(1, len(self)), step):
            yield start, self.x[start : start + step]

    def only(self, rows: RowNumbers) -> Self:
        """As `BatchedRows`."""
        if len(rows) == len(self):
            return self
        x = self.x.iloc[rows] if self.is_table else take_rows(self.x, rows, self.batching)
        return replace(self, x=x)

    def select(self, columns: Sequence[str]) -> Self:
        """As `BatchedRows`."""
        return replace(self, x=self.x[list(columns)])

    def whole(self) -> Any:
        """As `BatchedRows`."""
        return self.x

    def extract(self) -> Iterator[bytes]:
        """Type and shape, and 4,096 rows, the first and the last among them."""
        if self.is_table:
            for name in self.columns:
                yield name.encode()
                values = self.x[name].iloc[subsample(np.arange(len(self)), _EXTRACT_ROWS)]
                yield from (np.asarray(cell).tobytes() for cell in values)
            return
        yield f"{self.x.dtype.str}{self.x.shape}".encode()
        yield np.array(self.x[subsample(np.arange(len(self)), _EXTRACT_ROWS)]).tobytes()


def rows_of(x: Any, batching: Batching = BY_SIZE) -> BatchedRows:
    """The rows of a frame, whose columns get text for names, or of an array; rows as they are."""
    if isinstance(x, BatchedRows):
        return x
    if isinstance(x, pd.DataFrame) and not all(isinstance(name, str) for name in x.columns):
        x = x.rename(columns=str)
    return MemoryRows(x=x, batching=batching)


def stack_frames(frames: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Batches of one table under each other, as if they had been read as one."""
    if len(frames) == 1:
        return frames[0]
    first = frames[0].dtypes
    if all((frame.dtypes == first).all() for frame in frames[1:]):
        return pd.concat(frames)
    return pd.DataFrame({name: stack_series([f[name] for f in frames]) for name in frames[0]})


def stack_series(pieces: Sequence["pd.Series[Any]"]) -> "pd.Series[Any]":
    """Pieces of a column under each other; one without any value says nothing of the type."""
    kinds = {piece.dtype for piece in pieces}
    if len(kinds) > 1 and all(isinstance(kind, pd.CategoricalDtype) for kind in kinds):
        index = np.concatenate([piece.index for piece in pieces])
        return pd.Series(union_categoricals(pieces), index=index, name=pieces[0].name)
    if len(kinds) > 1 and any(piece.notna().any() for piece in pieces):
        pieces = [p if p.notna().any() else p.astype(object).astype(float) for p in pieces]
    return pd.concat(pieces)


def as_frame(x: Any) -> pd.DataFrame:
    """A two-dimensional array as a frame with the columns `x0`, `x1`, ...; a frame as it is."""
    if isinstance(x, pd.DataFrame):
        return x
    if not x.dtype.isnative:  # pandas takes no rows of another order of bytes
        x = x.astype(x.dtype.newbyteorder("="))
    return pd.DataFrame(x, columns=pd.Index([f"x{i}" for i in range(x.shape[1])], dtype=object))


def subsample(rows: RowNumbers, most: int) -> RowNumbers:
    """At most so many of the rows, evenly from all of them."""
    if len(rows) <= most:
        return rows
    return rows[np.linspace(0, len(rows) - 1, most).astype(np.int64)]

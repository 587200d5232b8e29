"""Raw rows of any size: batch after batch, some of them, or a column of a table.

What fits memory is one batch. Frames and arrays are given as such; rows of tables that stay in
their files are in `chunks.py`. Nobody else asks which kind of rows they are.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.api.types import union_categoricals

from autosynth.data.source.mappedarray import bytes_on_disk, piece_rows, take_rows
from autosynth.data.source.memory import BY_SIZE, Batching
from autosynth.errors import DataError
from autosynth.spec import RowNumbers

SAMPLE_ROWS = 200_000
"""Encoders of large data are fitted on at most so many training rows."""

_EXTRACT_ROWS = 4_096
_LISTED = 12


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
    def is_table(self) -> bool:
        """Whether they are rows of a table, and no array's."""
        return True

    @property
    def bytes_on_disk(self) -> int:
        """About the memory that the rows would take which are not in memory; 0 where all are."""
        return 0

    @abstractmethod
    def batches(self) -> Iterator[tuple[int, Any]]:
        """Frames or arrays in memory, each with the number of its first row; one or more.

        The index of a frame holds the rows' places in the source.
        """

    @abstractmethod
    def take(self, rows: RowNumbers) -> Any:
        """Some of the rows, which are ascending, as one frame or array in memory."""

    @abstractmethod
    def only(self, rows: RowNumbers) -> Self:
        """Some of the rows, which are ascending, wherever they are."""

    def __getitem__(self, column: str) -> "pd.Series[Any]":
        """A column of a table, in memory, numbered from 0."""
        raise NotImplementedError

    def select(self, columns: Sequence[str]) -> Self:
        """Some columns of a table, in this order."""
        raise NotImplementedError

    def drop(self, columns: Sequence[str]) -> Self:
        """A table without some columns."""
        return self.select([name for name in self.columns if name not in columns])

    def whole(self) -> Any:
        """All rows as one frame or array in memory."""
        batches = [batch for _, batch in self.batches()]
        return batches[0] if len(batches) == 1 else stack_frames(batches)

    def sample(self, rows: RowNumbers) -> RowNumbers:
        """Those of the rows that encoders are fitted on: all, but of large data some."""
        return rows if self.bytes_on_disk <= self.batching.limit else subsample(rows, SAMPLE_ROWS)

    def extract(self) -> Iterator[bytes]:
        """What stands for the content of rows on disk that are too large to be read for it."""
        raise NotImplementedError

    def _ranges(self, most: int) -> Iterator[tuple[int, int]]:
        """Where batches begin and end that have at most so many rows."""
        step = max(1, most)
        return ((at, min(at + step, len(self))) for at in range(0, max(1, len(self)), step))


@dataclass(frozen=True, eq=False, kw_only=True)
class FrameRows(BatchedRows):
    """Rows of a frame in memory."""

    frame: pd.DataFrame

    def __len__(self) -> int:
        """As `BatchedRows`."""
        return len(self.frame)

    @property
    def columns(self) -> tuple[str, ...]:
        """As `BatchedRows`."""
        return tuple(self.frame.columns)

    def batches(self) -> Iterator[tuple[int, pd.DataFrame]]:
        """As `BatchedRows`."""
        for start, stop in self._ranges(self.batching.rows or len(self)):
            yield start, self.frame.iloc[start:stop]

    def take(self, rows: RowNumbers) -> pd.DataFrame:
        """As `BatchedRows`."""
        return self.frame.iloc[rows]

    def only(self, rows: RowNumbers) -> Self:
        """As `BatchedRows`."""
        return self if len(rows) == len(self) else replace(self, frame=self.take(rows))

    def __getitem__(self, column: str) -> "pd.Series[Any]":
        """As `BatchedRows`."""
        found: pd.Series[Any] = self.frame[column].reset_index(drop=True)
        return found

    def select(self, columns: Sequence[str]) -> Self:
        """As `BatchedRows`."""
        return replace(self, frame=self.frame[list(columns)])

    def whole(self) -> pd.DataFrame:
        """As `BatchedRows`."""
        return self.frame


@dataclass(frozen=True, eq=False, kw_only=True)
class ArrayRows(BatchedRows):
    """Rows of an array, in memory or a map."""

    x: NDArray[Any]

    def __len__(self) -> int:
        """As `BatchedRows`."""
        return len(self.x)

    @property
    def columns(self) -> tuple[str, ...]:
        """As `BatchedRows`."""
        return ()

    @property
    def is_table(self) -> bool:
        """As `BatchedRows`."""
        return False

    @property
    def bytes_on_disk(self) -> int:
        """As `BatchedRows`."""
        return bytes_on_disk(self.x)

    def batches(self) -> Iterator[tuple[int, NDArray[Any]]]:
        """As `BatchedRows`."""
        is_one = self.batching.holds(self.bytes_on_disk)
        most = len(self) if is_one else piece_rows(self.x, self.batching)
        for start, stop in self._ranges(most):
            yield start, self.x[start:stop]

    def take(self, rows: RowNumbers) -> NDArray[Any]:
        """As `BatchedRows`."""
        found: NDArray[Any] = self.x[rows]
        return found

    def only(self, rows: RowNumbers) -> Self:
        """As `BatchedRows`."""
        if len(rows) == len(self):
            return self
        return replace(self, x=take_rows(self.x, rows, self.batching))

    def whole(self) -> NDArray[Any]:
        """As `BatchedRows`."""
        return self.x

    def extract(self) -> Iterator[bytes]:
        """Type and shape, and 4,096 rows, the first and the last among them."""
        yield f"{self.x.dtype.str}{self.x.shape}".encode()
        yield np.array(self.x[subsample(np.arange(len(self)), _EXTRACT_ROWS)]).tobytes()


@dataclass(frozen=True, eq=False, kw_only=True)
class StackedRows(BatchedRows):
    """Rows of several tables under each other, with the places of their first rows."""

    parts: tuple[BatchedRows, ...]
    places: tuple[int, ...]

    def __len__(self) -> int:
        """As `BatchedRows`."""
        return sum(map(len, self.parts))

    @property
    def columns(self) -> tuple[str, ...]:
        """As `BatchedRows`."""
        return self.parts[0].columns

    @property
    def bytes_on_disk(self) -> int:
        """As `BatchedRows`."""
        return sum(part.bytes_on_disk for part in self.parts)

    def batches(self) -> Iterator[tuple[int, pd.DataFrame]]:
        """As `BatchedRows`."""
        start = 0
        for part, place in zip(self.parts, self.places, strict=True):
            for at, frame in part.batches():
                yield start + at, frame.set_axis(frame.index + place, axis=0)
            start += len(part)

    def take(self, rows: RowNumbers) -> pd.DataFrame:
        """As `BatchedRows`."""
        found: pd.DataFrame = self.only(rows).whole()
        return found

    def only(self, rows: RowNumbers) -> Self:
        """As `BatchedRows`."""
        ends = np.cumsum([0, *map(len, self.parts)])
        cuts = np.searchsorted(rows, ends)
        own = [
            (part.only(rows[low:high] - end), place)
            for part, place, end, (low, high) in zip(
                self.parts, self.places, ends[:-1], pairwise(cuts), strict=True
            )
            if high > low
        ]
        parts, places = zip(*own, strict=True)
        return replace(self, parts=parts, places=places)

    def __getitem__(self, column: str) -> "pd.Series[Any]":
        """As `BatchedRows`."""
        return stack_series([part[column] for part in self.parts]).reset_index(drop=True)

    def select(self, columns: Sequence[str]) -> Self:
        """As `BatchedRows`."""
        return replace(self, parts=tuple(part.select(columns) for part in self.parts))


def rows_of(x: Any, batching: Batching = BY_SIZE) -> BatchedRows:
    """The rows of a frame, whose columns get text for names, or of an array; rows as they are."""
    if isinstance(x, BatchedRows):
        return x
    if isinstance(x, pd.DataFrame):
        if not all(isinstance(name, str) for name in x.columns):
            x = x.rename(columns=str)
        return FrameRows(frame=x, batching=batching)
    return ArrayRows(x=x, batching=batching)


def stack(parts: Sequence[BatchedRows], source: str) -> BatchedRows:
    """Parts of one table under each other; the columns are those of the first, in its order.

    Raises:
        DataError: a later part lacks columns.
    """
    columns = parts[0].columns
    for part in parts[1:]:
        if lacking := [name for name in columns if name not in part.columns]:
            raise DataError(
                f"the test part of {source} lacks columns of the training part: "
                f"{', '.join(lacking[:_LISTED])}."
            )
    if len(parts) == 1:
        return parts[0]
    alike = [part.select(columns) for part in parts]
    frames = [part.frame for part in alike if isinstance(part, FrameRows)]
    if len(frames) == len(parts):  # all are in memory, where they are one batch
        return FrameRows(frame=pd.concat(frames, ignore_index=True), batching=parts[0].batching)
    places = np.cumsum([0, *map(len, parts[:-1])]).tolist()
    return StackedRows(parts=tuple(alike), places=tuple(places), batching=parts[0].batching)


def stack_frames(frames: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Batches of one table under each other, as if they had been read as one."""
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
    return pd.DataFrame(x, columns=pd.Index([f"x{i}" for i in range(x.shape[1])], dtype=object))


def subsample(rows: RowNumbers, most: int) -> RowNumbers:
    """At most so many of the rows, evenly from all of them."""
    if len(rows) <= most:
        return rows
    return rows[np.linspace(0, len(rows) - 1, most).astype(np.int64)]

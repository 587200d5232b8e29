"""What a reader hands on: rows as they were found, before anything is understood or encoded.

Every form of data (a table, arrays, IDX files, a folder of images, ...) has a reader, and every
reader gives a `Raw`; what follows (target, splits, columns, encoders) is the same for all. And a
short name for its content, so that a run folder knows the data it belongs to.
"""

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from autosynth.data.source.layout import Channels
from autosynth.data.source.length import Crop
from autosynth.data.source.memory import BY_SIZE, Batching
from autosynth.data.source.rows import BatchedRows, rows_of
from autosynth.spec import Kind

Index: TypeAlias = "Sequence[str] | range | pd.Index[Any]"
PARTS = ("main", "validation", "test")
"""The parts that a source may have, as `Raw` calls them."""
_DIGITS = 16


@dataclass(frozen=True, kw_only=True)
class RowFormat:
    """What rows to predict look like: the kind of the input that they make, and its shape.

    `columns` are those of a table that the input reads; none where it is made of arrays. `wanted`
    are those that all inputs read. `headers` are those that its file may have, or lack: all that
    it was trained on, in the order of that file, with the targets and without. `crop` is what is
    kept of series that are longer.
    """

    kind: Kind = "table"
    shape: tuple[int, ...] = ()
    columns: tuple[str, ...] = ()
    wanted: tuple[str, ...] = ()
    headers: tuple[tuple[str, ...], ...] = ()
    crop: Crop = "start"


@dataclass(frozen=True, kw_only=True)
class RawRows:
    """Rows of one part of a source: `x` rows first, `y` one value a row (None: not labelled).

    `x` is a frame or an array, or the rows of a table that stay in its file; `rows_of` makes one
    form of them all.

    Of several targets `y` is a frame, a column each. `index` names the rows: their numbers, the
    files they came from, or the index of the frame that was given. `folder` is the one that a
    table stands in, to which the files that its cells name are relative; "" is the current one.
    """

    x: NDArray[Any] | pd.DataFrame | BatchedRows
    y: "pd.Series[Any] | pd.DataFrame | None" = None
    index: Index
    folder: str = ""

    def __len__(self) -> int:
        return len(self.index)


@dataclass(frozen=True, kw_only=True)
class Raw:
    """A source as read: its parts, and what only the reader can know.

    `main` is all there is where no official parts were found. `kind` is None where shape and
    values have to tell. `labels` says that the target is class labels by the form's definition
    (IDX, UCR, a folder a class). `channels` says where the channel axis of images or series
    stands, where the form defines it; otherwise their shape has to tell. `columns` are those of a
    table in the order of its file, its targets among them. `assumed` says how the source was read
    where it does not say so itself: what, how sure, and what overrides it.

    `array` is what a single array is called by options that name columns; `cells` are the columns
    of a table whose cells hold arrays, a row's part of each in one. `decimal` is how the form
    suggests that numbers are written, by an example, if it does. Where it `has_words` for what has
    no value (`NA`), those of the target are still there.
    """

    name: str
    source: str
    target: str
    main: RawRows | None
    validation: RawRows | None = None
    test: RawRows | None = None
    kind: Kind | None = None
    labels: bool = False
    channels: Channels | None = None
    columns: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    assumed: tuple[str, ...] = ()
    array: str = "x"
    cells: frozenset[str] = frozenset()
    decimal: str = ""
    has_words: bool = False


def index_of(frame: Any) -> Index:
    """What names the rows of a frame: its index, or numbers where it says no more than these."""
    index = getattr(frame, "index", None)
    if not isinstance(index, pd.Index):
        return range(len(frame))
    if index.name is None and isinstance(index, pd.RangeIndex) and not index.start:
        return range(len(frame)) if index.step == 1 else index
    return index


def levels_of(index: Index, taken: Collection[str]) -> "dict[str, pd.Series[Any]]":
    """The levels of a frame's index as columns, by name; none of plain numbers of rows.

    Dates that have no name are the `time`, or the `index` where a column is called so.
    """
    if not isinstance(index, pd.Index):
        return {}
    found = {}
    for number, name in enumerate(index.names):
        values = index.get_level_values(number)
        if isinstance(values, pd.PeriodIndex):
            values = values.to_timestamp()
        if name is None and isinstance(values, pd.DatetimeIndex):
            name = "time" if "time" not in taken else "index"
        if name is not None and str(name) not in taken:
            found[str(name)] = pd.Series(values, name=str(name)).reset_index(drop=True)
    return found


def with_levels(rows: RawRows | None, names: Collection[str]) -> Any:
    """The rows with those columns that somebody names, and that are levels of their index."""
    if rows is None or not isinstance(rows.x, pd.DataFrame):
        return rows
    levels = levels_of(rows.index, set(rows.x.columns))
    wanted = {name: values for name, values in levels.items() if name in names}
    return replace(rows, x=rows.x.assign(**wanted)) if wanted else rows


def headers_of(raw: Raw) -> tuple[tuple[str, ...], ...]:
    """The columns of a table, with its targets and without; nothing of what has no columns."""
    if not raw.columns or raw.main is None:
        return ()
    y = raw.main.y
    targets = () if y is None else (y.name,) if isinstance(y, pd.Series) else tuple(y.columns)
    return raw.columns, tuple(name for name in raw.columns if name not in targets)


def fingerprint(*parts: RawRows | None, batching: Batching = BY_SIZE) -> str:
    """16 hex digits of a SHA-256 over the values, types, shapes and column names of `parts`.

    Of rows that stay on disk because they are too large, an extract stands for all.
    """
    digest = hashlib.sha256()
    for part in parts:
        if part is None:
            digest.update(b"none")
            continue
        rows = rows_of(part.x, batching)
        if rows.bytes_on_disk > batching.limit:
            for extract in rows.extract():
                digest.update(extract)
        elif not rows.is_table:
            _add_array(digest, rows.whole())
        else:
            for name, values in rows.whole().items():
                digest.update(str(name).encode())
                _add_column(digest, values)
        if part.y is not None:
            columns = [part.y] if isinstance(part.y, pd.Series) else [part.y[c] for c in part.y]
            for column in columns:
                _add_column(digest, column)
    return digest.hexdigest()[:_DIGITS]


def _add_column(digest: Any, values: "pd.Series[Any]") -> None:
    if values.dtype.kind in "biuf" and isinstance(values.dtype, np.dtype):
        _add_array(digest, values.to_numpy())
    elif any(isinstance(cell, bytes | np.ndarray) for cell in values):
        digest.update(b"cells")
        for cell in values:
            _add_cell(digest, cell)
    else:
        _add_array(digest, pd.util.hash_pandas_object(values.astype(str), index=False).to_numpy())


def _add_cell(digest: Any, cell: Any) -> None:
    if isinstance(cell, np.ndarray):
        _add_array(digest, cell)
    else:
        digest.update(cell if isinstance(cell, bytes) else str(cell).encode())


def _add_array(digest: Any, values: NDArray[Any]) -> None:
    digest.update(f"{values.dtype.str}{values.shape}".encode())
    if values.dtype == object:
        values = pd.util.hash_array(values.ravel().astype(str).astype(object))
    if values.size:
        digest.update(np.ascontiguousarray(values).reshape(-1).view(np.uint8).data)

"""What a reader hands on: rows as they were found, before anything is understood or encoded.

Every form of data (a table, arrays, IDX files, a folder of images, ...) has a reader, and every
reader gives a `Raw`; what follows (target, splits, columns, encoders) is the same for all. And a
short name for its content, so that a run folder knows the data it belongs to.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from autosynth.data.source.layout import Channels
from autosynth.data.source.memory import BY_SIZE, Batching
from autosynth.data.source.rows import BatchedRows, rows_of
from autosynth.spec import Kind

Index = Sequence[str] | range
_DIGITS = 16


@dataclass(frozen=True, kw_only=True)
class RowFormat:
    """What rows to predict look like: the kind of the input that they make, and its shape.

    `columns` are those of a table that the input reads; none where it is made of arrays.
    """

    kind: Kind = "table"
    shape: tuple[int, ...] = ()
    columns: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class RawRows:
    """Rows of one part of a source: `x` rows first, `y` one value a row (None: not labelled).

    `x` is a frame or an array, or the rows of a table that stay in its file; `rows_of` makes one
    form of them all.

    Of several targets `y` is a frame, a column each. `index` names the rows: their numbers, or the
    files they came from. `folder` is the one that a table stands in, to which the files that its
    cells name are relative; "" is the current one.
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
    stands, where the form defines it; otherwise their shape has to tell. `assumed` says how the
    source was read where it does not say so itself: what, how sure, and what overrides it.
    `decimal` is how the form suggests that numbers are written, by an example, if it does. Where
    it `has_words` for what has no value (`NA`), those of the target are still there.
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
    warnings: tuple[str, ...] = ()
    assumed: tuple[str, ...] = ()
    decimal: str = ""
    has_words: bool = False


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
            for name in rows.columns:
                digest.update(name.encode())
                _add_column(digest, rows[name])
        if part.y is not None:
            columns = [part.y] if isinstance(part.y, pd.Series) else [part.y[c] for c in part.y]
            for column in columns:
                _add_column(digest, column)
    return digest.hexdigest()[:_DIGITS]


def _add_column(digest: Any, values: "pd.Series[Any]") -> None:
    if values.dtype.kind in "biuf" and isinstance(values.dtype, np.dtype):
        _add_array(digest, values.to_numpy())
    else:
        _add_array(digest, pd.util.hash_pandas_object(values.astype(str), index=False).to_numpy())


def _add_array(digest: Any, values: NDArray[Any]) -> None:
    digest.update(f"{values.dtype.str}{values.shape}".encode())
    if values.dtype == object:
        values = pd.util.hash_array(values.ravel().astype(str).astype(object))
    if values.size:
        digest.update(np.ascontiguousarray(values).reshape(-1).view(np.uint8).data)

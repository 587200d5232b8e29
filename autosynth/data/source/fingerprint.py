"""A short name for the content of a dataset, so that a run folder knows the data it belongs to."""

import hashlib
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from autosynth.data.source.memory import BY_SIZE, Batching
from autosynth.data.source.raw import RawRows
from autosynth.data.source.rows import rows_of

_DIGITS = 16


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

"""A short name for the content of a dataset, so that a run folder knows the data it belongs to."""

import hashlib
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from autosynth.data.source.disktable import DiskTable, subsample
from autosynth.data.source.memorymap import is_map
from autosynth.data.source.raw import RawRows

_DIGITS = 16
_ROWS = 4_096


def fingerprint(*parts: RawRows | None) -> str:
    """16 hex digits of a SHA-256 over the values, types, shapes and column names of `parts`.

    Of rows that stay on disk, some stand for all: parts of a table's files (`DiskTable.digest`),
    and 4,096 rows of an array, the first and the last among them.
    """
    digest = hashlib.sha256()
    for part in parts:
        if part is None:
            digest.update(b"none")
            continue
        if isinstance(part.x, DiskTable):
            digest.update(part.x.digest().encode())
        elif isinstance(part.x, pd.DataFrame):
            for name in part.x.columns:
                digest.update(str(name).encode())
                _add_column(digest, part.x[name])
        else:
            _add_array(digest, part.x)
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
    if is_map(values):
        values = np.array(values[subsample(np.arange(len(values)), _ROWS)])
    if values.size:
        digest.update(np.ascontiguousarray(values).reshape(-1).view(np.uint8).data)

"""Reads a map-style dataset of torch: `len(it)` rows, each `(x, y)`; stacks them to arrays.

`x` may be a tensor, an array, a picture of PIL or a number, or several of them in a tuple or a
dict; all rows have one shape, but series may differ in length. Recognised by
what it can do, so that torch need not be imported.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol, runtime_checkable

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from autosynth.data.source.arrays import PART, read_arrays
from autosynth.data.source.object import normalised, pixels_of, unequal_steps
from autosynth.data.source.raw import Raw
from autosynth.errors import DataError


@runtime_checkable
class MapStyle(Protocol):
    """What can be asked for its length and for any of its rows, as `torch.utils.data.Dataset`."""

    def __len__(self) -> int:
        """The number of rows."""

    def __getitem__(self, row: int, /) -> Any:
        """One row."""


def is_torch_set(source: Any) -> bool:
    """Whether `source` is a dataset of rows by number, or looks like one that is not."""
    if isinstance(source, str | bytes | Mapping | Sequence | np.ndarray | pd.DataFrame):
        return False
    return isinstance(source, MapStyle) or hasattr(source, "__iter__")


def read_torch_set(source: Any, *, labelled: bool = True) -> Raw:
    """The rows of a dataset; its `classes`, if it has them, are the names of its labels.

    Raises:
        DataError: it has no length, is empty, its rows are no `(x, y)`, or their shapes differ.
    """
    name = type(source).__name__
    if not isinstance(source, MapStyle):
        raise DataError(
            f"{name} can only be iterated over, and rows are read by number: give a map-style "
            "dataset (with __len__ and __getitem__), not an iterable one or a loader of batches."
        )
    if not len(source):
        raise DataError(f"{name} is an empty dataset.")
    rows = [source[row] for row in range(len(source))]
    pairs = [_pair(row, number, name, labelled=labelled) for number, row in enumerate(rows)]
    x = _inputs([pair[0] for pair in pairs], name)
    y = None
    if labelled:
        y = _named(_stacked([_array(pair[1]) for pair in pairs], name, "y"), source)
    raw = read_arrays((x,) if y is None else (x, y))
    return replace(raw, name=name.lower(), source=name, labels=y is not None and y.dtype == object)


def _inputs(rows: Sequence[Any], name: str) -> Any:
    """What rows hold, as one array, series of unequal length, or a dict of several."""
    first = rows[0]
    if isinstance(first, tuple) and any(map(_is_array, first)):
        rows = [{f"{PART}{number}": each for number, each in enumerate(row)} for row in rows]
        first = rows[0]
    if isinstance(first, Mapping):
        return {key: _inputs([row[key] for row in rows], name) for key in first}
    arrays = [_array(row) for row in rows]
    if unequal_steps(arrays) is not None:
        return arrays
    return _stacked(arrays, name, "x")


def _pair(row: Any, number: int, name: str, *, labelled: bool) -> tuple[Any, Any]:
    if isinstance(row, tuple | list) and len(row) == 2:
        return row[0], row[1]
    if not labelled and not isinstance(row, tuple | list | Mapping):
        return row, None
    what = f"{len(row)} values" if isinstance(row, tuple | list) else type(row).__name__
    raise DataError(
        f"row {number} of {name} is {what}, not (x, y). Wrap it in a dataset whose __getitem__ "
        "gives such a pair."
    )


def _is_array(value: Any) -> bool:
    return hasattr(value, "shape") or isinstance(value, Image.Image)


def _array(value: Any) -> NDArray[Any]:
    if isinstance(value, Image.Image):
        return pixels_of(value)
    return np.asarray(normalised(value))


def _stacked(values: Sequence[NDArray[Any]], name: str, what: str) -> NDArray[Any]:
    shape = values[0].shape
    for number, value in enumerate(values):
        if value.shape != shape:
            raise DataError(
                f"{what} of row {number} of {name} has shape {value.shape}, and that of row 0 "
                f"{shape}; all must be alike. Resize or pad them in its __getitem__."
            )
    return np.stack(values)


def _named(y: NDArray[Any], source: Any) -> NDArray[Any]:
    """Labels by the names that the dataset's `classes` give its numbers."""
    classes = getattr(source, "classes", None)
    if not isinstance(classes, Sequence) or isinstance(classes, str) or y.dtype.kind not in "iu":
        return y
    if y.ndim != 1 or y.min() < 0 or y.max() >= len(classes):
        return y
    names: NDArray[Any] = np.array([str(name) for name in classes], dtype=object)[y]
    return names

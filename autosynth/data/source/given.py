"""Reads data that is given in Python: a frame, arrays, a dict of either, a dataset of a library.

Takes the object; gives the rows with their target, or for prediction without. What it is tells
`object.py`; here it is decided which of its parts are inputs and which the target.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from autosynth.data.source import hf, torchset
from autosynth.data.source.arrays import PART, PART_OF, cells_in, read_arrays, read_named
from autosynth.data.source.object import normalised, unequal_steps
from autosynth.data.source.raw import Raw, RowFormat
from autosynth.data.source.table import frame_rows
from autosynth.errors import DataError

_VALUE = "value"  # what a Series is called that has no name


def read_given(source: Any, target: Sequence[str] = (), rows: RowFormat | None = None) -> Raw:
    """The rows of an object with their target; `rows` of a model to predict need none.

    Raises:
        DataError: it is nothing that holds rows, or has no such target.
    """
    labelled = rows is None
    if hf.is_hf_object(source):
        return hf.read_hf_object(source, target, labelled=labelled)
    if isinstance(source, tuple) and rows is not None and _is_several(source, rows):
        return read_arrays((source,))
    if isinstance(source, tuple) or _is_pair(source, rows):
        return read_arrays(source)
    if isinstance(source, Mapping):
        return _read_mapping(source, target, rows)
    found = normalised(source)
    if isinstance(found, pd.Series):
        found = found.to_frame(found.name if isinstance(found.name, str) else _VALUE)
    if isinstance(found, pd.DataFrame):
        return frame_rows(found, "frame", "frame", target, labelled=labelled)
    if isinstance(found, np.ndarray):
        return read_arrays((found if unequal_steps(source) is None else source,))
    if torchset.is_torch_set(source):
        return torchset.read_torch_set(source, labelled=labelled)
    raise DataError(
        "data is a path, the name of a built-in set, a frame of any library, a dict of columns or "
        "of arrays, a tuple of arrays or a map-style dataset of torch; this is "
        f"{type(source).__name__}."
    )


def _is_pair(source: Any, rows: RowFormat | None) -> bool:
    """Whether a list is `[x, y]` or `[x, y, x_test, y_test]`, and no list of rows."""
    if not isinstance(source, list) or len(source) not in (1, 2, 4):
        return False
    if any(
        isinstance(each, Mapping | str | bytes) or not hasattr(each, "__len__") for each in source
    ):
        return False
    if rows is None:
        return True
    axes = [_axes(each) for each in source]
    if len(source) == 1:  # one series of several channels, or arrays that are rows
        return axes[0] >= 2 and not (rows.shape[:1] > (1,) and axes[0] == len(rows.shape))
    return axes[0] > axes[1] and len(source[0]) == len(source[1])


def _is_several(source: tuple[Any, ...], rows: RowFormat) -> bool:
    """Whether a tuple is the arrays that rows are made of, as the model reads them."""
    base = next(iter(rows.columns), "").partition("[")[0]
    known = base.startswith(PART) and base.removeprefix(PART).isdecimal()
    return known and len(source) > 1 and not isinstance(source[0], tuple | Mapping)


def _axes(value: Any) -> int:
    found = normalised(value)
    return np.ndim(found) if isinstance(found, np.ndarray | pd.DataFrame | pd.Series) else 0


def _read_mapping(source: Mapping[Any, Any], target: Sequence[str], rows: RowFormat | None) -> Raw:
    """The rows of a dict: of its parts, its columns, or arrays by their names; or of a bunch."""
    names = {str(name).lower(): value for name, value in source.items()}
    parts = {PART_OF[name]: value for name, value in names.items() if name in PART_OF}
    if len(parts) == len(source) and "main" in parts:
        raws = {part: read_given(value, target, rows) for part, value in parts.items()}
        found: dict[str, Any] = {part: raw.main for part, raw in raws.items() if part != "main"}
        return replace(raws["main"], **found)
    if "data" in names and type(source).__name__ == "Bunch":
        return _read_bunch(source)
    wanted = rows.wanted if rows is not None else target
    inside = [frame.columns for frame in source.values() if hasattr(frame, "columns")]
    there = {str(name) for columns in (source, *inside) for name in columns}
    if wanted and {name.partition("[")[0] for name in wanted} <= there:
        return _read_columns(source, target, rows)
    try:
        return read_named(source, None if rows is None else rows.wanted)
    except DataError:
        if rows is None and not target:
            raise
    return _read_columns(source, target, rows)


def _read_columns(source: Mapping[Any, Any], target: Sequence[str], rows: RowFormat | None) -> Raw:
    frame = normalised(source)
    raw = frame_rows(frame, "dict", "the dict", target, labelled=rows is None)
    return replace(raw, cells=cells_in(frame) - set(target))


def _read_bunch(bunch: Mapping[str, Any]) -> Raw:
    """A bunch of scikit-learn: its data by its feature names, its target by its class names."""
    x, y = normalised(bunch["data"]), normalised(bunch.get("target"))
    images, names = bunch.get("images"), list(bunch.get("feature_names", ()))
    told: tuple[str, ...] = ()
    if isinstance(images, np.ndarray) and images.ndim > 2 and len(images) == len(x):
        x, told = images, ("images of the bunch are read, not their pixels as columns (surely)",)
    elif isinstance(x, np.ndarray) and x.ndim == 2 and len(names) == x.shape[1]:
        x = pd.DataFrame(x, columns=pd.Index(list(map(str, names)), dtype=object))
    if y is None:
        return read_arrays((x,))
    classes = bunch.get("target_names")
    if classes is not None and np.ndim(y) == 1 and pd.api.types.is_integer_dtype(y.dtype):
        codes = np.asarray(y)
        if len(classes) > 1 and len(codes) and codes.min() >= 0 and codes.max() < len(classes):
            named = np.array([str(name) for name in classes], dtype=object)[codes]
            y = pd.Series(named, index=y.index, name=y.name) if hasattr(y, "index") else named
    raw = read_arrays((x, y))
    return replace(raw, name="bunch", source="Bunch", assumed=(*told, *raw.assumed))

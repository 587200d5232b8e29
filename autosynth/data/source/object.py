"""What is given in Python, in one of three forms: a frame or a Series of pandas, or an array.

Takes frames and columns of any library (those that speak Arrow, or can be turned into pandas),
tensors, masked, structured and sparse arrays, dicts, lists of rows or of arrays. Every object
comes through here once, on entry, so that nothing behind it asks which library data came from: a
column has one of pandas' own plain types, an array holds numbers or text, and what is missing is
NaN or None.
"""

from collections.abc import Mapping, Sequence
from dataclasses import is_dataclass
from pathlib import PurePath
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray
from PIL import Image

from autosynth.data.source.frames import content_of, from_arrow
from autosynth.data.source.layout import Channels
from autosynth.data.source.memory import most_in_memory
from autosynth.errors import DataError

_TO_PANDAS = ("to_pandas", "toPandas", "_to_pandas", "to_dataframe")
"""What frames of other libraries call their way to pandas: cuDF, Spark, Modin, xarray."""


def normalised(value: Any) -> Any:
    """A frame, a Series or an array that holds what `value` does; `value` where it is none.

    Raises:
        DataError: columns of unequal length, or rows that make no array; told with the cure.
    """
    if value is None or isinstance(value, str | bytes | PurePath):
        return value
    if isinstance(value, pd.DataFrame):
        return plain_frame(value)
    if isinstance(value, pd.Series):
        return plain_column(value)
    if isinstance(value, pd.Index | pd.api.extensions.ExtensionArray):
        return plain_column(pd.Series(value))
    if isinstance(value, np.ndarray):
        return _plain_array(value)
    if isinstance(value, Mapping):
        return _of_columns(value)
    if isinstance(value, list | tuple):
        return _of_rows(value)
    return _foreign(value)


def _foreign(value: Any) -> Any:
    """As `normalised`, of what other libraries made; told by what it can do."""
    if hasattr(value, "detach"):
        return _plain_array(_of_tensor(value))
    if type(value).__name__ == "LazyFrame" and hasattr(value, "collect"):
        return normalised(value.collect())
    if hasattr(value, "__arrow_c_stream__") or hasattr(value, "__arrow_c_array__"):
        return _of_arrow(value)
    if hasattr(value, "toarray") and hasattr(value, "nnz"):  # of scipy
        return _dense(value)
    if hasattr(value, "dims") and hasattr(value, "__array__") and hasattr(value, "ndim"):
        return _plain_array(np.asarray(value))  # of xarray: with labels, and of any dimensions
    for name in _TO_PANDAS:
        if callable(made := getattr(value, name, None)):
            return normalised(made())
    if hasattr(value, "__cuda_array_interface__") and hasattr(value, "get"):
        return _plain_array(value.get())
    if hasattr(value, "__array__"):
        return _plain_array(np.asarray(value))
    return value


def plain_frame(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with columns of pandas' own types; what is plain already is not copied."""
    changed = {}
    for place, kind in enumerate(frame.dtypes):
        if (isinstance(kind, np.dtype) and kind.kind != "O") or kind == "str":
            continue  # of tables of many thousand columns, nearly all are numbers
        column = frame.iloc[:, place]
        plain = plain_column(column)
        if plain is not column:
            changed[place] = plain
    if not changed:
        return frame
    columns = [changed.get(place, frame.iloc[:, place]) for place in range(frame.shape[1])]
    found = pd.concat(columns, axis=1) if columns else frame
    found.columns = frame.columns
    return found


def plain_column(values: "pd.Series[Any]") -> "pd.Series[Any]":
    """The column in one of pandas' own types: numbers, booleans, text, categories, times, objects.

    A type that knows missing values of its own (nullable, Arrow) gives way to the one that the
    same values have when they are read from a file of text.
    """
    kind = values.dtype
    if isinstance(kind, pd.SparseDtype):
        return plain_column(values.sparse.to_dense())
    if isinstance(kind, pd.CategoricalDtype):
        names = kind.categories
        if isinstance(names.dtype, np.dtype) or names.dtype == "str":
            return values
        return values.cat.rename_categories(list(plain_column(names.to_series())))
    if isinstance(kind, pd.PeriodDtype):
        return values.dt.to_timestamp()
    if isinstance(kind, pd.IntervalDtype):
        return values.astype(str).where(values.notna(), None)
    if isinstance(kind, np.dtype):
        return _of_objects(values) if kind.kind == "O" else values
    if isinstance(kind, pd.DatetimeTZDtype) or kind == "str":
        return values
    try:
        table = pa.table({"values": pa.array(values, from_pandas=True)})
    except (pa.ArrowException, TypeError, ValueError):  # a type of another package, as shapes
        return _of_objects(values.astype(object))
    found = from_arrow(table)["values"]
    return found.set_axis(values.index).rename(values.name)


def _of_objects(values: "pd.Series[Any]") -> "pd.Series[Any]":
    """Cells of any type: paths as text, tensors as arrays, files that were read as their bytes."""
    kinds = set(map(type, values))
    if kinds <= {str, float, int, bool, type(None)}:
        return values
    if type(pd.NA) in kinds:
        values = values.where(values.notna(), None)
    if any(issubclass(kind, PurePath | Mapping | Image.Image) for kind in kinds) or any(
        hasattr(kind, "detach") or kind is np.ma.MaskedArray for kind in kinds
    ):
        cells = np.empty(len(values), dtype=object)
        cells[:] = [_cell(value) for value in values]
        return pd.Series(cells, index=values.index, name=values.name)
    return values


def _cell(value: Any) -> Any:
    if isinstance(value, PurePath):
        return str(value)
    if isinstance(value, Mapping):
        return content_of(value)
    if isinstance(value, Image.Image):
        return pixels_of(value)
    if hasattr(value, "detach") or isinstance(value, np.ma.MaskedArray):
        array = normalised(value)
        return array.item() if array.ndim == 0 else array
    return value


def pixels_of(image: Image.Image) -> NDArray[Any]:
    """The pixels of a picture in memory: (height, width), or with colour (height, width, 3)."""
    grey = image.mode in ("1", "L") or "I" in image.mode or image.mode == "F"
    return np.asarray(image if grey else image.convert("RGB"))


def _of_tensor(value: Any) -> NDArray[Any]:
    """The values of a tensor, on whatever device, of any layout, with a gradient or without.

    numpy has no bfloat16, nor any float of 8 bits: these become float32, which holds all of them.
    """
    value = value.detach()
    if getattr(value, "is_quantized", False):
        value = value.dequantize()
    if not str(getattr(value, "layout", "strided")).endswith("strided"):
        value = value.to_dense()
    value = value.cpu().resolve_conj().resolve_neg()
    try:
        return np.asarray(value.numpy())
    except TypeError:
        return np.asarray(value.float().numpy())


def _of_arrow(value: Any) -> Any:
    """The frame of what hands out a stream of Arrow, or the Series of one column."""
    if isinstance(value, pa.Array | pa.ChunkedArray):
        column: Any = value
    else:
        try:
            return from_arrow(pa.table(value))
        except (pa.ArrowException, TypeError, ValueError):  # one column, as a Series of polars
            column = pa.chunked_array(value)
    found = from_arrow(pa.table({"values": column}))["values"]
    name = getattr(value, "name", None)
    return found.rename(name if isinstance(name, str) and name else None)


def _dense(value: Any) -> NDArray[Any]:
    """A sparse matrix with its zeros, where memory holds them."""
    size = int(np.prod(value.shape)) * value.dtype.itemsize
    if size > (most := most_in_memory()):
        raise DataError(
            f"a sparse matrix of shape {value.shape} takes {size / 1e9:.1f} GB with its zeros, "
            f"and {most / 1e9:.1f} GB may be in memory. Leave columns out, or project them first "
            "(sklearn.decomposition.TruncatedSVD)."
        )
    return np.asarray(value.toarray())


def _plain_array(x: NDArray[Any]) -> Any:
    """The array without a mask, of a type of this machine; the frame of one with named fields."""
    if x.dtype.names:
        return _of_columns({name: x[name] for name in x.dtype.names})
    if isinstance(x, np.ma.MaskedArray):
        return _plain_array(_unmasked(x))
    if x.dtype == object:
        return _of_object_array(x)
    if x.dtype.kind == "T":  # text of any length, since numpy 2
        return x.astype(object)
    if x.dtype.kind == "S":
        return np.char.decode(x, "utf-8", "replace")
    if x.dtype == np.float16 or (x.dtype.kind == "f" and x.dtype.itemsize > 8):
        return x.astype(np.float32 if x.dtype == np.float16 else np.float64)
    # What is larger than memory is brought into this machine's order part by part (`as_frame`).
    if not x.dtype.isnative and (not isinstance(x, np.memmap) or x.nbytes <= most_in_memory()):
        return x.astype(x.dtype.newbyteorder("="))
    return x.view(np.ndarray) if type(x) not in (np.ndarray, np.memmap) and x.ndim else x


def _unmasked(x: Any) -> NDArray[Any]:
    """A masked array with NaN, or None, in place of what is masked."""
    if not np.ma.getmaskarray(x).any():
        return np.asarray(x.data)
    if x.dtype.kind in "biu":
        x = x.astype(np.float64)
    if x.dtype.kind in "fc":
        return np.asarray(x.filled(np.nan))
    if x.dtype.kind in "mM":
        return np.asarray(x.filled(np.array("NaT", dtype=x.dtype)))
    cells = np.array(x.data, dtype=object)
    cells[np.ma.getmaskarray(x)] = None
    return cells


def _of_object_array(x: NDArray[Any]) -> Any:
    if x.ndim == 0:
        return normalised(x.item())
    if x.ndim == 1 and len(x) and all(_is_array(value) for value in x):
        return _of_rows(list(x))
    if x.ndim > 2:
        try:
            return x.astype(np.float64)
        except (TypeError, ValueError) as error:
            raise DataError(
                f"an array of objects of shape {x.shape} holds what is no number ({error}). Give "
                "an array of numbers: numpy.asarray(x, dtype=float)."
            ) from error
    return x


def _of_columns(columns: Mapping[Any, Any]) -> pd.DataFrame:
    """The frame of a dict of columns; arrays of more axes stand in cells, a row's part in each.

    A dict of single values is one row.
    """
    values = {str(name): _column(value) for name, value in columns.items()}
    if values and not any(
        isinstance(value, pd.DataFrame | pd.Series | np.ndarray) and np.ndim(value)
        for value in values.values()
    ):
        return plain_frame(pd.DataFrame([{n: _scalar(v) for n, v in values.items()}]))
    sizes = {
        name: len(value)
        for name, value in values.items()
        if hasattr(value, "__len__") and not isinstance(value, str | bytes)
    }
    if len(set(sizes.values())) > 1 or len(sizes) < len(values):
        shown = ", ".join(f"{name!r} has {sizes.get(name, 'one value')}" for name in values)
        raise DataError(
            f"the columns of a dict have unequal lengths: {shown}. Give each a value a row."
        )
    frames = [_columns_of(name, value) for name, value in values.items()]
    if not frames:
        return pd.DataFrame()
    index = _common_index(list(values.values()))
    return pd.concat([frame.set_axis(index) for frame in frames], axis=1)


def _column(value: Any) -> Any:
    """As `normalised`; series of unequal length stay as they are, one a cell."""
    if unequal_steps(value) is None:
        return normalised(value)
    cells = np.empty(len(value), dtype=object)
    cells[:] = [normalised(row) for row in value]
    return pd.Series(cells)


def _scalar(value: Any) -> Any:
    return value.item() if isinstance(value, np.ndarray) else value


def _common_index(values: Sequence[Any]) -> pd.Index:
    """The index that all columns have which have one; numbers, where they differ."""
    own = [value.index for value in values if isinstance(value, pd.Series | pd.DataFrame)]
    alike = len(own) == len(values) and all(each.equals(own[0]) for each in own)
    return own[0] if alike else pd.RangeIndex(len(values[0]))


def _columns_of(name: str, value: Any) -> pd.DataFrame:
    if isinstance(value, pd.DataFrame):
        return value
    if isinstance(value, np.ndarray) and value.ndim > 1:
        one = value.ndim == 2 and value.shape[1] == 1
        value = pd.Series(value[:, 0] if one else cells_of(value))
    return plain_frame(pd.Series(value).to_frame().set_axis([name], axis=1))


def cells_of(x: NDArray[Any]) -> NDArray[np.object_]:
    """The rows of an array as cells, which are views of it."""
    cells = np.empty(len(x), dtype=object)
    cells[:] = list(x) if len(x) else []
    if len(x) and not isinstance(cells[0], np.ndarray):
        raise DataError(f"an array of shape {x.shape} has no rows of several values.")
    return cells


def _is_array(value: Any) -> bool:
    """Whether a cell holds several values, and no text."""
    return not isinstance(value, str | bytes | Mapping) and (
        isinstance(value, list | tuple | np.ndarray) or hasattr(value, "detach")
    )


def _of_rows(rows: Sequence[Any]) -> Any:
    """The frame of records, or the array of rows; those of unequal length are padded with NaN."""
    first = rows[0] if len(rows) else None
    if isinstance(first, Mapping | pd.Series) or hasattr(first, "_fields") or is_dataclass(first):
        return plain_frame(pd.DataFrame(list(rows)))
    if any(isinstance(row, Image.Image) for row in rows):
        rows = [pixels_of(row) if isinstance(row, Image.Image) else row for row in rows]
    if any(hasattr(row, "detach") for row in rows) or any(
        isinstance(row, np.ndarray | pd.DataFrame) for row in rows
    ):
        return stacked([np.asarray(normalised(row)) for row in rows])
    try:
        found = np.asarray(rows)
    except ValueError:  # nested lists of unequal length
        return stacked([np.asarray(row) for row in rows])
    if found.dtype.kind in "US":  # numpy turns a NaN among words into the word nan
        found = np.asarray(rows, dtype=object)
    return _plain_array(found)


def stacked(rows: Sequence[NDArray[Any]], place: str = "x") -> NDArray[Any]:
    """Arrays as the rows of one; series of unequal length end in NaN, as those of `.ts` files.

    Series are (steps,), or have their channels on the axis that is alike in all. Pictures in a row
    are (steps, channels, height, width), or have their channels last.

    Raises:
        DataError: they differ in more than one axis, or in what is no number.
    """
    shapes = {row.shape for row in rows}
    if len(shapes) <= 1:
        return np.asarray(_plain_array(np.stack(rows))) if rows else np.empty((0,))
    axes = {len(shape) for shape in shapes}
    sizes = np.array(list(shapes)) if len(axes) == 1 else np.empty((0, 0), int)
    unequal = np.flatnonzero((sizes != sizes[:1]).any(axis=0)) if len(sizes) else np.array([])
    if (
        len(unequal) != 1
        or not (axes <= {1, 2} or (axes == {4} and unequal[0] == 0))
        or not all(row.dtype.kind in "biuf" for row in rows)
    ):
        told = sorted(map(str, shapes))
        raise DataError(
            f"rows of {place} have {len(shapes)} shapes: {', '.join(told[:4])}"
            f"{', ...' if len(told) > 4 else ''}. Rows are alike, or series of numbers, (steps,) "
            "or with as many channels each, that differ in their steps alone; bring others to one "
            "shape, or give pictures as files."
        )
    full = sizes.max(axis=0)
    dtype = np.float32 if axes == {4} else np.float64
    x = np.full((len(rows), *full), np.nan, dtype=dtype)
    for number, row in enumerate(rows):
        inside: tuple[Any, ...] = (number, *(slice(size) for size in row.shape))
        x[inside] = row
    return x


def unequal_steps(rows: Any) -> Channels | None:
    """Where series of unequal length have their channels; None where rows are no such series."""
    if not isinstance(rows, list | tuple | np.ndarray) or (
        isinstance(rows, np.ndarray) and (rows.dtype != object or rows.ndim != 1)
    ):
        return None
    if not len(rows) or not all(_is_array(row) for row in rows):
        return None
    shapes = {np.shape(normalised(row)) for row in rows}
    if len(shapes) < 2:
        return None
    if len({len(shape) for shape in shapes}) > 1 or len(next(iter(shapes))) > 2:
        return None
    if len(next(iter(shapes))) == 1:
        return "none"
    alike = [len({shape[axis] for shape in shapes}) == 1 for axis in (0, 1)]
    return ("first" if alike[0] else "last") if any(alike) else None

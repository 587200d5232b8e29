"""Reads `.npz` and `.npy` files, and takes numpy arrays as they are.

In an `.npz`, `x` and `y` (also images/labels, data/target, inputs/targets), alone or with a part:
`x_test`, `train_images`, `val_labels`, ... are found whatever their case.
"""

import zipfile
import zlib
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.lib.npyio import NpzFile
from numpy.typing import NDArray

from autosynth.data.source.mappedarray import mapped_npy, mapped_npz
from autosynth.data.source.memory import BY_SIZE, Batching
from autosynth.data.source.raw import Raw, RawRows
from autosynth.data.source.table import checked_frame
from autosynth.errors import DataError

_X = ("x", "images", "image", "data", "inputs", "features", "series")
_Y = ("y", "labels", "label", "target", "targets")
_PARTS: Mapping[str, Sequence[str]] = {
    "main": ("", "train", "training"),
    "validation": ("val", "valid", "validation"),
    "test": ("test", "testing"),
}


def read_npz(path: Path, batching: Batching = BY_SIZE) -> Raw:
    """The arrays of an `.npz`, by their names. Raises `DataError` where it holds no `x`."""
    try:
        with path.open("rb") as file, NpzFile(file, allow_pickle=False) as archive:
            names = list(archive.files)
            chosen = {part: _names(names, part) for part in _PARTS}
            wanted = [name for pair in chosen.values() for name in pair if name is not None]
            arrays = mapped_npz(path, wanted, batching)
            arrays |= {name: archive[name] for name in wanted if name not in arrays}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(
            f"{path} cannot be read as .npz: {error}. Save plain arrays with numpy.savez."
        ) from error
    rows = {part: _rows(arrays, x, y, str(path)) for part, (x, y) in chosen.items()}
    if rows["main"] is None and rows["test"] is None:
        raise DataError(
            f"no array named x (or train_images, ...) in {path}; it holds {', '.join(names)}. "
            "Save it as numpy.savez(path, x=..., y=...)."
        )
    return Raw(
        name=path.stem,
        source=str(path),
        target=_label_name(chosen["main"][1]),
        main=rows["main"],
        validation=rows["validation"],
        test=rows["test"],
    )


def read_npy(path: Path, batching: Batching = BY_SIZE) -> Raw:
    """The rows of an `.npy`, without a target."""
    try:
        x = mapped_npy(path, batching)
        if x is None:
            with path.open("rb") as file:
                x = np.lib.format.read_array(file, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{path} cannot be read as .npy: {str(error).rstrip('.')}.") from error
    return Raw(name=path.stem, source=str(path), target="y", main=make_rows(x, None, str(path)))


def read_arrays(arrays: Sequence[Any]) -> Raw:
    """The rows of `(x,)`, `(x, y)` or `(x, y, x_test, y_test)`."""
    if len(arrays) not in (1, 2, 4):
        raise DataError(
            f"arrays come as (x, y) or (x, y, x_test, y_test); these are {len(arrays)}."
        )
    values = [array if isinstance(array, pd.DataFrame) else np.asarray(array) for array in arrays]
    main = make_rows(values[0], values[1] if len(values) > 1 else None, "(x, y)")
    test = make_rows(values[2], values[3], "(x_test, y_test)") if len(values) == 4 else None
    return Raw(name="arrays", source="arrays", target="y", main=main, test=test)


def make_rows(x: NDArray[Any] | pd.DataFrame, y: NDArray[Any] | None, place: str) -> RawRows:
    """Rows of `x` (n, ...) with a label each from `y`: (n,), (n, 1), one-hot or several (n, k)."""
    if isinstance(x, pd.DataFrame):
        x = checked_frame(x, place)
    elif x.dtype.kind not in "biufUO" or x.ndim == 0:
        raise DataError(f"x in {place} is {x.dtype} of shape {x.shape}, not an array of numbers.")
    if x.ndim == 1:
        x = np.asarray(x)[:, None]
    index = range(len(x))
    if y is None:
        return RawRows(x=x, index=index)
    labels = _labels(y, place)
    if len(labels) != len(x):
        raise DataError(f"x has {len(x)} rows and y has {len(labels)} in {place}.")
    found = pd.Series(labels, name="y") if labels.ndim == 1 else _columns(labels)
    return RawRows(x=x, y=found, index=index)


def _columns(y: NDArray[Any]) -> pd.DataFrame:
    """Several targets: labels of which any may hold, or values."""
    return pd.DataFrame(y, columns=pd.Index([f"y{i}" for i in range(y.shape[1])], dtype=object))


def _labels(y: NDArray[Any], place: str) -> NDArray[Any]:
    if y.dtype.kind == "S":
        y = np.char.decode(y, "utf-8")
    if y.ndim == 1:
        return y
    if y.ndim == 2 and y.shape[1] == 1:
        return y[:, 0]
    if y.ndim == 2 and y.dtype.kind in "biuf":
        one_hot = np.isin(y, (0, 1)).all() and (y.sum(1) == 1).all()
        return np.asarray(np.argmax(y, axis=1)) if one_hot else y
    raise DataError(
        f"y in {place} has shape {y.shape}; it is (n,) or (n, 1), one-hot, or (n, k) with a "
        "number for each of k targets."
    )


def _names(names: Sequence[str], part: str) -> tuple[str | None, str | None]:
    """The names of `x` and `y` of `part`."""
    lower = {name.lower(): name for name in names}
    return _first(lower, _X, part), _first(lower, _Y, part)


def _first(lower: Mapping[str, str], bases: Sequence[str], part: str) -> str | None:
    for prefix, base in product(_PARTS[part], bases):
        for name in (f"{prefix}_{base}", f"{base}_{prefix}") if prefix else (base,):
            if name in lower:
                return lower[name]
    return None


def _rows(
    arrays: Mapping[str, NDArray[Any]], x: str | None, y: str | None, path: str
) -> RawRows | None:
    if x is None:
        return None
    return make_rows(arrays[x], None if y is None else arrays[y], f"{path} ({x})")


def _label_name(name: str | None) -> str:
    """`labels` of `train_labels`; `y` where the file has none."""
    words = [word for word in (name or "y").split("_") if word.lower() in _Y]
    return words[0] if words else "y"

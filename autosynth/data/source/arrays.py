"""Reads `.npz` and `.npy` files, and takes arrays as they are: of numpy, or of any library.

In an `.npz`, or a dict, `x` and `y` (also images/labels, data/target, inputs/targets), alone or
with a part: `x_test`, `train_images`, `val_labels`, ... are found whatever their case. Others
with as many rows are inputs too: then a row is made of several arrays, and a table is handed on
whose cells hold a row's part of each.
"""

import lzma
import struct
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path
from tokenize import TokenError
from typing import Any

import numpy as np
import pandas as pd
from numpy.lib.npyio import NpzFile
from numpy.typing import NDArray

from autosynth.data.source.limits import UNPACKED
from autosynth.data.source.mappedarray import ArrayHeader, array_header, mapped_npy, mapped_npz
from autosynth.data.source.memory import BY_SIZE, Batching
from autosynth.data.source.object import normalised, unequal_steps
from autosynth.data.source.raw import Raw, RawRows, index_of
from autosynth.data.source.table import checked_frame, with_index
from autosynth.errors import AutosynthError, DataError

_X = ("x", "images", "image", "data", "inputs", "features", "series")
_Y = ("y", "labels", "label", "target", "targets")
_PARTS: Mapping[str, Sequence[str]] = {
    "main": ("", "train", "training"),
    "validation": ("val", "valid", "validation"),
    "test": ("test", "testing"),
}
PART_OF = {word: part for part, words in _PARTS.items() for word in words if word}
PART = "input"
"""What the arrays of a tuple are called, before their number."""
_SAVE = "Save it as numpy.savez(path, x=..., y=...)."


# What numpy and zipfile raise of damaged files, as found by damaging some at random.
_UNREADABLE = (
    *(OSError, ValueError, EOFError, TypeError, KeyError, OverflowError, MemoryError),
    *(RuntimeError, SyntaxError, TokenError, struct.error),  # a zip's features, a header's text
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError),
)


@dataclass(frozen=True, kw_only=True)
class Roles:
    """What the arrays of one part are: `inputs` by what they are called, and `y`."""

    inputs: Mapping[str, str] = field(default_factory=dict)
    y: str | None = None

    @property
    def names(self) -> list[str]:
        """All of its arrays, as they are named in the file."""
        return [*self.inputs.values(), *([self.y] if self.y else [])]


def read_npz(path: Path, batching: Batching = BY_SIZE, wanted: Sequence[str] | None = None) -> Raw:
    """The arrays of an `.npz`, by their names; `wanted` are columns that a model predicts from.

    Raises `DataError` where it holds no `x`, or declares more than is unpacked.
    """
    try:
        with path.open("rb") as file, NpzFile(file, allow_pickle=False) as archive:
            headers = _headers(archive)
            shapes = {name: header.shape if header else () for name, header in headers.items()}
            roles = find_roles(shapes, wanted)
            needed = [name for role in roles.values() for name in role.names]
            arrays: dict[str, Any] = mapped_npz(path, needed, batching)
            left = [name for name in needed if name not in arrays]
            size = sum(header.n_bytes for name in left if (header := headers[name]))
            packed, cure = path.stat().st_size, "Save it with numpy.savez, which does not pack."
            UNPACKED.check(size, str(path), packed, in_memory=True, cure=cure)
            arrays |= {name: archive[name] for name in left}
    except _UNREADABLE as error:
        if isinstance(error, AutosynthError):
            raise
        raise DataError(
            f"{path} cannot be read as .npz: {error}. Save plain arrays with numpy.savez."
        ) from error
    return _of_roles(arrays, roles, path.stem, str(path), list(shapes))


def _headers(archive: NpzFile) -> dict[str, ArrayHeader | None]:
    """The header of each array; None where an array has none that is known."""
    found: dict[str, ArrayHeader | None] = {}
    assert archive.zip is not None
    stored = set(archive.zip.namelist())
    for name in archive.files:
        member = f"{name}.npy" if f"{name}.npy" in stored else name
        with archive.zip.open(member) as file:
            found[name] = array_header(file)
    return found


def read_npy(path: Path, batching: Batching = BY_SIZE) -> Raw:
    """The rows of an `.npy`, without a target."""
    try:
        x = mapped_npy(path, batching)
        if x is None:
            with path.open("rb") as file:
                header = array_header(file)
                here = path.stat().st_size - file.tell()
                if header and not header.dtype.hasobject and header.n_bytes > here:
                    raise ValueError(f"{header.n_bytes} bytes are declared, and {here} follow")
                file.seek(0)
                x = np.lib.format.read_array(file, allow_pickle=False)
    except _UNREADABLE as error:
        raise DataError(f"{path} cannot be read as .npy: {str(error).rstrip('.')}.") from error
    main = make_rows(normalised(x), None, str(path))
    return Raw(name=path.stem, source=str(path), target="y", main=main)


def read_named(arrays: Mapping[str, Any], wanted: Sequence[str] | None = None) -> Raw:
    """The arrays of a dict, by their names, as of an `.npz`; raises as `read_npz`."""
    found = {str(name): value for name, value in arrays.items()}
    shapes = {name: np.shape(normalised(value)) for name, value in found.items()}
    return _of_roles(found, find_roles(shapes, wanted), "arrays", "the dict", list(found))


def read_arrays(arrays: Sequence[Any]) -> Raw:
    """The rows of `(x,)`, `(x, y)` or `(x, y, x_test, y_test)`; `x` may be several, in a dict."""
    if len(arrays) not in (1, 2, 4):
        raise DataError(
            f"arrays come as (x, y) or (x, y, x_test, y_test); these are {len(arrays)}."
        )
    arrays = [_named_apart(arrays, number) for number in range(len(arrays))]
    values = [normalised(array) for array in arrays]
    for number, each in enumerate(values):
        if not isinstance(each, pd.DataFrame | pd.Series | np.ndarray):
            what = ("x", "y", "x_test", "y_test")[number]
            raise DataError(f"{what} is {type(arrays[number]).__name__}, not an array or a frame.")
    target = _name_of(values[1], values[0]) if len(values) > 1 else "y"
    told: tuple[str, ...] = ()
    parts: dict[str, RawRows] = {}
    for part, at in zip(("main", "test"), range(0, len(values), 2), strict=False):
        x, y = values[at], values[at + 1] if len(values) > 1 else None
        place = "(x, y)" if part == "main" else "(x_test, y_test)"
        y, assumed = aligned(x, y)
        parts[part], levels = with_levels_of(make_rows(x, y, place, target))
        told += (*assumed, *levels)
    return Raw(
        name="arrays",
        source="arrays",
        target=target,
        main=parts["main"],
        test=parts.get("test"),
        assumed=told,
        channels=unequal_steps(arrays[0]),
        cells=cells_in(values[0]),
    )


def _named_apart(arrays: Sequence[Any], number: int) -> Any:
    """Several arrays a row, in a tuple, as a dict of them; what is no such tuple as it is.

    A tuple of rows has as many of them as there are targets.
    """
    x = arrays[number]
    if number % 2 or not isinstance(x, tuple) or not any(hasattr(each, "shape") for each in x):
        return x
    if number + 1 < len(arrays) and len(x) == len(arrays[number + 1]):
        return x
    return {f"{PART}{place}": each for place, each in enumerate(x)}


def aligned(x: Any, y: Any) -> tuple[Any, tuple[str, ...]]:
    """`y` in the order of the rows of `x`, where the indexes of both say so; and what was assumed.

    Raises:
        DataError: both have the same names of rows in another order, and one of them only counts:
            then its order may be the order of the rows as well as that of the names.
    """
    frames = pd.DataFrame | pd.Series
    if not isinstance(x, frames) or not isinstance(y, frames) or len(x) != len(y):
        return y, ()
    if x.index.equals(y.index) or not (x.index.is_unique and y.index.is_unique):
        return y, ()
    counted = [isinstance(index_of(each), range) for each in (x, y)]
    same = len(x.index.difference(y.index)) == 0
    if same and any(counted):
        one, other = ("x", "y") if counted[0] else ("y", "x")
        raise DataError(
            f"the rows of x and y have the same names in another order, and those of {one} only "
            f"count from 0: whether {one} stands in the order of {other} cannot be known. If it "
            "does, give y.to_numpy(); if its names are those of the rows, give y.loc[x.index]."
        )
    if same:
        told = "y is brought into the order of x by their indexes (surely; y.to_numpy() keeps it)"
        return y.loc[x.index], (told,)
    return y, ()


def with_levels_of(rows: RawRows) -> tuple[RawRows, tuple[str, ...]]:
    """Rows of a frame whose index has several levels with these as columns."""
    if not isinstance(rows.x, pd.DataFrame):
        return rows, ()
    frame, told = with_index(rows.x, rows.index)
    return replace(rows, x=frame), told


def cells_in(frame: Any) -> frozenset[str]:
    """The columns of a frame whose cells hold arrays."""
    if not isinstance(frame, pd.DataFrame):
        return frozenset()
    objects = [name for name in frame.columns if frame[name].dtype == object and len(frame)]
    return frozenset(str(n) for n in objects if isinstance(frame[n].iloc[0], np.ndarray))


def make_rows(x: Any, y: Any, place: str, target: str = "y") -> RawRows:
    """Rows of `x` (n, ...) with a label each from `y`: (n,), (n, 1), one-hot or several (n, k)."""
    if isinstance(x, pd.Series):
        x = x.to_frame(x.name if isinstance(x.name, str) and x.name else "x")
    index = index_of(x) if isinstance(x, pd.DataFrame) else None
    if isinstance(x, pd.DataFrame):
        x = checked_frame(x, place)
    elif x.dtype.kind not in "biufUO" or x.ndim == 0:
        cure = "Give several rows: x.reshape(1, -1) is one."
        if x.ndim:
            cure = (
                "Give numbers: of complex ones their parts, of times the days since one of them."
            )
        raise DataError(
            f"x in {place} is {x.dtype} of shape {x.shape}, not an array of numbers. {cure}"
        )
    if x.ndim == 1:
        x = np.asarray(x)[:, None]
    index = range(len(x)) if index is None else index
    if y is None:
        return RawRows(x=x, index=index)
    if isinstance(y, pd.Series) and not isinstance(y.dtype, pd.CategoricalDtype):
        found: Any = y.reset_index(drop=True).rename(target)
    elif isinstance(y, pd.DataFrame) and not all(dtype.kind in "biuf" for dtype in y.dtypes):
        found = checked_frame(y, place)
    else:
        labels = _labels(np.asarray(y), place)
        found = pd.Series(labels, name=target) if labels.ndim == 1 else _columns(labels)
    if len(found) != len(x):
        raise DataError(f"x has {len(x)} rows and y has {len(found)} in {place}.")
    return RawRows(x=x, y=found, index=index)


def _name_of(y: Any, x: Any) -> str:
    """What the target is called: as its Series is, or the one column of its frame; else `y`."""
    if isinstance(y, pd.DataFrame) and y.shape[1] == 1:
        y = y.iloc[:, 0]
    name = y.name if isinstance(y, pd.Series) else None
    taken = map(str, x.columns) if isinstance(x, pd.DataFrame) else ()
    return name if isinstance(name, str) and name and name not in taken else "y"


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


def find_roles(
    shapes: Mapping[str, tuple[int, ...]], wanted: Sequence[str] | None = None
) -> dict[str, Roles]:
    """What each array is, by its name and shape; a part without rows has no inputs.

    Beside an array that is called like an input, those of as many rows and of two axes or more
    are inputs too. Where none is called so, all of as many rows as the target are. To predict,
    those `wanted` are, or the only array there is.
    """
    lower = {name.lower(): name for name in shapes}
    found = {part: (_first(lower, _X, part), _first(lower, _Y, part)) for part in _PARTS}
    taken = {name for pair in found.values() for name in pair}
    known = {column.partition("[")[0] for column in wanted or ()}
    roles = {}
    for part, (x, y) in found.items():
        beside = {
            base: name
            for name in shapes
            if name not in taken
            for own, base in [_part_of(name)]
            if own == part
        }
        inputs = {} if x is None else {_base(x): x}
        rows = shapes[x or y][:1] if x or y else None  # type: ignore[index]
        for base, name in beside.items():
            alike = shapes[name][:1] == rows and (x is None or len(shapes[name]) > 1)
            if alike if rows else base in known or (wanted is not None and len(shapes) == 1):
                inputs[base] = name
        roles[part] = Roles(inputs=inputs, y=y)
    return roles


def _part_of(name: str) -> tuple[str, str]:
    """The part that an array's name tells, and what it is called there."""
    first, _, rest = name.partition("_")
    if rest and first.lower() in PART_OF:
        return PART_OF[first.lower()], rest
    rest, _, last = name.rpartition("_")
    return (PART_OF[last.lower()], rest) if rest and last.lower() in PART_OF else ("main", name)


def _base(name: str) -> str:
    """What an input is called: by its name without its part, as it would stand alone."""
    return _part_of(name)[1].lower()


def _first(lower: Mapping[str, str], bases: Sequence[str], part: str) -> str | None:
    for prefix, base in product(_PARTS[part], bases):
        for name in (f"{prefix}_{base}", f"{base}_{prefix}") if prefix else (base,):
            if name in lower:
                return lower[name]
    return None


def _of_roles(
    arrays: Mapping[str, Any],
    roles: Mapping[str, Roles],
    name: str,
    place: str,
    names: Sequence[str],
) -> Raw:
    """The parts that arrays make by their roles."""
    rows = {part: _rows(arrays, role, place) for part, role in roles.items()}
    main = rows["main"] or rows["test"]
    if main is None:
        raise DataError(
            f"no array named x (or train_images, ...) in {place}; it holds {', '.join(names)}. "
            f"{_SAVE}"
        )
    inputs = roles["main" if rows["main"] else "test"].inputs
    called, first = next(iter(inputs.items()))
    return Raw(
        name=name,
        source=place,
        target=_label_name(roles["main"].y),
        main=rows["main"],
        validation=rows["validation"],
        test=rows["test"],
        array=called,
        cells=cells_in(main.x),
        channels=unequal_steps(arrays[first]) if len(inputs) == 1 else None,
    )


def _rows(arrays: Mapping[str, Any], role: Roles, place: str) -> RawRows | None:
    """The rows of one part: of its only array, or a table whose cells are of several."""
    if not role.inputs:
        return None
    x = normalised({base: arrays[name] for base, name in role.inputs.items()})
    if len(role.inputs) == 1:
        (name,) = role.inputs.values()
        x = normalised(arrays[name])
    named = f"{place} ({', '.join(role.inputs.values())})"
    y = None if role.y is None else normalised(arrays[role.y])
    return make_rows(x, aligned(x, y)[0], named)


def _label_name(name: str | None) -> str:
    """`labels` of `train_labels`; `y` where the file has none."""
    words = [word for word in (name or "y").split("_") if word.lower() in _Y]
    return words[0] if words else "y"

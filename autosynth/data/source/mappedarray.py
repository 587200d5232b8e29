"""Arrays that are larger than a part of memory, as memory maps: those of files, and our own.

Takes `.npy` files and `.npz` files that are not compressed (as `numpy.savez` writes them), in
which an array stands as it does in memory; or the parts of an array that is made batch by batch.
The files of our own stand in a temporary folder (`TMPDIR` says where) and go with the arrays.
"""

import math
import mmap
import os
import shutil
import struct
import weakref
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, count, islice
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from autosynth.data.source.memory import BY_SIZE, Batching
from autosynth.errors import DataError
from autosynth.scratch import new_scratch

_HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}
_LOCAL = 30  # bytes of a zip's local header, before a name and what else it says
_PIECE = 2**24
_FREE = 1.1


class MappedArray(np.memmap):
    """A whole `.npy` file as a map, which travels to other processes as the file's name."""

    def __reduce_ex__(self, protocol: Any) -> Any:
        """The file's name where this is all of it; a part of it is copied."""
        whole = _opened(Path(str(self.filename)))
        if whole.shape == self.shape and whole.dtype == self.dtype:
            return _opened, (Path(str(self.filename)),)
        return np.array(self).__reduce_ex__(protocol)


def mapped_npy(path: Path, batching: Batching) -> NDArray[Any] | None:
    """The array in an `.npy`, where it is too large for memory; None otherwise."""
    if batching.holds(path.stat().st_size):
        return None
    with path.open("rb") as file:
        return _mapped(path, file)


def mapped_npz(path: Path, names: Sequence[str], batching: Batching) -> dict[str, NDArray[Any]]:
    """Those of the arrays that are too large for memory, and not compressed."""
    found = {}
    with path.open("rb") as file, zipfile.ZipFile(file) as archive:
        for name in names:
            info = archive.getinfo(f"{name}.npy")
            if info.compress_type != zipfile.ZIP_STORED or batching.holds(info.file_size):
                continue
            file.seek(info.header_offset)
            lengths = struct.unpack("<HH", file.read(_LOCAL)[-4:])
            file.seek(info.header_offset + _LOCAL + sum(lengths))
            array = _mapped(path, file)
            if array is not None:
                found[name] = array
    return found


@dataclass(frozen=True, kw_only=True)
class ArrayHeader:
    """What the header of an `.npy` file declares, before any value is read."""

    shape: tuple[int, ...]
    is_fortran: bool
    dtype: np.dtype[Any]

    @property
    def n_bytes(self) -> int:
        """What the values take in memory."""
        return math.prod(self.shape) * self.dtype.itemsize


def array_header(file: Any) -> ArrayHeader | None:
    """The header at the file's place; None of a version that is not known. Raises ValueError."""
    read = _HEADERS.get(np.lib.format.read_magic(file))
    if read is None:
        return None
    shape, is_fortran, dtype = read(file)
    return ArrayHeader(shape=shape, is_fortran=is_fortran, dtype=dtype)


def bytes_on_disk(x: Any) -> int:
    """The size of an array that is a memory map, or a view of one; 0 of any other.

    That of a frame is of the arrays in its cells: all rows of a column are of one array.
    """
    if isinstance(x, pd.DataFrame):
        kinds = x.dtypes if len(x) else ()
        cells = [x.iat[0, place] for place, kind in enumerate(kinds) if kind.kind == "O"]
        return len(x) * sum(bytes_on_disk(cell) for cell in cells if isinstance(cell, np.ndarray))
    base = x
    while isinstance(base, np.ndarray):
        if isinstance(base, np.memmap):
            return int(x.nbytes)
        base = base.base
    return 0


def pieces_of(x: NDArray[Any], batching: Batching = BY_SIZE) -> Iterator[NDArray[Any]]:
    """The rows of an array in their order, some megabytes at a time."""
    step = piece_rows(x, batching)
    return (np.asarray(x[at : at + step]) for at in range(0, len(x), step))


def piece_rows(x: Any, batching: Batching) -> int:
    """How many rows of an array, or of a frame of arrays, are in memory at once.

    Some megabytes, or as many as is said.
    """
    a_row = bytes_on_disk(x[:1]) if isinstance(x, pd.DataFrame) else x[:1].nbytes
    return batching.rows or max(1, min(_PIECE, batching.limit) // max(1, a_row))


def concatenate_rows(arrays: Sequence[NDArray[Any]], batching: Batching) -> NDArray[Any]:
    """The rows of several arrays; those of maps are not brought into memory all at once."""
    if len(arrays) == 1:
        return arrays[0]
    if not any(map(bytes_on_disk, arrays)):
        return np.concatenate(arrays)
    parts = chain.from_iterable(pieces_of(array, batching) for array in arrays)
    return gather_rows(({"x": part} for part in parts), sum(map(len, arrays)), batching)["x"]


def take_rows(values: NDArray[Any], rows: NDArray[np.int64], batching: Batching) -> NDArray[Any]:
    """Some of the rows; those of a map are not brought into memory all at once."""
    if not bytes_on_disk(values):
        return values[rows]
    step = piece_rows(values, batching)
    parts = (rows[at : at + step] for at in range(0, max(1, len(rows)), step))
    return gather_rows(({"x": np.asarray(values[part])} for part in parts), len(rows), batching)[
        "x"
    ]


def gather_rows(
    parts: Iterable[Mapping[str, NDArray[Any]]], n_rows: int, batching: Batching
) -> Mapping[str, NDArray[Any]]:
    """Arrays whose rows come in parts, each as one: in memory, or on disk where they are larger.

    Args:
        parts: the next rows of every array; where there is one part, its arrays are given as they
            are.
        n_rows: of all parts, at most.
        batching: says how much may be in memory.

    Raises:
        DataError: there is no room on the disk.
    """
    parts = iter(parts)
    first, *others = islice(parts, 2)
    if not others:
        return first
    store = _Store(n_rows, batching)
    try:
        for part in chain([first], others, parts):
            store.add(part)
        return store.arrays()
    except BaseException:
        store.remove()
        raise


class _Store:
    """Arrays of so many rows that are filled one after another, in memory or in files."""

    def __init__(self, n_rows: int, batching: Batching) -> None:
        self.n_rows, self.limit, self.written = n_rows, batching.limit, 0
        self.folder: Path | None = None
        self.files: dict[str, Any] = {}
        self.numbers = count()

    def add(self, part: Mapping[str, NDArray[Any]]) -> None:
        """The next rows."""
        if not self.files:
            self._begin(part)
        for name, values in part.items():
            file = self.files[name]
            # Rows of another part may need a wider type: of images, numbers that are no bytes.
            wider = np.result_type(file.dtype, values.dtype)
            if wider != file.dtype:
                self.files[name] = self._empty(values, wider)
                self.files[name][: self.written] = file[: self.written]
                if self.folder is not None:
                    Path(str(file.filename)).unlink()
            end = self.written + len(values)
            self.files[name][self.written : end] = values
        self.written = end

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What was written."""
        if self.folder is None:
            return {name: values[: self.written] for name, values in self.files.items()}
        paths = {name: Path(str(file.filename)) for name, file in self.files.items()}
        for file in self.files.values():
            file.flush()
        self.files = {}
        return {name: _owned(path, self.written) for name, path in paths.items()}

    def remove(self) -> None:
        """All that is on disk."""
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _begin(self, part: Mapping[str, NDArray[Any]]) -> None:
        needed = self.n_rows * sum(v.itemsize * math.prod(v.shape[1:]) for v in part.values())
        if needed > self.limit:
            self.folder = new_scratch("rows")
            free = shutil.disk_usage(self.folder).free
            if needed * _FREE > free:
                raise DataError(
                    f"the encoded rows take {needed / 1e9:.1f} GB on disk, and "
                    f"{self.folder.parent} has {free / 1e9:.1f} GB left. Name a folder with more "
                    "room as TMPDIR."
                )
        self.files = {name: self._empty(v, v.dtype) for name, v in part.items()}

    def _empty(self, like: NDArray[Any], dtype: Any) -> Any:
        shape = (self.n_rows, *like.shape[1:])
        if self.folder is None:
            return np.empty(shape, dtype)
        path = self.folder / f"input{next(self.numbers)}.npy"
        return np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=shape)


def _mapped(path: Path, file: BinaryIO) -> NDArray[Any] | None:
    """The array whose header stands at the file's place; None of objects."""
    header = array_header(file)
    if header is None or header.dtype.hasobject:
        return None
    return np.memmap(
        path,
        dtype=header.dtype,
        mode="r",
        offset=file.tell(),
        shape=header.shape,
        order="F" if header.is_fortran else "C",
    )


def _opened(path: Path) -> MappedArray:
    array: Any = np.load(path, mmap_mode="r")
    if hasattr(mmap, "MADV_RANDOM"):
        # A batch is of rows from anywhere: the pages around each, 128 kB at a time, would be read
        # in vain, and take the place of others.
        array._mmap.madvise(mmap.MADV_RANDOM)
    return array.view(MappedArray)  # type: ignore[no-any-return]


def _owned(path: Path, n_rows: int) -> NDArray[Any]:
    """The file's first rows as a map; the file is removed with it, by the process that made it."""
    values = _opened(path)[:n_rows]
    weakref.finalize(values, _remove, path, os.getpid())
    return values


def _remove(path: Path, owner: int) -> None:
    if os.getpid() != owner:
        return
    path.unlink(missing_ok=True)
    if not any(path.parent.iterdir()):
        path.parent.rmdir()

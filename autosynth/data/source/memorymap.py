"""Arrays of a file that is too large for memory, as memory maps.

Takes `.npy` files, and `.npz` files that are not compressed (as `numpy.savez` writes them): an
array stands in them as it does in memory.
"""

import struct
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from autosynth.data.source.memory import most_in_memory

_HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}
_LOCAL = 30  # bytes of a zip's local header, before a name and what else it says
_PIECE = 2**24


def mapped_npy(path: Path) -> NDArray[Any] | None:
    """The array in an `.npy`, where it is too large for memory; None otherwise."""
    if path.stat().st_size <= most_in_memory():
        return None
    with path.open("rb") as file:
        return _mapped(path, file)


def mapped_npz(path: Path, names: Sequence[str]) -> dict[str, NDArray[Any]]:
    """Those of the arrays that are too large for memory, and not compressed."""
    found = {}
    with path.open("rb") as file, zipfile.ZipFile(file) as archive:
        for name in names:
            info = archive.getinfo(f"{name}.npy")
            if info.compress_type != zipfile.ZIP_STORED or info.file_size <= most_in_memory():
                continue
            file.seek(info.header_offset)
            lengths = struct.unpack("<HH", file.read(_LOCAL)[-4:])
            file.seek(info.header_offset + _LOCAL + sum(lengths))
            array = _mapped(path, file)
            if array is not None:
                found[name] = array
    return found


def is_map(x: Any) -> bool:
    """Whether an array is a memory map, or a view of one, too large for memory."""
    if not isinstance(x, np.ndarray) or x.nbytes <= most_in_memory():
        return False
    while isinstance(x, np.ndarray):
        if isinstance(x, np.memmap):
            return True
        x = x.base
    return False


def pieces_of(x: NDArray[Any]) -> Iterator[NDArray[Any]]:
    """The rows of an array in their order, some megabytes at a time."""
    step = max(1, _PIECE // max(1, x[:1].nbytes))
    return (np.asarray(x[at : at + step]) for at in range(0, len(x), step))


def _mapped(path: Path, file: BinaryIO) -> NDArray[Any] | None:
    """The array whose header stands at the file's place; None of objects."""
    read = _HEADERS.get(np.lib.format.read_magic(file))
    if read is None:
        return None
    shape, is_fortran, dtype = read(file)
    if dtype.hasobject:
        return None
    return np.memmap(
        path, dtype=dtype, mode="r", offset=file.tell(), shape=shape,
        order="F" if is_fortran else "C",
    )  # fmt: skip

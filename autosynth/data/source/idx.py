"""Reads IDX files, as MNIST and its relatives ship: a folder, or one file in it; `.gz` or not.

A folder holds `train-images...`, `train-labels...` and mostly `t10k-images...`, `t10k-labels...`
(or `test-...`). The format: two zero bytes, a type, the number of axes, the sizes, then values,
all big-endian (http://yann.lecun.com/exdb/mnist/).
"""

import gzip
import math
import zlib
from io import BufferedIOBase
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from autosynth.data.source.limits import UNPACKED
from autosynth.data.source.raw import Raw, RawRows
from autosynth.errors import DataError

_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_PACKED = b"\x1f\x8b"
_HEAD, _SIZE = 4, 4  # bytes: before the sizes of axes, and of each
_MOST_AXES = 4  # of images with channels
_PARTS = {"train": ("train",), "test": ("t10k", "test")}


def is_idx(path: Path) -> bool:
    """Whether `path` is an IDX file, by its name, or a folder that holds one of images."""
    if path.is_dir():
        return any(is_idx(file) and "images" in file.name for file in path.iterdir())
    name = path.name.removesuffix(".gz")
    return path.is_file() and name.endswith(("-ubyte", ".idx"))


def read_idx_folder(folder: Path) -> Raw:
    """The images and labels of `folder`, with its official test part where there is one."""
    train = _read_part(folder, "train")
    test = _read_part(folder, "test")
    return Raw(
        name=folder.resolve().name,
        source=str(folder),
        target="label",
        main=train,
        test=test,
        kind="image",
        labels=True,
    )


def read_idx_images(path: Path) -> Raw:
    """One IDX file of images, without labels."""
    x = read_idx(path)
    rows = RawRows(x=x, index=range(len(x)))
    return Raw(name=path.stem, source=str(path), target="label", main=rows, kind="image")


def read_idx(path: Path) -> NDArray[Any]:
    """The array in one IDX file. Raises `DataError` where it is damaged or no IDX file.

    Its header is read first: what a packed file announces beyond the limits is not unpacked.
    """
    try:
        with path.open("rb") as plain:
            packed = plain.read(len(_PACKED)) == _PACKED
        with gzip.open(path) if packed else path.open("rb") as file:
            shape, dtype, n_bytes = _announced(file, path)
            size = path.stat().st_size
            if packed:
                UNPACKED.check(n_bytes, str(path), size)
            data = file.read(n_bytes + 1 if packed else min(n_bytes + 1, size))
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(
            f"{path} cannot be read: {str(error).rstrip('.')}. Fetch the file again."
        ) from error
    if len(data) != n_bytes:
        more = " or more" if len(data) > n_bytes else ""
        raise DataError(
            f"{path} announces shape {shape}, {n_bytes} bytes, and holds {len(data)}{more}. "
            "Fetch the file again."
        )
    x = np.frombuffer(data, dtype=dtype).reshape(shape)
    return x.astype(dtype.newbyteorder("="), copy=False)


def _announced(file: BufferedIOBase, path: Path) -> tuple[tuple[int, ...], np.dtype[Any], int]:
    """The shape, the type and the bytes of the array whose header is read."""
    head = file.read(_HEAD)
    if len(head) < _HEAD or head[:2] != b"\0\0" or head[2] not in _TYPES:
        raise DataError(f"{path} is no IDX file: it begins with {head.hex(' ') or 'nothing'}.")
    axes, dtype = head[3], np.dtype(_TYPES[head[2]])
    sizes = file.read(_SIZE * axes)
    if not 0 < axes <= _MOST_AXES or len(sizes) < _SIZE * axes:
        raise DataError(
            f"{path} announces {axes} axes, and says the sizes of {len(sizes) // _SIZE}; 1 to "
            f"{_MOST_AXES} are read. Fetch the file again."
        )
    shape = tuple(int(size) for size in np.frombuffer(sizes, dtype=">u4"))
    return shape, dtype, math.prod(shape) * dtype.itemsize


def _read_part(folder: Path, part: str) -> RawRows | None:
    images = _find(folder, part, "images")
    if images is None:
        return None
    x = read_idx(images)
    labels = _find(folder, part, "labels")
    if labels is None:
        return RawRows(x=x, index=range(len(x)))
    y = read_idx(labels)
    if len(y) != len(x):
        raise DataError(
            f"{images} holds {len(x)} images and {labels.name} {len(y)} labels; "
            "they do not belong together."
        )
    return RawRows(x=x, y=pd.Series(y, name="label"), index=range(len(x)))


def _find(folder: Path, part: str, what: str) -> Path | None:
    files = [
        file
        for file in sorted(folder.iterdir())
        if is_idx(file) and what in file.name and any(word in file.name for word in _PARTS[part])
    ]
    if not files:
        return None
    plain = {file.name.removesuffix(".gz"): file for file in files}
    if len(plain) > 1:
        raise DataError(
            f"{folder} holds {len(plain)} files of {part} {what}: {', '.join(plain)}. "
            "Keep one set in a folder."
        )
    return files[0]

"""Reads IDX files, as MNIST and its relatives ship: a folder, or one file in it; `.gz` or not.

A folder holds `train-images...`, `train-labels...` and mostly `t10k-images...`, `t10k-labels...`
(or `test-...`). The format: two zero bytes, a type, the number of axes, the sizes, then values,
all big-endian (http://yann.lecun.com/exdb/mnist/).
"""

import gzip
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from autosynth.data.source.raw import Raw, RawRows
from autosynth.errors import DataError

_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
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
    """The array in one IDX file. Raises `DataError` where it is damaged or no IDX file."""
    try:
        data = path.read_bytes()
        if data[:2] == b"\x1f\x8b":
            data = gzip.decompress(data)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path} cannot be read: {error}. Fetch the file again.") from error
    if len(data) < 4 or data[:2] != b"\0\0" or data[2] not in _TYPES:
        raise DataError(f"{path} is no IDX file: it begins with {data[:4].hex(' ') or 'nothing'}.")
    axes = data[3]
    start = 4 + 4 * axes
    shape = tuple(int(size) for size in np.frombuffer(data[4:start], dtype=">u4"))
    dtype = np.dtype(_TYPES[data[2]])
    expected = start + int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
    if len(shape) != axes or len(data) != expected:
        raise DataError(
            f"{path} announces shape {shape}, {expected} bytes, and holds {len(data)}. "
            "Fetch the file again."
        )
    x = np.frombuffer(data, dtype=dtype, offset=start).reshape(shape)
    return x.astype(dtype.newbyteorder("="), copy=False)


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

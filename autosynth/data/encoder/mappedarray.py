"""Encoded rows on disk: arrays of a dataset that are larger than a part of memory.

Takes raw rows piece by piece; gives read-only memory maps of what the encoders make of them. The
files stand in a temporary folder (`TMPDIR` says where) and go with the arrays.
"""

import mmap
import os
import re
import shutil
import tempfile
import weakref
from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autosynth.data.encoder.encoder import Applied
from autosynth.data.source.memorymap import is_map, pieces_of
from autosynth.errors import DataError

_FREE = 1.1
_COUNT = re.compile(r"(?:^|': )(\d+)(?= )")  # at the start, or after the name of a column
_NUMBERS = re.compile(r": rows [\d, .]+$")


class MappedArray(np.memmap):
    """A whole `.npy` file as a map, which travels to other processes as the file's name."""

    def __reduce_ex__(self, protocol: Any) -> Any:
        """The file's name where this is all of it; a part of it is copied."""
        whole = _mapped(Path(str(self.filename)))
        if whole.shape == self.shape and whole.dtype == self.dtype:
            return _mapped, (Path(str(self.filename)),)
        return np.array(self).__reduce_ex__(protocol)


def map_arrays(
    pieces: Iterable[Any], apply: Callable[[Any], Applied], n_rows: int, name: str
) -> Applied:
    """The arrays that `apply` makes of all pieces, as maps.

    Args:
        pieces: raw rows, in their order.
        apply: makes arrays of one piece.
        n_rows: of all pieces, at most.
        name: a part of the folder's name.

    Raises:
        DataError: there is no room on the disk.
    """
    folder = Path(tempfile.mkdtemp(prefix=f"autosynth-{name}-"))
    files: dict[str, Any] = {}
    row_numbers: list[NDArray[np.int64]] = []
    warnings: list[str] = []
    start = written = 0
    try:
        for piece in pieces:
            applied = apply(piece)
            if not files:
                files = _files(folder, applied, n_rows)
            end = written + len(applied.keep)
            for key, values in applied.x.items():
                files[key][written:end] = values
            row_numbers.append(applied.keep + start)
            warnings += applied.warnings
            start, written = start + len(piece), end
        for file in files.values():
            file.flush()
        names, files = list(files), {}
        x = {key: _owned(_path(folder, names.index(key)), written) for key in names}
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return Applied(x=x, keep=np.concatenate(row_numbers), warnings=merge_warnings(warnings))


def concatenate_rows(first: NDArray[Any], second: NDArray[Any]) -> NDArray[Any]:
    """The rows of both; where one of them is a map, all of them on disk."""
    if not is_map(first) and not is_map(second) and not isinstance(first, MappedArray):
        return np.concatenate([first, second])
    return _copied(chain(pieces_of(first), pieces_of(second)), len(first) + len(second))


def take_rows(values: NDArray[Any], rows: NDArray[np.int64]) -> NDArray[Any]:
    """Some of the rows; those of a map on disk."""
    if not isinstance(values, MappedArray) and not is_map(values):
        return values[rows]
    step = max(1, len(next(pieces_of(values))))
    chosen = (rows[begin : begin + step] for begin in range(0, len(rows), step))
    return _copied((np.asarray(values[part]) for part in chosen), len(rows))


def _copied(pieces: Iterable[NDArray[Any]], n_rows: int) -> NDArray[Any]:
    def same(piece: NDArray[Any]) -> Applied:
        return Applied(x={"x": piece}, keep=np.arange(len(piece)))

    return map_arrays(pieces, same, n_rows, "rows").x["x"]


def merge_warnings(warnings: Sequence[str]) -> tuple[str, ...]:
    """Warnings of pieces as of the whole: those alike but for a count are one, with their sum."""
    counts: dict[str, int] = {}
    for text in warnings:
        text = _NUMBERS.sub("", text)  # places within a piece say nothing of the whole
        count = _COUNT.search(text)
        key = f"{text[: count.start(1)]}\0{text[count.end(1) :]}" if count else text
        counts[key] = counts.get(key, 0) + (int(count[1]) if count else 0)
    return tuple(key.replace("\0", str(count)) for key, count in counts.items())


def _files(folder: Path, applied: Applied, n_rows: int) -> dict[str, Any]:
    """Empty files for arrays like these, of so many rows."""
    needed = sum(values[:1].nbytes * n_rows for values in applied.x.values())
    free = shutil.disk_usage(folder).free
    if needed * _FREE > free:
        raise DataError(
            f"the encoded rows take {needed / 1e9:.1f} GB on disk, and {folder.parent} has "
            f"{free / 1e9:.1f} GB left. Name a folder with more room as TMPDIR."
        )
    return {
        name: np.lib.format.open_memmap(
            _path(folder, index), mode="w+", dtype=values.dtype,
            shape=(n_rows, *values.shape[1:]),
        )
        for index, (name, values) in enumerate(applied.x.items())
    }  # fmt: skip


def _path(folder: Path, index: int) -> Path:
    return folder / f"input{index}.npy"


def _mapped(path: Path) -> MappedArray:
    array: Any = np.load(path, mmap_mode="r")
    if hasattr(mmap, "MADV_RANDOM"):
        # A batch is of rows from anywhere: the pages around each, 128 kB at a time, would be read
        # in vain, and take the place of others.
        array._mmap.madvise(mmap.MADV_RANDOM)
    return array.view(MappedArray)  # type: ignore[no-any-return]


def _owned(path: Path, n_rows: int) -> NDArray[Any]:
    """The file's first rows as a map; the file is removed with it, by the process that made it."""
    values = _mapped(path)[:n_rows]
    weakref.finalize(values, _remove, path, os.getpid())
    return values


def _remove(path: Path, owner: int) -> None:
    if os.getpid() != owner:
        return
    path.unlink(missing_ok=True)
    if not any(path.parent.iterdir()):
        path.parent.rmdir()

"""What goes between a driver and its workers: messages over a pipe, and data by reference.

A message is one pickle, which says itself where it ends. The arrays of a dataset do not travel:
they are written once to a file, and each process maps that file into its memory, so that all of
them share one copy. What is a memory map already stays where it is.
"""

import io
import mmap
import pickle
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from autosynth.atomic import atomic_path

# Arrays begin at a multiple of this in the file, as processors like to read them.
_ALIGNED = 64


def send(message: object, pipe: IO[bytes]) -> None:
    """Write a message whole. Raises OSError where nobody reads any more."""
    pipe.write(pickle.dumps(message, protocol=5))
    pipe.flush()


def receive(pipe: IO[bytes]) -> Any:
    """Wait for a message. Raises EOFError where nobody writes any more.

    Only ever read from a process of ours: a pickle can run anything.
    """
    return pickle.load(pipe)


def share(value: object, path: Path) -> bytes:
    """Write the arrays of a value to `path`; gives what `attach` makes the value of.

    Raises:
        RunError: the file cannot be written.
    """
    buffers: list[pickle.PickleBuffer] = []
    head = io.BytesIO()
    _Pickler(head, protocol=5, buffer_callback=buffers.append).dump(value)
    places: list[tuple[int, int]] = []
    with atomic_path(path) as part, part.open("wb") as file:
        for buffer in buffers:
            raw = buffer.raw()
            file.seek(-file.tell() % _ALIGNED, io.SEEK_CUR)
            places.append((file.tell(), raw.nbytes))
            file.write(raw)
    return pickle.dumps((head.getvalue(), str(path.resolve()), places))


def attach(head: bytes) -> Any:
    """The value of what `share` gave, its arrays mapped from the file.

    What is written to them stays in this process.
    """
    content, path, places = pickle.loads(head)
    if not sum(size for _, size in places):
        return pickle.loads(content, buffers=[b""] * len(places))
    with open(path, "rb") as file:  # noqa: PTH123 - mmap asks for a file number
        mapped = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY))
    return pickle.loads(content, buffers=[mapped[at : at + size] for at, size in places])


class _Pickler(pickle.Pickler):
    """Pickles a whole memory map as the file that it is of."""

    def reducer_override(self, value: Any) -> Any:
        if not isinstance(value, np.memmap) or not isinstance(value.base, mmap.mmap):
            return NotImplemented
        order = "C" if value.flags.c_contiguous else "F"
        place = (str(value.filename), value.dtype, value.offset, value.shape, order)
        return (_mapped, place)


def _mapped(
    path: str, dtype: np.dtype[Any], offset: int, shape: tuple[int, ...], order: Any
) -> NDArray[Any]:
    return np.memmap(path, dtype=dtype, mode="c", offset=offset, shape=shape, order=order)

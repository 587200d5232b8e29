"""Opens a file of text, and finds its encoding, piece by piece: it may be larger than memory."""

import bz2
import codecs
import csv
import gzip
import io
import lzma
import re
import sys
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, TextIO

import numpy as np
import pyarrow as pa

from autosynth.data.source.limits import LINE, UNPACKED
from autosynth.errors import DataError

UTF8 = "utf-8-sig"
FILE_ERRORS = (
    OSError,
    EOFError,
    zlib.error,
    lzma.LZMAError,
    UnicodeDecodeError,
    pa.ArrowException,
)
"""What a file raises that is gone, cut off, damaged, or in another encoding."""

PACKINGS: Mapping[str, Callable[[Path], Any]] = {
    ".gz": gzip.open,
    ".bz2": bz2.open,
    ".xz": lzma.open,
    # Arrow has the codec, so that no package is needed.
    ".zst": lambda path: pa.input_stream(str(path), compression="zstd"),
}
"""What unpacks a single file, by the suffix that stands after its own."""

_PIECE = 2**23
_HIGH = re.compile(rb"[\x80-\x9f]")  # letters in Windows-1252, and nothing in latin-1


@dataclass(frozen=True, kw_only=True)
class TextContent:
    """What is known of a file of text when all of its bytes were seen once.

    `n_bytes` is its size unpacked; `quotes` says whether it holds quotes.
    """

    encoding: str
    n_bytes: int
    quotes: bool
    warnings: tuple[str, ...] = ()


def packing(path: Path) -> str:
    """The suffix that says how a file is packed; "" where it is not."""
    suffix = path.suffix.lower()
    return suffix if suffix in PACKINGS else ""


def plain_name(path: Path) -> str:
    """The name that a file has unpacked."""
    return path.name[: len(path.name) - len(packing(path))]


@contextmanager
def opened(path: Path, encoding: str) -> Iterator[TextIO]:
    """The file as text, unpacked where it is packed; cells in it may be as long as lines."""
    limit = csv.field_size_limit(min(sys.maxsize, LINE.allowed()))
    try:
        with unpacked(path) as file:
            yield io.TextIOWrapper(file, encoding=encoding, newline="")
    finally:
        csv.field_size_limit(limit)


@contextmanager
def unpacked(path: Path) -> Iterator[BinaryIO]:
    """The file's bytes, unpacked where it is packed.

    Raises `DataError`, while it is read, where they are more than may be.
    """
    if not packing(path):
        with path.open("rb") as file:
            yield file
        return
    with (
        PACKINGS[packing(path)](path) as stream,
        io.BufferedReader(_Bounded(stream, path)) as file,
    ):
        yield file


class _Bounded(io.RawIOBase):
    """The bytes of an unpacked stream, as long as they are not too many."""

    def __init__(self, stream: Any, path: Path) -> None:
        self.stream, self.path, self.n_bytes = stream, path, 0
        self.packed = path.stat().st_size

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: Any) -> int:
        """As of every raw stream."""
        found = self.stream.read(len(buffer))
        self.n_bytes += len(found)
        UNPACKED.check(self.n_bytes, str(self.path), self.packed)
        buffer[: len(found)] = found
        return len(found)


def find_encoding(path: Path) -> TextContent:
    """UTF-8 where the file is, or UTF-16 with its mark; else what Windows writes, or latin-1.

    Read piece by piece: a file may be larger than memory. Zero bytes are no text.
    """
    try:
        with unpacked(path) as file:
            start = file.read(2)
            if start in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
                return _check_utf16(path, start, file)
            return _one_of(path, start, file)
    except FILE_ERRORS as error:
        raise DataError(
            f"{path} cannot be read: {error}. Is the file whole? Get it again."
        ) from error


def _check_utf16(path: Path, start: bytes, file: BinaryIO) -> TextContent:
    decoder = codecs.getincrementaldecoder("utf-16")()
    n_bytes, quotes = 0, False
    piece = start + file.read(2)
    if piece[2:] == b"\0\0":
        raise DataError(f"{path} begins as UTF-32, which is not read. Save it as UTF-8 text.")
    while piece:
        try:
            quotes |= '"' in decoder.decode(piece)
            n_bytes += len(piece)
            piece = file.read(_PIECE)
            if not piece:
                decoder.decode(b"", final=True)
        except UnicodeDecodeError as error:
            raise DataError(
                f"{path} begins as UTF-16 and is not: {error.reason}. Save it as UTF-8 text."
            ) from error
    return TextContent(
        encoding="utf-16",
        n_bytes=n_bytes,
        quotes=quotes,
        warnings=(f"{path} was read as UTF-16",),
    )


def _one_of(path: Path, start: bytes, file: BinaryIO) -> TextContent:
    encoding, wrong, place, left, quotes = UTF8, 0, 0, b"", False
    begun = 0  # bytes of the line that goes on
    piece = start + file.read(_PIECE)
    while piece:
        if b"\0" in piece:
            raise DataError(
                f"{path} is no text: byte {place + piece.index(0)} is zero. Save it as UTF-8 text."
            )
        begun = _line_goes_on(piece, begun, path)
        quotes = quotes or b'"' in piece
        if encoding == UTF8 and (left or not piece.isascii()):
            whole, begin = left + piece, place - len(left)
            end = whole.rfind(b"\n") + 1
            try:
                if not _is_utf8(whole[:end]):
                    codecs.utf_8_decode(whole[:end], "strict", True)
                left = whole[end:][codecs.utf_8_decode(whole[end:])[1] :]
            except UnicodeDecodeError as error:
                encoding, wrong = "latin-1", begin + error.start
        if encoding != UTF8 and _HIGH.search(piece):
            encoding = "cp1252"
        place += len(piece)
        piece = file.read(_PIECE)
    if encoding == UTF8 and left:
        encoding, wrong = "latin-1", place - len(left)
    warnings: tuple[str, ...] = ()
    if encoding != UTF8:
        encoding, warnings = _told(path, encoding, wrong)
    return TextContent(encoding=encoding, n_bytes=place, quotes=quotes, warnings=warnings)


def _line_goes_on(piece: bytes, begun: int, path: Path) -> int:
    """The bytes of the line that a piece ends in; `begun` are those of the one it begins in.

    Raises `DataError` where one has more than may be: a text without a line is none.
    """
    end = b"\n" if b"\n" in piece else b"\r"  # as old Macs end lines
    first, last = piece.find(end), piece.rfind(end)
    longest = begun + (len(piece) if first < 0 else first)
    if len(piece) > LINE.allowed():
        longest = max(longest, *map(len, piece.split(end)))
    LINE.check(longest, str(path))
    return begun + len(piece) if first < 0 else len(piece) - last - 1


def _is_utf8(data: bytes) -> bool:
    """Arrow's check makes no text of it, and takes a fifth of the time."""
    offsets = pa.py_buffer(np.array([0, len(data)], np.int32))
    try:
        pa.Array.from_buffers(pa.binary(), 1, [None, offsets, pa.py_buffer(data)]).cast(
            pa.string()
        )
    except pa.ArrowInvalid:
        return False
    return True


def _told(path: Path, encoding: str, wrong: int) -> tuple[str, tuple[str, ...]]:
    """Windows' encoding lacks five bytes: a file that holds one of them is latin-1."""
    with unpacked(path) as file:
        line = 1
        while wrong > 0 and (piece := file.read(min(wrong, _PIECE))):
            line, wrong = line + piece.count(b"\n"), wrong - len(piece)
    if encoding == "cp1252":
        try:
            with opened(path, encoding) as text:
                while text.read(_PIECE):
                    pass
        except UnicodeDecodeError:
            encoding = "latin-1"
    name = "latin-1" if encoding == "latin-1" else "Windows-1252"
    return encoding, (f"{path}:{line} is not UTF-8; the file was read as {name}",)

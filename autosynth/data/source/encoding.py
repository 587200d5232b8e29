"""Opens a file of text, and finds its encoding, piece by piece: it may be larger than memory."""

import codecs
import csv
import gzip
import re
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, TextIO, cast

import numpy as np
import pyarrow as pa

from autosynth.errors import DataError

UTF8 = "utf-8-sig"
_PIECE = 2**23
_HIGH = re.compile(rb"[\x80-\x9f]")  # letters in Windows-1252, and nothing in latin-1


@contextmanager
def opened(path: Path, encoding: str) -> Iterator[TextIO]:
    """The file as text, unpacked where it is packed; cells in it may be of any length."""
    limit = csv.field_size_limit(sys.maxsize)
    try:
        if path.suffix == ".gz":
            with gzip.open(path, "rt", encoding=encoding, newline="") as file:
                yield cast("TextIO", file)
        else:
            with path.open(encoding=encoding, newline="") as file:
                yield file
    finally:
        csv.field_size_limit(limit)


@contextmanager
def unpacked(path: Path) -> Iterator[BinaryIO]:
    """The file's bytes, unpacked where it is packed."""
    if path.suffix == ".gz":
        with gzip.open(path, "rb") as file:
            yield cast("BinaryIO", file)
    else:
        with path.open("rb") as file:
            yield file


def find_encoding(path: Path) -> tuple[str, tuple[str, ...]]:
    """UTF-8 where the file is, or UTF-16 with its mark; else what Windows writes, or latin-1.

    Read piece by piece: a file may be larger than memory. Zero bytes are no text.
    """
    try:
        with unpacked(path) as file:
            start = file.read(2)
            if start in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
                _check_utf16(path, start, file)
                return "utf-16", (f"{path} was read as UTF-16",)
            return _one_of(path, start, file)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(
            f"{path} cannot be read: {error}. Is the file whole? Get it again."
        ) from error


def _check_utf16(path: Path, start: bytes, file: BinaryIO) -> None:
    decoder = codecs.getincrementaldecoder("utf-16")()
    piece = start + file.read(2)
    if piece[2:] == b"\0\0":
        raise DataError(f"{path} begins as UTF-32, which is not read. Save it as UTF-8 text.")
    while piece:
        try:
            decoder.decode(piece)
            piece = file.read(_PIECE)
            if not piece:
                decoder.decode(b"", final=True)
        except UnicodeDecodeError as error:
            raise DataError(
                f"{path} begins as UTF-16 and is not: {error.reason}. Save it as UTF-8 text."
            ) from error


def _one_of(path: Path, start: bytes, file: BinaryIO) -> tuple[str, tuple[str, ...]]:
    encoding, wrong, place, left = UTF8, 0, 0, b""
    piece = start + file.read(_PIECE)
    while piece:
        if b"\0" in piece:
            raise DataError(
                f"{path} is no text: byte {place + piece.index(0)} is zero. Save it as UTF-8 text."
            )
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
    return (UTF8, ()) if encoding == UTF8 else _told(path, encoding, wrong)


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

"""Parses a table of text whose dialect is known.

Arrow's parser reads it, in parallel; and pandas' where Arrow's has no word for what stands there:

- a separator of several signs, or several blanks as one;
- a quote that is not closed, or stands alone inside a cell;
- a blank before a quote, or before a word in a file that has quotes;
- whole numbers beyond 2^53, which are to stay exact, and hexadecimal ones in the first lines:
  they are words;
- rows of unequal length, or longer than Arrow's blocks: pandas says where, or fills them.
"""

import csv
import mmap
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pac

from autosynth.data.source.dialect import Dialect
from autosynth.data.source.encoding import FILE_ERRORS, UTF8, opened, packing, unpacked
from autosynth.data.source.records import ALIGNED
from autosynth.errors import DataError

NA_VALUES = (
    *("", "?", "NA", "N/A", "n/a", "nan", "NaN", "-nan", "-NaN", "null", "NULL", "None", "<NA>"),
    *("#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "1.#IND", "1.#QNAN"),
)
"""Cells that hold nothing, as pandas has them, and a lone `?`."""

EXACT = 2.0**53
_BLOCK = 2**22
_HEAD = 2**16
_HEXADECIMAL = re.compile(rb"0[xX]")


def parse_table(path: Path, dialect: Dialect) -> tuple[pd.DataFrame, bool]:
    """The frame, and whether every row is known to be as long as the header.

    Raises `DataError` for what neither parser reads, and `pandas.errors.ParserError` for rows that
    are too long.
    """
    if len(dialect.separator) == 1 and dialect.separator != " ":
        frame = _with_arrow(path, dialect)
        if frame is not None:
            return frame, True
    return _with_pandas(path, dialect), False


def _with_arrow(path: Path, dialect: Dialect) -> pd.DataFrame | None:
    """The frame by Arrow; None where pandas might read another one."""
    data = _content(path, dialect.encoding)
    quotes = _count(data, dialect.quote.encode()) if dialect.quote else 0
    if quotes % 2 and not dialect.escape or _HEXADECIMAL.search(data[:_HEAD]):
        return None
    blank = dialect.separator.encode() + b" "
    if dialect.escape and not quotes and data.find(blank) >= 0:
        return None
    while not quotes and data.find(blank) >= 0:
        data = data[:].replace(blank, blank[:1])
    try:
        table = _read(data, dialect, quotes > 0)
    except pa.ArrowInvalid:
        return None
    if not all(map(_is_plain, table.columns)):
        return None
    frame = table.to_pandas()
    for name, column in zip(table.column_names, table.columns, strict=True):
        if pa.types.is_null(column.type):
            frame[name] = float("nan")
    return frame


def _content(path: Path, encoding: str) -> bytes | mmap.mmap:
    """All of a file as UTF-8; where it is that as it stands, it is not copied."""
    if packing(path) or encoding != UTF8:
        with unpacked(path) as file:
            data = file.read()
        return data if encoding == UTF8 else data.decode(encoding).encode()
    with path.open("rb") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


def _count(data: bytes | mmap.mmap, byte: bytes) -> int:
    codes = np.frombuffer(data, np.uint8)
    pieces = range(0, len(codes), _BLOCK)
    return sum(int(np.count_nonzero(codes[at : at + _BLOCK] == ord(byte))) for at in pieces)


def _read(data: bytes | mmap.mmap, dialect: Dialect, quotes: bool) -> pa.Table:
    """The cells as numbers, booleans or text; what Arrow takes for times stays the text it was."""
    head = data[: data.rfind(b"\n", 0, _HEAD) + 1]
    words: list[str] = []
    if len(data) > _HEAD and head:
        try:
            words = _times(_once(head, dialect, quotes, words))
        except pa.ArrowInvalid:
            words = []  # a cell goes on past it; the whole shows what it is
    table = _once(data, dialect, quotes, words)
    if found := _times(table):
        table = _once(data, dialect, quotes, [*words, *found])
    return table


def _once(data: bytes | mmap.mmap, dialect: Dialect, quotes: bool, words: list[str]) -> pa.Table:
    return pac.read_csv(
        pa.BufferReader(pa.py_buffer(data)),
        read_options=read_options(dialect, _BLOCK),
        parse_options=parse_options(dialect, quotes),
        convert_options=convert_options(dict.fromkeys(words, pa.string())),
    )


def read_options(dialect: Dialect, block: int, encoding: str = "utf8") -> pac.ReadOptions:
    """Where Arrow finds the rows of a file of this dialect, and how its columns are called."""
    return pac.ReadOptions(
        block_size=block,
        skip_rows=dialect.skip,
        column_names=list(dialect.cells),
        skip_rows_after_names=int(dialect.header),
        encoding=encoding,
    )


def parse_options(dialect: Dialect, quotes: bool) -> pac.ParseOptions:
    """How Arrow cuts a file of this dialect into cells."""
    return pac.ParseOptions(
        delimiter=dialect.separator,
        quote_char=dialect.quote or False,
        double_quote=not dialect.escape,
        escape_char=dialect.escape or False,
        newlines_in_values=quotes,
    )


def convert_options(
    types: dict[str, pa.DataType], only: list[str] | None = None
) -> pac.ConvertOptions:
    """How Arrow reads cells: what is missing, what is true; and `only` some columns."""
    return pac.ConvertOptions(
        column_types=types,
        include_columns=only,
        null_values=list(NA_VALUES),
        true_values=["True", "TRUE", "true"],
        false_values=["False", "FALSE", "false"],
        strings_can_be_null=True,
    )


def _times(table: pa.Table) -> list[str]:
    return [field.name for field in table.schema if pa.types.is_temporal(field.type)]


def _is_plain(column: pa.ChunkedArray) -> bool:
    """Whether pandas would read the same: no blank before a word, no number that is rounded."""
    if pa.types.is_string(column.type):
        return not pc.any(pc.starts_with(column, pattern=" ")).as_py()
    if pa.types.is_floating(column.type):
        finite = pc.is_finite(column)
        most = pc.max(pc.abs(pc.if_else(finite, column, 0.0))).as_py()
        return most is None or most < EXACT
    return not pa.types.is_binary(column.type)


def _with_pandas(path: Path, dialect: Dialect) -> pd.DataFrame:
    with past_preface(path, dialect) as file:
        found: pd.DataFrame = pd.read_csv(file, **pandas_options(dialect))
    return found


@contextmanager
def past_preface(path: Path, dialect: Dialect) -> Iterator[TextIO]:
    """The file as text, from where its table begins; `DataError` where it cannot be read."""
    try:
        with opened(path, dialect.encoding) as file:
            for _ in range(dialect.skip):
                next(file)
            yield file
    except (*FILE_ERRORS, pd.errors.EmptyDataError) as error:
        raise DataError(f"{path} cannot be read: {error}.") from error


def pandas_options(dialect: Dialect) -> dict[str, Any]:
    """How pandas reads a file of this dialect."""
    regular = {" ": r"\s+", ALIGNED: r" {2,}|\t"}
    usual = len(dialect.separator) == 1
    return {
        "sep": regular.get(dialect.separator, dialect.separator),
        "engine": "c" if usual else "python",
        "header": 0 if dialect.header else None,
        "names": list(dialect.columns),
        "quoting": csv.QUOTE_MINIMAL if dialect.quote else csv.QUOTE_NONE,
        "quotechar": dialect.quote or '"',
        "escapechar": dialect.escape or None,
        "doublequote": not dialect.escape,
        "na_values": ["?"],
        "skipinitialspace": True,
        # Rows that end with separators may end with any number of them.
        **({"usecols": range(len(dialect.names))} if dialect.trailing else {}),
        **({"low_memory": False} if usual else {}),
    }

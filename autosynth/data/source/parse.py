"""Parses a table of text whose dialect is known.

Arrow's parser reads it, in parallel; and pandas' where Arrow's has no word for what stands there:

- a separator of several signs, or several blanks as one;
- a quote that is not closed, or stands alone inside a cell;
- a blank before a quote, or before a word in a file that has quotes;
- whole numbers beyond 2^53, which are to stay exact, and hexadecimal ones in the first lines:
  they are words;
- rows of unequal length, or longer than Arrow's blocks: pandas says where, or fills them.

Whole numbers of which one begins with a nought stay text (`007`), and so do words such as `NA` in
columns in which they are to be kept.
"""

import csv
import mmap
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pac

from autosynth.cell import NO_VALUE_WORDS, are_grouped, are_thousands
from autosynth.data.source.dialect import Dialect
from autosynth.data.source.encoding import FILE_ERRORS, UTF8, opened, packing, unpacked
from autosynth.data.source.records import ALIGNED
from autosynth.errors import DataError

NA_VALUES = ("", *NO_VALUE_WORDS)
"""Cells that hold nothing, as pandas has them, and a lone `?`."""

Words = Counter[tuple[str, str]]
"""How many cells of a column hold a word that means no value."""

NOUGHT = r"\s*[-+]?0\d"
"""How a whole number begins that is a name (`007`)."""

EXACT = 2.0**53
_BLOCK = 2**22
_HEAD = 2**16
_ROWS = 1_000
_FIRST = 8
_CELLS = 2**21  # that are looked at together
# Arrow makes an array a column of every block: of 20,000 columns in blocks of 25 rows, 800,000.
_BLOCK_COLUMN = 2**11
_HEXADECIMAL = re.compile(rb"0[xX]")


def parse_table(
    path: Path, dialect: Dialect, words: Sequence[str] = (), text: Sequence[str] = ()
) -> tuple[pd.DataFrame, bool]:
    """The frame, and whether every row is known to be as long as the header.

    In the columns `words`, names or patterns, those of `NA_VALUES` stay words; `attrs["words"]` of
    the frame counts those of other columns of text. The columns `text` are text in any case.

    Raises `DataError` for what neither parser reads, and `pandas.errors.ParserError` for rows that
    are too long.
    """
    if len(dialect.separator) == 1 and dialect.separator != " ":
        frame = _with_arrow(path, dialect, words, text)
        if frame is not None:
            return frame, True
    return _with_pandas(path, dialect, words, text), False


def _with_arrow(
    path: Path, dialect: Dialect, kept: Sequence[str], text: Sequence[str]
) -> pd.DataFrame | None:
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
        table = _read(data, dialect, quotes > 0, kept, text)
    except pa.ArrowInvalid:
        return None
    if not all(map(_is_plain, table.columns)):
        return None
    found: Words = Counter()
    table = without_words(table, kept, found)
    frame: pd.DataFrame = table.to_pandas()
    if not _are_exact(frame):
        return None
    for name, column in zip(table.column_names, table.columns, strict=True):
        if pa.types.is_null(column.type):
            frame[name] = float("nan")
    frame.attrs["words"] = found
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


def _read(
    data: bytes | mmap.mmap,
    dialect: Dialect,
    quotes: bool,
    kept: Sequence[str],
    text: Sequence[str],
) -> pa.Table:
    """The cells as numbers, booleans or text; what Arrow takes for times stays the text it was.

    So do whole numbers that begin with a nought: they are names.
    """
    once = partial(_once, data, dialect, quotes, kept)
    head = data[: data.rfind(b"\n", 0, _HEAD) + 1]
    words = [name for name in dialect.columns if name in text]
    if len(data) > _HEAD and head:
        with suppress(pa.ArrowInvalid):  # a cell goes on past it; the whole shows what it is
            words += _times(_once(head, dialect, quotes, kept, words))
    table = once(words)
    nothing = [field.name for field in table.schema if pa.types.is_null(field.type)]
    if found := [*_times(table), *(name for name in nothing if is_kept(name, kept))]:
        words = [*words, *found]
        table = once(words)
    whole = [field.name for field in table.schema if pa.types.is_integer(field.type)]
    if whole and is_padded(data, dialect):
        texts = _once(data, dialect, quotes, kept, whole, whole)
        for name in whole:
            if begins_with_nought(texts[name]):
                place = table.schema.get_field_index(name)
                table = table.set_column(place, name, texts[name])
    floats = [name for name in _thousandths(table) if may_be_thousands(table[name])]
    if floats:
        texts = _once(data, dialect, quotes, kept, floats, floats)
        for name in floats:
            known = texts[name].drop_null()
            some = known.slice(0, _ROWS).to_pylist()  # most show in the first that they are not
            if are_grouped(some) and are_thousands(pc.unique(known).to_pylist()):
                table = table.set_column(table.schema.get_field_index(name), name, texts[name])
    return table


def _thousandths(table: pa.Table) -> list[str]:
    """The columns of numbers whose first cells are of three decimals at most, below a thousand.

    Looked at together they cost little; each by itself costs a second of 20,000.
    """
    names = [field.name for field in table.schema if pa.types.is_floating(field.type)]
    numbers = table.select(names).slice(0, _FIRST).to_pandas().to_numpy(dtype=np.float64)
    small = np.isnan(numbers) | (np.abs(numbers) < 1e3)
    with np.errstate(invalid="ignore"):  # of what is infinite
        fine = np.abs(numbers * 1000 - np.round(numbers * 1000)) > 1e-6
    chosen = (small & ~fine).all(0)
    return [name for name, is_one in zip(names, chosen, strict=True) if is_one]


def may_be_thousands(column: pa.ChunkedArray) -> bool:
    """Whether numbers may be thousands with a point: mostly of three decimals, some of none."""
    if not pa.types.is_floating(column.type):
        return False
    for values in (column.slice(0, _ROWS), column):  # most show in the first that they are not
        numbers = values.drop_null().to_numpy()
        if not (np.abs(numbers) < 1e3).all():
            return False
        thousandths = numbers * 1000
        if (np.abs(thousandths - np.round(thousandths)) > 1e-6).any():
            return False
    whole = np.round(thousandths) % 1000 == 0
    three = np.round(thousandths[~whole]) % 10 != 0
    return bool(whole.any() and len(three) and three.mean() > 0.5)


def is_padded(data: bytes | mmap.mmap, dialect: Dialect) -> bool:
    """Whether a cell, or what looks like one, is a whole number that begins with a nought."""
    separator = " \t" if dialect.separator in (" ", ALIGNED) else dialect.separator
    around = f"{separator}{dialect.quote}\r\n".encode()
    ends = np.zeros(256, dtype=bool)
    ends[list(around)] = True
    cell = re.compile(rb"0\d+(?:[" + re.escape(around) + rb"]|$)")
    codes = np.frombuffer(data, np.uint8)
    for start in range(0, len(codes), _BLOCK):
        block = codes[max(0, start - 1) : start + _BLOCK + 1]
        digit = (block >= ord("0")) & (block <= ord("9"))
        begins = ends[block[:-2]] & (block[1:-1] == ord("0")) & digit[2:]
        for place in np.flatnonzero(begins) + max(0, start - 1) + 1:
            if cell.match(data, int(place)):
                return True
    return bool(cell.match(data))


def begins_with_nought(column: pa.ChunkedArray) -> bool:
    """Whether a cell of a column of whole numbers, as text, begins with a nought."""
    return bool(pc.any(pc.match_substring_regex(column, "^" + NOUGHT)).as_py())


def without_words(table: Any, kept: Sequence[str], found: Words) -> Any:
    """A table of Arrow, or a batch, whose words that mean no value stay in columns `kept`.

    Those that are taken out of others are added to `found`.
    """
    if not kept:
        return table  # Arrow took them out
    for place, field in enumerate(table.schema):
        if pa.types.is_string(field.type):
            words = [""] if is_kept(field.name, kept) else list(NA_VALUES)
            column = table.column(place)
            gone = pc.is_in(column, value_set=pa.array(words))
            if pc.any(gone).as_py():
                for each in pc.value_counts(column.filter(gone)).to_pylist():
                    if each["values"]:
                        found[field.name, each["values"]] += each["counts"]
            column = pc.if_else(gone, pa.scalar(None, field.type), column)
            table = table.set_column(place, field.name, column)
    return table


def is_kept(name: str, kept: Sequence[str]) -> bool:
    """Whether names or patterns mean a column."""
    return any(name == each or fnmatchcase(name, each) for each in kept)


def _once(
    data: bytes | mmap.mmap,
    dialect: Dialect,
    quotes: bool,
    kept: Sequence[str],
    words: list[str],
    only: list[str] | None = None,
) -> pa.Table:
    return pac.read_csv(
        pa.BufferReader(pa.py_buffer(data)),
        read_options=read_options(dialect, max(_BLOCK, _BLOCK_COLUMN * len(dialect.names))),
        parse_options=parse_options(dialect, quotes),
        convert_options=convert_options(dict.fromkeys(words, pa.string()), only, kept),
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
    types: dict[str, pa.DataType], only: list[str] | None = None, kept: Sequence[str] = ()
) -> pac.ConvertOptions:
    """How Arrow reads cells: what is missing, what is true; and `only` some columns.

    Where words are `kept` in some columns, `without_words` takes them out of others.
    """
    return pac.ConvertOptions(
        column_types=types,
        include_columns=only,
        null_values=list(NA_VALUES),
        true_values=["True", "TRUE", "true"],
        false_values=["False", "FALSE", "false"],
        strings_can_be_null=not kept,
    )


def _times(table: pa.Table) -> list[str]:
    return [field.name for field in table.schema if pa.types.is_temporal(field.type)]


def _is_plain(column: pa.ChunkedArray) -> bool:
    """Whether pandas would read the same words: no blank stands before one."""
    if pa.types.is_string(column.type):
        return not pc.any(pc.starts_with(column, pattern=" ")).as_py()
    return not pa.types.is_binary(column.type)


def _are_exact(frame: pd.DataFrame) -> bool:
    """Whether pandas would read the same numbers: none is rounded."""
    numbers = frame.select_dtypes("floating").to_numpy()
    step = max(1, _CELLS // max(1, len(frame)))
    for start in range(0, numbers.shape[1], step):
        size = np.abs(numbers[:, start : start + step])
        if ((size >= EXACT) & np.isfinite(size)).any():
            return False
    return True


def _with_pandas(
    path: Path, dialect: Dialect, kept: Sequence[str], text: Sequence[str]
) -> pd.DataFrame:
    def read(**known: Any) -> pd.DataFrame:
        with past_preface(path, dialect) as file:
            found: pd.DataFrame = pd.read_csv(file, **{**pandas_options(dialect), **known})
        return found

    frame = read(dtype={name: str for name in text if name in dialect.columns})
    kinds = {name: values.dtype.kind for name, values in frame.items()}
    words = [n for n, kind in kinds.items() if kind not in "iufb" and is_kept(str(n), kept)]
    whole = [name for name, kind in kinds.items() if kind in "iu"]
    if words or (whole and is_padded(_content(path, dialect.encoding), dialect)):
        empty = {name: [""] if name in words else list(NA_VALUES) for name in kinds}
        again = read(na_values=empty, keep_default_na=False, dtype=dict.fromkeys(whole, str))
        padded = [name for name in whole if again[name].str.match(NOUGHT).any()]
        frame[[*words, *padded]] = again[[*words, *padded]]
    return frame


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

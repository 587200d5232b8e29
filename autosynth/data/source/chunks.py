"""Reads a table of any size a few thousand rows at a time.

Takes a path; gives frames that hold what `read_frame` gives for those rows. Of a text file one
pass finds types that all rows fit: Arrow takes them from the first block, and where a later cell
is of another kind its column is read again in a wider type.
"""

import csv
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.csv as pac
import pyarrow.parquet as pq

from autosynth.data.source import database, sheet
from autosynth.data.source.database import database_frames
from autosynth.data.source.dialect import LABEL, Dialect
from autosynth.data.source.encoding import FILE_ERRORS, PACKINGS, UTF8, packing
from autosynth.data.source.frames import (
    READERS,
    from_arrow,
    parquet_batches,
    parquet_rows,
    records_of,
    to_pandas,
)
from autosynth.data.source.location import split_part
from autosynth.data.source.memory import Batching
from autosynth.data.source.parse import (
    NA_VALUES,
    NOUGHT,
    Words,
    begins_with_nought,
    convert_options,
    is_kept,
    is_padded,
    pandas_options,
    parse_options,
    past_preface,
    read_options,
    without_words,
)
from autosynth.data.source.rows import as_frame
from autosynth.data.source.table import check_lengths, check_names, label_frame, table_suffix
from autosynth.errors import DataError

_BLOCK = 2**22
_LEAST_BLOCK = 2**14
_HEAD = 1_000
_COLUMN = re.compile(r"In CSV column #(\d+)")


class Chunks(ABC):
    """The rows of one file. `names` are its columns, `n_rows` the number of its rows.

    `found` are the words for no value that were taken out of its columns.
    """

    path: Path
    names: tuple[str, ...]
    n_rows: int
    found: Words = Words()

    @abstractmethod
    def pieces(self, only: Sequence[str], most: int) -> Iterator[pa.RecordBatch | pd.DataFrame]:
        """The rows in their order, of some columns at least, about so many at a time."""

    def frames(self, only: Sequence[str], most: int) -> Iterator[pd.DataFrame]:
        """The rows in their order as frames of at most so many, of some columns in this order."""
        with _told(self.path):
            for piece in self.pieces(only, most):
                for start in range(0, len(piece), most):
                    if isinstance(piece, pa.RecordBatch):
                        part = pa.Table.from_batches([piece.slice(start, most)])
                        frame = from_arrow(part)
                        frame.columns = frame.columns.astype(str)
                    else:
                        frame = piece.iloc[start : start + most]
                    yield frame[list(only)]


class Parquet(Chunks):
    """A `.parquet` file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with _told(path), pq.ParquetFile(path) as file:
            self.rows_at_once = parquet_rows(path)
            self.n_rows = file.metadata.num_rows
            self.names = _names(file.schema_arrow)

    def pieces(self, only: Sequence[str], most: int) -> Iterator[pa.RecordBatch]:
        """As `Chunks`."""
        return parquet_batches(self.path, min(most, self.rows_at_once), list(only))


class Arrow(Chunks):
    """An `.arrow`, `.feather` or `.ipc` file, or a stream of that form."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with _told(path):
            self.names, self.n_rows = (), 0
            for batch in self._all():
                batch.validate(full=True)
                self.names, self.n_rows = _names(batch.schema), self.n_rows + batch.num_rows

    def pieces(self, only: Sequence[str], most: int) -> Iterator[pa.RecordBatch]:
        """As `Chunks`."""
        for batch in self._all():
            yield batch.select(list(only))

    def _all(self) -> Iterator[pa.RecordBatch]:
        with pa.memory_map(str(self.path)) as source:
            try:
                file = pa.ipc.open_file(source)
            except pa.ArrowInvalid:
                source.seek(0)
                yield from pa.ipc.open_stream(source)
                return
            for place in range(file.num_record_batches):
                yield file.get_batch(place)


class JsonLines(Chunks):
    """A `.jsonl` or `.ndjson` file: one object a line; what a line lacks is missing there."""

    def __init__(self, path: Path) -> None:
        self.path = path
        names: dict[str, None] = {}
        self.n_rows = 0
        for record in records_of(path):
            names.update(dict.fromkeys(record))
            self.n_rows += 1
        self.names = tuple(names)

    def pieces(self, only: Sequence[str], most: int) -> Iterator[pd.DataFrame]:
        """As `Chunks`."""
        left = records_of(self.path)
        while chunk := list(islice(left, most)):
            yield pd.DataFrame(chunk, columns=list(self.names))


class LabelLines(Chunks):
    """Lines of a label and a text."""

    def __init__(self, path: Path, dialect: Dialect) -> None:
        self.path, self.dialect, self.names = path, dialect, dialect.names
        self.n_rows = sum(1 for _ in self._lines())

    def pieces(self, only: Sequence[str], most: int) -> Iterator[pd.DataFrame]:
        """As `Chunks`."""
        left = self._lines()
        while chunk := list(islice(left, most)):
            yield label_frame(chunk, self.dialect)

    def _lines(self) -> Iterator[str]:
        with past_preface(self.path, self.dialect) as file:
            yield from (line for line in file if line.strip())


class Text(Chunks):
    """A `.csv` file or one like it, in blocks of so many bytes."""

    def __init__(
        self,
        path: Path,
        dialect: Dialect,
        block: int,
        words: Sequence[str] = (),
        text: Sequence[str] = (),
    ) -> None:
        self.path, self.dialect, self.block, self.words = path, dialect, block, words
        self._seen, self.text = Words(), text
        check_names(self.dialect.names, str(path))
        self.names = dialect.columns
        self.plain = _is_plain(path, self.dialect)
        self.types: dict[str, Any] = {}
        self.n_rows = self._settle() if self.plain else self._settle_with_pandas()

    def pieces(self, only: Sequence[str], most: int) -> Iterator[pa.RecordBatch | pd.DataFrame]:
        """As `Chunks`."""
        return self._open(only) if self.plain else self._with_pandas(only, most)

    def _settle(self) -> int:
        """Find types that every cell fits; the number of rows."""
        left = 3 * len(self.names) + 1
        with _told(self.path):
            while True:
                try:
                    return self._count()
                except pa.ArrowInvalid as error:
                    match = _COLUMN.search(str(error))
                    left -= 1
                    if match is None or not left:
                        check_lengths(self.path, self.dialect)
                        raise
                    self._widen(self.names[int(match[1])])

    def _count(self) -> int:
        """The number of rows; whole numbers that begin with a nought are text from now on."""
        self._seen = Words()  # a pass that met another type began anew
        rows = int(sum(batch.num_rows for batch in self._open(self.names)))
        self.found = Words(self._seen)
        whole = [name for name, kind in self.types.items() if pa.types.is_integer(kind)]
        if whole and self._is_padded():
            numbers = dict(self.types)
            self.types |= dict.fromkeys(whole, pa.string())
            padded = {
                name
                for batch in self._open(whole)
                for name in whole
                if begins_with_nought(batch.column(name))
            }
            self.types = {n: pa.string() if n in padded else kind for n, kind in numbers.items()}
        return rows

    def _is_padded(self) -> bool:
        with past_preface(self.path, self.dialect) as file:
            left = b""
            while text := file.read(_BLOCK):
                piece = left + text.encode()
                if is_padded(piece, self.dialect):
                    return True
                left = piece[piece.rfind(b"\n") + 1 :][-_HEAD:]
        return False

    def _widen(self, name: str) -> None:
        numbers = (pa.null(), pa.int64())
        self.types[name] = pa.float64() if self.types.get(name) in numbers else pa.string()

    def _open(self, only: Sequence[str]) -> Iterator[pa.RecordBatch]:
        if not self.types:
            with self._reader(self.names) as reader:
                self.types = {field.name: _wide(field.type) for field in reader.schema}
            self.types |= {n: pa.string() for n in self.text if n in self.types}
        with self._reader(only) as reader:
            for batch in reader:
                yield without_words(batch, self.words, self._seen)

    def _reader(self, only: Sequence[str]) -> pac.CSVStreamingReader:
        encoding = self.dialect.encoding
        return pac.open_csv(
            _stream(self.path),
            read_options=read_options(
                self.dialect, self.block, "utf8" if encoding == UTF8 else encoding
            ),
            parse_options=parse_options(self.dialect, bool(self.dialect.quote)),
            convert_options=convert_options(self.types, list(only), self.words),
        )

    def _settle_with_pandas(self) -> int:
        """Find the columns that are words in some rows, and so in all; the number of rows."""
        check_lengths(self.path, self.dialect)  # pandas cuts longer rows, asked for some columns
        rows = 0
        kinds: dict[str, set[str]] = {name: set() for name in self.names}
        with _told(self.path):
            for frame in self._with_pandas(self.names, _HEAD):
                rows += len(frame)
                for name in self.names:
                    present = frame[name].dropna()
                    kinds[name].add(pd.api.types.infer_dtype(present) if len(present) else "")
        for name, found in kinds.items():
            if "string" in found or {"boolean"} < found - {""}:
                self.types[name] = str
        self.types |= {name: str for name in self.text if name in kinds}
        whole = [name for name, found in kinds.items() if "integer" in found]
        whole = [name for name in whole if name not in self.types]
        if whole and self._is_padded():
            numbers = dict(self.types)
            self.types |= dict.fromkeys(whole, str)
            for frame in self._with_pandas(whole, _HEAD):
                for name in whole:
                    if frame[name].str.match(NOUGHT).any():
                        numbers[name] = str
            self.types = numbers
        return rows

    def _with_pandas(self, only: Sequence[str], most: int) -> Iterator[pd.DataFrame]:
        options: dict[str, Any] = {
            **pandas_options(self.dialect),
            "na_values": {
                n: [""] if is_kept(n, self.words) and self.types.get(n) is str else list(NA_VALUES)
                for n in self.names
            },
            "keep_default_na": False,
            "dtype": {name: kind for name, kind in self.types.items() if name in only},
            "usecols": sorted(self.names.index(name) for name in only),
        }
        with past_preface(self.path, self.dialect) as file:
            yield from pd.read_csv(file, **options, chunksize=most, index_col=False)


class Matrix(Chunks):
    """A frame, or a two-dimensional array whose columns are `x0`, `x1`, ..."""

    def __init__(self, x: Any) -> None:
        self.path, self.n_rows, self.x = Path("x"), len(x), x
        self.names = tuple(as_frame(x[:0]).columns)

    def pieces(self, only: Sequence[str], most: int) -> Iterator[pd.DataFrame]:
        """As `Chunks`."""
        for start in range(0, self.n_rows, most):
            yield as_frame(self.x[start : start + most])


class Whole(Matrix):
    """A file of a form that has no pieces: it is in memory as long as it is read."""

    def __init__(self, path: Path) -> None:
        super().__init__(READERS[table_suffix(path)](path))
        self.path = split_part(path)[0]


class Database(Chunks):
    """A table of an SQLite database."""

    def __init__(self, path: Path) -> None:
        self.location, self.path = path, split_part(path)[0]
        self.names, self.n_rows = (), 0
        for frame in database_frames(path, _HEAD):
            self.names, self.n_rows = tuple(map(str, frame.columns)), self.n_rows + len(frame)

    def pieces(self, only: Sequence[str], most: int) -> Iterator[pd.DataFrame]:
        """As `Chunks`."""
        return database_frames(self.location, most)


FORMS: Mapping[str, Callable[[Path], Chunks]] = {
    ".parquet": Parquet,
    ".arrow": Arrow,
    ".feather": Arrow,
    ".ipc": Arrow,
    ".jsonl": JsonLines,
    ".ndjson": JsonLines,
    ".json": Whole,
    **dict.fromkeys(sheet.SHEET_SUFFIXES, Whole),
    **dict.fromkeys(database.DATABASE_SUFFIXES, Database),
}
"""What reads a table by pieces, by its file's suffix; any other is text."""


def chunks_of(
    path: Path, batching: Batching, dialect: Dialect | None, words: Sequence[str] = ()
) -> Chunks:
    """The rows of a file by its form, of text by its dialect.

    In the columns `words` of a text file, names or patterns, such as mean no value stay words.
    Raises `DataError` where it cannot be read.
    """
    if dialect is None:
        return FORMS[table_suffix(path)](path)
    if dialect.separator == LABEL:
        return LabelLines(path, dialect)
    block = min(_BLOCK, max(_LEAST_BLOCK, batching.limit))
    return Text(path, dialect, block, words, batching.text)


def _names(schema: pa.Schema) -> tuple[str, ...]:
    return tuple(str(name) for name in to_pandas(schema.empty_table()).columns)


def _wide(kind: pa.DataType) -> pa.DataType:
    """The type that a column is read as, from that of its first cells."""
    return pa.string() if pa.types.is_temporal(kind) else kind


def _is_plain(path: Path, dialect: Dialect) -> bool:
    """Whether Arrow reads the file: one separator, none at ends, no blank before a cell."""
    if dialect.trailing or len(dialect.separator) > 1 or dialect.separator == " ":
        return False
    with past_preface(path, dialect) as file:
        rows = csv.reader(file, **{**dialect.form.options(), "skipinitialspace": False})
        try:
            return not any(cell.startswith(" ") for row in islice(rows, _HEAD) for cell in row)
        except csv.Error:
            return False  # told where the lengths of rows are checked


def _stream(path: Path) -> pa.NativeFile:
    """The bytes of a file, unpacked where it is packed."""
    if packing(path) == ".xz":  # which Arrow does not unpack
        return pa.PythonFile(PACKINGS[".xz"](path), mode="r")
    name = {".gz": "gzip", ".bz2": "bz2", ".zst": "zstd"}.get(packing(path))
    return pa.input_stream(str(path), compression=name)


@contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except (*FILE_ERRORS, pd.errors.ParserError) as e:
        raise DataError(f"{path} cannot be read: {e}.") from e

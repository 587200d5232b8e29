"""Reads a table of any size a few thousand rows at a time.

Takes a path; gives frames that hold what `read_frame` gives for those rows, but that whole numbers
of a text file are floats. Of a text file one pass finds types that all rows fit: Arrow takes them
from the first block, and where a later cell is of another kind its column is read again as text.
"""

import csv
import json
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv as pac
import pyarrow.parquet as pq
from numpy.typing import NDArray

from autosynth.data.source.dialect import Dialect, find_dialect
from autosynth.data.source.encoding import UTF8, opened
from autosynth.data.source.memorymap import pieces_of
from autosynth.data.source.parse import convert_options, parse_options
from autosynth.data.source.table import check_lengths, check_names
from autosynth.errors import DataError

CELLS = 2**21
"""At most so many cells are read at once, of columns that are numbers 16 MB."""

_BLOCK = 2**22
_HEAD = 1_000
_COLUMN = re.compile(r"In CSV column #(\d+)")


class Chunks(ABC):
    """The rows of one file. `names` are its columns, `n_rows` the number of its rows."""

    path: Path
    names: tuple[str, ...]
    n_rows: int
    warnings: tuple[str, ...] = ()

    @abstractmethod
    def batches(self, only: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """The rows in their order, of some columns."""

    def frames(self, only: Sequence[str]) -> Iterator[pd.DataFrame]:
        """The rows in their order as frames of a few thousand, of some columns in this order."""
        most = max(1, CELLS // max(1, len(only)))
        with _told(self.path):
            for batch in self.batches(only):
                for start in range(0, batch.num_rows, most):
                    frame = _floats(batch.slice(start, most)).to_pandas()
                    frame.columns = frame.columns.astype(str)
                    yield frame[list(only)].reset_index(drop=True)


class Parquet(Chunks):
    """A `.parquet` file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with _told(path), pq.ParquetFile(path) as file:
            self.n_rows = file.metadata.num_rows
            self.names = _names(file.schema_arrow)

    def batches(self, only: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """As `Chunks`."""
        rows = max(1, CELLS // max(1, len(only)))
        with pq.ParquetFile(self.path, memory_map=True, pre_buffer=False) as file:
            yield from file.iter_batches(batch_size=rows, columns=list(only))


class Arrow(Chunks):
    """An `.arrow`, `.feather` or `.ipc` file, or a stream of that form."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with _told(path):
            self.names = next((_names(batch.schema) for batch in self._all()), ())
            self.n_rows = sum(batch.num_rows for batch in self._all())

    def batches(self, only: Sequence[str]) -> Iterator[pa.RecordBatch]:
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


class Lines(Chunks):
    """A `.jsonl` or `.ndjson` file: one object a line; what a line lacks is missing there."""

    def __init__(self, path: Path) -> None:
        self.path = path
        names: dict[str, None] = {}
        self.n_rows = 0
        for record in self._records():
            names.update(dict.fromkeys(record))
            self.n_rows += 1
        self.names = tuple(names)

    def batches(self, only: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """As `Chunks`."""
        left, most = self._records(), max(1, CELLS // max(1, len(self.names)))
        while chunk := list(islice(left, most)):
            frame = pd.DataFrame(chunk, columns=list(self.names))[list(only)]
            yield pa.RecordBatch.from_pandas(frame, preserve_index=False)

    def _records(self) -> Iterator[dict[str, Any]]:
        with _told(self.path), opened(self.path, UTF8) as file:
            for number, line in enumerate(file, start=1):
                if not line.strip():
                    continue
                try:
                    record = json.loads(line)
                except json.JSONDecodeError as error:
                    raise DataError(f"{self.path}:{number}: no JSON: {error.msg}.") from error
                if not isinstance(record, dict):
                    raise DataError(f"{self.path}:{number}: no JSON object: {line[:60]!r}.")
                yield record


class Text(Chunks):
    """A `.csv` file or one like it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.dialect, self.warnings = find_dialect(path)
        check_names(self.dialect.names, str(path))
        self.names = tuple(
            name or f"Unnamed: {place}" for place, name in enumerate(self.dialect.names)
        )
        self.plain = _is_plain(path, self.dialect)
        self.types: dict[str, pa.DataType] = {}
        self.n_rows = self._settle() if self.plain else sum(map(len, self.frames(self.names[:1])))

    def batches(self, only: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """As `Chunks`."""
        if self.plain:
            yield from self._open(only)
            return
        for frame in self._with_pandas(only):
            yield pa.RecordBatch.from_pandas(frame, preserve_index=False)

    def _settle(self) -> int:
        """Find types that every cell fits; the number of rows."""
        left = 2 * len(self.names) + 1
        with _told(self.path):
            while True:
                try:
                    return sum(batch.num_rows for batch in self._open(self.names))
                except pa.ArrowInvalid as error:
                    match = _COLUMN.search(str(error))
                    left -= 1
                    if match is None or not left:
                        check_lengths(self.path, self.dialect)
                        raise
                    self._widen(self.names[int(match[1])])

    def _widen(self, name: str) -> None:
        was = self.types.get(name)
        self.types[name] = pa.float64() if was == pa.null() else pa.string()

    def _open(self, only: Sequence[str]) -> Iterator[pa.RecordBatch]:
        if not self.types:
            with self._reader(self.names) as reader:
                self.types = {field.name: _wide(field.type) for field in reader.schema}
        with self._reader(only) as reader:
            yield from reader

    def _reader(self, only: Sequence[str]) -> pac.CSVStreamingReader:
        quotes = self.dialect.quoted
        return pac.open_csv(
            pa.input_stream(str(self.path), compression="detect"),
            read_options=pac.ReadOptions(
                block_size=_BLOCK, column_names=list(self.names),
                skip_rows_after_names=int(self.dialect.header),
                encoding="utf8" if self.dialect.encoding == UTF8 else self.dialect.encoding,
            ),
            parse_options=parse_options(self.dialect, quotes),
            convert_options=convert_options(self.types, list(only)),
        )  # fmt: skip

    def _with_pandas(self, only: Sequence[str]) -> Iterator[pd.DataFrame]:
        """All cells as text: the kinds of a column's cells are told by all of them together."""
        indices = sorted(self.names.index(name) for name in only)
        reader: Any = pd.read_csv(
            self.path, sep=r"\s+" if self.dialect.separator == " " else self.dialect.separator,
            encoding=self.dialect.encoding, header=0 if self.dialect.header else None,
            skiprows=self.dialect.skip, quoting=0 if self.dialect.quoted else 3, na_values=["?"],
            skipinitialspace=True, dtype=str, chunksize=CELLS // len(self.names) + 1,
            usecols=indices, index_col=False,
        )  # fmt: skip
        for frame in reader:
            frame.columns = [self.names[index] for index in indices]
            yield frame


class Matrix(Chunks):
    """A two-dimensional array on disk; its columns are `x0`, `x1`, ..."""

    def __init__(self, x: NDArray[Any]) -> None:
        base: Any = x
        while not isinstance(base, np.memmap):
            base = base.base
        self.path, self.n_rows, self.x = Path(str(base.filename)), len(x), x
        self.names = tuple(f"x{i}" for i in range(x.shape[1]))

    def batches(self, only: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """As `Chunks`."""
        places = [self.names.index(name) for name in only]
        for piece in pieces_of(self.x):
            yield pa.RecordBatch.from_arrays(
                [pa.array(piece[:, place]) for place in places], list(only)
            )


FORMS: Mapping[str, Callable[[Path], Chunks]] = {
    ".parquet": Parquet,
    ".arrow": Arrow,
    ".feather": Arrow,
    ".ipc": Arrow,
    ".jsonl": Lines,
    ".ndjson": Lines,
}
"""What reads a table by pieces, by its file's suffix; any other is text."""


def chunks_of(path: Path) -> Chunks:
    """The rows of a file by its form. Raises `DataError` where it cannot be read."""
    return FORMS.get(_suffix(path), Text)(path)


def is_typed(path: Path) -> bool:
    """Whether a table's form says what its cells are."""
    return _suffix(path) in FORMS


def _suffix(path: Path) -> str:
    return Path(path.name.removesuffix(".gz")).suffix.lower()


def _floats(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Decimals as floats."""
    for index, field in enumerate(batch.schema):
        if pa.types.is_decimal(field.type):
            values = batch.column(index).cast(pa.float64())
            batch = batch.set_column(index, field.with_type(pa.float64()), values)
    return batch


def _names(schema: pa.Schema) -> tuple[str, ...]:
    return tuple(str(name) for name in schema.empty_table().to_pandas().columns)


def _wide(kind: pa.DataType) -> pa.DataType:
    """The type that a column is read as, from that of its first cells."""
    if pa.types.is_integer(kind):
        return pa.float64()
    return pa.string() if pa.types.is_temporal(kind) else kind


def _is_plain(path: Path, dialect: Dialect) -> bool:
    """Whether Arrow reads the file: one separator, no cell with a blank first, none to skip."""
    if dialect.separator == " " or dialect.skip:
        return False
    with opened(path, dialect.encoding) as file:
        rows = csv.reader(
            file, delimiter=dialect.separator,
            quoting=csv.QUOTE_MINIMAL if dialect.quoted else csv.QUOTE_NONE,
        )  # fmt: skip
        return not any(cell.startswith(" ") for row in islice(rows, _HEAD) for cell in row)


@contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, EOFError, UnicodeDecodeError, pd.errors.ParserError, pa.ArrowException) as e:
        raise DataError(f"{path} cannot be read: {e}.") from e

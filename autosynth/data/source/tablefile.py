"""Reads the file of a table, whole or row by row, and a folder of files that are its parts.

What fits memory is read at once; the rows of a larger file stay there. In a folder (`train.tsv`,
`dev.tsv`, `test.tsv`) a file's name says which part it holds.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Self

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from autosynth.cell import COMMA
from autosynth.data.source.chunks import Chunks, Matrix, chunks_of
from autosynth.data.source.dialect import Dialect, Headers, find_dialect
from autosynth.data.source.encoding import find_encoding, packing, plain_name
from autosynth.data.source.location import split_part
from autosynth.data.source.memory import BY_SIZE, Batching
from autosynth.data.source.parse import Words
from autosynth.data.source.raw import Raw, headers_of
from autosynth.data.source.rows import BatchedRows, MemoryRows, as_frame, rows_of
from autosynth.data.source.table import frame_rows, is_table, is_typed, read_whole
from autosynth.errors import DataError
from autosynth.spec import RowNumbers

CELLS = 2**21
"""At most so many cells are read at once, of columns that are numbers 16 MB."""
_CELL = 8  # bytes

_LISTED = 12
_PIECES = 64
_PIECE = 2**16
_PACKED = 4
"""A packed file of JSON is at least so many times as large unpacked, as a rule."""

_WORDS: Mapping[str, str] = {
    "main": "train|training",
    "validation": "dev|val|valid|validation",
    "test": "test|testing",
}
_PART = {
    part: re.compile(rf"(^|[._\- ])({words})([._\- ]|$)", re.IGNORECASE)
    for part, words in _WORDS.items()
}


def is_table_folder(folder: Path) -> bool:
    """Whether a folder holds a table to train on and others of its parts."""
    return "main" in parts_of(folder)


def only_table(folder: Path) -> Path | None:
    """The one table that stands in a folder, whatever else does."""
    found = list(_tables(folder))
    return found[0] if len(found) == 1 else None


@dataclass(frozen=True, eq=False, kw_only=True)
class FileRows(BatchedRows):
    """Rows of files under each other, which have the columns of the first.

    `names` are the columns in use; `rows` the numbers of the rows in use, ascending, or None for
    all of them; `n_bytes` about the memory that all would take.
    """

    parts: tuple[Chunks, ...]
    names: tuple[str, ...]
    n_bytes: int
    rows: RowNumbers | None = None

    def __len__(self) -> int:
        """As `BatchedRows`."""
        return sum(part.n_rows for part in self.parts) if self.rows is None else len(self.rows)

    @property
    def columns(self) -> tuple[str, ...]:
        """As `BatchedRows`."""
        return self.names

    @property
    def is_table(self) -> bool:
        """As `BatchedRows`."""
        return True

    @property
    def bytes_on_disk(self) -> int:
        """As `BatchedRows`."""
        return self.n_bytes

    def batches(self) -> Iterator[tuple[int, pd.DataFrame]]:
        """As `BatchedRows`."""
        cells = min(CELLS, self.batching.limit // _CELL)
        most = self.batching.rows or max(1, cells // max(1, len(self.names)))
        start = place = 0
        for frame in chain.from_iterable(part.frames(self.names, most) for part in self.parts):
            stop = place + len(frame)
            frame = frame.set_axis(range(place, stop), axis=0)
            if self.rows is not None:
                low, high = np.searchsorted(self.rows, [place, stop])
                if high - low < len(frame):
                    frame = frame.iloc[self.rows[low:high] - place]
            if len(frame):
                yield start, frame
            start, place = start + len(frame), stop

    def only(self, rows: RowNumbers) -> Self:
        """As `BatchedRows`."""
        return replace(self, rows=rows if self.rows is None else self.rows[rows])

    def select(self, columns: Sequence[str]) -> Self:
        """As `BatchedRows`."""
        return replace(self, names=tuple(columns))

    def extract(self) -> Iterator[bytes]:
        """16 hex digits of a SHA-256 over columns, and over each file's size and parts of it.

        64 parts of 64 kB are read, the first and the last among them: a change of a few cells
        between them is not seen. The target's values are hashed whole, as of any dataset.
        """
        found = hashlib.sha256("\n".join(self.names).encode())
        for path in (part.path for part in self.parts):
            size = path.stat().st_size
            found.update(str(size).encode())
            with path.open("rb") as file:
                for at in np.linspace(0, max(0, size - _PIECE), _PIECES).astype(int):
                    file.seek(int(at))
                    found.update(file.read(_PIECE))
        yield found.hexdigest()[:16].encode()


def file_rows(chunks: Chunks, n_bytes: int, batching: Batching) -> FileRows:
    """All rows of a file, which would take about so many bytes of memory."""
    return FileRows(parts=(chunks,), names=chunks.names, n_bytes=n_bytes, batching=batching)


def as_table(rows: BatchedRows) -> BatchedRows:
    """Rows as those of a table: the columns of an array are `x0`, `x1`, ..."""
    if rows.is_table:
        return rows
    x = rows.whole()
    if rows.batching.holds(rows.bytes_on_disk):
        return rows_of(as_frame(x), rows.batching)
    return file_rows(Matrix(x), rows.bytes_on_disk, rows.batching)


def stack(tables: Sequence[BatchedRows], source: str) -> BatchedRows:
    """Whole parts of one table under each other; the columns are those of the first, in its order.

    Raises:
        DataError: a later part lacks columns.
    """
    columns, batching = tables[0].columns, tables[0].batching
    for table in tables[1:]:
        if lacking := [name for name in columns if name not in table.columns]:
            raise DataError(
                f"the test part of {source} lacks columns of the training part: "
                f"{', '.join(lacking[:_LISTED])}."
            )
    if len(tables) == 1:
        return tables[0]
    if all(isinstance(table, MemoryRows) for table in tables):  # of arrays that are maps, too
        frames = [table.select(columns).whole() for table in tables]
        return rows_of(pd.concat(frames, ignore_index=True), batching)
    parts = [
        table.parts if isinstance(table, FileRows) else (Matrix(table.whole()),)
        for table in tables
    ]
    n_bytes = sum(table.bytes_on_disk for table in tables)
    return FileRows(
        parts=tuple(chain.from_iterable(parts)), names=columns, n_bytes=n_bytes, batching=batching
    )


def read_table(
    path: Path,
    target: Sequence[str],
    *,
    labelled: bool = True,
    batching: Batching = BY_SIZE,
    headers: Headers = (),
) -> Raw:
    """The table in `path`; with `labelled`, `target` names the columns to predict.

    `headers` are those that the file may have, or lack, where that is known from another.

    Raises:
        DataError: a file that cannot be read, an empty table, ragged rows, columns of one name, or
            a target that is not named or not there.
    """
    name = plain_name(split_part(path)[0]).rsplit(".", 1)[0]
    return _read_part(path, name, target, batching, headers, labelled=labelled, there=True)


def read_table_folder(
    folder: Path,
    target: Sequence[str],
    *,
    labelled: bool = True,
    batching: Batching = BY_SIZE,
    headers: Headers = (),
) -> Raw:
    """The parts of the folder's table; with `labelled`, `target` names the column to predict.

    The file to train on has the columns; those of `headers`, or its own, others may lack.

    Raises:
        DataError: two files are the same part, or one cannot be read as a table.
    """
    raws: dict[str, Raw] = {}
    parts = parts_of(folder, strict=True)
    for part in sorted(parts, key=lambda part: part != "main"):
        path = parts[part]
        known = (*headers, *headers_of(raws["main"])) if raws else headers
        raws[part] = _read_part(
            path, folder.name, target, batching, known, labelled=labelled, there=part == "main"
        )
    found = {part: raw.main for part, raw in raws.items()}
    return replace(
        raws["main"],
        source=str(folder),
        validation=found.get("validation"),
        test=found.get("test"),
        warnings=tuple(dict.fromkeys(text for raw in raws.values() for text in raw.warnings)),
        has_words=any(raw.has_words for raw in raws.values()),
    )


def _read_part(
    path: Path,
    name: str,
    target: Sequence[str],
    batching: Batching,
    headers: Headers,
    *,
    labelled: bool,
    there: bool,
) -> Raw:
    """The table in a file, whole or by pieces; the target may lack if it need not be `there`.

    Words such as `NA` stay words in the target, which may be a class, and where it is asked.
    """
    dialect: Dialect | None = None
    warnings: tuple[str, ...] = ()
    if is_typed(path):
        n_bytes = _bytes_of(path)
    else:
        content = find_encoding(path)
        n_bytes = content.n_bytes
        dialect, warnings = find_dialect(path, content, headers)
    table: pd.DataFrame | FileRows
    kept = (*target, *batching.words)
    if batching.holds(n_bytes):
        table = read_whole(path, dialect, kept, batching.text)
    else:
        table = file_rows(chunks_of(path, batching, dialect, kept), n_bytes, batching)
    told = _told_of(_words_of(table)) if labelled else ()
    labelled = labelled and (there or not target or set(target) <= set(table.columns))
    raw = frame_rows(table, name, str(path), target, labelled=labelled, warnings=warnings)
    # A comma stands before decimals where cells stand between semicolons.
    decimal = COMMA if dialect is not None and dialect.separator == ";" else ""
    return replace(
        raw, decimal=decimal, has_words=dialect is not None, assumed=(*raw.assumed, *told)
    )


def _words_of(table: pd.DataFrame | FileRows) -> Words:
    """The words for no value that a reader took out, which is told once."""
    if isinstance(table, FileRows):
        return sum((part.found for part in table.parts), Words())
    found: Words = table.attrs.pop("words", Words())
    return found


def _told_of(found: Words) -> tuple[str, ...]:
    """A line on each column in which words mean that there is no value."""
    columns: dict[str, list[str]] = {}
    for (name, word), cells in found.items():
        columns.setdefault(name, []).append(f"{word!r} ({cells} cells)")
    told = [
        f"{name}: {', '.join(words)} taken for no value. --column {name}=category, or "
        "--keep-missing-words for all columns, reads such words as words"
        for name, words in columns.items()
    ]
    more = [f"{len(told) - _LISTED} columns more with such words"] if len(told) > _LISTED else []
    return (*told[:_LISTED], *more)


def _bytes_of(path: Path) -> int:
    """About the memory that a table takes."""
    size = split_part(path)[0].stat().st_size
    if path.suffix.lower() == ".parquet":
        try:
            found = pq.read_metadata(path)
        except (OSError, pa.ArrowException):
            return 0  # told where it is read
        groups = range(found.num_row_groups)
        unpacked = sum(found.row_group(group).total_byte_size for group in groups)
        return int(max(unpacked, 8 * found.num_rows * found.num_columns))
    return size * _PACKED if packing(path) else size


def _tables(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        if is_table(path) and not path.name.startswith((".", "README")):
            yield path


def parts_of(folder: Path, *, strict: bool = False) -> dict[str, Path]:
    """The file of each part; to train on, where none says so, the only other one."""
    found: dict[str, Path] = {}
    others: list[Path] = []
    for path in _tables(folder):
        name = plain_name(path)
        part = next((part for part, words in _PART.items() if words.search(name)), None)
        if part is None:
            others.append(path)
        elif part in found and strict:
            raise DataError(
                f"{folder} holds {found[part].name} and {path.name}, which are both named like a "
                f"part to {'train' if part == 'main' else part} on; name one file, and others "
                "with --test"
            )
        else:
            found.setdefault(part, path)
    if "main" not in found and "test" in found and len(others) == 1:
        found["main"] = others[0]
    return found

"""Reads the file of a table, whole or row by row, and a folder of files that are its parts.

What fits memory is read at once; the rows of a larger file stay there. In a folder (`train.tsv`,
`dev.tsv`, `test.tsv`) a file's name says which part it holds.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from autosynth.data.source.chunks import chunks_of
from autosynth.data.source.filerows import file_rows
from autosynth.data.source.memory import BY_SIZE, Batching
from autosynth.data.source.raw import Raw
from autosynth.data.source.table import frame_rows, is_table, read_frame
from autosynth.errors import DataError

_PACKED = 4
"""A packed file of text is at least so many times as large unpacked, as a rule."""

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


def read_table(
    path: Path, target: Sequence[str], *, labelled: bool = True, batching: Batching = BY_SIZE
) -> Raw:
    """The table in `path`; with `labelled`, `target` names the columns to predict.

    Raises:
        DataError: a file that cannot be read, an empty table, ragged rows, columns of one name, or
            a target that is not named or not there.
    """
    table, warnings = _opened(path, batching)
    name = path.name.removesuffix(".gz").rsplit(".", 1)[0]
    return frame_rows(table, name, str(path), target, labelled=labelled, warnings=warnings)


def read_table_folder(
    folder: Path, target: Sequence[str], *, labelled: bool = True, batching: Batching = BY_SIZE
) -> Raw:
    """The parts of the folder's table; with `labelled`, `target` names the column to predict.

    Raises:
        DataError: two files are the same part, or one cannot be read as a table.
    """
    raws = {}
    for part, path in parts_of(folder, strict=True).items():
        table, warnings = _opened(path, batching)
        known = labelled and (part == "main" or not target or set(target) <= set(table.columns))
        raws[part] = frame_rows(
            table, folder.name, str(path), target, labelled=known, warnings=warnings
        )
    found = {part: raw.main for part, raw in raws.items()}
    return replace(
        raws["main"],
        source=str(folder),
        validation=found.get("validation"),
        test=found.get("test"),
        warnings=raws["main"].warnings,
    )


def _opened(path: Path, batching: Batching) -> tuple[Any, tuple[str, ...]]:
    """The table in a file, a frame or `BatchedRows`, and warnings about how it is read."""
    n_bytes = _bytes_of(path)
    if batching.holds(n_bytes):
        return read_frame(path)
    chunks = chunks_of(path, batching)
    return file_rows(chunks, n_bytes, batching), chunks.warnings


def _bytes_of(path: Path) -> int:
    """About the memory that a table takes."""
    size = path.stat().st_size
    if path.suffix.lower() == ".parquet":
        try:
            found = pq.read_metadata(path)
        except (OSError, pa.ArrowException):
            return 0  # told where it is read
        groups = range(found.num_row_groups)
        unpacked = sum(found.row_group(group).total_byte_size for group in groups)
        return int(max(unpacked, 8 * found.num_rows * found.num_columns))
    return size * _PACKED if path.suffix == ".gz" else size


def _tables(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        if is_table(path) and not path.name.startswith((".", "README")):
            yield path


def parts_of(folder: Path, *, strict: bool = False) -> dict[str, Path]:
    """The file of each part; to train on, where none says so, the only other one."""
    found: dict[str, Path] = {}
    others: list[Path] = []
    for path in _tables(folder):
        name = path.name.removesuffix(".gz")
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

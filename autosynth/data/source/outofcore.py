"""Decides whether a source is too large for memory, and reads it without loading it then.

Takes a source; gives a `Raw` whose rows stay on disk: those of tables as `DiskTable`, those of
arrays are memory maps already (`memorymap.py`). Smaller tables and other forms are left to
`read.py`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from autosynth.data.source.chunks import Chunks, Matrix, chunks_of, is_typed
from autosynth.data.source.dialect import LABEL, find_dialect
from autosynth.data.source.disktable import SAMPLE_ROWS, DiskTable, disk_table, subsample
from autosynth.data.source.memory import most_in_memory
from autosynth.data.source.memorymap import is_map
from autosynth.data.source.raw import Raw, RawRows
from autosynth.data.source.table import as_frame, frame_rows, is_table
from autosynth.data.source.tablefolder import is_table_folder, parts_of

FRAMES = (pd.DataFrame, DiskTable)
"""What rows of a table are."""

_PACKED = 4
"""A packed file of text is at least so many times as large unpacked, as a rule."""


def read_large(source: Any, target: Any, test: Any = None) -> Raw | None:
    """The rows of a source that is too large for memory; None of any other.

    Args:
        source: as `load` takes it; a path to a table, or to a folder with a table's parts.
        target: the column to predict, as `frame_rows` takes it.
        test: another table, whose rows are the test part.

    Raises:
        DataError: the files cannot be read, or have no such column.
    """
    paths = _tables(source)
    if test is not None and paths:
        other = _tables(test)
        paths = {**paths, "test": other["main"]} if other else {}
    if not paths or sum(map(_bytes_of, paths.values())) <= most_in_memory():
        return None
    name = Path(source).name.removesuffix(".gz").rsplit(".", 1)[0]
    chunks = {part: chunks_of(path) for part, path in paths.items()}
    names = chunks["main"].names
    # One row without values: what is said of a table's columns and its target holds for this one.
    sketch = frame_rows(
        pd.DataFrame([[None] * len(names)], columns=list(names)), name, str(source), target,
        warnings=tuple(text for each in chunks.values() for text in each.warnings),
    )  # fmt: skip
    assert sketch.main is not None
    assert isinstance(sketch.main.x, pd.DataFrame)
    goals = [each for each in names if each not in sketch.main.x.columns]
    found = {part: _rows(each, goals, str(source)) for part, each in chunks.items()}
    return replace(
        sketch, main=found["main"], validation=found.get("validation"), test=found.get("test")
    )


def large_chunks(source: Any) -> Chunks | None:
    """The rows to predict of a table that is too large for memory; None of any other source.

    Of a folder with a table's parts those of the test part.

    Raises:
        DataError: the file cannot be read.
    """
    paths = _tables(source)
    path = paths.get("test") or paths.get("main")
    return chunks_of(path) if path and _bytes_of(path) > most_in_memory() else None


def _rows(chunks: Chunks, goals: Sequence[str], source: str) -> RawRows:
    x = disk_table([chunks], source)
    rows = RawRows(x=x.drop(goals), index=range(len(x)), folder=str(chunks.path.parent))
    columns = {name: x[name] for name in goals if name in chunks.names}
    if len(columns) < len(goals):
        return rows
    return replace(rows, y=columns[goals[0]] if len(goals) == 1 else pd.DataFrame(columns))


@dataclass(frozen=True, kw_only=True)
class Sample:
    """Rows that encoders are fitted on, and which of them are training rows."""

    frame: Any
    train: NDArray[np.int64]


def sample_of(x: Any, train: NDArray[np.int64]) -> Sample:
    """A frame as it is; of rows on disk, training rows alone and at most `SAMPLE_ROWS`."""
    if not isinstance(x, DiskTable):
        return Sample(frame=x, train=train)
    chosen = subsample(train, SAMPLE_ROWS)
    return Sample(frame=x.take(chosen), train=np.arange(len(chosen)))


def as_table(x: Any) -> Any:
    """Rows of a table's array as a frame, or as `DiskTable` where they are on disk."""
    if not is_map(x) or x.ndim != 2:
        return x if isinstance(x, FRAMES) else as_frame(x)
    return disk_table([Matrix(x)], "x")


def _tables(source: Any) -> Mapping[str, Path]:
    """The files of a table by their part; none of another source."""
    if not isinstance(source, str | Path):
        return {}
    path = Path(source).expanduser()
    if path.is_dir():
        return parts_of(path) if is_table_folder(path) else {}
    if not path.is_file() or not (is_table(path) or is_typed(path)):
        return {}
    return {"main": path}


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
    size = size * _PACKED if path.suffix == ".gz" else size
    if not is_typed(path) and size > most_in_memory() and find_dialect(path)[0].separator == LABEL:
        return 0  # lines of a label and a text have no form of chunks
    return size

"""Reads tables: `.csv`, `.tsv`, `.txt` (gzipped or not), `.parquet`, and pandas DataFrames.

Gives the frame as it stands, every row as long as the header; what its columns mean is found out
in `columns.py`. Missing are: an empty cell, NA, N/A, nan, null, None and a lone `?`.
"""

import csv
import gzip
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TextIO

import pandas as pd
import pyarrow as pa

from autosynth.data.raw import Raw, Rows
from autosynth.errors import DataError

SUFFIXES = (".csv", ".tsv", ".txt", ".parquet")
_SEPARATORS = ",\t;|"
_LISTED = 12
_RAGGED = re.compile(r"Expected (\d+) fields in line (\d+), saw (\d+)")


def is_table(path: Path) -> bool:
    """Whether `path` is named like a table."""
    return path.is_file() and Path(path.name.removesuffix(".gz")).suffix.lower() in SUFFIXES


def read_table(path: Path, target: str | None, *, labelled: bool = True) -> Raw:
    """The table in `path`; with `labelled`, `target` names the column to predict.

    Raises `DataError` for a file that cannot be read, an empty table, ragged rows, columns of one
    name, and a target that is not named or not there.
    """
    frame, warnings = read_frame(path)
    name = path.name.removesuffix(".gz").rsplit(".", 1)[0]
    return frame_rows(frame, name, str(path), target, labelled=labelled, warnings=warnings)


def frame_rows(
    frame: pd.DataFrame,
    name: str,
    source: str,
    target: str | None,
    *,
    labelled: bool = True,
    warnings: tuple[str, ...] = (),
) -> Raw:
    """`frame` with `target` taken out of its columns; see `read_table` for errors."""
    frame = checked_frame(frame, source)
    y = None
    if labelled:
        target = _known_target(target, list(frame.columns), source)
        y = frame[target].reset_index(drop=True)
    if target in frame.columns:
        frame = frame.drop(columns=[target])
    rows = Rows(x=frame, y=y, index=range(len(frame)))
    return Raw(
        name=name,
        source=source,
        target=target or "target",
        main=rows,
        kind="table",
        warnings=warnings,
    )


def read_frame(path: Path) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """The frame in `path`, and warnings about how it was read."""
    if path.suffix.lower() == ".parquet":
        try:
            return pd.read_parquet(path), ()
        except (OSError, ValueError, pa.ArrowException) as error:
            raise DataError(f"{path} cannot be read as parquet: {error}.") from error
    encoding, warnings = _encoding(path)
    separator, header = _header(path, encoding)
    _check_names(header, str(path))
    frame = _parse(path, separator, encoding)
    if len(frame.columns) != len(header) or not isinstance(frame.index, pd.RangeIndex):
        _check_lengths(path, separator, encoding, len(header))
        raise DataError(f"the header of {path} does not fit its rows.")
    if _may_be_ragged(frame):
        _check_lengths(path, separator, encoding, len(header))
    # pandas tells columns of one name apart; the header's own names are kept where it has any.
    frame.columns = pd.Index(
        [name or str(frame.columns[place]) for place, name in enumerate(header)], dtype=object
    )
    return frame, warnings


def _header(path: Path, encoding: str) -> tuple[str, list[str]]:
    """The separator and the column names; empty names stay empty."""
    with _opened(path, encoding) as file:
        first = file.readline()
        if not first.strip():
            raise DataError(f"{path} is an empty table; its first line holds the column names.")
        separator = _separator(first)
        file.seek(0)
        cells = next(_cells(file, separator, path))[1]
    return separator, [cell.strip() for cell in cells]


def _cells(file: TextIO, separator: str, path: Path) -> Iterator[tuple[int, list[str]]]:
    """Line number and cells of each row."""
    reader = csv.reader(file, delimiter=separator, skipinitialspace=True)
    try:
        for row in reader:
            yield reader.line_num, row
    except csv.Error as error:
        raise DataError(f"{path}:{reader.line_num} cannot be read: {error}.") from error


def _parse(path: Path, separator: str, encoding: str) -> pd.DataFrame:
    try:
        return pd.read_csv(
            path,
            sep=separator,
            encoding=encoding,
            na_values=["?"],
            skipinitialspace=True,
            low_memory=False,
        )
    except pd.errors.ParserError as error:
        found = _RAGGED.search(str(error))
        if found is None:
            raise DataError(f"{path} cannot be read as a table: {error}.") from error
        columns, line, cells = found.groups()
        raise _ragged(path, int(line), int(cells), int(columns), separator) from error
    except (OSError, EOFError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read: {error}.") from error


def _may_be_ragged(frame: pd.DataFrame) -> bool:
    # pandas fills a short row with missing cells, so a short row lacks its last one.
    return bool(len(frame)) and bool(frame.iloc[:, -1].isna().any())


def _check_lengths(path: Path, separator: str, encoding: str, columns: int) -> None:
    with _opened(path, encoding) as file:
        for line, row in _cells(file, separator, path):
            if row and len(row) != columns:
                raise _ragged(path, line, len(row), columns, separator)


def _ragged(path: Path, line: int, cells: int, columns: int, separator: str) -> DataError:
    return DataError(
        f"{path}:{line}: {cells} cells, where the header names {columns} columns. Give every row "
        f"one cell a column, and quote cells that hold {separator!r}."
    )


def checked_frame(frame: pd.DataFrame, source: str) -> pd.DataFrame:
    """`frame` with text for column names and rows numbered from 0."""
    names = [str(name) for name in frame.columns]
    _check_names(names, source)
    if not len(frame):
        raise DataError(f"{source} is an empty table: {len(names)} columns and no rows.")
    frame = frame.reset_index(drop=True)
    frame.columns = pd.Index(names, dtype=object)
    return frame


def _check_names(names: list[str], source: str) -> None:
    twice = [name for name, count in Counter(names).items() if count > 1 and name]
    if twice:
        raise DataError(
            f"{source}: {len(twice)} column names stand twice: {', '.join(twice[:_LISTED])}. "
            "Rename them."
        )


def _known_target(target: str | None, columns: list[str], source: str) -> str:
    listed = ", ".join(columns[:_LISTED])
    more = f", ... ({len(columns)} in all)" if len(columns) > _LISTED else ""
    if target is None:
        raise DataError(
            f"{source} is a table and no target is named. Name the column to predict with "
            f"--target; its columns: {listed}{more}."
        )
    if target not in columns:
        near = get_close_matches(target, columns, n=1, cutoff=0.5)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise DataError(
            f"target {target!r} is no column of {source}; its columns: {listed}{more}.{hint}"
        )
    return target


def _separator(line: str) -> str:
    return max(_SEPARATORS, key=line.count) if any(s in line for s in _SEPARATORS) else ","


def _encoding(path: Path) -> tuple[str, tuple[str, ...]]:
    """UTF-8 where the file is, else latin-1 with a warning. Zero bytes are no text."""
    try:
        data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError) as error:
        raise DataError(f"{path} cannot be read: {error}.") from error
    if b"\0" in data:
        raise DataError(f"{path} is no text: byte {data.index(0)} is zero. Save it as UTF-8 text.")
    try:
        data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        return "latin-1", (f"{path}:{line} is not UTF-8; the file was read as latin-1",)
    return "utf-8-sig", ()


@contextmanager
def _opened(path: Path, encoding: str) -> Iterator[TextIO]:
    if path.suffix == ".gz":
        with gzip.open(path, "rt", encoding=encoding, newline="") as file:
            yield file
    else:
        with path.open(encoding=encoding, newline="") as file:
            yield file


def join_frames(frames: list[pd.DataFrame], source: str) -> pd.DataFrame:
    """Parts of one table under each other; the columns are those of the first, in its order."""
    columns = list(frames[0].columns)
    for frame in frames[1:]:
        lacking = [name for name in columns if name not in frame.columns]
        if lacking:
            raise DataError(
                f"the test part of {source} lacks columns of the training part: "
                f"{', '.join(lacking[:_LISTED])}."
            )
    if len(frames) == 1:
        return frames[0]
    return pd.concat([frame[columns] for frame in frames], ignore_index=True)


def as_frame(x: Any) -> pd.DataFrame:
    """A two-dimensional array as a frame with the columns `x0`, `x1`, ...; a frame as it is."""
    if isinstance(x, pd.DataFrame):
        return x
    return pd.DataFrame(x, columns=pd.Index([f"x{i}" for i in range(x.shape[1])], dtype=object))

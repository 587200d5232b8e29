"""Reads tables: `.csv`, `.tsv`, `.txt`, `.data`, gzipped or not; those of `frames.py`; frames.

Gives the frame as it stands, every row as long as the header; what its columns mean is found out
in `columns.py`. Missing are: an empty cell, NA, N/A, nan, null, None and a lone `?`.
"""

import re
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import pandas as pd

from autosynth.data.source.dialect import (
    LABEL,
    SEPARATORS,
    Dialect,
    cells,
    find_dialect,
    twice,
)
from autosynth.data.source.encoding import opened
from autosynth.data.source.frames import READERS
from autosynth.data.source.parse import parse_table
from autosynth.data.source.raw import Raw, RawRows
from autosynth.errors import DataError

TABLE_SUFFIXES = (".csv", ".tsv", ".txt", ".data", ".all", ".train", ".test", *READERS)
_LISTED = 12
_OPEN = re.compile(r"EOF inside string starting at row (\d+)")


def is_table(path: Path) -> bool:
    """Whether `path` is named like a table."""
    return path.is_file() and _suffix(path) in TABLE_SUFFIXES


def _suffix(path: Path) -> str:
    return Path(path.name.removesuffix(".gz")).suffix.lower()


def read_table(path: Path, target: Sequence[str], *, labelled: bool = True) -> Raw:
    """The table in `path`; with `labelled`, `target` names the columns to predict.

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
    target: Sequence[str],
    *,
    labelled: bool = True,
    warnings: tuple[str, ...] = (),
) -> Raw:
    """`frame` with `target` taken out of its columns; see `read_table` for errors."""
    frame = checked_frame(frame, source)
    y: pd.Series[Any] | pd.DataFrame | None = None
    if labelled:
        target = _known_target(target, list(frame.columns), source)
        y = (frame[target[0]] if len(target) == 1 else frame[target]).reset_index(drop=True)
    frame = frame.drop(columns=[name for name in target if name in frame.columns])
    folder = str(Path(source).parent) if Path(source).is_file() else ""
    rows = RawRows(x=frame, y=y, index=range(len(frame)), folder=folder)
    return Raw(
        name=name,
        source=source,
        target=" + ".join(target) or "target",
        main=rows,
        kind="table",
        warnings=warnings,
    )


def read_frame(path: Path) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """The frame in `path`, and warnings about how it was read."""
    reader = READERS.get(_suffix(path))
    if reader is not None:
        return reader(path), ()
    dialect, warnings = find_dialect(path)
    if dialect.separator == LABEL:
        return _labelled(path, dialect), warnings
    check_names(dialect.names, str(path))
    frame, even = _parse(path, dialect)
    if len(frame.columns) != len(dialect.names) or not isinstance(frame.index, pd.RangeIndex):
        check_lengths(path, dialect)
        raise DataError(f"the header of {path} does not fit its rows.")
    if not even and _may_be_ragged(frame):
        check_lengths(path, dialect)
    # pandas tells columns of one name apart; the header's own names are kept where it has any.
    frame.columns = pd.Index(
        [name or str(frame.columns[place]) for place, name in enumerate(dialect.names)],
        dtype=object,
    )
    return frame, warnings


def _labelled(path: Path, dialect: Dialect) -> pd.DataFrame:
    """Lines of a label and a text; fastText's `__label__` says nothing."""
    with opened(path, dialect.encoding) as file:
        lines = [line.strip() for line in file][dialect.skip :]
    pairs = [(*line.split(maxsplit=1), "")[:2] for line in lines if line]
    frame = pd.DataFrame(pairs, columns=pd.Index(dialect.names, dtype=object))
    frame[LABEL] = frame[LABEL].str.removeprefix("__label__")
    return frame


def _parse(path: Path, dialect: Dialect) -> tuple[pd.DataFrame, bool]:
    try:
        return parse_table(path, dialect)
    except pd.errors.ParserError as error:
        if found := _OPEN.search(str(error)):
            raise DataError(
                f"{path}: the quote that row {found[1]} opens is never closed. Is the file whole? "
                "Get it again, or close the quote."
            ) from error
        check_lengths(path, dialect)
        raise DataError(f"{path} cannot be read as a table: {error}.") from error


def _may_be_ragged(frame: pd.DataFrame) -> bool:
    # pandas fills a short row with missing cells, so a short row lacks its last one.
    return bool(len(frame)) and bool(frame.iloc[:, -1].isna().any())


def check_lengths(path: Path, dialect: Dialect) -> None:
    """Raise `DataError` for the first row that is longer or shorter than the header."""
    columns, separator = len(dialect.names), dialect.separator
    with opened(path, dialect.encoding) as file:
        rows = cells(file, separator, path, quoted=dialect.quoted)
        for line, row in rows:
            if row and line > dialect.skip and len(row) != columns:
                last = len(row) < columns and not any(other for _, other in rows)
                raise DataError(
                    f"{path}:{line}: {len(row)} cells, where the header names {columns} columns. "
                    + _cure(row, columns, separator, last=last)
                )


def _cure(row: Sequence[str], columns: int, separator: str, *, last: bool) -> str:
    """What to do about a row of another length than the header."""
    for other in SEPARATORS:
        if other != separator and len(row) == 1 and row[0].count(other) + 1 == columns:
            return f"It is separated by {other!r}, and others by {separator!r}: use one of them."
    if last:
        return "It is the last line: the file may be cut off. Get it again, or take the line out."
    return f"Give every row one cell a column, and quote cells that hold {separator!r}."


def checked_frame(frame: pd.DataFrame, source: str) -> pd.DataFrame:
    """`frame` with text for column names and rows numbered from 0."""
    names = [str(name) for name in frame.columns]
    check_names(names, source)
    if not len(frame):
        raise DataError(f"{source} is an empty table: {len(names)} columns and no rows.")
    frame = frame.reset_index(drop=True)
    frame.columns = pd.Index(names, dtype=object)
    return frame


def check_names(names: Sequence[str], source: str) -> None:
    """Raise `DataError` for columns of one name."""
    if found := twice(names):
        raise DataError(
            f"{source}: {len(found)} column names stand twice: {', '.join(found[:_LISTED])}. "
            "Rename them."
        )


def _known_target(target: Sequence[str], columns: list[str], source: str) -> list[str]:
    if not target and sorted(columns) == [LABEL, "text"]:
        return [LABEL]
    listed = ", ".join(columns[:_LISTED])
    more = f", ... ({len(columns)} in all)" if len(columns) > _LISTED else ""
    if not target:
        raise DataError(
            f"{source} is a table and no target is named. Name the column to predict with "
            f"--target; its columns: {listed}{more}."
        )
    for name in target:
        if name not in columns:
            near = get_close_matches(name, columns, n=1, cutoff=0.5)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise DataError(
                f"target {name!r} is no column of {source} (--target names it); its columns: "
                f"{listed}{more}.{hint}"
            )
    if len(set(target)) < len(target):
        raise DataError(f"a target is named twice: {', '.join(target)}. Name each once.")
    return list(target)


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

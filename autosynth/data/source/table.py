"""Reads tables: `.csv`, `.tsv`, `.txt`, `.data`, gzipped or not; those of `frames.py`; frames.

Gives the frame as it stands, every row as long as the header; what its columns mean is found out
in `columns.py`. Missing are: an empty cell, NA, N/A, nan, null, None and a lone `?`.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import pandas as pd

from autosynth.data.source.dialect import (
    LABEL,
    SEPARATORS,
    Dialect,
    find_dialect,
    twice,
)
from autosynth.data.source.encoding import plain_name
from autosynth.data.source.frames import READERS
from autosynth.data.source.limits import COLUMNS
from autosynth.data.source.location import split_part
from autosynth.data.source.parse import parse_table, past_preface
from autosynth.data.source.raw import Index, Raw, RawRows, index_of, levels_of
from autosynth.data.source.records import core, record_cells
from autosynth.data.source.rows import BatchedRows
from autosynth.errors import DataError, did_you_mean

TABLE_SUFFIXES = (
    *(".csv", ".tsv", ".txt", ".data", ".dat", ".all", ".train", ".test"),
    *READERS,
)
_LISTED = 12
_Table = TypeVar("_Table", pd.DataFrame, BatchedRows)
_OPEN = re.compile(r"EOF inside string starting at row (\d+)")


def is_table(path: Path) -> bool:
    """Whether `path` is named like a table."""
    return split_part(path)[0].is_file() and table_suffix(path) in TABLE_SUFFIXES


def table_suffix(path: Path) -> str:
    """The suffix of a table's file, packed or not, in lower case."""
    return Path(plain_name(split_part(path)[0])).suffix.lower()


def frame_rows(
    frame: _Table,
    name: str,
    source: str,
    target: Sequence[str],
    *,
    labelled: bool = True,
    warnings: tuple[str, ...] = (),
) -> Raw:
    """A table; with `labelled`, `target` names the columns that are taken out to be predicted.

    Raises:
        DataError: an empty table, columns of one name, a target that is not named or not there.
    """
    index, assumed = index_of(frame), tuple[str, ...]()
    frame = checked_frame(frame, source)
    names = tuple(frame.columns)
    if isinstance(frame, pd.DataFrame):
        frame, assumed = with_index(frame, index, target)
    y: pd.Series[Any] | pd.DataFrame | None = None
    if labelled:
        target = _known_target(target, list(frame.columns), source)
        values = [frame[each].reset_index(drop=True) for each in target]
        y = values[0] if len(values) == 1 else pd.concat(values, axis=1)
    if there := [name for name in target if name in frame.columns]:
        frame = frame.drop(columns=there)
    file, _ = split_part(Path(source))
    folder = str(file.parent) if file.is_file() else ""
    rows = RawRows(x=frame, y=y, index=index, folder=folder)
    return Raw(
        name=name,
        source=source,
        target=" + ".join(target) or "target",
        main=rows,
        kind="table",
        columns=names,
        warnings=warnings,
        assumed=assumed,
    )


def with_index(
    frame: pd.DataFrame, index: Index, names: Sequence[str] = ()
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """A frame with the levels of its index that are data as columns, and what was assumed there.

    One level names the rows, and is a column where it is one of `names` alone. Several levels are
    columns, those that have a name: they say whom and when a row is about.
    """
    several = isinstance(index, pd.MultiIndex)
    found = levels_of(index, set(frame.columns))
    found = {name: values for name, values in found.items() if several or name in names}
    if found:
        frame = frame.assign(**found)
    if not several:
        return frame, ()
    shown = ", ".join(found) or "none"
    return frame, (
        f"levels of the index that have a name are columns: {shown} (surely; leave one out with "
        "--drop)",
    )


def read_frame(path: Path) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """The frame in `path`, and warnings about how it was read."""
    if is_typed(path):
        return read_whole(path, None), ()
    dialect, warnings = find_dialect(path)
    return read_whole(path, dialect), warnings


def is_typed(path: Path) -> bool:
    """Whether a table's file knows its types, and is no text that has a dialect."""
    return table_suffix(path) in READERS


def read_whole(
    path: Path, dialect: Dialect | None, words: Sequence[str] = (), text: Sequence[str] = ()
) -> pd.DataFrame:
    """The frame in a file, of text by its dialect.

    In the columns `words` of a text file, names or patterns, such as mean no value stay words;
    the columns `text` stay text.
    """
    if dialect is None:
        return READERS[table_suffix(path)](path)
    if dialect.separator == LABEL:
        with past_preface(path, dialect) as file:
            return label_frame([*file], dialect)
    check_names(dialect.names, str(path))
    frame, even = _parse(path, dialect, words, text)
    names = dialect.columns
    more = frame.iloc[:, len(names) :]
    if len(frame.columns) < len(names) or not isinstance(frame.index, pd.RangeIndex):
        check_lengths(path, dialect)
        raise DataError(f"the header of {path} does not fit its rows.")
    if more.notna().any(axis=None) or (not even and (dialect.trailing or _may_be_ragged(frame))):
        check_lengths(path, dialect)
    return frame.iloc[:, : len(names)].set_axis(pd.Index(names, dtype=object), axis=1)


def label_frame(lines: Sequence[str], dialect: Dialect) -> pd.DataFrame:
    """Lines of a label and a text; fastText's `__label__` says nothing."""
    pairs = [(*line.strip().split(maxsplit=1), "")[:2] for line in lines if line.strip()]
    frame = pd.DataFrame(pairs, columns=pd.Index(dialect.names, dtype=object))
    frame[LABEL] = frame[LABEL].str.removeprefix("__label__")
    return frame


def _parse(
    path: Path, dialect: Dialect, words: Sequence[str], text: Sequence[str]
) -> tuple[pd.DataFrame, bool]:
    try:
        return parse_table(path, dialect, words, text)
    except pd.errors.ParserError as error:
        if found := _OPEN.search(str(error)):
            raise DataError(
                f"{path}: the quote that row {found[1]} opens is never closed. Is the file whole? "
                "Get it again, or close the quote."
            ) from error
        check_lengths(path, dialect)
        raise DataError(f"{path} cannot be read as a table: {str(error).rstrip('.')}.") from error


def _may_be_ragged(frame: pd.DataFrame) -> bool:
    # pandas fills a short row with missing cells, so a short row lacks its last one.
    return bool(len(frame)) and bool(frame.iloc[:, -1].isna().any())


def check_lengths(path: Path, dialect: Dialect) -> None:
    """Raise `DataError` for the first row that is longer or shorter than the header."""
    columns, separator = len(dialect.names), dialect.separator
    with past_preface(path, dialect) as file:
        rows = record_cells(file, dialect.form, path)
        for past, row in rows:
            line = past + dialect.skip
            if row and len(core(row, columns) if dialect.trailing else row) != columns:
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


def checked_frame(frame: _Table, source: str) -> _Table:
    """A table with text for column names and rows numbered from 0.

    Raises:
        DataError: two columns have one name, or there is no row.
    """
    names = [str(name) for name in frame.columns]
    check_names(names, source)
    if not len(frame):
        raise DataError(f"{source} is an empty table: {len(names)} columns and no rows.")
    if isinstance(frame, BatchedRows):
        return frame
    frame = frame.reset_index(drop=True)
    frame.columns = pd.Index(names, dtype=object)
    return frame


def check_names(names: Sequence[str], source: str) -> None:
    """Raise `DataError` for columns of one name, or too many."""
    COLUMNS.check(len(names), source)
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
            raise DataError(
                f"target {name!r} is no column of {source} (--target names it); its columns: "
                f"{listed}{more}.{did_you_mean(name, columns)}"
            )
    if len(set(target)) < len(target):
        raise DataError(f"a target is named twice: {', '.join(target)}. Name each once.")
    return list(target)

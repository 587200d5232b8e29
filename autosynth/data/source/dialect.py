"""Finds how a table is written as text: encoding, separator, quotes, header, lines before it.

Takes a file; gives a `Dialect` by which all of it can be read. Decided by the file's first lines:
the separator is what gives each of them equally many cells.
"""

import csv
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from autosynth.data.source.encoding import find_encoding, opened
from autosynth.errors import DataError

SEPARATORS = ",\t;|"
LABEL = "label"
"""In place of a separator: every line is a label, a space and a text."""

_SAMPLE = 200
_MIN_LINES = 10
_MOST_LABELS = 100
_NEARLY = 0.95  # of the lines
_MIN_LABELLED = 0.95
_MOSTLY = 0.8
_FIRST_YEAR = 1000


@dataclass(frozen=True, kw_only=True)
class Dialect:
    """How a file is written.

    `skip` lines stand before the first row. `names` are those of the header, or made up where
    there is none (`header` False): `column1` and so on.
    """

    encoding: str
    separator: str
    skip: int
    quoted: bool
    header: bool
    names: tuple[str, ...]


def find_dialect(path: Path) -> tuple[Dialect, tuple[str, ...]]:
    """The dialect of a file, and what the user should know of it.

    Raises:
        DataError: the file is no text, or empty.
    """
    encoding, warnings = find_encoding(path)
    with opened(path, encoding) as file:
        lines = [line for line in _lines(file) if line.strip()]
        if not lines:
            raise DataError(f"{path} is an empty table; its first line holds the column names.")
        return _dialect(path, encoding, lines, warnings)


def _dialect(
    path: Path, encoding: str, lines: list[str], warnings: tuple[str, ...]
) -> tuple[Dialect, tuple[str, ...]]:
    skip = _comments(lines)
    lines = lines[skip:]
    separator = _separator(lines)
    if separator == LABEL:
        return Dialect(
            encoding=encoding,
            separator=LABEL,
            skip=skip,
            quoted=False,
            header=False,
            names=(LABEL, "text"),
        ), warnings
    quoted = separator != "\t" or not any(line.count('"') % 2 for line in lines)
    rows = [row for _, row in cells(lines, separator, path, quoted=quoted) if row]
    header = _has_header(rows)
    names = tuple(cell.strip() for cell in rows[0])
    if not header:
        names = _made_up(rows)
        warnings += (
            f"{path} has no line of column names; they are called {', '.join(names[:3])}"
            + (" ..." if len(names) > 3 else ""),
        )
    return Dialect(
        encoding=encoding,
        separator=separator,
        skip=skip,
        quoted=quoted,
        header=header,
        names=names,
    ), warnings


def cells(
    lines: Iterator[str] | Sequence[str] | TextIO, separator: str, path: Path, *, quoted: bool
) -> Iterator[tuple[int, list[str]]]:
    """Line number and cells of each row."""
    reader = csv.reader(
        lines,
        delimiter=separator,
        skipinitialspace=True,
        quoting=csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE,
    )
    try:
        for row in reader:
            yield reader.line_num, row
    except csv.Error as error:
        raise DataError(f"{path}:{reader.line_num} cannot be read: {error}.") from error


def _lines(file: TextIO) -> Iterator[str]:
    """The first lines, to the end of a quoted cell."""
    inside = False
    for number, line in enumerate(file):
        if number >= _SAMPLE and not inside:
            return
        inside ^= bool(line.count('"') % 2)
        yield line
        if number >= 10 * _SAMPLE:
            return


def _comments(lines: Sequence[str]) -> int:
    """How many lines stand before the table: `# ...` or `| ...`, of other cells than the next."""
    skip = 0
    while skip + 1 < len(lines) and lines[skip].startswith(("#", "|")):
        here, after = (
            [line.count(separator) for separator in SEPARATORS] for line in lines[skip : skip + 2]
        )
        if here == after:
            break
        skip += 1
    return skip


def _separator(lines: Sequence[str]) -> str:
    """What cuts nearly every line into as many cells; or a label and a text a line; else a guess.

    A file that breaks off has a last line of fewer cells, and is no other form for that.
    """
    found = {separator: _width(lines, separator) for separator in (*SEPARATORS, " ")}
    best = max(SEPARATORS, key=lambda separator: found[separator])
    if found[best] > 1:
        return best
    if found[" "] > 2:
        return " "
    nearly = {separator: _width(lines, separator, _NEARLY) for separator in SEPARATORS}
    best = max(SEPARATORS, key=lambda separator: nearly[separator])
    if nearly[best] > 1:
        return best
    if _are_labelled(lines):
        return LABEL
    most = max(SEPARATORS, key=lines[0].count)
    if most in lines[0]:
        return most
    # One column, whose texts may hold commas: what no line holds separates nothing.
    unused = (each for each in SEPARATORS if not any(each in line for line in lines))
    return next(unused, ",")


def _width(lines: Sequence[str], separator: str, share: float = 1.0) -> int:
    """The number of cells in the first line and that share of all; 0 where lines differ."""
    reader = csv.reader(lines, delimiter=separator, skipinitialspace=True)
    try:
        widths = [len(row) for row in reader if row]
    except csv.Error:
        return 0
    return widths[0] if widths and widths.count(widths[0]) >= share * len(widths) else 0


def _are_labelled(lines: Sequence[str]) -> bool:
    words = [line.split(maxsplit=2) for line in lines]
    texts = sum(len(each) == 3 for each in words)
    labels = {each[0] for each in words}
    few = 1 < len(labels) <= min(_MOST_LABELS, len(lines) // 5)
    return len(lines) >= _MIN_LINES and few and texts >= _MIN_LABELLED * len(lines)


def _has_header(rows: Sequence[Sequence[str]]) -> bool:
    """Whether the first row is unlike those below it.

    It is, where a column of numbers begins with a word. It is not, where a cell of it is a number
    (but for numbers that count up from 0, or years), or stands below in its own column again.
    """
    first, rest = rows[0], [row for row in rows[1:] if len(row) == len(rows[0])]
    if not rest:
        return True
    numbers = [_is_number(cell) for cell in first]
    columns = list(zip(*rest, strict=True))
    for is_number, column in zip(numbers, columns, strict=True):
        given = [cell for cell in column if cell.strip() not in ("", "?")]
        if not is_number and given and sum(map(_is_number, given)) > _MOSTLY * len(given):
            return True
    if any(numbers):
        given = [float(cell) for cell, is_number in zip(first, numbers, strict=True) if is_number]
        steps = {after - before for before, after in zip(given[:-1], given[1:], strict=True)}
        return steps == {1.0} and (given[0] == 0 or given[0] >= _FIRST_YEAR)
    again = sum(cell in column for cell, column in zip(first, columns, strict=True))
    return again == 0


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _made_up(rows: Sequence[Sequence[str]]) -> tuple[str, ...]:
    """Names of columns that have none: `text` and `label` of two of which one is sentences."""
    first = rows[0]
    if len(first) == 2:
        words = [sum(len(row[i].split()) for row in rows if len(row) == 2) for i in (0, 1)]
        kinds = [len({row[i] for row in rows if len(row) == 2}) for i in (0, 1)]
        for i in (0, 1):
            if words[i] >= 3 * len(rows) and kinds[1 - i] <= max(2, len(rows) // 5):
                return ("text", LABEL) if i == 0 else (LABEL, "text")
    return tuple(f"column{number}" for number in range(1, len(first) + 1))


def twice(names: Sequence[str]) -> list[str]:
    """The names that stand more than once."""
    return [name for name, count in Counter(names).items() if count > 1 and name]

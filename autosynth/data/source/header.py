"""Tells whether the first record of a table names its columns, and makes names where none does."""

import re
from collections.abc import Sequence

from autosynth.data.source.limits import COLUMNS

_FIRST_LINES = 10
_MOSTLY = 0.8
_FIRST_YEAR = 1000
_DATE = re.compile(r"\d{1,4}([-/.])\d{1,2}\1\d{1,4}")


def check_width(lines: Sequence[str], separators: str, place: str) -> None:
    """Raise `DataError` for more columns than may be, before any line is cut into cells.

    What most of the first lines hold counts: one of them may be a text, or stand before the table.
    """
    first = [line for line in lines[:_FIRST_LINES] if line.strip()]
    counts = sorted(max(map(line.count, separators)) + 1 for line in first)
    COLUMNS.check(counts[len(counts) // 2] if counts else 0, place)


def has_header(rows: Sequence[Sequence[str]]) -> bool:
    """Whether the first row is unlike those below it.

    It is, where a column of numbers begins with a word. It is not, where a cell of it is a number
    (but for numbers that count up from 0, or years), or stands below in its own column again.
    """
    first, rest = rows[0], [row for row in rows[1:] if len(row) == len(rows[0])]
    if not rest or names_numbers(rows):
        return True
    numbers = [is_number(cell) for cell in first]
    columns = list(zip(*rest, strict=True))
    if any(numbers):
        given = [float(cell) for cell, is_number in zip(first, numbers, strict=True) if is_number]
        steps = {after - before for before, after in zip(given[:-1], given[1:], strict=True)}
        return steps == {1.0} and (given[0] == 0 or given[0] >= _FIRST_YEAR)
    again = sum(cell in column for cell, column in zip(first, columns, strict=True))
    return again == 0


def lacking_header(
    rows: Sequence[Sequence[str]], headers: Sequence[Sequence[str]]
) -> tuple[str, ...]:
    """The one of some headers that fits rows which have none; nothing where they have their own.

    They have, where a cell of the first row is a name of one of them, however it is written, or
    a column of numbers begins with a word.
    """
    known = {name.casefold() for names in headers for name in names}
    named = any(c.strip().casefold() in known for c in rows[0] if not is_number(c))
    numbered = sum(cell.strip() in known for cell in rows[0]) > len(rows[0]) / 2
    if named or numbered or names_numbers(rows):
        return ()
    return next((tuple(names) for names in headers if len(names) == len(rows[0])), ())


def names_numbers(rows: Sequence[Sequence[str]]) -> bool:
    """Whether a column of numbers begins with a word."""
    first, rest = rows[0], [row for row in rows[1:] if len(row) == len(rows[0])]
    for name, column in zip(first, zip(*rest, strict=True), strict=False):
        given = [cell for cell in column if cell.strip() not in ("", "?")]
        if given and not is_number(name) and sum(map(is_number, given)) > _MOSTLY * len(given):
            return True
    return False


def titles_above(rows: Sequence[Sequence[str]]) -> int:
    """How many first rows, as wide as the table, stand above its names: `Sales, North, 2024`.

    A number or a date in them names no column, where the row after them does: names of numbers.
    """
    above = 0
    while above < min(_FIRST_LINES, len(rows) - 2) and any(map(_is_value, rows[above])):
        above += 1
    names = rows[above]
    alike = all(len(row) == len(names) for row in rows[:above])
    good = all(names) and len(set(names)) == len(names) and not any(map(_is_value, names))
    return above if alike and good and names_numbers(rows[above:]) else 0


def _is_value(cell: str) -> bool:
    return is_number(cell) or _DATE.match(cell.strip()) is not None


def is_number(cell: str) -> bool:
    """Whether a cell reads as a number."""
    try:
        float(cell)
    except ValueError:
        return False
    return True


def made_up(rows: Sequence[Sequence[str]]) -> tuple[str, ...]:
    """Names of columns that have none: `text` and `label` of two of which one is sentences."""
    first = rows[0]
    if len(first) == 2:
        words = [sum(len(row[i].split()) for row in rows if len(row) == 2) for i in (0, 1)]
        kinds = [len({row[i] for row in rows if len(row) == 2}) for i in (0, 1)]
        for i in (0, 1):
            if words[i] >= 3 * len(rows) and kinds[1 - i] <= max(2, len(rows) // 5):
                return ("text", "label") if i == 0 else ("label", "text")
    return tuple(f"column{number}" for number in range(1, len(first) + 1))

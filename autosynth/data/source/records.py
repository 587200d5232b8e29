"""Cuts lines of text into the cells of records, by the `csv` module.

Takes lines and a `Form` (separator, quotes, escapes); gives the cells of every record with the
line that it begins on, and whether a quote of it stands where none opens or closes a cell.
"""

import csv
import re
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from autosynth.data.source.limits import LINE
from autosynth.errors import DataError

ALIGNED = "  "
"""In place of a separator: two blanks or more, or a tab; single blanks stand inside cells."""

_ALIGNED = re.compile(r" {2,}|\t")


@dataclass(frozen=True, kw_only=True)
class Form:
    """What separates cells and quotes them; "" for a sign that there is not."""

    separator: str
    quote: str = '"'
    escape: str = ""

    def options(self, *, strict: bool = False) -> dict[str, Any]:
        """As `csv.reader` takes it."""
        return {
            "delimiter": self.separator,
            "quotechar": self.quote or None,
            "quoting": csv.QUOTE_MINIMAL if self.quote else csv.QUOTE_NONE,
            "escapechar": self.escape or None,
            "doublequote": not self.escape,
            "skipinitialspace": True,
            "strict": strict,
        }


@dataclass(frozen=True, kw_only=True)
class CsvRecord:
    """The cells of one record, and how many lines stand before it.

    `broken` is one with a quote that stands where none opens or closes a cell; `unclosed` says
    that it is the last line, whose quote is never closed: the file breaks off there.
    """

    line: int
    cells: Sequence[str]
    broken: bool = False
    unclosed: bool = False


def records(lines: Iterable[str], form: Form) -> Iterator[CsvRecord]:
    """Every record that holds anything, strictly: what is torn is `broken`."""
    if len(form.separator) > 1:
        for line, found in record_cells(lines, form, Path()):
            if found:
                yield CsvRecord(line=line - 1, cells=found)
        return
    lines = _doubled(_closed(_stripped(lines, form), form), form)
    strict = replace(form, escape="") if form.quote else form
    reader = csv.reader(lines, **strict.options(strict=True))
    while True:
        line = reader.line_num
        try:
            found = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            _check_length(error, line)
            ends = "unexpected end" in str(error) and reader.line_num - line == 1
            # Between tabs quotes are often nothing but marks.
            unclosed = ends and form.separator != "\t"
            yield CsvRecord(line=line, cells=("",), broken=True, unclosed=unclosed)
            continue
        if found and (len(found) > 1 or found[0].strip() or reader.line_num - line > 1):
            yield CsvRecord(line=line, cells=found)


def all_fit(lines: Iterable[str], form: Form, widths: Container[int]) -> bool:
    """Whether all records are seen at once to be whole and of such widths.

    `csv` does it by itself, five times as fast as `records`, which is asked where it does not:
    17 MB of quoted texts take 0.3 s.
    """
    if form.escape or len(form.separator) > 1:
        return False
    reader = csv.reader(lines, **form.options(strict=True))
    try:
        found = set(map(len, reader)) - {0}
    except csv.Error:
        return False
    return all(width in widths for width in found)


def record_cells(lines: Iterable[str], form: Form, path: Path) -> Iterator[tuple[int, list[str]]]:
    """Number of the last line, and cells, of each record, as a reader reads them.

    Raises `DataError` for what `csv` cannot read.
    """
    if len(form.separator) > 1:
        for number, line in enumerate(lines, start=1):
            text = line.strip()
            aligned = form.separator == ALIGNED
            parts = _ALIGNED.split(text) if aligned else text.split(form.separator)
            yield number, parts if text else []
        return
    reader = csv.reader(_stripped(lines, form), **form.options())
    try:
        for row in reader:
            yield reader.line_num, row
    except csv.Error as error:
        _check_length(error, reader.line_num)
        raise DataError(f"{path}:{reader.line_num} cannot be read: {error}.") from error


def _check_length(error: csv.Error, line: int) -> None:
    """Raise `DataError` where a cell is longer than may be, as `opened` has told `csv`."""
    if "larger than field limit" in str(error):
        LINE.check(csv.field_size_limit() + 1, f"the record that begins in line {line + 1}")


def core(row: Sequence[str], width: int) -> Sequence[str]:
    """A row without empty cells beyond so many."""
    if len(row) > width and not any(cell.strip() for cell in row[width:]):
        return row[:width]
    return row


def _closed(lines: Iterable[str], form: Form) -> Iterable[str]:
    """A blank between a closing quote and a separator says nothing."""
    if not form.quote:
        return lines
    blank = re.compile(rf"{form.quote}[ ]+(?=[{re.escape(form.separator)}\r\n])")
    return (blank.sub(form.quote, line) if form.quote in line else line for line in lines)


def _doubled(lines: Iterable[str], form: Form) -> Iterable[str]:
    """Quotes after a backslash as two: `csv` is strict about no other escape."""
    if not form.quote or not form.escape:
        return lines
    escaped = re.compile(rf"{re.escape(form.escape)}([{form.quote}{re.escape(form.escape)}])")
    twice = {form.quote: 2 * form.quote, form.escape: form.escape}
    return (escaped.sub(lambda found: twice[found[1]], line) for line in lines)


def _stripped(lines: Iterable[str], form: Form) -> Iterable[str]:
    """Blanks around a line separate nothing where blanks separate cells."""
    if form.separator != " ":
        return lines
    return (line.strip() + "\n" for line in lines)

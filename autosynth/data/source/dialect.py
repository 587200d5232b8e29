"""Finds how a table is written as text: encoding, separator, quotes, header, lines before it.

Takes a file; gives a `Dialect` by which all of it can be read. A few candidates are tried on the
file's first lines: right is the one that cuts every record into equally many cells and whose
quotes open and close cells. Where the file holds quotes it is then held against all of the file,
so that a later line cannot make another table of it.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TextIO, TypeAlias

from autosynth.data.source.encoding import TextContent, find_encoding, opened
from autosynth.data.source.header import (
    check_width,
    has_header,
    is_number,
    lacking_header,
    made_up,
    names_numbers,
    titles_above,
)
from autosynth.data.source.limits import LINE
from autosynth.data.source.records import ALIGNED, CsvRecord, Form, all_fit, core, records
from autosynth.errors import DataError

Headers: TypeAlias = Sequence[Sequence[str]]
"""Names of columns that a file may have."""

SEPARATORS = ",\t;|"
LABEL = "label"
"""In place of a separator: every line is a label, a space and a text."""

_ONE = "\x1f"
"""The separator of a table of one column: a sign that stands in no text."""
_RARE = ("::", "^", "~", "\x01", "\x1f", ALIGNED)
"""Tried where no usual separator cuts the lines: MovieLens, Hive and unit separators, columns."""

# How cells are quoted, in the order in which they are believed: as everybody does, with a
# backslash before a quote inside, not at all, not at all with a backslash before a separator, and
# by apostrophes.
_QUOTES = (('"', ""), ('"', "\\"), ("", ""), ("", "\\"), ("'", ""))
_SAMPLE = 200
_ENOUGH = 2**24  # characters: where lines are so long, fewer of them tell
_MIN_LINES = 10
_MOST_LABELS = 100
_NEARLY = 0.95  # of the lines
_MIN_LABELLED = 0.95
_COMMENTS = ("#", "|", "%", "//")


@dataclass(frozen=True, kw_only=True)
class Dialect:
    """How a file is written.

    `skip` lines stand before the first row. `names` are those of the header, or made up where
    there is none (`header` False): `column1` and so on. A cell that holds the separator stands in
    `quote`, or the separator has `escape` before it; "" where there is no such sign. `trailing`
    says that rows end with separators which the header lacks, or which it alone has.
    """

    encoding: str
    separator: str
    skip: int = 0
    quote: str = '"'
    escape: str = ""
    header: bool = False
    names: tuple[str, ...]
    trailing: int = 0

    @property
    def form(self) -> Form:
        """What cuts its lines into cells."""
        return Form(separator=self.separator, quote=self.quote, escape=self.escape)

    @property
    def cells(self) -> tuple[str, ...]:
        """A name for every cell of a row, those of nothing but a separator after the others."""
        places = enumerate((*self.names, *[""] * self.trailing))
        return tuple(name or f"Unnamed: {place}" for place, name in places)

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of its columns; those without one are called by their place."""
        return self.cells[: len(self.names)]


@dataclass(frozen=True, kw_only=True)
class _Fit:
    """What one form makes of the lines of a file: its table begins with `rows[0]`.

    `width` is the number of cells of most rows, `share` how many of the rows have it; `clean`
    says that all have and that every quote opens or closes a cell. `unclosed` says that a last
    line is left out whose quote is never closed.
    """

    form: Form
    rows: Sequence[CsvRecord]
    width: int
    share: float
    clean: bool
    trailing: int = 0
    unclosed: bool = False


def find_dialect(
    path: Path, content: TextContent | None = None, headers: Headers = ()
) -> tuple[Dialect, tuple[str, ...]]:
    """The dialect of a file, and what the user should know of it.

    `content` is what is known of it already; `headers` are those that it may have, or lack, where
    another file of its table has been read.

    Raises:
        DataError: the file is no text, or empty.
    """
    content = content or find_encoding(path)
    with opened(path, content.encoding) as file:
        lines, is_cut = _lines(file, path)
    if not any(line.strip() for line in lines):
        raise DataError(f"{path} is an empty table; its first line holds the column names.")
    check_width(lines, SEPARATORS, str(path))
    named, begin = _named_separator(lines)
    fit = _best(lines[begin:], named, is_cut=is_cut)
    if fit is None:
        dialect = Dialect(
            encoding=content.encoding,
            separator=LABEL,
            skip=_comments(lines),
            quote="",
            names=(LABEL, "text"),
        )
        return dialect, content.warnings
    if is_cut and (content.quotes or fit.form.quote == "'"):
        fit = _held_against_all(path, content.encoding, begin, fit)
    if fit.unclosed:
        raise _unclosed(path, len(fit.rows))
    return _described(path, content, begin, fit, headers)


def _unclosed(path: Path, row: int) -> DataError:
    return DataError(
        f"{path}: the quote that row {row} opens is never closed. Is the file whole? "
        "Get it again, or close the quote."
    )


def _described(
    path: Path, content: TextContent, begin: int, fit: _Fit, headers: Headers
) -> tuple[Dialect, tuple[str, ...]]:
    rows = [core(record.cells, fit.width) for record in fit.rows]
    warnings = content.warnings
    lacking = lacking_header(rows, headers)
    header = not lacking and has_header(rows)
    names = tuple(cell.strip() for cell in rows[0])
    if fit.trailing and header:
        names = names[: fit.width]
    if lacking:
        names = lacking
        warnings += (
            f"{path} has no line of column names; they are taken from the training data, in its "
            "order",
        )
    elif not header:
        names = made_up(rows)
        warnings += (
            f"{path} has no line of column names; they are called {', '.join(names[:3])}"
            + (" ..." if len(names) > 3 else ""),
        )
    return Dialect(
        encoding=content.encoding,
        separator=fit.form.separator,
        skip=begin + fit.rows[0].line,
        quote=fit.form.quote,
        escape=fit.form.escape,
        header=header,
        names=names,
        trailing=max(0, fit.trailing),
    ), warnings


def _lines(file: TextIO, path: Path) -> tuple[list[str], bool]:
    """The first lines, to the end of a quoted cell; and whether there are more."""
    inside, size, cell = False, 0, 0
    found: list[str] = []
    for number, line in enumerate(file):
        enough = number >= _SAMPLE or size > _ENOUGH
        if number >= 10 * _SAMPLE or (enough and not inside):
            return found, True
        cell = cell + len(line) if inside else 0
        LINE.check(cell, f"{path}:{number + 1}")
        inside ^= bool(line.count('"') % 2)
        size += len(line)
        found.append(line)
    return found, False


def _named_separator(lines: Sequence[str]) -> tuple[str, int]:
    """The separator that a first line `sep=;` names, as Excel reads it; and the lines it takes."""
    first = lines[0].strip("\r\n").strip('"')
    if first.lower().startswith("sep=") and len(first) == len("sep=;"):
        return first[-1], 1
    return "", 0


def _best(lines: Sequence[str], named: str, *, is_cut: bool) -> _Fit | None:
    """What cuts every line into as many cells; None for a label and a text a line; else a guess.

    A file that breaks off has a last line of fewer cells, and is no other form for that.
    """
    usual = [_quoted_best(lines, separator, is_cut=is_cut) for separator in named or SEPARATORS]
    even = [fit for fit in usual if fit.share == 1 and fit.width > 1]
    if named or even:
        return max(even or usual, key=lambda fit: (fit.width, fit.clean))
    for separator, least in ((" ", 3), *((each, 2) for each in _RARE)):
        fit = _quoted_best(lines, separator, is_cut=is_cut)
        if fit.share == 1 and fit.width >= least and len(fit.rows) > 1:
            return fit
    nearly = [fit for fit in usual if fit.share >= _NEARLY and fit.width > 1]
    if nearly:
        return max(nearly, key=lambda fit: fit.width)
    if _are_labelled([line for line in lines[_comments(lines) :] if line.strip()]):
        return None
    first = next(line for line in lines if line.strip())
    most = max(usual, key=lambda fit: first.count(fit.form.separator))
    one = _quoted_best(lines, _ONE, is_cut=is_cut)
    if most.form.separator in first and not (one.form.quote and one.clean and '"' in first):
        return most
    return one


def _quoted_best(lines: Sequence[str], separator: str, *, is_cut: bool) -> _Fit:
    """Of one separator the first way to quote by which every row has as many cells."""
    seen = {sign: any(sign in line for line in lines) for sign in "\"'\\"}
    tried = []
    for quote, escape in _QUOTES:
        if all(seen[sign] for sign in quote.replace('"', "") + escape):
            form = Form(separator=separator, quote=quote, escape=escape)
            fit = _fit(records(lines, form), form, is_cut=is_cut)
            if fit.clean:
                return fit
            tried.append(fit)
    # Quotes with something beside them, `"a" b`: where none is left open they are quotes still.
    usual, plain = tried[0], next(fit for fit in tried if not fit.form.quote)
    closed = separator != "\t" or not any(line.count('"') % 2 for line in lines)
    return usual if closed and usual.share >= plain.share else plain


def _fit(found: Iterable[CsvRecord], form: Form, *, is_cut: bool) -> _Fit:
    """How well a form cuts the lines; what stands before its table is left out."""
    rows: Sequence[CsvRecord] = list(found)
    unclosed = not is_cut and len(rows) > 1 and rows[-1].unclosed
    if unclosed or (is_cut and len(rows) > 1):
        rows = rows[:-1]  # its cells may go on
    if not rows:
        return _Fit(form=form, rows=(), width=0, share=0, clean=False)
    if fitted := _trailing(rows):
        width, trailing = fitted
        return _Fit(form=form, rows=rows, width=width, share=1, clean=True, trailing=trailing)
    rows = _past_comments(rows)
    widths = [-1 if row.broken else len(row.cells) for row in rows]
    width = Counter(widths).most_common(1)[0][0]
    begin = _past_filled(rows, widths.index(width), width)
    if begin and not _is_preface(rows, begin, width):
        begin = 0
    rows, widths = rows[begin:], widths[begin:]
    share = widths.count(width) / len(rows) if widths[0] == width else 0.0
    clean = share == 1 and width > 0
    return _Fit(form=form, rows=rows, width=width, share=share, clean=clean, unclosed=unclosed)


def _past_comments(rows: Sequence[CsvRecord]) -> Sequence[CsvRecord]:
    """The rows after comments, which a sign marks; a header such as `#id,name` is none."""
    begin = 0
    while begin < len(rows) and rows[begin].cells[0].lstrip().startswith(_COMMENTS):
        begin += 1
    rest = [row.cells for row in rows[begin:]]
    alike = begin == 1 and len(rest) > 0 and len(rows[0].cells) == len(rest[0])
    if len(rest) < 2 or (alike and not names_numbers(rest)):
        return rows
    return rows[begin:]


def _past_filled(rows: Sequence[CsvRecord], begin: int, width: int) -> int:
    """Where the table begins after lines that a spreadsheet filled up to its width, or titles."""
    past = begin
    while past < len(rows) and sum(map(bool, rows[past].cells)) <= width // 2:
        past += 1
    if past < len(rows):
        past += titles_above([row.cells for row in rows[past:]])
    rest = [row.cells for row in rows[past:]]
    full = width > 2 and past > begin and len(rest) > 1 and all(rest[0])
    return past if full and (past > begin + 1 or names_numbers(rest)) else begin


def _trailing(rows: Sequence[CsvRecord]) -> tuple[int, int] | None:
    """Columns, and cells of nothing after them in rows; -1 where the header alone has such.

    None where all rows are as long as the first, or are others for another reason.
    """
    widths = {len(row.cells) for row in rows}
    first = rows[0].cells
    named = len(first)
    while named and not first[named - 1].strip():
        named -= 1
    if len(rows) == 1 or len(widths) == 1 or named < 2 or min(widths) < named:
        return None
    if any(cell.strip() for row in rows for cell in row.cells[named:]):
        return None
    return named, max(len(row.cells) for row in rows[1:]) - named or -1


def _is_preface(rows: Sequence[CsvRecord], begin: int, width: int) -> bool:
    """Whether the lines before the first of the usual width are none of the table's.

    They are comments by their sign; or have far fewer cells than what follows, which begins with
    a line that looks like names. A header that is too short for its rows is no preface.
    """
    lead, rest = rows[:begin], [row.cells for row in rows[begin:]]
    if width < 2 or len(rest) < 2:
        return False
    if names_numbers(rest):
        return True
    words = [cell.strip() for cell in rest[0]]
    named = all(words) and len(set(words)) == len(words) and not any(map(is_number, words))
    few = all(sum(bool(cell.strip()) for cell in row.cells) <= max(1, width // 2) for row in lead)
    # One line above texts of one comma each is the name of their only column.
    apart = rows[begin].line > lead[-1].line + 1 or len(lead) > 1 or width > 3
    return named and few and apart


def _held_against_all(path: Path, encoding: str, begin: int, fit: _Fit) -> _Fit:
    """The form that reads all of the file, where a later line shows that the first lines' cannot.

    Rows that no form reads are told where they are read. Raises `DataError` where the file breaks
    off inside quotes.
    """
    allowed = {fit.width, fit.width + max(0, fit.trailing)}

    def unfit(form: Form) -> int:
        """How many records are torn: of another width, or with a quote inside a cell."""
        widths: Counter[int] = Counter()
        with opened(path, encoding) as file:
            for _ in range(begin + fit.rows[0].line):
                next(file)
            for row in records(file, form):
                widths[-1 if row.broken else len(row.cells)] += 1
                if row.unclosed and sum(widths.values()) == widths[fit.width] + 1:
                    raise _unclosed(path, widths[fit.width])
        return sum(count for width, count in widths.items() if width not in allowed)

    with opened(path, encoding) as file:
        for _ in range(begin + fit.rows[0].line):
            next(file)
        if all_fit(file, fit.form, allowed):
            return fit
    if not unfit(fit.form):
        return fit
    forms = [
        replace(fit.form, quote=quote, escape=escape)
        for quote, escape in _QUOTES
        if (quote, escape) != (fit.form.quote, fit.form.escape)
    ]
    counts = {form: unfit(form) for form in forms}
    best = min(forms, key=counts.__getitem__)
    return fit if counts[best] else replace(fit, form=best)


def _comments(lines: Sequence[str]) -> int:
    """How many lines stand before lines of labels, by their sign."""
    skip = 0
    while skip + 1 < len(lines) and lines[skip].startswith(_COMMENTS):
        skip += 1
    return skip


def _are_labelled(lines: Sequence[str]) -> bool:
    words = [line.split(maxsplit=2) for line in lines]
    texts = sum(len(each) == 3 for each in words)
    labels = {each[0] for each in words}
    few = 1 < len(labels) <= min(_MOST_LABELS, len(lines) // 5)
    return len(lines) >= _MIN_LINES and few and texts >= _MIN_LABELLED * len(lines)


def sheet_header(rows: Sequence[Sequence[str]]) -> tuple[int, tuple[str, ...]]:
    """Where the rows of a sheet begin, whose rows are equally wide, and what its columns are."""
    found = [CsvRecord(line=line, cells=row) for line, row in enumerate(rows[:_SAMPLE])]
    fit = _fit(found, Form(separator=","), is_cut=False)
    cells = [row.cells for row in fit.rows]
    if has_header(cells):
        return fit.rows[0].line + 1, tuple(cell.strip() for cell in cells[0])
    return fit.rows[0].line, made_up(cells)


def twice(names: Sequence[str]) -> list[str]:
    """The names that stand more than once."""
    return [name for name, count in Counter(names).items() if count > 1 and name]

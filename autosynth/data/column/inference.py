"""Understands the columns of a table: what each holds, or that it is set aside, with the reason.

Takes the training rows of a frame; gives a `Column` for each that is used. Decided by content:

- numbers stay numbers, also those of few values: their order may matter;
- words and booleans are categories, unless all of them read as numbers or as dates;
- paths of files are images or audio, by their suffix;
- sentences that seldom repeat are text;
- set aside are ids, constants, and columns without a value.

What the user says goes first: a column is read as the kind that it is given, and one to be kept is
used as what it looks like, though it be an id.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from autosynth.cell import (
    COMMA,
    POINT,
    NumberReading,
    form_of,
    missing_in,
    read_numbers,
    reading_of,
    text_of,
    words_told,
)
from autosynth.data.column.block import are_measures, numbers_of_columns, numeric_names
from autosynth.data.column.choice import Choice
from autosynth.data.column.column import Column, ColumnKind, IgnoredColumn
from autosynth.data.column.date import LEAST_NUMBER, find_number_dates, read_dates
from autosynth.data.column.dateorder import dates_of
from autosynth.data.column.path import media_kind
from autosynth.data.column.span import find_spans, said_of_spans
from autosynth.errors import DataError
from autosynth.spelling import AS_SPELT, Spellings, spellings_of

# With the codes for unknown and missing no more than the 255 that gradient boosting takes.
MAX_CATEGORIES = 253
_MIN_REPEATS = 2
_NO_VALUE = "no value in any training row"
_EXACT = 2.0**53
_ID_NAME = re.compile(
    r"(?i:^(id|uuid|guid|index|key|row.?(id|number|names?)?|unnamed: \d+|)$)"
    r"|(?i:[_\s.\-](id|uuid|guid)$)|[a-z](Id|ID)$"
)
_ID_DISTINCT = 0.95
_MIN_ID_ROWS = 20
_TEXT_WORDS = 3
_TEXT_DISTINCT = 0.5
_MIN_TEXTS = 15
_UNSPACED = re.compile(r"[\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff]")  # Thai, Japanese, Chinese
_MIN_COVERED = 0.5
_MIN_CODES = 0.95  # of the values of an id, each its own, and of as many digits
_ROUND = 1_000
_MAX_ROUND = 0.5  # of the values of an id that are whole thousands
_SHOWN = 3


def infer_columns(
    frame: pd.DataFrame, rows: NDArray[np.int64], choice: Choice | None = None
) -> list[Column | IgnoredColumn]:
    """What each column of `frame` is, from its training `rows` alone.

    The frame's index holds the rows' places in the file: a column that counts them is an id.

    Raises:
        DataError: cells with lists, and columns that cannot be read as what they are said to be;
            all of these in one message.
    """
    choice = choice or Choice()
    near = frame.iloc[rows]
    found: list[Column | IgnoredColumn] = []
    problems: list[str] = []
    measures = _measures(near, choice)
    names = list(map(str, frame.columns))
    readings = _readings(near, [name for name in names if name not in measures], choice)
    for name in names:
        if name in measures:
            found.append(Column(name=name, kind="number"))
            continue
        kind, detail = choice.kinds.get(name), choice.details.get(name, "")
        column: Column | IgnoredColumn | str
        column = _told(near, name, kind, detail) if kind else _infer(near, name, readings[name])
        if isinstance(column, str):
            problems.append(column)
            continue
        if isinstance(column, IgnoredColumn) and name in choice.keep:
            column = _kept(near, column, readings[name])
        found.append(column)
    if problems:
        raise DataError("\n".join(problems))
    return found


def _measures(frame: pd.DataFrame, choice: Choice) -> frozenset[str]:
    """The columns that are numbers and nothing else beyond doubt, found for all of them at once.

    Of the others each is looked at by itself, which comes to the same of these.
    """
    names = numeric_names(frame, choice.kinds)
    x = numbers_of_columns(frame, names)
    sure = are_measures(x, frame.index.to_numpy(), LEAST_NUMBER, _EXACT / 2)
    return frozenset(
        name
        for name, is_sure in zip(names, sure, strict=True)
        if is_sure and not _ID_NAME.search(name)
    )


def _readings(
    frame: pd.DataFrame, names: Sequence[str], choice: Choice
) -> dict[str, NumberReading | None]:
    """Columns as numbers. Where one fits both forms equally well, the others tell."""
    found = {name: _reading(frame[name]) for name in names}
    texts = [each.form for each in found.values() if each and each.sure and each.form]
    hint = texts[0] if len(set(texts)) == 1 else "" if texts else choice.decimal
    for name, each in found.items():
        if hint and each is not None and not each.sure:
            found[name] = reading_of(frame[name], hint)
    return found


def _reading(values: "pd.Series[Any]") -> NumberReading | None:
    try:
        return reading_of(values)
    except TypeError:  # cells that are no values; told where the column is understood
        return None


def _infer(
    frame: pd.DataFrame, name: str, reading: NumberReading | None
) -> Column | IgnoredColumn:
    """What the column `name` of training rows is."""
    values = frame[name]
    try:
        distinct = values.nunique(dropna=True)
    except TypeError as error:
        raise DataError(
            f"column {name!r} holds {type(values.iloc[0]).__name__} cells; a cell is a number, a "
            "text, a boolean or a date. Leave the column out with --drop."
        ) from error
    if distinct == 0:
        return IgnoredColumn(name=name, reason=_NO_VALUE)
    if distinct == 1 and not values.isna().any():
        return IgnoredColumn(name=name, reason=f"constant: {text_of(values.iloc[0])}")
    if reading is not None and not reading.is_word.any():
        are_dates = not reading.form and find_number_dates(reading.numbers, name)
        found = _date(frame, name) if are_dates else None
        return found or _number(values, reading, name, distinct)
    return _special(frame, name, reading) or _category(values, name, distinct)


def _date(
    frame: pd.DataFrame, name: str, *, detail: str = "", named: bool = False
) -> Column | None:
    """A column of dates, read as it is written and as the others are, if it is one."""
    found = dates_of(frame[name], frame, detail=detail, named=named)
    if found is None:
        return None
    return Column(
        name=name, kind="date", forms=found.forms, assumed=found.assumed, doubt=found.doubt
    )


def _special(frame: pd.DataFrame, name: str, reading: NumberReading | None) -> Column | None:
    """A column that is no category by the look of its values, if it is one."""
    values = frame[name]
    if reading is not None:
        return _of_numbers(values, reading, name)
    media = media_kind(values)
    if media is not None:
        return Column(name=name, kind=media)
    return _date(frame, name) or _span(values, name)


def _span(values: "pd.Series[Any]", name: str) -> Column | None:
    """A column of spans of time, as seconds, if it is one."""
    forms = find_spans(values)
    if not forms:
        return None
    return Column(name=name, kind="number", forms=forms, assumed=said_of_spans(values, forms))


def _of_numbers(values: "pd.Series[Any]", reading: NumberReading, name: str) -> Column:
    """A column of numbers, and how they are written where that is no matter of course."""
    told = [reading.told()] if reading.form else []
    if reading.is_word.any():
        told.append(words_told(values, reading))
    how = "; ".join(told)
    other = COMMA if reading.form != COMMA else POINT
    cure = f'. --column "{name}=number:{other}" reads the other way' if reading.form else ""
    text = how + (cure or f". --column {name}=category reads categories") if how else ""
    return Column(
        name=name,
        kind="number",
        forms=(reading.form,) if reading.form else (),
        assumed=text,
        doubt="" if reading.sure else text,
    )


def _number(
    values: "pd.Series[Any]",
    reading: NumberReading,
    name: str,
    distinct: int,
) -> Column | IgnoredColumn:
    numbers, places = reading.numbers, values.index.to_numpy()
    finite = numbers[np.isfinite(numbers)]
    if np.isnan(numbers).all():
        return IgnoredColumn(name=name, reason=_NO_VALUE)
    if not len(finite):
        return IgnoredColumn(name=name, reason="no finite value in any training row")
    whole = bool((finite == np.round(finite)).all())
    if whole and not reading.form and _are_codes(values, finite, name):
        return IgnoredColumn(name=name, reason="an id: whole numbers too long to be a measure")
    if whole and len(numbers) >= _MIN_ID_ROWS and len(finite) == len(numbers):
        if (numbers - places == numbers[0] - places[0]).all():
            return IgnoredColumn(name=name, reason="an id: it counts the rows")
        if _ID_NAME.search(name) and distinct >= _ID_DISTINCT * len(numbers):
            return IgnoredColumn(name=name, reason="an id: by its name, and every row has its own")
    return _of_numbers(values, reading, name)


def _are_codes(values: "pd.Series[Any]", finite: NDArray[np.float64], name: str) -> bool:
    """Whether whole numbers beyond 2^53 name things: each its own, all of as many digits.

    Or the column is called an id: a spreadsheet has rounded many of them.

    Amounts differ by more than that, are rounded or repeat; and a measure is a float, unless it
    is one for the sake of gaps.
    """
    if np.abs(finite).max() < _EXACT or finite.min() < 0:
        return False
    if _ID_NAME.search(name):
        return True
    if values.dtype.kind == "f" and not values.isna().any():
        return False
    present = values.dropna()
    if not _is_whole(values) and not present.astype(str).str.strip().str.isdigit().all():
        return False
    digits = np.floor(np.log10(np.maximum(finite, 1)))
    _, counts = np.unique(digits, return_counts=True)
    is_round = (finite % _ROUND == 0) & (finite < 2.0**63)
    return bool(
        present.nunique() >= _MIN_CODES * len(present)
        and counts.max() >= _MIN_CODES * len(digits)
        and is_round.mean() <= _MAX_ROUND
    )


def _is_whole(values: "pd.Series[Any]") -> bool:
    """Whether the type says whole numbers, or floats that stand for them because some lack."""
    return bool(pd.api.types.is_integer_dtype(values.dtype)) or values.dtype.kind == "f"


def _counts(values: "pd.Series[Any]") -> "pd.Series[Any]":
    """How often each value stands, by its text: those that repeat by number and name, then others.

    A million values take a second: only those that repeat are sorted.
    """
    codes, found = pd.factorize(values.to_numpy(dtype=object))
    places, texts = pd.factorize(np.array([text_of(value) for value in found], dtype=object))
    summed = pd.Series(np.bincount(places[codes], minlength=len(texts)), index=texts)[texts != ""]
    often = summed[summed >= _MIN_REPEATS].sort_index().sort_values(ascending=False, kind="stable")
    return pd.concat([often, summed[summed < _MIN_REPEATS]])


def _category(values: "pd.Series[Any]", name: str, distinct: int) -> Column | IgnoredColumn:
    counts = _counts(values.dropna())
    rows = int(counts.sum())
    if not rows:
        return IgnoredColumn(name=name, reason=_NO_VALUE)
    if distinct > max(_MIN_TEXTS, _TEXT_DISTINCT * rows) and _is_prose(counts.index[:1_000]):
        return Column(name=name, kind="text")
    if counts.iloc[0] < _MIN_REPEATS or (_ID_NAME.search(name) and distinct > rows * _ID_DISTINCT):
        return IgnoredColumn(name=name, reason="an id: no value repeats")
    column = _of_counts(counts, values, name)
    covered = int(counts.loc[list(column.categories)].sum())
    if covered < _MIN_COVERED * rows:
        most = " most frequent" if len(column.categories) == MAX_CATEGORIES else ""
        return IgnoredColumn(
            name=name,
            reason=f"{distinct} different values, and the {len(column.categories)}{most} that "
            f"repeat cover {covered / rows:.0%} of the rows",
        )
    # Places that anyone types are no categories, though some of them differ in case alone.
    spellings = spellings_of(counts.to_dict())
    counts = _joined(counts, spellings.name_of)
    if len(counts) == 1 and not column.missing:
        return IgnoredColumn(name=name, reason=f"constant: {counts.index[0]}")
    return _of_counts(counts, values, name, spellings)


def _joined(counts: "pd.Series[Any]", name_of: Mapping[str, str]) -> "pd.Series[Any]":
    """How often each name stands, in any of its spellings."""
    if not name_of:
        return counts
    summed = counts.groupby([name_of.get(text, text) for text in counts.index]).sum()
    return summed.sort_values(ascending=False, kind="stable")


def _of_counts(
    counts: "pd.Series[Any]", values: "pd.Series[Any]", name: str, spellings: Spellings = AS_SPELT
) -> Column:
    """The most frequent categories, of those that repeat."""
    often = counts.iloc[:MAX_CATEGORIES]
    kept = tuple(sorted(str(text) for text in often[often >= _MIN_REPEATS].index))
    cure = f". --column {name}=category keeps them apart"
    return Column(
        name=name,
        kind="category",
        categories=kept,
        missing=bool(missing_in(values).any()),
        spelt=bool(spellings.name_of),
        assumed=spellings.assumed and spellings.assumed + cure,
        doubt=spellings.doubt and f"{spellings.doubt}; --column {name}=category says they are two",
    )


def _is_prose(texts: Sequence[str]) -> bool:
    """Whether texts are of several words each; of some scripts, which have no spaces, letters."""
    words = [len(text.split()) + len(_UNSPACED.findall(text)) / 2 for text in texts]
    return bool(np.mean(words) >= _TEXT_WORDS)


def _kept(
    frame: pd.DataFrame, ignored_column: IgnoredColumn, reading: NumberReading | None
) -> Column | IgnoredColumn:
    """A column that would be set aside as what it looks like; without a value it stays aside."""
    name = ignored_column.name
    values = frame[name]
    if missing_in(values).all():
        return ignored_column
    if reading is not None and not reading.is_word.any():
        finite = np.isfinite(reading.numbers).any()
        return _of_numbers(values, reading, name) if finite else ignored_column
    special = _special(frame, name, reading)
    if special is not None:
        return special
    column = _of_counts(_counts(values.dropna()), values, name)
    return column if column.categories else Column(name=name, kind="text")


def _told(frame: pd.DataFrame, name: str, kind: ColumnKind, detail: str) -> Column | str:
    """The column as the kind that it is said to be; a text that says why it cannot be."""
    values = frame[name]
    present = values[~missing_in(values)]
    what = f"column {name!r} cannot be read as {kind}"
    if not len(present):
        return f"{what}: {_NO_VALUE}."
    first = ", ".join(repr(text_of(value)) for value in present.iloc[:_SHOWN])
    if kind == "number":
        span = None if detail else _span(present, name)
        return span or _told_number(values, name, detail, what, first)
    if kind == "date":
        return _told_date(frame[~missing_in(values)], name, detail)
    if kind == "category":
        column = _of_counts(_counts(present), values, name)
        return column if column.categories else f"{what}: no value repeats (it begins {first})."
    return Column(name=name, kind=kind)


def _told_date(frame: pd.DataFrame, name: str, detail: str) -> Column | str:
    """A column that is said to hold dates, in the format `detail` if one is given."""
    values = frame[name]
    first = ", ".join(repr(text_of(value)) for value in values.iloc[:_SHOWN])
    what = f"column {name!r} cannot be read as date"
    if detail:
        read = np.isfinite(read_dates(values, (detail,))[0]).mean()
        if read < _MIN_COVERED:
            return f"{what}:{detail}: {read:.0%} of its values fit that (it begins {first})."
    return _date(frame, name, detail=detail, named=True) or (
        f"{what}: its values are no dates in a format that is known (it begins {first})."
    )


def _told_number(
    values: "pd.Series[Any]", name: str, detail: str, what: str, first: str
) -> Column | str:
    """A column that is said to hold numbers, written like `detail` if an example is given."""
    form = form_of(detail)
    if pd.api.types.is_bool_dtype(values.dtype) or values.dtype.kind in "iuf":
        return Column(name=name, kind="number")
    reading = reading_of(values.astype(object), form, asked=True)
    if reading is None:
        numbers, words = read_numbers(values, form)
        share = (~np.isnan(numbers)).sum() / max(1, (~np.isnan(numbers) | words).sum())
        return f"{what}: {share:.0%} of its values are numbers (it begins {first})."
    return Column(name=name, kind="number", forms=(reading.form,) if reading.form else ())

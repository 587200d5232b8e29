"""How one column of a table is read: its kind, and what encodes its cells.

Takes raw cells and a `Column` learnt on training rows; gives numbers, NaN where missing, or codes.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from autosynth.cell import NO_VALUE_WORDS, read_numbers, text_of
from autosynth.data.column.block import is_numeric, numbers_of_columns, pieces
from autosynth.data.column.date import read_dates
from autosynth.data.column.span import SPAN_FORMS, read_spans
from autosynth.data.source.layout import to_float32
from autosynth.scale import PLAIN, NumberUnit, fit_unit, fit_units
from autosynth.spec import DATE
from autosynth.spelling import NameMatch

ColumnKind = str
"""How a column may be read: as one of `COLUMN_KINDS`, or as the kind of an encoder that reads one.
"""
COLUMN_KINDS: tuple[ColumnKind, ...] = ("number", "category", "date", "text", "image", "audio")

UNKNOWN, MISSING, FIRST_CATEGORY = 0, 1, 2
"""Codes of a category never seen or too rare, of no value, and of the first that is known."""

_NAMED = 5
_WEEK = 7  # days: a date that is counted from a multiple of it has the same phases


@dataclass(frozen=True, kw_only=True)
class Column:
    """How one column is read.

    `categories` stand in code order from 2. `missing` says that training rows miss its value, so
    that the code for it is learnt; elsewhere a missing category reads as an unknown one. `spelt`
    says that they spell categories in more ways than one, so that another way is no news. `forms`
    are the formats of a date: each value is read in the first that fits it; or the one form of
    numbers as people write them, by an example, or of those that are spans of time. `unit` is what
    numbers and days are counted in, so that float32 holds them. `assumed` says how the column was
    read where that was no matter of course: what was taken, how sure that is, and the option that
    reads it otherwise; `doubt` is the same where another reading fits as well, which is a warning.
    Both are told, and not saved.
    """

    name: str
    kind: ColumnKind
    categories: tuple[str, ...] = ()
    missing: bool = False
    spelt: bool = False
    forms: tuple[str, ...] = ()
    unit: NumberUnit = PLAIN
    assumed: str = field(default="", compare=False)
    doubt: str = field(default="", compare=False)

    @property
    def cardinality(self) -> int:
        """Codes a category can have, `DATE` for dates, 0 for the others."""
        if self.kind == "category":
            return len(self.categories) + FIRST_CATEGORY
        return DATE if self.kind == "date" else 0

    def to_dict(self) -> dict[str, Any]:
        """The column as JSON-able data."""
        return {
            "name": self.name,
            "kind": self.kind,
            "categories": list(self.categories),
            "missing": self.missing,
            "forms": list(self.forms),
            **({"spelt": True} if self.spelt else {}),
            **({} if self.unit == PLAIN else {"unit": self.unit.to_list()}),
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "Column":
        """The column of `to_dict`.

        Raises:
            KeyError, TypeError: the data is not whole.
        """
        lists = {name: tuple(data[name]) for name in ("categories", "forms")}
        if not all(isinstance(each, str) for each in (data["name"], *lists["categories"])):
            raise TypeError("a name or a category of a column is no text")
        unit = {"unit": NumberUnit.from_list(data["unit"])} if "unit" in data else {}
        return cls(**{**data, **lists, **unit})


@dataclass(frozen=True, kw_only=True)
class IgnoredColumn:
    """A column that is not used, and why."""

    name: str
    reason: str


def read_column(
    values: "pd.Series[Any]", column: Column
) -> tuple[NDArray[np.float64], Sequence[str]]:
    """Cells as numbers or days as they are, NaN where missing, or as codes; and what was wrong."""
    if column.kind == "category":
        return _codes(values, column), ()
    if column.kind == "date":
        return read_dates(values, column.forms)
    if column.forms and column.forms[0] in SPAN_FORMS:
        return read_spans(values, column.forms)
    numbers, words = read_numbers(values, column.forms[0] if column.forms else "")
    if not (lost := int(words.sum())):
        return numbers, ()
    return numbers, (f"column {column.name!r}: {lost} values are no numbers; taken as missing",)


def encode_column(
    values: "pd.Series[Any]", column: Column
) -> tuple[NDArray[np.float64], Sequence[str]]:
    """As `read_column`, numbers and days in the column's unit, and NaN where float32 ends."""
    numbers, warnings = read_column(values, column)
    if column.kind == "category":
        return numbers, warnings
    numbers = column.unit.encoded(numbers)
    infinite = ~np.isfinite(to_float32(numbers)) & ~np.isnan(numbers)
    if infinite.any():
        numbers = np.where(infinite, np.nan, numbers)
        count = int(infinite.sum())
        told = f"column {column.name!r}: {count} infinite values; taken as missing"
        warnings = (*warnings, told)
    return numbers, warnings


def read_columns(
    frame: pd.DataFrame, columns: Sequence[Column]
) -> tuple[NDArray[np.float64], list[tuple[int, str]]]:
    """As `read_column`, (rows, columns); what was wrong stands with the column's number."""
    dtypes = dict(zip(frame.columns, frame.dtypes, strict=True))
    whole = [
        number
        for number, column in enumerate(columns)
        if column.kind == "number" and is_numeric(dtypes[column.name])
        if not (column.forms and column.forms[0] in SPAN_FORMS)
    ]
    together = numbers_of_columns(frame, [columns[number].name for number in whole])
    if len(whole) == len(columns):
        return together, []
    x = np.empty((len(frame), len(columns)), order="F")
    x[:, whole] = together
    told = []
    for number in sorted(set(range(len(columns))) - set(whole)):
        x[:, number], wrong = read_column(frame[columns[number].name], columns[number])
        told += [(number, text) for text in wrong]
    return x, told


def counted_columns(
    x: NDArray[np.float64], columns: Sequence[Column]
) -> tuple[NDArray[np.float64], list[tuple[int, str]]]:
    """What `read_columns` gave as `encode_column` counts it, and what was wrong besides."""
    x = x.copy(order="F")
    for number, column in enumerate(columns):
        if column.unit != PLAIN:
            x[:, number] = column.unit.encoded(x[:, number])
    told = []
    for some in pieces(x):
        own = x[:, some]
        infinite = ~np.isfinite(to_float32(own)) & ~np.isnan(own)
        for number in np.flatnonzero(infinite.any(0)).tolist():
            count, place = int(infinite[:, number].sum()), some.start + number
            text = f"column {columns[place].name!r}: {count} infinite values; taken as missing"
            told.append((place, text))
        own[infinite] = np.nan
    return x, told


def with_units(columns: Sequence[Column], x: NDArray[np.float64]) -> list[Column]:
    """As `with_unit`, of columns each by itself."""
    found = list(columns)
    for kind, whole in (("number", 0), ("date", _WEEK)):
        own = [number for number, column in enumerate(columns) if column.kind == kind]
        chosen = x[:, own]
        units = [u for some in pieces(chosen) for u in fit_units(chosen[:, some], whole=whole)]
        for number, unit in zip(own, units, strict=True):
            if unit != found[number].unit:
                found[number] = replace(found[number], unit=unit)
    return found


def with_unit(columns: Sequence[Column], x: NDArray[np.float64]) -> list[Column]:
    """Columns of numbers or days with the one unit in which float32 holds all of them.

    Args:
        columns: one, or the steps of a channel.
        x: their cells in training rows (rows, columns), as they are.
    """
    if columns[0].kind == "category":
        return list(columns)
    whole = _WEEK if columns[0].kind == "date" else 0
    unit = fit_unit(x, whole=whole, steps=len(columns) > 1)
    return [replace(column, unit=unit) for column in columns]


def encode_columns(
    frame: pd.DataFrame, columns: Sequence[Column], warnings: list[str]
) -> NDArray[np.float32]:
    """The cells (rows, columns) of columns; what was wrong is added to `warnings`."""
    raw, told = read_columns(frame, columns)
    x, more = counted_columns(raw, columns)
    warnings.extend(text for _, text in sorted((*told, *more), key=lambda pair: pair[0]))
    return np.ascontiguousarray(to_float32(x))


def unfamiliar(frame: pd.DataFrame, columns: Sequence[Column]) -> list[str]:
    """What later rows hold in columns of categories that no training row did, a line a column."""
    told = []
    for column in columns:
        if column.kind != "category":
            continue
        raw, texts = _texts(frame[column.name])
        match = NameMatch.of(column.categories, FIRST_CATEGORY)
        codes = [match.place(text) for text in texts]
        is_exact = np.array([text in match.exact for text in texts] + [False])
        is_value = np.array(
            [bool(text) and text not in NO_VALUE_WORDS for text in texts] + [False]
        )
        is_value |= is_exact
        is_new = np.array([code is None for code in codes] + [False]) & is_value
        is_other = is_value & ~is_exact & ~is_new & (not match.booleans and not column.spelt)
        n = int(is_value[raw].sum())
        for chosen, what in (
            (is_new, "are no category of the training"),
            (is_other, "are spelled otherwise, and taken for the categories of the training"),
        ):
            here = chosen[raw]
            if count := int(here.sum()):
                named = [repr(texts[code]) for code in dict.fromkeys(raw[here].tolist())]
                more = ", ..." if len(named) > _NAMED else ""
                told.append(
                    f"column {column.name!r}: {count} of {n} values ({count / n:.1%}) {what}: "
                    f"{', '.join(named[:_NAMED])}{more}"
                )
    return told


def _texts(values: "pd.Series[Any]") -> tuple[NDArray[np.int64], list[str]]:
    """The number of each cell's text, -1 where there is none, and the texts."""
    raw, found = pd.factorize(values.to_numpy(dtype=object))
    return raw, [text_of(value) for value in found]


def _codes(values: "pd.Series[Any]", column: Column) -> NDArray[np.float64]:
    absent = MISSING if column.missing else UNKNOWN
    match = NameMatch.of(column.categories, FIRST_CATEGORY)
    raw, texts = _texts(values)
    known = []
    for text in texts:
        code = match.place(text)
        if code is None:
            code = absent if not text or text in NO_VALUE_WORDS else UNKNOWN
        known.append(code)
    codes: NDArray[np.float64] = np.array([absent, *known], dtype=np.float64)[raw + 1]
    return codes

"""Understands the columns of a table: number, category or date, or set aside, with the reason.

Takes the training rows of a frame; gives a `Column` for each that is used. Decided by content:

- numbers stay numbers, also those of few values: their order may matter;
- words and booleans are categories, unless all of them read as numbers or as dates;
- sentences that seldom repeat are text;
- set aside are ids, constants, and columns without a value.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from autosynth.data.inputs.date import find_format, read_dates
from autosynth.data.inputs.layout import to_float32
from autosynth.data.inputs.text import numbers_of, text_of
from autosynth.errors import DataError

ColumnKind = Literal["number", "category", "date", "text"]

MAX_CATEGORIES = 254
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
# A column of numbers may hold a word or two for what is not known.
_MAX_WORDS = 2
_MAX_WORD_SHARE = 0.2
_MIN_NUMBERS = 20
_HEAD = 200


@dataclass(frozen=True, kw_only=True)
class Column:
    """How one column is read: `categories` in code order from 1; `form` is a date's format."""

    name: str
    kind: ColumnKind
    categories: tuple[str, ...] = ()
    form: str = ""

    @property
    def cardinality(self) -> int:
        """Codes a category can have, 0 for unknown included; 0 for a number or a date."""
        return len(self.categories) + 1 if self.kind == "category" else 0

    def to_dict(self) -> dict[str, Any]:
        """The column as JSON-able data."""
        return {
            "name": self.name,
            "kind": self.kind,
            "categories": list(self.categories),
            "form": self.form,
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "Column":
        """The column of `to_dict`."""
        return cls(**{**data, "categories": tuple(data["categories"])})


@dataclass(frozen=True, kw_only=True)
class Aside:
    """A column that is not used, and why."""

    name: str
    reason: str


def understand_columns(frame: pd.DataFrame, rows: NDArray[np.int64]) -> list[Column | Aside]:
    """What each column of `frame` is, from its training `rows` alone. Raises for cells with lists.

    The frame's index holds the rows' places in the file: a column that counts them is an id.
    """
    places = frame.index.to_numpy()[rows]
    return [_understand(frame[name].iloc[rows], str(name), places) for name in frame.columns]


def _understand(values: "pd.Series[Any]", name: str, places: NDArray[Any]) -> Column | Aside:
    try:
        distinct = values.nunique(dropna=True)
    except TypeError as error:
        raise DataError(
            f"column {name!r} holds {type(values.iloc[0]).__name__} cells; a cell is a number, a "
            "text, a boolean or a date. Leave the column out with --drop."
        ) from error
    if distinct == 0:
        return Aside(name=name, reason=_NO_VALUE)
    if distinct == 1 and not values.isna().any():
        return Aside(name=name, reason=f"constant: {text_of(values.iloc[0])}")
    numbers = numbers_of(values)
    if numbers is not None:
        return _number(numbers, name, distinct, places)
    if _nearly_numbers(values):
        return Column(name=name, kind="number")
    form = find_format(values)
    if form is not None:
        return Column(name=name, kind="date", form=form)
    return _category(values, name, distinct)


def _number(
    numbers: NDArray[np.float64], name: str, distinct: int, places: NDArray[Any]
) -> Column | Aside:
    finite = numbers[np.isfinite(numbers)]
    if np.isnan(numbers).all():
        return Aside(name=name, reason=_NO_VALUE)
    if not len(finite):
        return Aside(name=name, reason="no finite value in any training row")
    whole = bool((finite == np.round(finite)).all())
    if whole and np.abs(finite).max() >= _EXACT:
        return Aside(name=name, reason="an id: whole numbers too long to be a measure")
    if whole and len(numbers) >= _MIN_ID_ROWS and len(finite) == len(numbers):
        if (numbers - places == numbers[0] - places[0]).all():
            return Aside(name=name, reason="an id: it counts the rows")
        if _ID_NAME.search(name) and distinct >= _ID_DISTINCT * len(numbers):
            return Aside(name=name, reason="an id: by its name, and every row has its own")
    return Column(name=name, kind="number")


def _nearly_numbers(values: "pd.Series[Any]") -> bool:
    """Whether all but one or two words (`unknown`, `-`) are numbers, and many different ones."""
    if isinstance(values.dtype, pd.CategoricalDtype) or not _is_text(values):
        return False
    head = pd.to_numeric(values.dropna().iloc[:_HEAD], errors="coerce")
    if head.isna().mean() > 2 * _MAX_WORD_SHARE:
        return False
    numbers = pd.to_numeric(values, errors="coerce")
    words = values[numbers.isna() & values.notna()]
    return (
        words.nunique() <= _MAX_WORDS
        and len(words) <= _MAX_WORD_SHARE * len(values)
        and numbers.nunique() >= _MIN_NUMBERS
    )


def _is_text(values: "pd.Series[Any]") -> bool:
    kind = pd.api.types.infer_dtype(values, skipna=True)
    return kind in ("string", "mixed", "mixed-integer")


def _counts(values: "pd.Series[Any]") -> "pd.Series[Any]":
    """How often each value stands, by its text, most frequent first, then by name."""
    found = values.astype(object).value_counts()
    texts = pd.Index([text_of(value) for value in found.index], dtype=object)
    summed = pd.Series(found.to_numpy(), index=texts).groupby(level=0, sort=True).sum()
    return summed.drop("", errors="ignore").sort_values(ascending=False, kind="stable")


def _category(values: "pd.Series[Any]", name: str, distinct: int) -> Column | Aside:
    present = values.dropna()
    counts = _counts(present)
    rows = int(counts.sum())
    if not rows:
        return Aside(name=name, reason=_NO_VALUE)
    if distinct > max(_MIN_TEXTS, _TEXT_DISTINCT * rows) and _is_prose(counts.index[:1_000]):
        return Column(name=name, kind="text")
    if counts.iloc[0] < _MIN_REPEATS or (_ID_NAME.search(name) and distinct > rows * _ID_DISTINCT):
        return Aside(name=name, reason="an id: no value repeats")
    kept = counts[counts >= _MIN_REPEATS].iloc[:MAX_CATEGORIES]
    if kept.sum() < _MIN_COVERED * rows:
        return Aside(
            name=name,
            reason=f"{distinct} different values, and those that repeat cover "
            f"{kept.sum() / rows:.0%} of the rows",
        )
    if len(counts) == 1 and not values.isna().any():
        return Aside(name=name, reason=f"constant: {counts.index[0]}")
    return Column(name=name, kind="category", categories=tuple(sorted(str(c) for c in kept.index)))


def _is_prose(texts: Sequence[str]) -> bool:
    """Whether texts are of several words each; of some scripts, which have no spaces, letters."""
    words = [len(text.split()) + len(_UNSPACED.findall(text)) / 2 for text in texts]
    return bool(np.mean(words) >= _TEXT_WORDS)


def encode_column(
    values: "pd.Series[Any]", column: Column
) -> tuple[NDArray[np.float64], Sequence[str]]:
    """The values of `column` as numbers, NaN where missing, or as codes; and what was wrong."""
    if column.kind == "category":
        raw, found = pd.factorize(values.to_numpy(dtype=object))
        place = {text: code for code, text in enumerate(column.categories, start=1)}
        codes = np.array([0] + [place.get(text_of(value), 0) for value in found], dtype=np.float64)
        return codes[raw + 1], ()
    if column.kind == "date":
        return read_dates(values, column.form)
    numbers = numbers_of(values)
    if numbers is None:
        coerced = pd.to_numeric(values.astype(object), errors="coerce")
        numbers = coerced.to_numpy(dtype=np.float64, na_value=np.nan)
        lost = int((np.isnan(numbers) & values.notna().to_numpy()).sum())
        if lost:
            told = f"column {column.name!r}: {lost} values are no numbers; taken as missing"
            return numbers, (told,)
    infinite = ~np.isfinite(to_float32(numbers)) & ~np.isnan(numbers)
    if infinite.any():
        numbers = np.where(infinite, np.nan, numbers)
        return numbers, (
            f"column {column.name!r}: {int(infinite.sum())} infinite values; taken as missing",
        )
    return numbers, ()

"""A target as it is read: raw values of a column in, true values of rows in our terms out."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from autosynth.cell import (
    NO_VALUE_WORDS,
    NumberReading,
    missing_in,
    reading_of,
    text_of,
    words_told,
)
from autosynth.errors import DataError
from autosynth.spec import TargetSpec

SHOWN = 5
"""Names that a message lists."""

_AS_MANY = 0.5
"""Of the rows of a middle class, for a word that may mean no value to be a class as well."""


DAYS, SECONDS = "days", "seconds"
"""The units of targets that are dates, since 1970-01-01, and spans of time."""


@dataclass(frozen=True, kw_only=True)
class TimeUnit:
    """What numbers of a target stand for that are times; as `TargetSpec` has it."""

    unit: str
    forms: tuple[str, ...]
    form: str = ""


@dataclass(frozen=True, kw_only=True)
class Target:
    """`y` for the rows of `keep` (row numbers); `warnings` say what was left out and why.

    `missing` are the rows without a value; `assumed` says how cells were read where that was no
    matter of course, how sure that is, and what overrides it.
    """

    spec: TargetSpec
    y: NDArray[Any]
    keep: NDArray[np.int64]
    warnings: tuple[str, ...]
    missing: NDArray[np.int64]
    assumed: tuple[str, ...] = ()

    def of_readable(self, rows: NDArray[np.int64], place: str) -> "Target":
        """The target of those of its rows whose inputs can be read; counts the others by class.

        Raises:
            DataError: no row of a class can be read, so that it would be lost.
        """
        left = replace(self, y=self.y[rows])
        if not self.spec.is_coded or not self.spec.classes:
            return left
        n = len(self.spec.classes)
        before, after = (np.bincount(y.astype(np.int64), minlength=n) for y in (self.y, left.y))
        lost = {c: int(b - a) for c, b, a in zip(self.spec.classes, before, after, strict=True)}
        gone = [c for c, b, a in zip(self.spec.classes, before, after, strict=True) if b and not a]
        if gone and len(rows):
            raise DataError(
                f"class {gone[0]!r} of {place} would be lost: not one of its {lost[gone[0]]} rows "
                "can be read. Mend what their inputs name, or take the class away."
            )
        named = sorted(((c, n) for c, n in lost.items() if n), key=lambda pair: -pair[1])
        counts = ", ".join(f"{c} {n}" for c, n in named[:SHOWN])
        more = ", ..." if len(named) > SHOWN else ""
        text = f"rows whose inputs cannot be read, by {self.spec.name}: {counts}{more}"
        return replace(left, warnings=(*self.warnings, text))


@dataclass(frozen=True, kw_only=True)
class TargetColumn:
    """A column of the rows that have a value, before it is known as classes or as numbers.

    `values` are raw, and `numbers` the same where all are numbers; `in_test` marks rows of an
    official test part. `keep` are the row numbers, `missing` those of rows without a value.
    `reading` is how all cells are read as numbers, and `told` what is said of words among them.
    `as_spelt` says that every spelling is a class of its own.
    """

    name: str
    values: "pd.Series[Any]"
    numbers: NDArray[np.float64] | None
    in_test: NDArray[np.bool_]
    keep: NDArray[np.int64]
    missing: NDArray[np.int64]
    reading: NumberReading | None = None
    told: str = ""
    as_spelt: bool = False

    def target(
        self,
        spec: TargetSpec,
        y: NDArray[Any],
        *,
        good: NDArray[np.bool_] | None = None,
        warnings: Iterable[str] = (),
        assumed: tuple[str, ...] = (),
    ) -> Target:
        """The target of true values `y`, of all of these rows or of the `good` ones."""
        keep, missing = self.keep, self.missing
        if len(missing):
            lost = (
                f"target {self.name!r}: {len(missing)} rows without a value were left out; "
                "init=masked alone learns from them"
            )
            warnings = (lost, *warnings)
        if self.told:
            warnings = (f"target {self.name!r}: {self.told}", *warnings)
        if spec.form and self.reading is not None:
            assumed = (
                *assumed,
                f"{self.name}: {self.reading.told()}",
            )
            if not self.reading.sure:
                warnings = (f"target {self.name!r}: {self.reading.told()}", *warnings)
        keep = keep if good is None else keep[good]
        return Target(
            spec=spec, y=y, keep=keep, warnings=tuple(warnings), missing=missing, assumed=assumed
        )


def target_column(
    values: "pd.Series[Any]",
    name: str,
    in_test: NDArray[np.bool_],
    *,
    decimal: str = "",
    numbers: bool | None = None,
    as_spelt: bool = False,
) -> TargetColumn:
    """The rows of a column that have a value.

    Args:
        values: raw.
        name: of the target.
        in_test: marks rows of an official test part.
        decimal: how numbers are written where the column itself does not tell.
        numbers: whether these are numbers, a few words among them, or all of them names; None
            where the column has to tell.
        as_spelt: every spelling of a class is one of its own.

    Raises:
        DataError: no row has a value.
    """
    values = values.reset_index(drop=True)
    reading = reading_of(values, decimal)
    if reading is None and numbers:
        reading = reading_of(values, decimal, asked=True)
    if reading is not None and reading.is_word.any() and numbers is False:
        reading = None
    missing, word = missing_in(values), np.zeros(len(values), dtype=bool)
    if reading is not None:
        word = reading.is_word
        missing = ~np.isfinite(reading.numbers) & ~word
    keep = np.flatnonzero(~missing & ~word)
    if not len(keep):
        raise DataError(f"target {name!r} has no values in {len(values)} rows. Name another.")
    told = ""
    if word.any() and reading is not None:
        told = words_told(values, reading).replace("taken as missing", "left out")
    return TargetColumn(
        name=name,
        values=values.iloc[keep],
        numbers=None if reading is None else reading.numbers[keep],
        in_test=in_test[keep],
        keep=keep,
        missing=np.flatnonzero(missing),
        reading=reading,
        told=told,
        as_spelt=as_spelt,
    )


def settle_words(
    values: "pd.Series[Any]", name: str, *, keep: bool
) -> "tuple[pd.Series[Any], tuple[str, ...]]":
    """A target of a text file without words that mean no value (`NA`), and what is said of them.

    Such a word is a class where empty cells say that there is no value, or where as many rows have
    it as have another class; or where the user says so.

    Args:
        values: raw.
        name: of the target.
        keep: all such words are classes.
    """
    texts = values.map(text_of, na_action="ignore")
    is_word = texts.isin(NO_VALUE_WORDS)
    if not is_word.any() or (keep and reading_of(values) is None):
        return values, ()
    others = texts[~is_word & ~missing_in(values)]
    if reading_of(values) is not None or not (len(others) or texts.nunique() > 1):
        return values.mask(is_word), ()
    least = _AS_MANY * float(others.value_counts().median()) if len(others) else 0.0
    told, gone = [], []
    for word, rows in texts[is_word].value_counts().items():
        if rows >= least or missing_in(values).any():
            told.append(
                f"target {name!r}: {word!r} ({rows} rows) is read as a class; leave the cell "
                "empty where there is no value"
            )
        else:
            gone.append(word)
            told.append(
                f"target {name!r}: {word!r} ({rows} rows) is taken for no value; "
                "--keep-missing-words makes it a class"
            )
    return values.mask(texts.isin(gone)), tuple(told)


def drop_words(
    values: "pd.Series[Any] | pd.DataFrame", classes: Sequence[str]
) -> "pd.Series[Any] | pd.DataFrame":
    """Later values of a text file without words that mean no value and are none of the classes."""
    words = [word for word in NO_VALUE_WORDS if word not in classes]
    if isinstance(values, pd.DataFrame):
        return values.mask(values.isin(words))
    return values.mask(values.isin(words))


@dataclass(frozen=True, kw_only=True)
class LeftOut:
    """So many rows are not scored, and why."""

    reason: str
    rows: int


@dataclass(frozen=True, kw_only=True)
class TrueValues:
    """`y`, as in a `Dataset`, of the rows `keep`; what was left out of the others, and told."""

    y: NDArray[Any]
    keep: NDArray[np.int64]
    left_out: tuple[LeftOut, ...] = ()
    warnings: tuple[str, ...] = ()


def columns_of(
    values: "pd.Series[Any] | pd.DataFrame", wanted: int, name: str, place: str
) -> "list[pd.Series[Any]]":
    """So many columns of `place`. Raises DataError where there are more or fewer."""
    columns = [values[title] for title in values] if isinstance(values, pd.DataFrame) else [values]
    if len(columns) != wanted:
        raise DataError(
            f"target {name!r} has {wanted} columns, and {place} gives {len(columns)}; name all of "
            "them with --target, in the order of the training."
        )
    return columns


def joined_values(columns: Sequence[TrueValues]) -> TrueValues:
    """The true values of several columns, on the rows that have all of them."""
    if len(columns) == 1:
        return columns[0]
    keep, found = on_common_rows(columns)
    return TrueValues(
        y=np.stack(found, axis=1).astype(np.float64),
        keep=keep,
        left_out=tuple(dict.fromkeys(each for one in columns for each in one.left_out)),
    )


def on_common_rows(
    columns: "Sequence[Target] | Sequence[TrueValues]",
) -> tuple[NDArray[np.int64], list[NDArray[Any]]]:
    """The row numbers that all columns keep, and the values of each there."""
    keep = columns[0].keep
    for each in columns[1:]:
        keep = np.intersect1d(keep, each.keep)
    return keep, [each.y[np.searchsorted(each.keep, keep)] for each in columns]


def left_out_of(
    name: str, missing: NDArray[np.bool_], strange: "pd.Series[Any]", reason: str
) -> tuple[LeftOut, ...]:
    """Rows without a value of a target, and those with a `strange` one, and why it is."""
    counts = (
        (f"without a value of {name!r}", int(missing.sum())),
        (f"{reason} ({some_of(strange)})", len(strange)),
    )
    return tuple(LeftOut(reason=why, rows=n) for why, n in counts if n)


def some_of(texts: "pd.Series[Any]") -> str:
    """The first of different texts, and how many more there are."""
    names = list(dict.fromkeys(texts))
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(repr(name) for name in names[:SHOWN]) + more

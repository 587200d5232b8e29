"""A target as it is read: raw values of a column in, true values of rows in our terms out."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from autosynth.cell import missing_in, numbers_of
from autosynth.errors import DataError
from autosynth.spec import TargetSpec

SHOWN = 5
"""Names that a message lists."""


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
    """

    name: str
    values: "pd.Series[Any]"
    numbers: NDArray[np.float64] | None
    in_test: NDArray[np.bool_]
    keep: NDArray[np.int64]
    missing: NDArray[np.int64]

    def target(
        self,
        spec: TargetSpec,
        y: NDArray[Any],
        *,
        good: NDArray[np.bool_] | None = None,
        warnings: Iterable[str] = (),
    ) -> Target:
        """The target of true values `y`, of all of these rows or of the `good` ones."""
        keep, missing = self.keep, self.missing
        if len(missing):
            lost = (
                f"target {self.name!r}: {len(missing)} rows without a value were left out; "
                "init=masked alone learns from them"
            )
            warnings = (lost, *warnings)
        keep = keep if good is None else keep[good]
        return Target(spec=spec, y=y, keep=keep, warnings=tuple(warnings), missing=missing)


def target_column(values: "pd.Series[Any]", name: str, in_test: NDArray[np.bool_]) -> TargetColumn:
    """The rows of a column that have a value. Raises DataError where none has."""
    values = values.reset_index(drop=True)
    numbers = numbers_of(values)
    missing = missing_in(values) if numbers is None else ~np.isfinite(numbers)
    keep = np.flatnonzero(~missing)
    if not len(keep):
        raise DataError(f"target {name!r} has no values in {len(values)} rows. Name another.")
    return TargetColumn(
        name=name,
        values=values.iloc[keep],
        numbers=None if numbers is None else numbers[keep],
        in_test=in_test[keep],
        keep=keep,
        missing=np.flatnonzero(missing),
    )


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

"""Understands one target: classification or regression, class names, and which rows have one.

Takes the target's raw values; gives class codes or numbers, in the user's own names and units.
Several columns, and labels of which any number may hold, are understood in `targets.py`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from autosynth.data.column.cell import missing_in, numbers_of, text_of
from autosynth.errors import DataError
from autosynth.spec import TargetSpec, Task

_MAX_INTEGER_CLASSES = 20
_MAX_CODED_CLASSES = 1_000
_MIN_ROWS_A_CLASS = 5


@dataclass(frozen=True, kw_only=True)
class Target:
    """`y` for the rows of `keep` (row numbers); `warnings` say what was left out and why.

    `missing` are the rows without a value.
    """

    spec: TargetSpec
    y: NDArray[Any]
    keep: NDArray[np.int64]
    warnings: tuple[str, ...]
    missing: NDArray[np.int64]


def infer_one_target(
    values: "pd.Series[Any]",
    name: str,
    *,
    task: Task | None = None,
    in_test: NDArray[np.bool_],
    labels: bool = False,
    coded: bool = False,
) -> Target:
    """The target of `values`, one a row; `in_test` marks rows of an official test part.

    `task` overrides what the values say. `labels`: the form of the data says that these are class
    labels. `coded`: whole numbers that count up from 0 or 1 may be class codes (arrays). Raises
    `DataError` for a target of one value or without values.
    """
    values = values.reset_index(drop=True)
    numbers = numbers_of(values)
    missing = missing_in(values) if numbers is None else ~np.isfinite(numbers)
    keep = np.flatnonzero(~missing)
    warnings = []
    if missing.any():
        warnings.append(
            f"target {name!r}: {missing.sum()} rows without a value were left out; init=masked "
            "alone learns from them"
        )
    if not len(keep):
        raise DataError(f"target {name!r} has no values in {len(values)} rows. Name another.")
    if numbers is not None:
        numbers = numbers[keep]
    if task is None:
        task = _task(numbers, labels, coded)
    if task == "regression":
        found = _regression(numbers, values, name, keep, warnings)
    else:
        codes = values.iloc[keep]
        found = _classification(codes, numbers, name, keep, in_test[keep], warnings)
    return replace(found, missing=np.flatnonzero(missing))


def _task(numbers: NDArray[np.float64] | None, labels: bool, coded: bool) -> Task:
    if numbers is None:
        return "classification"
    distinct = np.unique(numbers)
    if len(distinct) <= 2:
        return "classification"
    if (distinct != np.round(distinct)).any():
        return "regression"
    if labels or len(distinct) <= _MAX_INTEGER_CLASSES:
        return "classification"
    counts_up = distinct[0] in (0, 1) and distinct[-1] - distinct[0] == len(distinct) - 1
    filled = len(distinct) <= min(_MAX_CODED_CLASSES, len(numbers) / _MIN_ROWS_A_CLASS)
    return "classification" if coded and counts_up and filled else "regression"


def _regression(
    numbers: NDArray[np.float64] | None,
    values: "pd.Series[Any]",
    name: str,
    keep: NDArray[np.int64],
    warnings: Sequence[str],
) -> Target:
    if numbers is None:
        raise DataError(
            f"regression predicts numbers; target {name!r} holds "
            f"{text_of(values.iloc[keep[0]])!r}. Leave out the task, or name another target."
        )
    y = numbers.astype(np.float32)
    if y.min() == y.max():
        raise DataError(
            f"target {name!r} is {text_of(numbers[0])} in every row: nothing to learn."
        )
    spec = TargetSpec(name=name, task="regression")
    return Target(spec=spec, y=y, keep=keep, warnings=tuple(warnings), missing=keep[:0])


def _classification(
    values: "pd.Series[Any]",
    numbers: NDArray[np.float64] | None,
    name: str,
    keep: NDArray[np.int64],
    in_test: NDArray[np.bool_],
    warnings: list[str],
) -> Target:
    codes, names = _class_codes(values, numbers)
    if len(names) < 2:
        raise DataError(
            f"target {name!r} has one class, {names[0]!r}, in {len(codes)} rows; "
            "classification needs two or more."
        )
    everywhere = np.bincount(codes, minlength=len(names))
    learnable = np.bincount(codes[~in_test], minlength=len(names))
    single = np.flatnonzero(everywhere == 1)
    unseen = np.flatnonzero((learnable == 0) & (everywhere > 1))
    if len(single):
        warnings.append(
            f"target {name!r}: {_some(names, single)} with one row left out; a class needs two"
        )
    if len(unseen):
        warnings.append(
            f"target {name!r}: {_some(names, unseen)} left out; only test rows have it, so it "
            "cannot be learned"
        )
    good = (everywhere > 1) & (learnable > 0)
    if good.sum() < 2:
        raise DataError(
            f"target {name!r} has {good.sum()} classes of two rows or more ({len(names)} in all); "
            "classification needs two. For numbers, ask for the task regression."
        )
    rows = good[codes]
    recode = np.cumsum(good) - 1
    spec = TargetSpec(
        name=name,
        task="classification",
        classes=tuple(text for text, ok in zip(names, good, strict=True) if ok),
    )
    y = recode[codes[rows]].astype(np.int64)
    return Target(spec=spec, y=y, keep=keep[rows], warnings=tuple(warnings), missing=keep[:0])


def _class_codes(
    values: "pd.Series[Any]", numbers: NDArray[np.float64] | None
) -> tuple[NDArray[np.int64], list[str]]:
    """Codes and names of the classes; numbers in their own order, names in alphabetic order."""
    if numbers is not None and values.dtype.kind in "iuf":
        found, codes = np.unique(numbers, return_inverse=True)
        return codes.astype(np.int64), [text_of(value) for value in found]
    raw, found = pd.factorize(values.to_numpy(dtype=object))
    texts = [text_of(value) for value in found]
    # Text that reads as numbers keeps its own spelling ("01"), in the order of the numbers.
    names = sorted(set(texts), key=None if numbers is None else lambda text: (float(text), text))
    place = {text: code for code, text in enumerate(names)}
    return np.array([place[text] for text in texts], dtype=np.int64)[raw], names


def _some(names: Sequence[str], which: NDArray[np.int64]) -> str:
    shown = ", ".join(repr(names[code]) for code in which[:5])
    more = f" and {len(which) - 5} more" if len(which) > 5 else ""
    return f"class {shown}{more}" if len(which) == 1 else f"classes {shown}{more}"

"""Understands what is predicted: one target, several at once, or labels of which any may hold.

Takes the raw values of one or more columns; gives true values and the rows that have all of them.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from autosynth.data.column.cell import missing_in, numbers_of, text_of
from autosynth.data.target.target import Target, infer_one_target
from autosynth.errors import DataError
from autosynth.spec import TargetSpec, Task

LABEL_SEPARATORS = ("|", ";", ",")
_MOST_LABELS = 1_000


def infer_target(
    values: "pd.Series[Any] | pd.DataFrame",
    name: str,
    *,
    task: Task | None = None,
    in_test: NDArray[np.bool_],
    labels: bool = False,
    coded: bool = False,
) -> Target:
    """The target of `values`, rows first; `in_test` marks rows of an official test part.

    - one column: classification or regression, or with the task multilabel the labels that stand
      in each cell, separated by `|`, `;` or `,` (an empty cell has none);
    - several: one target each (multitask); with the task multilabel a label each, 0 or 1. Columns
      without names (arrays) of zeros and ones are labels, too.

    Raises:
        DataError: a target of one value or without values, or labels that are none.
    """
    if isinstance(values, pd.DataFrame):
        named = {str(column): values[column] for column in values}
        if task == "multilabel" or (task is None and coded and _are_labels(values)):
            return _label_columns(named, name)
        targets = [
            infer_one_target(column, title, task=task, in_test=in_test, labels=labels, coded=coded)
            for title, column in named.items()
        ]
        return _together(targets, name)
    if task == "multilabel":
        return _label_cells(values, name, in_test)
    return infer_one_target(values, name, task=task, in_test=in_test, labels=labels, coded=coded)


def _are_labels(values: pd.DataFrame) -> bool:
    return bool(np.isin(values.to_numpy(), (0, 1)).all())


def _together(targets: Sequence[Target], name: str) -> Target:
    """Several targets, on the rows that have all of them."""
    keep = targets[0].keep
    for each in targets[1:]:
        keep = np.intersect1d(keep, each.keep)
    if not len(keep):
        raise DataError(f"no row has a value of every target: {name}. Leave one out.")
    columns = [each.y[np.searchsorted(each.keep, keep)].astype(np.float32) for each in targets]
    spec = TargetSpec(name=name, task="multitask", parts=tuple(each.spec for each in targets))
    missing = np.unique(np.concatenate([each.missing for each in targets]))
    return Target(
        spec=spec, y=np.stack(columns, axis=1), keep=keep, missing=missing,
        warnings=tuple(dict.fromkeys(text for each in targets for text in each.warnings)),
    )  # fmt: skip


def _label_columns(named: "dict[str, pd.Series[Any]]", name: str) -> Target:
    """A label a column; rows where one is missing are left out."""
    columns, missing = [], np.zeros(len(next(iter(named.values()))), np.bool_)
    for title, values in named.items():
        numbers = numbers_of(values.astype(float) if values.dtype == bool else values)
        if numbers is None or not np.isin(numbers[~np.isnan(numbers)], (0, 1)).all():
            shown = ", ".join(repr(text_of(value)) for value in values.unique()[:4])
            raise DataError(
                f"label {title!r} is 0 or 1 in every row, and holds {shown}. Name another "
                "target, or leave the task multilabel out."
            )
        columns.append(numbers)
        missing |= np.isnan(numbers)
    return _labels(np.stack(columns, axis=1), list(named), name, missing)


def _label_cells(values: "pd.Series[Any]", name: str, in_test: NDArray[np.bool_]) -> Target:
    """The labels that stand in each cell; those that only test rows have are left out."""
    gone = missing_in(values)
    texts = ["" if empty else text_of(v) for v, empty in zip(values, gone, strict=True)]
    separator = max(LABEL_SEPARATORS, key=lambda mark: sum(mark in text for text in texts))
    cells = [{part.strip() for part in text.split(separator)} - {""} for text in texts]
    learnt = [cell for cell, test in zip(cells, in_test, strict=True) if not test]
    known = sorted(set().union(*learnt))
    if not 1 <= len(known) <= _MOST_LABELS:
        raise DataError(
            f"target {name!r} holds {len(known)} labels; from 1 to {_MOST_LABELS} can be learnt. "
            f"Separate them by one of {' '.join(LABEL_SEPARATORS)}, or name another target."
        )
    code_of = {label: code for code, label in enumerate(known)}
    y = np.zeros((len(cells), len(known)))
    for row, cell in enumerate(cells):
        y[row, [code_of[label] for label in cell if label in code_of]] = 1
    target = _labels(y, known, name, np.zeros(len(cells), np.bool_))
    strange = sorted(set().union(*cells) - set(known))
    if not strange:
        return target
    warning = (
        f"target {name!r}: labels left out that only test rows have: {', '.join(strange[:5])}"
    )
    return replace(target, warnings=(*target.warnings, warning))


def _labels(
    y: NDArray[np.float64], names: Sequence[str], name: str, missing: NDArray[np.bool_]
) -> Target:
    keep = np.flatnonzero(~missing)
    if not len(keep):
        raise DataError(f"target {name!r} has no row with all of its labels. Name another.")
    y = y[keep]
    same = y.min(0) == y.max(0)
    never = [title for title, is_same in zip(names, same, strict=True) if is_same]
    if len(never) == len(names):
        raise DataError(f"target {name!r}: every label is the same in every row.")
    warnings = (
        (f"target {name!r}: the same in every row: {', '.join(never[:8])}",) if never else ()
    )
    return Target(
        spec=TargetSpec(name=name, task="multilabel", classes=tuple(names)),
        y=y.astype(np.float32), keep=keep, warnings=warnings, missing=np.flatnonzero(missing),
    )  # fmt: skip

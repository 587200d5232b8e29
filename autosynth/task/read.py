"""Reads what is predicted: in training, and to score a model that is there already.

Takes the raw values of one or more columns. In training it gives a target, true values and the
rows that have all of them; for a model, true values in the terms of its `TargetSpec`, and counts,
with its reason, what cannot be scored.
"""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from autosynth.errors import DataError
from autosynth.plugin import MULTITASK, TASKS
from autosynth.spec import TargetSpec
from autosynth.task.classification import Classification
from autosynth.task.multilabel import label_lists
from autosynth.task.regression import Regression
from autosynth.task.target import (
    SHOWN,
    Target,
    TimeUnit,
    TrueValues,
    on_common_rows,
    target_column,
)
from autosynth.task.task import Task, task_of

AS_IT_LOOKS: Mapping[str, str] = MappingProxyType({})
"""Nothing is said of what targets are."""
NO_TIMES: Mapping[str, TimeUnit] = MappingProxyType({})
"""No target is one of times."""

# Whole numbers of so few different values are classes: months, grades, digits. Counts and ages
# have more; who has classes beyond that says --task classification.
_MAX_INTEGER_CLASSES = 20
# Of arrays, which come without names, codes that leave none out are classes up to here, as those
# of image sets are.
_MAX_CODED_CLASSES = 1_000
# A number that most rows have to themselves is no class.
_MIN_ROWS_A_CLASS = 5


def infer_target(
    values: "pd.Series[Any] | pd.DataFrame",
    name: str,
    *,
    task: str | None = None,
    in_test: NDArray[np.bool_],
    labels: bool = False,
    coded: bool = False,
    decimal: str = "",
    kinds: Mapping[str, str] = AS_IT_LOOKS,
    times: Mapping[str, TimeUnit] = NO_TIMES,
) -> Target:
    """The target of `values`, rows first.

    - one column: classification or regression, and multilabel where its cells are lists of labels,
      or print as such; with the task multilabel labels separated by `|`, `;` or `,`, too;
    - several: one target each (multitask); with the task multilabel a label each, 0 or 1. Columns
      without names (arrays) of zeros and ones are labels, too.

    Args:
        values: raw.
        name: of the target.
        task: overrides what the values say.
        in_test: marks rows of an official test part.
        labels: the form of the data says that these are class labels.
        coded: whole numbers that count up from 0 or 1 may be class codes (arrays).
        decimal: how numbers are written where cells do not tell.
        kinds: what targets are said to be, by name: a category, each spelling of which is a class
            of its own, or a number.
        times: the targets whose numbers stand for dates or spans of time, by name.

    Raises:
        DataError: a target of one value or without values, or labels that are none.
    """
    if isinstance(values, pd.DataFrame):
        if task is None and coded and np.isin(values.to_numpy(), (0, 1)).all():
            task = "multilabel"
        if task is None or not _named(task).joins_columns:
            known: Any = {"task": task, "in_test": in_test, "labels": labels, "coded": coded}
            known |= {"decimal": decimal, "kinds": kinds, "times": times}
            parts = [infer_target(values[title], str(title), **known) for title in values]
            return _together(parts, name)
    elif name in times:
        days = _named(Regression.name).read(values, name, in_test, decimal)
        return replace(days, spec=replace(days.spec, **vars(times[name])))
    elif kinds.get(name) == "category" and task in (None, Classification.name):
        column = target_column(values, name, in_test, numbers=False, as_spelt=True)
        return _named(Classification.name).encode(column)
    elif task is None and kinds.get(name) == "number":
        return _named(Regression.name).read(values, name, in_test, decimal)
    elif task is None and label_lists(values) is None:
        column = target_column(values, name, in_test, decimal=decimal)
        found = _named(_understood(column.numbers, labels, coded))
        if found.is_coded and column.told:  # words among few numbers are classes as these are
            column = target_column(values, name, in_test, numbers=False)
        return found.encode(column)
    return _named(task or "multilabel").read(values, name, in_test, decimal)


def _named(task: str) -> Task:
    found: Task = TASKS[task]
    return found


def _understood(numbers: NDArray[np.float64] | None, labels: bool, coded: bool) -> str:
    """The task that the values of a column say."""
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


def _together(targets: list[Target], name: str) -> Target:
    """Several targets, on the rows that have all of them."""
    keep, columns = on_common_rows(targets)
    if not len(keep):
        raise DataError(f"no row has a value of every target: {name}. Leave one out.")
    return Target(
        spec=TargetSpec(name=name, task=MULTITASK, parts=tuple(each.spec for each in targets)),
        y=np.stack(columns, axis=1).astype(np.float64),
        keep=keep,
        missing=np.unique(np.concatenate([each.missing for each in targets])),
        warnings=tuple(dict.fromkeys(text for each in targets for text in each.warnings)),
        assumed=tuple(dict.fromkeys(text for each in targets for text in each.assumed)),
    )


def true_values_of(
    values: "pd.Series[Any] | pd.DataFrame", target: TargetSpec, place: str
) -> TrueValues:
    """The true values of all rows that can be scored.

    Args:
        values: raw, rows first; a column each where the target has several.
        target: of the model.
        place: where the values come from, for messages.

    Raises:
        DataError: no row can be scored, or there are more or fewer columns than the target has.
    """
    y_true = task_of(target).true_values(values, target, place)
    if not len(y_true.keep):
        why = "; ".join(f"{each.rows} rows {each.reason}" for each in y_true.left_out)
        raise DataError(
            f"no row of {place} can be scored: {why}. {_known(target)} Give data with labels of "
            "that kind, or name the column that holds them with --target."
        )
    return y_true


def _known(target: TargetSpec) -> str:
    names = ", ".join(map(repr, target.classes[:SHOWN]))
    more = f" and {len(target.classes) - SHOWN} more" if len(target.classes) > SHOWN else ""
    return f"The model knows {names}{more} of {target.name!r}." if names else ""

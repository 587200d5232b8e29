"""How much rows and classes count: a column or numbers in, a weight a row and a class out.

Rows of weight 0 are left out where they are read, so that they have no say in anything. The others
are brought to a mean of 1 over training rows: the learning rate, and a penalty over the sum of the
losses, then mean what they mean without weights.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from autosynth.cell import read_numbers, reading_of, text_of
from autosynth.data.source.rows import BatchedRows
from autosynth.data.split.splitkeys import check_column
from autosynth.errors import DataError, unknown
from autosynth.options import DataConfig
from autosynth.spec import Dataset, RowNumbers, TargetSpec
from autosynth.spelling import NameMatch
from autosynth.task.task import task_of
from autosynth.weight import BALANCED, class_weights_told

WEIGHT = "weight"
"""The key, beside the encoders, of the column that a model's rows were weighed by."""
MOST_WEIGHT = 1e30
"""Of a row: so that the weights of all have a sum, and single precision has room for them."""
_RULE = f"says how much each row counts, a number from 0 to {MOST_WEIGHT:g}"


@dataclass(frozen=True, kw_only=True)
class RowWeights:
    """Weights of rows, (n,), 0 or more and some above; `column` is empty where they were given."""

    values: NDArray[np.float64]
    column: str = ""

    def of(self, rows: RowNumbers) -> "RowWeights":
        """Those of some rows."""
        return replace(self, values=self.values[rows])

    @property
    def counting(self) -> RowNumbers:
        """The rows that count at all."""
        return np.flatnonzero(self.values > 0)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is said of rows that do not count."""
        lost = len(self.values) - len(self.counting)
        return (f"{lost} rows of weight 0 are left out: they count for nothing",) if lost else ()


def read_weights(values: "pd.Series[Any]", column: str, place: str, form: str = "") -> RowWeights:
    """The weights that a column of `place` holds; numbers may be written in a `form`.

    Raises:
        DataError: a cell is missing, a word, below 0 or without end, or all are 0.
    """
    reading = reading_of(values, form)
    pair = read_numbers(values, "") if reading is None else (reading.numbers, reading.is_word)
    return _checked(pair[0], values, column, f"--weight {column!r} of {place}")


def given_weights(numbers: Sequence[float], rows: int, place: str) -> RowWeights:
    """Weights that were given in Python for `rows` rows; raises as `read_weights`."""
    if len(numbers) != rows:
        raise DataError(
            f"weight= gives {len(numbers)} numbers, and {place} has {rows} rows. Give one a row, "
            "in their order."
        )
    found = np.array(numbers, dtype=np.float64)
    return _checked(found, pd.Series(found), "", f"weight= for {place}")


def _checked(
    found: NDArray[np.float64], values: "pd.Series[Any]", column: str, what: str
) -> RowWeights:
    cure = "Mend it, take the row out, or leave the weights out."
    bad = np.flatnonzero(~((found >= 0) & (found <= MOST_WEIGHT)))  # a word is NaN, too
    if len(bad):
        row = int(bad[0])
        cell = values.iloc[row]
        shown = "nothing" if pd.isna(cell) else repr(text_of(cell))
        more = f" (and {len(bad) - 1} rows more are wrong)" if len(bad) > 1 else ""
        raise DataError(f"{what} {_RULE}; row {row} holds {shown}{more}. {cure}")
    if not (found > 0).any():
        raise DataError(
            f"{what} {_RULE}; it is 0 in all {len(found)} rows, so that none counts. Name another "
            "column, or leave the weights out."
        )
    return RowWeights(values=found, column=column)


def config_weights(
    config: DataConfig, rows: BatchedRows, source: str, form: str
) -> RowWeights | None:
    """The weights of rows that are asked for; None for none.

    `source` is what the rows come from, for messages, and `form` how numbers are written where a
    column does not tell.
    """
    if config.weight is None:
        return None
    if not isinstance(config.weight, str):
        return given_weights(config.weight, len(rows), source)
    check_column(config.weight, rows.columns, f"--weight {config.weight!r}", source)
    return read_weights(rows[config.weight], config.weight, source, form)


def weighed(dataset: Dataset, weights: RowWeights | None, config: DataConfig) -> Dataset:
    """The dataset with the weights of its rows, all above 0, and of its classes."""
    train, values = dataset.splits.train, None
    if weights is not None:
        values = weights.values / weights.values[train].mean()
        named = {WEIGHT: weights.column} if weights.column else {}
        dataset = replace(
            dataset,
            weights=values,
            weight=weights.column,
            encoders={**dataset.encoders, **named},
        )
    if not config.class_weight:
        return dataset
    own = np.ones(len(train)) if values is None else values[train]
    found = class_weights(config.class_weight, dataset.target, dataset.y[train], own)
    return replace(dataset, class_weights=found)


def class_weights(
    asked: Sequence[str], target: TargetSpec, y: NDArray[Any], weights: NDArray[np.float64]
) -> tuple[float, ...]:
    """What rows of each class are multiplied by in training, so that the mean stays what it is.

    Balanced, all classes weigh the same: n / (k * count), as in scikit-learn, of weighted counts.

    Args:
        asked: `balanced`, or pairs; a class that none names counts 1.
        target: what the classes are of.
        y: codes of the training rows, (n,).
        weights: of the same.

    Raises:
        DataError: the target is no classification.
        UnknownNameError: it has no such class.
    """
    if not task_of(target).few_classes:
        raise DataError(
            f"--class-weight is of the classes of a classification, and {target.name!r} is a "
            f"target of the task {target.task}. Leave it out, or weigh rows with --weight."
        )
    counts = np.bincount(y.astype(np.int64), weights, len(target.classes))
    each = np.ones(len(counts))
    if tuple(asked) == (BALANCED,):  # a class that no training row has weighs nothing anyway
        each = counts.sum() / (len(counts) * np.where(counts > 0, counts, counts.sum()))
    match = NameMatch.of(target.classes)
    for name, value in class_weights_told(asked).items():
        code = match.place(name)
        if code is None:
            raise unknown(f"class of {target.name!r}", name, target.classes, "(--class-weight)")
        each[code] = value
    each *= counts.sum() / (counts @ each)
    return tuple(each.tolist())


def check_unweighted(config: DataConfig, what: str) -> None:
    """Raise `DataError` where weights are asked of rows that count alike; `what` says why."""
    if config.weight is None and not config.class_weight:
        return
    flag = "--class-weight" if config.weight is None else "--weight"
    raise DataError(f"{flag} is of rows that stand for themselves, and {what}. Leave it out.")

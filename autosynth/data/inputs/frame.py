"""Makes inputs of a table's columns: one of its numbers and categories, and one of each text.

Fitted on training rows: one JSON-able dict an input, with which the same columns are read again.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from autosynth.data.forms.table import as_frame
from autosynth.data.inputs.columns import Aside, Column, encode_column, understand_columns
from autosynth.data.inputs.layout import to_float32
from autosynth.data.inputs.order import order_columns
from autosynth.data.inputs.tokens import apply_text, fit_text
from autosynth.errors import DataError

Fitted = Mapping[str, Any]

TABLE = "table"


@dataclass(frozen=True, kw_only=True)
class Applied:
    """The arrays of the inputs, by name; the row numbers they hold, and what was wrong."""

    x: Mapping[str, NDArray[Any]]
    keep: NDArray[np.int64]
    warnings: tuple[str, ...] = ()


def fit_frame(
    frame: pd.DataFrame, train: NDArray[np.int64], *, width: int | None
) -> tuple[list[dict[str, Any]], tuple[Aside, ...]]:
    """The inputs that the columns of `frame` make, and the columns that make none.

    Args:
        frame: all rows.
        train: the rows to learn from.
        width: the number of columns of an array, which have no names; None of a frame.

    Raises:
        DataError: no column is left.
    """
    understood = understand_columns(frame, train)
    asides = tuple(column for column in understood if isinstance(column, Aside))
    columns = [column for column in understood if isinstance(column, Column)]
    if not columns:
        reasons = "; ".join(f"{aside.name}: {aside.reason}" for aside in asides[:8])
        raise DataError(f"no column is left to learn from ({reasons}).")
    cells = [column for column in columns if column.kind != "text"]
    found = [_fit_table(frame, cells, train)] if cells else []
    names = {TABLE}
    for column in columns:
        if column.kind == "text":
            name = _name(column.name, names)
            names.add(name)
            found += fit_text(frame[column.name], train, name)
    return [{**fitted, "width": width} for fitted in found], asides


def apply_frame(inputs: Sequence[Fitted], x: Any, place: str) -> Applied:
    """The arrays that the inputs make of a frame, or of an array without names. Names `place`."""
    wanted = list(dict.fromkeys(name for fitted in inputs for name in columns_of(fitted)))
    width = inputs[0]["width"]
    if not isinstance(x, pd.DataFrame) and (x.ndim != 2 or x.shape[1] != width):
        rows = f"rows with the columns {_some(wanted)}" if width is None else f"{width} columns"
        raise DataError(f"x in {place} has shape {x.shape}; {rows} are expected.")
    frame = as_frame(x)
    frame = frame.rename(columns={name: str(name) for name in frame.columns})
    lacking = [name for name in wanted if name not in frame.columns]
    if lacking:
        raise DataError(
            f"{place} lacks {len(lacking)} columns that the model was trained on: "
            f"{', '.join(lacking[:8])}."
        )
    found: dict[str, NDArray[Any]] = {}
    warnings: list[str] = []
    for fitted in inputs:
        if fitted["kind"] == "table":
            found[fitted["name"]] = _apply_table(fitted, frame, warnings)
        else:
            found[fitted["name"]] = apply_text(fitted, frame[fitted["column"]])
    return Applied(x=found, keep=np.arange(len(frame)), warnings=tuple(warnings))


def columns_of(fitted: Fitted) -> list[str]:
    """The names of the columns that an input is made of; none for arrays."""
    if fitted["kind"] == "table":
        return [column["name"] for column in fitted["columns"]]
    return [fitted["column"]] if "column" in fitted else []


def _fit_table(
    frame: pd.DataFrame, columns: Sequence[Column], train: NDArray[np.int64]
) -> dict[str, Any]:
    values = np.column_stack(
        [encode_column(frame[column.name].iloc[train], column)[0] for column in columns]
    )
    order = order_columns(values, [column.name for column in columns])
    return {
        "name": TABLE,
        "kind": "table",
        "columns": [columns[place].to_dict() for place in order],
    }


def _apply_table(fitted: Fitted, frame: pd.DataFrame, warnings: list[str]) -> NDArray[np.float32]:
    columns = [Column.from_dict(column) for column in fitted["columns"]]
    out = np.empty((len(frame), len(columns)), dtype=np.float32)
    for number, column in enumerate(columns):
        values, wrong = encode_column(frame[column.name], column)
        out[:, number] = to_float32(values)
        warnings.extend(wrong)
    return out


def _name(column: str, taken: set[str]) -> str:
    """A name for an input that a strategy can write: letters, digits and lines."""
    name = re.sub(r"\W+", "_", column, flags=re.ASCII).strip("_") or "text"
    name = name if name[0].isalpha() else f"text_{name}"
    found, number = name, 2
    while found in taken:
        found, number = f"{name}_{number}", number + 1
    return found


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")

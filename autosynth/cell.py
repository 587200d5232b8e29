"""Reads single values: how a value prints as a category or class name, and what is a number."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

# Floats of this size and more have lost their last digits; they print in full, not as integers.
_EXACT = 2.0**53
# Cells that are looked at first.
_HEAD = 100


def text_of(value: Any) -> str:
    """How `value` prints: text stripped, whole numbers without a point, bytes decoded."""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, bytes):
        return value.decode("utf-8", errors="replace").strip()
    if isinstance(value, bool | np.bool_):
        return str(bool(value))
    if isinstance(value, float | np.floating):
        number = float(value)
        return str(int(number)) if number.is_integer() and abs(number) < _EXACT else str(value)
    return str(value).strip()


def numbers_of(values: "pd.Series[Any]") -> NDArray[np.float64] | None:
    """`values` as float64, NaN where missing; None where one that is there is no number.

    Booleans and pandas categories are names, not numbers.
    """
    dtype = values.dtype
    if isinstance(dtype, pd.CategoricalDtype) or pd.api.types.is_bool_dtype(dtype):
        return None
    if pd.api.types.is_numeric_dtype(dtype):
        return _floats(values)
    if pd.api.types.is_datetime64_any_dtype(dtype) or dtype.kind in "mc":
        return None
    if dtype.kind == "O" and pd.api.types.infer_dtype(values, skipna=True) == "boolean":
        return None
    # Most text shows itself in its first cells; converting a long column of it takes seconds.
    head = values.dropna().iloc[:_HEAD]
    if (pd.to_numeric(head, errors="coerce").isna() & ~_blank(head)).any():
        return None
    numbers = pd.to_numeric(values, errors="coerce")
    if (numbers.isna() & values.notna() & ~_blank(values)).any():
        return None
    return _floats(numbers)


def missing_in(values: "pd.Series[Any]") -> NDArray[np.bool_]:
    """Which of `values` are missing: none at all, or blank text."""
    missing: NDArray[np.bool_] = (values.isna() | _blank(values)).to_numpy(dtype=bool)
    return missing


def _blank(values: "pd.Series[Any]") -> "pd.Series[Any]":
    if values.dtype.kind == "O" and isinstance(values.dtype, np.dtype):
        # Cells may hold whole pictures, which take long to print.
        return values.map(lambda cell: isinstance(cell, str) and not cell.strip()).astype(bool)
    return values.astype(str).str.strip() == ""


def _floats(values: "pd.Series[Any]") -> NDArray[np.float64]:
    numbers: NDArray[np.float64] = values.to_numpy(dtype=np.float64, na_value=np.nan)
    return numbers

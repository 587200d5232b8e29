"""Columns of numbers, taken together: of 20,000 columns one by one pandas alone takes seconds.

Takes a frame; gives the columns whose type says that they are numbers as one array, and which of
them are beyond doubt ordinary measures. All others are looked at one by one.
"""

from collections.abc import Collection, Iterator, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

# So many at once are 16 MB: what is made of them on the way stays small, and near the processor.
_CELLS = 2**21


def pieces(x: NDArray[np.float64]) -> Iterator[slice]:
    """Columns of `x` (rows, columns) that are taken at once, piece by piece."""
    step = max(1, _CELLS // max(1, len(x)))
    return (slice(start, start + step) for start in range(0, x.shape[1], step))


def numeric_names(frame: pd.DataFrame, without: Collection[str] = ()) -> list[str]:
    """The columns of plain numbers by their type, booleans and pandas' own types apart."""
    pairs = zip(frame.columns, frame.dtypes, strict=True)
    return [str(n) for n, dtype in pairs if is_numeric(dtype) and str(n) not in without]


def is_numeric(dtype: object) -> bool:
    """Whether a type of cells is one of numbers that numpy has."""
    return isinstance(dtype, np.dtype) and dtype.kind in "iuf"


def numbers_of_columns(frame: pd.DataFrame, names: Sequence[str]) -> NDArray[np.float64]:
    """The cells (rows, columns) of columns of numbers, NaN where missing; a column lies whole."""
    chosen = frame if list(frame.columns) == list(names) else frame[list(names)]
    return np.asfortranarray(chosen.to_numpy(dtype=np.float64))


def are_measures(
    x: NDArray[np.float64], places: NDArray[np.int64], least: float, most: float
) -> NDArray[np.bool_]:
    """Which columns hold measures beyond doubt: no constant, no id, no date and no count of rows.

    Args:
        x: the cells (rows, columns), NaN where missing.
        places: of the rows in the file, which an id may count.
        least: whole numbers that are all as large or larger may be dates.
        most: whole numbers of which one is of that size may be ids.
    """
    if len(x) < 2:
        return np.zeros(x.shape[1], dtype=bool)
    parts = [_are_measures(x[:, some], places, least, most) for some in pieces(x)]
    return np.concatenate([np.zeros(0, dtype=bool), *parts])


def _are_measures(
    x: NDArray[np.float64], places: NDArray[np.int64], least: float, most: float
) -> NDArray[np.bool_]:
    finite = np.isfinite(x)
    low = np.where(finite, x, np.inf).min(0)
    high = np.where(finite, x, -np.inf).max(0)
    with np.errstate(invalid="ignore"):  # of two infinite ones
        broken = ((x != np.round(x)) & finite).any(0)
        counts = x[[1, -1]] - x[0] == (places[[1, -1]] - places[0])[:, None]
    whole = (low < least) & (low > -most) & (high < most) & ~counts.all(0)
    return np.asarray((low < high) & (broken | whole))

"""Draws whole groups of rows, or the latest rows, for a split.

Takes row numbers and a size; gives (drawn, left). Sizes are approximate: a group is not cut, and
nor are rows of one time. `rest` says how many splits still have to be cut from what is left.
"""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from autosynth.errors import DataError
from autosynth.spec import RowNumbers

_TRIES = 5
_MANY = 1_000
_NEAR = 0.5


def group_codes(groups: Any) -> NDArray[np.int64]:
    """The number of each row's group; a row without a label is a group of its own."""
    found, labels = pd.factorize(np.asarray(groups, dtype=object), use_na_sentinel=True)
    codes: NDArray[np.int64] = np.array(found, dtype=np.int64)
    alone = codes < 0
    codes[alone] = len(labels) + np.arange(alone.sum())
    return codes


def take_groups(
    rows: RowNumbers,
    labels: NDArray[Any],
    groups: NDArray[np.int64],
    size: int,
    rng: np.random.Generator,
    *,
    rest: int,
) -> tuple[RowNumbers, RowNumbers]:
    """Draw whole groups of about `size` rows, each class by its share as nearly as groups allow.

    A class that `rows` hold keeps rows among those left, where any draw allows it.

    Raises:
        DataError: there are not groups enough for this split and the `rest`.
    """
    members, numbers = np.unique(groups[rows], return_inverse=True)
    if len(members) <= rest:
        raise DataError(
            f"{len(members)} groups in {len(rows)} rows cannot be cut into {rest + 1} splits, "
            "none of which shares a group with another. Name a column with more groups."
        )
    _, codes = np.unique(labels[rows], return_inverse=True)
    tables = _tables(numbers, codes, len(members))
    wanted = np.bincount(codes) * size / len(rows)
    most = len(members) - rest
    tries = _TRIES if len(members) <= _MANY else 1
    draws = [_draw(tables, wanted, most, rng.permutation(len(tables))) for _ in range(tries)]
    _, best = min(draws, key=lambda draw: draw[0])
    drawn = np.isin(numbers, best)
    return rows[drawn], rows[~drawn]


_Table = tuple[NDArray[np.int64], NDArray[np.int64]]
"""The classes of a group's rows, and the number of rows of each."""


def _tables(numbers: RowNumbers, codes: RowNumbers, n: int) -> list[_Table]:
    n_classes = int(codes.max()) + 1
    pairs, counts = np.unique(numbers * n_classes + codes, return_counts=True)
    starts = np.searchsorted(pairs // n_classes, np.arange(n + 1))
    return [
        (pairs[low:high] % n_classes, counts[low:high])
        for low, high in zip(starts[:-1], starts[1:], strict=True)
    ]


def _draw(
    tables: list[_Table], wanted: NDArray[np.float64], most: int, order: RowNumbers
) -> tuple[float, list[int]]:
    """Groups in `order`, each taken where it brings the rows of each class nearer to `wanted`.

    Gives the distance that remains (chi-square) and the groups, at least one and at most `most`.
    """
    scale = 1 / np.maximum(wanted, 0.5)
    left = np.zeros(len(wanted), dtype=np.int64)
    for codes, counts in tables:
        left[codes] += counts
    lacking = wanted.copy()
    chosen: list[int] = []
    worst: list[tuple[bool, float, int]] = []  # what may be drawn where no group brings it nearer
    for number in map(int, order):
        codes, counts = tables[number]
        change = float(((lacking[codes] - counts) ** 2 - lacking[codes] ** 2) @ scale[codes])
        empties = bool((left[codes] <= counts).any())
        if change < 0 and not empties:
            lacking[codes] -= counts
            left[codes] -= counts
            chosen.append(number)
            if len(chosen) == most or lacking.sum() < _NEAR:
                break
        elif not chosen:
            worst.append((empties, change, number))
    if not chosen:
        chosen = [min(worst)[2]]
        codes, counts = tables[chosen[0]]
        lacking[codes] -= counts
    return float((lacking**2) @ scale), chosen


def take_latest(
    rows: RowNumbers, times: NDArray[np.float64], size: int, *, rest: int
) -> tuple[RowNumbers, RowNumbers]:
    """Draw the latest rows, about `size`; rows of one time stay together.

    A row without a time (NaN) counts as the oldest.

    Raises:
        DataError: there are not times enough for this split and the `rest`.
    """
    values = np.where(np.isnan(times[rows]), -np.inf, times[rows])
    order = np.argsort(values, kind="stable")
    values = values[order]
    borders = np.flatnonzero(values[1:] > values[:-1]) + 1
    if len(borders) < rest:
        raise DataError(
            f"{len(borders) + 1} different times in {len(rows)} rows cannot be cut into "
            f"{rest + 1} splits, one after another. Name a column with finer times."
        )
    borders = borders[rest - 1 :]
    cut = int(borders[np.abs(borders - (len(rows) - size)).argmin()])
    return rows[order[cut:]], rows[order[:cut]]

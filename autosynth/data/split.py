"""Cuts rows into `train`, `fit`, `select` and `test`, from a seed; official parts stay.

Classification is stratified: every class gives its share to each split, and keeps rows in `train`.
"""

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autosynth.data.spec import Splits

Rows = NDArray[np.int64]

TEST_SHARE = 0.2
SMALL = 2_000
_SHARE = 0.1
_MAX_SHARE = 0.2
_BOUNDS = (500, 5_000)
MIN_VALIDATION = 100
_LARGE_VALIDATION = 1_000


@dataclass(frozen=True, kw_only=True)
class Parts:
    """Row numbers of a source's own parts; `validation` and `test` are empty where it has none."""

    main: Rows
    validation: Rows
    test: Rows


def split(y: NDArray[Any], parts: Parts, *, stratified: bool, seed: int) -> Splits:
    """Cut the rows of `parts` into disjoint splits that cover them all.

    - `test`: the official part, or 20 % of the rows;
    - `fit` and `select`: 10 % each of what is left, at least 500 and at most 5,000 rows but never
      more than 20 %; below 2,000 rows `fit` is empty and `select` is 20 %;
    - official validation rows, 100 or more, are not mixed with training rows: they are `select`,
      and half of them `fit` from 1,000 on. Fewer are joined to the training rows.
    """
    rng = np.random.default_rng(seed)
    labels = y if stratified else np.zeros(len(y), dtype=np.int64)
    main, validation, test = parts.main, parts.validation, parts.test
    if len(validation) < MIN_VALIDATION:
        main, validation = np.concatenate([main, validation]), validation[:0]
    if not len(test):
        test, main = take(main, labels, round(TEST_SHARE * len(main)), rng)
    small = len(main) + len(validation) < SMALL
    size = _size(len(main), small)
    select, fit = validation, main[:0]
    if not len(validation):
        select, main = take(main, labels, size, rng)
    if len(validation) >= _LARGE_VALIDATION:
        fit, select = take(validation, labels, len(validation) // 2, rng)
    elif not small:
        fit, main = take(main, labels, size, rng)
    return Splits(
        train=np.sort(main), fit=np.sort(fit), select=np.sort(select), test=np.sort(test)
    )


def without(splits: Splits, keep: Rows, n: int) -> Splits:
    """The splits of the rows `keep` of `n`, numbered anew."""
    place = np.full(n, -1, dtype=np.int64)
    place[keep] = np.arange(len(keep))
    found = {field.name: place[getattr(splits, field.name)] for field in fields(splits)}
    return Splits(**{name: rows[rows >= 0] for name, rows in found.items()})


def take(
    rows: Rows, labels: NDArray[Any], size: int, rng: np.random.Generator
) -> tuple[Rows, Rows]:
    """Draw about `size` of `rows`, each class by its share; gives (drawn, left).

    No class is drawn empty; where that leaves nothing to draw, classes are not looked at.
    """
    _, codes, counts = np.unique(labels[rows], return_inverse=True, return_counts=True)
    quota = _quotas(counts, size, rng)
    if not quota.sum() and size:
        shuffled = rng.permutation(len(rows))
        return rows[shuffled[:size]], rows[shuffled[size:]]
    # Rows in random order, then grouped by class: the first `quota` of each group are drawn.
    order = rng.permutation(len(rows))
    order = order[np.argsort(codes[order], kind="stable")]
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
    rank = np.arange(len(rows)) - np.repeat(starts, counts)
    drawn = rank < np.repeat(quota, counts)
    return rows[order[drawn]], rows[order[~drawn]]


def _quotas(counts: NDArray[np.int64], size: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Largest remainders, ties broken at random, one row of each class left."""
    exact = counts * size / counts.sum()
    quota: NDArray[np.int64] = np.minimum(np.floor(exact).astype(np.int64), counts - 1)
    order = np.lexsort([rng.random(len(counts)), -(exact - np.floor(exact))])
    for code in order:
        if quota.sum() >= size:
            break
        if quota[code] < counts[code] - 1 and exact[code] > quota[code]:
            quota[code] += 1
    return quota


def _size(rows: int, small: bool) -> int:
    if small:
        return max(1, round(_MAX_SHARE * rows))
    low, high = _BOUNDS
    return min(min(max(round(_SHARE * rows), low), high), int(_MAX_SHARE * rows))

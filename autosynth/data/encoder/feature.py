"""Plain numbers of encoded rows: what a quick look at what inputs say of the target reads.

Takes arrays with the rows first; gives columns of finite numbers.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

MAX_VALUES = 256
"""For a quick look neighbouring values are averaged, and the most frequent codes counted, until
there are no more."""
MAX_ONE_HOT = 16

Numbers = NDArray[np.float64]


def ranked(column: Numbers) -> Numbers:
    """A column's values, their ranks, and whether one is missing; gaps hold the median."""
    gone = ~np.isfinite(column)
    if gone.all():
        return np.zeros((len(column), 1))
    column = np.where(gone, np.median(column[~gone]), column)
    _, codes, counts = np.unique(column, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - counts / 2)[codes] / len(column)
    parts = [column, ranks, gone.astype(np.float64)] if gone.any() else [column, ranks]
    return np.stack(parts, axis=1)


def flags(column: Numbers) -> Numbers:
    """Which of its most frequent categories a row has."""
    values, counts = np.unique(column, return_counts=True)
    most = values[np.argsort(-counts, kind="stable")[:MAX_ONE_HOT]]
    return np.asarray(column[:, None] == most, dtype=np.float64)


def code_counts(x: NDArray[Any]) -> Numbers:
    """How often a row holds each of the most frequent tokens, as a logarithm, and how many."""
    most = np.argsort(-np.bincount(x.ravel(), minlength=2)[1:], kind="stable")[:MAX_VALUES] + 1
    counts = np.stack([(x == token).sum(1) for token in most], axis=1)
    sizes = (x > 0).sum(1, keepdims=True)
    return np.asarray(np.log1p(np.concatenate([counts, sizes], axis=1)))


def block_means(x: Numbers) -> Numbers:
    """Means over blocks of neighbouring values; what is missing counts as the mean of the rest."""
    blocks = np.array_split(np.arange(x.shape[1]), min(MAX_VALUES, x.shape[1]))
    known = np.isfinite(x)
    sums = np.stack([np.where(known, x, 0)[:, block].sum(1) for block in blocks], axis=1)
    sizes = np.stack([known[:, block].sum(1) for block in blocks], axis=1)
    overall = sums.sum() / max(1, sizes.sum())
    return np.asarray(np.where(sizes > 0, sums / np.maximum(sizes, 1), overall))

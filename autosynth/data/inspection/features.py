"""Plain features of rows, for a quick look at what their inputs say of the target.

Takes a dataset and row numbers; gives finite numbers (rows, columns) of every kind of input.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from autosynth.data.encoder.mel import mel_summary
from autosynth.spec import Dataset, InputSpec

MAX_VALUES = 256
"""Of pictures and series neighbouring values are averaged, and of texts the most frequent tokens
counted, until there are no more."""
MAX_ONE_HOT = 16
MAX_COLUMNS = 512
"""Of all inputs together; of more, some are drawn."""

Numbers = NDArray[np.float64]


def features_of(dataset: Dataset, rows: NDArray[np.int64]) -> Numbers:
    """Features (rows, columns) of some rows, at most `MAX_COLUMNS`."""
    specs = [spec for spec in dataset.inputs if not spec.of]
    blocks = [_features(spec, np.asarray(dataset.x[spec.name][rows])) for spec in specs]
    found = np.concatenate(blocks, axis=1)
    if found.shape[1] > MAX_COLUMNS:
        found = found[:, np.random.default_rng(0).permutation(found.shape[1])[:MAX_COLUMNS]]
    return found


def _features(spec: InputSpec, x: NDArray[Any]) -> Numbers:
    if spec.kind in ("text", "ids"):
        return _counts(x, spec)
    if spec.kind == "audio":
        return np.asarray(mel_summary(x, spec), dtype=np.float64)
    if spec.kind == "table":
        columns = zip(x.T.astype(np.float64), spec.cardinalities or (0,) * x.shape[1], strict=True)
        parts = [_flags(column) if size > 0 else _number(column) for column, size in columns]
        return np.concatenate(parts, axis=1)
    return _pooled(x.reshape(len(x), -1).astype(np.float64))


def _number(column: Numbers) -> Numbers:
    """A column's values, their ranks, and whether one is missing; gaps hold the median."""
    gone = ~np.isfinite(column)
    if gone.all():
        return np.zeros((len(column), 1))
    column = np.where(gone, np.median(column[~gone]), column)
    _, codes, counts = np.unique(column, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - counts / 2)[codes] / len(column)
    parts = [column, ranks, gone.astype(np.float64)] if gone.any() else [column, ranks]
    return np.stack(parts, axis=1)


def _flags(column: Numbers) -> Numbers:
    """Which of its most frequent categories a row has."""
    values, counts = np.unique(column, return_counts=True)
    most = values[np.argsort(-counts, kind="stable")[:MAX_ONE_HOT]]
    return np.asarray(column[:, None] == most, dtype=np.float64)


def _counts(x: NDArray[Any], spec: InputSpec) -> Numbers:
    """How often a row holds each of the most frequent tokens, as a logarithm, and how many."""
    most = np.argsort(-np.bincount(x.ravel(), minlength=2)[1:], kind="stable")[:MAX_VALUES] + 1
    counts = np.stack([(x == token).sum(1) for token in most], axis=1)
    sizes = (x > 0).sum(1, keepdims=True)
    return np.asarray(np.log1p(np.concatenate([counts, sizes], axis=1)))


def _pooled(x: Numbers) -> Numbers:
    """Means over blocks of neighbouring values; what is missing counts as the mean of the rest."""
    blocks = np.array_split(np.arange(x.shape[1]), min(MAX_VALUES, x.shape[1]))
    known = np.isfinite(x)
    sums = np.stack([np.where(known, x, 0)[:, block].sum(1) for block in blocks], axis=1)
    sizes = np.stack([known[:, block].sum(1) for block in blocks], axis=1)
    overall = sums.sum() / max(1, sizes.sum())
    return np.asarray(np.where(sizes > 0, sums / np.maximum(sizes, 1), overall))

"""A dataset's inputs as one matrix of features: what simple models read.

Takes a dataset and row numbers; gives float32 columns, and says which of them are categories.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from autosynth.data.spec import Dataset, InputSpec

Array = NDArray[Any]

MAX_FEATURES = 4096
"""Images and series of more values are averaged over neighbours until they have no more."""


@dataclass(frozen=True)
class Table:
    """All features of a dataset as one matrix, and which columns are categories, of how many."""

    x: NDArray[np.float32]
    cardinalities: Array


def numbers_of(table: Table) -> ColumnTransformer:
    """Numbers standardised, gaps filled and marked; categories one-hot, the rare ones as one."""
    is_category = table.cardinalities > 0
    gaps = make_pipeline(
        SimpleImputer(add_indicator=True, keep_empty_features=True), StandardScaler()
    )
    hot = OneHotEncoder(
        max_categories=64, handle_unknown="infrequent_if_exist", sparse_output=False
    )
    return ColumnTransformer(
        [("numbers", gaps, ~is_category), ("categories", hot, is_category)], sparse_threshold=0
    )


def table_of(dataset: Dataset, rows: Array) -> Table:
    """The features `(len(rows), columns)` of those rows, all inputs side by side."""
    blocks = [_features(spec, dataset.x[spec.name][rows]) for spec in dataset.inputs]
    cardinalities = [
        np.asarray(spec.cardinalities or (0,) * block.shape[1])
        for spec, block in zip(dataset.inputs, blocks, strict=True)
    ]
    return Table(np.concatenate(blocks, axis=1), np.concatenate(cardinalities))


def _features(spec: InputSpec, x: Array) -> NDArray[np.float32]:
    if spec.kind != "table":
        axes = len(spec.shape) - 1
        excess = math.prod(spec.shape) / MAX_FEATURES
        step = math.ceil(excess ** (1 / axes)) if excess > 1 else 1
        if step > 1:
            x = _pooled(x, axes, step)
    return np.asarray(x.reshape(len(x), -1), dtype=np.float32)


def _pooled(x: Array, axes: int, step: int) -> Array:
    """Mean over blocks of `step` along the last `axes`; what is left over at an end is cut."""
    for axis in range(x.ndim - axes, x.ndim):
        stride = min(step, x.shape[axis])
        count = x.shape[axis] // stride
        x = np.moveaxis(x, axis, -1)[..., : count * stride]
        x = x.reshape(*x.shape[:-1], count, stride).mean(axis=-1, dtype=np.float32)
        x = np.moveaxis(x, -1, axis)
    return x

"""Points in, the number of the non-dominated layer of each out.

The pruner, the leaderboard and the reserve of a search go by these layers, so they are computed in
one place.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from autosynth.record import Record


def layers(points: ArrayLike) -> NDArray[np.int64]:
    """The layer of each point: 1 for the front, 2 for the front of what is left, and so on.

    One point dominates another if it is no larger in any coordinate and smaller in one; equal
    points share a layer. Non-dominated sorting as in Deb et al., NSGA-II (2002).

    Args:
        points: shape `(n, d)`; every coordinate is to be made small. Infinities may stand in it.

    Returns:
        Shape `(n,)`, from 1.

    Raises:
        ValueError: if `points` is not two-dimensional, or a coordinate is not a number.
    """
    values = np.asarray(points, dtype=np.float64)
    if values.size == 0:
        return np.zeros(len(values), dtype=np.int64)
    if values.ndim != 2 or np.isnan(values).any():
        raise ValueError(f"points are n rows of d numbers without NaN; got shape {values.shape}")
    no_larger = np.ones((len(values), len(values)), dtype=bool)
    smaller = np.zeros_like(no_larger)
    for column in values.T:
        no_larger &= column[:, None] <= column[None, :]
        smaller |= column[:, None] < column[None, :]
    dominates = no_larger & smaller
    layer = np.zeros(len(values), dtype=np.int64)
    while (left := layer == 0).any():
        layer[left & ~dominates[left].any(axis=0)] = layer.max() + 1
    return layer


def record_layers(records: Sequence[Record], *, metric: str, cost: str) -> dict[int, int]:
    """The layer of each record by its score on `validation` and its cost, by trial number.

    Args:
        records: which all have that score and that cost.
        metric: of the scores, higher is better.
        cost: the field of a record that is charged.
    """
    points = [(-record.val[metric], float(getattr(record, cost))) for record in records]
    numbers = layers(np.asarray(points, dtype=float).reshape(-1, 2))
    return {record.trial: int(n) for record, n in zip(records, numbers, strict=True)}

"""Points in, the number of the non-dominated layer of each out.

Both the pruner and the leaderboard rank by these layers, so they are computed in one place.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray


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

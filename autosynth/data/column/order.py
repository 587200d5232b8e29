"""Puts the columns of a table in an order in which neighbours have to do with each other.

Takes encoded training rows; gives a permutation of the columns. Numbered columns (`BILL_1` ...
`BILL_6`) stand together in the order of their numbers; these groups, and the columns between them,
follow the leaves of a hierarchical clustering by absolute rank correlation (average linkage,
leaves in optimal order; Bar-Joseph et al. 2001, as in scipy).
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import leaves_list, linkage, optimal_leaf_ordering
from scipy.spatial.distance import squareform
from scipy.stats import rankdata

from autosynth.data.column.group import numbered

_MIN_GROUP = 3
_SAMPLE = 2_000
_MAX_OPTIMAL = 300
_MAX_GROUPS = 5_000


def order_columns(x: NDArray[np.float64], names: Sequence[str]) -> list[int]:
    """The places of `names` in their new order; `x` holds one column a name, NaN where missing."""
    groups = _groups(names)
    if len(groups) < 3 or len(groups) > _MAX_GROUPS:
        return [column for group in groups for column in group]
    step = max(1, len(x) // _SAMPLE)
    near = _affinity(_correlation(x[::step][:_SAMPLE]), groups)
    distance = squareform(1.0 - near, checks=False)
    tree = linkage(distance, method="average")
    if len(groups) <= _MAX_OPTIMAL:
        tree = optimal_leaf_ordering(tree, distance)
    return [column for leaf in leaves_list(tree) for column in groups[leaf]]


def _groups(names: Sequence[str]) -> list[list[int]]:
    """Places of numbered columns of one stem, three or more, together; each other place alone."""
    grouped = {
        place: [other for _, other in found]
        for found in numbered(names).values()
        if len(found) >= _MIN_GROUP
        for _, place in found
    }
    groups: list[list[int]] = []
    done: set[int] = set()
    for place in range(len(names)):
        if place not in done:
            groups.append(grouped.get(place, [place]))
            done.update(groups[-1])
    return groups


def _correlation(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Absolute Spearman correlation; a missing value takes the middle rank."""
    ranks = np.empty_like(x)
    for column in range(x.shape[1]):
        present = ~np.isnan(x[:, column])
        own = rankdata(x[present, column])
        ranks[:, column] = 0.0
        ranks[present, column] = own - own.mean() if len(own) else own
    norm = np.sqrt((ranks**2).sum(0))
    ranks /= np.where(norm > 0, norm, 1.0)
    return np.clip(np.abs(ranks.T @ ranks), 0.0, 1.0)


def _affinity(
    correlation: NDArray[np.float64], groups: Sequence[Sequence[int]]
) -> NDArray[np.float64]:
    """Mean correlation between the columns of two groups; 1 on the diagonal."""
    member = np.zeros((len(groups), len(correlation)))
    for row, group in enumerate(groups):
        member[row, list(group)] = 1.0 / len(group)
    near = member @ correlation @ member.T
    np.fill_diagonal(near, 1.0)
    return np.clip((near + near.T) / 2, 0.0, 1.0)

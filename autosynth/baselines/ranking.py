"""Baselines of a ranking: the items that most have, and the neighbours of those a user had.

They read whole histories, not the part of them that a network reads. What a user had before is
left out of their rankings, as it is of every other.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from scipy.sparse import csr_array, diags_array, issparse

from autosynth.baselines.multioutput import FitBaseline, FittedBaseline
from autosynth.baselines.table import Table
from autosynth.spec import Array, SeenItems, TargetSpec

_DENSE = 5_000  # items, up to which a matrix of all their pairs is quicker


def _fit_popularity(
    table: Table, y: Array, target: TargetSpec, seed: int, seconds: float
) -> FittedBaseline:
    """How often each item came next."""
    counts = np.bincount(y, minlength=target.n_outputs)
    return FittedBaseline(
        _ranking(table, len(counts), lambda met: np.tile(counts, (met.shape[0], 1))), 0, 0
    )


def _fit_neighbours(
    table: Table, y: Array, target: TargetSpec, seed: int, seconds: float
) -> FittedBaseline:
    """Cosines of items by the users who had both, summed over a user's history.

    Item-based collaborative filtering (Sarwar et al., 2001).
    """
    seen, k = _seen(table), target.n_outputs
    last = np.lexsort([seen.stop, seen.start])  # the longest history of each user is its last
    last = last[np.append(np.diff(seen.start[last]) > 0, True)]
    rows, codes = seen.only(last).pairs()
    met = _matrix(np.append(rows, np.arange(len(last))), np.append(codes, y[last]), len(last), k)
    together: Any = met.T @ met
    size = np.sqrt(np.maximum(together.diagonal(), 1.0))
    together.setdiag(0.0)
    cosines: Any = diags_array(1 / size) @ together @ diags_array(1 / size)
    if k <= _DENSE:
        cosines = cosines.toarray()
    return FittedBaseline(_ranking(table, k, lambda met: met @ cosines), None, None)


def _ranking(table: Table, width: int, score: Callable[[Any], Any]) -> Callable[[Array], Array]:
    """Where histories begin and end, to shares of scores without what was in them."""

    def predict(x: Array) -> Array:
        seen = replace(_seen(table), start=x[:, 0], stop=x[:, 1])
        found = score(_matrix(*seen.pairs(), len(x), width))
        return seen.without(found.toarray() if issparse(found) else found)

    return predict


def _seen(table: Table) -> SeenItems:
    assert table.codes is not None
    start, stop = table.x.astype(np.int64).T
    return SeenItems(codes=table.codes, start=start, stop=stop)


def _matrix(rows: Array, codes: Array, n: int, width: int) -> Any:
    """Of `n` rows times items: 1 where a row's user had the item."""
    return csr_array((np.ones(len(rows)), (rows, codes)), shape=(n, width))


RANKERS: Mapping[str, FitBaseline] = {"popularity": _fit_popularity, "neighbours": _fit_neighbours}

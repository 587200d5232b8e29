"""Metrics of a ranking of all items: hit ratio and NDCG of the one that came next.

With one relevant item a row, NDCG@k is 1 / log2(1 + rank) within the first k (Järvelin and
Kekäläinen, 2002). Items of equal score share the mean of their ranks.
"""

import numpy as np

from autosynth.spec import Array
from autosynth.training.metrics.metric import Metric, Scorer


def hit_ratio(k: int) -> Metric:
    """HR@k: the share of rows whose item is among the first `k`."""
    return Metric(name=f"hr@{k}", prepare=lambda y, out: _mean((item_ranks(y, out) <= k) * 1.0))


def ndcg(k: int) -> Metric:
    """NDCG@k of one relevant item a row."""

    def prepare(y: Array, output: Array) -> Scorer:
        rank = item_ranks(y, output)
        return _mean(np.where(rank <= k, 1 / np.log2(1 + rank), 0.0))

    return Metric(name=f"ndcg@{k}", prepare=prepare)


def item_ranks(y: Array, output: Array) -> Array:
    """The rank, from 1, of item `y` `(n,)` by its output among all, `(n, items)`."""
    own = output[np.arange(len(y)), y][:, None]
    ahead = (output > own).sum(axis=1)
    level = (output == own).sum(axis=1) - 1
    return np.asarray(1 + ahead + level / 2)


def _mean(rows: Array) -> Scorer:
    return lambda weight: float(weight @ rows / weight.sum())

"""Ranking: the item that a user has next, a logit each. Hit ratio and NDCG of the true one.

With one relevant item a row, NDCG@k is 1 / log2(1 + rank) within the first k (Järvelin and
Kekäläinen, 2002). Items of equal score share the mean of their ranks.
"""

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autosynth.spec import Array, TargetSpec
from autosynth.task.metric import Metric, Scorer, by_name, mean
from autosynth.task.task import CodedTask, Detail, Tensor, quantile_frame

FIRST_ITEMS = 10
"""So many are predicted."""
_AT = re.compile(r"(hr|ndcg)@(\d{1,4})")


def _hit_ratio(k: int) -> Metric:
    """HR@k: the share of rows whose item is among the first `k`."""
    return Metric(name=f"hr@{k}", prepare=lambda y, out: mean((item_ranks(y, out) <= k) * 1.0))


def _ndcg(k: int) -> Metric:
    """NDCG@k of one relevant item a row."""

    def prepare(y: Array, output: Array) -> Scorer:
        rank = item_ranks(y, output)
        return mean(np.where(rank <= k, 1 / np.log2(1 + rank), 0.0))

    return Metric(name=f"ndcg@{k}", prepare=prepare)


def item_ranks(y: Array, output: Array) -> Array:
    """The rank, from 1, of item `y` `(n,)` by its output among all, `(n, items)`."""
    own = output[np.arange(len(y)), y][:, None]
    ahead = (output > own).sum(axis=1)
    level = (output == own).sum(axis=1) - 1
    return np.asarray(1 + ahead + level / 2)


class Ranking(CodedTask):
    """One of many items, by cross entropy; those that a user had before are left out."""

    name = "ranking"
    metrics = by_name(_hit_ratio(5), _hit_ratio(10), _hit_ratio(20), _ndcg(10))
    default_metric = "ndcg@10"
    baseline = "popularity"
    noun = "items"
    gives = "the columns `prediction` (the item that comes first) and `top_2` to `top_10`"
    limit = "New items are in no ranking until the model is trained with them."

    def parametric_metric(self, name: str) -> Metric | None:
        """`hr@k` or `ndcg@k`."""
        match = _AT.fullmatch(name)
        if not match or not int(match[2]):
            return None
        return (_hit_ratio if match[1] == "hr" else _ndcg)(int(match[2]))

    def loss(self, out: Tensor, y: Tensor, smoothing: float, reduction: str = "mean") -> Tensor:
        """Cross entropy; smoothing would ask for what users had before."""
        from torch.nn.functional import cross_entropy

        return cross_entropy(out, y.long(), reduction=reduction)

    def columns(self, target: TargetSpec, output: Array, scores: Array) -> dict[str, Any]:
        """`prediction`, the item that comes first, and `top_2` to `top_10`.

        None where nothing is left that the user has not had.
        """
        names: NDArray[Any] = np.array(target.classes, dtype=object)
        most = min(FIRST_ITEMS, len(names))
        order = np.argsort(-output, axis=1, kind="stable")[:, :most]
        first = names[order]
        first[np.take_along_axis(output, order, axis=1) <= 0] = None
        titles = ["prediction", *(f"top_{i}" for i in range(2, most + 1))]
        return {title: first[:, i] for i, title in enumerate(titles)}

    def detail(self, target: TargetSpec, y: Array, output: Array, index: Sequence[Any]) -> Detail:
        """The places of the true items."""
        ranks = quantile_frame(item_ranks(y, output)[:, None]).set_axis(["rank"], axis=0)
        return Detail(target=target, ranks=ranks)

"""The bins of a numeric column that hold about equal shares of its values."""

import torch
from torch import Tensor

# The share of a column's bins that one value takes, however often it stands there. capital_gain of
# adult, nine tenths zero, had one bin for all else before: an mlp's ROC AUC rose from .914 to .922
# on validation rows.
MOST_BINS = 2 / 16


def quantile_edges(values: Tensor, bins: int) -> Tensor:
    """The edges (bins + 1,) of bins that hold equal shares of `values`, those of one value cut."""
    found, counts = torch.unique(values, return_counts=True)
    weights: Tensor = counts.double()
    most = max(MOST_BINS, 1 / bins)
    for _ in range(bins):  # a share that is cut leaves less for others to be over
        weights = weights.clamp(max=float(weights.sum()) * most)
    below = weights.cumsum(0) - weights
    steps = torch.linspace(0, 1, bins + 1, dtype=torch.double) * weights.sum()
    at = torch.searchsorted(below, steps, right=True) - 1
    at[-1] = len(found) - 1
    edges: Tensor = found[at]
    return edges

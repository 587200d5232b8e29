"""Metrics of probabilities: area under the ROC curve, log loss, calibration error."""

from collections.abc import Callable

import numpy as np

from autosynth.spec import Array
from autosynth.task.metric import TINY, Scorer, negated_mean

LEAST_CHANCE = 1e-7
"""A single sure mistake in float32 would otherwise be infinite."""
_BINS = 15


def prepare_roc_auc(y: Array, output: Array) -> Scorer:
    """Area under the ROC curve; with more than two classes, the mean of one against the rest."""
    k = output.shape[1]
    chosen = [1] if k == 2 else range(k)
    return _mean_area([_prepare_area(y == c, output[:, c]) for c in chosen])


def prepare_label_auc(y: Array, output: Array) -> Scorer:
    """The mean over labels; one that all or no rows have does not count."""
    return _mean_area([_prepare_area(y[:, c] > 0, output[:, c]) for c in range(y.shape[1])])


def _mean_area(columns: list[Callable[[Array], float | None]]) -> Scorer:
    def scorer(weight: Array) -> float:
        areas = [area for area in (column(weight) for column in columns) if area is not None]
        return float(np.mean(areas)) if areas else 0.5

    return scorer


def _prepare_area(positive: Array, value: Array) -> Callable[[Array], float | None]:
    order = np.argsort(value)
    ordered = value[order]
    is_positive = positive[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]]) if len(value) else order
    tied = len(starts) < len(value)

    def scorer(weight: Array) -> float | None:
        weight = weight[order]
        above = np.where(is_positive, weight, 0.0)
        below = weight - above
        if tied:
            above, below = np.add.reduceat(above, starts), np.add.reduceat(below, starts)
        pairs = above.sum() * below.sum()
        if pairs <= 0:
            return None
        return float(above @ (np.cumsum(below) - below / 2) / pairs)

    return scorer


def prepare_neg_log_loss(y: Array, output: Array) -> Scorer:
    """Minus the mean negative log probability of the true class."""
    total = output.sum(axis=1, dtype=np.float64)
    share = output[np.arange(len(y)), y].astype(np.float64) / np.maximum(total, TINY)
    return negated_mean(-np.log(np.clip(share, LEAST_CHANCE, 1.0)))


def prepare_neg_label_log_loss(y: Array, output: Array) -> Scorer:
    """Minus the mean over labels of the binary cross entropy."""
    true = np.where(y > 0, output, 1.0 - output).astype(np.float64)
    return negated_mean(-np.log(np.clip(true, LEAST_CHANCE, 1.0)).mean(axis=1))


def prepare_neg_calibration_error(y: Array, output: Array) -> Scorer:
    """Minus the expected calibration error of the guessed class, in fifteen bins.

    Guo et al. (2017), arXiv:1706.04599.
    """
    hit = (output.argmax(axis=1) == y).astype(np.float64)
    return _prepare_gap(hit[:, None], output.max(axis=1, keepdims=True))


def prepare_neg_label_calibration_error(y: Array, output: Array) -> Scorer:
    """The same of every label's own probability."""
    return _prepare_gap((y > 0).astype(np.float64), output)


def _prepare_gap(hit: Array, sure: Array) -> Scorer:
    """Hits and confidences, `(n, k)`: minus the mean gap between them over bins."""
    gap = (hit - sure).ravel()
    place = np.clip((sure * _BINS).astype(np.int64), 0, _BINS - 1).ravel()
    k = hit.shape[1]

    def scorer(weight: Array) -> float:
        each = np.repeat(weight, k)
        return -float(np.abs(np.bincount(place, weights=each * gap)).sum() / each.sum())

    return scorer

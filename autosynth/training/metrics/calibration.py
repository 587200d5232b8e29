"""Calibration: a temperature for the probabilities, and biases that move the decision thresholds.

Both are fitted on held-back rows, after the training. One temperature for all logits is the least
log loss (Guo et al., 2017, arXiv:1706.04599); biases are for metrics that go by guesses.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from autosynth.spec import Array, TargetSpec
from autosynth.training.metrics.metric import Counts, Metric
from autosynth.training.metrics.registry import METRICS

_LEAST_ROWS = 50
_RANGE = (0.2, 5.0)
_TINY = 1e-7
_ROUNDS = 5
_CUTS = 200


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """What is done to class or label probabilities; nothing by default.

    Log-odds are divided by `temperature`. `bias`, one a class or label, is added to them where a
    class is chosen.
    """

    temperature: float = 1.0
    bias: tuple[float, ...] = ()

    def probabilities(self, proba: Array, target: TargetSpec) -> Array:
        """Probabilities `(n, k)` at this temperature."""
        if self.temperature == 1.0:
            return proba
        return _from_logs(_logs(proba, target) / self.temperature, target)

    def scores(self, proba: Array, target: TargetSpec) -> Array:
        """Probabilities moved by the biases, too: the guess is their largest, or half and more."""
        found = self.probabilities(proba, target)
        if not self.bias:
            return found
        return _from_logs(_logs(found, target) + np.asarray(self.bias), target)


def calibrate(y: Array, proba: Array, metric: Metric, target: TargetSpec) -> Calibration:
    """Fit a temperature, and biases where the metric goes by thresholds.

    Args:
        y: true classes `(n,)`, or labels `(n, k)`.
        proba: the network's own probabilities `(n, k)`.
        metric: that is maximised.
        target: whose task is classification or multilabel; nothing is fitted for another, nor on
            fewer than fifty rows.
    """
    if target.task not in ("classification", "multilabel") or len(y) < _LEAST_ROWS:
        return Calibration()
    fitted = Calibration(temperature=_temperature(y, proba, target))
    if metric.counts is None or not metric.thresholds:
        return fitted
    logs = _logs(fitted.probabilities(proba, target), target)
    if target.task == "multilabel":
        bias = _label_bias(y, logs, metric)
    else:
        bias = _class_bias(y, logs, metric.counts)
    return Calibration(temperature=fitted.temperature, bias=tuple(bias.tolist()))


def _logs(proba: Array, target: TargetSpec) -> NDArray[np.float64]:
    clipped = np.clip(proba, _TINY, 1 - _TINY if target.task == "multilabel" else 1.0)
    logs = np.log(clipped).astype(np.float64)
    if target.task == "multilabel":
        logs = logs - np.log1p(-clipped)
    return np.asarray(logs)


def _from_logs(logs: Array, target: TargetSpec) -> Array:
    if target.task == "multilabel":
        return np.asarray(1 / (1 + np.exp(-logs)))
    odds = np.exp(logs - logs.max(axis=1, keepdims=True))
    return np.asarray(odds / odds.sum(axis=1, keepdims=True))


def _temperature(y: Array, proba: Array, target: TargetSpec) -> float:
    loss, logs = METRICS[target.task]["neg_log_loss"], _logs(proba, target)
    found = minimize_scalar(
        lambda t: -loss.score(y, _from_logs(logs / np.exp(t), target)),
        bounds=tuple(np.log(_RANGE)),
        method="bounded",
    )
    return float(np.exp(found.x))


def _class_bias(y: Array, logs: Array, counts: Counts) -> NDArray[np.float64]:
    """Biases that maximise a metric of counts.

    Coordinate ascent: one class at a time moves to the best of up to 200 places at which guesses
    change.
    """
    k = logs.shape[1]
    bias = np.zeros(k)
    best = _counted(y, logs, counts)
    for _ in range(_ROUNDS):
        before = best
        for c in range(1 if k == 2 else 0, k):  # of two classes, one bias is enough
            shift, score = _best_shift(y, logs + bias, c, counts)
            if score > best + 1e-9:
                bias[c] += shift
                best = score
        if best <= before:
            break
    return np.asarray(bias - bias.mean())


def _counted(y: Array, logs: Array, counts: Counts) -> float:
    k, guess = logs.shape[1], logs.argmax(axis=1)
    hits = np.bincount(y[guess == y], minlength=k)
    return float(counts(hits, np.bincount(guess, minlength=k), np.bincount(y, minlength=k)))


def _label_bias(y: Array, logs: Array, metric: Metric) -> NDArray[np.float64]:
    """The threshold of one label after another at the best of up to 200 places."""
    bias, best = np.zeros(logs.shape[1]), metric.score(y, (logs >= 0) * 1.0)
    for c in range(len(bias)):
        places = np.quantile(logs[:, c], np.linspace(0, 1, min(len(y), _CUTS)))
        for place in places[np.argsort(np.abs(places))]:
            tried = bias.copy()
            tried[c] = -place
            score = metric.score(y, (logs + tried >= 0) * 1.0)
            if score > best + 1e-9:
                bias, best = tried, score
    return bias


def _best_shift(y: Array, logs: Array, c: int, counts: Counts) -> tuple[float, float]:
    """The shift of class `c`'s column that scores best, and that score."""
    n, k = logs.shape
    others = logs.copy()
    others[:, c] = -np.inf
    second = others.argmax(axis=1)
    gap = others.max(axis=1) - logs[:, c]  # a row is guessed c where the shift exceeds its gap
    order = np.argsort(gap)
    cuts = np.unique(np.linspace(0, n, min(n, _CUTS) + 1).astype(int))
    # Rows order[:cut] are guessed c, the others keep their second choice.
    turned = np.zeros((n + 1, 2, k))
    row = np.arange(n) + 1
    turned[row, 0, second[order]] -= second[order] == y[order]
    turned[row, 1, second[order]] -= 1
    turned[row, 0, c] += y[order] == c
    turned[row, 1, c] += 1
    start = np.stack(
        [np.bincount(second[second == y], minlength=k), np.bincount(second, minlength=k)]
    )
    state = start + np.cumsum(turned, axis=0)[cuts]
    true = np.broadcast_to(np.bincount(y, minlength=k), (len(cuts), k))
    scores = counts(state[:, 0], state[:, 1], true)
    edge = np.r_[gap[order][0] - 1.0, gap[order], gap[order][-1] + 1.0]
    shifts = (edge[cuts] + edge[cuts + 1]) / 2  # half-way between two rows' gaps
    best = np.lexsort((np.abs(shifts), -np.round(scores, 12)))[0]
    return float(shifts[best]), float(scores[best])

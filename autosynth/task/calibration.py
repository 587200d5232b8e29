"""Calibration: a temperature for the probabilities, and biases that move the decision thresholds.

Both are fitted on held-back rows, after the training. One temperature for all logits is the least
log loss (Guo et al., 2017, arXiv:1706.04599); biases are for metrics that go by guesses.
"""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize_scalar

from autosynth.spec import Array, TargetSpec
from autosynth.task.metric import Metric
from autosynth.task.task import Task, task_of

# On fewer rows a temperature is as much their chance as the network's doubt.
_LEAST_ROWS = 50
# Of temperatures: held-back rows that are all guessed right, or are too few, cannot make every
# probability sure or none.
_RANGE = (0.2, 5.0)


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
        task = task_of(target)
        return task.probabilities(task.log_odds(proba) / self.temperature)

    def scores(self, proba: Array, target: TargetSpec) -> Array:
        """Probabilities moved by the biases, too: the guess is their largest, or half and more."""
        found = self.probabilities(proba, target)
        if not self.bias:
            return found
        task = task_of(target)
        return task.probabilities(task.log_odds(found) + np.asarray(self.bias))


def calibrate(
    y: Array, proba: Array, metric: Metric, target: TargetSpec, weights: Array | None = None
) -> Calibration:
    """Fit a temperature, and biases where the metric goes by thresholds.

    Args:
        y: true classes `(n,)`, or labels `(n, k)`.
        proba: the network's own probabilities `(n, k)`.
        metric: that is maximised.
        target: nothing is fitted where its task gives no such probabilities, nor on fewer than
            fifty rows.
        weights: of the rows `(n,)`, as in metrics: those of classes have no part in it, for
            probabilities are to be those of the data.
    """
    task = task_of(target)
    if not task.is_calibrated or len(y) < _LEAST_ROWS:
        return Calibration()
    fitted = Calibration(temperature=_temperature(y, proba, task, weights))
    if metric.counts is None or not metric.thresholds:
        return fitted
    log_odds = task.log_odds(fitted.probabilities(proba, target))
    bias = task.bias(y, log_odds, metric, weights)
    return Calibration(temperature=fitted.temperature, bias=tuple(bias.tolist()))


def _temperature(y: Array, proba: Array, task: Task, weights: Array | None) -> float:
    loss, log_odds = task.metrics["neg_log_loss"], task.log_odds(proba)
    found = minimize_scalar(
        lambda t: -loss.score(y, task.probabilities(log_odds / np.exp(t)), weights),
        bounds=tuple(np.log(_RANGE)),
        method="bounded",
    )
    return float(np.exp(found.x))

"""Metrics of guesses: accuracy, precision, recall, F1, over classes or labels.

Macro averages run over the classes that occur in the target or among the guesses, as in
scikit-learn; a class never guessed has precision 0. Micro averages count all classes as one. A
class that is absent never makes a score NaN.
"""

import numpy as np

from autosynth.spec import Array
from autosynth.task.metric import TINY, Counts, Metric, Scorer

MOST_CUTS = 200
"""Places that are tried as the threshold of one class or label."""


def of_classes(name: str, *, thresholds: bool = True) -> Metric:
    """The metric of that name over guessed classes: `y` `(n,)` codes, outputs `(n, k)`."""
    counts = COUNTS[name]

    def prepare(y: Array, output: Array) -> Scorer:
        k = output.shape[1]
        guess = output.argmax(axis=1)
        hit = guess == y

        def scorer(weight: Array) -> float:
            hits = np.bincount(y[hit], weights=weight[hit], minlength=k)
            guesses = np.bincount(guess, weights=weight, minlength=k)
            return float(counts(hits, guesses, np.bincount(y, weights=weight, minlength=k)))

        return scorer

    return Metric(name=name, prepare=prepare, counts=counts, thresholds=thresholds)


def of_labels(name: str) -> Metric:
    """The same over labels that are guessed from a half on: `y` and outputs `(n, k)`."""
    counts = COUNTS[name]

    def prepare(y: Array, output: Array) -> Scorer:
        guess, true = (output >= 0.5).astype(np.float64), y.astype(np.float64)
        return lambda weight: float(counts(weight @ (guess * true), weight @ guess, weight @ true))

    return Metric(name=name, prepare=prepare, counts=counts, thresholds=True)


def _prepare_all_right(y: Array, output: Array) -> Scorer:
    right = ((output >= 0.5) == (y > 0)).all(axis=1).astype(np.float64)
    return lambda weight: float(weight @ right / weight.sum())


SUBSET = Metric(name="accuracy", prepare=_prepare_all_right)
"""The share of rows of which all labels are right."""


def _mean_where(value: Array, there: Array) -> Array:
    total = np.where(there, value, 0.0).sum(axis=-1)
    return np.asarray(total / np.maximum(there.sum(axis=-1), 1))


def _share(part: Array, whole: Array) -> Array:
    return np.asarray(part.sum(axis=-1) / np.maximum(whole.sum(axis=-1), TINY))


def _balanced_accuracy(hits: Array, guesses: Array, true: Array) -> Array:
    return _mean_where(hits / np.maximum(true, TINY), true > 0)


def _precision(hits: Array, guesses: Array, true: Array) -> Array:
    return _mean_where(hits / np.maximum(guesses, TINY), guesses + true > 0)


def _recall(hits: Array, guesses: Array, true: Array) -> Array:
    return _mean_where(hits / np.maximum(true, TINY), guesses + true > 0)


def _f1(hits: Array, guesses: Array, true: Array) -> Array:
    return _mean_where(2 * hits / np.maximum(guesses + true, TINY), guesses + true > 0)


COUNTS: dict[str, Counts] = {
    "accuracy": lambda hits, guesses, true: _share(hits, true),
    "balanced_accuracy": _balanced_accuracy,
    "f1": _f1,
    "precision": _precision,
    "recall": _recall,
    "f1_micro": lambda hits, guesses, true: _share(2 * hits, guesses + true),
    "precision_micro": lambda hits, guesses, true: _share(hits, guesses),
    "recall_micro": lambda hits, guesses, true: _share(hits, true),
}

"""What a metric is: outputs in, one higher-is-better score out; those of guesses and chances.

A metric is made ready once for true values and outputs, and then scored under any row weights: a
bootstrap of a thousand resamples costs a thousand weighted sums, and no sorting.

Macro averages run over the classes that occur in the target or among the guesses, as in
scikit-learn; a class never guessed has precision 0. Micro averages count all classes as one. A
class that is absent makes no such score NaN. What is not defined for some rows, as the area under
a curve of one class or the share of a variance that is none, is NaN, and is not reported.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import nan

import numpy as np

from autosynth.spec import Array

Scorer = Callable[[Array], float]
"""The score under row weights `(n,)`, 0 or more each."""
Prepare = Callable[[Array, Array], Scorer]
"""True values and outputs, rows first, to a scorer."""
Counts = Callable[[Array, Array, Array], Array]
"""The score from a class's hits, predictions and true rows, `(..., k)` each."""

TINY = 1e-12


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One way to score.

    `prepare(y, output)` gives the score as a function of row weights; NaN where it has none, and
    `plain(y, output)` the same where all rows count alike, if that is quicker. With
    `counts`, it goes by the classes that are guessed, and with `thresholds` moving these can raise
    it. `relative` metrics state their error as a share of the trivial baseline's. What is not
    `maximised` is reported alone. A `share` is of rows that are right.
    """

    name: str
    prepare: Prepare
    counts: Counts | None = None
    thresholds: bool = False
    relative: bool = False
    maximised: bool = True
    share: bool = False
    plain: Callable[[Array, Array], float] | None = None

    def score(self, y: Array, output: Array, weights: Array | None = None) -> float:
        """The score, higher is better, of `output` against `y`, rows first.

        `weights` (n,) say how much each row counts, above 0; None where all count alike.
        """
        if weights is None and self.plain is not None:
            return self.plain(y, output)
        return self.prepare(y, output)(np.ones(len(y)) if weights is None else weights)

    def error(self, score: float, baseline_score: float) -> float:
        """What the search minimises: 0 is perfect, 1 no better than knowing nothing.

        One minus the score; for log loss, RMSE and MAE the value over the trivial baseline's.
        """
        return score / min(baseline_score, -TINY) if self.relative else 1.0 - score


def by_name(*metrics: Metric) -> dict[str, Metric]:
    """Metrics by their names."""
    return {metric.name: metric for metric in metrics}


def mean(rows: Array) -> Scorer:
    """The weighted mean of a score a row."""
    return lambda weight: float(weight @ rows / weight.sum())


def negated_mean(rows: Array) -> Scorer:
    """Minus the weighted mean of a loss a row."""
    return lambda weight: -float(weight @ rows / weight.sum())


# Places that are tried as the threshold of one class or label: half a percent of the rows apart,
# which is finer than held-back rows can tell.
MOST_CUTS = 200


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

    return Metric(
        name=name, prepare=prepare, counts=counts, thresholds=thresholds, share=name == "accuracy"
    )


def of_labels(name: str) -> Metric:
    """The same over labels that are guessed from a half on: `y` and outputs `(n, k)`.

    A label that is NaN, since nobody knows it, counts for nothing.
    """
    counts = COUNTS[name]

    def prepare(y: Array, output: Array) -> Scorer:
        guess, true = ((output >= 0.5) & ~np.isnan(y)).astype(np.float64), np.nan_to_num(y)
        return lambda weight: float(counts(weight @ (guess * true), weight @ guess, weight @ true))

    return Metric(name=name, prepare=prepare, counts=counts, thresholds=True)


def _prepare_all_right(y: Array, output: Array) -> Scorer:
    right = (((output >= 0.5) == (y > 0)) | np.isnan(y)).all(axis=1).astype(np.float64)
    return lambda weight: float(weight @ right / weight.sum())


SUBSET = Metric(name="accuracy", prepare=_prepare_all_right, share=True)
"""The share of rows of which all labels that are known are right."""


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


# A single sure mistake in float32 would otherwise be infinite.
LEAST_CHANCE = 1e-7
# As in Guo et al. (2017), so that figures can be held against theirs.
_BINS = 15


def prepare_roc_auc(y: Array, output: Array) -> Scorer:
    """Area under the ROC curve; with more than two classes, the mean of one against the rest."""
    k = output.shape[1]
    chosen = [1] if k == 2 else range(k)
    return _mean_area([_prepare_area(y == c, output[:, c]) for c in chosen])


def plain_roc_auc(y: Array, output: Array) -> float:
    """The same where all rows count alike: two sorts, a fifth of the time."""
    k = output.shape[1]
    areas = []
    for c in [1] if k == 2 else range(k):
        positive = y == c
        above, below = np.sort(output[positive, c]), np.sort(output[~positive, c])
        if len(above) and len(below):
            # For each positive, the negatives below it, and half of those beside it.
            wins = np.searchsorted(below, above, "left").sum()
            wins += np.searchsorted(below, above, "right").sum()
            areas.append(float(wins) / (2 * len(above) * len(below)))
    return float(np.mean(areas)) if areas else nan


def prepare_label_auc(y: Array, output: Array) -> Scorer:
    """The mean over labels; one that all or no rows have does not count."""
    return _mean_area([_prepare_known_area(y[:, c], output[:, c]) for c in range(y.shape[1])])


def _prepare_known_area(y: Array, value: Array) -> Callable[[Array], float | None]:
    known = ~np.isnan(y)
    area = _prepare_area(y[known] > 0, value[known])
    return lambda weight: area(weight[known])


def _mean_area(columns: list[Callable[[Array], float | None]]) -> Scorer:
    def scorer(weight: Array) -> float:
        areas = [area for area in (column(weight) for column in columns) if area is not None]
        return float(np.mean(areas)) if areas else nan

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
    """Minus the mean over known labels of the binary cross entropy."""
    true = np.where(y > 0, output, 1.0 - output).astype(np.float64)
    known = ~np.isnan(y)
    losses = np.where(known, -np.log(np.clip(true, LEAST_CHANCE, 1.0)), 0.0).sum(axis=1)
    n = known.sum(axis=1).astype(np.float64)
    return lambda weight: -float(weight @ losses / max(weight @ n, TINY))


def prepare_neg_calibration_error(y: Array, output: Array) -> Scorer:
    """Minus the expected calibration error of the guessed class, in fifteen bins.

    Guo et al. (2017), arXiv:1706.04599.
    """
    hit = (output.argmax(axis=1) == y).astype(np.float64)
    return _prepare_gap(hit[:, None], output.max(axis=1, keepdims=True))


def prepare_neg_label_calibration_error(y: Array, output: Array) -> Scorer:
    """The same of every label's own probability."""
    return _prepare_gap(y.astype(np.float64), output)


def _prepare_gap(hit: Array, sure: Array) -> Scorer:
    """Hits and confidences, `(n, k)`: minus the mean gap between them over bins.

    What hits are not known (NaN) does not count.
    """
    known = ~np.isnan(hit).ravel()
    gap = np.nan_to_num(hit - sure).ravel()
    place = np.clip((sure * _BINS).astype(np.int64), 0, _BINS - 1).ravel()
    k = hit.shape[1]

    def scorer(weight: Array) -> float:
        each = np.repeat(weight, k) * known
        total = max(float(each.sum()), TINY)
        return -float(np.abs(np.bincount(place, weights=each * gap)).sum() / total)

    return scorer

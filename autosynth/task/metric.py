"""What a metric is: outputs in, one higher-is-better score out.

A metric is made ready once for true values and outputs, and then scored under any row weights: a
bootstrap of a thousand resamples costs a thousand weighted sums, and no sorting.
"""

from collections.abc import Callable
from dataclasses import dataclass

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

    `prepare(y, output)` gives the score as a function of row weights. With `counts`, it goes by
    the classes that are guessed, and with `thresholds` moving these can raise it. `relative`
    metrics state their error as a share of the trivial baseline's. What is not `maximised` is
    reported alone.
    """

    name: str
    prepare: Prepare
    counts: Counts | None = None
    thresholds: bool = False
    relative: bool = False
    maximised: bool = True

    def score(self, y: Array, output: Array) -> float:
        """The score, higher is better, of `output` against `y`, rows first."""
        return self.prepare(y, output)(np.ones(len(y)))

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

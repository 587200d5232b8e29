"""How sure a score is: bootstrap intervals over rows."""

import numpy as np

from autosynth.spec import Array
from autosynth.training.metrics.metric import Metric, Scorer


def resamples(rows: int) -> int:
    """How many resamples a report takes: fewer of many rows, whose interval is narrow anyway."""
    return 1000 if rows <= 5000 else 200


def bootstrap_interval(
    metric: Metric, y: Array, output: Array, n: int = 1000, seed: int = 0
) -> tuple[float, float]:
    """The 95 % percentile interval of the score over `n` resamples of the rows."""
    return _interval(metric.prepare(y, output), len(y), n, seed)


def standard_error(metric: Metric, y: Array, output: Array, n: int = 100, seed: int = 0) -> float:
    """The standard error of the score, from its interval; where that is empty, one row's share."""
    low, high = bootstrap_interval(metric, y, output, n, seed)
    return (high - low) / 3.92 or 1 / max(1, len(y))


def paired_interval(
    metric: Metric, y: Array, output_a: Array, output_b: Array, n: int = 1000, seed: int = 0
) -> tuple[float, float]:
    """The 95 % interval of `score(a) - score(b)`, both on the same `n` resamples of the rows."""
    a, b = metric.prepare(y, output_a), metric.prepare(y, output_b)
    return _interval(lambda weight: a(weight) - b(weight), len(y), n, seed)


def _interval(score: Scorer, rows: int, n: int, seed: int) -> tuple[float, float]:
    rng = np.random.default_rng(seed)
    scores = [
        score(np.bincount(rng.integers(0, rows, rows), minlength=rows).astype(np.float64))
        for _ in range(n)
    ]
    low, high = np.percentile(scores, (2.5, 97.5))
    return float(low), float(high)

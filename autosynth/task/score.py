"""All metrics of a target, the choice among them; its scores, and how sure they are.

Of several targets: `mean_score`, the mean of each one's default metric, then each one's own
metrics as `target.metric`.
"""

from collections.abc import Mapping
from dataclasses import replace
from importlib import import_module

import numpy as np

from autosynth.errors import ConfigError, TrialError, lookup
from autosynth.spec import Array, Field, TargetSpec
from autosynth.task.metric import Metric, Prepare, Scorer
from autosynth.task.task import task_of

ALIASES: Mapping[str, str] = {
    "log_loss": "neg_log_loss",
    "calibration_error": "neg_calibration_error",
    "rmse": "neg_rmse",
    "mae": "neg_mae",
    "auc": "roc_auc",
}
"""Other names a user may give; scores are higher-is-better, so a loss goes by its negative."""


def metrics_of(target: TargetSpec) -> dict[str, Metric]:
    """All metrics of a target by name, in the order of its task."""
    if not target.parts:
        return dict(task_of(target).metrics)
    found = {"mean_score": _mean_score(target)}
    for each in target.fields:
        for name, metric in task_of(each.target).metrics.items():
            own = f"{each.target.name}.{name}"
            found[own] = replace(
                metric,
                name=own,
                prepare=_within(each, metric),
                thresholds=False,
                counts=None,
                plain=None,
            )
    return found


def find_metric(name: str, target: TargetSpec) -> Metric:
    """The metric of that name or alias.

    Raises:
        UnknownNameError: the target has none of that name.
        ConfigError: it is one that is reported alone.
    """
    if found := task_of(target).parametric_metric(name):
        return found
    part, dot, own = name.rpartition(".")
    known = f"{part}{dot}{ALIASES.get(own, own)}"
    metric = lookup(metrics_of(target), known, "metric", f"for {target.task} (--metric)")
    if not metric.maximised:
        raise ConfigError(
            f"metric {name!r} is reported and not maximised: a model that knows nothing can be "
            "perfectly calibrated; choose another with --metric, such as log_loss"
        )
    return metric


def default_metric(target: TargetSpec) -> Metric:
    """What is maximised where nothing is said."""
    return metrics_of(target)[task_of(target).default_metric]


def score_all(
    y: Array, output: Array, target: TargetSpec, weights: Array | None = None
) -> dict[str, float]:
    """Every metric of the target that these rows define, by name; each higher is better.

    Here and below `weights` (n,) are those of the rows, above 0; None where all count alike.

    Raises:
        TrialError: an output is not finite.
    """
    bad = int(len(output) - np.isfinite(output).reshape(len(output), -1).all(axis=1).sum())
    if bad:
        raise TrialError(f"outputs must be finite, and {bad} of {len(output)} rows are not")
    metrics = metrics_of(target).items()
    found = {name: metric.score(y, output, weights) for name, metric in metrics}
    return {name: score for name, score in found.items() if not np.isnan(score)}


def values_of(field: Field, y: Array, output: Array) -> tuple[Array, Array]:
    """The true values and outputs of one of several targets."""
    own, out = y[:, field.columns], output[:, field.outputs]
    if field.target.is_coded:
        return own[:, 0].astype(np.int64), out
    return (own[:, 0], out[:, 0]) if task_of(field.target).is_number else (own, out)


def _within(field: Field, metric: Metric) -> Prepare:
    return lambda y, output: metric.prepare(*values_of(field, y, output))


def _mean_score(target: TargetSpec) -> Metric:
    def prepare(y: Array, output: Array) -> Scorer:
        parts = [
            default_metric(each.target).prepare(*values_of(each, y, output))
            for each in target.fields
        ]
        return lambda weight: float(np.mean([part(weight) for part in parts]))

    return Metric(name="mean_score", prepare=prepare)


def resamples(rows: int) -> int:
    """How many resamples a report takes: fewer of many rows, whose interval is narrow anyway."""
    # The standard error of a percentile of 200 resamples is a twentieth of the interval's width.
    return 1000 if rows <= 5000 else 200


def bootstrap_interval(
    metric: Metric,
    y: Array,
    output: Array,
    weights: Array | None = None,
    n: int = 1000,
    seed: int = 0,
) -> tuple[float, float]:
    """The 95 % percentile interval of the score over `n` resamples of the rows.

    A row that is drawn twice counts twice as much as it does.
    """
    return _interval(metric.prepare(y, output), len(y), weights, n, seed)


def score_interval(
    metric: Metric,
    y: Array,
    output: Array,
    weights: Array | None = None,
    n: int = 1000,
    seed: int = 0,
) -> tuple[float, float]:
    """The 95 % interval of a score; NaN where it is not defined.

    A share of rows has Wilson's (1927), another score that of the bootstrap. Where that is no
    wider than 0 or 1, since no resample has an error or none is right, it is the exact one of a
    share (Clopper and Pearson, 1934). Of rows with weights there are as many as would say as much
    if they counted alike: the sum squared over the sum of squares (Kish, 1965, Survey Sampling).
    """
    score, rows = metric.score(y, output, weights), len(y)
    if np.isnan(score):
        return np.nan, np.nan
    if weights is not None:
        rows = max(1, round(float(weights.sum() ** 2 / (weights**2).sum())))
    is_share = metric.share
    low, high = (0.0, 0.0) if is_share else bootstrap_interval(metric, y, output, weights, n, seed)
    if is_share or (low == high and score in (0.0, 1.0)):
        # Late: half a second of a processor, for what a search tells at its end.
        exact = import_module("scipy.stats").binomtest(round(score * rows), rows)
        found = exact.proportion_ci(method="wilson" if is_share else "exact")
        return float(found.low), float(found.high)
    return low, high


def standard_error(
    metric: Metric,
    y: Array,
    output: Array,
    weights: Array | None = None,
    n: int = 100,
    seed: int = 0,
) -> float:
    """The standard error of the score, from its interval; where that is empty, one row's share."""
    low, high = bootstrap_interval(metric, y, output, weights, n, seed)
    # A normal distribution has 95 % within 1.96 standard errors to either side.
    return (high - low) / 3.92 or 1 / max(1, len(y))


def paired_interval(
    metric: Metric,
    y: Array,
    output_a: Array,
    output_b: Array,
    weights: Array | None = None,
    n: int = 1000,
    seed: int = 0,
) -> tuple[float, float]:
    """The 95 % interval of `score(a) - score(b)`, both on the same `n` resamples of the rows."""
    a, b = metric.prepare(y, output_a), metric.prepare(y, output_b)
    return _interval(lambda weight: a(weight) - b(weight), len(y), weights, n, seed)


def _interval(
    score: Scorer, rows: int, weights: Array | None, n: int, seed: int
) -> tuple[float, float]:
    rng = np.random.default_rng(seed)
    each = np.ones(rows) if weights is None else weights
    scores = [
        score(each * np.bincount(rng.integers(0, rows, rows), minlength=rows)) for _ in range(n)
    ]
    if np.isnan(scores).all():
        return np.nan, np.nan
    low, high = np.nanpercentile(scores, (2.5, 97.5))  # a resample may hold one class alone
    return float(low), float(high)

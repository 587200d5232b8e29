"""How well outputs fit a target: metrics by task, intervals, calibration."""

from autosynth.training.metrics.calibration import Calibration, calibrate
from autosynth.training.metrics.interval import (
    bootstrap_interval,
    paired_interval,
    resamples,
    standard_error,
)
from autosynth.training.metrics.metric import Metric
from autosynth.training.metrics.registry import (
    METRICS,
    default_metric,
    find_metric,
    metrics_of,
    score_all,
    values_of,
)

__all__ = [
    "METRICS",
    "Calibration",
    "Metric",
    "bootstrap_interval",
    "calibrate",
    "default_metric",
    "score_all",
    "find_metric",
    "metrics_of",
    "paired_interval",
    "resamples",
    "standard_error",
    "values_of",
]

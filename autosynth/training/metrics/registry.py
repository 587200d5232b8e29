"""All metrics by task and name, and the choice among them."""

import re
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from autosynth.errors import ConfigError, TrialError, lookup
from autosynth.spec import Array, Field, TargetSpec
from autosynth.training.metrics.guess import COUNTS, SUBSET, of_classes, of_labels
from autosynth.training.metrics.metric import Metric, Prepare, Scorer
from autosynth.training.metrics.probability import (
    prepare_label_auc,
    prepare_neg_calibration_error,
    prepare_neg_label_calibration_error,
    prepare_neg_label_log_loss,
    prepare_neg_log_loss,
    prepare_roc_auc,
)
from autosynth.training.metrics.rank import hit_ratio, ndcg
from autosynth.training.metrics.value import prepare_neg_mae, prepare_neg_rmse, prepare_r2

_LOG, _AUC, _GAP = "neg_log_loss", "roc_auc", "neg_calibration_error"
_VALUES = (
    Metric(name="r2", prepare=prepare_r2),
    Metric(name="neg_rmse", prepare=prepare_neg_rmse, relative=True),
    Metric(name="neg_mae", prepare=prepare_neg_mae, relative=True),
)
_CLASSES = (
    of_classes("accuracy", thresholds=False),
    *(of_classes(name) for name in COUNTS if name != "accuracy"),
    Metric(name=_AUC, prepare=prepare_roc_auc),
    Metric(name=_LOG, prepare=prepare_neg_log_loss, relative=True),
    Metric(name=_GAP, prepare=prepare_neg_calibration_error, maximised=False),
)
_LABELS = (
    *(of_labels(name) for name in COUNTS if not name.endswith("accuracy")),
    SUBSET,
    Metric(name=_AUC, prepare=prepare_label_auc),
    Metric(name=_LOG, prepare=prepare_neg_label_log_loss, relative=True),
    Metric(name=_GAP, prepare=prepare_neg_label_calibration_error, maximised=False),
)
_RANKS = (hit_ratio(5), hit_ratio(10), hit_ratio(20), ndcg(10))

METRICS: Mapping[str, Mapping[str, Metric]] = {
    task: {metric.name: metric for metric in metrics}
    for task, metrics in (
        ("classification", _CLASSES),
        ("multilabel", _LABELS),
        ("regression", _VALUES),
        ("forecasting", _VALUES),
        ("ranking", _RANKS),
    )
}
DEFAULTS: Mapping[str, str] = {
    "classification": "accuracy",
    "multilabel": "f1_micro",
    "regression": "r2",
    "forecasting": "neg_mae",
    "ranking": "ndcg@10",
    "multitask": "mean_score",
}
ALIASES: Mapping[str, str] = {
    "log_loss": _LOG,
    "calibration_error": _GAP,
    "rmse": "neg_rmse",
    "mae": "neg_mae",
    "auc": _AUC,
}
"""Other names a user may give; scores are higher-is-better, so a loss goes by its negative."""

_AT = re.compile(r"(hr|ndcg)@(\d{1,4})")


def metrics_of(target: TargetSpec) -> dict[str, Metric]:
    """All metrics of a target by name, in the registry's order.

    Of several targets: `mean_score`, the mean of each one's default metric, then each one's own
    metrics as `target.metric`.
    """
    if not target.parts:
        return dict(METRICS[target.task])
    found = {"mean_score": _mean_score(target)}
    for each in target.fields:
        for name, metric in METRICS[each.target.task].items():
            own = f"{each.target.name}.{name}"
            found[own] = replace(
                metric, name=own, prepare=_within(each, metric), thresholds=False, counts=None
            )
    return found


def find_metric(name: str, target: TargetSpec) -> Metric:
    """The metric of that name or alias.

    Raises:
        UnknownNameError: the target has none of that name.
        ConfigError: it is one that is reported alone.
    """
    valid = metrics_of(target)
    if target.task == "ranking" and (match := _AT.fullmatch(name)) and int(match[2]):
        return (hit_ratio if match[1] == "hr" else ndcg)(int(match[2]))
    part, dot, own = name.rpartition(".")
    known = f"{part}{dot}{ALIASES.get(own, own)}"
    metric = lookup(valid, known, "metric", f"for {target.task} (--metric)")
    if not metric.maximised:
        raise ConfigError(
            f"metric {name!r} is reported and not maximised: a model that knows nothing can be "
            "perfectly calibrated; choose another with --metric, such as log_loss"
        )
    return metric


def default_metric(target: TargetSpec) -> Metric:
    """What is maximised where nothing is said."""
    return metrics_of(target)[DEFAULTS[target.task]]


def score_all(y: Array, output: Array, target: TargetSpec) -> dict[str, float]:
    """Every metric of the target by name, each higher is better.

    Raises:
        TrialError: an output is not finite.
    """
    bad = int(len(output) - np.isfinite(output).reshape(len(output), -1).all(axis=1).sum())
    if bad:
        raise TrialError(f"outputs must be finite, and {bad} of {len(output)} rows are not")
    return {name: metric.score(y, output) for name, metric in metrics_of(target).items()}


def values_of(field: Field, y: Array, output: Array) -> tuple[Array, Array]:
    """The true values and outputs of one of several targets."""
    own, out = y[:, field.columns], output[:, field.outputs]
    if field.target.is_coded:
        return own[:, 0].astype(np.int64), out
    return (own[:, 0], out[:, 0]) if field.target.task == "regression" else (own, out)


def _within(field: Field, metric: Metric) -> Prepare:
    return lambda y, output: metric.prepare(*values_of(field, y, output))


def _mean_score(target: TargetSpec) -> Metric:
    def prepare(y: Array, output: Array) -> Scorer:
        parts = [
            METRICS[each.target.task][DEFAULTS[each.target.task]].prepare(
                *values_of(each, y, output)
            )
            for each in target.fields
        ]
        return lambda weight: float(np.mean([part(weight) for part in parts]))

    return Metric(name="mean_score", prepare=prepare)

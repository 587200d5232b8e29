"""How well outputs fit a target: a metric's name and outputs in, one higher-is-better score out.

Outputs are class probabilities `(n, k)`, or predictions `(n,)` in the target's own unit. A metric
is made ready once for a target and its outputs, and then scored under any row weights: a bootstrap
of a thousand resamples costs a thousand weighted sums, and no sorting. Classes that are absent
from `y` never make a score NaN.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autosynth.data.spec import Task
from autosynth.errors import ConfigError, TrialError, lookup

Array = NDArray[Any]
Scorer = Callable[[Array], float]
"""The score under row weights `(n,)`, 0 or more each."""
Counts = Callable[[Array, Array, Array], Array]
"""The score from a class's hits, predictions and true rows, `(..., k)` each."""

_TINY = 1e-12


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One way to score; `thresholds` says that moving decision thresholds can raise it.

    `prepare(y, output)` gives the score as a function of row weights. `relative` metrics state
    their error as a share of the trivial baseline's. `row_loss` names the per-row loss that stands
    in for the metric where rows are compared one by one: hit, log or square.
    """

    name: str
    task: Task
    prepare: Callable[[Array, Array], Scorer]
    counts: Counts | None = None
    thresholds: bool = False
    relative: bool = False
    row_loss: str

    def score(self, y: Array, output: Array) -> float:
        """The score, higher is better, of `output` against `y` `(n,)`."""
        return self.prepare(y, output)(np.ones(len(y)))

    def error(self, score: float, baseline_score: float) -> float:
        """What the search minimises: 0 is perfect, 1 no better than knowing nothing.

        One minus the score; for log loss, RMSE and MAE the value over the trivial baseline's.
        """
        return score / min(baseline_score, -_TINY) if self.relative else 1.0 - score


# ---- the metrics -----------------------------------------------------------------------------


def _from_counts(counts: Counts) -> Callable[[Array, Array], Scorer]:
    def prepare(y: Array, output: Array) -> Scorer:
        k = output.shape[1]
        guess = output.argmax(axis=1)
        hit = guess == y

        def scorer(weight: Array) -> float:
            hits = np.bincount(y[hit], weights=weight[hit], minlength=k)
            guesses = np.bincount(guess, weights=weight, minlength=k)
            return float(counts(hits, guesses, np.bincount(y, weights=weight, minlength=k)))

        return scorer

    return prepare


def _mean_where(value: Array, there: Array) -> Array:
    total = np.where(there, value, 0.0).sum(axis=-1)
    return np.asarray(total / np.maximum(there.sum(axis=-1), 1))


def _accuracy(hits: Array, guesses: Array, true: Array) -> Array:
    return np.asarray(hits.sum(axis=-1) / np.maximum(true.sum(axis=-1), _TINY))


def _balanced_accuracy(hits: Array, guesses: Array, true: Array) -> Array:
    return _mean_where(hits / np.maximum(true, _TINY), true > 0)


# Macro averages run over the classes that occur in the target or among the guesses, as in
# scikit-learn; a class never guessed has precision 0.
def _precision(hits: Array, guesses: Array, true: Array) -> Array:
    return _mean_where(hits / np.maximum(guesses, _TINY), guesses + true > 0)


def _recall(hits: Array, guesses: Array, true: Array) -> Array:
    return _mean_where(hits / np.maximum(true, _TINY), guesses + true > 0)


def _f1(hits: Array, guesses: Array, true: Array) -> Array:
    return _mean_where(2 * hits / np.maximum(guesses + true, _TINY), guesses + true > 0)


def _prepare_roc_auc(y: Array, output: Array) -> Scorer:
    """Area under the ROC curve; with more than two classes, the mean of one against the rest."""
    k = output.shape[1]
    columns = [_prepare_auc(y == c, output[:, c]) for c in ([1] if k == 2 else range(k))]

    def scorer(weight: Array) -> float:
        areas = [area for area in (column(weight) for column in columns) if area is not None]
        return float(np.mean(areas)) if areas else 0.5

    return scorer


def _prepare_auc(positive: Array, value: Array) -> Callable[[Array], float | None]:
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


def _prepare_neg_log_loss(y: Array, output: Array) -> Scorer:
    return _negated_mean(_log_rows(y, output))


def _prepare_neg_mae(y: Array, output: Array) -> Scorer:
    return _negated_mean(np.abs(_residual(y, output)))


def _negated_mean(rows: Array) -> Scorer:
    return lambda weight: -float(weight @ rows / weight.sum())


def _prepare_neg_rmse(y: Array, output: Array) -> Scorer:
    square = _residual(y, output) ** 2
    return lambda weight: -float(np.sqrt(weight @ square / weight.sum()))


def _prepare_r2(y: Array, output: Array) -> Scorer:
    square = _residual(y, output) ** 2
    target = y.astype(np.float64)

    def scorer(weight: Array) -> float:
        spread = weight @ (target - weight @ target / weight.sum()) ** 2
        return 1.0 - float(weight @ square / max(spread, _TINY))

    return scorer


def _residual(y: Array, output: Array) -> Array:
    return output.reshape(len(y)).astype(np.float64) - y


def _log_rows(y: Array, output: Array) -> Array:
    total = output.sum(axis=1, dtype=np.float64)
    share = output[np.arange(len(y)), y].astype(np.float64) / np.maximum(total, _TINY)
    # A single sure mistake in float32 would otherwise be infinite.
    return np.asarray(-np.log(np.clip(share, 1e-7, 1.0)))


def _counted(name: str, counts: Counts, *, thresholds: bool = True) -> Metric:
    prepare = _from_counts(counts)
    return Metric(
        name=name, task="classification", prepare=prepare, counts=counts, thresholds=thresholds,
        row_loss="hit",
    )  # fmt: skip


def _regression(name: str, prepare: Callable[[Array, Array], Scorer], relative: bool) -> Metric:
    return Metric(
        name=name, task="regression", prepare=prepare, relative=relative, row_loss="square"
    )


METRICS: Mapping[str, Metric] = {
    metric.name: metric
    for metric in (
        _counted("accuracy", _accuracy, thresholds=False),
        _counted("balanced_accuracy", _balanced_accuracy),
        _counted("f1", _f1),
        _counted("precision", _precision),
        _counted("recall", _recall),
        Metric(
            name="roc_auc", task="classification", prepare=_prepare_roc_auc, row_loss="log"
        ),
        Metric(
            name="neg_log_loss", task="classification", prepare=_prepare_neg_log_loss,
            relative=True, row_loss="log",
        ),
        _regression("r2", _prepare_r2, False),
        _regression("neg_rmse", _prepare_neg_rmse, True),
        _regression("neg_mae", _prepare_neg_mae, True),
    )
}  # fmt: skip

ALIASES: Mapping[str, str] = {
    "log_loss": "neg_log_loss",
    "rmse": "neg_rmse",
    "mae": "neg_mae",
    "auc": "roc_auc",
}
"""Other names a user may give; scores are higher-is-better, so a loss goes by its negative."""


# ---- choosing and computing ------------------------------------------------------------------


def find_metric(name: str, task: Task) -> Metric:
    """The metric of that name or alias.

    Raises:
        UnknownNameError: there is none.
        ConfigError: it belongs to the other task.
    """
    metric = lookup(METRICS, ALIASES.get(name, name), "metric", "(--metric)")
    if metric.task != task:
        valid = ", ".join(m.name for m in metrics_of(task))
        raise ConfigError(
            f"metric {name!r} is for {metric.task}, and this target is a {task}; valid: {valid}"
        )
    return metric


def default_metric(task: Task) -> Metric:
    """Accuracy, or R² for regression."""
    return METRICS["accuracy" if task == "classification" else "r2"]


def metrics_of(task: Task) -> tuple[Metric, ...]:
    """All metrics of a task, in the registry's order."""
    return tuple(metric for metric in METRICS.values() if metric.task == task)


def evaluate(y: Array, output: Array, task: Task) -> dict[str, float]:
    """Every metric of the task by name, each higher is better.

    Raises:
        TrialError: an output is not finite.
    """
    bad = int(len(output) - np.isfinite(output).reshape(len(output), -1).all(axis=1).sum())
    if bad:
        raise TrialError(f"outputs must be finite, and {bad} of {len(output)} rows are not")
    return {metric.name: metric.score(y, output) for metric in metrics_of(task)}


def per_row_loss(metric: Metric, y: Array, output: Array) -> NDArray[np.float64]:
    """A loss per row `(n,)`, lower is better, for paired comparisons of two sets of outputs.

    0 or 1 where the metric counts hits, log loss for `roc_auc` and `neg_log_loss`, squared error
    for regression.
    """
    if metric.row_loss == "hit":
        return np.asarray(output.argmax(axis=1) != y, dtype=np.float64)
    if metric.row_loss == "log":
        return np.asarray(_log_rows(y, output))
    return np.asarray(_residual(y, output) ** 2)


def bootstrap_interval(
    metric: Metric, y: Array, output: Array, n: int = 1000, seed: int = 0
) -> tuple[float, float]:
    """The 95 % percentile interval of the score over `n` resamples of the rows."""
    return _interval(metric.prepare(y, output), len(y), n, seed)


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


# ---- thresholds ------------------------------------------------------------------------------


def fit_class_bias(y: Array, proba: Array, metric: Metric) -> NDArray[np.float64]:
    """A bias per class `(k,)` for the log probabilities that maximises a metric of counts.

    Coordinate ascent: one class at a time moves to the best of up to 200 places at which guesses
    change. To be fitted on held-back rows. Zeros where `metric.thresholds` is false.
    """
    k = proba.shape[1]
    bias = np.zeros(k)
    if metric.counts is None or not metric.thresholds or not len(y):
        return bias
    logs = np.log(np.clip(proba, 1e-7, 1.0)).astype(np.float64)
    best = metric.score(y, proba)
    for _ in range(5):
        before = best
        for c in range(1 if k == 2 else 0, k):  # of two classes, one bias is enough
            shift, score = _best_shift(y, logs + bias, c, metric.counts)
            if score > best + 1e-9:
                bias[c] += shift
                best = score
        if best <= before:
            break
    return np.asarray(bias - bias.mean())


def apply_class_bias(proba: Array, bias: Array) -> Array:
    """`proba` `(n, k)` with `bias` added to its logarithms, rows summing to 1 again."""
    logs = np.log(np.clip(proba, 1e-7, 1.0)) + bias
    odds = np.exp(logs - logs.max(axis=1, keepdims=True))
    return np.asarray(odds / odds.sum(axis=1, keepdims=True), dtype=proba.dtype)


def _best_shift(y: Array, logs: Array, c: int, counts: Counts) -> tuple[float, float]:
    """The shift of class `c`'s column that scores best, and that score."""
    n, k = logs.shape
    others = logs.copy()
    others[:, c] = -np.inf
    second = others.argmax(axis=1)
    gap = others.max(axis=1) - logs[:, c]  # a row is guessed c where the shift exceeds its gap
    order = np.argsort(gap)
    cuts = np.unique(np.linspace(0, n, min(n, 200) + 1).astype(int))
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

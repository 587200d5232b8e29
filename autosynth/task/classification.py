"""Classification: one of a few classes a row.

Outputs are a logit a class, in the order of codes: numbers in their own order, names in alphabetic
order.
"""

from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from autosynth.cell import text_of
from autosynth.errors import DataError
from autosynth.spec import Array, TargetSpec
from autosynth.spelling import AS_SPELT, Spellings, spellings_of
from autosynth.task.metric import (
    COUNTS,
    LEAST_CHANCE,
    MOST_CUTS,
    Counts,
    Metric,
    by_name,
    of_classes,
    plain_roc_auc,
    prepare_neg_calibration_error,
    prepare_neg_log_loss,
    prepare_roc_auc,
)
from autosynth.task.target import Target, TargetColumn
from autosynth.task.task import CodedTask, Detail, Tensor

# Of coordinate ascent, at most; it ends by itself in a round that gains nothing.
_ROUNDS = 5


class Classification(CodedTask):
    """One of a few classes, by cross entropy."""

    name: ClassVar[str] = "classification"
    metrics = by_name(
        of_classes("accuracy", thresholds=False),
        *(of_classes(name) for name in COUNTS if name != "accuracy"),
        Metric(name="roc_auc", prepare=prepare_roc_auc, plain=plain_roc_auc),
        Metric(name="neg_log_loss", prepare=prepare_neg_log_loss, relative=True),
        Metric(
            name="neg_calibration_error", prepare=prepare_neg_calibration_error, maximised=False
        ),
    )
    default_metric = "accuracy"
    few_classes = True
    is_calibrated = True
    baseline = "majority"
    gives = "the columns `prediction` (a class by its name) and `proba_<class>`"
    limit = "Every row gets one of the classes above, also one that is none of them."

    def problems(self, target: TargetSpec) -> Iterator[str]:
        """It needs two classes."""
        if len(target.classes) < 2:
            yield f"a classification has two classes or more, not {target.classes}"

    def encode(self, column: TargetColumn) -> Target:
        """Codes of classes; those that no training row has, or one row alone, are left out."""
        name, in_test = column.name, column.in_test
        codes, names, spellings = _class_codes(column)
        if len(names) < 2:
            raise DataError(
                f"target {name!r} has one class, {names[0]!r}, in {len(codes)} rows; "
                "classification needs two or more."
            )
        everywhere = np.bincount(codes, minlength=len(names))
        learnable = np.bincount(codes[~in_test], minlength=len(names))
        good = (everywhere > 1) & (learnable > 0)
        if good.sum() < 2:
            raise DataError(
                f"target {name!r} has {good.sum()} classes of two rows or more ({len(names)} in "
                "all); classification needs two. For numbers, ask for the task regression."
            )
        classes = tuple(text for text, ok in zip(names, good, strict=True) if ok)
        rows = good[codes]
        y = (np.cumsum(good) - 1)[codes[rows]].astype(np.int64)
        spec = TargetSpec(name=name, task=self.name, classes=classes)
        warnings = [*_left_out(name, names, everywhere, learnable)]
        assumed: tuple[str, ...] = ()
        if spellings.assumed:
            assumed = (f"{name}: {spellings.assumed}. --column {name}=category keeps them apart",)
        if spellings.doubt:
            cure = f"--column {name}=category says they are two"
            warnings.append(f"target {name!r}: {spellings.doubt}; {cure}")
        return column.target(spec, y, good=rows, warnings=warnings, assumed=assumed)

    def loss(self, out: Tensor, y: Tensor, smoothing: float, reduction: str = "mean") -> Tensor:
        """Cross entropy."""
        from torch.nn.functional import cross_entropy

        return cross_entropy(out, y.long(), label_smoothing=smoothing, reduction=reduction)

    def log_odds(self, proba: Array) -> NDArray[np.float64]:
        """Log probabilities."""
        return np.asarray(np.log(np.clip(proba, LEAST_CHANCE, 1.0)), np.float64)

    def probabilities(self, log_odds: Array) -> Array:
        """Their softmax."""
        odds = np.exp(log_odds - log_odds.max(axis=1, keepdims=True))
        return np.asarray(odds / odds.sum(axis=1, keepdims=True))

    def bias(
        self, y: Array, log_odds: Array, metric: Metric, weights: Array | None = None
    ) -> NDArray[np.float64]:
        """Coordinate ascent: one class at a time, at the best of up to 200 places of its guesses.

        The places are those at which guesses change.
        """
        assert metric.counts is not None
        k = log_odds.shape[1]
        bias = np.zeros(k)
        each = np.ones(len(y)) if weights is None else weights
        best = _counted(y, log_odds, metric.counts, each)
        for _ in range(_ROUNDS):
            before = best
            for c in range(1 if k == 2 else 0, k):  # of two classes, one bias is enough
                shift, score = _best_shift(y, log_odds + bias, c, metric.counts, each)
                if score > best + 1e-9:
                    bias[c] += shift
                    best = score
            if best <= before:
                break
        return np.asarray(bias - bias.mean())

    def columns(self, target: TargetSpec, output: Array, scores: Array) -> dict[str, Any]:
        """`prediction`, the user's own name of a class, and `proba_<class>` for each.

        Probabilities are in [0, 1], a row's sum to 1. Thresholds fitted for metrics such as F1
        move `prediction` alone.
        """
        names = np.array(target.classes, dtype=object)
        proba = {f"proba_{name}": output[:, i] for i, name in enumerate(names)}
        return {"prediction": names[scores.argmax(axis=1)], **proba}

    def detail(self, target: TargetSpec, y: Array, output: Array, index: Sequence[Any]) -> Detail:
        """The confusion of the classes."""
        k = len(target.classes)
        counts = np.bincount(y * k + output.argmax(axis=1), minlength=k * k).reshape(k, k)
        names = pd.Index(target.classes, dtype=object)
        frame = pd.DataFrame(counts, index=names.rename("true"), columns=names.rename("predicted"))
        return Detail(target=target, confusion=frame)


def _class_codes(column: TargetColumn) -> tuple[NDArray[np.int64], list[str], Spellings]:
    """Codes and names of the classes; numbers in their own order, names in alphabetic order.

    Of the spellings of one class the most frequent is its name.
    """
    values, numbers = column.values, column.numbers
    if numbers is not None and values.dtype.kind in "iuf":
        found, codes = np.unique(numbers, return_inverse=True)
        return codes.astype(np.int64), [text_of(value) for value in found], AS_SPELT
    raw, found = pd.factorize(values.to_numpy(dtype=object))
    texts = [text_of(value) for value in found]
    spellings = AS_SPELT
    if numbers is None and not column.as_spelt:
        rows = pd.Series(np.bincount(raw, minlength=len(texts))).groupby(texts).sum()
        spellings = spellings_of(rows.to_dict())
        texts = [spellings.name_of.get(text, text) for text in texts]
    # Text that reads as numbers keeps its own spelling ("01"), in the order of the numbers.
    names = sorted(set(texts))
    if numbers is not None:
        value = dict(zip(map(text_of, values), numbers.tolist(), strict=True))
        names.sort(key=lambda text: (value[text], text))
    place = {text: code for code, text in enumerate(names)}
    return np.array([place[text] for text in texts], dtype=np.int64)[raw], names, spellings


def _left_out(
    name: str, names: Sequence[str], everywhere: Array, learnable: Array
) -> Iterator[str]:
    """What is said of classes that cannot be learnt."""
    for which, why in (
        (everywhere == 1, "with one row left out; a class needs two"),
        (
            (learnable == 0) & (everywhere > 1),
            "left out; only test rows have it, so it cannot be learned",
        ),
    ):
        codes = np.flatnonzero(which)
        if len(codes):
            shown = ", ".join(repr(names[code]) for code in codes[:5])
            shown += f" and {len(codes) - 5} more" if len(codes) > 5 else ""
            yield f"target {name!r}: class{'' if len(codes) == 1 else 'es'} {shown} {why}"


def _counted(y: Array, logs: Array, counts: Counts, weights: Array) -> float:
    k, guess = logs.shape[1], logs.argmax(axis=1)
    hit = guess == y
    hits = np.bincount(y[hit], weights[hit], k)
    return float(counts(hits, np.bincount(guess, weights, k), np.bincount(y, weights, k)))


def _best_shift(
    y: Array, logs: Array, c: int, counts: Counts, weights: Array
) -> tuple[float, float]:
    """The shift of class `c`'s column that scores best, and that score."""
    n, k = logs.shape
    others = logs.copy()
    others[:, c] = -np.inf
    second = others.argmax(axis=1)
    gap = others.max(axis=1) - logs[:, c]  # a row is guessed c where the shift exceeds its gap
    order = np.argsort(gap)
    cuts = np.unique(np.linspace(0, n, min(n, MOST_CUTS) + 1).astype(int))
    # Rows order[:cut] are guessed c, the others keep their second choice.
    turned = np.zeros((n + 1, 2, k))
    row = np.arange(n) + 1
    each, hit = weights[order], second == y
    turned[row, 0, second[order]] -= each * hit[order]
    turned[row, 1, second[order]] -= each
    turned[row, 0, c] += each * (y[order] == c)
    turned[row, 1, c] += each
    start = np.stack([np.bincount(y[hit], weights[hit], k), np.bincount(second, weights, k)])
    state = start + np.cumsum(turned, axis=0)[cuts]
    true = np.broadcast_to(np.bincount(y, weights, k), (len(cuts), k))
    scores = counts(state[:, 0], state[:, 1], true)
    edge = np.r_[gap[order][0] - 1.0, gap[order], gap[order][-1] + 1.0]
    shifts = (edge[cuts] + edge[cuts + 1]) / 2  # half-way between two rows' gaps
    best = np.lexsort((np.abs(shifts), -np.round(scores, 12)))[0]
    return float(shifts[best]), float(scores[best])

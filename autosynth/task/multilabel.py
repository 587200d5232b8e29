"""Multilabel: labels of which any number may hold for a row, a logit each.

Read from a column of zeros and ones for each label, or from one whose cells list them.
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from autosynth.cell import missing_in, text_of
from autosynth.errors import DataError
from autosynth.spec import Array, TargetSpec
from autosynth.spelling import truths_of
from autosynth.task.forecasting import mean_of_known
from autosynth.task.metric import (
    COUNTS,
    LEAST_CHANCE,
    MOST_CUTS,
    SUBSET,
    Metric,
    by_name,
    of_labels,
    prepare_label_auc,
    prepare_neg_label_calibration_error,
    prepare_neg_label_log_loss,
)
from autosynth.task.target import SHOWN, LeftOut, Target, TrueValues, columns_of, some_of
from autosynth.task.task import Detail, Task, Tensor, mean_of_losses

_SEPARATORS = ("|", ";", ",")
_MOST_LABELS = 1_000
_BRACKETS = ("[]", "()", "{}")
# In quotes, which may hold commas; numpy writes no commas between them. Or up to the next comma.
_ITEM = re.compile(r"""'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)"|([^,'"]+)""")


class Multilabel(Task):
    """Labels that may hold together, by binary cross entropy."""

    name: ClassVar[str] = "multilabel"
    metrics = by_name(
        *(of_labels(name) for name in COUNTS if not name.endswith("accuracy")),
        SUBSET,
        Metric(name="roc_auc", prepare=prepare_label_auc),
        Metric(name="neg_log_loss", prepare=prepare_neg_label_log_loss, relative=True),
        Metric(
            name="neg_calibration_error",
            prepare=prepare_neg_label_calibration_error,
            maximised=False,
        ),
    )
    default_metric = "f1_micro"
    is_standardised = False
    is_calibrated = True
    joins_columns = True
    baseline = "majority"
    noun = "labels"
    gives = "the columns `prediction` (the labels that hold) and `proba_<label>`"
    limit = "Every row gets one of the classes above, also one that is none of them."

    def read(
        self,
        values: "pd.Series[Any] | pd.DataFrame",
        name: str,
        in_test: NDArray[np.bool_],
        decimal: str = "",
    ) -> Target:
        """A label a column, 0 or 1; or the labels of each cell (an empty one has none)."""
        if isinstance(values, pd.DataFrame):
            return _label_columns({str(column): values[column] for column in values}, name)
        return _label_cells(values, name, in_test)

    def true_values(
        self, values: "pd.Series[Any] | pd.DataFrame", target: TargetSpec, place: str
    ) -> TrueValues:
        """In either form, whatever that of the training was."""
        if isinstance(values, pd.DataFrame):
            return _true_columns(values, target, place)
        return _true_cells(values, target)

    def loss(self, out: Tensor, y: Tensor, smoothing: float, reduction: str = "mean") -> Tensor:
        """Binary cross entropy, the mean over the labels that are known."""
        from torch.nn.functional import binary_cross_entropy_with_logits

        known = ~y.isnan()
        soft = (y.nan_to_num() * (1 - smoothing) + smoothing / 2).to(out.dtype)
        losses = binary_cross_entropy_with_logits(out, soft, reduction="none")
        return mean_of_losses(losses, known, reduction)

    def trivial(self, y: Array, target: TargetSpec, weights: Array | None = None) -> Array:
        """The share of the known rows that each label holds for."""
        return mean_of_known(y, weights)

    def link(self, out: Tensor, temperature: float, in_unit: Callable[[Tensor], Tensor]) -> Tensor:
        """The sigmoid."""
        return (out / temperature).sigmoid()

    def mean(self, outs: Tensor) -> Tensor:
        """Logits whose sigmoid is the mean of the probabilities."""
        from torch.nn.functional import logsigmoid

        found: Tensor = logsigmoid(outs).logsumexp(0) - logsigmoid(-outs).logsumexp(0)
        return found

    def indicators(self, y: Tensor, target: TargetSpec) -> Tensor:
        """The labels as they are."""
        return y > 0.5

    def log_odds(self, proba: Array) -> NDArray[np.float64]:
        """Of each label against its opposite."""
        clipped = np.clip(proba, LEAST_CHANCE, 1 - LEAST_CHANCE)
        return np.asarray(np.log(clipped).astype(np.float64) - np.log1p(-clipped))

    def probabilities(self, log_odds: Array) -> Array:
        """Their sigmoid."""
        return np.asarray(1 / (1 + np.exp(-log_odds)))

    def bias(
        self, y: Array, log_odds: Array, metric: Metric, weights: Array | None = None
    ) -> NDArray[np.float64]:
        """The threshold of one label after another at the best of up to 200 places."""
        bias = np.zeros(log_odds.shape[1])
        best = metric.score(y, (log_odds >= 0) * 1.0, weights)
        for c in range(len(bias)):
            places = np.quantile(log_odds[:, c], np.linspace(0, 1, min(len(y), MOST_CUTS)))
            for place in places[np.argsort(np.abs(places))]:
                tried = bias.copy()
                tried[c] = -place
                score = metric.score(y, (log_odds + tried >= 0) * 1.0, weights)
                if score > best + 1e-9:
                    bias, best = tried, score
        return bias

    def columns(self, target: TargetSpec, output: Array, scores: Array) -> dict[str, Any]:
        """`prediction`, the names of the labels that hold, joined by `|`; `proba_<label>` each."""
        names = np.array(target.classes, dtype=object)
        proba = {f"proba_{name}": output[:, i] for i, name in enumerate(names)}
        return {"prediction": ["|".join(names[row]) for row in scores >= 0.5], **proba}

    def detail(self, target: TargetSpec, y: Array, output: Array, index: Sequence[Any]) -> Detail:
        """How often each label holds, is guessed, and is right."""
        true, guess = y > 0, (output >= 0.5) & ~np.isnan(y)
        right = (true & guess).sum(axis=0)
        counts = {"true": true.sum(axis=0), "predicted": guess.sum(axis=0), "right": right}
        frame = pd.DataFrame(counts, index=pd.Index(target.classes, dtype=object, name="label"))
        frame["precision"] = frame["right"] / frame["predicted"].where(frame["predicted"] > 0)
        frame["recall"] = frame["right"] / frame["true"].where(frame["true"] > 0)
        return Detail(target=target, labels=frame)


def _label_columns(named: "dict[str, pd.Series[Any]]", name: str) -> Target:
    """A label a column, NaN where it is not known; rows that have none are left out.

    It is 0 or 1, or says so in any spelling of booleans.
    """
    columns = []
    for title, values in named.items():
        truths = truths_of(values)
        if (np.isnan(truths) & ~missing_in(values)).any():
            shown = ", ".join(repr(text_of(value)) for value in values.unique()[:4])
            raise DataError(
                f"label {title!r} is 0 or 1 in every row, or no and yes, and holds {shown}. Name "
                "another target, or leave the task multilabel out."
            )
        columns.append(truths)
    y = np.stack(columns, axis=1)
    missing = (~np.isnan(y)).sum(axis=1) == 0
    lost, some = int(missing.sum()), int((np.isnan(y).any(axis=1) & ~missing).sum())
    told = [f"target {name!r}: {lost} rows without any label were left out"] if lost else []
    if some:
        told.append(
            f"target {name!r}: {some} rows lack some of their labels; these count neither in the "
            "loss nor in scores"
        )
    return _labels(y, list(named), name, missing, tuple(told))


def _label_cells(values: "pd.Series[Any]", name: str, in_test: NDArray[np.bool_]) -> Target:
    """The labels that stand in each cell; those that only test rows have are left out."""
    cells = label_lists(values)
    are_lists = cells is not None
    if cells is None:
        texts = _texts(values)
        separator = max(_SEPARATORS, key=lambda mark: sum(mark in text for text in texts))
        cells = [_split(text, separator) for text in texts]
    learnt = [cell for cell, test in zip(cells, in_test, strict=True) if not test]
    known = sorted(set().union(*learnt))
    if not 1 <= len(known) <= _MOST_LABELS:
        raise DataError(
            f"target {name!r} holds {len(known)} labels; from 1 to {_MOST_LABELS} can be learnt. "
            f"Separate them by one of {' '.join(_SEPARATORS)}, or name another target."
        )
    strange = sorted(set().union(*cells) - set(known))
    lost = f"target {name!r}: labels left out that only test rows have: {', '.join(strange[:5])}"
    none_missing = np.zeros(len(cells), np.bool_)
    found = _labels(_marked(cells, known), known, name, none_missing, (lost,) if strange else ())
    told = (f"target {name!r}: its cells are lists, of labels that may hold together",)
    return replace(found, assumed=told if are_lists else ())


def _labels(
    y: NDArray[np.float64],
    names: Sequence[str],
    name: str,
    missing: NDArray[np.bool_],
    warnings: tuple[str, ...] = (),
) -> Target:
    keep = np.flatnonzero(~missing)
    if not len(keep):
        raise DataError(f"target {name!r} has no row with any of its labels. Name another.")
    y = y[keep]
    least, most = np.fmin.reduce(y), np.fmax.reduce(y)
    same = (least == most) | np.isnan(least)
    never = [title for title, is_same in zip(names, same, strict=True) if is_same]
    if len(never) == len(names):
        raise DataError(f"target {name!r}: every label is the same in every row.")
    if never:
        warnings = (f"target {name!r}: the same in every row: {', '.join(never[:8])}", *warnings)
    spec = TargetSpec(name=name, task="multilabel", classes=tuple(names))
    lost = np.flatnonzero(missing)
    return Target(spec=spec, y=y.astype(np.float32), keep=keep, warnings=warnings, missing=lost)


def _true_columns(values: pd.DataFrame, target: TargetSpec, place: str) -> TrueValues:
    columns = columns_of(values, len(target.classes), target.name, place)
    y = np.stack([truths_of(column) for column in columns], axis=1)
    none = np.stack([missing_in(column) for column in columns], axis=1)
    good = (np.isin(y, (0, 1)) | none).all(axis=1) & ~none.all(axis=1)
    left = (LeftOut(reason="with no label, or one that is not 0 or 1", rows=int((~good).sum())),)
    return TrueValues(y=y[good], keep=np.flatnonzero(good), left_out=() if good.all() else left)


def _true_cells(values: "pd.Series[Any]", target: TargetSpec) -> TrueValues:
    """As lists, or by the separator that gives most labels of the model."""
    cells, known = label_lists(values), set(target.classes)
    if cells is None:
        texts = _texts(values)
        read = [[_split(text, mark) for text in texts] for mark in _SEPARATORS]
        cells = max(read, key=lambda found: sum(each in known for cell in found for each in cell))
    y = _marked(cells, target.classes)
    unknown = Counter(label for cell in cells for label in cell - known)
    if unknown and not y.any():
        why = f"of labels that the model never saw ({some_of(pd.Series(list(unknown)))})"
        return TrueValues(y=y[:0], keep=np.arange(0), left_out=(LeftOut(reason=why, rows=len(y)),))
    named = ", ".join(f"{label!r} ({n} rows)" for label, n in unknown.most_common(SHOWN))
    warnings = (f"labels that the model never saw are not scored: {named}",) if unknown else ()
    return TrueValues(y=y, keep=np.arange(len(y)), warnings=warnings)


def label_lists(values: "pd.Series[Any]") -> list[set[str]] | None:
    """The labels of cells that are lists, or print as such; None where one does not.

    A cell that holds nothing, and an empty list, have no label.
    """
    gone = missing_in(values)
    if gone.all():
        return None
    cells = []
    for value, empty in zip(values, gone, strict=True):
        labels = set() if empty else _list_of(value)
        if labels is None:
            return None
        cells.append(labels)
    return cells


def _list_of(value: Any) -> set[str] | None:
    """The items of a list, or of one as JSON, Python, numpy or PostgreSQL print it."""
    if isinstance(value, str):
        text = value.strip()
        if text[:1] + text[-1:] not in _BRACKETS:
            return None
        try:
            value = json.loads(f"[{text[1:-1]}]")
        except ValueError:
            items = map("".join, _ITEM.findall(text[1:-1]))
            value = [re.sub(r"\\(.)", r"\1", item) for item in items]
    if not isinstance(value, list | tuple | set | frozenset | np.ndarray):
        return None
    return {text_of(item) for item in value} - {""}


def _texts(values: "pd.Series[Any]") -> list[str]:
    gone = missing_in(values)
    return ["" if empty else text_of(v) for v, empty in zip(values, gone, strict=True)]


def _split(text: str, mark: str) -> set[str]:
    return {part.strip() for part in text.split(mark)} - {""}


def _marked(cells: Sequence[set[str]], labels: Sequence[str]) -> NDArray[np.float64]:
    """1 where a row has a label, of those that are known."""
    code_of = {label: code for code, label in enumerate(labels)}
    y = np.zeros((len(cells), len(labels)))
    for row, cell in enumerate(cells):
        y[row, [code_of[label] for label in cell if label in code_of]] = 1
    return y

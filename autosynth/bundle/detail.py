"""Where the errors of a target are: true values and outputs in, frames for people out."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from autosynth.bundle.evaluation import Detail
from autosynth.spec import Array, TargetSpec
from autosynth.training.metrics import values_of
from autosynth.training.metrics.rank import item_ranks

_QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
_WORST = 20


def details_of(
    target: TargetSpec, y: Array, output: Array, index: Sequence[Any]
) -> tuple[Detail, ...]:
    """The detail of each target.

    Args:
        target: one, or several.
        y: true values, as in a `Dataset`.
        output: probabilities (a guess is the largest of them, or half and more), or values.
        index: names of the rows.
    """
    if not target.parts:
        return (_detail(target, y, output, index),)
    return tuple(
        _detail(field.target, *values_of(field, y, output), index) for field in target.fields
    )


def _detail(target: TargetSpec, y: Array, output: Array, index: Sequence[Any]) -> Detail:
    if target.task == "classification":
        return Detail(target=target, confusion=_confusion(target, y, output))
    if target.task == "multilabel":
        return Detail(target=target, labels=_labels(target, y, output))
    if target.task == "ranking":
        return Detail(target=target, ranks=_ranks(y, output))
    values, found = y.reshape(len(y), -1), output.reshape(len(y), -1)
    names = [target.name] if values.shape[1] == 1 else _steps(values.shape[1])
    return Detail(
        target=target,
        residuals=_residuals(found - values, names),
        worst=_worst(values, found, names, index),
    )


def _steps(count: int) -> list[str]:
    return [f"step_{i + 1}" for i in range(count)]


def _confusion(target: TargetSpec, y: Array, output: Array) -> pd.DataFrame:
    k = len(target.classes)
    counts = np.bincount(y * k + output.argmax(axis=1), minlength=k * k).reshape(k, k)
    names = pd.Index(target.classes, dtype=object)
    return pd.DataFrame(counts, index=names.rename("true"), columns=names.rename("predicted"))


def _labels(target: TargetSpec, y: Array, output: Array) -> pd.DataFrame:
    true, guess = y > 0, output >= 0.5
    right = (true & guess).sum(axis=0)
    counts = {"true": true.sum(axis=0), "predicted": guess.sum(axis=0), "right": right}
    frame = pd.DataFrame(counts, index=pd.Index(target.classes, dtype=object, name="label"))
    frame["precision"] = frame["right"] / frame["predicted"].where(frame["predicted"] > 0)
    frame["recall"] = frame["right"] / frame["true"].where(frame["true"] > 0)
    return frame


def _residuals(residual: Array, names: Sequence[str]) -> pd.DataFrame:
    quantiles = np.quantile(residual, _QUANTILES, axis=0).T
    frame = pd.DataFrame(quantiles, columns=[f"{share:.0%}" for share in _QUANTILES])
    frame.insert(0, "bias", residual.mean(axis=0))
    frame.insert(1, "mae", np.abs(residual).mean(axis=0))
    return frame.set_index(pd.Index(names, dtype=object, name="value"))


def _worst(
    values: Array, found: Array, names: Sequence[str], index: Sequence[Any]
) -> pd.DataFrame:
    """The rows furthest off; of a forecast, each with its worst step."""
    error = np.abs(found - values)
    rows = np.argsort(-error.max(axis=1), kind="stable")[:_WORST]
    at = error[rows].argmax(axis=1)
    truth, guess = values[rows, at], found[rows, at]
    frame = pd.DataFrame({"truth": truth, "prediction": guess, "residual": guess - truth})
    if len(names) > 1:
        frame.insert(0, "step", [names[place] for place in at])
    return frame.set_index(pd.Index([index[int(row)] for row in rows], name="row"))


def _ranks(y: Array, output: Array) -> pd.DataFrame:
    places = np.quantile(item_ranks(y, output), _QUANTILES)
    return pd.DataFrame([places], columns=[f"{share:.0%}" for share in _QUANTILES], index=["rank"])

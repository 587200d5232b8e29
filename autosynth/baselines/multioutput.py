"""Baselines of several targets, or of labels: one model each, their outputs side by side."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from autosynth.baselines.table import Table
from autosynth.spec import Array, TargetSpec


@dataclass(frozen=True)
class FittedBaseline:
    """A fitted baseline: features of rows to its outputs, and its cost where that is known.

    `cut` says what it had less of than it should, for want of time; `note` all else.
    """

    predict: Callable[[Array], Array]
    flops: int | None
    params: int | None
    note: str = ""
    cut: str = ""


FitBaseline = Callable[[Table, Array, TargetSpec, int, float], FittedBaseline]
"""Table of training rows, true values, what they are, seed, seconds it may take."""


def per_label(fit: FitBaseline) -> FitBaseline:
    """A classifier for each label: the probability that it holds."""
    yes = TargetSpec(name="label", task="classification", classes=("no", "yes"))

    def fit_all(
        table: Table, y: Array, target: TargetSpec, seed: int, seconds: float
    ) -> FittedBaseline:
        seconds_each = seconds / y.shape[1]
        models = [fit(table, column.astype(np.int64), yes, seed, seconds_each) for column in y.T]
        return _joined(models, lambda outputs: [each[:, 1] for each in outputs])

    return fit_all


def per_target(classify: FitBaseline, regress: FitBaseline) -> FitBaseline:
    """A model for each target, by its task."""

    def fit_all(
        table: Table, y: Array, target: TargetSpec, seed: int, seconds: float
    ) -> FittedBaseline:
        found, share = [], seconds / len(target.parts)
        for part, _, columns in target.fields:
            own, fit = y[:, columns][:, 0], regress
            if part.is_coded:
                own, fit = own.astype(np.int64), classify
            found.append(fit(table, own, part, seed, share))
        return _joined(found, list)

    return fit_all


def _joined(
    models: Sequence[FittedBaseline], columns_of: Callable[[list[Array]], list[Array]]
) -> FittedBaseline:
    flops = [each.flops for each in models if each.flops is not None]
    params = [each.params for each in models if each.params is not None]
    notes, cuts = (
        "; ".join(dict.fromkeys(text for text in group if text))
        for group in ([each.note for each in models], [each.cut for each in models])
    )
    return FittedBaseline(
        lambda x: np.column_stack(columns_of([each.predict(x) for each in models])),
        sum(flops) if len(flops) == len(models) else None,
        sum(params) if len(params) == len(models) else None,
        notes,
        cuts,
    )

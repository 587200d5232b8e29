"""Baselines of several targets, or of labels: one model each, their outputs side by side."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autosynth.baselines.table import Table
from autosynth.data.spec import TargetSpec

Array = NDArray[Any]


@dataclass(frozen=True)
class Fitted:
    """A fitted baseline: features of rows to its outputs, and its cost where that is known.

    `cut` says what it had less of than it should, for want of time; `note` all else.
    """

    predict: Callable[[Array], Array]
    flops: int | None
    params: int | None
    note: str = ""
    cut: str = ""


Fit = Callable[[Table, Array, TargetSpec, int, float], Fitted]
"""Table of training rows, true values, what they are, seed, seconds it may take."""


def of_labels(fit: Fit) -> Fit:
    """A classifier for each label: the probability that it holds."""
    yes = TargetSpec(name="label", task="classification", classes=("no", "yes"))

    def fit_all(table: Table, y: Array, target: TargetSpec, seed: int, seconds: float) -> Fitted:
        share = seconds / y.shape[1]
        found = [fit(table, column.astype(np.int64), yes, seed, share) for column in y.T]
        return _joined(found, lambda outputs: [each[:, 1] for each in outputs])

    return fit_all


def of_targets(classify: Fit, regress: Fit) -> Fit:
    """A model for each target, by its task."""

    def fit_all(table: Table, y: Array, target: TargetSpec, seed: int, seconds: float) -> Fitted:
        found, share = [], seconds / len(target.parts)
        for part, _, columns in target.fields:
            own, fit = y[:, columns][:, 0], regress
            if part.is_coded:
                own, fit = own.astype(np.int64), classify
            found.append(fit(table, own, part, seed, share))
        return _joined(found, list)

    return fit_all


def _joined(found: Sequence[Fitted], pick: Callable[[list[Array]], list[Array]]) -> Fitted:
    flops = [each.flops for each in found if each.flops is not None]
    params = [each.params for each in found if each.params is not None]
    notes, cuts = (
        "; ".join(dict.fromkeys(said for said in group if said))
        for group in ([each.note for each in found], [each.cut for each in found])
    )
    return Fitted(
        lambda x: np.column_stack(pick([each.predict(x) for each in found])),
        sum(flops) if len(flops) == len(found) else None,
        sum(params) if len(params) == len(found) else None,
        notes,
        cuts,
    )

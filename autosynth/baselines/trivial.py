"""What knows the target alone, and what makes a model of one label or target one of several.

Apart from `fit.py`, since that loads scikit-learn.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from autosynth.baselines.table import BaselineInputs, FitBaseline, FittedBaseline
from autosynth.scale import PLAIN, fit_unit
from autosynth.spec import Array, TargetSpec


def fit_majority(it: BaselineInputs) -> FittedBaseline:
    """The shares of the classes."""
    share = (np.bincount(it.y, minlength=it.target.n_outputs) / len(it.y)).astype(np.float32)
    return FittedBaseline(lambda x: np.tile(share, (len(x), 1)), 0, 0)


def _fit_mean(it: BaselineInputs) -> FittedBaseline:
    mean = np.float32(it.y.mean(dtype=np.float64))
    return FittedBaseline(lambda x: np.full(len(x), mean), 0, 0)


def per_label(fit: FitBaseline) -> FitBaseline:
    """A classifier for each label: the probability that it holds."""
    yes = TargetSpec(name="label", task="classification", classes=("no", "yes"))

    def fit_all(it: BaselineInputs) -> FittedBaseline:
        one = replace(it, target=yes, seconds=it.seconds / it.y.shape[1])
        models = []
        for column in it.y.T:
            known = np.flatnonzero(~np.isnan(column))
            table = it.table if len(known) == len(column) else it.table.only(known)
            models.append(fit(replace(one, table=table, y=column[known].astype(np.int64))))
        return _joined(models, lambda outputs: [each[:, 1] for each in outputs])

    return fit_all


def per_target(classify: FitBaseline, regress: FitBaseline) -> FitBaseline:
    """A model for each target, by its task."""

    def fit_all(it: BaselineInputs) -> FittedBaseline:
        found, share = [], it.seconds / len(it.target.parts)
        for part, _, columns in it.target.fields:
            own, fit = it.y[:, columns][:, 0], regress
            if part.is_coded:
                own, fit = own.astype(np.int64), classify
            found.append(fit(replace(it, y=own, target=part, seconds=share)))
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


def counting(fit: FitBaseline) -> FitBaseline:
    """The same, of values in the unit that keeps their differences: libraries have float32 too."""

    def fit_counted(it: BaselineInputs) -> FittedBaseline:
        unit = PLAIN if it.target.is_coded else fit_unit(it.y)
        if unit == PLAIN:
            return fit(it)
        found = fit(replace(it, y=unit.encoded(it.y)))
        return replace(found, predict=lambda x: unit.decoded(found.predict(x).astype(np.float64)))

    return fit_counted


fit_mean = counting(_fit_mean)
fit_labels_majority = per_label(fit_majority)
fit_targets_majority = per_target(fit_majority, fit_mean)

"""Where the errors of one target are: true values and outputs in, frames for people out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from autosynth.spec import Array, TargetSpec

_QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
_WORST = 20


@dataclass(frozen=True, kw_only=True)
class Detail:
    """Where the errors of one target are, by its task.

    - classification: `confusion`, counts of rows, a row a true class, a column a predicted one;
    - multilabel: `labels`, a row each: how often it is `true`, `predicted`, `right` (both), and
      its precision and recall;
    - regression and forecasting: `residuals`, prediction minus truth in the target's unit, a row a
      value or step: the `bias` (their mean), `mae`, and quantiles; `worst`, the rows that are
      furthest off, first the worst;
    - ranking: `ranks`, quantiles of the place of the true item, from 1.
    """

    target: TargetSpec
    confusion: pd.DataFrame | None = None
    labels: pd.DataFrame | None = None
    residuals: pd.DataFrame | None = None
    worst: pd.DataFrame | None = None
    ranks: pd.DataFrame | None = None

    @property
    def frames(self) -> dict[str, pd.DataFrame]:
        """Those that there are, by name."""
        names = ("confusion", "labels", "residuals", "worst", "ranks")
        found = {name: getattr(self, name) for name in names}
        return {name: frame for name, frame in found.items() if frame is not None}


def quantile_frame(values: Array) -> pd.DataFrame:
    """Quantiles of each column of values (rows, columns), a row each; missing ones left out."""
    known = [column[~np.isnan(column)] for column in values.T]
    quantiles = [
        np.quantile(column, _QUANTILES) if len(column) else np.full(len(_QUANTILES), np.nan)
        for column in known
    ]
    return pd.DataFrame(quantiles, columns=[f"{share:.0%}" for share in _QUANTILES])


def value_detail(target: TargetSpec, y: Array, output: Array, index: Sequence[Any]) -> Detail:
    """The residuals of numbers, one a row or several, and the rows that are furthest off."""
    values, found = y.reshape(len(y), -1), output.reshape(len(y), -1)
    steps = [f"step_{i + 1}" for i in range(values.shape[1])]
    names = [target.name] if len(steps) == 1 else steps
    residual = found - values
    frame = quantile_frame(residual)
    known = ~np.isnan(residual)  # a step ahead may be missing
    n = np.maximum(known.sum(axis=0), 1)
    frame.insert(0, "bias", np.where(known, residual, 0.0).sum(axis=0) / n)
    frame.insert(1, "mae", np.where(known, np.abs(residual), 0.0).sum(axis=0) / n)
    return Detail(
        target=target,
        residuals=frame.set_index(pd.Index(names, dtype=object, name="value")),
        worst=_worst(values, found, names, index),
    )


def _worst(
    values: Array, found: Array, names: Sequence[str], index: Sequence[Any]
) -> pd.DataFrame:
    """The rows furthest off; of a forecast, each with its worst step."""
    error = np.nan_to_num(np.abs(found - values), nan=-1.0)
    rows = np.argsort(-error.max(axis=1), kind="stable")[:_WORST]
    at = error[rows].argmax(axis=1)
    truth, guess = values[rows, at], found[rows, at]
    frame = pd.DataFrame({"truth": truth, "prediction": guess, "residual": guess - truth})
    if len(names) > 1:
        frame.insert(0, "step", [names[place] for place in at])
    return frame.set_index(pd.Index([index[int(row)] for row in rows], name="row"))

"""Series: steps over time as arrays, and series made of the columns of a table.

Takes training columns of numbers, by channel and step; gives what was fitted and the arrays that
it makes. A channel with long tails (of money, say) is brought to a normal distribution by its
quantiles: a few large values would leave the others alike.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import ndtri

from autosynth.data.column.column import Column, encode_columns
from autosynth.data.source.layout import to_float32

_MAX_KURTOSIS = 8.0  # 3 is normal, 9 exponential
_KNOTS = 257
_END = 0.004  # the share below the least value


def fit_series(columns: Sequence[Sequence[Column]], x: NDArray[np.float64]) -> dict[str, Any]:
    """The series input of columns by channel and step; `x` (rows, channels * steps) of training.

    Missing steps are masked where training rows have some; elsewhere, and where a row has none
    but them, the column's mean stands in.
    """
    known = np.isfinite(x)
    mean = np.where(known, x, 0.0).sum(0) / np.maximum(known.sum(0), 1)
    return {
        "kind": "series",
        "columns": [column.to_dict() for channel in columns for column in channel],
        "shape": [len(columns), len(columns[0])],
        "masked": not bool(known.all()),
        "fill": [float(value) for value in mean],
        "knots": [_knots(channel) for channel in np.split(x, len(columns), axis=1)],
    }


def apply_series(
    fitted: Mapping[str, Any], frame: pd.DataFrame, warnings: list[str]
) -> NDArray[np.float32]:
    """The series (n, channels, steps) that the frame's columns hold."""
    x = encode_columns(frame, fitted["columns"], warnings)
    absent = np.isnan(x)
    filled = absent & absent.all(1, keepdims=True) if fitted["masked"] else absent
    if filled.any():
        x = np.where(filled, to_float32(np.array(fitted["fill"])), x)
        warnings.append(
            f"series {fitted['name']!r}: in {int(filled.any(1).sum())} rows the training mean "
            "stands for missing steps"
        )
    x = x.reshape(len(frame), *fitted["shape"])
    for channel, knots in enumerate(fitted["knots"]):
        if knots:
            normal = ndtri(np.linspace(_END, 1 - _END, len(knots)))
            x[:, channel] = np.interp(x[:, channel], knots, normal)
    return x


def _knots(x: NDArray[np.float64]) -> list[float]:
    """The quantiles of a channel with long tails; none of another."""
    values = to_float32(x[np.isfinite(x)]).astype(np.float64)
    if not len(values) or values.std() == 0:
        return []
    if (((values - values.mean()) / values.std()) ** 4).mean() <= _MAX_KURTOSIS:
        return []
    return [float(knot) for knot in np.unique(np.quantile(values, np.linspace(0, 1, _KNOTS)))]


def pad_steps(x: NDArray[Any], steps: int, axis: int = 2) -> NDArray[Any]:
    """`x` with NaN after its last step, up to `steps` on `axis`."""
    width = [(0, 0)] * x.ndim
    width[axis] = (0, steps - x.shape[axis])
    return np.pad(x, width, constant_values=np.nan)


def lengths(x: NDArray[Any]) -> NDArray[np.int64]:
    """The number of steps of each series in `x` (n, channels, steps), without its padding."""
    steps: NDArray[np.int64] = x.shape[2] - past_end(np.isnan(x)).sum(1)
    return steps


def past_end(missing: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which steps (n, steps) lie past the end: missing in all channels, and all after them too."""
    absent: NDArray[np.bool_] = np.all(missing, axis=1, keepdims=True)[:, 0, ::-1]
    return np.logical_and.accumulate(absent, axis=1)[:, ::-1]

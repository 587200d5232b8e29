"""The scale of each series: what its values are centred and divided by before a model reads them.

One composite forecasts all series, and none shall rule the loss and the scores because its numbers
are larger: each is brought to where its change over the steps ahead is as large as that of the
series in the middle. A single series without a name stays as it is.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from autosynth.data.framing.steps import Steps
from autosynth.scale import Values

_LAGS = 8  # of the steps ahead, by which the usual change is taken


@dataclass(frozen=True, kw_only=True)
class SeriesScale:
    """A value is `center + spread * x` of what a model reads: (n, channels), of series or rows.

    `typical` (channels,) is the usual change of the series in the middle. `lowest` is below no
    value of the target in training, and so below none that is forecast.
    """

    center: Values
    spread: Values
    typical: Values
    lowest: float | None = None

    def of(self, numbers: NDArray[np.int64]) -> Self:
        """Those of some series, a row each."""
        return replace(self, center=self.center[numbers], spread=self.spread[numbers])

    def scaled(self, steps: Steps) -> Steps:
        """Steps with the values that a model reads."""
        of = steps.of
        return replace(steps, values=(steps.values - self.center[of].T) / self.spread[of].T)

    def unscaled(self, target: NDArray[Any]) -> Values:
        """Values of the target (rows, steps) in the unit of each row's own series."""
        values = self.center[:, :1] + self.spread[:, :1] * target.astype(np.float64)
        return values if self.lowest is None else np.maximum(values, self.lowest)

    def to_dict(self, series: Sequence[str]) -> dict[str, Any]:
        """The scales of series of some names, as JSON-able data."""
        return {
            "series": list(series),
            "center": self.center.tolist(),
            "spread": self.spread.tolist(),
            "typical": self.typical.tolist(),
            "lowest": self.lowest,
        }


def fit_series_scale(
    steps: Steps, ends: NDArray[np.int64], horizon: int
) -> tuple[Steps, SeriesScale | None]:
    """Steps as a model reads them, and the scales of their series; None without names.

    They are fitted on the steps before `ends` (series,) of each.
    """
    if not steps.group:
        return steps, None
    change = _changes(steps, ends, horizon)
    typical = np.array([np.median(c[c > 0]) if (c > 0).any() else 1.0 for c in change.T])
    seen = steps.before(ends) & ~np.isnan(steps.values[0])
    least = steps.values[0][seen].min(initial=np.inf)
    found = SeriesScale(
        center=_means(steps, ends),
        spread=np.where(change > 0, change / typical, 1.0),
        typical=typical,
        lowest=0.0 if least >= 0 else None,
    )
    return found.scaled(steps), found


def known_series_scale(
    plain: Mapping[str, Any] | None, steps: Steps, horizon: int, read: int | None = None
) -> tuple[Steps, SeriesScale | None, NDArray[np.int64]]:
    """Other steps as a model reads them, their scales, and the series that training did not know.

    What it did not know is scaled by its own first `read` steps, or by all.
    """
    if plain is None:
        return steps, None, np.array([], dtype=np.int64)
    known = {name: number for number, name in enumerate(plain["series"])}
    numbers = np.array([known.get(name, -1) for name in steps.series])
    new = np.flatnonzero(numbers < 0)
    typical = np.array(plain["typical"])
    center, spread = (np.array(plain[key])[numbers] for key in ("center", "spread"))
    if len(new):
        ends = steps.lengths if read is None else np.minimum(steps.lengths, read)
        change = _changes(steps, ends, horizon)
        center[new] = _means(steps, ends)[new]
        spread[new] = np.where(change > 0, change / typical, 1.0)[new]
    found = SeriesScale(center=center, spread=spread, typical=typical, lowest=plain["lowest"])
    return found.scaled(steps), found, new


def _means(steps: Steps, ends: NDArray[np.int64]) -> Values:
    """The mean of each channel of each series, (series, channels); 0 where none is known."""
    seen, of = steps.before(ends), steps.of
    return np.stack(
        [_mean_by(of, row, seen & ~np.isnan(row), len(ends)) for row in steps.values]
    ).T


def _changes(steps: Steps, ends: NDArray[np.int64], horizon: int) -> Values:
    """How much each channel of each series changes over the steps ahead, (series, channels).

    The root of the mean square over some of these steps; 0 where nothing is known to change.
    """
    seen, of = steps.before(ends), steps.of
    lags = np.unique(np.linspace(1, horizon, _LAGS).round().astype(np.int64))
    lags = lags[lags < steps.values.shape[1]]
    found = np.zeros((len(ends), len(steps.values)))
    for channel, row in enumerate(steps.values):
        squares, counts = np.zeros(len(ends)), np.zeros(len(ends))
        for lag in lags:
            change = row[lag:] - row[:-lag]
            use = seen[lag:] & (of[lag:] == of[:-lag]) & ~np.isnan(change)
            squares += np.bincount(of[lag:][use], change[use] ** 2, minlength=len(ends))
            counts += np.bincount(of[lag:][use], minlength=len(ends))
        found[:, channel] = np.sqrt(squares / np.maximum(counts, 1))
    return found


def _mean_by(
    of: NDArray[np.int64], row: Values, use: NDArray[np.bool_], n: int
) -> NDArray[np.float64]:
    counts = np.bincount(of[use], minlength=n)
    means: NDArray[np.float64] = np.bincount(of[use], row[use], minlength=n) / np.maximum(
        counts, 1
    )
    return means

"""The seasons of a series: how many steps it takes to repeat itself, and what a calendar says.

Takes steps, or moments; gives a period, found by autocorrelation, and hour, weekday and day of the
year of the moment at which a forecast starts. A date itself is not among them: all that are
forecast lie behind those that were learnt from.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Days = NDArray[np.float64]

CALENDAR = {"hour": 1.0, "weekday": 7.0, "yearday": 365.25}
"""What is read, and how many days pass until it comes again."""
_TURNS = 2.0
_THURSDAY = 3  # 1970-01-01, where Monday is 0
MAX_PERIOD = 400
_LEAST = 0.1
_NEAR = 0.8
_WIDE = 1.15
_MIN_TURNS = 3


def find_calendar(step_days: float, covered_days: float) -> tuple[str, ...]:
    """Those that change from step to step, and of which training steps saw two turns."""
    return tuple(
        name
        for name, turn in CALENDAR.items()
        if step_days < turn and covered_days >= _TURNS * turn
    )


def read_calendar(days: Days, names: Sequence[str]) -> NDArray[np.float32]:
    """The columns `names` (n, k) of moments in days since 1970-01-01: hours, days, days."""
    whole = np.floor(days)
    # Of a millisecond: what is less is left over from the division by a day.
    hour = np.round((days - whole) * 86_400_000) / 3_600_000
    dates = whole.astype("datetime64[D]")
    found = {
        "hour": hour,
        "weekday": (whole + _THURSDAY) % 7,
        "yearday": (dates - dates.astype("datetime64[Y]")).astype(np.float64),
    }
    return np.stack([found[name] for name in names], axis=1).astype(np.float32)


def find_period(values: NDArray[np.floating]) -> int:
    """The period of a line of values (n,), in steps; 0 where it has none.

    The first peak of the autocorrelation that is nearly as high as the highest one: of the
    changes from step to step, which a slow drift does not rule. Missing values are filled
    linearly. A period is 3 steps or more, and is seen three times at least.
    """
    known = np.isfinite(values)
    if known.sum() < 2 * _MIN_TURNS:
        return 0
    places = np.arange(len(values))
    line = np.interp(places, places[known], values[known]).astype(np.float64)
    return _peak(np.diff(line))


def _peak(line: NDArray[np.float64]) -> int:
    most = min(MAX_PERIOD, len(line) // _MIN_TURNS)
    alike = _autocorrelation(line, most + 1)
    # Noise makes changes unlike the very next ones: lag 2 looks like a peak where there is none.
    inner = alike[3:-1]
    peaks = np.flatnonzero((inner >= alike[2:-2]) & (inner > alike[4:])) + 3
    peaks = peaks[alike[peaks] > max(_LEAST, 3 / len(line) ** 0.5)]
    low = alike[2:] < alike[peaks].max(initial=0.0) / 2
    # Before it has once been low, a peak is noise on the way down.
    peaks = peaks[peaks > 2 + int(low.argmax())] if low.any() else peaks[:0]
    if not len(peaks):
        return 0
    first = int(peaks[alike[peaks] >= _NEAR * alike[peaks].max()][0])
    # A peak with noise on it has several; the true one comes again at all multiples.
    near = range(first, min(int(first * _WIDE), most) + 1)
    return max(near, key=lambda lag: float(alike[lag::lag].mean()))


def _autocorrelation(line: NDArray[np.float64], lags: int) -> NDArray[np.float64]:
    """Of lags 0, 1, ... `lags`; by a Fourier transform, padded so that the ends do not meet."""
    centred = line - line.mean()
    size = 2 ** int(np.ceil(np.log2(2 * len(line))))
    power = np.abs(np.fft.rfft(centred, size)) ** 2
    found = np.fft.irfft(power)[: lags + 1]
    return np.asarray(found / found[0]) if found[0] > 0 else np.zeros(lags + 1)

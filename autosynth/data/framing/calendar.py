"""What a calendar says of the moment at which a forecast starts: hour, weekday, day of the year.

A date itself is not among it: all that are forecast lie behind those that were learnt from.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Days = NDArray[np.float64]

CALENDAR = {"hour": 1.0, "weekday": 7.0, "yearday": 365.25}
"""What is read, and how many days pass until it comes again."""
_TURNS = 2.0
_THURSDAY = 3  # 1970-01-01, where Monday is 0


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

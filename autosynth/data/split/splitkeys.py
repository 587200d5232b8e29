"""What decides which rows are held out, beside chance: the column of a group, or of a time."""

from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from autosynth.cell import numbers_of
from autosynth.data.column.date import find_formats, read_dates
from autosynth.errors import DataError

_LISTED = 12


@dataclass(frozen=True, kw_only=True)
class SplitKeys:
    """`groups` `(n,)` labels, `times` `(n,)` numbers that grow with time; None where not asked."""

    groups: NDArray[Any] | None = None
    times: NDArray[np.float64] | None = None

    def only(self, keep: NDArray[np.int64]) -> "SplitKeys":
        """Of these rows alone."""
        return SplitKeys(
            groups=None if self.groups is None else self.groups[keep],
            times=None if self.times is None else self.times[keep],
        )


def split_keys_of(frame: Any, group: str | None, time: str | None, source: str) -> SplitKeys:
    """The values of the columns `group` and `time` of a table.

    Raises:
        DataError: there is no such column, or it holds no times.
    """
    groups = _column(frame, group, "--group", source)
    times = _column(frame, time, "--time", source)
    return SplitKeys(
        groups=None if groups is None else groups.to_numpy(dtype=object),
        times=None if times is None else _times(times, source),
    )


def _column(frame: Any, name: str | None, option: str, source: str) -> "pd.Series[Any] | None":
    if name is None:
        return None
    if name in frame.columns:
        found: pd.Series[Any] = frame[name]
        return found
    near = get_close_matches(name, list(frame.columns), n=1, cutoff=0.5)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    raise DataError(
        f"{option} {name!r} is no column of {source}; its columns: "
        f"{', '.join(frame.columns[:_LISTED])}.{hint}"
    )


def _times(values: "pd.Series[Any]", source: str) -> NDArray[np.float64]:
    numbers = numbers_of(values)
    if numbers is not None:
        return numbers
    forms = find_formats(values)
    if not forms:
        shown = ", ".join(repr(str(value)) for value in values.dropna().unique()[:3])
        raise DataError(
            f"--time {str(values.name)!r} of {source} holds neither dates nor numbers, but "
            f"{shown}. Name another column, or write its dates as 2024-01-31."
        )
    return read_dates(values, forms)[0]

"""How long rows of unequal length are made: series, sounds, lists of arrays.

Takes the lengths of rows; gives one that nearly all fit in, which a few very long ones do not
decide: padded to a recording of ten minutes, a thousand of a second each are lost in silence. Of a
longer row the middle is kept.
"""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from autosynth.data.source.limits import PADDED

Crop = Literal["start", "middle"]
"""What is kept of a row that is too long."""

_TYPICAL = 0.9
# Lengths that spread by themselves, evenly or with a long tail, lie within twice the length that
# nine of ten have (99 % of an exponential's do); what lies beyond is of another make.
_MARGIN = 2.0
_CHEAP = 128  # steps: padding to so many costs nothing, and no series is cut for it


def usual_length(lengths: Sequence[float] | NDArray[Any], covered: float = 1.0) -> float:
    """The length that rows are brought to: that of the longest, but of few that are far longer.

    Args:
        lengths: one a row.
        covered: the share of rows that fit in at most.
    """
    found = np.asarray(lengths, dtype=np.float64)
    within = found[found <= _most_usual(found)]
    return float(min(within.max(), np.quantile(found, covered, method="higher")))


def usual_steps(
    lengths: Sequence[int] | NDArray[np.int64], others: Sequence[int] | NDArray[np.int64] = ()
) -> int:
    """The steps that series are brought to; `others` are of a part that decides nothing."""
    most = max(_CHEAP, _most_usual(lengths))
    every = np.concatenate([np.asarray(lengths), np.asarray(others, dtype=np.int64)])
    return max(1, int(every[every <= most].max()))


def _most_usual(lengths: Sequence[float] | NDArray[Any]) -> float:
    """How long a row may be beside others of such lengths."""
    return _MARGIN * float(np.quantile(lengths, _TYPICAL, method="lower"))


def middle(n: int, wanted: int) -> slice:
    """The `wanted` steps in the middle of `n`; all where there are no more."""
    start = max(0, n - wanted) // 2
    return slice(start, start + wanted)


def told_cut(n_long: int, n_rows: int, steps: int, place: str, crop: Crop) -> tuple[str, ...]:
    """What a user is told of series that are longer than the others."""
    if not n_long:
        return ()
    kept = "the middle of each" if crop == "middle" else "the beginning of each"
    return (
        f"{n_long} of {n_rows} series in {place} ({n_long / n_rows:.1%}) are longer than {steps} "
        f"steps: {kept} is kept",
    )


def stack_unequal(
    rows: Sequence[Sequence[NDArray[Any]]],
    steps: int,
    place: str,
    crop: Crop = "middle",
) -> tuple[NDArray[Any], tuple[str, ...]]:
    """Series of channels of unequal length as (n, channels, steps), NaN past an end.

    Args:
        rows: the channels of each series, float32 or float64; those of all are of one type.
        steps: that are kept of a series at most.
        place: where they come from, for messages.
        crop: what is kept of a longer series.

    Returns:
        The series, and what a user is told of those that are cut.

    Raises:
        DataError: padded to one length they take more than the limit `PADDED` allows.
    """
    lengths = [max(map(len, channels)) for channels in rows]
    steps = max(1, min(max(lengths), steps))
    values = sum(len(channel) for channels in rows for channel in channels)
    unequal = f"{place}, whose series have {min(lengths):,} to {max(lengths):,} steps,"
    dtype = rows[0][0].dtype
    size = dtype.itemsize
    PADDED.check(size * len(rows) * len(rows[0]) * steps, unequal, size * values)
    x = np.full((len(rows), len(rows[0]), steps), np.nan, dtype=dtype)
    for row, channels in enumerate(rows):
        kept = middle(lengths[row], steps) if crop == "middle" else slice(steps)
        for index, channel in enumerate(channels):
            part = channel[kept]
            x[row, index, : len(part)] = part
    n_long = sum(length > steps for length in lengths)
    return x, told_cut(n_long, len(rows), steps, place, crop)

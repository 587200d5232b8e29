"""How series are cut into windows: some steps of history, and the steps that come after them.

Takes steps in their order; gives windows, each within one series, and their splits. All series are
split by time, each by its own: no step that is forecast in one split is forecast in another, and
later splits may read what was known by then.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from autosynth.data.framing.event import listed
from autosynth.data.framing.season import find_period, read_calendar
from autosynth.data.framing.steps import Steps, counted
from autosynth.data.split.split import TEST_SHARE
from autosynth.errors import DataError
from autosynth.spec import Splits

PAST, BESIDE, CALENDAR_NAME = "past", "beside", "calendar"
MAX_HISTORY = 512
_PERIODS = 4
_NO_PERIOD = 64
_LEAST_SHARE = 0.25  # of the steps to learn from, that a history of our choice may take
_HELD, _MOST_HELD = (0.1, 0.15), (500, 5_000)
_MAX_TRAIN = 50_000
_MAX_BYTES = 2**31
_MIN_TRAIN = 10
_SHORT_SHARE = 0.25  # of the series, that may be too short for a history of our choice
_MOST_PERIODS = 20  # series, the longest, by which the period is found


@dataclass(frozen=True, kw_only=True)
class Cut:
    """How windows are cut: steps of history, steps ahead, steps from one window to the next."""

    history: int
    horizon: int
    stride: int = 1


@dataclass(frozen=True, kw_only=True)
class Windows:
    """The inputs, the steps that follow (n, horizon), and the first of these (n,).

    `of` (n,) is the series of each; one that reaches over the end of it is not `inside`. A step
    ahead that is missing is NaN.
    """

    x: Mapping[str, NDArray[Any]]
    y: NDArray[np.float64]
    start: NDArray[np.int64]
    of: NDArray[np.int64]
    inside: NDArray[np.bool_]


def plan_cut(
    steps: Steps, history: int | None, horizon: int, official: bool
) -> tuple[Steps, NDArray[np.int64], Cut, int]:
    """The series that are long enough, where the splits of each end, the cut, and the period."""
    ends = _all_ends(steps, horizon, official=official)
    period = _period(steps, ends)
    rest = int(np.quantile(ends[:, 2], _SHORT_SHARE))
    cut = Cut(history=history or _history(period, horizon, rest), horizon=horizon)
    if steps.group:
        steps = long_enough(steps, cut.history + horizon)
        ends = _all_ends(steps, horizon, official=official)
    learnt = int(np.maximum(ends[:, 0] - cut.history, 0).sum())
    return steps, ends, replace(cut, stride=stride_of(cut, steps, learnt)), period


def long_enough(steps: Steps, least: int) -> Steps:
    """The series of at least so many steps; the others are told."""
    short = np.flatnonzero(steps.lengths < least)
    if not steps.group or not len(short):
        return steps
    names = listed([steps.series[int(each)] for each in short])
    if len(short) == len(steps.series):
        raise DataError(
            f"no series of {steps.source} has {least} steps, which one window takes; the longest "
            f"of {len(short)} has {steps.lengths.max()}. Give more steps, or a smaller --history "
            "or --horizon."
        )
    told = (
        f"{len(short)} of {len(steps.series)} series have fewer than {least} steps, which one "
        f"window takes, and are left out: {names}. A smaller --history or --horizon keeps more"
    )
    kept = steps.only(np.setdiff1d(np.arange(len(steps.series)), short))
    return replace(kept, warnings=(*steps.warnings, told))


def _all_ends(steps: Steps, horizon: int, *, official: bool) -> NDArray[np.int64]:
    """`_ends` of each series, (series, 3)."""
    return np.array([_ends(int(n), horizon, official=official) for n in steps.lengths])


def _ends(n: int, horizon: int, *, official: bool) -> tuple[int, int, int]:
    """The steps at which `train`, `calibration` and `validation` end; test is what comes after.

    A fifth is test, and a tenth of the rest each `calibration` and `validation`: at least 500
    steps, unless that is more than 15 %, and at most 5,000.
    """
    rest = n if official else n - round(TEST_SHARE * n)
    least, most = min(_MOST_HELD[0], int(_HELD[1] * rest)), _MOST_HELD[1]
    held = max(min(max(round(_HELD[0] * rest), least), most), min(horizon, rest // 4))
    return rest - 2 * held, rest - held, rest


def _period(steps: Steps, ends: NDArray[np.int64]) -> int:
    """The period that most of the longest series have, where half of them or more have one."""
    longest = np.argsort(-steps.lengths, kind="stable")[:_MOST_PERIODS]
    spans = [(steps.bounds[each], steps.bounds[each] + ends[each, 0]) for each in longest]
    found = [find_period(steps.values[0, start:stop]) for start, stop in spans]
    some = [period for period in found if period]
    return max(some, key=some.count) if some and 2 * len(some) >= len(found) else 0


def _history(period: int, horizon: int, rest: int) -> int:
    """Four periods, or 64 steps where there is none; twice the horizon, and 512 at most."""
    wanted = _PERIODS * period or _NO_PERIOD
    if period:
        wanted = period * max(1, min(_PERIODS, MAX_HISTORY // period))
    wanted = min(max(wanted, 2 * horizon), MAX_HISTORY)
    return max(1, min(wanted, int(_LEAST_SHARE * rest)))


def stride_of(cut: Cut, steps: Steps, learnt: int) -> int:
    """Every step is a window, unless there are too many to learn, or too many values in all."""
    channels, n = steps.values.shape
    many = -(-learnt // _MAX_TRAIN)
    large = -(-int(n) * int(channels) * cut.history * 4 // _MAX_BYTES)
    return max(1, many, large)


def windows_of(steps: Steps, known: Mapping[str, Any], cut: Cut) -> Windows:
    """Windows of series; their histories are a view of all steps, and take no memory."""
    values = counted(steps, known)
    n = values.shape[1]
    start = np.arange(cut.history, max(n - cut.horizon + 1, cut.history), cut.stride)
    if not len(start):
        raise DataError(
            f"{steps.source} has {n} steps; a window takes {cut.history} of history and "
            f"{cut.horizon} ahead. Give more steps, or a smaller --history or --horizon."
        )
    views = sliding_window_view(values, cut.history, axis=1).transpose(1, 0, 2)
    x = by_input(views[: len(start) * cut.stride : cut.stride])
    ahead = sliding_window_view(steps.values[0], cut.horizon)
    calendar = known["calendar"]
    if calendar:
        assert steps.when is not None
        x[CALENDAR_NAME] = read_calendar(steps.when.moments[start], calendar)
    of = steps.of[start]
    first, end = steps.bounds[of], steps.bounds[of + 1]
    inside = (start - cut.history >= first) & (start + cut.horizon <= end)
    return Windows(x=x, y=ahead[start], start=start, of=of, inside=inside)


def by_input(histories: NDArray[np.float32]) -> dict[str, NDArray[Any]]:
    """The target's own past, and what stands beside it: (n, channels, steps) each, as views."""
    x: dict[str, NDArray[Any]] = {PAST: histories[:, :1]}
    if histories.shape[1] > 1:
        x[BESIDE] = histories[:, 1:]
    return x


def good_rows(windows: Windows) -> NDArray[np.int64]:
    """The rows within a series of which a step ahead is known, and one of the target's past."""
    past = ~np.isnan(windows.x[PAST][:, 0]).all(axis=1)
    return np.flatnonzero(windows.inside & past & ~np.isnan(windows.y).all(axis=1))


def splits_of(windows: Windows, cut: Cut, ends: NDArray[np.int64], steps: Steps) -> Splits:
    """Rows by the steps that they forecast; those that reach over an end are in no split."""
    good = good_rows(windows)
    of = windows.of[good]
    first = windows.start[good] - steps.bounds[of]
    bounds = np.column_stack([np.zeros_like(steps.lengths), ends, steps.lengths])[of]
    train, fit, select, test = (
        good[(first >= low) & (first + cut.horizon <= high)]
        for low, high in zip(bounds.T, bounds.T[1:], strict=False)
    )
    return Splits(train=train, calibration=fit, validation=select, test=test)


def check_sizes(splits: Splits, cut: Cut, steps: Steps) -> None:
    """Raise `DataError` where a split has no window, or there are too few to train on."""
    sizes = {
        name: len(getattr(splits, name)) for name in ("train", "calibration", "validation", "test")
    }
    if sizes["train"] < _MIN_TRAIN or not all(sizes.values()):
        series = f" in {len(steps.series)} series" if steps.group else ""
        raise DataError(
            f"{steps.source} has {steps.values.shape[1]} steps{series}, which make "
            f"{', '.join(f'{size} {name}' for name, size in sizes.items())} windows of "
            f"{cut.history} steps of history and {cut.horizon} ahead; at least {_MIN_TRAIN} to "
            "train on and one of each other are needed. Give more steps, or a smaller --history "
            "or --horizon."
        )

"""Steps in their order: one series, or several with a name each, end to end.

What a forecast is learnt from, and what it starts from. Steps that lack on a regular clock are put
in as missing, so that what stands beside each other in a window is as far apart in time.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autosynth.data.framing.clock import Clock, TimeGrid, When, find_grid, is_regular
from autosynth.data.source.layout import to_float32
from autosynth.errors import DataError
from autosynth.scale import PLAIN, NumberUnit, fit_unit

_GAP = 1.5
_SPAN = 31.5 / 28  # months and years are steps as regular as the calendar allows
_MOST_ABSENT = 0.5  # steps put in for one that is there: more is a clock that pauses, as at night


@dataclass(frozen=True, kw_only=True)
class Steps:
    """Series in order, end to end: `values` (channels, n) in their own unit, NaN where missing.

    Series `i` is called `series[i]` and stands at `bounds[i]:bounds[i + 1]`; `group` is the column
    of the names, none of a single series, made of the columns `keys`. `when` is None without a
    column of time. `ignored` are the columns that make no channel, with the reason; `forms` how
    the numbers of channels are written, where they are not plain.
    """

    source: str
    name: str
    channels: tuple[str, ...]
    values: NDArray[np.float64]
    bounds: NDArray[np.int64]
    series: tuple[str, ...] = ("",)
    group: str = ""
    keys: tuple[str, ...] = ()
    when: When | None = None
    ignored: tuple[tuple[str, str], ...] = ()
    forms: Mapping[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    assumed: tuple[str, ...] = ()

    @property
    def clock(self) -> Clock | None:
        """The column of time."""
        return self.when.clock if self.when else None

    @property
    def grid(self) -> TimeGrid:
        """Where steps may stand in time; one after another without a column of it."""
        return self.when.grid if self.when else TimeGrid()

    @property
    def lengths(self) -> NDArray[np.int64]:
        """The number of steps of each series."""
        return np.diff(self.bounds)

    @property
    def of(self) -> NDArray[np.int64]:
        """The number of each step's series, (n,)."""
        return np.repeat(np.arange(len(self.series)), self.lengths)

    def before(self, ends: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which steps (n,) stand before the end of their own series, `ends` (series,)."""
        of = self.of
        found: NDArray[np.bool_] = np.arange(len(of)) - self.bounds[of] < ends[of]
        return found

    def only(self, keep: NDArray[np.int64]) -> "Steps":
        """Some of the series, in order."""
        at = np.flatnonzero(np.isin(self.of, keep))
        return replace(
            self,
            values=self.values[:, at],
            bounds=np.concatenate([[0], np.cumsum(self.lengths[keep])]),
            series=tuple(self.series[int(each)] for each in keep),
            when=self.when.only(at) if self.when else None,
        )


def _inner(steps: Steps) -> NDArray[np.bool_]:
    """Which pairs of neighbours (n - 1,) are of one series."""
    same: NDArray[np.bool_] = np.diff(steps.of) == 0
    return same


def check_once(steps: Steps) -> None:
    """Raise `DataError` where a time stands twice in a series."""
    when = steps.when
    assert when is not None
    twice = np.flatnonzero((np.diff(when.moments) == 0) & _inner(steps))
    if not len(twice):
        return
    first = int(twice[0])
    place = f"column {when.clock.name!r} of {steps.source}: {when.label(first)} stands twice"
    if steps.group:
        raise DataError(
            f"{place} for {steps.group} {steps.series[steps.of[first]]!r} ({len(twice)} such "
            "rows); a series has one row a step. Sum or average those of one time, or name "
            "another column of series with --group, or several that tell together."
        )
    raise DataError(
        f"{place} ({len(twice)} such rows); a series has one row a step. Name the column that "
        "tells groups of rows, several series, apart with --group (of several that tell together, "
        "such as shop and item, each with its own); or sum or average the rows of one time."
    )


def completed(steps: Steps, grid: TimeGrid | None) -> Steps:
    """The steps with those put in as missing that a regular clock has and the rows have not.

    `grid` is that of training; it is found where there is none.
    """
    when, inner = steps.when, _inner(steps)
    assert when is not None
    moments, spans = when.moments, zip(steps.bounds[:-1], steps.bounds[1:], strict=True)
    found = find_grid([moments[start:stop] for start, stop in spans], dates=bool(when.clock.forms))
    when = replace(when, grid=grid or found)
    steps = replace(steps, when=when, warnings=(*steps.warnings, *_other_step(steps, found, grid)))
    jumps = when.grid.jumps(moments) if len(moments) > 1 else np.array([])
    absent = np.where(inner, np.maximum(jumps.round() - 1, 0), 0).astype(np.int64)
    total, gaps = int(absent.sum()), np.flatnonzero(absent)
    if not is_regular(jumps[inner]) or total > _MOST_ABSENT * len(moments):
        return replace(steps, warnings=(*steps.warnings, *_uneven(steps, inner)))
    if not total:
        return steps
    n, place = len(moments) + total, np.arange(len(moments))
    place = place + np.concatenate([[0], np.cumsum(absent)])
    before = np.repeat(np.arange(len(moments)), np.concatenate([absent + 1, [1]]))
    values, rows = np.full((len(steps.values), n), np.nan), np.full(n, -1, dtype=np.int64)
    values[:, place], rows[place] = steps.values, when.rows
    after = when.grid.after(moments[before], np.arange(n) - place[before])
    after[place] = moments
    told = (
        f"column {when.clock.name!r}: {len(gaps)} gaps between steps, the first after "
        f"{when.label(int(gaps[0]))}; the {total} steps that lack there are read as missing"
    )
    return replace(
        steps,
        values=values,
        bounds=np.append(place[steps.bounds[:-1]], n),
        when=replace(when, moments=after, rows=rows),
        warnings=(*steps.warnings, told),
    )


def _other_step(steps: Steps, found: TimeGrid, grid: TimeGrid | None) -> tuple[str, ...]:
    """A warning where a step takes another time than in training."""
    if grid is None or steps.when is None or len(steps.when.rows) < 3:
        return ()
    if 1 / _GAP < found.size / grid.size < _GAP:
        return ()
    dates = bool(steps.when.clock.forms)
    return (
        f"a step of {steps.source} is {found.about(dates=dates)}, and was "
        f"{grid.about(dates=dates)} in training: what is forecast is so many steps of training. "
        "Give steps of the same length",
    )


def _uneven(steps: Steps, inner: NDArray[np.bool_]) -> tuple[str, ...]:
    """A warning about steps that are longer than others, or uneven, where the clock is neither."""
    when = steps.when
    assert when is not None
    sizes = np.diff(when.moments)
    usual = float(np.median(sizes[inner]))
    gaps = np.flatnonzero((sizes > _GAP * usual) & inner)
    warnings = []
    if len(gaps):
        warnings.append(
            f"column {when.clock.name!r}: {len(gaps)} gaps between steps, the first after "
            f"{when.label(int(gaps[0]))}; what stands on both sides is read as neighbours. Fill "
            "them with empty rows where steps are missing"
        )
    odd = ((sizes * _SPAN < usual) | (sizes > usual * _SPAN)) & inner
    uneven = int(odd.sum()) - len(gaps)
    if uneven > 0:
        warnings.append(
            f"column {when.clock.name!r}: {uneven} steps are shorter or longer than the others"
        )
    return tuple(warnings)


def saved_units(steps: Steps, learnt: NDArray[np.bool_]) -> dict[str, Any]:
    """What the values of each channel are counted in, by the steps `learnt`, as JSON-able.

    Nothing where float32 holds all of them.
    """
    units = [fit_unit(line[learnt], steps=True) for line in steps.values]
    return {} if set(units) == {PLAIN} else {"units": [each.to_list() for each in units]}


def units_of(steps: Steps, saved: Mapping[str, Any]) -> list[NumberUnit]:
    """The units of each channel that `saved_units` made data of."""
    found = [
        NumberUnit.from_list(each) for each in saved.get("units", ())
    ]  # old bundles have none
    return found or [PLAIN] * len(steps.channels)


def counted(steps: Steps, saved: Mapping[str, Any]) -> NDArray[np.float32]:
    """The channels as networks read them (channels, n), NaN where float32 ends."""
    pairs = zip(units_of(steps, saved), steps.values, strict=True)
    values = to_float32(np.stack([unit.encoded(line) for unit, line in pairs]))
    return np.where(np.isfinite(values), values, np.float32(np.nan))


def hashed(line: NDArray[np.float64]) -> NDArray[Any]:
    """A channel as float32, by which series have been known ever since, where it holds it."""
    return to_float32(line) if fit_unit(line, steps=True) == PLAIN else line

"""Series to forecast: a row is a window of one of them, a history and the steps after it.

Takes a source of steps, of one or several series; gives a `Dataset`, the ends of other series to
forecast from, or their windows to score on.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from autosynth.data.column.column import Column
from autosynth.data.column.span import SPAN_FORMS
from autosynth.data.encoder.encoder import Encoder
from autosynth.data.encoder.registry import input_spec
from autosynth.data.encoder.series import SeriesEncoder, filled
from autosynth.data.encoder.table import TableEncoder
from autosynth.data.framing.clock import Clock, TimeGrid
from autosynth.data.framing.cut import (
    BESIDE,
    CALENDAR_NAME,
    PAST,
    Cut,
    by_input,
    check_sizes,
    good_rows,
    long_enough,
    plan_cut,
    splits_of,
    stride_of,
    windows_of,
)
from autosynth.data.framing.event import listed
from autosynth.data.framing.framing import Encoded, Framing, LabelledRows
from autosynth.data.framing.outline import outline
from autosynth.data.framing.season import find_calendar, read_calendar
from autosynth.data.framing.seriesscale import SeriesScale, fit_series_scale, known_series_scale
from autosynth.data.framing.steps import Steps, counted, hashed, saved_units, units_of
from autosynth.data.framing.timeline import read_again, read_steps
from autosynth.data.framing.weight import check_unweighted
from autosynth.data.source.memory import Batching
from autosynth.data.source.raw import RawRows, fingerprint
from autosynth.errors import BundleError, DataError
from autosynth.options import DataConfig
from autosynth.spec import Dataset, TargetSpec
from autosynth.task.target import SECONDS

_SAVED = "windows"  # the key of what is known of them, beside the encoders


class WindowFraming(Framing):
    """Windows of series: a history, and the next `horizon` steps of the target."""

    @staticmethod
    def load(source: Any, config: DataConfig, batching: Batching) -> Dataset:
        """As `Framing`; the source is a table with a row a step, or an array of steps.

        Later steps of the same form (`test`) are the test split. The target's own past is an
        input, the other columns another; rows are sorted by the column of time, which is found if
        it is not named; so are the steps that are read, some periods of the series.
        """
        check_unweighted(config, "those of a forecast are windows of a series")
        horizon, target = _horizon(config), next(iter(config.target), None)
        steps = read_steps(
            source,
            target=target,
            time=config.time,
            group=config.group,
            drop=config.drop,
            columns=config.columns,
            batching=batching,
        )
        later = None
        if config.test is not None:
            later = read_again(
                config.test,
                steps.channels,
                steps.clock,
                batching,
                steps.keys,
                steps.grid,
                steps.forms,
            )
        steps, ends, cut, period = plan_cut(steps, config.history, horizon, later is not None)
        learnt, scale = fit_series_scale(steps, ends[:, 0], horizon)
        encoders = _encoders(learnt, later, cut, period, ends, scale)
        dataset = _dataset(learnt, later, cut, ends, encoders)
        dataset = replace(dataset, fingerprint=_fingerprint(steps, later, cut))
        return replace(dataset, summary=outline(dataset, steps, later, scale))

    def encode(self, source: Any) -> Encoded:
        """As `Framing`: the end of each series, to forecast from, as a row."""
        known, steps = self.encoders[_SAVED], self._steps(source)
        history, horizon = self._lengths()
        if not steps.group and steps.values.shape[1] < history:
            raise DataError(
                f"{steps.source} has {steps.values.shape[1]} steps, and the model reads {history} "
                "to forecast what comes next. Give it the series up to now, earlier steps "
                "included."
            )
        steps = long_enough(steps, history)
        learnt, scale, new = known_series_scale(known.get("series_scale"), steps, horizon)
        last = steps.bounds[1:] - 1
        values = counted(learnt, known)[:, last[:, None] + np.arange(1 - history, 1)]
        x = by_input(np.ascontiguousarray(values.transpose(1, 0, 2)))
        if known["calendar"]:
            assert steps.when is not None
            following = steps.grid.after(steps.when.moments[last])
            x[CALENDAR_NAME] = read_calendar(following, known["calendar"])
        index: Sequence[str] = steps.series
        if not steps.group:
            index = [steps.when.label(int(last[0])) if steps.when else str(last[0])]
        return Encoded(
            x=self._read_by(x),
            index=list(index),
            called=steps.group or None,
            series_scale=scale,
            warnings=(*self._told(steps), *_told_new(steps, new)),
        )

    def _lengths(self) -> tuple[int, int]:
        """The steps that are read, and those ahead. Raises BundleError where that is damaged."""
        known = self.encoders[_SAVED]
        try:
            return int(known["history"]), int(known["horizon"])
        except (LookupError, TypeError, ValueError) as problem:
            raise BundleError(
                f"what the bundle saved of its series lacks whole numbers `history` and `horizon` "
                f"({type(problem).__name__}: {problem}); copy or export the bundle again"
            ) from problem

    def labelled(self, source: Any, target: TargetSpec, columns: Sequence[str]) -> LabelledRows:
        """As `Framing`: all windows with a known step ahead, named by the first of these."""
        steps, known = self._steps(source), self.encoders[_SAVED]
        history, horizon = self._lengths()
        cut = Cut(history=history, horizon=horizon)
        steps = long_enough(steps, cut.history + cut.horizon) if steps.group else steps
        cut = replace(cut, stride=stride_of(cut, steps, 0))
        learnt, scale, new = known_series_scale(
            known.get("series_scale"), steps, cut.horizon, cut.history
        )
        found = windows_of(learnt, known, cut)
        good = good_rows(found)
        if not len(good):
            raise DataError(f"{steps.source} has no window of which a step ahead is known.")
        start, of = found.start[good], found.of[good]
        index: list[Any] = start.tolist()
        series = None
        if steps.when is not None:
            index = [*steps.when.labels(start)]
        if steps.group:
            series = [steps.series[int(each)] for each in of]
            index = [f"{name} {at}" for name, at in zip(series, index, strict=True)]
        lost = int(found.inside.sum()) - len(good)
        return LabelledRows(
            source=steps.source,
            x={name: values[good] for name, values in self._read_by(found.x).items()},
            y=found.y[good],
            index=index,
            fingerprint=_fingerprint(steps, None, cut),
            series=series,
            series_scale=None if scale is None else scale.of(of),
            warnings=(*self._told(steps), *_told_new(steps, new), *_told_lost(lost)),
        )

    def _steps(self, source: Any) -> Steps:
        """The steps of another source, with the channels and the clock of training."""
        known, clock = self.encoders[_SAVED], None
        if known["clock"]:
            clock = Clock(name=known["clock"]["name"], forms=tuple(known["clock"]["forms"]))
        grid = TimeGrid(size=known["step"])
        if known.get("grid"):
            grid = TimeGrid.from_dict(known["grid"])
        forms = known.get("forms", {})
        batching = replace(self.batching, text=tuple(forms))
        group = known.get("keys") or ([known["group"]] if known.get("group") else [])
        return read_again(source, known["channels"], clock, batching, group, grid, forms)

    def _read_by(self, values: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """Those of the inputs that the model reads."""
        return {
            each.name: filled(values[each.name]) if _is_whole(each) else values[each.name]
            for each in self.inputs
        }

    def _told(self, steps: Steps) -> tuple[str, ...]:
        """Warnings of reading, and of gaps where those of training had none."""
        n = int(np.isnan(steps.values).any(axis=0).sum())
        if not n or not any(map(_is_whole, self.inputs)):
            return steps.warnings
        return (
            *steps.warnings,
            f"{n} steps of {steps.source} lack values, which none did in training: values between "
            "their neighbours stand there",
        )


def _is_whole(encoder: Encoder) -> bool:
    """Whether it makes series without gaps, for which the network has no mask."""
    return isinstance(encoder, SeriesEncoder) and not encoder.masked


def _dataset(
    steps: Steps,
    later: Steps | None,
    cut: Cut,
    ends: NDArray[np.int64],
    encoders: Mapping[str, Any],
) -> Dataset:
    """The windows of steps, and of later ones, which are the test split where there are some."""
    known = encoders[_SAVED]
    parts = [windows_of(steps, known, cut)]
    splits = splits_of(parts[0], cut, ends, steps)
    if later is not None:
        later = long_enough(later, cut.history + cut.horizon)
        later, _, new = known_series_scale(known["series_scale"], later, cut.horizon, cut.history)
        later = replace(later, warnings=(*later.warnings, *_told_new(later, new)))
        parts.append(windows_of(later, known, cut))
        splits = replace(splits, test=len(parts[0].y) + good_rows(parts[1]))
    check_sizes(splits, cut, steps)
    joined = {
        name: parts[0].x[name] if later is None else np.concatenate([p.x[name] for p in parts])
        for name in parts[0].x
    }
    lost = sum(int(part.inside.sum()) - len(good_rows(part)) for part in parts)
    return Dataset(
        name=steps.name,
        source=steps.source,
        inputs=tuple(map(input_spec, encoders["inputs"])),
        target=TargetSpec(
            name=steps.channels[0],
            task="forecasting",
            steps=cut.horizon,
            base=PAST,
            base_unit=units_of(steps, known)[0],
            by_row=known["series_scale"] is not None,
            unit=_unit(steps, known),
        ),
        x=joined,
        y=np.concatenate([part.y for part in parts]),
        splits=splits,
        independent=False,
        encoders=encoders,
        period=known["period"],
        fingerprint="",
        warnings=(*steps.warnings, *(later.warnings if later else ()), *_told_lost(lost)),
    )


def _unit(steps: Steps, known: Mapping[str, Any]) -> str:
    """What the target is counted in, where that is time and not each series' own spread."""
    is_span = steps.forms.get(steps.channels[0]) in SPAN_FORMS
    return SECONDS if is_span and known["series_scale"] is None else ""


def _horizon(config: DataConfig) -> int:
    if len(config.target) > 1:
        raise DataError(
            f"a forecast is of one column, not of {', '.join(config.target)}. Name one with "
            "--target; the others are read beside it."
        )
    if config.horizon is None or config.horizon < 1:
        raise DataError(
            "a forecast needs to know how many steps ahead it goes, 1 or more, not "
            f"{config.horizon}. Say it with --horizon."
        )
    return config.horizon


def _told_new(steps: Steps, new: NDArray[np.int64]) -> tuple[str, ...]:
    """A warning about series that training did not know."""
    if not steps.group or not len(new):
        return ()
    names = listed([steps.series[int(each)] for each in new])
    return (
        f"{len(new)} of {len(steps.series)} series were not there in training: {names}. Each is "
        "scaled by its own history",
    )


def _told_lost(lost: int) -> tuple[str, ...]:
    """A warning about windows without any known step on one of their sides."""
    if not lost:
        return ()
    return (
        f"{lost} windows are left out: all steps of the target that they read, or all that they "
        "forecast, are missing. Fill them in, or read more steps with --history",
    )


def _encoders(
    steps: Steps,
    later: Steps | None,
    cut: Cut,
    period: int,
    ends: NDArray[np.int64],
    scale: SeriesScale | None,
) -> dict[str, Any]:
    channels = len(steps.channels)
    gaps = bool(np.isnan(steps.values).any())
    gaps = gaps or (later is not None and bool(np.isnan(later.values).any()))
    inputs: list[Encoder] = [
        SeriesEncoder(
            name=name, shape=(width, cut.history), channels="first", masked=gaps, anchored=True
        )
        for name, width in ((PAST, 1), (BESIDE, channels - 1))
        if width
    ]
    calendar: tuple[str, ...] = ()
    clock, size = steps.clock, steps.grid.size
    if clock and clock.forms:
        calendar = find_calendar(size, size * float(ends[:, 0].max()))
    if calendar:
        cells = tuple(Column(name=name, kind="number") for name in calendar)
        inputs.append(TableEncoder(name=CALENDAR_NAME, cells=cells))
    return {
        "inputs": [encoder.to_dict() for encoder in inputs],
        _SAVED: {
            "channels": list(steps.channels),
            "history": cut.history,
            "horizon": cut.horizon,
            "period": period,
            "step": size,
            "grid": steps.grid.to_dict(),
            "group": steps.group,
            **({"keys": list(steps.keys)} if len(steps.keys) > 1 else {}),
            "series_scale": None if scale is None else scale.to_dict(steps.series),
            "calendar": list(calendar),
            **({"forms": dict(steps.forms)} if steps.forms else {}),
            **saved_units(steps, steps.before(ends[:, 0])),
            "clock": {"name": clock.name, "forms": list(clock.forms)} if clock else None,
        },
    }


def _fingerprint(steps: Steps, later: Steps | None, cut: Cut) -> str:
    asked = pd.DataFrame({"history": [cut.history], "horizon": [cut.horizon]})
    parts = [RawRows(x=asked, index=range(1))]
    for each in (steps, later):
        if each is not None:
            columns = dict(zip(each.channels, map(hashed, each.values), strict=True))
            frame = pd.DataFrame(columns | ({f"of {each.group}": each.of} if each.group else {}))
            parts.append(RawRows(x=frame, index=range(len(frame))))
    return fingerprint(*parts)

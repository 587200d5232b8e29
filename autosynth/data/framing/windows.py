"""Cuts one long series into windows: some steps of history, and the steps that come after them.

Takes steps in their order; gives a `Dataset` whose rows are windows, split by time: no step that
is forecast in one split is forecast in another, and later splits may read what was known by then.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from autosynth.data.column.column import Column
from autosynth.data.encoder.encoder import ASSUMED, Encoder
from autosynth.data.encoder.registry import input_spec
from autosynth.data.encoder.series import SeriesEncoder, filled
from autosynth.data.encoder.table import TableEncoder
from autosynth.data.framing.framing import Encoded, Framing, LabelledRows
from autosynth.data.framing.season import find_calendar, find_period, read_calendar
from autosynth.data.framing.timeline import (
    Clock,
    Steps,
    counted,
    hashed,
    read_again,
    read_steps,
    saved_units,
    step_text,
    units_of,
)
from autosynth.data.source.memory import Batching
from autosynth.data.source.raw import RawRows, fingerprint
from autosynth.data.split.split import TEST_SHARE
from autosynth.errors import DataError
from autosynth.number import range_text
from autosynth.options import DataConfig
from autosynth.spec import Dataset, Splits, TargetSpec

_SAVED = "windows"  # the key of what is known of them, beside the encoders
PAST, BESIDE, CALENDAR_NAME = "past", "beside", "calendar"
MAX_HISTORY = 512
_PERIODS = 4
_NO_PERIOD = 64
_LEAST_SHARE = 0.25  # of the steps to learn from, that a history of our choice may take
_HELD, _MOST_HELD = (0.1, 0.15), (500, 5_000)
_MAX_TRAIN = 50_000
_MAX_BYTES = 2**31
_MIN_TRAIN = 10
_MAX_CHANNELS = 60


@dataclass(frozen=True, kw_only=True)
class Cut:
    """How windows are cut: steps of history, steps ahead, steps from one window to the next."""

    history: int
    horizon: int
    stride: int = 1


class WindowFraming(Framing):
    """Windows of a series: its history, and the next `horizon` steps of the target."""

    @staticmethod
    def load(source: Any, config: DataConfig, batching: Batching) -> Dataset:
        """As `Framing`; the source is a table with a row a step, or an array of steps.

        A later series of the same form (`test`) is the test split. The target's own past is an
        input, the other columns another; rows are sorted by the column of time, which is found if
        it is not named; so are the steps that are read, some periods of the series.
        """
        horizon, target = _horizon(config), next(iter(config.target), None)
        steps = read_steps(
            source, target=target, time=config.time, drop=config.drop, batching=batching
        )
        later = None
        if config.test is not None:
            later = read_again(config.test, steps.channels, steps.clock, batching, steps.forms)
        ends = _ends(steps.values.shape[1], horizon, official=later is not None)
        period = find_period(steps.values[0, : ends[0]])
        history = config.history or _history(period, horizon, ends[2])
        cut = Cut(history=history, horizon=horizon)
        cut = replace(cut, stride=_stride(cut, steps, ends[0]))
        encoders = _encoders(steps, later, cut, period, ends[0])
        parts = [_windows(steps, encoders, cut)]
        splits = _splits(parts[0], cut, ends, steps)
        if later is not None:
            parts.append(_windows(later, encoders, cut))
            splits = replace(splits, test=len(parts[0].y) + _good(parts[1]))
        _check(splits, cut, steps)
        joined = {
            name: parts[0].x[name] if later is None else np.concatenate([p.x[name] for p in parts])
            for name in parts[0].x
        }
        dataset = Dataset(
            name=steps.name,
            source=steps.source,
            inputs=tuple(map(input_spec, encoders["inputs"])),
            target=TargetSpec(
                name=steps.channels[0],
                task="forecasting",
                steps=horizon,
                base=PAST,
                base_unit=units_of(steps, encoders[_SAVED])[0],
            ),
            x=joined,
            y=np.concatenate([part.y for part in parts]),
            splits=splits,
            independent=False,
            encoders=encoders,
            period=period,
            fingerprint=_fingerprint(steps, later, cut),
            warnings=(*steps.warnings, *(later.warnings if later else ())),
        )
        calendar = encoders[_SAVED]["calendar"]
        return replace(dataset, summary=_lines(dataset, steps, later, calendar))

    def encode(self, source: Any) -> Encoded:
        """As `Framing`: the end of a series, to forecast from, as one row."""
        known, steps = self.encoders[_SAVED], self._steps(source)
        n, history = steps.values.shape[1], int(known["history"])
        if n < history:
            raise DataError(
                f"{steps.source} has {n} steps, and the model reads {history} to forecast what "
                "comes next. Give it the series up to now, earlier steps included."
            )
        values = _by_input(counted(steps, self.encoders[_SAVED])[None, :, -history:].copy())
        if known["calendar"]:
            assert steps.times is not None
            next_times = steps.times[-1:] + known["step"]
            values[CALENDAR_NAME] = read_calendar(next_times, known["calendar"])
        name = n - 1 if steps.labels is None else steps.labels.iloc[-1]
        return Encoded(x=self._read_by(values), index=[str(name)], warnings=self._told(steps))

    def labelled(self, source: Any, target: TargetSpec, columns: Sequence[str]) -> LabelledRows:
        """As `Framing`: all windows whose steps ahead are known, named by the first of these."""
        steps, known = self._steps(source), self.encoders[_SAVED]
        cut = Cut(history=int(known["history"]), horizon=int(known["horizon"]))
        found = _windows(steps, self.encoders, cut)
        good = _good(found)
        if not len(good):
            raise DataError(f"{steps.source} has no window whose steps ahead are all known.")
        start = found.start[good]
        index: Sequence[Any] = start.tolist()
        if steps.labels is not None:
            index = steps.labels.iloc[start].astype(str).tolist()
        x = {name: values[good] for name, values in self._read_by(found.x).items()}
        return LabelledRows(
            source=steps.source, x=x, y=found.y[good], index=index, warnings=self._told(steps)
        )

    def _steps(self, source: Any) -> Steps:
        """The steps of another source, with the channels and the clock of training."""
        known, clock = self.encoders[_SAVED], None
        if known["clock"]:
            clock = Clock(name=known["clock"]["name"], forms=tuple(known["clock"]["forms"]))
        batching = replace(self.batching, text=tuple(known.get("forms", ())))
        return read_again(source, known["channels"], clock, batching, known.get("forms", {}))

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


@dataclass(frozen=True, kw_only=True)
class Windows:
    """The inputs, the steps that follow (n, horizon), and the first of these (n,)."""

    x: Mapping[str, NDArray[Any]]
    y: NDArray[np.float64]
    start: NDArray[np.int64]


def _windows(steps: Steps, encoders: Mapping[str, Any], cut: Cut) -> Windows:
    """Windows of a series; their histories are a view of it, and take no memory."""
    n = steps.values.shape[1]
    start = np.arange(cut.history, max(n - cut.horizon + 1, cut.history), cut.stride)
    if not len(start):
        raise DataError(
            f"{steps.source} has {n} steps; a window takes {cut.history} of history and "
            f"{cut.horizon} ahead. Give more steps, or a smaller --history or --horizon."
        )
    values = counted(steps, encoders[_SAVED])
    views = sliding_window_view(values, cut.history, axis=1).transpose(1, 0, 2)
    x = _by_input(views[: len(start) * cut.stride : cut.stride])
    ahead = sliding_window_view(steps.values[0], cut.horizon)
    calendar = encoders[_SAVED]["calendar"]
    if calendar:
        assert steps.times is not None
        x[CALENDAR_NAME] = read_calendar(steps.times[start], calendar)
    return Windows(x=x, y=ahead[start], start=start)


def _by_input(histories: NDArray[np.float32]) -> dict[str, NDArray[Any]]:
    """The target's own past, and what stands beside it: (n, channels, steps) each, as views."""
    x: dict[str, NDArray[Any]] = {PAST: histories[:, :1]}
    if histories.shape[1] > 1:
        x[BESIDE] = histories[:, 1:]
    return x


def _ends(n: int, horizon: int, *, official: bool) -> tuple[int, int, int]:
    """The steps at which `train`, `calibration` and `validation` end; test is what comes after.

    A fifth is test, and a tenth of the rest each `calibration` and `validation`: at least 500
    steps, unless that is more than 15 %, and at most 5,000.
    """
    rest = n if official else n - round(TEST_SHARE * n)
    least, most = min(_MOST_HELD[0], int(_HELD[1] * rest)), _MOST_HELD[1]
    held = max(min(max(round(_HELD[0] * rest), least), most), min(horizon, rest // 4))
    return rest - 2 * held, rest - held, rest


def _history(period: int, horizon: int, rest: int) -> int:
    """Four periods, or 64 steps where there is none; twice the horizon, and 512 at most."""
    wanted = _PERIODS * period or _NO_PERIOD
    if period:
        wanted = period * max(1, min(_PERIODS, MAX_HISTORY // period))
    wanted = min(max(wanted, 2 * horizon), MAX_HISTORY)
    return max(1, min(wanted, int(_LEAST_SHARE * rest)))


def _stride(cut: Cut, steps: Steps, train: int) -> int:
    """Every step is a window, unless there are too many, or too many values in all."""
    channels, n = steps.values.shape
    many = -(-(train - cut.history) // _MAX_TRAIN)
    large = -(-int(n) * int(channels) * cut.history * 4 // _MAX_BYTES)
    return max(1, many, large)


def _good(windows: Windows) -> NDArray[np.int64]:
    """The rows whose steps ahead are all known, as is one step of the target's past."""
    past = ~np.isnan(windows.x[PAST][:, 0]).all(axis=1)
    return np.flatnonzero(past & ~np.isnan(windows.y).any(axis=1))


def _splits(windows: Windows, cut: Cut, ends: tuple[int, int, int], steps: Steps) -> Splits:
    """Rows by the steps that they forecast; those that reach over an end are in no split."""
    good = _good(windows)
    first, last = windows.start[good], windows.start[good] + cut.horizon
    bounds = (0, *ends, steps.values.shape[1])
    train, fit, select, test = (
        good[(first >= low) & (last <= high)]
        for low, high in zip(bounds, bounds[1:], strict=False)
    )
    return Splits(train=train, calibration=fit, validation=select, test=test)


def _check(splits: Splits, cut: Cut, steps: Steps) -> None:
    sizes = {
        name: len(getattr(splits, name)) for name in ("train", "calibration", "validation", "test")
    }
    if sizes["train"] < _MIN_TRAIN or not all(sizes.values()):
        raise DataError(
            f"{steps.source} has {steps.values.shape[1]} steps, which make "
            f"{', '.join(f'{size} {name}' for name, size in sizes.items())} windows of "
            f"{cut.history} steps of history and {cut.horizon} ahead; at least {_MIN_TRAIN} to "
            "train on and one of each other are needed. Give more steps, or a smaller --history "
            "or --horizon."
        )


def _encoders(
    steps: Steps, later: Steps | None, cut: Cut, period: int, train: int
) -> dict[str, Any]:
    channels, n = steps.values.shape
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
    clock = steps.clock
    if clock and clock.forms:
        calendar = find_calendar(steps.step, steps.step * min(train, n))
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
            "step": steps.step,
            "calendar": list(calendar),
            "clock": {"name": clock.name, "forms": list(clock.forms)} if clock else None,
            **({"forms": dict(steps.forms)} if steps.forms else {}),
            **saved_units(steps, train),
        },
    }


def _fingerprint(steps: Steps, later: Steps | None, cut: Cut) -> str:
    asked = pd.DataFrame({"history": [cut.history], "horizon": [cut.horizon]})
    parts = [RawRows(x=asked, index=range(1))]
    for each in (steps, later):
        if each is not None:
            frame = pd.DataFrame(dict(zip(each.channels, map(hashed, each.values), strict=True)))
            parts.append(RawRows(x=frame, index=range(len(frame))))
    return fingerprint(*parts)


def _lines(
    dataset: Dataset, steps: Steps, later: Steps | None, calendar: Sequence[str]
) -> tuple[str, ...]:
    """Lines about steps, channels, the period, what is read and forecast, and the splits."""
    channels, n = steps.values.shape
    more = "" if later is None else f", and {later.values.shape[1]} to test on"
    lines = [
        f"data        {dataset.name}: {n} steps from {dataset.source}{more}",
        *_time(steps),
        f"input       past: {dataset.inputs[0].shape[1]} steps of {steps.channels[0]}",
        *([f"input       beside: as many of {channels - 1} others"] if channels > 1 else []),
        *_channels(steps),
    ]
    if calendar:
        lines.append(f"input       calendar: {', '.join(calendar)} of the first step ahead")
    lines += [f"{ASSUMED}{text}" for text in steps.assumed]
    lines += [f"set aside   {name}: {reason}" for name, reason in steps.ignored[:_MAX_CHANNELS]]
    period = f"{dataset.period} steps" if dataset.period else "none found"
    lines += [f"period      {period}", _target_line(dataset), _split_line(dataset, later)]
    return (*lines, f"fingerprint {dataset.fingerprint}")


def _time(steps: Steps) -> Iterator[str]:
    if steps.clock is None or steps.labels is None:
        yield "time        no column; rows are steps in their order"
        return
    first, last = steps.labels.iloc[0], steps.labels.iloc[-1]
    yield f"time        {steps.clock.name}: {first} ... {last}, a step is {step_text(steps)}"


def _channels(steps: Steps) -> Iterator[str]:
    width = max(map(len, steps.channels[:_MAX_CHANNELS]))
    for name, values in zip(steps.channels[:_MAX_CHANNELS], steps.values, strict=False):
        missing = np.isnan(values).mean()
        told = f"; {missing:.2%} missing" if missing else ""
        ends = range_text(np.nanmin(values), np.nanmax(values))
        yield f"channel     {name:<{width}}  {ends}{told}"
    if len(steps.channels) > _MAX_CHANNELS:
        yield f"            ... and {len(steps.channels) - _MAX_CHANNELS} channels more"


def _target_line(dataset: Dataset) -> str:
    target, y = dataset.target, dataset.y[dataset.splits.train]
    return (
        f"target      {target.name}: the next {target.steps} steps, "
        f"{range_text(y.min(), y.max())}, mean {y.mean():g}"
    )


def _split_line(dataset: Dataset, later: Steps | None) -> str:
    sizes = ", ".join(
        f"{name} {len(getattr(dataset.splits, name))}"
        for name in ("train", "calibration", "validation", "test")
    )
    how = "in the order of time" if later is None else "in the order of time, official test"
    return f"splits      {sizes} windows ({how})"

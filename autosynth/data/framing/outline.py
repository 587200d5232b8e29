"""Says what was understood of series to forecast, in the lines that `autosynth inspect` prints."""

from collections.abc import Iterator

import numpy as np

from autosynth.data.encoder.encoder import ASSUMED
from autosynth.data.framing.event import listed
from autosynth.data.framing.seriesscale import SeriesScale
from autosynth.data.framing.steps import Steps
from autosynth.number import range_text
from autosynth.spec import Dataset

_MAX_CHANNELS = 60


def outline(
    dataset: Dataset, steps: Steps, later: Steps | None, scale: SeriesScale | None
) -> tuple[str, ...]:
    """Lines about steps, series, channels, the period, what is read and forecast, and splits."""
    channels, n = steps.values.shape
    more = "" if later is None else f", and {later.values.shape[1]} to test on"
    lines = [
        f"data        {dataset.name}: {n} steps from {dataset.source}{more}",
        *_time(steps),
        *_series(steps, scale),
        *(f"{ASSUMED}{text}" for text in steps.assumed),
        f"input       past: {dataset.inputs[0].shape[1]} steps of {steps.channels[0]}",
        *([f"input       beside: as many of {channels - 1} others"] if channels > 1 else []),
        *_channels(steps),
    ]
    calendar = dataset.encoders["windows"]["calendar"]
    if calendar:
        lines.append(f"input       calendar: {', '.join(calendar)} of the first step ahead")
    lines += [f"set aside   {name}: {reason}" for name, reason in steps.ignored[:_MAX_CHANNELS]]
    period = f"{dataset.period} steps" if dataset.period else "none found"
    lines += [f"period      {period}", *_target(dataset, steps), _split(dataset, later)]
    return (*lines, f"fingerprint {dataset.fingerprint}")


def _time(steps: Steps) -> Iterator[str]:
    when = steps.when
    if when is None:
        yield "time        no column; rows are steps in their order"
        return
    first, last = int(when.moments.argmin()), int(when.moments.argmax())
    about = when.grid.about(dates=bool(when.clock.forms))
    ends = f"{when.label(first)} ... {when.label(last)}"
    yield f"time        {when.clock.name}: {ends}, a step is {about}"


def _series(steps: Steps, scale: SeriesScale | None) -> Iterator[str]:
    """How many there are and how long, and in what unit they are learnt and scored."""
    if not steps.group:
        return
    sizes = steps.lengths
    yield (
        f"series      {len(steps.series)} by {steps.group}, of {sizes.min()} ... {sizes.max()} "
        f"steps: {listed(list(steps.series))}"
    )
    if scale is not None:
        yield (
            f"            each is centred and scaled by itself, to change by "
            f"{scale.typical[0]:.4g} over the steps ahead: scores of all are in that unit"
        )


def _channels(steps: Steps) -> Iterator[str]:
    width = max(map(len, steps.channels[:_MAX_CHANNELS]))
    for name, values in zip(steps.channels[:_MAX_CHANNELS], steps.values, strict=False):
        missing = np.isnan(values).mean()
        told = f"; {missing:.2%} missing" if missing else ""
        span = range_text(np.nanmin(values), np.nanmax(values))
        yield f"channel     {name:<{width}}  {span}{told}"
    if len(steps.channels) > _MAX_CHANNELS:
        yield f"            ... and {len(steps.channels) - _MAX_CHANNELS} channels more"


def _target(dataset: Dataset, steps: Steps) -> Iterator[str]:
    """What is forecast; the values are those of training rows, or of all series."""
    target, y = dataset.target, dataset.y[dataset.splits.train]
    if dataset.encoders["windows"]["series_scale"]:
        y = steps.values[0]
    absent = float(np.isnan(dataset.y[dataset.splits.train]).mean())
    yield (
        f"target      {target.name}: the next {target.steps} steps, "
        f"{range_text(np.nanmin(y), np.nanmax(y))}, mean {np.nanmean(y):g}"
    )
    if absent:
        yield f"            {absent:.2%} of the steps ahead are missing: no loss, no score"


def _split(dataset: Dataset, later: Steps | None) -> str:
    sizes = ", ".join(
        f"{name} {len(getattr(dataset.splits, name))}"
        for name in ("train", "calibration", "validation", "test")
    )
    how = "in the order of time" if later is None else "in the order of time, official test"
    return f"splits      {sizes} windows ({how})"

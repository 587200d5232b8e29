"""Says what was understood of a series to forecast, in the lines that `inspect` prints."""

from collections.abc import Iterator, Sequence

import numpy as np

from autosynth.data.framing.timeline import Steps
from autosynth.spec import Dataset

_MAX_CHANNELS = 60
_UNITS = (("days", 1.0), ("hours", 24.0), ("minutes", 1_440.0), ("seconds", 86_400.0))


def describe_windows(
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
    lines += [f"set aside   {name}: {reason}" for name, reason in steps.ignored[:_MAX_CHANNELS]]
    period = f"{dataset.period} steps" if dataset.period else "none found"
    lines += [f"period      {period}", _target(dataset), _splits(dataset, later)]
    return (*lines, f"fingerprint {dataset.fingerprint}")


def _time(steps: Steps) -> Iterator[str]:
    if steps.clock is None or steps.labels is None:
        yield "time        no column; rows are steps in their order"
        return
    first, last = steps.labels.iloc[0], steps.labels.iloc[-1]
    yield f"time        {steps.clock.name}: {first} ... {last}, a step is {_length(steps)}"


def _length(steps: Steps) -> str:
    """The usual step, in the largest unit in which it is one or more."""
    if steps.clock is None or not steps.clock.forms:
        return f"{steps.step:g}"
    unit, scale = next(
        ((unit, scale) for unit, scale in _UNITS if steps.step * scale >= 1 - 1e-6), _UNITS[-1]
    )
    return f"{round(steps.step * scale, 3):g} {unit}"


def _channels(steps: Steps) -> Iterator[str]:
    width = max(map(len, steps.channels[:_MAX_CHANNELS]))
    for name, values in zip(steps.channels[:_MAX_CHANNELS], steps.values, strict=False):
        missing = np.isnan(values).mean()
        told = f"; {missing:.2%} missing" if missing else ""
        yield f"channel     {name:<{width}}  {np.nanmin(values):g} ... {np.nanmax(values):g}{told}"
    if len(steps.channels) > _MAX_CHANNELS:
        yield f"            ... and {len(steps.channels) - _MAX_CHANNELS} channels more"


def _target(dataset: Dataset) -> str:
    target, y = dataset.target, dataset.y[dataset.splits.train]
    return (
        f"target      {target.name}: the next {target.steps} steps, {y.min():g} ... {y.max():g}, "
        f"mean {y.mean():g}"
    )


def _splits(dataset: Dataset, later: Steps | None) -> str:
    sizes = ", ".join(
        f"{name} {len(getattr(dataset.splits, name))}"
        for name in ("train", "calibration", "validation", "test")
    )
    how = "in the order of time" if later is None else "in the order of time, official test"
    return f"splits      {sizes} windows ({how})"

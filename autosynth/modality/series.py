"""Series (B, C, L): a convolution reads them, stretches are hidden, and sensors fail.

What lies past the end of a shorter row (NaN) stays as it is.
"""

from collections.abc import Sequence
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from autosynth.data.encoder.series import lengths
from autosynth.modality.convolution import ConvolutionModality, last_known
from autosynth.modality.modality import (
    MAX_FEATURES,
    Corruption,
    Given,
    statistics,
)
from autosynth.spec import Array, InputSpec

# Of a row, of those that are hidden: single steps are restored by the line between their
# neighbours.
SPANS = 16
# The share of the channels of a history that stand still, by level of augmentation: a forecast
# then leans on the target's own past, which never does, and less on what happened beside it.
_STILL = {"light": 0.3, "strong": 0.7}


def _augmented(x: Tensor, level: str) -> Tensor:
    """Shift in time and scale; strong: stretch a window as well, and blank a stretch.

    Window slicing and scaling as in Um et al. (2017, arXiv:1706.00527); the edges repeat.
    """
    batch, channels, steps = x.shape
    mean, spread = statistics(x)
    start = (torch.rand(batch, 1, device=x.device) - 0.5) * 0.1 * (steps - 1)
    length = torch.full((batch, 1), float(steps - 1), device=x.device)
    if level == "strong":
        length = length * (0.8 + 0.4 * torch.rand(batch, 1, device=x.device))
        start = start + (steps - 1 - length) * torch.rand(batch, 1, device=x.device)
    place = start + length * torch.linspace(0, 1, steps, device=x.device)
    x = _interpolate(x, place.clamp(0, steps - 1))
    x = x * (1 + 0.1 * torch.randn(batch, channels, 1, device=x.device))
    x = x + 0.03 * spread * torch.randn_like(x)
    if level == "strong":
        size = torch.rand(batch, 1, device=x.device) * 0.2 * steps
        begin = torch.rand(batch, 1, device=x.device) * steps
        at = torch.arange(steps, device=x.device)
        blank = ((at >= begin) & (at < begin + size)).unsqueeze(1) & ~x.isnan()
        x = torch.where(blank, mean, x)
    return x


def _augmented_past(x: Tensor, level: str) -> Tensor:
    """Of a history of several channels, some stand still at their last step; and noise.

    A shift in time would change what comes next.
    """
    still = torch.rand(*x.shape[:2], 1, device=x.device) < _STILL[level]
    if x.shape[1] == 1:  # the target's own past
        still[:] = False
    _, spread = statistics(x)
    noise = 0.03 * spread * torch.randn_like(x)
    noise[..., -1] = 0  # what a forecast starts from
    return torch.where(still, x[..., -1:], x + noise)


def _interpolate(x: Tensor, place: Tensor) -> Tensor:
    """Series (B, C, L) read at fractional places (B, L), linearly between steps."""
    low = place.floor().long()
    high = (low + 1).clamp(max=x.shape[-1] - 1)
    share = (place - low).unsqueeze(1)
    before, after = (x.gather(2, at.unsqueeze(1).expand_as(x)) for at in (low, high))
    return torch.lerp(before, after, share)


def _noise(x: Array, amount: float, given: Given, *, is_sound: bool) -> Array:
    line = _channels(x)
    noise = given.rng.standard_normal(line.shape, dtype=np.float32)
    deviation = np.stack([_deviation(line[:, i]) for i in range(line.shape[1])])
    out = line + noise * deviation * np.float32(amount)
    if is_sound:
        out = np.clip(out, -1.0, 1.0)
    damaged: Array = out.reshape(x.shape).astype(x.dtype)
    return damaged


def _gap(x: Array, amount: float, given: Given, *, is_sound: bool) -> Array:
    """One stretch a row is missing: NaN where the input has a mask, else the value before it.

    Of a sound it is silent.
    """
    line = _channels(x)
    start, end = stretch(lengths(line), amount, given.rng)
    steps = np.arange(line.shape[2])
    inside = (steps >= start[:, None]) & (steps < end[:, None])
    if is_sound:
        held: Array = np.zeros((1, 1, 1), np.float32)
    elif given.spec.masked:
        held = np.full((1, 1, 1), np.nan, np.float32)
    else:
        before = np.where(start > 0, start - 1, np.minimum(end, line.shape[2] - 1))
        held = np.take_along_axis(line, before[:, None, None], 2)
    return np.where(inside[:, None], held, line).reshape(x.shape).astype(x.dtype)


def stretch(
    size: NDArray[np.int64], amount: float, rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Where a stretch of that share of each row begins and ends; a longer one covers a shorter."""
    steps = np.minimum(np.maximum(np.rint(size * amount), 1), np.maximum(size - 1, 0))
    start = np.rint(rng.random(len(size)) * (size - steps)).astype(np.int64)
    return start, start + steps.astype(np.int64)


def _shift(x: Array, amount: float, given: Given, *, is_sound: bool) -> Array:
    """Each row is later or earlier; at its edge the last value stands, of a sound silence."""
    line = _channels(x)
    size = lengths(line)
    by = np.maximum(np.rint(size * amount), 1) * given.rng.choice((-1, 1), len(line))
    steps = np.arange(line.shape[2])
    source = steps - by[:, None].astype(np.int64)
    last = np.maximum(size - 1, 0)[:, None]
    out = np.take_along_axis(line, np.clip(source, 0, last)[:, None], 2)
    own = steps < size[:, None]
    if is_sound:
        outside = (source < 0) | (source > last)
        out = np.where(outside[:, None], np.float32(0), out)
    return np.where(own[:, None], out, line).reshape(x.shape).astype(x.dtype)


def _channels(x: Array) -> Array:
    """Rows, channels and steps; a sound has one channel."""
    return x[:, None] if x.ndim == 2 else x


def _deviation(values: Array) -> NDArray[np.float32]:
    known = values[np.isfinite(values)]
    return np.float32(known.std() if known.size else 0.0).reshape(1)


def corruptions_of_lines(*, is_sound: bool) -> tuple[Corruption, ...]:
    """Noise, drop-outs and shifts in time, of series or of sounds."""
    return (
        Corruption(
            name="noise",
            about="deviation of Gaussian noise, in deviations of the channel",
            amounts=(0.1, 0.2, 0.4, 0.7, 1.0),
            damage=partial(_noise, is_sound=is_sound),
        ),
        Corruption(
            name="gap",
            about="share of the steps that one gap a row takes",
            amounts=(0.05, 0.1, 0.2, 0.3, 0.5),
            damage=partial(_gap, is_sound=is_sound),
        ),
        Corruption(
            name="shift",
            about="share of the length by which a row is later or earlier",
            amounts=(0.02, 0.05, 0.1, 0.15, 0.2),
            damage=partial(_shift, is_sound=is_sound),
        ),
    )


class SeriesModality(ConvolutionModality):
    """Steps in time, of one or several channels, of equal length or not."""

    name = "series"
    space = "series"
    spans = SPANS
    mask_ratio = 0.4
    corruptions = corruptions_of_lines(is_sound=False)
    examples = {
        "series": InputSpec(name="x", kind="series", shape=(2, 10)),
        "masked": InputSpec(name="x", kind="series", shape=(2, 10), masked=True),
    }

    def features(self, x: Tensor, spec: InputSpec) -> Tensor:
        """The steps; of a history its latest ones, as changes from each channel's last value."""
        if not spec.anchored:
            return super().features(x, spec)
        most = max(2, MAX_FEATURES // spec.shape[0])
        return (x - last_known(x))[..., -most:].flatten(1).float()

    def augment(self, x: Tensor, spec: InputSpec, level: str) -> Tensor:
        """Shifted, scaled; strong: stretched, blanked. Of a forecast some channels stand still."""
        return _augmented_past(x, level) if spec.anchored else _augmented(x, level)

    def blank(self, x: Array, spec: InputSpec) -> Array:
        """NaN where there is a mask, and the mean of each channel where there is none."""
        if spec.masked:
            return np.full(x.shape[1:], np.nan, x.dtype)
        mean = x.mean(axis=(0, 2), keepdims=True, dtype=np.float64)[0]
        return np.broadcast_to(mean, x.shape[1:]).astype(x.dtype)

    def about_row(self, spec: InputSpec) -> str:
        """The size, and whether steps may be missing."""
        return super().about_row(spec) + (", steps may be missing (NaN)" if spec.masked else "")

    def limit(self, specs: Sequence[InputSpec]) -> str:
        """Their length."""
        return f"Series are cut to {max(spec.shape[-1] for spec in specs)} steps."

    def example_rows(self, spec: InputSpec, rows: int, generator: torch.Generator) -> Tensor:
        """Numbers; masked ones are of unequal length and have gaps."""
        x = super().example_rows(spec, rows, generator)
        return _cut_short(x) if spec.masked else x


def _cut_short(x: Tensor) -> Tensor:
    """Series of unequal length, with a gap in one channel and one in all."""
    steps = x.shape[2]
    for row in range(len(x)):
        x[row, :, steps - row % steps :] = torch.nan
    x[0, 0, 3] = torch.nan
    x[1:2, :, 4:6] = torch.nan
    return x

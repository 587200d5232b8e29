"""Damage to series (n, channels, steps) and sounds (n, samples): noise, drop-outs, shifts in time.

What lies past the end of a shorter row (NaN) stays as it is.
"""

import numpy as np
from numpy.typing import NDArray

from autosynth.corrupt.corruption import Corruption, Given
from autosynth.data.encoder.series import lengths
from autosynth.spec import Array


def _noise(x: Array, amount: float, given: Given) -> Array:
    line = _channels(x)
    noise = given.rng.standard_normal(line.shape, dtype=np.float32)
    deviation = np.stack([_deviation(line[:, i]) for i in range(line.shape[1])])
    out = line + noise * deviation * np.float32(amount)
    if given.spec.kind == "audio":
        out = np.clip(out, -1.0, 1.0)
    damaged: Array = out.reshape(x.shape).astype(x.dtype)
    return damaged


def _gap(x: Array, amount: float, given: Given) -> Array:
    """One stretch a row is missing: NaN where the input has a mask, else the value before it.

    Of a sound it is silent.
    """
    line = _channels(x)
    start, end = _stretch(lengths(line), amount, given.rng)
    steps = np.arange(line.shape[2])
    inside = (steps >= start[:, None]) & (steps < end[:, None])
    if given.spec.kind == "audio":
        held: Array = np.zeros((1, 1, 1), np.float32)
    elif given.spec.masked:
        held = np.full((1, 1, 1), np.nan, np.float32)
    else:
        before = np.where(start > 0, start - 1, np.minimum(end, line.shape[2] - 1))
        held = np.take_along_axis(line, before[:, None, None], 2)
    return np.where(inside[:, None], held, line).reshape(x.shape).astype(x.dtype)


def _stretch(
    size: NDArray[np.int64], amount: float, rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Where a stretch of that share of each row begins and ends; a longer one covers a shorter."""
    steps = np.minimum(np.maximum(np.rint(size * amount), 1), np.maximum(size - 1, 0))
    start = np.rint(rng.random(len(size)) * (size - steps)).astype(np.int64)
    return start, start + steps.astype(np.int64)


def _shift(x: Array, amount: float, given: Given) -> Array:
    """Each row is later or earlier; at its edge the last value stands, of a sound silence."""
    line = _channels(x)
    size = lengths(line)
    by = np.maximum(np.rint(size * amount), 1) * given.rng.choice((-1, 1), len(line))
    steps = np.arange(line.shape[2])
    source = steps - by[:, None].astype(np.int64)
    last = np.maximum(size - 1, 0)[:, None]
    out = np.take_along_axis(line, np.clip(source, 0, last)[:, None], 2)
    own = steps < size[:, None]
    if given.spec.kind == "audio":
        outside = (source < 0) | (source > last)
        out = np.where(outside[:, None], np.float32(0), out)
    return np.where(own[:, None], out, line).reshape(x.shape).astype(x.dtype)


def _channels(x: Array) -> Array:
    """Rows, channels and steps; a sound has one channel."""
    return x[:, None] if x.ndim == 2 else x


def _deviation(values: Array) -> NDArray[np.float32]:
    known = values[np.isfinite(values)]
    return np.float32(known.std() if known.size else 0.0).reshape(1)


SERIES = (
    Corruption(
        name="noise",
        about="deviation of Gaussian noise, in deviations of the channel",
        amounts=(0.1, 0.2, 0.4, 0.7, 1.0),
        damage=_noise,
    ),
    Corruption(
        name="gap",
        about="share of the steps that one gap a row takes",
        amounts=(0.05, 0.1, 0.2, 0.3, 0.5),
        damage=_gap,
    ),
    Corruption(
        name="shift",
        about="share of the length by which a row is later or earlier",
        amounts=(0.02, 0.05, 0.1, 0.15, 0.2),
        damage=_shift,
    ),
)

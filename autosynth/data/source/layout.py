"""Tells whether an array holds images, series or a table, and brings it into one layout.

Takes an array with the rows first; gives its kind and where its channels stand, then a view of it
as `InputSpec` says (channels before height and width, or before steps).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from autosynth.errors import DataError
from autosynth.scale import PLAIN, fit_unit
from autosynth.spec import Kind

Channels = Literal["none", "first", "last"]

_COLOURS = (1, 3, 4)
_MIN_SIDE = 8
_MIN_BYTES_SIDE = 4
_MAX_RATIO = 1.5
_MIN_STEPS = 16
_SAMPLE = 1_000
# Neighbouring columns of a series go together; those of a table do so no more than any two.
_MIN_NEIGHBOUR = 0.5
_MIN_GAIN = 0.15


@dataclass(frozen=True, kw_only=True)
class Layout:
    """The kind of an array, and the place of its channel axis."""

    kind: Kind
    channels: Channels = "none"


def infer_layout(x: NDArray[Any], kind: Kind | None, place: str) -> Layout:
    """The layout of `x`, rows first, from its shape, its type and a sample of its values.

    - `(n, columns)`: a series where neighbouring columns move together, else a table;
    - `(n, a, b)`: grey images if bytes or if both sides are alike and at least 8, else series with
      the longer side as steps;
    - `(n, a, b, c)`: images with channels last, or first;
    - `(n, a, b, c, d)`: frames, pictures in a row, each of them as an image.

    Raises `DataError`, naming `place`, for another number of axes.
    """
    x = _squeezed(x, kind)
    if kind == "frames" or (kind is None and x.ndim == 5):
        return Layout(kind="frames", channels=_frame_channels(x, place))
    if kind == "image" or (kind is None and x.ndim == 4):
        return Layout(kind="image", channels=_image_channels(x, place))
    if kind == "table" and x.ndim > 2:
        raise DataError(
            f"x in {place} has shape {x.shape}, and a table has rows and columns. Reshape it with "
            "x.reshape(len(x), -1)."
        )
    if x.ndim == 3:
        if kind is None and _looks_like_image(x):
            return Layout(kind="image")
        return Layout(kind="series", channels="last" if x.shape[1] >= x.shape[2] else "first")
    if x.ndim == 2:
        if kind == "series" or (kind is None and _looks_like_series(x)):
            return Layout(kind="series")
        return Layout(kind="table")
    if x.ndim == 1:
        return Layout(kind="table")
    raise DataError(
        f"x has {x.ndim} axes (shape {x.shape}) in {place}; 2 are a table or series of one "
        "channel, 3 grey images or series, 4 images, 5 images in a row. Reshape it, rows first."
    )


def with_channels(layout: Layout, told: str | None, place: str) -> Layout:
    """The layout with its channel axis where `told` says: first or last; None leaves it.

    Raises:
        DataError: it says anything else.
    """
    if told is None or layout.channels == "none":
        return layout
    if told not in ("first", "last"):
        raise DataError(
            f"{place}: after {layout.kind}: stands where its channels are, first or last, not "
            f"{told!r}."
        )
    return Layout(kind=layout.kind, channels="first" if told == "first" else "last")


def arrange(x: NDArray[Any], layout: Layout) -> NDArray[Any]:
    """`x` as a view with channels before the other axes of a row."""
    x = _squeezed(x, layout.kind)
    if layout.kind == "table":
        return x[:, None] if x.ndim == 1 else x
    if layout.channels == "none":
        return x[:, None]
    if layout.kind == "frames" and layout.channels == "first":
        return np.moveaxis(x, 2, 1)
    return np.moveaxis(x, -1, 1) if layout.channels == "last" else x


def _squeezed(x: NDArray[Any], kind: Kind | None) -> NDArray[Any]:
    """Series as arrays of three axes: others of one step each (n, 1, steps, channels) are none."""
    if kind != "series" or x.ndim <= 3:
        return x
    alone = [axis for axis in range(1, x.ndim) if x.shape[axis] == 1]
    return np.squeeze(x, axis=tuple(alone[: x.ndim - 3]))


def to_raw_type(x: NDArray[Any]) -> NDArray[Any]:
    """`x` as uint8 where it holds bytes, otherwise as float32; copied only if the type differs."""
    if x.dtype == np.uint8:
        return x
    if x.dtype == np.bool_:
        return x.astype(np.uint8)
    if x.dtype.kind in "iu" and x.size and x.min() >= 0 and x.max() <= 255:
        return x.astype(np.uint8)
    return to_float32(x)


def to_float32(x: NDArray[Any]) -> NDArray[np.float32]:
    """`x` as float32; what is beyond its range becomes infinite."""
    with np.errstate(over="ignore"):
        return x.astype(np.float32, copy=False)


def fits_float32(lines: Iterable[NDArray[np.float64]]) -> bool:
    """Whether float32 holds the differences of series, a line a channel, as well as their values.

    Those are kept that are far from 0 beside what they differ by, such as meters and prices of
    thousands that change by thousandths.
    """
    return all(fit_unit(line, steps=True) == PLAIN for line in lines)


def _image_channels(x: NDArray[Any], place: str) -> Channels:
    if x.ndim == 3:
        return "none"
    if x.ndim != 4:
        raise DataError(f"images have 3 or 4 axes, rows first; x in {place} has shape {x.shape}.")
    if x.shape[3] in _COLOURS:
        return "last"
    if x.shape[1] in _COLOURS:
        return "first"
    return "last" if x.shape[3] < x.shape[1] else "first"


def _frame_channels(x: NDArray[Any], place: str) -> Channels:
    """Where the channels of each picture stand, in (n, steps, ...)."""
    if x.ndim not in (4, 5):
        raise DataError(
            f"frames have 4 or 5 axes, (rows, steps, channels, height, width); x in {place} has "
            f"shape {x.shape}."
        )
    if x.ndim == 5 and x.shape[1] in _COLOURS and not {x.shape[2], x.shape[4]} & {*_COLOURS}:
        raise DataError(
            f"x in {place} has shape {x.shape}, whose channels seem to stand before the steps. "
            "Give (rows, steps, channels, height, width): x.swapaxes(1, 2)."
        )
    return _image_channels(x[:, 0], place)


def _looks_like_image(x: NDArray[Any]) -> bool:
    short, long = sorted(x.shape[1:])
    if x.dtype == np.uint8:
        return bool(short >= _MIN_BYTES_SIDE)
    return bool(short >= _MIN_SIDE and long <= _MAX_RATIO * short)


def _looks_like_series(x: NDArray[Any]) -> bool:
    """Whether neighbouring columns are correlated, and more so than columns far apart."""
    if x.dtype.kind != "f" or x.shape[1] < _MIN_STEPS or len(x) < 2:
        return False
    sample = np.asarray(x[:_SAMPLE], dtype=np.float64)
    sample = np.where(np.isfinite(sample), sample, 0.0)
    sample = sample - sample.mean(0)
    scale = np.sqrt((sample**2).sum(0))
    sample = sample[:, scale > 0] / scale[scale > 0]
    if sample.shape[1] < _MIN_STEPS:
        return False
    half = sample.shape[1] // 2
    near = np.abs((sample[:, :-1] * sample[:, 1:]).sum(0)).mean()
    far = np.abs((sample[:, :-half] * sample[:, half:]).sum(0)).mean()
    return bool(near > _MIN_NEIGHBOUR and near > far + _MIN_GAIN)

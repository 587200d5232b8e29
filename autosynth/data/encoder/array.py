"""Fits what turns raw arrays of images and series into those of an `InputSpec`, and applies it.

What was fitted is one JSON-able dict an input, learnt from training rows alone; applying it to raw
rows gives the same array in training and in prediction.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from autosynth.data.column.column import Column
from autosynth.data.encoder.frame import Applied
from autosynth.data.encoder.series import pad_steps, past_end
from autosynth.data.source.layout import Layout, arrange, infer_layout, to_float32, to_raw_type
from autosynth.data.source.memorymap import pieces_of
from autosynth.data.spec import InputSpec
from autosynth.data.types import FittedInput
from autosynth.errors import DataError

_SAMPLE = 1_000
_Read = tuple[NDArray[Any], NDArray[np.int64], Sequence[str]]
"""An array, the row numbers it holds, and what was wrong with the others."""


def fit_array(x: NDArray[Any], layout: Layout) -> dict[str, Any]:
    """The fitted layout of images or series `x` (n, ...)."""
    shape = arrange(x[:1], layout).shape[1:]
    return {
        "name": layout.kind,
        "kind": layout.kind,
        "shape": [int(size) for size in shape],
        "channels": layout.channels,
        "masked": layout.kind == "series" and not _is_whole(x),
        "dtype": str(to_raw_type(x[:_SAMPLE]).dtype) if layout.kind == "image" else "float32",
    }


def _is_whole(x: NDArray[Any]) -> bool:
    """Whether every value is finite."""
    return all(bool(np.isfinite(piece).all()) for piece in pieces_of(x))


def input_spec(fitted: FittedInput) -> InputSpec:
    """The `InputSpec` of a fitted input."""
    name, kind = fitted["name"], fitted["kind"]
    if kind == "table":
        cards = tuple(Column.from_dict(column).cardinality for column in fitted["columns"])
        return InputSpec(name=name, kind=kind, shape=(len(cards),), cardinalities=cards)
    shape = tuple(fitted["shape"])
    if kind == "ids":
        codes = (int(fitted["vocabulary"]),)
        return InputSpec(name=name, kind=kind, shape=shape, cardinalities=codes, masked=True)
    if kind == "text":
        codes = (int(fitted["vocabulary"]),)
        return InputSpec(
            name=name, kind=kind, shape=shape, cardinalities=codes, masked=True, of=fitted["of"]
        )
    return InputSpec(
        name=name, kind=kind, shape=shape, masked=fitted["masked"],
        rate=int(fitted.get("rate", 0)), anchored=fitted.get("anchored", False),
    )  # fmt: skip


def apply_array(inputs: Sequence[FittedInput], x: Any, place: str) -> Applied:
    """The array that the one fitted input of images or series makes of raw rows `x`.

    Raises:
        DataError: `x` is a table, or its shape differs, naming `place`.
    """
    (fitted,) = inputs
    if isinstance(x, pd.DataFrame):
        raise DataError(f"{place} is a table, and {fitted['kind']} rows are expected.")
    layout = _layout(fitted, x, place)
    read = _apply_image if layout.kind == "image" else _apply_series
    values, keep, warnings = read(fitted, arrange(x, layout), place)
    return Applied(x={fitted["name"]: values}, keep=keep, warnings=tuple(warnings))


def _layout(fitted: FittedInput, x: NDArray[Any], place: str) -> Layout:
    """The layout of `x`, as it was in training where the number of axes says the same."""
    if x.dtype.kind not in "biuf":
        raise DataError(f"x in {place} is {x.dtype}, not numbers.")
    layout = infer_layout(x, fitted["kind"], place)
    if layout.kind != fitted["kind"]:
        raise DataError(
            f"x in {place} has shape {x.shape}; the model takes {fitted['kind']} rows of "
            f"{_size(fitted['shape'])}."
        )
    if fitted["channels"] != "none" and layout.channels != "none":
        return Layout(kind=layout.kind, channels=fitted["channels"])
    return layout


def _apply_image(fitted: FittedInput, x: NDArray[Any], place: str) -> _Read:
    if list(x.shape[1:]) != list(fitted["shape"]):
        raise DataError(
            f"images in {place} are {_size(x.shape[1:])} (channels, height, width); "
            f"{_size(fitted['shape'])} is expected. Resize them."
        )
    x = to_raw_type(x) if fitted["dtype"] == "uint8" else to_float32(x)
    if x.dtype == np.uint8:
        return x, np.arange(len(x)), ()
    good = np.asarray(np.isfinite(x).all(axis=(1, 2, 3)))
    return _without(x, good, "images with pixels that are no finite number")


def _apply_series(fitted: FittedInput, x: NDArray[Any], place: str) -> _Read:
    channels, steps = fitted["shape"]
    if x.shape[1] != channels:
        raise DataError(f"series in {place} have {x.shape[1]} channels; {channels} are expected.")
    warnings = []
    x = to_float32(x)
    if x.shape[2] > steps:
        warnings.append(f"series of {x.shape[2]} steps in {place} are cut to {steps}")
        x = x[:, :, :steps]
    if x.shape[2] < steps:
        x = pad_steps(x, steps)
    infinite = np.isinf(x)
    if infinite.any():
        warnings.append(f"{int(infinite.sum())} infinite values in series; taken as missing steps")
        x = np.where(infinite, np.float32(np.nan), x)
    missing = np.isnan(x)
    if not missing.any():
        return x, np.arange(len(x)), warnings
    inside = int((missing & ~past_end(missing)[:, None]).any(axis=(1, 2)).sum())
    if inside:
        warnings.append(f"{inside} series have missing steps (NaN before their end)")
    empty = np.asarray(missing.all(axis=(1, 2)))
    return _without(x, ~empty, "series without any value", warnings)


def _without(
    x: NDArray[Any], good: NDArray[np.bool_], what: str, warnings: Sequence[str] = ()
) -> _Read:
    if good.all():
        return x, np.arange(len(x)), warnings
    rows = np.flatnonzero(~good)
    shown = ", ".join(str(row) for row in rows[:5]) + (", ..." if len(rows) > 5 else "")
    told = (*warnings, f"{len(rows)} {what} left out: rows {shown}")
    return x[good], np.flatnonzero(good), told


def _size(shape: Sequence[int]) -> str:
    return "x".join(str(size) for size in shape)

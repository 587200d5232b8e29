"""Images to one array: raw arrays as they are, and files of any size and colour, in one shape.

Arrays to predict are brought to the scale, the place of channels and the colours of training, if
these can be told of them; otherwise they are refused.

Of files it gives bytes (n, channels, height, width), or the values of the files where all have
more than 8 bits a pixel. They are grey where all that were looked at
are, else colour. They stay as they are where all are of one size of at most 128 a side; otherwise
they are resized, without keeping their aspect, to the median size, of at most 96 a side. Resizing
averages over the area that a pixel covers, so that nothing flickers.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from autosynth.data.column.path import Folders, file_of, files_of
from autosynth.data.encoder.array import arranged, leave_out, read_cells, row_shape
from autosynth.data.encoder.encoder import (
    CellEncoder,
    Transformed,
    files_line,
    shape_text,
    size_line,
)
from autosynth.data.encoder.pixelscale import PixelScale, Rescaling, rescaling
from autosynth.data.source.layout import Channels, Layout, to_float32, to_raw_type
from autosynth.data.source.pixels import (
    UNREADABLE,
    ImageShape,
    common_dtype,
    has_colour,
    picture_headers,
    pixels,
)
from autosynth.data.source.rows import BatchedRows, rows_of
from autosynth.errors import DataError
from autosynth.spec import InputSpec, Kind, RowNumbers

MOST_ALIKE = 128
MOST_RESIZED = 96
_LOOKED_AT = 2_000
_COLOURS_OF = 200
_SHOWN = 5
_SAMPLE = 1_000
_AXES = "channels x height x width"
_MODES = {1: "grey", 3: "colour"}
_COLOURED = {1: "grey", 3: "RGB", 4: "RGBA"}
_LUMINANCE = np.array([0.299, 0.587, 0.114], dtype=np.float32)
"""Of red, green and blue in grey, as Pillow's mode L has it (ITU-R 601-2)."""


@dataclass(frozen=True, kw_only=True)
class _Reading:
    """How images of other arrays are read: where channels stand, white, and their scale."""

    channels: Channels
    white: float | None
    rescaling: Rescaling


@dataclass(frozen=True, kw_only=True)
class ImageEncoder(CellEncoder):
    """Reads images of one shape, (channels, height, width).

    Those of arrays have `channels`, which says where their channel axis stood in training, a
    `dtype`, and `values`, the scale of their pixels (`PixelScale.to_list`). Those of files have
    the `column` that names them, a `dtype` if it is not that of bytes, and the smallest and the
    largest of their `sizes` (height, width); `folder` is the one that they stand in, beside the
    table, where the column holds no paths. None is `masked`. `reading` is not saved: it is how
    other images are read.
    """

    kind: ClassVar[Kind] = "image"
    reads_column: ClassVar[bool] = True
    shape: tuple[int, ...]
    channels: Channels | None = None
    masked: bool = False
    dtype: str | None = None
    sizes: tuple[tuple[int, int], tuple[int, int]] | None = None
    folder: str | None = None
    values: tuple[Any, ...] | None = None
    reading: _Reading | None = field(default=None, compare=False)

    @classmethod
    def fit_array(
        cls, x: NDArray[Any], layout: Layout, name: str = "image", column: str | None = None
    ) -> Self:
        """The layout, type and scale of images `x` (n, ...), in cells of `column`, if any."""
        return cls(
            name=name,
            column=column,
            shape=row_shape(x, layout),
            channels=layout.channels,
            dtype=str(to_raw_type(x[:_SAMPLE]).dtype),
            values=PixelScale.of(x).to_list(),
        )

    @classmethod
    def fit(
        cls,
        values: "pd.Series[Any]",
        train: RowNumbers,
        name: str,
        *,
        column: str | None = None,
        folder: str | None = None,
        width: int | None = None,
    ) -> Self:
        """What the pictures of training rows have in common.

        Args:
            values: the path of each row's picture, "" where there is none.
            train: the rows to learn from.
            name: of the input.
            column: that names the files; `values` itself if left out.
            folder: beside the table, that the files stand in.
            width: as `Encoder` says.

        Raises:
            DataError: none of the pictures that were looked at can be read.
        """
        chosen = [path for path in values.iloc[train[:: max(1, len(train) // _LOOKED_AT)]] if path]
        files = [file_of(path) for path in chosen]
        headers, broken = picture_headers(files)
        if not headers:
            shown = ", ".join(map(_shown, chosen[:_SHOWN])) or "no row names one"
            raise DataError(
                f"column {values.name!r} names pictures, and none of {len(chosen)} can be read: "
                f"{shown}. Paths are relative to the folder of the table, or to the current one; "
                f"leave the column out with --drop."
            )
        good = [file for file in files if file not in broken]
        heights, widths = zip(*((each.height, each.width) for each in headers), strict=True)
        dtype = common_dtype(headers)
        alike = len(set(heights)) == len(set(widths)) == 1
        side = _size(int(np.median(heights)), int(np.median(widths)), alike=alike)
        looked_at = good[:: max(1, len(good) // _COLOURS_OF)]
        colour = any(each.colour for each in headers) and any(map(has_colour, looked_at))
        return cls(
            name=name,
            shape=(3 if colour else 1, *side),
            column=column or str(values.name),
            folder=folder,
            width=width,
            sizes=((min(heights), min(widths)), (max(heights), max(widths))),
            dtype=None if dtype == "uint8" else dtype,
        )

    def adapted(self, rows: BatchedRows, place: str) -> tuple[Self, tuple[str, ...]]:
        """As `Encoder`: on scale, channels and colours of arrays."""
        if self.reading is not None or rows.is_table:
            return self, ()
        x = rows.whole()
        if x.dtype.kind not in "biuf" or x.ndim not in (3, 4):
            return self, ()  # told where it is read
        channels = self._channels_of(x.shape)
        size = _sized(x.shape, channels)
        told = []
        if "none" not in (self.channels, channels) and channels != self.channels:
            told.append(
                f"channels of images in {place} stand {channels}, where they stood "
                f"{self.channels} in training: they are put there"
            )
        if size[0] != self.shape[0] and size[0] in _COLOURED and self.shape[0] in _COLOURED:
            told.append(
                f"images in {place} are {_COLOURED[size[0]]}, and those of training "
                f"{_COLOURED[self.shape[0]]}: they are converted"
            )
        scale, how = PixelScale.of(x), Rescaling()
        if self.values is not None:
            how = rescaling(PixelScale.from_list(self.values), scale, place)
        if how.told:
            told.append(how.told)
        white = None if scale.ends is None else scale.ends[1]
        reading = _Reading(channels=channels, white=white, rescaling=how)
        return replace(self, reading=reading), tuple(told)

    def _channels_of(self, shape: tuple[int, ...]) -> Channels:
        """Where the channels of images stand: as in training, unless they fit elsewhere alone."""
        if len(shape) == 3:
            return "none"
        own: Channels = "first" if self.channels == "first" else "last"
        other: Channels = "last" if own == "first" else "first"
        sizes = {place: _sized(shape, place) for place in (own, other)}
        for place, size in sizes.items():
            if size == self.shape:
                return place
        for place, size in sizes.items():
            if size[1:] == self.shape[1:] and size[0] in _COLOURED:
                return place
        return own

    def transform(self, rows: Any, place: str = "", folders: Folders = "") -> Transformed:
        """Bytes or float32 (n, channels, height, width); broken files and rows are left out."""
        if self.column is not None and self.channels is None:
            return self.read(files_of(rows[self.column], folders, "image", self.folder))
        if self.column is not None and isinstance(rows, pd.DataFrame):
            return read_cells(rows[self.column], place, lambda x: self._of_array(x, place))
        return self._of_array(rows, place)

    def _of_array(self, rows: Any, place: str) -> Transformed:
        x = self.values_of(rows, place)
        if x.dtype == np.uint8:
            return Transformed(values=x)
        good = np.asarray(np.isfinite(x).all(axis=(1, 2, 3)))
        return leave_out(x, good, "images with pixels that are no finite number")

    def values_of(self, rows: Any, place: str) -> NDArray[Any]:
        """The pixels of arrays as those of training stood: (n, channels, height, width)."""
        reader = self
        if self.reading is None and isinstance(rows, np.ndarray):
            reader, _ = self.adapted(rows_of(rows), place)
        reading = reader.reading
        x = arranged(rows, self.spec, reading.channels if reading else self.channels, place)
        if reading is not None:
            x = _coloured(x, self.shape[0], reading.white, place)
        if x.shape[1:] != self.shape:
            raise DataError(
                f"images in {place} are {shape_text(x.shape[1:])} (channels, height, width); "
                f"{shape_text(self.shape)} is expected. Resize them."
            )
        scaled = reading.rescaling(x) if reading else x
        if self.dtype != "uint8":
            return to_float32(scaled)
        if scaled.dtype.kind == "f" and scaled is not x:
            scaled = np.rint(scaled).clip(0, 255).astype(np.uint8)
        return to_raw_type(scaled)

    def read(self, paths: "pd.Series[Any]") -> Transformed:
        """Bytes (n, channels, height, width) of the files that can be read."""
        channels, height, width = self.shape
        dtype = self.dtype or "uint8"
        shape = ImageShape(channels=channels, height=height, width=width, dtype=dtype)
        kept = np.uint8 if dtype == "uint8" else np.float32
        x = np.empty((len(paths), channels, height, width), dtype=kept)
        keep: list[int] = []
        lost: dict[str, list[str]] = {}
        for row, path in enumerate(paths):
            try:
                x[len(keep)] = np.moveaxis(pixels(file_of(path), shape), -1, 0) if path else 0
            except FileNotFoundError:
                lost.setdefault("do not exist", []).append(_shown(path))
            except UNREADABLE:
                lost.setdefault("cannot be read", []).append(_shown(path, row))
            else:
                if path:
                    keep.append(row)
                else:
                    lost.setdefault("are not named", []).append(f"row {row}")
        told = tuple(
            f"{len(paths)} pictures of {self.name!r} {why}, and their rows are left out: "
            f"{', '.join(paths[:_SHOWN])}{', ...' if len(paths) > _SHOWN else ''}"
            for why, paths in lost.items()
        )
        return Transformed(
            values=x[: len(keep)], keep=np.array(keep, dtype=np.int64), warnings=told
        )

    @property
    def spec(self) -> InputSpec:
        """The input that it makes."""
        return InputSpec(name=self.name, kind=self.kind, shape=self.shape, masked=self.masked)

    def describe(self, x: NDArray[Any], train: RowNumbers) -> Iterator[str]:
        """Lines on the size and values of the images, and on their files."""
        yield size_line(self.spec, x, _AXES)
        if self.column is not None and self.channels is not None:
            yield f"            of the arrays in column {self.column!r}"
        if self.column is None or self.sizes is None:
            return
        yield files_line(self.column, self.folder)
        yield f"            {self.about_files}"

    @property
    def about_files(self) -> str:
        """Colours and sizes of the files that it was fitted on, in words."""
        if self.sizes is None:
            return ""
        low, high, now = map(shape_text, (*self.sizes, self.shape[1:]))
        sizes = low if low == high else f"{low} to {high}"
        resized = "" if low == high == now else f", resized to {now}"
        return f"{_MODES[self.shape[0]]}, files are {sizes}{resized}"

    def to_dict(self) -> dict[str, Any]:
        """As `Encoder`, of what was learnt in training alone."""
        return super(ImageEncoder, replace(self, reading=None)).to_dict()


def _size(height: int, width: int, *, alike: bool) -> tuple[int, int]:
    longer = max(height, width)
    if longer <= (MOST_ALIKE if alike else MOST_RESIZED):
        return height, width
    ratio = MOST_RESIZED / longer
    return max(1, round(height * ratio)), max(1, round(width * ratio))


def _shown(cell: Any, row: int | None = None) -> str:
    """How the file of a cell is named, whose bytes may stand in it."""
    if not isinstance(cell, bytes):
        return str(cell)
    return f"{len(cell)} bytes" if row is None else f"row {row}"


def _sized(shape: tuple[int, ...], channels: Channels) -> tuple[int, ...]:
    """Channels, height and width of images whose array has such a shape."""
    if channels == "none":
        return (1, *shape[1:])
    return shape[1:] if channels == "first" else (shape[3], *shape[1:3])


def _coloured(x: NDArray[Any], wanted: int, white: float | None, place: str) -> NDArray[Any]:
    """Images (n, channels, height, width) with so many channels; what is clear stands on white."""
    there = x.shape[1]
    if there == wanted or there not in _COLOURED or wanted not in _COLOURED:
        return x
    if 4 in (there, wanted):
        if white is None:
            raise DataError(
                f"images in {place} are {_COLOURED[there]}, those of training "
                f"{_COLOURED[wanted]}, and what value is white cannot be told from pixels of "
                f"{x.dtype}. Give images with {wanted} channels."
            )
        if there == 4:
            share = x[:, 3:].astype(np.float32) / white
            x = _as_type(x[:, :3] * share + white * (1 - share), x.dtype)
    if x.shape[1] == 1 and wanted > 1:
        x = np.repeat(x, 3, axis=1)
    if wanted == 1:
        grey = np.tensordot(x.astype(np.float32), _LUMINANCE, axes=(1, 0))[:, None]
        x = _as_type(grey, x.dtype)
    if wanted == 4:
        alpha = np.full_like(x[:, :1], white)
        x = np.concatenate([x, alpha], axis=1)
    return x


def _as_type(values: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    return values.astype(dtype) if dtype.kind == "f" else np.rint(values).astype(dtype)

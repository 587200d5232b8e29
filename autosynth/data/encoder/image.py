"""Images to one array: raw arrays as they are, and files of any size and colour, in one shape.

Of files it gives bytes (n, channels, height, width). They are grey where all that were looked at
are, else colour. They stay as they are where all are of one size of at most 128 a side; otherwise
they are resized, without keeping their aspect, to the median size, of at most 96 a side. Resizing
averages over the area that a pixel covers, so that nothing flickers.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from autosynth.data.column.path import Folders, file_of, files_of
from autosynth.data.encoder.array import arranged, leave_out, read_cells, row_shape
from autosynth.data.encoder.encoder import Encoder, Transformed, files_line, shape_text, size_line
from autosynth.data.source.layout import Channels, Layout, to_float32, to_raw_type
from autosynth.data.source.pixels import UNREADABLE, ImageShape, pixels, sizes_of
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


@dataclass(frozen=True, kw_only=True)
class ImageEncoder(Encoder):
    """Reads images of one shape, (channels, height, width).

    Those of arrays have `channels`, which says where their channel axis stood in training, and a
    `dtype`. Those of files have the `column` that names them, and the smallest and the largest of
    their `sizes` (height, width); `folder` is the one that they stand in, beside the table, where
    the column holds no paths. None is `masked`.
    """

    kind: ClassVar[Kind] = "image"
    reads_column: ClassVar[bool] = True
    column: str | None = None
    shape: tuple[int, ...]
    channels: Channels | None = None
    masked: bool = False
    dtype: str | None = None
    sizes: tuple[tuple[int, int], tuple[int, int]] | None = None
    folder: str | None = None

    @classmethod
    def fit_array(
        cls, x: NDArray[Any], layout: Layout, name: str = "image", column: str | None = None
    ) -> Self:
        """The layout and type of images `x` (n, ...), in the cells of `column`, if in any."""
        dtype = str(to_raw_type(x[:_SAMPLE]).dtype)
        return cls(
            name=name,
            column=column,
            shape=row_shape(x, layout),
            channels=layout.channels,
            dtype=dtype,
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
        sizes, broken = sizes_of(files)
        if not sizes:
            shown = ", ".join(map(_shown, chosen[:_SHOWN])) or "no row names one"
            raise DataError(
                f"column {values.name!r} names pictures, and none of {len(chosen)} can be read: "
                f"{shown}. Paths are relative to the folder of the table, or to the current one; "
                f"leave the column out with --drop."
            )
        good = [path for path, file in zip(chosen, files, strict=True) if file not in broken]
        heights, widths, colours = zip(*sizes, strict=True)
        alike = len(set(heights)) == len(set(widths)) == 1
        side = _size(int(np.median(heights)), int(np.median(widths)), alike=alike)
        colour = any(colours) and any(map(_has_colour, good[:: max(1, len(good) // _COLOURS_OF)]))
        return cls(
            name=name,
            shape=(3 if colour else 1, *side),
            column=column or str(values.name),
            folder=folder,
            width=width,
            sizes=((min(heights), min(widths)), (max(heights), max(widths))),
        )

    def transform(self, rows: Any, place: str = "", folders: Folders = "") -> Transformed:
        """Bytes or float32 (n, channels, height, width); broken files and rows are left out."""
        if self.column is not None and self.dtype is None:
            return self.read(files_of(rows[self.column], folders, "image", self.folder))
        if self.column is not None and isinstance(rows, pd.DataFrame):
            return read_cells(rows[self.column], place, lambda x: self._of_array(x, place))
        return self._of_array(rows, place)

    def _of_array(self, rows: Any, place: str) -> Transformed:
        x = arranged(rows, self.spec, self.channels, place)
        if x.shape[1:] != self.shape:
            raise DataError(
                f"images in {place} are {shape_text(x.shape[1:])} (channels, height, width); "
                f"{shape_text(self.shape)} is expected. Resize them."
            )
        x = to_raw_type(x) if self.dtype == "uint8" else to_float32(x)
        if x.dtype == np.uint8:
            return Transformed(values=x)
        good = np.asarray(np.isfinite(x).all(axis=(1, 2, 3)))
        return leave_out(x, good, "images with pixels that are no finite number")

    def read(self, paths: "pd.Series[Any]") -> Transformed:
        """Bytes (n, channels, height, width) of the files that can be read."""
        channels, height, width = self.shape
        shape = ImageShape(channels=channels, height=height, width=width)
        x = np.empty((len(paths), channels, height, width), dtype=np.uint8)
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
        if self.column is not None and self.dtype is not None:
            yield f"            of the arrays in column {self.column!r}"
        if self.column is None or self.sizes is None:
            return
        yield files_line(self.column, self.folder)
        low, high, now = map(shape_text, (*self.sizes, self.shape[1:]))
        sizes = low if low == high else f"{low} to {high}"
        resized = "" if low == high == now else f", resized to {now}"
        yield f"            {_MODES[self.shape[0]]}, files are {sizes}{resized}"

    @property
    def columns(self) -> tuple[str, ...]:
        """The column that names or holds its pictures; none of arrays alone."""
        return () if self.column is None else (self.column,)

    @property
    def cell_columns(self) -> tuple[str, ...]:
        """The same."""
        return self.columns


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


def _has_colour(path: Any) -> bool:
    try:
        with Image.open(file_of(path)) as image:
            x = np.asarray(image.convert("RGB"))
    except UNREADABLE:
        return False
    return bool((x != x[..., :1]).any())

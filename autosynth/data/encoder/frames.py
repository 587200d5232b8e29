"""Pictures in a row to one array: of arrays, or of folders that hold a row's pictures each.

What is learnt of one picture (scale, colours, size) is what `ImageEncoder` learns; beside it
stands how many of them a row has. Of a longer row the middle is kept; steps that a shorter one
lacks, and pictures that cannot be read, are missing (NaN), or where no training row missed any the
picture before them stands there.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from autosynth.cell import missing_in
from autosynth.data.column.path import Folders, paths_of
from autosynth.data.encoder.apply import merge_warnings
from autosynth.data.encoder.array import is_cell, leave_out, read_cells
from autosynth.data.encoder.encoder import CellEncoder, Transformed, size_line
from autosynth.data.encoder.image import ImageEncoder
from autosynth.data.source.framefolder import FRAMES_COLUMN, frames_in
from autosynth.data.source.layout import Layout
from autosynth.data.source.length import middle, usual_length
from autosynth.data.source.mappedarray import gather_rows
from autosynth.data.source.memory import BY_SIZE
from autosynth.data.source.rows import BatchedRows, rows_of, subsample
from autosynth.errors import DataError
from autosynth.spec import FittedInput, InputSpec, Kind, RowNumbers

_AXES = "channels x steps x height x width"
_ROW_AXES = (4, 5)
_LOOKED_AT = 2_000  # folders, for the number of their pictures
_SHOWN = 5
_LONGEST = 256  # characters of a name that a folder may have
_MIN_NAMED, _OWN = 0.9, 0.5  # of the rows, that name a folder of pictures, and another one each
_AT_ONCE, _FLOAT_BYTES = 2**26, 4  # bytes of the rows that are read from folders at once


def names_frames(values: "pd.Series[Any]", folders: Folders) -> bool:
    """Whether the cells of a column name folders of pictures, nearly every row one of its own.

    Args:
        values: cells of some rows.
        folders: of the table that they come from, or of each row.
    """
    if values.dtype.kind in "fbmM":  # of numbers there may be twenty thousand columns
        return False
    there = np.flatnonzero(~missing_in(values))
    if not len(there) or not _is_name(values.iloc[there[0]]):
        return False

    def paths(rows: RowNumbers) -> "pd.Series[Any]":
        own = folders if isinstance(folders, str) else folders[rows]
        return paths_of(values.iloc[rows], own)

    if not frames_in(paths(there[:1]).iloc[0]):
        return False
    every = paths(there)
    if every.nunique() < _OWN * len(every):  # folders of classes are named again and again
        return False
    return bool(np.mean([bool(frames_in(path)) for path in every]) >= _MIN_NAMED)


def _is_name(cell: Any) -> bool:
    return isinstance(cell, str | int | np.integer) and len(str(cell)) < _LONGEST


@dataclass(frozen=True, kw_only=True)
class _Found:
    """Pictures (k, channels, height, width), the row and the step of each, and rows' lengths."""

    pictures: NDArray[Any]
    row: NDArray[np.int64]
    step: NDArray[np.int64]
    lengths: NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class FramesEncoder(CellEncoder):
    """Reads pictures in a row of one shape, (channels, steps, height, width).

    `picture` is the encoder of one of them. Those of folders have the `column` that names them;
    in the cells of a `column` may stand arrays as well. `masked` as in `InputSpec`.
    """

    kind: ClassVar[Kind] = "frames"
    reads_column: ClassVar[bool] = True
    shape: tuple[int, ...]
    masked: bool = False
    picture: ImageEncoder

    @classmethod
    def fit_array(
        cls, x: NDArray[Any], layout: Layout, name: str = "frames", column: str | None = None
    ) -> Self:
        """What pictures (n, steps, ...) have in common, and how many nearly all rows have."""
        flat, known = _flat(x)
        of_one = Layout(kind="image", channels=layout.channels)
        picture = ImageEncoder.fit_array(flat[known] if not known.all() else flat, of_one, name)
        there = known.reshape(len(x), -1)
        return cls._of(picture, _lengths(there), not bool(there.all()), name, column)

    @classmethod
    def fit(
        cls,
        values: "pd.Series[Any]",
        train: RowNumbers,
        name: str,
        *,
        column: str | None = None,
        width: int | None = None,
        **_: Any,
    ) -> Self:
        """What the pictures in the folders of training rows have in common.

        Args:
            values: the path of each row's folder.
            train: the rows to learn from.
            name: of the input.
            column: that names the folders; `values` itself if left out.
            width: as `Encoder` says.

        Raises:
            DataError: no folder holds a picture.
        """
        chosen = values.iloc[subsample(train, _LOOKED_AT)]
        files = [found for path in chosen if (found := frames_in(path))]
        if not files:
            shown = ", ".join(map(str, chosen.iloc[:_SHOWN]))
            raise DataError(
                f"column {values.name!r} names folders of pictures, and none of {len(chosen)} "
                f"holds any: {shown}. Paths are relative to the folder of the table, or to the "
                "current one; leave the column out with --drop."
            )
        every = pd.Series([str(path) for each in files for path in each], name=name, dtype=object)
        picture = ImageEncoder.fit(every, np.arange(len(every)), name)
        lengths = np.array([len(each) for each in files])
        unequal = len(set(lengths.tolist())) > 1
        fitted = cls._of(picture, lengths, unequal, name, column or str(values.name))
        return replace(fitted, width=width)

    @classmethod
    def _of(
        cls,
        picture: ImageEncoder,
        lengths: NDArray[np.int64],
        unequal: bool,
        name: str,
        column: str | None,
    ) -> Self:
        channels, height, width = picture.shape
        shape = (channels, max(1, int(usual_length(lengths))), height, width)
        return cls(name=name, column=column, shape=shape, masked=unequal, picture=picture)

    def adapted(self, rows: BatchedRows, place: str) -> tuple[Self, Sequence[str]]:
        """As `ImageEncoder`, of all pictures of arrays."""
        if rows.is_table or rows.whole().ndim not in _ROW_AXES:
            return self, ()
        flat, _ = _flat(rows.whole())
        picture, told = self.picture.adapted(rows_of(flat), place)
        return replace(self, picture=picture), told

    def transform(self, rows: Any, place: str = "", folders: Folders = "") -> Transformed:
        """Bytes or float32 (n, channels, steps, height, width); rows without any are left out."""
        if not isinstance(rows, pd.DataFrame):
            return self._of_array(rows, place)
        values = rows[self.column or FRAMES_COLUMN]
        if any(map(is_cell, values)):
            return read_cells(values, place, lambda x: self._of_array(x, place))
        return self._in_pieces(paths_of(values, folders))

    def _of_array(self, x: NDArray[Any], place: str) -> Transformed:
        if x.ndim not in _ROW_AXES or x.dtype.kind not in "biuf":
            raise DataError(
                f"x in {place} is {x.dtype} of shape {x.shape}; pictures in a row are numbers "
                "(rows, steps, channels, height, width), channels also last, or without them "
                "where there is one. Reshape it, rows first."
            )
        flat, known = _flat(x)
        there = known.reshape(len(x), -1)
        row, step = np.nonzero(there)
        pictures = self.picture.values_of(flat[known], place)
        found = _Found(pictures=pictures, row=row, step=step, lengths=_lengths(there))
        return self._arranged(found, len(x), [], place)

    def _in_pieces(self, paths: "pd.Series[Any]") -> Transformed:
        """Some rows after another: what all of them make may be larger than memory."""
        size = max(1, _AT_ONCE // (_FLOAT_BYTES * prod(self.shape)))
        keep: list[RowNumbers] = []
        told: list[tuple[range, Sequence[str]]] = []

        def pieces() -> Iterator[Mapping[str, NDArray[Any]]]:
            for start in range(0, max(1, len(paths)), size):
                found = self._of_folders(paths.iloc[start : start + size])
                own = np.arange(len(found.values)) if found.keep is None else found.keep
                keep.append(own + start)
                told.append((range(start, min(start + size, len(paths))), found.warnings))
                yield {self.name: found.values}

        values = gather_rows(pieces(), len(paths), BY_SIZE)[self.name]
        return Transformed(
            values=values, keep=np.concatenate(keep), warnings=tuple(merge_warnings(told))
        )

    def _of_folders(self, paths: "pd.Series[Any]") -> Transformed:
        steps = self.shape[1]
        files = [frames_in(path) for path in paths]
        lengths = np.array([len(each) for each in files], dtype=np.int64)
        kept = [each[middle(len(each), steps)] for each in files]
        row = np.repeat(np.arange(len(kept)), [len(each) for each in kept])
        first = [max(0, len(each) - steps) // 2 for each in files]
        step = np.array([first[r] + s for r, each in enumerate(kept) for s in range(len(each))])
        every = pd.Series([str(path) for each in kept for path in each], dtype=object)
        reader = replace(self.picture, channels=None)
        if self.picture.channels is not None:  # trained on arrays: files are bytes, to be scaled
            reader = replace(reader, dtype=None, values=None)
        read = reader.read(every)
        good = np.arange(len(every)) if read.keep is None else read.keep
        lost = np.setdiff1d(np.arange(len(every)), good)
        told = []
        if len(lost):
            shown = ", ".join(every.iloc[lost[:_SHOWN]])
            more = ", ..." if len(lost) > _SHOWN else ""
            told.append(
                f"{len(lost)} pictures of {self.name!r} count as missing steps, as they cannot be "
                f"read: {shown}{more}"
            )
        pictures = read.values
        if self.picture.channels is not None and len(pictures):
            pictures = self.picture.values_of(pictures, "the folders of pictures")
        step = step.astype(np.int64)
        found = _Found(pictures=pictures, row=row[good], step=step[good], lengths=lengths)
        return self._arranged(found, len(paths), told, "the folders of pictures")

    def _arranged(self, found: _Found, n: int, told: list[str], place: str) -> Transformed:
        """The pictures in their rows, with the middle of rows that are too long."""
        steps = self.shape[1]
        n_long = int((found.lengths > steps).sum())
        if n_long:
            told.append(
                f"{n_long} of {n} rows of {self.name!r} in {place} ({n_long / n:.1%}) have more "
                f"than {steps} pictures: the middle of each is kept"
            )
        step = found.step - np.maximum(0, found.lengths - steps)[found.row] // 2
        inside = (step >= 0) & (step < steps)
        row, step = found.row[inside], step[inside]
        pictures = found.pictures if inside.all() else found.pictures[inside]
        there = np.zeros((n, steps), dtype=bool)
        there[row, step] = True
        dtype = np.float32 if self.masked else pictures.dtype
        x = np.full((n, *self.shape), np.nan if self.masked else 0, dtype=dtype)
        x[row, :, step] = pictures
        empty = np.asarray(~there.any(1))
        if not self.masked:
            n_short = int((~there.all(1) & ~empty).sum())
            x = _held(x, there)
            if n_short:
                told.append(
                    f"{n_short} rows of {self.name!r} have missing pictures or fewer than "
                    f"{steps}, which none had in training: the one before stands there"
                )
        return leave_out(x, ~empty, f"rows of {self.name!r} without any picture", told)

    @property
    def spec(self) -> InputSpec:
        """The input that it makes."""
        return InputSpec(name=self.name, kind=self.kind, shape=self.shape, masked=self.masked)

    def describe(self, x: NDArray[Any], train: RowNumbers) -> Iterator[str]:
        """Lines on size and values, and on the folders and unequal numbers of pictures."""
        yield size_line(self.spec, x, _AXES)
        if self.column is not None:
            yield f"            of the pictures that column {self.column!r} names or holds"
        if self.picture.about_files:
            yield f"            {self.picture.about_files}"
        if self.masked:
            sizes = _lengths(~np.isnan(x).all(axis=(1, 3, 4)))
            yield f"            {sizes.min()} ... {sizes.max()} pictures a row"

    def to_dict(self) -> dict[str, Any]:
        """What was learnt, as JSON-able data."""
        named = {} if self.column is None else {"column": self.column, "width": self.width}
        return {
            "name": self.name,
            "kind": self.kind,
            **named,
            "shape": list(self.shape),
            "masked": self.masked,
            "picture": self.picture.to_dict(),
        }

    @classmethod
    def from_dict(cls, plain: FittedInput) -> Self:
        """The encoder of `to_dict`."""
        return cls(
            name=plain["name"],
            column=plain.get("column"),
            width=plain.get("width"),
            shape=tuple(plain["shape"]),
            masked=plain["masked"],
            picture=ImageEncoder.from_dict(plain["picture"]),
        )

    @classmethod
    def few_numbers(cls, x: NDArray[Any], spec: InputSpec) -> NDArray[np.float64]:
        """The same."""
        return _pooled_over_steps(x).astype(np.float64)


def _flat(x: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """All pictures of rows (n, steps, ...) under each other, and which of them are whole."""
    flat = x.reshape(-1, *x.shape[2:])
    if x.dtype.kind != "f":
        return flat, np.ones(len(flat), dtype=bool)
    return flat, np.asarray(np.isfinite(flat).all(axis=tuple(range(1, flat.ndim))))


def _lengths(there: NDArray[np.bool_]) -> NDArray[np.int64]:
    """The number of steps up to the last picture that is there, (n,) of (n, steps)."""
    steps = np.arange(1, there.shape[1] + 1)
    found: NDArray[np.int64] = np.where(there, steps, 0).max(axis=1, initial=0)
    return found


def _held(x: NDArray[Any], there: NDArray[np.bool_]) -> NDArray[Any]:
    """Rows with the picture before in the place of one that is missing; at first the one after."""
    if there.all():
        return x
    steps = np.arange(there.shape[1])
    before = np.maximum.accumulate(np.where(there, steps, -1), axis=1)
    source = np.where(before >= 0, before, there.argmax(axis=1)[:, None])
    return np.take_along_axis(x, source[:, None, :, None, None], axis=2)


def _pooled_over_steps(x: NDArray[Any]) -> NDArray[np.float32]:
    """(n, channels, steps, height, width) to (n, columns); a missing picture does not count."""
    means = x
    for axis in (3, 4):
        parts = np.array_split(np.arange(x.shape[axis]), min(8, x.shape[axis]))
        blocks = [means.take(part, axis).mean(axis, dtype=np.float32) for part in parts]
        means = np.stack(blocks, axis)
    known = ~np.isnan(means)
    n = np.maximum(known.sum(2), 1)
    mean = np.where(known, means, 0).sum(2) / n
    square = np.where(known, np.square(means - mean[:, :, None]), 0).sum(2) / n
    found = np.stack([mean, np.sqrt(square)], axis=1).reshape(len(x), -1)
    return found.astype(np.float32)

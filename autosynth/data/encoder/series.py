"""Series: steps over time of raw arrays, and series made of the columns of a table.

Takes arrays, or training columns of numbers by channel and step; gives float32 (n, channels,
steps). A channel of columns with long tails (of money, say) is brought to a normal distribution by
its quantiles: a few large values would leave the others alike.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import ndtri

from autosynth.data.column.column import Column, encode_columns
from autosynth.data.column.path import Folders
from autosynth.data.encoder.array import arranged, is_whole, leave_out, read_cells, row_shape
from autosynth.data.encoder.encoder import Encoder, Transformed, size_line
from autosynth.data.source.layout import Channels, Layout, arrange, to_float32
from autosynth.data.source.length import Crop, middle, told_cut, usual_steps
from autosynth.data.source.mappedarray import pieces_of
from autosynth.data.source.raw import RowFormat
from autosynth.errors import DataError
from autosynth.scale import PLAIN, NumberUnit, fit_unit
from autosynth.spec import FittedInput, InputSpec, Kind, RowNumbers

_AXES = "channels x steps"
_MAX_CHANNELS = 6
_MAX_KURTOSIS = 8.0  # 3 is normal, 9 exponential
_SAMPLE = 2_000
_KNOTS = 257
_END = 0.004  # the share below the least value


@dataclass(frozen=True, kw_only=True)
class SeriesEncoder(Encoder):
    """Reads series of one shape, (channels, steps).

    Those of arrays have `channels`, which says where their channel axis stood in training, `crop`,
    what is kept of longer ones, and the `column` in whose cells they stand, where rows are made of
    several; `anchored` ones are the history of a forecast. Those of a table have `cells`, its
    columns by channel and step: `fill` are their training means, which stand for missing steps,
    and `knots` the quantiles of each channel with long tails. `units` are what channels of arrays
    are counted in, where float32 would not hold them. `masked` as in `InputSpec`.
    """

    kind: ClassVar[Kind] = "series"
    shape: tuple[int, ...]
    masked: bool = False
    channels: Channels | None = None
    anchored: bool = False
    column: str | None = None
    crop: Crop = "start"
    cells: tuple[Column, ...] = ()
    fill: tuple[float, ...] = ()
    knots: tuple[tuple[float, ...], ...] = ()
    units: tuple[NumberUnit, ...] = ()

    @classmethod
    def fit_array(
        cls, x: NDArray[Any], layout: Layout, name: str = "series", column: str | None = None
    ) -> Self:
        """The layout of series `x` (n, ...), and a length that nearly all of them have.

        They stand in the cells of `column`, if in any.
        """
        channels, steps = row_shape(x, layout)
        masked = not is_whole(x)
        if masked:
            sizes = [lengths(np.asarray(arrange(piece, layout))) for piece in pieces_of(x)]
            steps = min(steps, usual_steps(np.concatenate(sizes)))
        return cls(
            name=name,
            column=column,
            shape=(channels, steps),
            channels=layout.channels,
            masked=masked,
            crop="middle",
            units=_units(x, layout),
        )

    @classmethod
    def fit(
        cls,
        columns: Sequence[Sequence[Column]],
        x: NDArray[np.float64],
        name: str,
        width: int | None = None,
    ) -> Self:
        """The series of columns by channel and step.

        Missing steps are masked where training rows have some; elsewhere, and where a row has none
        but them, the column's mean stands in.

        Args:
            columns: those of each channel, in the order of their steps.
            x: their values in training rows, (rows, channels * steps), NaN where missing.
            name: of the input.
            width: as `Encoder` says.
        """
        known = np.isfinite(x)
        mean = np.where(known, x, 0.0).sum(0) / np.maximum(known.sum(0), 1)
        return cls(
            name=name,
            shape=(len(columns), len(columns[0])),
            masked=not bool(known.all()),
            cells=tuple(column for channel in columns for column in channel),
            fill=tuple(float(value) for value in mean),
            knots=tuple(_knots(channel) for channel in np.split(x, len(columns), axis=1)),
            width=width,
        )

    def transform(self, rows: Any, place: str = "", folders: Folders = "") -> Transformed:
        """Series (n, channels, steps), NaN where a step is missing or past the end."""
        if self.cells:
            return self._of_columns(rows)
        if self.column is not None and isinstance(rows, pd.DataFrame):
            return read_cells(rows[self.column], place, lambda x: self._of_array(x, place))
        return self._of_array(rows, place)

    def _of_array(self, rows: Any, place: str) -> Transformed:
        x = arranged(rows, self.spec, self.channels, place)
        channels, steps = self.shape
        if x.shape[1] != channels:
            raise DataError(
                f"series in {place} have {x.shape[1]} channels; {channels} are expected."
            )
        warnings: list[str] = []
        if self.units:
            channel = np.moveaxis(x.astype(np.float64), 1, 0)
            pairs = zip(self.units, channel, strict=True)
            x = np.stack([unit.encoded(values) for unit, values in pairs], axis=1)
        x = to_float32(x)
        if x.shape[2] > steps:
            x, n_long = cropped(x, steps, self.crop)
            warnings += told_cut(n_long, len(x), steps, place, self.crop)
        if x.shape[2] < steps:
            x = pad_steps(x, steps)
        infinite = np.isinf(x)
        if infinite.any():
            warnings.append(
                f"{int(infinite.sum())} infinite values in series; taken as missing steps"
            )
            x = np.where(infinite, np.float32(np.nan), x)
        missing = np.isnan(x)
        if not missing.any():
            return Transformed(values=x, warnings=tuple(warnings))
        if not self.masked:  # the network has no mask
            return self._of_gaps(x, missing, warnings)
        inside = int((missing & ~_past_end(missing)[:, None]).any(axis=(1, 2)).sum())
        if inside:
            warnings.append(f"{inside} series have missing steps (NaN before their end)")
        empty = np.asarray(missing.all(axis=(1, 2)))
        return leave_out(x, ~empty, "series without any value", warnings)

    def _of_gaps(
        self, x: NDArray[Any], missing: NDArray[np.bool_], warnings: list[str]
    ) -> Transformed:
        """Series of which some have gaps or end early, where those of training were whole."""
        readable = ~np.any(np.all(missing, axis=2), axis=1)
        n = int(missing[readable].any(axis=(1, 2)).sum())
        if n:
            warnings.append(
                f"{n} series have missing steps or end early, which none did in training: values "
                "between their neighbours stand there"
            )
        return leave_out(filled(x), readable, "series with a channel without any value", warnings)

    def _of_columns(self, frame: pd.DataFrame) -> Transformed:
        warnings: list[str] = []
        x = encode_columns(frame, self.cells, warnings)
        absent = np.isnan(x)
        filled = absent & absent.all(1, keepdims=True) if self.masked else absent
        if filled.any():
            x = np.where(filled, to_float32(np.array(self.fill)), x)
            warnings.append(
                f"series {self.name!r}: in {int(filled.any(1).sum())} rows the training mean "
                "stands for missing steps"
            )
        x = x.reshape(len(frame), *self.shape)
        for channel, knots in enumerate(self.knots):
            if knots:
                normal = ndtri(np.linspace(_END, 1 - _END, len(knots)))
                x[:, channel] = np.interp(x[:, channel], knots, normal)
        return Transformed(values=x, warnings=tuple(warnings))

    @property
    def spec(self) -> InputSpec:
        """The input that it makes."""
        return InputSpec(
            name=self.name,
            kind=self.kind,
            shape=self.shape,
            masked=self.masked,
            anchored=self.anchored,
        )

    def describe(self, x: NDArray[Any], train: RowNumbers) -> Iterator[str]:
        """Lines on size and values, on the columns that it is made of, and on unequal lengths."""
        yield size_line(self.spec, x, _AXES)
        if self.column is not None:
            yield f"            of the arrays in column {self.column!r}"
        if self.units:
            centers = ", ".join(f"{unit.center:.12g}" for unit in self.units[:_MAX_CHANNELS])
            yield f"            counted from {centers}"
        if self.cells:
            names, steps = self.columns, self.shape[1]
            firsts = range(0, len(names), steps)
            spans = [f"{names[first]} ... {names[first + steps - 1]}" for first in firsts]
            more = "; ..." if len(spans) > _MAX_CHANNELS else ""
            yield f"            of {'; '.join(spans[:_MAX_CHANNELS])}{more}"
            tails = [span for span, knots in zip(spans, self.knots, strict=True) if knots]
            if tails:
                yield f"            long tails, so put on a normal scale: {'; '.join(tails)}"
        if np.isnan(x).any():
            sizes = lengths(x)
            if sizes.min() < self.shape[1]:
                yield f"            lengths {sizes.min()} ... {sizes.max()}"

    def to_dict(self) -> dict[str, Any]:
        """What was learnt, as JSON-able data."""
        named, shape = {"name": self.name, "kind": self.kind}, list(self.shape)
        if not self.cells:
            return {
                **named,
                "shape": shape,
                "channels": self.channels,
                "masked": self.masked,
                "dtype": "float32",
                **({"anchored": True} if self.anchored else {}),
                **({"column": self.column, "width": self.width} if self.column else {}),
                **({"units": [unit.to_list() for unit in self.units]} if self.units else {}),
                **({"crop": self.crop} if self.crop != "start" else {}),
            }
        return {
            **named,
            "columns": [column.to_dict() for column in self.cells],
            "shape": shape,
            "masked": self.masked,
            "fill": list(self.fill),
            "knots": list(map(list, self.knots)),
            "width": self.width,
        }

    @classmethod
    def from_dict(cls, plain: FittedInput) -> Self:
        """The encoder of `to_dict`."""
        name, shape, masked = plain["name"], tuple(plain["shape"]), plain["masked"]
        if "columns" not in plain:
            return cls(
                name=name,
                shape=shape,
                masked=masked,
                channels=plain["channels"],
                anchored=plain.get("anchored", False),
                column=plain.get("column"),
                width=plain.get("width"),
                units=tuple(map(NumberUnit.from_list, plain.get("units", ()))),
                crop=plain.get("crop", "start"),
            )
        return cls(
            name=name,
            shape=shape,
            masked=masked,
            cells=tuple(map(Column.from_dict, plain["columns"])),
            fill=tuple(plain["fill"]),
            knots=tuple(map(tuple, plain["knots"])),
            width=plain["width"],
        )

    @property
    def row_format(self) -> RowFormat:
        """As `Encoder`."""
        return replace(super().row_format, crop=self.crop)

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the columns that it is made of, or stands in; none of arrays alone."""
        return self.cell_columns or tuple(column.name for column in self.cells)

    @property
    def cell_columns(self) -> tuple[str, ...]:
        """The column in whose cells it stands."""
        return () if self.column is None else (self.column,)


def _units(x: NDArray[Any], layout: Layout) -> tuple[NumberUnit, ...]:
    """The unit of each channel of an array; none where float32 holds all of them.

    Some rows tell, as all rows tell whether steps are missing: where a series lies says nothing
    of what it is to be told by.
    """
    if x.dtype.kind not in "iuf" or x.dtype.itemsize < 4 or x.dtype == np.float32:
        return ()
    some = arrange(np.asarray(x[:: max(1, len(x) // _SAMPLE)]), layout).astype(np.float64)
    units = tuple(fit_unit(channel, steps=True) for channel in np.moveaxis(some, 1, 0))
    return units if set(units) != {PLAIN} else ()


def pad_steps(x: NDArray[Any], steps: int, axis: int = 2) -> NDArray[Any]:
    """`x` with NaN after its last step, up to `steps` on `axis`."""
    width = [(0, 0)] * x.ndim
    width[axis] = (0, steps - x.shape[axis])
    return np.pad(x, width, constant_values=np.nan)


def filled(x: NDArray[np.float32]) -> NDArray[np.float32]:
    """Series (n, channels, steps) with values on the line between neighbours of missing ones.

    The first and the last known value hold before and after; zero where a channel has none.
    """
    missing = np.isnan(x)
    if not missing.any():
        return x
    x, steps = x.copy(), np.arange(x.shape[2])
    for row, channel in np.argwhere(missing.any(axis=2)):
        known = ~missing[row, channel]
        line = x[row, channel]
        line[~known] = np.interp(steps[~known], steps[known], line[known]) if known.any() else 0
    return x


def cropped(x: NDArray[Any], steps: int, crop: Crop) -> tuple[NDArray[Any], int]:
    """Series (n, channels, more steps) cut to `steps`; and how many of them are longer."""
    sizes = lengths(x)
    found = np.array(x[:, :, :steps])
    long = np.flatnonzero(sizes > steps)
    if crop == "middle":
        for row in long:
            found[row] = x[row, :, middle(int(sizes[row]), steps)]
    return found, len(long)


def lengths(x: NDArray[Any]) -> NDArray[np.int64]:
    """The number of steps of each series in `x` (n, channels, steps), without its padding."""
    steps: NDArray[np.int64] = x.shape[2] - _past_end(np.isnan(x)).sum(1)
    return steps


def _past_end(missing: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which steps (n, steps) lie past the end: missing in all channels, and all after them too."""
    absent: NDArray[np.bool_] = np.all(missing, axis=1, keepdims=True)[:, 0, ::-1]
    return np.logical_and.accumulate(absent, axis=1)[:, ::-1]


def _knots(x: NDArray[np.float64]) -> tuple[float, ...]:
    """The quantiles of a channel with long tails; none of another."""
    values = to_float32(x[np.isfinite(x)]).astype(np.float64)
    if not len(values) or values.std() == 0:
        return ()
    if (((values - values.mean()) / values.std()) ** 4).mean() <= _MAX_KURTOSIS:
        return ()
    quantiles = np.unique(np.quantile(values, np.linspace(0, 1, _KNOTS)))
    return tuple(float(knot) for knot in quantiles)

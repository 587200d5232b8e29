"""Raw arrays of images and series: their layout in training, found again in other arrays.

Takes arrays, rows first, or a column of a table whose cells hold a row's part each; gives views
with channels before the other axes of a row, and leaves out rows that hold nothing to read.
"""

from collections.abc import Callable, Collection, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from autosynth.data.encoder.encoder import Transformed, shape_text
from autosynth.data.source.layout import Channels, Layout, arrange, infer_layout
from autosynth.data.source.mappedarray import pieces_of
from autosynth.data.source.object import stacked
from autosynth.errors import DataError
from autosynth.spec import InputSpec


def row_shape(x: NDArray[Any], layout: Layout) -> tuple[int, ...]:
    """The shape of a row, channels first."""
    return tuple(int(size) for size in arrange(x[:1], layout).shape[1:])


def is_whole(x: NDArray[Any]) -> bool:
    """Whether every value is finite."""
    return all(bool(np.isfinite(piece).all()) for piece in pieces_of(x))


def arranged(x: Any, spec: InputSpec, channels: Channels | None, place: str) -> NDArray[Any]:
    """`x` with its channels first, as they stood in training where the number of axes is the same.

    Raises:
        DataError: `x` is a table, holds other than numbers, or rows of another kind.
    """
    if isinstance(x, pd.DataFrame):
        raise DataError(f"{place} is a table, and {spec.kind} rows are expected.")
    if x.dtype.kind not in "biuf":
        raise DataError(f"x in {place} is {x.dtype}, not numbers.")
    layout = infer_layout(x, spec.kind, place)
    if layout.kind != spec.kind:
        raise DataError(
            f"x in {place} has shape {x.shape}; the model takes {spec.kind} rows of "
            f"{shape_text(spec.shape)}."
        )
    if channels and channels != "none" and layout.channels != "none":
        layout = Layout(kind=layout.kind, channels=channels)
    return arrange(x, layout)


def leave_out(
    x: NDArray[Any], good: NDArray[np.bool_], what: str, warnings: Sequence[str] = ()
) -> Transformed:
    """The good rows of `x`, and a warning on `what` the others are."""
    if good.all():
        return Transformed(values=x, warnings=tuple(warnings))
    rows = np.flatnonzero(~good)
    shown = ", ".join(str(row) for row in rows[:5]) + (", ..." if len(rows) > 5 else "")
    told = (*warnings, f"{len(rows)} {what} left out: rows {shown}")
    return Transformed(values=x[good], keep=np.flatnonzero(good), warnings=told)


def is_cell(value: Any) -> bool:
    """Whether a cell holds several numbers."""
    return isinstance(value, np.ndarray | list | tuple)


def array_of_cells(values: "pd.Series[Any]", place: str = "") -> NDArray[Any]:
    """The cells that hold numbers as the rows of one array; raises `DataError` where they cannot.

    Series of unequal length end in NaN.
    """
    cells = [np.asarray(value) for value in values if is_cell(value)]
    what = f"column {str(values.name)!r}{f' of {place}' if place else ''}"
    if not cells:
        raise DataError(f"{what}: no row holds an array.")
    x = stacked([_numbers(cell) for cell in cells], what)
    if x.dtype.kind not in "biuf":
        raise DataError(f"{what} holds arrays of {x.dtype}, not of numbers.")
    return x


def _numbers(cell: NDArray[Any]) -> NDArray[Any]:
    """A list of lists comes from Arrow as an array of arrays."""
    if cell.dtype != object or not len(cell):
        return cell
    if all(is_cell(each) for each in cell):
        return stacked([_numbers(np.asarray(each)) for each in cell], "a cell")
    try:
        return cell.astype(np.float64)
    except (TypeError, ValueError):
        return cell  # told by its type


def read_cells(
    values: "pd.Series[Any]", place: str, read: Callable[[NDArray[Any]], Transformed]
) -> Transformed:
    """What `read` makes of the array in the cells; rows without one are left out."""
    there = np.array([is_cell(value) for value in values], dtype=bool)
    found = read(array_of_cells(values, place))
    if there.all():
        return found
    rows = np.flatnonzero(there)
    lost = int((~there).sum())
    told = f"{lost} rows left out, whose {str(values.name)!r} holds no array"
    return Transformed(
        values=found.values,
        keep=rows if found.keep is None else rows[found.keep],
        warnings=(*found.warnings, told),
    )


def spread(frame: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """The frame with the columns `NAME[0]`, `NAME[1]`, ... that `names` asks for and it lacks.

    They are the numbers in the cells of its column NAME; NaN where a cell holds none.

    Raises:
        DataError: cells hold fewer or more numbers than there are such names.
    """
    found: dict[str, list[str]] = {}
    for name in names:
        base = name.partition("[")[0]
        if name not in frame.columns and base in frame.columns:
            found.setdefault(base, []).append(name)
    made = []
    for base, own in found.items():
        there = np.array([is_cell(value) for value in frame[base]], dtype=bool)
        x = array_of_cells(frame[base])
        if x.shape[1:] != (len(own),):
            raise DataError(
                f"column {base!r} holds arrays of shape {x.shape[1:]}; {len(own)} numbers are "
                "expected."
            )
        if not there.all():
            whole = np.full((len(frame), len(own)), np.nan)
            whole[there] = x
            x = whole
        made.append(pd.DataFrame(x, columns=pd.Index(own, dtype=object), index=frame.index))
    return pd.concat([frame.drop(columns=list(found)), *made], axis=1) if made else frame


def column_behind(name: str, there: Collection[str]) -> str:
    """The column of a table that a name means: itself, or the one whose cells `spread` makes."""
    base = name.partition("[")[0]
    return base if name not in there and base in there else name

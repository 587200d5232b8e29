"""Raw arrays of images and series: their layout in training, found again in other arrays.

Takes arrays, rows first; gives views with channels before the other axes of a row, and leaves out
rows that hold nothing to read.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from autosynth.data.encoder.encoder import Transformed, shape_text
from autosynth.data.source.layout import Channels, Layout, arrange, infer_layout
from autosynth.data.source.mappedarray import pieces_of
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

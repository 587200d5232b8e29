"""What a reader hands on: rows as they were found, before anything is understood or encoded.

Every form of data (a table, arrays, IDX files, a folder of images, ...) has a reader, and every
reader gives a `Raw`; what follows (target, splits, columns, encoders) is the same for all.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from numpy.typing import NDArray

from autosynth.data.source.layout import Channels
from autosynth.data.source.rows import BatchedRows
from autosynth.spec import Kind

Index = Sequence[str] | range


@dataclass(frozen=True, kw_only=True)
class RowFormat:
    """What rows to predict look like: the kind of the input that they make, and its shape.

    `columns` are those of a table that the input reads; none where it is made of arrays.
    """

    kind: Kind = "table"
    shape: tuple[int, ...] = ()
    columns: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class RawRows:
    """Rows of one part of a source: `x` rows first, `y` one value a row (None: not labelled).

    `x` is a frame or an array, or the rows of a table that stay in its file; `rows_of` makes one
    form of them all.

    Of several targets `y` is a frame, a column each. `index` names the rows: their numbers, or the
    files they came from. `folder` is the one that a table stands in, to which the files that its
    cells name are relative; "" is the current one.
    """

    x: NDArray[Any] | pd.DataFrame | BatchedRows
    y: "pd.Series[Any] | pd.DataFrame | None" = None
    index: Index
    folder: str = ""

    def __len__(self) -> int:
        return len(self.index)


@dataclass(frozen=True, kw_only=True)
class Raw:
    """A source as read: its parts, and what only the reader can know.

    `main` is all there is where no official parts were found. `kind` is None where shape and
    values have to tell. `labels` says that the target is class labels by the form's definition
    (IDX, UCR, a folder a class). `channels` says where the channel axis of images or series
    stands, where the form defines it; otherwise their shape has to tell.
    """

    name: str
    source: str
    target: str
    main: RawRows | None
    validation: RawRows | None = None
    test: RawRows | None = None
    kind: Kind | None = None
    labels: bool = False
    channels: Channels | None = None
    warnings: tuple[str, ...] = ()

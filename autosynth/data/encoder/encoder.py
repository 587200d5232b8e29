"""What an encoder is: fitted on training rows, it makes the array of one input from raw rows.

Every kind of input has one, a class in a file of its own. What it learnt travels as JSON-able data
(`to_dict`, `from_dict`), and makes of raw rows the same array in training and in prediction.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from autosynth.data.column.path import Folders
from autosynth.data.source.raw import RowFormat
from autosynth.spec import FittedInput, InputSpec, Kind, RowNumbers


@dataclass(frozen=True, kw_only=True)
class Transformed:
    """The array of one input, rows first, and what was wrong.

    `keep` are the row numbers that it holds, where some rows could not be read; None: all.
    """

    values: NDArray[Any]
    keep: RowNumbers | None = None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Applied:
    """The arrays of the inputs, by name; the row numbers they hold, and what was wrong."""

    x: Mapping[str, NDArray[Any]]
    keep: NDArray[np.int64]
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Encoder(ABC):
    """What makes the array of the input `name`, learnt from training rows alone.

    `width` is the number of columns of an array that is read as a table, which have no names; None
    of anything else.
    """

    kind: ClassVar[Kind]
    name: str
    width: int | None = None

    @classmethod
    @abstractmethod
    def fit(cls, *args: Any, **kwargs: Any) -> Self:
        """Learn from training rows; what these are is each kind's own."""

    @abstractmethod
    def transform(self, rows: Any, place: str = "", folders: Folders = "") -> Transformed:
        """The array that raw rows make.

        Args:
            rows: a frame that holds `columns`, or an array where there are none.
            place: where the rows come from, for messages.
            folders: those of the table, or of each row, to which files that cells name are
                relative.

        Raises:
            DataError: the rows are of another shape than those of the training.
        """

    @property
    @abstractmethod
    def spec(self) -> InputSpec:
        """The input that it makes."""

    @abstractmethod
    def describe(self, x: NDArray[Any], train: RowNumbers) -> Iterator[str]:
        """Lines about the input, as `autosynth inspect` prints them.

        Args:
            x: what `transform` made of some rows.
            train: the numbers of training rows among them.
        """

    @abstractmethod
    def to_dict(self) -> dict[str, Any]:
        """What was learnt, as JSON-able data."""

    @classmethod
    @abstractmethod
    def from_dict(cls, plain: FittedInput) -> Self:
        """The encoder of which `to_dict` made JSON-able data.

        Raises:
            KeyError, TypeError, ValueError: the data is not whole.
        """

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the columns of a table that it reads; none of arrays and histories."""
        return ()

    @property
    def row_format(self) -> RowFormat:
        """What rows to predict look like."""
        return RowFormat(kind=self.kind, shape=self.spec.shape, columns=self.columns)


def size_line(spec: InputSpec, x: NDArray[Any], axes: str) -> str:
    """A line on the size of an input whose rows have such axes, and on its values."""
    rate = f" at {spec.rate} Hz" if spec.rate else ""
    low, high = np.nanmin(x), np.nanmax(x)
    size = shape_text(spec.shape)
    return f"input       {spec.name}: {size} ({axes}){rate}, {x.dtype}, {low:g} ... {high:g}"


def files_line(column: str | None, folder: str | None) -> str:
    """A line on the files that a column names."""
    place = f"{folder}/" if folder else ""
    return f"            of files that column {column!r} names: {place}..."


def shape_text(shape: tuple[int, ...]) -> str:
    """A shape as text: `3x8x8`."""
    return "x".join(str(size) for size in shape)

"""What an encoder is: fitted on training rows, it makes the array of one input from raw rows.

Every kind of input has one, a class in a file of its own. What it learnt travels as JSON-able data
(`to_dict`, `from_dict`), and makes of raw rows the same array in training and in prediction.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from autosynth.data.column.path import Folders
from autosynth.data.encoder.feature import block_means
from autosynth.data.source.raw import RowFormat
from autosynth.data.source.rows import BatchedRows
from autosynth.spec import FittedInput, InputSpec, Kind, RowNumbers

ASSUMED = "assumed     "
"""How a line begins that tells what was taken for granted of data that do not say so."""


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
    of anything else. One that `reads_column` can be fitted to a column of a table, by `fit(values,
    train, name, width=width)`.

    Its `few_numbers_suffice` where a quick model on them knows about as much as a network.
    """

    kind: ClassVar[Kind]
    reads_column: ClassVar[bool] = False
    few_numbers_suffice: ClassVar[bool] = False
    name: str
    width: int | None = None

    @classmethod
    @abstractmethod
    def fit(cls, *args: Any, **kwargs: Any) -> Self:
        """Learn from training rows; what these are is each kind's own."""

    @classmethod
    def fit_pretrained(
        cls, values: Any, train: RowNumbers, name: str, width: int | None = None
    ) -> Sequence[Self]:
        """Encoders of the same column for pretrained networks; none, if there are none here."""
        return ()

    def adapted(self, rows: BatchedRows, place: str) -> tuple[Self, Sequence[str]]:
        """The encoder as it reads a source, maybe of another make; and what is told of that.

        All rows of a source are read in one manner, however many are read at once; an encoder
        that tells manners apart looks at all of them first.

        Args:
            rows: all of them.
            place: where they come from, for messages.

        Raises:
            DataError: what the rows mean cannot be told.
        """
        return self, ()

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

    def unfamiliar(self, rows: Any) -> Sequence[str]:
        """What raw rows hold that no training row did, and yet is read; a line a column."""
        return ()

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

    def to_dict(self) -> dict[str, Any]:
        """What was learnt, as JSON-able data: the fields, tuples as lists, and none that is None.

        For an encoder whose fields are JSON-able themselves, or tuples of what is.
        """
        own = {field.name: getattr(self, field.name) for field in fields(self)}
        width = {"width": own.pop("width")} if self.columns else {}
        plain = {"name": own.pop("name"), "kind": self.kind, **own}
        return {key: _lists(v) for key, v in plain.items() if v is not None} | width

    @classmethod
    def from_dict(cls, plain: FittedInput) -> Self:
        """The encoder of which `to_dict` made JSON-able data.

        Raises:
            KeyError, TypeError, ValueError: the data is not whole.
        """
        known = {each.name: each.default for each in fields(cls)}
        named = [name for name, default in known.items() if name in plain or default is not None]
        own = {name: plain[name] for name in named}
        return cls(**{key: _tuples(value) for key, value in own.items()})

    @classmethod
    def few_numbers(cls, x: NDArray[Any], spec: InputSpec) -> NDArray[np.float64]:
        """Finite numbers (n, columns), no more than a quick model can do with."""
        return block_means(x.reshape(len(x), -1).astype(np.float64))

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the columns of a table that it reads; none of arrays and histories."""
        return ()

    @property
    def cell_columns(self) -> tuple[str, ...]:
        """Those of its columns whose cells hold more than one value: files, or arrays."""
        return ()

    @property
    def row_format(self) -> RowFormat:
        """What rows to predict look like."""
        return RowFormat(kind=self.kind, shape=self.spec.shape, columns=self.columns)


@dataclass(frozen=True, kw_only=True)
class CellEncoder(Encoder):
    """What makes an input of one `column` whose cells name files or hold arrays, or of arrays."""

    column: str | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """The column that names or holds what it reads; none of arrays alone."""
        return self.cell_columns

    @property
    def cell_columns(self) -> tuple[str, ...]:
        """The same."""
        return () if self.column is None else (self.column,)


def _lists(value: Any) -> Any:
    return [_lists(each) for each in value] if isinstance(value, tuple) else value


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


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

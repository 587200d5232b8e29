"""The numbers, categories and dates of a table's columns, as one array.

Takes columns understood on training rows, in their order; gives float32 (n, columns).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from autosynth.data.column.column import MISSING, UNKNOWN, Column, encode_columns, unfamiliar
from autosynth.data.column.dateorder import other_forms
from autosynth.data.column.group import order_columns
from autosynth.data.column.path import Folders
from autosynth.data.encoder.encoder import ASSUMED, Encoder, Transformed
from autosynth.data.encoder.feature import flags, ranked
from autosynth.data.source.rows import BatchedRows, stack_series
from autosynth.number import range_text
from autosynth.spec import DATE, FittedInput, InputSpec, Kind, RowNumbers

_MAX_COLUMNS = 60
_MAX_CATEGORIES = 6
# A token a column makes a step of a Transformer take 3.7 s at some 1,000 columns, and its memory
# grows with the square. Up to 128 that is less than what its other layers take.
_MANY = 128
# As many as other kinds of input are cut into.
_MOST_TOKENS = 64


@dataclass(frozen=True, kw_only=True)
class TableEncoder(Encoder):
    """Reads the columns of `cells`, each as it was understood in training, in their order."""

    kind: ClassVar[Kind] = "table"
    few_numbers_suffice: ClassVar[bool] = True
    cells: tuple[Column, ...]
    tokens: int = 0

    @classmethod
    def fit(
        cls, cells: Sequence[Column], x: NDArray[np.float64], name: str, width: int | None = None
    ) -> Self:
        """The columns in an order in which neighbours have to do with each other.

        Args:
            cells: the columns, as they were understood.
            x: their values in training rows, (rows, columns), NaN where missing.
            name: of the input.
            width: as `Encoder` says.
        """
        order = order_columns(x, [column.name for column in cells])
        ordered = tuple(cells[index] for index in order)
        return cls(name=name, cells=ordered, width=width, tokens=_shared_tokens(len(cells)))

    def adapted(self, rows: BatchedRows, place: str) -> tuple[Self, Sequence[str]]:
        """As `Encoder`: dates that are written otherwise than in training are read, too."""
        told: list[str] = []
        dates = {each.name: each for each in self.cells if each.kind == "date"}
        if not dates or not len(rows) or not rows.is_table:
            return self, told
        batches = [batch for _, batch in rows.select(list(dates)).batches()]
        for name, column in dates.items():
            values = stack_series([batch[name].drop_duplicates() for batch in batches])
            forms, more = other_forms(values, column.forms)
            same = forms[:1] == column.forms[:1]
            dates[name] = replace(column, forms=forms, doubt=column.doubt if same else "")
            told += more
        return replace(self, cells=tuple(dates.get(c.name, c) for c in self.cells)), told

    def transform(self, rows: pd.DataFrame, place: str = "", folders: Folders = "") -> Transformed:
        """Numbers as they are, categories as codes, dates as days: float32 (n, columns)."""
        warnings: list[str] = []
        values = encode_columns(rows, self.cells, warnings)
        return Transformed(values=values, warnings=tuple(warnings))

    def unfamiliar(self, rows: pd.DataFrame) -> Sequence[str]:
        """Categories that were never seen, or are spelled otherwise."""
        return unfamiliar(rows, self.cells)

    @property
    def spec(self) -> InputSpec:
        """The input that it makes."""
        cards = tuple(column.cardinality for column in self.cells)
        return InputSpec(
            name=self.name,
            kind=self.kind,
            shape=(len(cards),),
            cardinalities=cards,
            tokens=self.tokens,
        )

    def describe(self, x: NDArray[Any], train: RowNumbers) -> Iterator[str]:
        """A line on all columns, and one on each."""
        cards = self.spec.cardinalities
        dates, categories = cards.count(DATE), sum(size > 0 for size in cards)
        numbers = len(cards) - categories - dates
        told = f", {dates} dates" if dates else ""
        shared = f", read as {self.tokens} tokens of neighbours" if self.tokens else ""
        yield f"input       {self.name}: {numbers} numbers, {categories} categories{told}{shared}"
        shown = self.cells[:_MAX_COLUMNS]
        width = max(len(column.name) for column in shown)
        for index, column in enumerate(shown):
            yield f"column      {column.name:<{width}}  {_values(column, x[train, index])}"
            if column.assumed:
                yield f"{ASSUMED}{column.name}: {column.assumed}"
        if len(self.cells) > _MAX_COLUMNS:
            yield f"            ... and {len(self.cells) - _MAX_COLUMNS} columns more"

    def to_dict(self) -> dict[str, Any]:
        """What was learnt, as JSON-able data."""
        columns = [column.to_dict() for column in self.cells]
        shared = {"tokens": self.tokens} if self.tokens else {}
        own = {"name": self.name, "kind": self.kind, "columns": columns, "width": self.width}
        return own | shared

    @classmethod
    def from_dict(cls, plain: FittedInput) -> Self:
        """The encoder of `to_dict`."""
        cells = tuple(map(Column.from_dict, plain["columns"]))
        tokens = plain.get("tokens", 0)  # as tables of any width were saved before
        return cls(name=plain["name"], cells=cells, width=plain["width"], tokens=tokens)

    @classmethod
    def few_numbers(cls, x: NDArray[Any], spec: InputSpec) -> NDArray[np.float64]:
        """Values and ranks of numbers, and the most frequent categories of the others."""
        columns = zip(x.T.astype(np.float64), spec.cardinalities or (0,) * x.shape[1], strict=True)
        parts = [flags(column) if size > 0 else ranked(column) for column, size in columns]
        return np.concatenate(parts, axis=1)

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of its columns."""
        return tuple(column.name for column in self.cells)


def _shared_tokens(columns: int) -> int:
    """The tokens that so many columns share; 0 where each has its own."""
    return 0 if columns <= _MANY else -(-columns // -(-columns // _MOST_TOKENS))


def _values(column: Column, values: NDArray[Any]) -> str:
    if column.kind == "category":
        shown = ", ".join(column.categories[:_MAX_CATEGORIES])
        more = ", ..." if len(column.categories) > _MAX_CATEGORIES else ""
        absent = _share((values == MISSING).mean(), "missing")
        unknown = _share((values == UNKNOWN).mean(), "unknown")
        return f"category, {len(column.categories)}: {shown}{more}{absent}{unknown}"
    missing = np.isnan(values).mean()
    ends = np.array([np.nanmin(values), np.nanmax(values)], dtype=np.float64)
    low, high = column.unit.decoded(ends)
    if column.kind == "date":
        first, last = (np.datetime64(int(day), "D") for day in (low, high))
        return f"date, {first} ... {last}{_share(missing, 'missing')}"
    return f"number, {range_text(low, high)}{_share(missing, 'missing')}"


def _share(fraction: float, what: str) -> str:
    return f"; {fraction:.2%} {what}" if fraction else ""

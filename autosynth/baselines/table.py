"""A dataset's inputs as one matrix of features: what simple models read.

Takes a dataset and row numbers; gives float32 columns, and says which of them are categories, and
which hold a text. `FitBaseline` is what makes a model of them.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from autosynth.data.encoder.registry import ENCODERS
from autosynth.scale import PLAIN
from autosynth.spec import Array, Dataset, TargetSpec


@dataclass(frozen=True)
class History:
    """The history that a forecast reads, in the first columns; `period` is 0 where none was found.

    The steps of one channel stand beside each other, those of the target's own past first.
    """

    channels: int = 0
    steps: int = 0
    period: int = 0


@dataclass(frozen=True)
class Table:
    """All features of a dataset as one matrix, and which columns are categories, of how many.

    `texts` are the columns of each text: codes of tokens, 0 after its end. Of a ranking `x` says
    where each row's history begins and ends in `codes`, the items that users had. `series` are the
    channels and steps of each, where there is nothing else.
    """

    x: NDArray[np.float32] | NDArray[np.float64] | NDArray[np.int64]
    cardinalities: Array
    texts: tuple[Array, ...] = ()
    history: History = History()
    codes: NDArray[np.int64] | None = None
    series: tuple[tuple[int, int], ...] = ()

    def only(self, rows: Array) -> "Table":
        """Of these rows alone."""
        return replace(self, x=self.x[rows])

    @property
    def cells(self) -> NDArray[np.int64]:
        """The columns that belong to no text."""
        columns = np.arange(self.x.shape[1])
        return columns[~np.isin(columns, np.concatenate(self.texts))] if self.texts else columns


@dataclass(frozen=True)
class FittedBaseline:
    """A fitted baseline: features of rows to its outputs, and its cost where that is known.

    `cut` says what it had less of than it should, for want of time; `note` all else.
    """

    predict: Callable[[Array], Array]
    flops: int | None
    params: int | None
    note: str = ""
    cut: str = ""


@dataclass(frozen=True, kw_only=True)
class BaselineInputs:
    """What a baseline is fitted to: a table of training rows and their true values.

    `seconds` are what it may take, for one that can do with less work.
    """

    table: Table
    y: Array
    target: TargetSpec
    seed: int
    seconds: float


FitBaseline = Callable[[BaselineInputs], FittedBaseline]


def known_cells(table: Table) -> NDArray[np.int64]:
    """The columns that belong to no text and hold a value: boosting cannot cut one that is empty.

    The ends of series are, where those of unequal length were filled up to one.
    """
    return table.cells[~np.isnan(table.x[:, table.cells]).all(0)]


def table_of(dataset: Dataset, rows: Array, kind: str = "") -> Table:
    """The features `(len(rows), columns)` of those rows, all inputs of a kind side by side.

    Of any kind, where none is named.
    """
    if dataset.seen is not None:
        seen = dataset.seen.only(rows)
        return Table(np.stack([seen.start, seen.stop], axis=1), np.zeros(2), codes=seen.codes)
    base = dataset.target.base
    specs = [spec for spec in dataset.inputs if not spec.of and kind in ("", spec.kind)]
    specs.sort(key=lambda spec: (spec.name != base, not spec.anchored))
    encoders = [ENCODERS[spec.kind] for spec in specs]
    blocks: list[Array] = [
        encoder.features(dataset.x[spec.name][rows], spec, complete=spec.anchored)
        for spec, encoder in zip(specs, encoders, strict=True)
    ]
    cardinalities = [
        np.asarray((e.features_are == "cells" and spec.cardinalities) or (0,) * block.shape[1])
        for spec, e, block in zip(specs, encoders, blocks, strict=True)
    ]
    if dataset.target.base_unit != PLAIN:  # values to come are like those of the past
        blocks[0] = dataset.target.base_unit.decoded(blocks[0].astype(np.float64))
    ends = np.cumsum([0, *(block.shape[1] for block in blocks)])
    texts = tuple(
        np.arange(start, end)
        for encoder, start, end in zip(encoders, ends[:-1], ends[1:], strict=True)
        if encoder.features_are == "tokens"
    )
    past = History()
    if base:
        channels = sum(spec.shape[0] for spec in specs if spec.anchored)
        past = History(channels, specs[0].shape[1], dataset.period)
    series: tuple[tuple[int, int], ...] = ()
    if all(spec.is_line for spec in specs):
        sizes = [spec.shape[0] for spec in specs]
        series = tuple((n, b.shape[1] // n) for n, b in zip(sizes, blocks, strict=True))
    x = np.concatenate(blocks, axis=1)
    return Table(x, np.concatenate(cardinalities), texts, past, series=series)

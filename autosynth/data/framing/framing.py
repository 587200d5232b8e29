"""What a row of a dataset is: the one interface of rows, windows and interactions.

A framing reads a source as a dataset to learn from; and, from what the dataset left in `encoders`,
other data of the same form to predict or to score on.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autosynth.data.encoder.encoder import Encoder
from autosynth.data.encoder.registry import encoders_from
from autosynth.data.framing.seriesscale import SeriesScale
from autosynth.data.source.mappedarray import take_rows
from autosynth.data.source.memory import BY_SIZE, Batching
from autosynth.data.source.raw import Index
from autosynth.data.source.rows import BatchedRows
from autosynth.options import DataConfig
from autosynth.spec import Dataset, RowNumbers, SeenItems, TargetSpec
from autosynth.task.target import LeftOut


@dataclass(frozen=True, kw_only=True)
class Encoded:
    """Rows as the inputs' specs say. `index` names them: row numbers, file names of images, users.

    `called` is what the names are of, and `seen` what a user had before, which a ranking leaves
    out. `series_scale` brings what is forecast of each row back to the unit of its own series,
    where that is not the model's.
    """

    x: Mapping[str, NDArray[Any]]
    index: Index
    warnings: tuple[str, ...] = ()
    called: str | None = None
    seen: SeenItems | None = None
    series_scale: SeriesScale | None = None


@dataclass(frozen=True, kw_only=True)
class LabelledRows:
    """Rows to score on: `x` and `y` as in a `Dataset`.

    `raw` are the same rows as they were read, where a row is read by itself; `index` their names,
    `left_out` what could not be scored of the source. `official` says that they are its test part;
    `fingerprint` is of the whole source, as in a `Dataset`. `seen` is what a ranking leaves out of
    each row. Of several series to forecast, `series` are the names; `series_scale` as of
    `Encoded`. `weights`, above 0, say how much each row counts, by the column `weight` that the
    model was trained with; None where there is none.
    """

    source: str
    x: Mapping[str, NDArray[Any]]
    y: NDArray[Any]
    index: Sequence[Any]
    official: bool = False
    fingerprint: str = ""
    raw: BatchedRows | None = None
    left_out: tuple[LeftOut, ...] = ()
    warnings: tuple[str, ...] = ()
    seen: SeenItems | None = None
    series: Sequence[str] | None = None
    series_scale: SeriesScale | None = None
    weights: NDArray[np.float64] | None = None
    weight: str = ""

    def __len__(self) -> int:
        return len(self.y)

    def only(self, rows: RowNumbers) -> "LabelledRows":
        """These rows alone, in order."""
        return replace(
            self,
            x={name: take_rows(values, rows, BY_SIZE) for name, values in self.x.items()},
            y=self.y[rows],
            raw=self.raw.only(rows) if self.raw else None,
            index=[self.index[int(row)] for row in rows],
            seen=self.seen.only(rows) if self.seen else None,
            series=[self.series[int(row)] for row in rows] if self.series else None,
            series_scale=self.series_scale.of(rows) if self.series_scale else None,
            weights=None if self.weights is None else self.weights[rows],
        )


@dataclass(frozen=True, kw_only=True)
class Framing(ABC):
    """How the rows of one kind of task are made.

    `encoders` are those of a dataset of it; `batching` says how much of other data of its form may
    be in memory at once.
    """

    encoders: Mapping[str, Any]
    batching: Batching = BY_SIZE

    @cached_property
    def inputs(self) -> tuple[Encoder, ...]:
        """The encoders of the inputs."""
        return encoders_from(self.encoders)

    @staticmethod
    @abstractmethod
    def load(source: Any, config: DataConfig, batching: Batching) -> Dataset:
        """Read a source and understand it.

        Args:
            source: as `load_dataset` takes it.
            config: what is asked of the reading.
            batching: how much of the source may be in memory at once.

        Raises:
            DataNotFoundError: no such path or built-in set.
            DataError: the data cannot be read, or there is nothing in it to learn.
        """

    @abstractmethod
    def encode(self, source: Any) -> Encoded:
        """All rows of a source to predict; raises as `data.encode`."""

    def encode_parts(self, source: Any) -> Iterator[Encoded]:
        """As `encode`; of a source that is too large for memory, a part of it after another."""
        yield self.encode(source)

    @abstractmethod
    def labelled(self, source: Any, target: TargetSpec, columns: Sequence[str]) -> LabelledRows:
        """The rows of a source to score on; arguments and errors as of `data.read_labelled`."""

"""A user's history as codes: the newest first, 0 after the oldest.

Codes 1 and 2 are those of a text's start and of a hidden token, so that what hides and restores
tokens of a text does the same for a history; things count from 3 on.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from autosynth.data.column.path import Folders
from autosynth.data.encoder.encoder import Encoder, Transformed
from autosynth.data.encoder.feature import code_counts
from autosynth.data.encoder.text import MASK
from autosynth.spec import InputSpec, Kind, RowNumbers, SeenItems

HISTORY = "history"
FIRST_ITEM = MASK + 1
MOST_PLACES = 50
_LEAST_PLACES = 4
_COVERED = 0.95  # of the training rows are read whole, where that is possible


@dataclass(frozen=True, kw_only=True)
class IdsEncoder(Encoder):
    """Reads the newest items of each row's user, of `shape` (length,).

    `vocabulary` is one more than the largest code; `cut` is the fraction of training rows whose
    history is longer.
    """

    kind: ClassVar[Kind] = "ids"
    shape: tuple[int, ...]
    vocabulary: int
    cut: float = 0.0

    @classmethod
    def fit(cls, sizes: NDArray[np.int64], n_items: int) -> Self:
        """What histories of these `sizes` (training rows) make, of so many items."""
        length = int(
            np.clip(np.quantile(sizes, _COVERED, method="higher"), _LEAST_PLACES, MOST_PLACES)
        )
        cut = float((sizes > length).mean())
        return cls(name=HISTORY, shape=(length,), vocabulary=n_items + FIRST_ITEM, cut=cut)

    def transform(self, rows: SeenItems, place: str = "", folders: Folders = "") -> Transformed:
        """Codes (n, length) of the histories, one a row."""
        at = rows.stop[:, None] - 1 - np.arange(self.shape[0])
        there = at >= rows.start[:, None]
        codes = np.where(there, rows.codes[at.clip(min=0)] + FIRST_ITEM, 0)
        return Transformed(values=codes.astype(np.int32))

    @property
    def spec(self) -> InputSpec:
        """The input that it makes."""
        return InputSpec(
            name=self.name,
            kind=self.kind,
            shape=self.shape,
            cardinalities=(self.vocabulary,),
            masked=True,
        )

    def describe(self, x: NDArray[Any], train: RowNumbers) -> Iterator[str]:
        """A line on how long histories are."""
        sizes = (x > 0).sum(1)
        cut = f"; {self.cut:.2%} are longer and cut" if self.cut else ""
        yield (
            f"input       {self.name}: ids, {sizes.min()} ... {sizes.max()} of them, mean "
            f"{sizes.mean():.1f}{cut}"
        )

    @classmethod
    def few_numbers(cls, x: NDArray[Any], spec: InputSpec) -> NDArray[np.float64]:
        """How often a row holds each of the most frequent things."""
        return code_counts(x)

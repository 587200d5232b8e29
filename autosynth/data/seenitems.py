"""What each row's user had before: the things that a ranking leaves out.

Users' codes stand in one line, a user's own together and in order of time; a row knows where its
own begin and end there. So all rows of a long history share it.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autosynth.data.types import RowNumbers


@dataclass(frozen=True, kw_only=True)
class SeenItems:
    """Row `i` had `codes[start[i]:stop[i]]` before, as codes of the target, oldest first."""

    codes: NDArray[np.int64]
    start: RowNumbers
    stop: RowNumbers

    def only(self, rows: RowNumbers) -> "SeenItems":
        """That of some rows, in their order."""
        return replace(self, start=self.start[rows], stop=self.stop[rows])

    def pairs(self) -> tuple[RowNumbers, RowNumbers]:
        """Row numbers and codes, a pair for each thing that a row had before."""
        sizes = self.stop - self.start
        rows = np.repeat(np.arange(len(sizes)), sizes)
        places = np.arange(len(rows)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        return rows, self.codes[self.start[rows] + places]

    def without(self, scores: NDArray[Any]) -> NDArray[Any]:
        """Scores of 0 or more (rows, codes) with 0 for what a row had before, as shares of 1."""
        left = scores.astype(np.float64)
        left[self.pairs()] = 0.0
        shares: NDArray[np.float64] = left / np.maximum(left.sum(1, keepdims=True), 1e-300)
        return shares

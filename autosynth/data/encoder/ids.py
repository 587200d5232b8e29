"""A user's history as codes: the newest first, 0 after the oldest.

Codes 1 and 2 are those of a text's start and of a hidden token, so that what hides and restores
tokens of a text does the same for a history; things count from 3 on.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autosynth.data.encoder.text import MASK

HISTORY = "history"
FIRST_ITEM = MASK + 1
MOST_PLACES = 50
_LEAST_PLACES = 4
_COVERED = 0.95  # of the training rows are read whole, where that is possible


def fit_history(sizes: NDArray[np.int64], n_items: int) -> dict[str, Any]:
    """The input that histories of these `sizes` (training rows) make."""
    length = int(
        np.clip(np.quantile(sizes, _COVERED, method="higher"), _LEAST_PLACES, MOST_PLACES)
    )
    return {
        "name": HISTORY,
        "kind": "ids",
        "shape": [length],
        "vocabulary": n_items + FIRST_ITEM,
        "cut": float((sizes > length).mean()),
    }


def apply_history(
    fitted: Mapping[str, Any], codes: NDArray[np.int64], start: NDArray[np.int64],
    stop: NDArray[np.int64],
) -> NDArray[np.int32]:  # fmt: skip
    """Codes (n, length) of the histories `codes[start:stop]`, one a row."""
    (length,) = fitted["shape"]
    at = stop[:, None] - 1 - np.arange(length)
    there = at >= start[:, None]
    found: NDArray[np.int32] = np.where(there, codes[at.clip(min=0)] + FIRST_ITEM, 0).astype(
        np.int32
    )
    return found

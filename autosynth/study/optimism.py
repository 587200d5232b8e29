"""How hopeful the score of what was chosen is: the best of many on the same rows is lucky, too.

The choice is made again on resamples of the rows, and each time what it would have chosen is
scored on the rows that are not in the resample: by the mean of these the best score is too high
(Tsamardinos, Greasidou and Borboudakis, 2018, "Bootstrapping the out-of-sample predictions for
efficient and accurate cross-validation").
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from autosynth.spec import Array
from autosynth.task.metric import Scorer

# Enough for a mean whose standard error is a tenth of the spread of one resample.
RESAMPLES = 100


@dataclass(frozen=True, kw_only=True)
class ChosenAmong:
    """What a run's best strategy was chosen among, on how many rows.

    `parts` were trained alone; `means` of two and three of them and `cascades` of two were scored
    by arithmetic, all there are where it `is_whole`. `gain_left` is by how much the best of what
    was scored so, and not made a trial, is over the front at its cost. `optimism` is by how much
    the best score is too high for having been chosen; None where rows are too few to say.
    """

    parts: int
    means: int
    cascades: int
    is_whole: bool
    gain_left: float
    rows: int
    optimism: float | None

    def to_dict(self) -> dict[str, Any]:
        """As plain values."""
        return asdict(self)


def optimism(
    scorers: Sequence[Scorer], rows: int, weights: Array | None = None, *, seed: int
) -> float | None:
    """By how much the best of some scores is too high for being the best; 0 or more.

    Args:
        scorers: of each candidate, on the same rows.
        rows: how many these are.
        weights: (rows,), how much each counts; None where all count alike.
        seed: of the resamples.
    """
    rng, found = np.random.default_rng(seed), []
    weights = np.ones(rows) if weights is None else weights
    best = float(np.nanmax([scorer(weights) for scorer in scorers]))
    for _ in range(RESAMPLES):
        inside = np.bincount(rng.integers(0, rows, rows), minlength=rows).astype(np.float64)
        scores = np.array([scorer(inside * weights) for scorer in scorers])
        if np.isnan(scores).all():
            continue
        chosen = int(np.nanargmax(scores))
        outside = scorers[chosen]((inside == 0) * weights)
        if not math.isnan(outside):
            found.append(outside)
    return max(0.0, best - float(np.mean(found))) if len(found) > RESAMPLES // 2 else None

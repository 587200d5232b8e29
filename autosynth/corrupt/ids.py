"""Damage to histories (n, length), codes of things met before: some of them were not recorded."""

import numpy as np

from autosynth.corrupt.corruption import Corruption, Given
from autosynth.spec import Array


def _dropped(x: Array, amount: float, given: Given) -> Array:
    """Some things are gone, and older ones move up; of a history, one thing at least is left."""
    chance = given.rng.random(x.shape)
    there = x > 0
    luckiest = np.where(there, chance, -1.0).argmax(axis=1)
    kept = there & (chance >= amount)
    kept[np.arange(len(x)), luckiest] |= there.any(axis=1)
    order = np.argsort(~kept, axis=1, kind="stable")
    return np.take_along_axis(np.where(kept, x, 0), order, 1).astype(x.dtype)


IDS = (
    Corruption(
        name="dropped",
        about="share of the things met before that were not recorded",
        amounts=(0.1, 0.2, 0.3, 0.4, 0.5),
        damage=_dropped,
    ),
)

"""Histories as codes (B, places) of things met before: read as texts are; some go unrecorded."""

import numpy as np

from autosynth.modality.modality import Corruption, Given, TrainingLength
from autosynth.modality.text import TextModality, TextStem
from autosynth.piece import Grid, Piece, coarser
from autosynth.spec import Array, InputSpec


def _dropped(x: Array, amount: float, given: Given) -> Array:
    """Some things are gone, and older ones move up; of a history, one thing at least is left."""
    chance = given.rng.random(x.shape)
    there = x > 0
    luckiest = np.where(there, chance, -1.0).argmax(axis=1)
    kept = there & (chance >= amount)
    kept[np.arange(len(x)), luckiest] |= there.any(axis=1)
    order = np.argsort(~kept, axis=1, kind="stable")
    return np.take_along_axis(np.where(kept, x, 0), order, 1).astype(x.dtype)


_CORRUPTIONS = (
    Corruption(
        name="dropped",
        about="share of the things met before that were not recorded",
        amounts=(0.1, 0.2, 0.3, 0.4, 0.5),
        damage=_dropped,
    ),
)


class IdsModality(TextModality):
    """Things that a user met, the newest first."""

    name = "ids"
    space = "recommend"
    leads = True
    schedule = TrainingLength()
    corruptions = _CORRUPTIONS
    in_cells = False
    blank_in_cells = False
    unit = " items at most"
    examples = {
        "ids": InputSpec(name="x", kind="ids", shape=(9,), cardinalities=(20,), masked=True)
    }

    def stem(self, spec: InputSpec, uncut: Grid, patch: int, width: int) -> tuple[Piece, Grid]:
        """An embedding at the width itself: of things there are fewer kinds than of words."""
        codes = spec.cardinalities
        make = lambda: TextStem(spec, patch, width)  # noqa: E731
        return Piece(make, 0, codes[0] * width, tied=codes), coarser(uncut, patch)

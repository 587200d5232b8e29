"""What a corruption is: rows of one input in, the same rows damaged by a given amount out."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from autosynth.spec import Array, InputSpec

SEVERITIES = (1, 2, 3, 4, 5)


@dataclass(frozen=True, kw_only=True)
class Given:
    """What a corruption may know beside the rows: their spec, and a row that holds nothing."""

    spec: InputSpec
    blank: Array
    rng: np.random.Generator


Damage = Callable[[Array, float, Given], Array]
"""Rows (as `InputSpec` says; of a text, the texts themselves) and an amount to damaged rows."""


@dataclass(frozen=True, kw_only=True)
class Corruption:
    """One way to damage rows.

    `amounts` are those of severities 1 to 5, in the unit that `about` says. `fits` says whether an
    input holds what would be damaged.
    """

    name: str
    about: str
    amounts: tuple[float, float, float, float, float]
    damage: Damage
    fits: Callable[[InputSpec], bool] = lambda spec: True

"""Damage to tables (n, columns): cells that are missing, noise, categories never seen."""

import numpy as np

from autosynth.corrupt.corruption import Corruption, Given
from autosynth.spec import Array


def _missing(x: Array, amount: float, given: Given) -> Array:
    return np.where(given.rng.random(x.shape) < amount, given.blank, x).astype(x.dtype)


def _noise(x: Array, amount: float, given: Given) -> Array:
    out = x.copy()
    noise = given.rng.standard_normal(x.shape, dtype=np.float32)
    for column, cardinality in enumerate(given.spec.cardinalities):
        known = x[:, column][np.isfinite(x[:, column])]
        if cardinality <= 0 and known.size:  # numbers and dates
            out[:, column] += noise[:, column] * np.float32(amount * known.std())
    return out


def _unknown(x: Array, amount: float, given: Given) -> Array:
    categories = np.array(given.spec.cardinalities) > 0
    hit = (given.rng.random(x.shape) < amount) & categories
    return np.where(hit, 0, x).astype(x.dtype)


TABLE = (
    Corruption(
        name="missing",
        about="share of the cells that are missing",
        amounts=(0.05, 0.1, 0.2, 0.3, 0.5),
        damage=_missing,
    ),
    Corruption(
        name="noise",
        about="deviation of Gaussian noise on numbers, in theirs",
        amounts=(0.1, 0.2, 0.4, 0.7, 1.0),
        damage=_noise,
        fits=lambda spec: min(spec.cardinalities) <= 0,
    ),
    Corruption(
        name="unknown",
        about="share of the categories that training never saw",
        amounts=(0.05, 0.1, 0.2, 0.3, 0.5),
        damage=_unknown,
        fits=lambda spec: max(spec.cardinalities) > 0,
    ),
)

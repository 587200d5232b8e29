"""MNIST-1D, generated: 5,000 series of 40 steps, one digit-like shape each, in 10 classes.

The same numbers as the published set (seed 42), made here so that no network is needed. A port of
`make_dataset` of https://github.com/greydanus/mnist1d (Greydanus and Kobak, "Scaling down deep
learning with MNIST-1D", 2020; Apache-2.0), whose package would bring matplotlib and requests.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

Floats = NDArray[np.float64]

_TEMPLATES: Sequence[Sequence[float]] = (
    (5, 6, 6.5, 6.75, 7, 7, 7, 7, 6.75, 6.5, 6, 5),
    (5, 3, 3, 3.4, 3.8, 4.2, 4.6, 5, 5.4, 5.8, 5, 5),
    (5, 6, 6.5, 6.5, 6, 5.25, 4.75, 4, 3.5, 3.5, 4, 5),
    (5, 6, 6.5, 6.5, 6, 5, 5, 6, 6.5, 6.5, 6, 5),
    (5, 4.4, 3.8, 3.2, 2.6, 2.6, 5, 5, 5, 5, 5, 5),
    (5, 3, 3, 3, 3, 5, 6, 6.5, 6.5, 6, 4.5, 5),
    (5, 4, 3.5, 3.25, 3, 3, 3, 3, 3.25, 3.5, 4, 5),
    (5, 7, 7, 6.6, 6.2, 5.8, 5.4, 5, 4.6, 4.2, 5, 5),
    (5, 4, 3.5, 3.5, 4, 5, 5, 4, 3.5, 3.5, 4, 5),
    (5, 4, 3.5, 3.5, 4, 5, 5, 5, 5, 4.7, 4.3, 5),
)
_ROWS = 5_000
_TRAIN_ROWS = 4_000
_PADDING = (36, 60)
_STEPS = 40
_SCALE = 0.4
_MAX_TRANSLATION = 48
_CORRELATED_NOISE = 0.25
_INDEPENDENT_NOISE = 2e-2
_SHEAR = 0.75


def generate(seed: int = 42) -> tuple[Floats, NDArray[np.int64], Floats, NDArray[np.int64]]:
    """Make the set: `x` (4000, 40), `y` (4000,), `x_test` (1000, 40), `y_test` (1000,).

    Seed 42 gives the published numbers; values have mean 0 and standard deviation 1 over all.
    """
    rng = np.random.RandomState(seed)
    templates = _templates()
    per_class = _ROWS // len(templates)
    x = np.stack([_sample(shape, rng) for shape in templates for _ in range(per_class)])
    y = np.repeat(np.arange(len(templates), dtype=np.int64), per_class)
    shuffled = rng.permutation(len(y))
    x, y = x[shuffled], y[shuffled]
    x = (x - x.mean()) / x.std()
    return x[:_TRAIN_ROWS], y[:_TRAIN_ROWS], x[_TRAIN_ROWS:], y[_TRAIN_ROWS:]


def _templates() -> Floats:
    x = np.asarray(_TEMPLATES, dtype=np.float64)
    x -= x.mean(1, keepdims=True)
    x /= x.std(1, keepdims=True)
    x -= x[:, :1]
    return x / 6.0


def _sample(shape: Floats, rng: np.random.RandomState) -> Floats:
    """One series; the order of the draws from `rng` is the published one."""
    low, high = _PADDING
    x = np.concatenate([shape + 1e-8, np.zeros(low + int(rng.rand() * (high - low + 1)))])
    x = _resample(x, len(shape) + high)
    x = x * (1 + _SCALE * (rng.rand() - 0.5))
    x = np.roll(x, rng.choice(_MAX_TRANSLATION))
    mask = x != 0
    noise = gaussian_filter(_CORRELATED_NOISE * rng.randn(len(x)), 2)
    x = mask * x + (1 - mask) * noise
    x = x + _INDEPENDENT_NOISE * rng.randn(len(x))
    x = x - _SHEAR * (rng.rand() - 0.5) * np.linspace(-0.5, 0.5, len(x))
    return _resample(x, _STEPS)


def _resample(x: Floats, steps: int) -> Floats:
    return np.interp(np.linspace(0, 1, steps), np.linspace(0, 1, len(x)), x)

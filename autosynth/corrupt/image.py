"""Damage to images (n, channels, height, width): noise, blur, contrast, occlusion.

Noise, blur and contrast are those of Hendrycks and Dietterich, "Benchmarking neural network
robustness to common corruptions and perturbations" (2019, arXiv:1903.12261), on values scaled to
0 ... 1; occlusion is the square of DeVries and Taylor (2017, arXiv:1708.04552).
"""

import numpy as np
from scipy.ndimage import gaussian_filter

from autosynth.corrupt.corruption import Corruption, Given
from autosynth.spec import Array

_SIDE = 32  # pixels, of the images that the blur's amounts are of


def _noise(x: Array, amount: float, given: Given) -> Array:
    low, high = _range(x)
    noise = given.rng.standard_normal(x.shape, dtype=np.float32)
    return _back(x + noise * np.float32(amount * (high - low)), x)


def _blur(x: Array, amount: float, given: Given) -> Array:
    sigma = amount * max(1.0, min(x.shape[2:]) / _SIDE)
    return _back(gaussian_filter(x.astype(np.float32), (0, 0, sigma, sigma)), x)


def _contrast(x: Array, amount: float, given: Given) -> Array:
    mean = x.mean(axis=(2, 3), keepdims=True, dtype=np.float32)
    return _back((x - mean) * np.float32(amount) + mean, x)


def _occlusion(x: Array, amount: float, given: Given) -> Array:
    height, width = x.shape[2:]
    sides = (max(1, round(height * amount**0.5)), max(1, round(width * amount**0.5)))
    out = x.copy()
    # One place for each row, as a share, so that a larger square covers the smaller ones.
    places = given.rng.random((len(x), 2))
    for row, (down, along) in enumerate(places):
        top, left = round(down * (height - sides[0])), round(along * (width - sides[1]))
        hidden = out[row, :, top : top + sides[0], left : left + sides[1]]
        hidden[:] = x[row].mean(axis=(1, 2), keepdims=True).astype(x.dtype)
    return out


def _range(x: Array) -> tuple[float, float]:
    return (0.0, 255.0) if x.dtype == np.uint8 else (float(x.min()), float(x.max()))


def _back(values: Array, x: Array) -> Array:
    """Values within the range of `x` and of its type."""
    clipped = np.clip(values, *_range(x))
    return (np.rint(clipped) if x.dtype == np.uint8 else clipped).astype(x.dtype)


IMAGE = (
    Corruption(
        name="noise",
        about="deviation of Gaussian noise, as a share of the range",
        amounts=(0.08, 0.12, 0.18, 0.26, 0.38),
        damage=_noise,
    ),
    Corruption(
        name="blur",
        about="deviation of a Gaussian, in pixels of an image of 32",
        amounts=(0.4, 0.6, 0.7, 0.8, 1.0),
        damage=_blur,
    ),
    Corruption(
        name="contrast",
        about="share of the contrast that is left",
        amounts=(0.75, 0.5, 0.4, 0.3, 0.15),
        damage=_contrast,
    ),
    Corruption(
        name="occlusion",
        about="share of the area behind a square of the mean colour",
        amounts=(0.05, 0.1, 0.2, 0.3, 0.4),
        damage=_occlusion,
    ),
)

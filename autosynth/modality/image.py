"""Images (B, C, H, W): a convolution reads them, patches are hidden, and the world blurs them.

Noise, blur and contrast are those of Hendrycks and Dietterich, "Benchmarking neural network
robustness to common corruptions and perturbations" (2019, arXiv:1903.12261), on values scaled to
0 ... 1; occlusion is the square of DeVries and Taylor (2017, arXiv:1708.04552).
"""

from collections.abc import Sequence

import numpy as np
import torch
from scipy.ndimage import gaussian_filter
from torch import Tensor

from autosynth.modality.convolution import ConvolutionModality
from autosynth.modality.modality import (
    Corruption,
    Given,
    TrainingLength,
)
from autosynth.spec import Array, InputSpec

# Pixels a side of the images that the blur's amounts are of: those of CIFAR-10-C.
_SIDE = 32


def augmented_pictures(x: Tensor, level: str, *, mirror: bool = True) -> Tensor:
    """Shift by up to 1/14 of each side (He et al., 2016); strong: mirror and blank a square."""
    batch, _, height, width = x.shape
    rows = _shifted(batch, height, max(1, height // 14), x.device)
    columns = _shifted(batch, width, max(1, width // 14), x.device)
    if level == "strong" and mirror:
        mirrored = torch.rand(batch, 1, device=x.device) < 0.5
        columns = torch.where(mirrored, columns.flip(1), columns)
    at = torch.arange(batch, device=x.device)[:, None, None]
    # Indexing on both axes at once leaves channels last: put them back at the end.
    x = x.permute(0, 2, 3, 1)[at, rows[:, :, None], columns[:, None, :]]
    x = _blank_square(x) if level == "strong" else x
    return x.permute(0, 3, 1, 2)


def _shifted(batch: int, size: int, reach: int, device: torch.device) -> Tensor:
    """Places along an axis after a random shift for each row; the edge repeats."""
    shift = torch.randint(-reach, reach + 1, (batch, 1), device=device)
    return (torch.arange(size, device=device) + shift).clamp(0, size - 1)


def _blank_square(x: Tensor) -> Tensor:
    """Half of the images lose a square of a quarter to half a side (DeVries and Taylor, 2017)."""
    batch, height, width, _ = x.shape

    def span(size: int) -> Tensor:
        length = torch.randint(size // 4, size // 2 + 1, (batch, 1), device=x.device)
        start = (torch.rand(batch, 1, device=x.device) * size).long() - length // 2
        place = torch.arange(size, device=x.device)
        return (place >= start) & (place < start + length)

    inside = span(height)[:, :, None] & span(width)[:, None, :]
    inside &= torch.rand(batch, 1, 1, device=x.device) < 0.5
    return x.masked_fill(inside.unsqueeze(-1), 0)


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
    return (0.0, 255.0) if x.dtype == np.uint8 else (float(np.nanmin(x)), float(np.nanmax(x)))


def _back(values: Array, x: Array) -> Array:
    """Values within the range of `x` and of its type."""
    clipped = np.clip(values, *_range(x))
    return (np.rint(clipped) if x.dtype == np.uint8 else clipped).astype(x.dtype)


_CORRUPTIONS = (
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


class ImageModality(ConvolutionModality):
    """Pictures of one size, as raw values of one or several channels."""

    name = "image"
    space = "image"
    # Patches; more a side are hundreds of tokens, whose pairs attention compares.
    most_a_side = 20
    # A side, of those that are hidden: smaller ones are restored from their neighbours without
    # learning what is in the picture (He et al., 2022, hide patches of 16 pixels of 224).
    spans = 8
    mask_ratio = 0.5
    schedule = TrainingLength(epochs=25)
    corruptions = _CORRUPTIONS
    examples = {"image": InputSpec(name="x", kind="image", shape=(1, 6, 8))}

    def augment(self, x: Tensor, spec: InputSpec, level: str) -> Tensor:
        """Moved a little; strong: also mirrored, and a square blanked."""
        return augmented_pictures(x, level)

    def limit(self, specs: Sequence[InputSpec]) -> str:
        """Their size."""
        return "Images must have the size above; they are not resized."

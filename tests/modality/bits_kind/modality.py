"""Bits to tokens: a linear map of each byte, or of some of them."""

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from autosynth.modality import Corruption, Modality
from autosynth.piece import Piece, Stem, coarser, n_tokens
from autosynth.spec import InputSpec


class ByteStem(Stem):
    """Bits (B, bits) to a token for every `patch` bytes."""

    def __init__(self, bits, patch, width):
        super().__init__()
        self.size = 8 * patch
        self.pad = -bits % self.size
        self.linear = nn.Linear(self.size, width)
        self.register_buffer("mean", torch.zeros(bits))

    def fit(self, raw):
        self.mean.copy_(raw.mean(0))

    def forward(self, raw):
        x = F.pad((raw - self.mean).to(self.linear.weight.dtype), (0, self.pad))
        return self.linear(torch.unflatten(x, 1, (-1, self.size))), None


def flip(x, amount, given):
    return np.where(given.rng.random(x.shape) < amount, 1 - x, x).astype(x.dtype)


class Bits(Modality):
    """Bits of a fingerprint."""

    name = "bits"
    most_a_side = 64
    unit = " bits"
    examples = {"bits": InputSpec(name="x", kind="bits", shape=(20,))}
    corruptions = (
        Corruption(
            name="flipped",
            about="share of the bits that are flipped",
            amounts=(0.02, 0.05, 0.1, 0.2, 0.3),
            damage=flip,
        ),
    )

    def grid(self, spec, plane):
        return (-(-spec.shape[0] // 8),)

    def stem(self, spec, uncut, patch, width):
        grid, weights = coarser(uncut, patch), 8 * patch * width
        make = lambda: ByteStem(spec.shape[0], patch, width)  # noqa: E731
        return Piece(make, 2 * n_tokens(grid) * weights, weights + width), grid

    def augment(self, x, spec, level):
        return torch.where(torch.rand_like(x) < 0.02, 1 - x, x)

    def limit(self, specs):
        return "Of longer fingerprints the first bits are read."

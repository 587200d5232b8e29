"""Pictures in a row (B, C, steps, H, W): slices of a scan, frames of a film.

A part that convolves pictures (`cnn`) reads a `Film`, each picture by itself with the same
weights; what follows it in a chain reads a token a picture. So `cnn > gru` is what the literature
calls a recurrent convolutional network (Donahue et al., 2015, arXiv:1411.4389). To any other part
a small network of the stem gives the token of each picture. What a shorter row lacks is NaN.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from math import prod

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from autosynth.data.encoder.series import lengths
from autosynth.modality.convolution import ConvolutionStem
from autosynth.modality.image import ImageModality, augmented_pictures
from autosynth.modality.modality import (
    Corruption,
    Damage,
    Given,
    Modality,
    TrainingLength,
    conceal_by_mean,
    moments,
    statistics,
)
from autosynth.modality.series import stretch
from autosynth.piece import (
    Film,
    Grid,
    Piece,
    Regrid,
    Tokens,
    coarser,
    linear_piece,
    n_tokens,
    to_tokens,
)
from autosynth.spec import Array, InputSpec

# Cells a side of a picture whose token the stem makes: as a `cnn` cuts it, and then halved until
# a linear map of all cells is small (16 of them at the width 32: 16,000 weights).
_CUT, _LEFT = 16, 4
# Blocks a side that a hidden picture is restored as: its pixels would be most of the weights.
_RESTORED = 8


class FramesStem(ConvolutionStem):
    """Pictures in a row (B, C, steps, H, W), each standardised and convolved at stride `patch`.

    A token is a patch of one picture, masked where the picture is missing.
    """

    def __init__(self, spec: InputSpec, patch: int, width: int) -> None:
        super().__init__(_picture(spec), patch, width)
        self.can_miss = spec.masked

    def forward(self, raw: Tensor) -> Tokens:
        """The tokens of one picture after another."""
        x, mask = self.convolved(raw)
        x = torch.unflatten(to_tokens(x), 0, (-1, raw.shape[2]))
        mask = None if mask is None else mask.repeat_interleave(x.shape[2], 1)
        return x.flatten(1, 2), mask

    def convolved(self, raw: Tensor) -> tuple[Tensor, Tensor | None]:
        """Maps of all pictures (B * steps, D, H, W), and which of them are there (B, steps)."""
        x = raw.to(self.mean.dtype).transpose(1, 2).flatten(0, 1)
        mask = None
        if self.can_miss:
            known = ~x.isnan()
            x = torch.where(known, x, self.mean)
            mask = torch.unflatten(known.flatten(1).any(1), 0, (-1, raw.shape[2]))
        x = ((x - self.mean) * self.scale).contiguous(memory_format=torch.channels_last)
        return self.conv(x), mask


class Halving(nn.Module):
    """A residual block that halves a map: norm, GELU, a convolution of stride 2."""

    def __init__(self, width: int) -> None:
        super().__init__()
        # Over one picture alone, whatever else is in the row or the batch.
        self.norm = nn.GroupNorm(1, width)
        self.conv = nn.Conv2d(width, width, 3, stride=2, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, D, H, W) to (N, D, H / 2, W / 2), rounded up."""
        pooled = F.avg_pool2d(x, 2, ceil_mode=True, count_include_pad=False)
        changed: Tensor = self.conv(F.gelu(self.norm(x)))
        return pooled + changed


class PictureTokenStem(FramesStem):
    """A token a picture: a small convolutional network, which all pictures share.

    Where steps are cut, the means of `patch` neighbours are taken.
    """

    def __init__(self, spec: InputSpec, patch: int, width: int) -> None:
        cell, maps = _maps(spec)
        super().__init__(spec, cell, width)
        self.halvings = nn.ModuleList(Halving(width) for _ in maps[1:])
        self.linear = nn.Linear(n_tokens(maps[-1]) * width, width)
        steps = (spec.shape[1],)
        self.regrid = Regrid(steps, coarser(steps, patch), patch if patch > 1 else 0)

    def forward(self, raw: Tensor) -> Tokens:
        """A token a step, or a few steps."""
        x, mask = self.convolved(raw)
        for halve in self.halvings:
            x = halve(x)
        tokens = torch.unflatten(self.linear(x.flatten(1)), 0, (-1, raw.shape[2]))
        found: Tokens = self.regrid((tokens, mask))
        return found


class ReconstructFrames(nn.Module):
    """Tokens and pictures (B, C, steps, H, W) to the loss of restoring those that are hidden.

    Each is restored as means over blocks, at most eight a side. Tokens that stand on the steps, or
    on a film, restore their own picture; others restore all of them together.
    """

    def __init__(self, spec: InputSpec, grid: Grid, width: int) -> None:
        super().__init__()
        self.steps, self.blocks = spec.shape[1], _blocks(spec)
        _, inputs, outputs = _restoring(spec, grid, width)
        self.apart = grid[0] == self.steps
        self.linear = nn.Linear(inputs, outputs)

    def forward(self, tokens: Tokens, raw: Tensor, masked: Tensor) -> Tensor:
        """The mean loss over hidden pictures that are known."""
        mean, scale = statistics(raw)
        target = ((raw - mean) / scale).nan_to_num().transpose(1, 2).flatten(0, 1)
        target = F.adaptive_avg_pool2d(target, self.blocks).flatten(1)
        target = torch.unflatten(target, 0, (-1, self.steps))
        known = (masked & ~raw.isnan()).transpose(1, 2).flatten(2).any(2)
        x = torch.unflatten(tokens[0], 1, (self.steps, -1)) if self.apart else tokens[0]
        guess = self.linear(x.flatten(2) if self.apart else x.flatten(1)).reshape(target.shape)
        loss: Tensor = (guess - target).square().mean(2) * known
        return loss.sum() / known.sum().clamp(min=1)


def _picture(spec: InputSpec) -> InputSpec:
    """One of the pictures."""
    channels, _, height, width = spec.shape
    return replace(spec, kind="image", shape=(channels, height, width), masked=False)


def _maps(spec: InputSpec) -> tuple[int, tuple[Grid, ...]]:
    """How coarse a picture is cut that becomes one token, and the maps that it goes through."""
    cell = 1
    while max(coarser(spec.shape[2:], cell)) > _CUT:
        cell *= 2
    maps = [coarser(spec.shape[2:], cell)]
    while max(maps[-1]) > _LEFT:
        maps.append(coarser(maps[-1], 2))
    return cell, tuple(maps)


def _blocks(spec: InputSpec) -> tuple[int, int]:
    height, width = spec.shape[2:]
    return min(height, _RESTORED), min(width, _RESTORED)


def _restoring(spec: InputSpec, grid: Grid, width: int) -> tuple[int, int, int]:
    """How often the linear map is applied that restores, its inputs and its outputs."""
    steps, values = spec.shape[1], spec.shape[0] * prod(_blocks(spec))
    if grid[0] == steps:
        return steps, n_tokens(grid) // steps * width, values
    return 1, n_tokens(grid) * width, steps * values


def _convolution(channels: int, kernel: int, to: Grid, width: int) -> tuple[int, int]:
    """FLOPs and parameters of a convolution that leaves a map."""
    weights = channels * kernel**2 * width
    return 2 * n_tokens(to) * weights, weights + width


def _token_stem(spec: InputSpec, patch: int, width: int) -> Piece:
    """`PictureTokenStem` with its cost."""
    cell, maps = _maps(spec)
    flops, params = _convolution(spec.shape[0], 2 * cell + 1, maps[0], width)
    for to in maps[1:]:
        more, weights = _convolution(width, 3, to, width)
        flops, params = flops + more, params + weights + 2 * width
    inputs = n_tokens(maps[-1]) * width
    flops, params = flops + 2 * inputs * width, params + inputs * width + width
    make = lambda: PictureTokenStem(spec, patch, width)  # noqa: E731
    return Piece(make, spec.shape[1] * flops, params, tied=spec.shape[2:])


def _on_all(x: Array, amount: float, given: Given, *, damage: Damage) -> Array:
    """The pictures of a row damaged alike, as if their pixels lay one on the other."""
    rows, _, _, height, width = x.shape
    damaged: Array = damage(x.reshape(rows, -1, height, width), amount, given)
    return damaged.reshape(x.shape)


def _gap(x: Array, amount: float, given: Given) -> Array:
    """A stretch of pictures is missing; where there is no mask, the one before it stands there."""
    n, steps = x.shape[0], np.arange(x.shape[2])
    absent = np.isnan(x).all(axis=(1, 3, 4)) if x.dtype.kind == "f" else np.zeros((n, len(steps)))
    start, end = stretch(lengths(np.where(absent, np.nan, 0.0)[:, None]), amount, given.rng)
    inside = (steps >= start[:, None]) & (steps < end[:, None])
    if given.spec.masked:
        return np.where(inside[:, None, :, None, None], np.array(np.nan, x.dtype), x)
    before = np.where(start > 0, start - 1, np.minimum(end, len(steps) - 1))
    source = np.where(inside, before[:, None], steps)
    return np.take_along_axis(x, source[:, None, :, None, None], 2)


_CORRUPTIONS = (
    *(replace(c, damage=partial(_on_all, damage=c.damage)) for c in ImageModality.corruptions),
    Corruption(
        name="gap",
        about="share of the pictures that one gap a row takes",
        amounts=(0.05, 0.1, 0.2, 0.3, 0.5),
        damage=_gap,
    ),
)


class FramesModality(Modality):
    """Pictures of one size in an order, as many in each row or not."""

    name = "frames"
    space = "frames"
    mask_ratio = 0.4
    # A row costs as much as all its pictures: as of sounds.
    schedule = TrainingLength(epochs=20, least_steps=600, most_steps=1_000, batches=32)
    corruptions = _CORRUPTIONS
    examples = {
        "frames": InputSpec(name="x", kind="frames", shape=(1, 5, 6, 8)),
        "unequal frames": InputSpec(name="x", kind="frames", shape=(1, 5, 6, 8), masked=True),
    }

    def grid(self, spec: InputSpec, plane: bool) -> Grid:
        """Each picture as a plane, or the steps alone."""
        return Film(spec.grid) if plane else spec.grid[:1]

    def stem(self, spec: InputSpec, uncut: Grid, patch: int, width: int) -> tuple[Piece, Grid]:
        """A convolution over each picture, or a small network that makes one token of it."""
        grid = coarser(uncut, patch)
        if not isinstance(uncut, Film):
            return _token_stem(spec, patch, width), grid
        flops, params = _convolution(spec.shape[0], 2 * patch + 1, grid, width)
        return Piece(lambda: FramesStem(spec, patch, width), flops, params), grid

    def features(self, x: Tensor, spec: InputSpec) -> Tensor:
        """Mean and deviation over the steps of the means of at most 8 x 8 blocks of a picture."""
        sides = min(8, x.shape[3]), min(8, x.shape[4])
        blocks = F.adaptive_avg_pool2d(x.float().flatten(0, 2), sides)
        means = torch.unflatten(blocks.flatten(1), 0, x.shape[:3])
        return torch.cat(moments(means, 2), 1).flatten(1)

    def augment(self, x: Tensor, spec: InputSpec, level: str) -> Tensor:
        """All pictures of a row moved alike; strong: a square blanked in all of them.

        They are not mirrored: whether something goes to the left or to the right may be what
        tells the classes apart.
        """
        missing = x.isnan() if x.is_floating_point() else None
        changed = augmented_pictures(x.flatten(1, 2), level, mirror=False)
        changed = torch.unflatten(changed, 1, x.shape[1:3])
        if missing is None:
            return changed
        return changed.masked_fill(missing.flatten(3).all(3)[..., None, None], torch.nan)

    def mask(self, raw: Tensor, spec: InputSpec) -> Tensor:
        """Whole pictures."""
        hidden = torch.rand(len(raw), 1, raw.shape[2], 1, 1, device=raw.device) < self.mask_ratio
        return hidden.expand_as(raw)

    def conceal(self, raw: Tensor, masked: Tensor) -> Tensor:
        """The mean of the batch."""
        return conceal_by_mean(raw, masked)

    def reconstruct(self, spec: InputSpec, grid: Grid, width: int) -> Piece:
        """`ReconstructFrames` with its cost."""
        make = lambda: ReconstructFrames(spec, grid, width)  # noqa: E731
        return linear_piece(make, *_restoring(spec, grid, width))

    def about_row(self, spec: InputSpec) -> str:
        """The size, and whether steps may be missing."""
        axes = " (channels x steps x height x width)"
        return super().about_row(spec) + axes + (", steps may be missing" if spec.masked else "")

    def limit(self, specs: Sequence[InputSpec]) -> str:
        """Their number, and their size."""
        steps = max(spec.shape[1] for spec in specs)
        return f"Of longer rows the {steps} pictures in the middle are read, of the size above."

    def example_rows(self, spec: InputSpec, rows: int, generator: torch.Generator) -> Tensor:
        """Numbers; where steps may be missing, rows that end early, and one with a gap."""
        x = super().example_rows(spec, rows, generator)
        if spec.masked:
            for row in range(len(x)):
                x[row, :, spec.shape[1] - row % spec.shape[1] :] = torch.nan
            x[0, :, 2] = torch.nan
        return x

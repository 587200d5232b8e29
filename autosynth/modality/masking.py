"""Learning without targets: values of an input are hidden, and restored from what is left.

Masked autoencoding (He et al., 2022, arXiv:2111.06377; for tables VIME, Yoon et al., 2020). A
kind's `Modality` chooses the values of a batch and puts others in their place, by `RawFunction`s;
a module such as `Reconstruct` reads the part's tokens and gives the loss on those values. None of
it stays in the composite.
"""

from collections.abc import Callable
from math import prod

import torch
from torch import Tensor, nn

from autosynth.piece import Grid, Piece, Tokens, coarser, n_tokens
from autosynth.spec import InputSpec


class RawFunction(nn.Module):
    """A function of raw values as a step of a program, without parameters and without cost."""

    def __init__(self, function: Callable[..., Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, *values: Tensor) -> Tensor:
        """What the function gives."""
        return self.function(*values)


def mask_spans(raw: Tensor, most: int, ratio: float) -> Tensor:
    """Hidden patches of images or stretches of series (B, C, ...), the same for all channels.

    The longest side has at most so many of them.
    """
    patch = -(-max(raw.shape[2:]) // most)
    grid = coarser(tuple(raw.shape[2:]), patch)
    masked = torch.rand(raw.shape[0], 1, *grid, device=raw.device) < ratio
    for axis, size in enumerate(raw.shape[2:], start=2):
        masked = masked.repeat_interleave(patch, axis).narrow(axis, 0, size)
    return masked.expand_as(raw)


def conceal_by_mean(raw: Tensor, masked: Tensor) -> Tensor:
    """Values with the batch's mean in the hidden places, as floating numbers. Gaps stay gaps."""
    mean, _ = statistics(raw)
    return torch.where(masked & ~raw.isnan(), mean, raw.float())


class Reconstruct(nn.Module):
    """Tokens and raw values to the loss on the picked values, a scalar.

    Numbers are standardised by the batch and scored by squared error. Tokens that stand on the
    input's grid, or on one cut from it, each restore their own window; others restore all of it
    together.
    """

    def __init__(self, spec: InputSpec, grid: Grid, width: int) -> None:
        super().__init__()
        self.grid, self.spec = grid, spec
        self.factor = window(spec, grid)
        self.linear = nn.Linear(*sizes(spec, grid, width))

    def forward(self, tokens: Tokens, raw: Tensor, masked: Tensor) -> Tensor:
        """The mean loss over picked values that are known."""
        x = tokens[0]
        mean, scale = statistics(raw)
        target = ((raw - mean) / scale).nan_to_num()
        known = (masked & ~raw.isnan()).float()
        if self.factor:
            guess = self._windows(self.linear(x))
        else:
            guess = torch.unflatten(self.linear(x.flatten(1)), 1, self.spec.shape)
        return ((guess - target).square() * known).sum() / known.sum().clamp(min=1)

    def _windows(self, x: Tensor) -> Tensor:
        """A token's window of every channel, put together and cut to the input's size."""
        channels, shape, factor = self.spec.shape[0], self.spec.shape[1:], self.factor
        if len(shape) == 1:
            x = torch.unflatten(x, 2, (channels, factor)).permute(0, 2, 1, 3).flatten(2)
            return x[:, :, : shape[0]]
        x = torch.unflatten(torch.unflatten(x, 1, self.grid), 3, (channels, factor, factor))
        x = x.permute(0, 3, 1, 4, 2, 5).flatten(4, 5).flatten(2, 3)
        return x[:, :, : shape[0], : shape[1]]


def statistics(raw: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and deviation of what is known in a batch, of each channel or column."""
    axes = (0, *range(2, raw.ndim))
    x = raw.float()
    known = ~x.isnan()
    n = known.sum(axes, keepdim=True).clamp(min=1)
    mean = torch.nansum(x, axes, keepdim=True) / n
    square = torch.where(known, (x - mean).square(), torch.zeros((), device=x.device))
    return mean, (square.sum(axes, keepdim=True) / n).sqrt().clamp(min=1e-6)


def window(spec: InputSpec, grid: Grid) -> int:
    """By how much `grid` is cut from that of an input with channels; 0 where it is not."""
    shape = spec.shape[1:]
    return next((f for f in range(1, max(shape, default=0) + 1) if coarser(shape, f) == grid), 0)


def sizes(spec: InputSpec, grid: Grid, width: int) -> tuple[int, int]:
    """Inputs and outputs of the linear map that restores."""
    factor = window(spec, grid)
    if factor:
        return width, spec.shape[0] * factor ** len(grid)
    return n_tokens(grid) * width, prod(spec.shape)


def restoring(make: Callable[[], nn.Module], times: int, inputs: int, outputs: int) -> Piece:
    """A module whose cost is that of one linear map, applied so many times."""
    return Piece(make, 2 * times * inputs * outputs, inputs * outputs + outputs)


def reconstruct_values(
    spec: InputSpec, grid: Grid, width: int, make: Callable[[], nn.Module] | None = None
) -> Piece:
    """`Reconstruct`, or what `make` builds in its place, with its cost."""
    times = n_tokens(grid) if window(spec, grid) else 1
    make = make or (lambda: Reconstruct(spec, grid, width))
    return restoring(make, times, *sizes(spec, grid, width))

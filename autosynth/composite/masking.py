"""Learning without targets: pieces of an input are hidden, and restored from what is left.

Masked autoencoding (He et al., 2022, arXiv:2111.06377; for tables VIME, Yoon et al., 2020):
`CellMask` chooses the cells of a batch, `MaskInput` puts other values in their place, and
`Reconstruct` reads the part's tokens and gives the loss on those cells. None of it stays in the
composite.
"""

from math import prod

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from autosynth.components.piece import Grid, Piece, Tokens, coarser, n_tokens
from autosynth.composite.logmel import picture_of
from autosynth.composite.textmasking import mask_text, reconstruct_text
from autosynth.data.encoder.mel import frames_of
from autosynth.spec import InputSpec

MASK_RATIO = {"image": 0.5, "series": 0.4, "table": 0.3, "text": 0.2, "ids": 0.2, "audio": 0.4}
CODED = ("text", "ids")
PATCHES = 8  # a side of an image
SPANS = 16  # of a series or a sound


class CellMask(nn.Module):
    """Raw values to True where a cell is hidden, of their shape: patches, stretches or columns."""

    def __init__(self, spec: InputSpec) -> None:
        super().__init__()
        self.kind, self.ratio = spec.kind, MASK_RATIO[spec.kind]
        most = {"image": PATCHES, "series": SPANS, "audio": SPANS}.get(spec.kind, 0)
        self.patch = -(-max(spec.grid) // most) if most else 1

    def forward(self, raw: Tensor) -> Tensor:
        """A choice of its own for each row, the same for all channels."""
        if self.kind in ("table", *CODED):
            return torch.rand(raw.shape, device=raw.device) < self.ratio
        if self.kind == "audio":
            return self.spans(raw.unsqueeze(1)).squeeze(1)
        return self.spans(raw)

    def spans(self, raw: Tensor) -> Tensor:
        """Patches of an image or stretches of a series (B, C, ...)."""
        grid = coarser(tuple(raw.shape[2:]), self.patch)
        masked = torch.rand(raw.shape[0], 1, *grid, device=raw.device) < self.ratio
        for axis, size in enumerate(raw.shape[2:], start=2):
            masked = masked.repeat_interleave(self.patch, axis).narrow(axis, 0, size)
        return masked.expand_as(raw)


class MaskInput(nn.Module):
    """Raw values with other ones in the picked cells: the batch's mean, or another row's.

    Tokens of a text and things of a history have a code that says so, and a sound falls silent.
    """

    def __init__(self, spec: InputSpec) -> None:
        super().__init__()
        self.kind = spec.kind

    def forward(self, raw: Tensor, masked: Tensor) -> Tensor:
        """The values, of the same shape, as floating numbers. What is missing stays so."""
        if self.kind == "table":
            other = raw[torch.randint(0, len(raw), (len(raw),), device=raw.device)]
            return torch.where(masked, other, raw)
        if self.kind in CODED:
            return mask_text(raw, masked)
        if self.kind == "audio":
            return torch.where(masked & ~raw.isnan(), 0, raw.float())
        mean, _ = statistics(raw)
        return torch.where(masked & ~raw.isnan(), mean, raw.float())


class Reconstruct(nn.Module):
    """Tokens and raw values to the loss on the picked cells, a scalar.

    Numbers are standardised by the batch and scored by squared error, categories by cross entropy.
    Tokens that stand on the input's grid, or on one cut from it, each restore their own window;
    others restore all of it together.
    """

    def __init__(self, spec: InputSpec, grid: Grid, width: int) -> None:
        super().__init__()
        self.cards = spec.cardinalities if spec.kind == "table" else ()
        self.grid, self.spec = grid, spec
        self.factor = window(spec, grid)
        self.linear = nn.Linear(*sizes(spec, grid, width))

    def forward(self, tokens: Tokens, raw: Tensor, masked: Tensor) -> Tensor:
        """The mean loss over picked cells that are known."""
        x = tokens[0]
        if self.cards:
            return self._table(self.linear(x.flatten(1)), raw, masked)
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

    def _table(self, guess: Tensor, raw: Tensor, masked: Tensor) -> Tensor:
        total, start = guess.new_zeros(()), 0
        mean, scale = statistics(raw)
        target = ((raw - mean) / scale).clamp(-3, 3)
        for column, card in enumerate(self.cards):
            known = masked[:, column] & ~raw[:, column].isnan()
            part = guess[:, start : start + max(1, card)]
            if card > 0:
                codes = raw[:, column].nan_to_num().long()
                loss = F.cross_entropy(part, codes, reduction="none")
            else:
                loss = (part[:, 0] - target[:, column].nan_to_num()).square()
            total = total + (loss * known).sum() / known.sum().clamp(min=1)
            start += max(1, card)
        return total / len(self.cards)


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
    """By how much `grid` is cut from the input's; 0 where it is not."""
    if spec.kind == "table":
        return 0
    shape = spec.shape[1:]
    return next((f for f in range(1, max(shape) + 1) if coarser(shape, f) == grid), 0)


def sizes(spec: InputSpec, grid: Grid, width: int) -> tuple[int, int]:
    """Inputs and outputs of the linear map that restores."""
    if spec.kind == "table":
        return n_tokens(grid) * width, sum(max(1, card) for card in spec.cardinalities)
    factor = window(spec, grid)
    if factor:
        return width, spec.shape[0] * factor ** len(grid)
    return n_tokens(grid) * width, prod(spec.shape)


class ReconstructAudio(Reconstruct):
    """`Reconstruct` for a log-mel picture (B, frames, bands), of which spans of sound are masked.

    Tokens of a line restore all bands of their frames, those of a plane their own.
    """

    def __init__(self, spec: InputSpec, grid: Grid, width: int) -> None:
        super().__init__(picture_of(spec, grid), grid, width)
        self.hop = frames_of(spec).hop

    def forward(self, tokens: Tokens, raw: Tensor, masked: Tensor) -> Tensor:
        """The mean loss over the frames that begin where sound is hidden."""
        masked = masked[:, :: self.hop].unsqueeze(2).expand_as(raw)
        if self.spec.kind == "image":
            return super().forward(tokens, raw.unsqueeze(1), masked.unsqueeze(1))
        return super().forward(tokens, raw.transpose(1, 2), masked.transpose(1, 2))


def reconstruct(spec: InputSpec, grid: Grid, width: int) -> Piece:
    """`Reconstruct` with its cost; codes have their own, and of audio it restores the picture."""
    if spec.kind in CODED:
        return reconstruct_text(spec, grid, width)
    sound, spec = spec, picture_of(spec, grid) if spec.kind == "audio" else spec
    module = ReconstructAudio if sound.kind == "audio" else Reconstruct
    inputs, outputs = sizes(spec, grid, width)
    times = n_tokens(grid) if window(spec, grid) else 1
    return Piece(
        lambda: module(sound, grid, width),
        2 * times * inputs * outputs,
        inputs * outputs + outputs,
    )

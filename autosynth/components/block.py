"""What every family's residual block is made of beside its mixer: norms, a channel MLP, the sum.

A block is `x = x + mixer(norm(x))`, then `x = x + mlp(norm(x))`. These parts know no family, which
is what lets layers of different families be one set of parameters.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from autosynth.components.piece import Grid, Piece, Regrid, Tokens, n_tokens


class BatchNorm(nn.BatchNorm1d):
    """Batch normalisation over all tokens, from whose statistics masked tokens are left out."""

    def forward(self, tokens: Tokens) -> Tokens:  # type: ignore[override]
        """The tokens, normalised."""
        x, mask = tokens
        if not self.training:
            # One multiply-add; also where the number of rows is only known when it runs.
            assert self.running_mean is not None
            assert self.running_var is not None
            scale = self.weight * torch.rsqrt(self.running_var + self.eps)
            shift = self.bias - self.running_mean * scale
            return torch.addcmul(shift.to(x.dtype), x, scale.to(x.dtype)), mask
        rows = x.flatten(0, 1)
        if mask is None:
            return super().forward(rows).view_as(x), mask
        weight = mask.flatten().to(x.dtype).unsqueeze(1)
        n = weight.sum().clamp(min=2.0)
        mean = (rows * weight).sum(0) / n
        var = ((rows - mean).square() * weight).sum(0) / n
        with torch.no_grad():
            assert self.running_mean is not None
            assert self.running_var is not None
            self.running_mean.lerp_(mean.float(), 0.1)
            self.running_var.lerp_((var * n / (n - 1)).float(), 0.1)
        scale = self.weight * torch.rsqrt(var + self.eps)
        return ((rows - mean) * scale + self.bias).view_as(x), mask


class LayerNorm(nn.LayerNorm):
    """Layer normalisation of every token by itself."""

    def forward(self, tokens: Tokens) -> Tokens:  # type: ignore[override]
        """The tokens, normalised."""
        return super().forward(tokens[0]), tokens[1]


NORMS = {"batch": BatchNorm, "layer": LayerNorm}


def norm(kind: str, width: int) -> Piece:
    """A norm of `NORMS` over tokens of one width."""
    return Piece(lambda: NORMS[kind](width), 0, 2 * width)


class ChannelMLP(nn.Module):
    """Linear, GELU, linear: on every token by itself."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.up = nn.Linear(width, hidden)
        self.down = nn.Linear(hidden, width)

    def forward(self, tokens: Tokens) -> Tokens:
        """What the block adds to each token."""
        return self.down(F.gelu(self.up(tokens[0]))), tokens[1]


def channel_mlp(grid: Grid, width: int, expand: int) -> Piece:
    """A `ChannelMLP` whose hidden width is `expand` times the width."""
    hidden = width * expand
    return Piece(
        lambda: ChannelMLP(width, hidden),
        4 * n_tokens(grid) * width * hidden,
        2 * width * hidden + hidden + width,
    )


class Residual(nn.Module):
    """`x + dropout(delta)`, after `x` is brought to the grid that delta stands on."""

    def __init__(self, grid: Grid, to: Grid, dropout: float) -> None:
        super().__init__()
        self.regrid = Regrid(grid, to)
        self.dropout = dropout

    def forward(self, tokens: Tokens, delta: Tokens) -> Tokens:
        """The sum on the grid of `delta`, with the mask of `tokens` there."""
        x, mask = self.regrid(tokens)
        change: Tensor = F.dropout(delta[0], self.dropout, self.training)
        return x + change, mask


def residual(grid: Grid, to: Grid, dropout: float) -> Piece:
    """`Residual`, which has no parameters and no multiply-adds."""
    return Piece(lambda: Residual(grid, to, dropout))

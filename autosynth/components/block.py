"""What every family's residual block is made of beside its mixer: norms, a channel MLP, the sum.

A block is `x = x + mixer(norm(x))`, then `x = x + mlp(norm(x))`. These parts know no family, which
is what lets layers of different families be one set of parameters.
"""

from collections.abc import Sized

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from autosynth.piece import Grid, Piece, Regrid, Tokens, n_tokens

# Channels, fewer than one register of AVX-512 holds: PyTorch's batch norm over rows then goes
# number by number. Rows that are transposed for it made a training at width 8 1.4 to 1.6 times as
# fast.
NARROW = 16


class BatchNorm(nn.BatchNorm1d):
    """Batch normalisation over all tokens, from whose statistics masked tokens are left out.

    A shared one may stand in several places, whose values differ: its parameters are the same in
    all of them, and its running statistics those of each place.
    """

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, width: int, places: int = 1) -> None:
        super().__init__(width)
        if places > 1:
            self.running_mean = torch.zeros(places, width)
            self.running_var = torch.ones(places, width)

    def forward(self, tokens: Tokens, place: Grid = (0,)) -> Tokens:  # type: ignore[override]
        """The tokens, normalised as those of `place`, the number of one."""
        x, mask = tokens
        known_mean, known_var = self.running_mean, self.running_var
        if known_mean.dim() > 1:
            known_mean, known_var = known_mean[place[0]], known_var[place[0]]
        if not self.training:
            # One multiply-add; also where the number of rows is only known when it runs.
            scale = self.weight * torch.rsqrt(known_var + self.eps)
            shift = self.bias - known_mean * scale
            return torch.addcmul(shift.to(x.dtype), x, scale.to(x.dtype)), mask
        if mask is None:
            narrow = x.shape[2] < NARROW and x.device.type == "cpu"
            # A processor's kernel for rows goes number by number where a row is that short.
            rows = x.transpose(1, 2).contiguous() if narrow else x.flatten(0, 1)
            mean, var = known_mean, known_var
            if self.running_mean.dim() > 1:
                # Views of one tensor: what the backward pass keeps of a place, no other may move.
                mean, var = mean.clone(), var.clone()
            found = F.batch_norm(rows, mean, var, self.weight, self.bias, True, 0.1, self.eps)
            if self.running_mean.dim() > 1:
                with torch.no_grad():
                    known_mean.copy_(mean)
                    known_var.copy_(var)
            return found.transpose(1, 2).contiguous() if narrow else found.view_as(x), mask
        rows = x.flatten(0, 1)
        weight = mask.flatten().to(x.dtype).unsqueeze(1)
        n = weight.sum().clamp(min=2.0)
        mean = (rows * weight).sum(0) / n
        var = ((rows - mean).square() * weight).sum(0) / n
        with torch.no_grad():
            known_mean.lerp_(mean.float(), 0.1)
            known_var.lerp_((var * n / (n - 1)).float(), 0.1)
        scale = self.weight * torch.rsqrt(var + self.eps)
        return ((rows - mean) * scale + self.bias).view_as(x), mask


class LayerNorm(nn.LayerNorm):
    """Layer normalisation of every token by itself."""

    def forward(self, tokens: Tokens) -> Tokens:  # type: ignore[override]
        """The tokens, normalised."""
        return super().forward(tokens[0]), tokens[1]


NORMS = {"batch": BatchNorm, "layer": LayerNorm}


def norm(kind: str, width: int, place: int, places: Sized) -> Piece:
    """A norm of `NORMS` over tokens of one width, in the place of that number.

    `places` are all that it stands in, of which there may be more by the time that it is made.
    """

    def make() -> nn.Module:
        return BatchNorm(width, len(places)) if kind == "batch" else NORMS[kind](width)

    return Piece(make, 0, 2 * width, ((place,),) if place and kind == "batch" else ())


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

"""From tokens to outputs: pooling, a head; and several inputs' tokens in one line."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from autosynth.piece import Piece, Tokens, whole_mask
from autosynth.spec import TargetSpec


def pool(tokens: Tokens) -> Tensor:
    """The mean of the real tokens: (B, T, D) to (B, D)."""
    x, mask = tokens
    if mask is None:
        return x.mean(1)
    weight = mask.unsqueeze(-1).to(x.dtype)
    return (x * weight).sum(1) / weight.sum(1).clamp(min=1)


class Pool(nn.Module):
    """`pool` as a step."""

    def forward(self, tokens: Tokens) -> Tensor:
        """Features (batch, width)."""
        return pool(tokens)


class Head(nn.Module):
    """Pooled features to outputs: a linear map, and where `hidden` says so a GELU layer beside it.

    Beside, not between: behind two maps that each shrink what they read, parts learn late. For
    that reason, too, the linear map then keeps the variance at first (LeCun et al., 1998,
    "Efficient BackProp"); by PyTorch's own it would be a third, and less the more parts there are.
    """

    def __init__(self, width: int, outputs: int, hidden: int | None, dropout: float) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.out = nn.Linear(width, outputs)
        self.hidden = hidden
        if hidden is not None:
            nn.init.normal_(self.out.weight, std=width**-0.5)
            self.up = nn.Linear(width, hidden)
            self.down = nn.Linear(hidden, outputs, bias=False)

    def forward(self, features: Tensor) -> Tensor:
        """Outputs of pooled features (batch, width)."""
        outputs: Tensor = self.out(self.dropout(features))
        if self.hidden is not None:
            outputs = outputs + self.down(self.dropout(F.gelu(self.up(features))))
        return outputs


def head(width: int, outputs: int, hidden: int | None, dropout: float) -> Piece:
    """`Head` with its cost."""
    beside = 0 if hidden is None else hidden * (width + outputs)
    weights = width * outputs + beside
    return Piece(
        lambda: Head(width, outputs, hidden, dropout),
        2 * weights,
        weights + outputs + (hidden or 0),
    )


class Heads(nn.Module):
    """A head for each of several targets, their outputs side by side."""

    def __init__(self, target: TargetSpec, width: int, hidden: int | None, dropout: float) -> None:
        super().__init__()
        self.heads = nn.ModuleList(
            Head(width, part.n_outputs, hidden, dropout) for part in target.parts
        )

    def forward(self, features: Tensor) -> Tensor:
        """Outputs (batch, n_outputs) of pooled features (batch, width)."""
        return torch.cat([each(features) for each in self.heads], -1)


def heads(width: int, target: TargetSpec, hidden: int | None, dropout: float) -> Piece:
    """The head of a target, or `Heads` of several."""
    if not target.parts:
        return head(width, target.n_outputs, hidden, dropout)
    each = [head(width, part.n_outputs, hidden, dropout) for part in target.parts]
    return Piece(
        lambda: Heads(target, width, hidden, dropout),
        sum(piece.flops for piece in each),
        sum(piece.params for piece in each),
    )


class JoinTokens(nn.Module):
    """The tokens of several inputs in a row: one line of tokens."""

    whole = True  # those of the second stand where the first one's would end

    def forward(self, *parts: Tokens) -> Tokens:
        """The line; the mask is None where no input has one."""
        tokens = torch.cat([x for x, _ in parts], 1)
        if all(mask is None for _, mask in parts):
            return tokens, None
        return tokens, torch.cat([whole_mask(part) for part in parts], 1)

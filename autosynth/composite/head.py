"""From tokens to outputs: pooling, a head; and several inputs' tokens in one line."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from autosynth.components.piece import Piece, Tokens


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
    """Pooled features to outputs: a linear map, or two with a GELU between."""

    def __init__(self, width: int, outputs: int, hidden: int | None, dropout: float) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.up = nn.Identity() if hidden is None else nn.Linear(width, hidden)
        self.out = nn.Linear(width if hidden is None else hidden, outputs)
        self.hidden = hidden

    def forward(self, features: Tensor) -> Tensor:
        """Outputs of pooled features (batch, width)."""
        x = self.up(features)
        x = x if self.hidden is None else F.gelu(x)
        outputs: Tensor = self.out(self.dropout(x))
        return outputs


def head(width: int, outputs: int, hidden: int | None, dropout: float) -> Piece:
    """`Head` with its cost."""
    params, last = 0, width
    if hidden is not None:
        params, last = width * hidden + hidden, hidden
    weights = width * (hidden or 0) + last * outputs
    return Piece(
        lambda: Head(width, outputs, hidden, dropout),
        2 * weights,
        params + last * outputs + outputs,
    )


class JoinTokens(nn.Module):
    """The tokens of several inputs in a row: one line of tokens."""

    def forward(self, *parts: Tokens) -> Tokens:
        """The line; the mask is None where no input has one."""
        tokens = torch.cat([x for x, _ in parts], 1)
        if all(mask is None for _, mask in parts):
            return tokens, None
        masks = [
            torch.ones(x.shape[:2], dtype=torch.bool, device=x.device) if mask is None else mask
            for x, mask in parts
        ]
        return tokens, torch.cat(masks, 1)

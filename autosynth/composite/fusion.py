"""Fusions: several parts' tokens, outputs or pooled features to one. One explicit dict.

Inside a chain every fusion joins tokens on the first part's grid. At the root, `sum`, `mean`,
`weighted` and `attend` join outputs, each part with a head of its own (`mean` joins probabilities,
the others logits); `concat` and `gated` join pooled features under one non-linear head.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from autosynth.components.piece import Piece, Tokens
from autosynth.errors import StrategyError


def pool(tokens: Tokens) -> Tensor:
    """The mean of the real tokens: (B, T, D) to (B, D)."""
    x, mask = tokens
    if mask is None:
        return x.mean(1)
    weight = mask.unsqueeze(-1).to(x.dtype)
    return (x * weight).sum(1) / weight.sum(1).clamp(min=1)


class Sum(nn.Module):
    """Parts times fixed or learned weights, summed. Tensors of one shape."""

    alpha: Tensor

    def __init__(self, alpha: Sequence[float], learned: bool) -> None:
        super().__init__()
        values = torch.tensor(alpha)
        if learned:
            self.alpha = nn.Parameter(values)
        else:
            self.register_buffer("alpha", values)

    def forward(self, *parts: Tensor) -> Tensor:
        """The weighted sum."""
        return (torch.stack(parts, -1) * self.alpha.to(parts[0].dtype)).sum(-1)


class MeanProbability(nn.Module):
    """The logarithm of the mean of the parts' class probabilities."""

    def forward(self, *parts: Tensor) -> Tensor:
        """Logits whose softmax is the mean."""
        logs = torch.stack([F.log_softmax(part.float(), -1) for part in parts])
        return logs.logsumexp(0) - math.log(len(parts))


class Attend(nn.Module):
    """Attention over the parts: a softmax over scores that are linear in each part's values."""

    def __init__(self, n: int, width: int) -> None:
        super().__init__()
        self.score = nn.Parameter(torch.randn(n, width) * 0.02)
        self.bias = nn.Parameter(torch.zeros(n))

    def forward(self, *parts: Tensor) -> Tensor:
        """The parts, weighted by the softmax."""
        values = torch.stack(parts, -2)
        scores = (values * self.score.to(values.dtype)).sum(-1, keepdim=True)
        return ((scores + self.bias.unsqueeze(-1).to(values.dtype)).softmax(-2) * values).sum(-2)


class Concat(nn.Module):
    """Parts side by side."""

    def forward(self, *parts: Tensor) -> Tensor:
        """Their widths add up."""
        return torch.cat(parts, -1)


class Gated(nn.Module):
    """Parts times gates in (0, 1) that read all of them, summed (Arevalo et al., 2017)."""

    def __init__(self, n: int, width: int) -> None:
        super().__init__()
        self.gate = nn.Linear(n * width, n * width)

    def forward(self, *parts: Tensor) -> Tensor:
        """The sum of the gated parts."""
        gates = self.gate(torch.cat(parts, -1)).sigmoid()
        gated: Tensor = torch.unflatten(gates, -1, (len(parts), -1)) * torch.stack(parts, -2)
        return gated.sum(-2)


@dataclass(frozen=True, kw_only=True)
class Fusion:
    """One method. `joins` says what it joins at the root; `equal` that all widths must be one."""

    name: str
    about: str
    joins: str = "outputs"
    equal: bool = True

    def piece(
        self, args: Sequence[float], rows: int, width: int, n: int, probabilities: bool
    ) -> Piece:
        """The joint of `n` parts of `rows` vectors of `width`; with `args`, the given weights."""
        if self.name == "mean" and probabilities:
            return Piece(MeanProbability)
        if self.name in ("sum", "mean", "weighted"):
            alpha = list(args) or [1.0 if self.name == "sum" else 1 / n] * n
            learned = self.name == "weighted" and not args
            flops = 2 * rows * n * width if self.name == "weighted" else 0
            return Piece(lambda: Sum(alpha, learned), flops, n if learned else 0)
        if self.name == "attend":
            return Piece(lambda: Attend(n, width), 4 * rows * n * width, n * width + n)
        if self.name == "concat":
            return Piece(Concat)
        weights = (n * width) ** 2
        return Piece(
            lambda: Gated(n, width), 2 * rows * (weights + n * width), weights + n * width
        )

    def check(self, args: Sequence[tuple[str | None, object]], n: int) -> tuple[float, ...]:
        """The weights given in brackets, or StrategyError."""
        if not args:
            return ()
        if self.name != "weighted":
            raise StrategyError(f"{self.name} takes no arguments in brackets; leave them out")
        values = [
            float(value)
            for key, value in args
            if key is None and isinstance(value, int | float) and not isinstance(value, bool)
        ]
        if len(values) != n or len(args) != n:
            raise StrategyError(
                f"weighted[...] needs one number a part: {n} parts, {len(args)} arguments; "
                "leave the brackets out to have the weights learned"
            )
        return tuple(values)


FUSIONS: dict[str, Fusion] = {
    fusion.name: fusion
    for fusion in (
        Fusion(name="sum", about="sum of outputs (logits)"),
        Fusion(name="mean", about="mean of outputs (probabilities)"),
        Fusion(name="weighted", about="weighted sum of outputs, weights learned or given"),
        Fusion(name="attend", about="attention over the outputs"),
        Fusion(
            name="concat", about="features side by side, one head", joins="features", equal=False
        ),
        Fusion(name="gated", about="features times gates that read all of them", joins="features"),
    )
}


class Joint(nn.Module):
    """A joint of values applied to tokens; the mask is the first part's."""

    def __init__(self, join: nn.Module) -> None:
        super().__init__()
        self.join = join

    def forward(self, *parts: Tokens) -> Tokens:
        """The joined tokens."""
        return self.join(*(x for x, _ in parts)), parts[0][1]


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


class Pool(nn.Module):
    """`pool` as a step."""

    def forward(self, tokens: Tokens) -> Tensor:
        """Features (batch, width)."""
        return pool(tokens)


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

"""Self-attention: the mixer of the Transformer, and of the light family that ends in queries.

Pre-norm (Xiong et al., 2020, arXiv:2002.04745), with learned positions of the grid.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from autosynth.components.family import Config, Family, Hyperparameter, block_options
from autosynth.piece import Grid, Piece, Tokens, n_tokens, positions

HEADS = Hyperparameter(about="attention heads", default=4, low=1, high=64)


def _exact(x: Tensor) -> Tensor:
    """float32 on a processor, whose fused kernels are ten times slower in bfloat16."""
    return x.float() if x.device.type == "cpu" else x


def attend(query: Tensor, key: Tensor, value: Tensor, heads: int, mask: Tensor | None) -> Tensor:
    """Multi-head attention of (B, Q, D) over (B, T, D); masked tokens are not attended to."""
    q, k, v = (
        torch.unflatten(_exact(t), -1, (heads, -1)).transpose(1, 2) for t in (query, key, value)
    )
    where = None if mask is None else mask[:, None, None, :] | ~mask.any(1)[:, None, None, None]
    with torch.autocast(query.device.type, enabled=False):
        out = F.scaled_dot_product_attention(q, k, v, attn_mask=where)
    return out.transpose(1, 2).flatten(2)


class SelfAttention(nn.Module):
    """Multi-head self-attention over all tokens."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(self, tokens: Tokens) -> Tokens:
        """What every token gathers from all real ones."""
        x, mask = tokens
        query, key, value = self.qkv(x).chunk(3, -1)
        return self.out(attend(query, key, value, self.heads, mask)), mask


def self_attention(config: Config, grid: Grid) -> Piece:
    """`SelfAttention` with its cost: four projections a token, and two products of all pairs."""
    width, heads, tokens = int(config["width"]), int(config["heads"]), n_tokens(grid)
    return Piece(
        lambda: SelfAttention(width, heads),
        8 * tokens * width * width + 4 * tokens * tokens * width,
        4 * width * width + 4 * width,
    )


def heads_problem(config: Config) -> str | None:
    """The heads must divide the width."""
    if int(config["width"]) % int(config["heads"]):
        return f"width={config['width']} must be a multiple of heads={config['heads']}"
    return None


class Transformer(Family):
    """Self-attention and channel MLPs."""

    name = "transformer"
    about = "multi-head self-attention with channel MLPs and positions of the grid"
    options = block_options(expand_by=2, heads=HEADS)

    def problem(self, config: Config) -> str | None:
        """The heads must divide the width."""
        return heads_problem(config)

    def opening(self, config: Config, grid: Grid, width: int) -> tuple[Piece, Grid]:
        """Positions of the grid."""
        return positions(grid, width), grid

    def mixer(self, config: Config, index: int, grid: Grid) -> tuple[Piece, Grid]:
        """Self-attention."""
        return self_attention(config, grid), grid

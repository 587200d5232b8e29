"""Attention: self-attention without channel MLPs, ending in a few learned queries. The light one.

With `depth=0` it is an attention pooling, as in Set Transformer (Lee et al., 2019,
arXiv:1810.00825).
"""

from dataclasses import replace

import torch
from torch import nn

from autosynth.components.family import DEPTH, Config, Family, Hyperparameter, block_options
from autosynth.components.transformer import HEADS, attend, heads_problem, self_attention
from autosynth.piece import Grid, Piece, Tokens, n_tokens, positions


class Queries(nn.Module):
    """Learned queries that attend to all tokens: (B, T, D) to (B, queries, D), nothing masked."""

    def __init__(self, width: int, heads: int, queries: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Parameter(torch.randn(queries, width))
        self.kv = nn.Linear(width, 2 * width)
        self.out = nn.Linear(width, width)

    def forward(self, tokens: Tokens) -> Tokens:
        """What the queries gather from all real tokens."""
        x, mask = tokens
        key, value = self.kv(x).chunk(2, -1)
        # Not x's: autocast leaves what a norm gives in float32 on a GPU.
        query = self.query.to(key.dtype).expand(x.shape[0], -1, -1)
        return self.out(attend(query, key, value, self.heads, mask)), None


class Attention(Family):
    """Self-attention that ends in learned queries."""

    name = "attention"
    about = "self-attention without channel MLPs, ending in learned queries; depth=0: a pooling"
    options = block_options(
        expand_by=0,
        pooled=False,
        depth=replace(DEPTH, default=1, low=0),
        heads=HEADS,
        queries=Hyperparameter(about="learned queries at the end", default=4, low=1, high=64),
    )

    def problem(self, config: Config) -> str | None:
        """The heads must divide the width."""
        return heads_problem(config)

    def leaves(self, config: Config, grid: Grid) -> Grid:
        """A line of as many tokens as there are queries."""
        return (int(config["queries"]),)

    def opening(self, config: Config, grid: Grid, width: int) -> tuple[Piece, Grid]:
        """Positions of the grid."""
        return positions(grid, width), grid

    def mixer(self, config: Config, index: int, grid: Grid) -> tuple[Piece, Grid]:
        """Self-attention."""
        return self_attention(config, grid), grid

    def ending(self, config: Config, grid: Grid) -> tuple[Piece, Grid]:
        """The queries: keys and values of all tokens, two products, one projection."""
        width, heads, queries = (int(config[name]) for name in ("width", "heads", "queries"))
        tokens = n_tokens(grid)
        flops = 4 * tokens * width**2 + 4 * queries * tokens * width + 2 * queries * width**2
        params = queries * width + 3 * width**2 + 3 * width
        return Piece(lambda: Queries(width, heads, queries), flops, params), (queries,)

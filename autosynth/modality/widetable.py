"""Tables of many columns (B, columns), which share tokens: some neighbours each.

Columns stand in an order in which neighbours have to do with each other
(`data/column/group.py`), so that some of them under one token are read together.
"""

from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import Parameter
from torch.nn import functional as F

from autosynth.modality.binning import quantile_edges
from autosynth.piece import Piece, Stem, Tokens
from autosynth.spec import InputSpec

WIDE_BINS = 4
"""Of a number: with 16, as a narrow table's, most of 20 million weights would be of its stem."""


class WideTableStem(Stem):
    """A wide table (B, columns): a token is the sum of what its columns are mapped to.

    Numbers and dates go through a piecewise linear encoding over quartiles (Gorishniy et al.,
    2022, arXiv:2203.05556) and, with a flag for a missing value, a linear map of their own;
    categories are embedded.
    """

    edges: Tensor
    numeric: Tensor
    categorical: Tensor
    starts: Tensor

    def __init__(self, spec: InputSpec, width: int) -> None:
        super().__init__()
        cards = spec.cardinalities
        numeric, categorical = _by_token(cards, spec.tokens)
        tokens, numbers, categories = len(numeric), numeric.shape[1], categorical.shape[1]
        starts = torch.tensor([0, *(max(0, card) for card in cards)]).cumsum(0)
        self.register_buffer("numeric", numeric, persistent=False)
        self.register_buffer("categorical", categorical, persistent=False)
        self.register_buffer("starts", starts, persistent=False)
        edges = torch.linspace(0, 1, WIDE_BINS + 1).repeat(len(cards) + 1, 1)
        self.register_buffer("edges", edges)
        self.bias = Parameter(torch.zeros(tokens, width))
        if numbers:
            inputs = numbers * (WIDE_BINS + 1)
            self.weight = Parameter(torch.randn(tokens, inputs, width) * inputs**-0.5)
        if categories:
            self.embedding = Parameter(torch.randn(int(starts[-1]) + 1, width) * categories**-0.5)

    def fit(self, raw: Tensor) -> None:
        """The quartiles of known values of every numeric column."""
        for column in set(self.numeric.flatten().tolist()):
            values = raw[:, column : column + 1].double().cpu()  # none after the last column
            values = values[~values.isnan()]
            if values.numel():
                self.edges[column] = quantile_edges(values, WIDE_BINS).to(self.edges)

    def forward(self, raw: Tensor) -> Tokens:
        """The tokens, in the order of the columns."""
        raw = F.pad(raw, (0, 1), value=torch.nan)
        tokens = self.bias.expand(len(raw), -1, -1)
        if self.numeric.shape[1]:
            values, edges = raw[:, self.numeric].unsqueeze(-1), self.edges[self.numeric]
            low, high = edges[..., :-1], edges[..., 1:]
            known = ~values.isnan()
            share = ((values - low) / (high - low).clamp(min=1e-12)).clamp(0, 1)
            share = torch.where(known, share, share.new_zeros(()))
            flagged = torch.cat((share, (~known).to(share.dtype)), -1).flatten(2).transpose(0, 1)
            read = torch.bmm(flagged.to(self.weight.dtype), self.weight)
            tokens = tokens + read.transpose(0, 1)
        if self.categorical.shape[1]:
            codes = raw[:, self.categorical].nan_to_num().long() + self.starts[self.categorical]
            tokens = tokens + self.embedding[codes].sum(2)
        return tokens, None


def wide_table(spec: InputSpec, width: int) -> Piece:
    """The stem of a table whose columns share tokens, with its cost."""
    numeric, categorical = _by_token(spec.cardinalities, spec.tokens)
    inputs = numeric.shape[1] * (WIDE_BINS + 1)
    codes = sum(card for card in spec.cardinalities if card > 0) + 1
    rows = len(numeric) * (inputs + 1) + (codes if categorical.shape[1] else 0)
    make = lambda: WideTableStem(spec, width)  # noqa: E731
    return Piece(make, 2 * len(numeric) * inputs * width, rows * width, tied=spec.cardinalities)


@lru_cache(maxsize=8)
def _by_token(cards: tuple[int, ...], tokens: int) -> tuple[Tensor, Tensor]:
    """The places of numeric columns by token, and of categories: (tokens, most of a token) each.

    A token with fewer has the number after the last column instead, of which no row has a value.
    """
    each = -(-len(cards) // tokens)
    starts = range(0, len(cards), each)
    found = []
    for is_category in (False, True):
        chosen = [(card > 0) == is_category for card in cards]
        places = [
            [c for c in range(start, min(start + each, len(cards))) if chosen[c]]
            for start in starts
        ]
        most = max(map(len, places))
        filled = [[*row, *[len(cards)] * (most - len(row))] for row in places]
        found.append(torch.tensor(filled, dtype=torch.long).reshape(len(places), most))
    return found[0], found[1]

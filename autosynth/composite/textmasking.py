"""Restoring the hidden tokens of a text: which of some hundred buckets each one's code falls in.

BERT's task (Devlin et al., 2019, arXiv:1810.04805) with fewer classes than there are tokens: codes
count up from the frequent ones, so these have a bucket of their own, which rare ones fall into
(Weinberger et al., 2009, "Feature hashing", arXiv:0902.2206).
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from autosynth.components.piece import Grid, Piece, Tokens, coarser, n_tokens
from autosynth.data.encoder.text import MASK, START
from autosynth.spec import InputSpec

MOST_BUCKETS, LEAST_BUCKETS, MOST_OUTPUTS = 1024, 32, 2**15


class ReconstructText(nn.Module):
    """Tokens and codes (B, T) to the mean cross entropy over the picked tokens, a scalar.

    Tokens that stand on the text's grid, or on one cut from it, each restore their own window;
    others restore all of it together.
    """

    def __init__(self, spec: InputSpec, grid: Grid, width: int) -> None:
        super().__init__()
        inputs, self.cells, self.buckets = reconstruction_sizes(spec, grid, width)
        self.whole = inputs > width
        self.linear = nn.Linear(inputs, self.cells * self.buckets)

    def forward(self, tokens: Tokens, raw: Tensor, masked: Tensor) -> Tensor:
        """The loss; 0 where nothing is picked."""
        x = tokens[0].flatten(1) if self.whole else tokens[0]
        guess = self.linear(x).reshape(len(raw), -1, self.buckets)[:, : raw.shape[1]]
        hidden = masked & (raw > MASK)
        loss = F.cross_entropy(
            guess.transpose(1, 2), (raw % self.buckets).long(), reduction="none"
        )
        return (loss * hidden).sum() / hidden.sum().clamp(min=1)


def reconstruction_sizes(spec: InputSpec, grid: Grid, width: int) -> tuple[int, int, int]:
    """Of the linear map: its inputs, the codes that it restores at once, and buckets of each."""
    length = spec.shape[0]
    factor = next((f for f in range(1, length + 1) if coarser((length,), f) == grid), 0)
    inputs, cells = (width, factor) if factor else (n_tokens(grid) * width, length)
    buckets = max(LEAST_BUCKETS, min(MOST_BUCKETS, MOST_OUTPUTS // cells))
    return inputs, cells, min(buckets, spec.cardinalities[0])


def reconstruct_text(spec: InputSpec, grid: Grid, width: int) -> Piece:
    """`ReconstructText` with its cost."""
    inputs, cells, buckets = reconstruction_sizes(spec, grid, width)
    times = n_tokens(grid) if inputs == width else 1
    outputs = cells * buckets
    return Piece(
        lambda: ReconstructText(spec, grid, width),
        2 * times * inputs * outputs,
        inputs * outputs + outputs,
    )


def mask_text(raw: Tensor, masked: Tensor) -> Tensor:
    """Codes (B, T) with the picked ones hidden; the start of a text never is."""
    return torch.where(masked & (raw > START), MASK, raw)

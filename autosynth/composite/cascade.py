"""A cascade's own steps: which rows go on, their inputs, and their outputs put back in place.

Rows whose largest class probability is below a threshold go on to the next part; the others skip
its work (BranchyNet, Teerapittayanon et al., 2016, arXiv:1709.01686; Wang et al., 2020,
arXiv:2012.01988). The threshold is fixed on held-back rows so that a given share of them goes on:
what a cascade costs in expectation is then known before it is trained.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from autosynth.composite.join import PostHocModule


class Gate(PostHocModule):
    """Outputs (batch, classes) to the numbers of the rows that go on, (rows,), maybe none."""

    threshold: Tensor

    def __init__(self, fraction: float) -> None:
        super().__init__()
        self.fraction = fraction
        self.register_buffer("threshold", torch.ones(()))

    def forward(self, outputs: Tensor) -> Tensor:
        """Row numbers, ascending."""
        unsure = confidence(outputs) < self.threshold
        return unsure.nonzero().squeeze(1)

    def fit_post_hoc(self, parts: Sequence[Tensor], y: Tensor) -> None:
        """Fix the threshold so that `share` of these rows go on."""
        if len(parts[0]):
            self.threshold.copy_(torch.quantile(confidence(parts[0]), self.fraction))


def confidence(outputs: Tensor) -> Tensor:
    """The largest class probability of each row."""
    return outputs.float().softmax(-1).amax(-1)


class Gather(nn.Module):
    """Some rows of a raw input."""

    def forward(self, raw: Tensor, rows: Tensor) -> Tensor:
        """The rows, in the order of their numbers."""
        return raw.index_select(0, rows)


class Scatter(nn.Module):
    """Outputs of all rows, in which those of some rows take the place of the old ones."""

    def forward(self, outputs: Tensor, rows: Tensor, better: Tensor) -> Tensor:
        """The outputs, (batch, classes)."""
        return outputs.index_copy(0, rows, better.to(outputs.dtype))

"""Restoring hidden pieces: only what was hidden is asked for."""

import torch

from autosynth.modality.modality import Reconstruct
from autosynth.spec import InputSpec


def test_the_loss_is_of_masked_cells_alone() -> None:
    torch.manual_seed(0)
    spec = InputSpec(name="x", kind="series", shape=(1, 8))
    restore = Reconstruct(spec, (8,), width=4)
    tokens = torch.randn(2, 8, 4, requires_grad=True)
    raw, masked = torch.randn(2, 1, 8), torch.zeros(2, 1, 8, dtype=torch.bool)
    masked[0, 0, 3] = masked[1, 0, 6] = True
    restore((tokens, None), raw, masked).backward()
    assert tokens.grad is not None
    moved = tokens.grad.abs().sum(2) > 0
    assert moved.nonzero().tolist() == [[0, 3], [1, 6]]

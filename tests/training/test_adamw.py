"""AdamW without the class around it: the same bits, and no compiler."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from autosynth.training.adamw import AdamW


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(5, 8), nn.LayerNorm(8), nn.Linear(8, 3), nn.Linear(4, 4))


@pytest.mark.parametrize("decay", [0.0, 0.3])
def test_it_moves_weights_as_the_class_does(decay: float) -> None:
    """One layer has no gradient, in some steps only."""
    ours, theirs = network(), network()
    matrices = [p for p in theirs.parameters() if p.ndim > 1]
    vectors = [p for p in theirs.parameters() if p.ndim <= 1]
    groups = [
        {"params": matrices, "weight_decay": decay},
        {"params": vectors, "weight_decay": 0.0},
    ]
    reference, own = (
        torch.optim.AdamW(groups, fused=True),
        AdamW(ours.parameters(), weight_decay=decay),
    )
    for step in range(1, 6):
        x = torch.randn(7, 5, generator=torch.Generator().manual_seed(step))
        for model in (ours, theirs):
            loss = model[:3](x).square().mean()
            loss = loss + (model[3].weight.sum() if step % 2 else 0.0)
            loss.backward()
        for group in reference.param_groups:
            group["lr"] = 0.01 / step
        reference.step()
        reference.zero_grad(set_to_none=True)
        own.step(0.01 / step)
        assert all(p.grad is None for p in ours.parameters())
        for mine, other in zip(ours.parameters(), theirs.parameters(), strict=True):
            assert torch.equal(mine, other)
    assert not torch.equal(ours[3].weight, network()[3].weight)


def test_a_training_brings_no_compiler(python: Callable[..., Any]) -> None:
    code = (
        "import sys, numpy as np\nfrom autosynth.run.train import train_strategy\n"
        "x = np.random.default_rng(0).random((60, 3), np.float32)\n"
        "train_strategy((x, (x.sum(1) > 1.5).astype(int)), 'mlp[depth=1]', epochs=1, out='m')\n"
        "print(*sys.modules)"
    )
    done = python(code)
    assert done.returncode == 0, done.stderr
    assert "torch._dynamo" not in done.stdout.split()

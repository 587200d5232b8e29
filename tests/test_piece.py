"""Tokens brought to another grid, norms and recurrences under a mask, against plain arithmetic."""

from math import prod

import pytest
import torch
from torch import nn

from autosynth.components.block import BatchNorm
from autosynth.components.recurrent import Recurrence
from autosynth.piece import Regrid


def line(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float).view(1, -1, 1)


def test_regrid_takes_means_of_fixed_windows_with_a_short_last_one() -> None:
    out, mask = Regrid((5,), (2,), factor=4)((line(1, 2, 3, 6, 10), None))
    assert mask is None
    assert out.flatten().tolist() == [3, 10]


def test_regrid_leaves_masked_tokens_out_of_the_mean() -> None:
    real = torch.tensor([[True, False, True, True, False, False]])
    out, mask = Regrid((6,), (3,))((line(1, 100, 3, 5, 100, 100), real))
    assert mask is not None
    assert out.flatten().tolist() == [1, 4, 0]
    assert mask.tolist() == [[True, True, False]]


def test_regrid_to_a_finer_grid_repeats_tokens() -> None:
    # 5 steps cut by 2 are 3 tokens: each stands for two steps, the last for one.
    out, _ = Regrid((3,), (5,))((line(1, 2, 3), None))
    assert out.flatten().tolist() == [1, 1, 2, 2, 3]


def test_regrid_of_an_image_works_on_both_axes() -> None:
    picture = torch.arange(16.0).view(1, 16, 1)
    coarse, _ = Regrid((4, 4), (2, 2))((picture, None))
    assert coarse.flatten().tolist() == [2.5, 4.5, 10.5, 12.5]
    fine, _ = Regrid((2, 2), (4, 4))((coarse, None))
    assert fine.view(4, 4)[:2].tolist() == [[2.5, 2.5, 4.5, 4.5]] * 2


def test_regrid_between_ranks_reads_the_grid_in_rows() -> None:
    out, _ = Regrid((2, 2), (2,))((torch.arange(4.0).view(1, 4, 1), None))
    assert out.flatten().tolist() == [0.5, 2.5]


def test_batch_norm_takes_statistics_of_real_tokens_alone() -> None:
    x = torch.randn(4, 6, 3) * 3 + 5
    real = torch.rand(4, 6) < 0.6
    ours, plain = BatchNorm(3), nn.BatchNorm1d(3)
    out, _ = ours((torch.where(real.unsqueeze(-1), x, torch.tensor(1e3)), real))
    torch.testing.assert_close(out[real], plain(x[real]), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(ours.running_mean, plain.running_mean)
    torch.testing.assert_close(ours.running_var, plain.running_var)


@pytest.mark.parametrize("cell", [nn.GRU, nn.LSTM])
def test_a_recurrence_reads_a_padded_row_as_the_short_row(
    cell: type[nn.GRU] | type[nn.LSTM],
) -> None:
    layer = Recurrence(cell, 4)
    short = torch.randn(1, 3, 4)
    padded = torch.cat([short, torch.full((1, 4, 4), 9.0)], 1)
    real = torch.tensor([[True] * 3 + [False] * 4])
    expected, _ = layer((short, None))
    out, _ = layer((padded, real))
    torch.testing.assert_close(out[:, :3], expected)
    # Backwards is backwards: its state at the first step has seen the last.
    other = torch.cat([short[:, :2], torch.randn(1, 1, 4)], 1)
    changed, _ = layer((other, None))
    assert torch.equal(changed[:, 0, :2], expected[:, 0, :2])
    assert not torch.equal(changed[:, 0, 2:], expected[:, 0, 2:])


@pytest.mark.parametrize(("grid", "to"), [((7,), (5,)), ((5, 8), (3, 3)), ((2, 3), (4, 5))])
def test_deterministic_means_over_windows_are_those_of_adaptive_pooling(
    grid: tuple[int, ...], to: tuple[int, ...]
) -> None:
    x = torch.randn(2, prod(grid), 3, generator=torch.Generator().manual_seed(0))
    real = torch.arange(prod(grid))[None].expand(2, -1) < prod(grid) - 2
    regrid = Regrid(grid, to)
    expected = regrid((x, real))
    torch.use_deterministic_algorithms(True)
    try:
        out, mask = regrid((x, real))
    finally:
        torch.use_deterministic_algorithms(False)
    torch.testing.assert_close(out, expected[0])
    assert torch.equal(mask, expected[1])

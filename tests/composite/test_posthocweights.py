"""What is fitted after a training, to rows with weights: a row of weight two is two rows."""

import pytest
import torch
from torch import Tensor

from autosynth.composite.join import Gate, PostHocModule, PostHocSum, Stack
from autosynth.spec import TargetSpec

THREE = TargetSpec(name="y", task="classification", classes=("a", "b", "c"))
N = 200


def problem() -> tuple[list[Tensor], Tensor, Tensor]:
    """The outputs of two parts, each of which is right on rows of its own; and whole weights."""
    generator = torch.Generator().manual_seed(0)
    y = torch.randint(0, 3, (N,), generator=generator)
    right = 3.0 * torch.nn.functional.one_hot(y, 3)
    noise = [torch.randn(N, 3, generator=generator) for _ in range(2)]
    first = torch.arange(N)[:, None] < N // 2
    weights = torch.where(first[:, 0], 4, 1)
    return (
        [torch.where(first, right, 0) + noise[0], torch.where(first, 0, right) + noise[1]],
        (y),
        weights,
    )


@pytest.mark.parametrize("make", [lambda: PostHocSum(2, THREE), lambda: Stack(2, THREE, False)])
def test_a_weight_of_two_is_two_rows(make) -> None:  # type: ignore[no-untyped-def]
    parts, y, weights = problem()
    rows = torch.repeat_interleave(torch.arange(N), weights)
    joins: list[PostHocModule] = []
    for own, codes, heavy in (
        (parts, y, weights / weights.float().mean()),
        ([part[rows] for part in parts], y[rows], None),
        (parts, y, None),
    ):
        torch.manual_seed(0)
        joins.append(make())
        joins[-1].fit_post_hoc(own, codes, heavy)
    with torch.no_grad():
        weighed, repeated, plain = (join(*parts) for join in joins)
    torch.testing.assert_close(weighed, repeated, rtol=1e-3, atol=1e-3)
    assert float((plain - repeated).abs().max()) > 0.1


def test_the_rows_that_go_on_are_counted_and_not_weighed() -> None:
    (outputs, _), y, weights = problem()
    gates = [Gate(0.3), Gate(0.3)]
    gates[0].fit_post_hoc([outputs], y, weights.float())
    gates[1].fit_post_hoc([outputs], y)
    assert gates[0].threshold == gates[1].threshold
    assert len(gates[0](outputs)) == pytest.approx(0.3 * N, abs=1)

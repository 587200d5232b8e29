"""The switches of `--deterministic`: thrown for a GPU alone, and put back; what has no kernel."""

import os
from collections.abc import Iterator

import pytest
import torch

from autosynth.errors import TrialError
from autosynth.training.determinism import FIXED_SIZES, WORKSPACE, deterministic_kernels, refusal


def switches() -> tuple[bool, bool, bool]:
    return (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
        torch.backends.cudnn.benchmark,
    )


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    yield
    torch.use_deterministic_algorithms(False)
    torch.backends.cudnn.benchmark = False


@pytest.mark.parametrize("before", [(False, False, True), (True, True, True)])
def test_what_is_switched_is_put_back(before: tuple[bool, bool, bool]) -> None:
    torch.use_deterministic_algorithms(before[0], warn_only=before[1])
    torch.backends.cudnn.benchmark = before[2]
    with deterministic_kernels(True, "cuda:0"):
        assert switches() == (True, False, False)
        assert os.environ[WORKSPACE] in FIXED_SIZES
    assert switches() == before
    with pytest.raises(TrialError, match="too hot"), deterministic_kernels(True, "cuda"):
        raise TrialError("too hot")
    assert switches() == before


@pytest.mark.parametrize(("asked", "device"), [(True, "cpu"), (False, "cuda")])
def test_nothing_is_switched_where_nothing_is_asked_or_needed(asked: bool, device: str) -> None:
    before = switches()
    with deterministic_kernels(asked, device):
        assert switches() == before


def test_an_operation_without_a_deterministic_kernel_is_named() -> None:
    into = torch.zeros(3)
    with deterministic_kernels(True, "cuda"), pytest.raises(RuntimeError, match="put_") as caught:
        into.put_(torch.tensor([0]), torch.ones(1))  # it has none on a processor either
    assert refusal(caught.value) == (
        "put_ of PyTorch has no deterministic kernel on this device; leave --deterministic out to "
        "train what needs it"
    )
    assert refusal(RuntimeError("a shape\nis wrong")) == "PyTorch cannot train it: a shape"

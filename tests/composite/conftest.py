"""Small inputs of every kind, and raw batches of them: those of `autosynth.testing`."""

from collections.abc import Callable, Mapping

import pytest
from torch import Tensor

from autosynth.spec import InputSpec, TargetSpec
from autosynth.testing import INPUTS, TARGET, raw_rows


@pytest.fixture
def target() -> TargetSpec:
    return TARGET


@pytest.fixture(params=INPUTS)
def spec(request: pytest.FixtureRequest) -> InputSpec:
    return INPUTS[request.param]


@pytest.fixture
def specs() -> Mapping[str, InputSpec]:
    return INPUTS


@pytest.fixture
def raw() -> Callable[[InputSpec, int], Tensor]:
    return raw_rows

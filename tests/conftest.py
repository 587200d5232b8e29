"""What every test shares: GPU tests skip where there is no GPU, property tests repeat exactly."""

import pytest
from hypothesis import settings

# A busy machine is not a failure, and the same commit gives the same verdict twice.
settings.register_profile("house", deadline=None, derandomize=True)
settings.load_profile("house")


def pytest_runtest_setup(item: pytest.Item) -> None:
    # importorskip, so that tests without tensors start without PyTorch.
    if item.get_closest_marker("gpu") and not pytest.importorskip("torch").cuda.is_available():
        pytest.skip("no CUDA device here")

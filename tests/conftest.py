"""What every test shares: GPU tests skip where there is no GPU, property tests repeat exactly."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import settings

# A busy machine is not a failure, and the same commit gives the same verdict twice.
settings.register_profile("house", deadline=None, derandomize=True)
settings.load_profile("house")


def pytest_runtest_setup(item: pytest.Item) -> None:
    # importorskip, so that tests without tensors start without PyTorch.
    if item.get_closest_marker("gpu") and not pytest.importorskip("torch").cuda.is_available():
        pytest.skip("no CUDA device here")


@pytest.fixture(scope="module")
def short_schedules() -> Iterator[None]:
    """Short trainings, where what is looked at does not depend on their length."""
    modalities = pytest.importorskip("autosynth.modality").MODALITIES
    with pytest.MonkeyPatch.context() as patch:
        for modality in modalities.values():
            short = replace(modality.schedule, least_steps=80, most_steps=80)
            patch.setattr(type(modality), "schedule", short)
        yield

"""Short schedules for the runs of these tests; what a run leaves does not depend on length."""

from collections.abc import Iterator

import pytest


@pytest.fixture(scope="module", autouse=True)
def short_schedules() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("autosynth.run.prepare.FIXED_STEPS", 80)
        yield

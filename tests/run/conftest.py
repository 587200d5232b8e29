"""Short schedules for the runs of these tests; what a run leaves does not depend on length."""

import pytest


@pytest.fixture(scope="module", autouse=True)
def short(short_schedules: None) -> None:
    pass

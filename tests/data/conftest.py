"""Fixtures of the data tests: the reference sets where they are, and a small table."""

from pathlib import Path

import pandas as pd
import pytest

SHARED = Path(__file__).parents[2].parent / "shared" / "data"


@pytest.fixture(scope="session")
def shared() -> Path:
    if not SHARED.is_dir():
        pytest.skip("the reference sets are not beside the repository")
    return SHARED


@pytest.fixture
def frame() -> pd.DataFrame:
    """60 rows: two numbers, a category, and a target of two classes."""
    rows = range(60)
    return pd.DataFrame(
        {
            "height": [1.5 + (i * 7 % 60) / 100 for i in rows],
            "weight": [50.0 + i * 13 % 47 for i in rows],
            "town": [("Bern", "Basel", "Chur")[i % 3] for i in rows],
            "smoker": [("no", "yes")[i * 7 % 11 > 5] for i in rows],
        }
    )

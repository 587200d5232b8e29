"""Cases of series with missing steps, and rows in any order."""

from pathlib import Path

import numpy as np
import pytest

from autosynth.data import Dataset, load_dataset, read_labelled

CASES = Path(__file__).parents[3] / "shared" / "cases"
pytestmark = pytest.mark.skipif(not CASES.is_dir(), reason="the cases are not beside")


def read(name: str, target: str) -> Dataset:
    return load_dataset(CASES / name, task="forecasting", target=target, horizon=24)


def test_missing_steps_cost_no_windows() -> None:
    holes, whole = (read(f"series_missing/{n}.csv", "load") for n in ("series_nan", "shuffled"))
    assert len(whole.splits.train) == len(holes.splits.train) == 329
    assert len(whole.splits.test) == len(holes.splits.test) == 137
    rows = holes.splits.train
    assert 0.05 < np.isnan(holes.y[rows]).mean() < 0.1
    known = ~np.isnan(holes.y)
    np.testing.assert_array_equal(holes.y[known], whole.y[known])
    source = CASES / "series_missing" / "series_nan.csv"
    assert len(read_labelled(source, holes.encoders, holes.target)) == 800 - 96 - 24 + 1

"""Labels as lists, labels that lack, and copies of rows, as they were met."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from autosynth.data import load_dataset
from autosynth.run.train import train_strategy

CASES = Path(__file__).parents[2].parent / "shared" / "cases"
pytestmark = pytest.mark.skipif(not CASES.is_dir(), reason="the cases are not beside us")


@pytest.mark.parametrize("file", ["ml.jsonl", "ml_json.csv", "ml_repr.csv"])
def test_lists_of_labels(file: str) -> None:
    path = CASES / "multilabel_lists" / file
    dataset = load_dataset(path, target="genre", task="multilabel")
    assert dataset.target.classes == ("action", "comedy", "drama")
    assert len(dataset.y) == 300
    assert bool((dataset.y.sum(axis=1) == 0).any())  # a row with [] has none
    same = load_dataset(path, target="genre")
    np.testing.assert_array_equal(same.y, dataset.y)


def test_missing_labels_are_masked() -> None:
    path = CASES / "multilabel_missing" / "mlc_nan.csv"
    names = ["drama", "comedy", "action"]
    dataset = load_dataset(path, target=names, task="multilabel")
    assert len(dataset.y) == 300
    frame = pd.read_csv(path)
    assert np.isnan(dataset.y).sum() == frame[names].isna().to_numpy().sum()
    assert any("rows lack some of their labels" in text for text in dataset.warnings)


def test_rows_that_stand_three_times_are_kept_together() -> None:
    path = CASES / "duplicate_rows" / "dups.csv"
    dataset = load_dataset(path, target="y")
    rows = dataset.x["table"]
    parts = [getattr(dataset.splits, name) for name in ("train", "validation", "test")]
    seen = [{tuple(row) for row in rows[part].tolist()} for part in parts]
    assert not seen[0] & seen[2]
    assert not (seen[0] | seen[2]) & seen[1]
    assert len(parts[2]) == pytest.approx(360, abs=40)


@pytest.mark.slow
def test_coins_are_not_learnt_by_their_copies(tmp_path: Path) -> None:
    path = CASES / "duplicate_rows" / "dups.csv"
    found = train_strategy(path, "mlp[width=64]", target="y", out=tmp_path / "m", device="cpu")
    assert found.test["accuracy"] == pytest.approx(0.5, abs=0.08)

"""Copies of rows stand together; rows that are equal by chance are no copies."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from autosynth.data import load_dataset
from autosynth.data.source.memory import Batching
from autosynth.data.source.rows import MemoryRows, rows_of
from autosynth.data.split.equalrows import copies_of
from autosynth.spec import Dataset

NAMES = ("train", "calibration", "validation", "test")


def copied(rows: int = 200, times: int = 3, **columns: Any) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"a": rng.permutation(rows) / 7, "b": rng.integers(0, 5, rows)})
    for name, values in columns.items():
        frame[name] = values
    whole = pd.concat([frame] * times, ignore_index=True)
    whole["y"] = rng.choice(["p", "q"], len(whole))
    return whole.sample(frac=1, random_state=1).reset_index(drop=True)


def shared(dataset: Dataset, values: np.ndarray) -> int:
    """Pairs of splits that have a value in common."""
    sets = [set(values[getattr(dataset.splits, name)].tolist()) for name in NAMES]
    return sum(bool(one & other) for i, one in enumerate(sets) for other in sets[:i])


def told(dataset: Dataset) -> list[str]:
    return [line for line in dataset.summary if line.startswith("assumed")]


def test_copies_stand_in_one_split_and_sizes_stay() -> None:
    frame = copied()
    dataset = load_dataset(frame, target="y")
    assert shared(dataset, frame["a"].to_numpy()) == 0
    assert len(dataset.splits.test) == pytest.approx(120, abs=40)
    assert len(dataset.splits.train) > 300
    assert not dataset.independent
    assert "600 of 600 rows (100.0%) are copies" in told(dataset)[0]


def test_an_id_a_row_makes_no_row_its_own() -> None:
    frame = copied().assign(Id=range(600), name=[f"r{i}" for i in range(600)])
    assert shared(load_dataset(frame, target="y"), frame["a"].to_numpy()) == 0


@pytest.mark.parametrize("kind", ["text", "array"])
def test_texts_and_arrays_have_copies_too(kind: str) -> None:
    rng = np.random.default_rng(0)
    if kind == "text":
        words = [" ".join(rng.choice(["red", "blue", "green", "old", "new"], 9)) for _ in "x" * 60]
        frame = pd.DataFrame({"text": words * 4, "y": rng.choice(["p", "q"], 240)})
        dataset = load_dataset(frame, target="y")
        names = frame["text"].to_numpy()
    else:
        x = np.tile(rng.integers(0, 255, (60, 8, 8, 1), dtype=np.uint8), (4, 1, 1, 1))
        dataset = load_dataset((x, rng.integers(0, 2, 240)))
        names = np.tile(np.arange(60), 4)
    assert shared(dataset, names) == 0


def test_a_table_of_few_values_has_none() -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({name: rng.integers(0, 4, 900) for name in "abc"})
    frame["place"] = rng.choice(["north", "south"], 900)
    assert copies_of(rows_of(frame)) is None
    rounded = pd.DataFrame({name: rng.integers(0, 30, 900) / 10 for name in "ab"})
    assert copies_of(rows_of(rounded)) is None
    assert copies_of(rows_of(pd.concat([rounded] * 2 + [rounded.iloc[:9]]))) is None


def test_few_copies_move_no_other_row() -> None:
    frame = copied(600, 1)
    plain = load_dataset(frame, target="y")
    frame.loc[597:, ["a", "b"]] = frame.loc[:2, ["a", "b"]].to_numpy()
    dataset = load_dataset(frame, target="y")
    for name in NAMES:
        before, after = getattr(plain.splits, name), getattr(dataset.splits, name)
        assert set(before.tolist()) ^ set(after.tolist()) <= {597, 598, 599}
    assert dataset.independent
    assert shared(dataset, frame["a"].to_numpy()) == 0


def test_where_rows_may_not_move_the_share_is_told() -> None:
    frame = copied()
    official = load_dataset(frame, target="y", test=frame.iloc[:60])
    assert any("100.0% of the test rows" in text for text in official.warnings)
    assert any("an official part stays as it is" in text for text in official.warnings)
    frame["who"] = np.random.default_rng(2).integers(0, 40, 600)
    dataset = load_dataset(frame, target="y", group="who")
    assert any("% of the test rows have one" in text for text in dataset.warnings)


def test_one_row_that_is_most_of_the_data_is_learnt_from() -> None:
    frame = copied(150, 1)
    frame.loc[:59, ["a", "b"]] = frame.loc[0, ["a", "b"]].to_numpy()
    dataset = load_dataset(frame, target="y")
    assert set(range(60)) <= set(dataset.splits.train.tolist())


def test_long_arrays_in_cells_are_held_against_each_other_whole() -> None:
    cells = np.zeros((120, 3_000))
    cells[:, 1_500] = np.arange(120)  # where printing leaves out
    frame = pd.DataFrame({"signal": pd.Series(list(cells), dtype=object)})
    assert copies_of(rows_of(frame)) is None
    codes = copies_of(rows_of(pd.concat([frame, frame], ignore_index=True)))
    assert codes is not None
    np.testing.assert_array_equal(codes[:120], codes[120:])
    assert len(np.unique(codes)) == 120


@pytest.mark.parametrize("kind", ["wav", "png"])
@pytest.mark.parametrize("twin", [True, False])
def test_files_are_copies_by_what_they_hold(kind: str, twin: bool, tmp_path: Path) -> None:
    """Every file stands there twice, by another name; or the second differs in its last bytes."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"file": [f"f{i}.{kind}" for i in range(160)]})
    for i in range(80):
        content = rng.bytes(70_000 + i % 3)
        (tmp_path / f"f{i}.{kind}").write_bytes(content)
        (tmp_path / f"f{i + 80}.{kind}").write_bytes(content if twin else content[:-1] + b"\0")
    codes = copies_of(rows_of(frame), str(tmp_path))
    if twin:
        assert codes is not None
        np.testing.assert_array_equal(codes[:80], codes[80:])
        assert len(np.unique(codes)) == 80
        told = copies_of(rows_of(frame.assign(speaker=range(160))), str(tmp_path))
        assert told is not None  # a number a row makes no row its own
        assert (
            copies_of(rows_of(frame.assign(speaker=["a"] * 80 + ["b"] * 80)), str(tmp_path))
            is None
        )
    else:
        assert codes is None or len(np.unique(codes)) > 150
    nowhere = copies_of(rows_of(frame.assign(file=[f"x{i}.wav" for i in range(160)])))
    assert nowhere is None


@pytest.mark.parametrize("rows", [40, 70])
def test_copies_are_found_in_batches_as_at_once(rows: int) -> None:
    frame = copied().drop(columns="y").assign(word=lambda f: f["b"].map("number {} of it".format))
    few = Batching(most_bytes=1, rows=rows)
    large = frame.to_numpy(dtype=object)[:, :2].astype(float).repeat(8, axis=1)
    for whole in (frame, large):
        at_once = copies_of(rows_of(whole))
        assert at_once is not None
        by_part = copies_of(_OnDisk(x=whole, batching=few))
        np.testing.assert_array_equal(by_part, at_once)


@dataclass(frozen=True, eq=False, kw_only=True)
class _OnDisk(MemoryRows):
    """Rows that count as if they stood on disk, and are read batch by batch."""

    @property
    def bytes_on_disk(self) -> int:
        return 1_000_000

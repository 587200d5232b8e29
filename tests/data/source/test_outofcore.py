"""Data too large for memory: the same arrays as in memory, but on disk."""

import gc
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from PIL import Image

from autosynth.data import encode_parts, load_dataset
from autosynth.data.encoder.mappedarray import MappedArray
from autosynth.data.source import outofcore as large_files
from autosynth.errors import DataError
from autosynth.spec import Dataset

N = 600


def table(n: int = N) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "height": rng.normal(size=n),
            "count": rng.integers(0, 100, n),
            "town": np.array(["Bern", "Basel", "Chur", "Zürich"])[rng.integers(0, 4, n)],
            "flag": rng.random(n) < 0.5,
            "when": (np.datetime64("2020-01-01") + rng.integers(0, 999, n)).astype(str),
            "late": [None] * (n // 2) + [1.5, 2.5] * (n // 4),
            "word": [str(i % 7) for i in range(n - 3)] + ["none of", "these", "these"],
            "note": [f"it was, all in all, number {i} of them" for i in rng.integers(0, n, n)],
            "goal": np.array(["no", "yes"])[rng.integers(0, 2, n)],
        }
    )
    frame.loc[::50, "height"] = np.nan
    frame.loc[::70, "town"] = None
    return frame


def write(frame: pd.DataFrame, path: Path) -> Path:
    if path.suffix == ".parquet":
        frame.to_parquet(path, row_group_size=700)
    elif path.suffix == ".tsv":
        frame.to_csv(path, index=False, sep="\t")
    else:
        frame.to_csv(path, index=False)
    return path


def both(
    monkeypatch: pytest.MonkeyPatch, path: Path, **options: object
) -> tuple[Dataset, Dataset]:
    """What `load_dataset` gives in memory, and on disk in small pieces."""
    there = load_dataset(path, target="goal", **options)  # type: ignore[arg-type]
    monkeypatch.setattr(large_files, "most_in_memory", lambda: 1_000)
    monkeypatch.setattr("autosynth.data.source.chunks.CELLS", 1_000)
    monkeypatch.setattr("autosynth.data.source.chunks._BLOCK", 20_000)
    return there, load_dataset(path, target="goal", **options)


def assert_alike(here: Dataset, there: Dataset) -> None:
    assert here.inputs == there.inputs
    assert here.encoders == there.encoders
    assert here.target == there.target
    np.testing.assert_array_equal(here.y, there.y)
    for name in ("train", "calibration", "validation", "test", "unlabelled"):
        np.testing.assert_array_equal(getattr(here.splits, name), getattr(there.splits, name))
    for name, values in there.x.items():
        assert isinstance(here.x[name], MappedArray)
        assert here.x[name].dtype == values.dtype
        np.testing.assert_array_equal(here.x[name], values)
    assert sorted(here.warnings) == sorted(text.split(": rows ")[0] for text in there.warnings)
    assert said(here) == said(there)


def said(data: Dataset) -> list[str]:
    """What is said of all rows: not the fingerprint, nor of values, of which a sample tells."""
    sampled = ("fingerprint", "text,", "(channels", "lengths ")
    return [line for line in data.summary if not any(word in line for word in sampled)]


@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz", "t.tsv", "t.parquet"])
def test_the_arrays_are_those_of_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    there, here = both(monkeypatch, write(table(), tmp_path / name))
    assert_alike(here, there)


@pytest.mark.parametrize("name", ["t.arrow", "t.feather", "t.jsonl", "t.jsonl.gz"])
def test_forms_that_know_their_types(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    frame = table().drop(columns=["note", "late"])
    there, _ = both(monkeypatch, write(frame, tmp_path / "t.parquet"))
    if "jsonl" in name:
        frame.to_json(tmp_path / name, orient="records", lines=True)
    else:
        stored = pa.Table.from_pandas(frame)
        kind = pa.ipc.new_file if name == "t.feather" else pa.ipc.new_stream
        with kind(str(tmp_path / name), stored.schema) as file:
            file.write_table(stored, max_chunksize=90)
    here = load_dataset(tmp_path / name, target="goal")
    assert here.summary[1:-1] == there.summary[1:-1]
    np.testing.assert_array_equal(here.x["table"], there.x["table"])
    assert isinstance(here.x["table"], MappedArray)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("t.csv", "a,goal\n" + "1,x\n" * 9000 + "1\n", r"t\.csv:9002: 1 cells, where the header"),
        ("t.csv", "a,a,goal\n" + "1,2,x\n" * 9000, "column names stand twice: a"),
        ("t.jsonl", '{"a": 1, "goal": 2}\n' * 900 + "{", r"t\.jsonl:901: no JSON"),
        ("t.parquet", "PAR1" * 900, r"t\.parquet cannot be read"),
        ("t.csv", "a,goals\n" + "1,x\n" * 9000, "Did you mean 'goals'"),
    ],
)
def test_large_files_that_are_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, text: str, message: str
) -> None:
    monkeypatch.setattr(large_files, "most_in_memory", lambda: 1_000)
    monkeypatch.setattr("autosynth.data.source.chunks._BLOCK", 20_000)
    (tmp_path / name).write_text(text)
    with pytest.raises(DataError, match=message):
        load_dataset(tmp_path / name, target="goal")


def test_rows_without_a_target_and_parts_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frame = table()
    frame.loc[5:40, "goal"] = None
    other = write(table(200), tmp_path / "other.parquet")
    there, here = both(monkeypatch, write(frame, tmp_path / "t.csv"), test=other, drop=["note"])
    assert len(here.splits.unlabelled) == 36
    assert len(here.splits.test) == 200
    assert_alike(here, there)


@pytest.mark.parametrize("kind", ["table", "image", "series", "main and test"])
def test_arrays_of_a_file_are_read_where_they_lie(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    rng = np.random.default_rng(0)
    x: Any = rng.normal(size=(300, 12))
    if kind in ("image", "main and test"):
        x = rng.integers(0, 255, (300, 9, 10, 3), dtype=np.uint8)
    elif kind == "series":
        x = rng.normal(size=(300, 40, 3)).astype(np.float32)
        x[[7, 200]], x[9, 30:], x[250, 3] = np.nan, np.nan, np.inf
    y = rng.integers(0, 2, 300).astype(float)
    y[[5, 20]] = np.nan
    parts = {"x": x, "y": y}
    if kind == "main and test":
        parts = {"x_train": x[:200], "y_train": y[:200], "x_test": x[200:], "y_test": y[200:]}
    np.savez(tmp_path / "t.npz", **parts)
    there = load_dataset(tmp_path / "t.npz")
    monkeypatch.setattr("autosynth.data.source.memorymap.most_in_memory", lambda: 10_000)
    monkeypatch.setattr("autosynth.data.source.memorymap._PIECE", 10_000)
    here = load_dataset(tmp_path / "t.npz")
    assert here.inputs[0].kind == ("image" if kind == "main and test" else kind)
    assert len(here.splits.unlabelled) == 2 or kind == "main and test"
    assert_alike(here, there)


def test_files_are_there_as_long_as_the_arrays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    frame = table()[["height", "count", "goal"]]
    _, here = both(monkeypatch, write(frame, tmp_path / "t.csv"))
    x = here.x["table"]
    assert isinstance(x, MappedArray)
    size = Path(str(x.filename)).stat().st_size
    sent = pickle.dumps(here, protocol=5)
    assert len(sent) < size + 100_000  # labels and splits: the rows are named, not copied
    again = pickle.loads(sent)
    np.testing.assert_array_equal(again.x["table"], x)
    assert [p.name for p in tmp_path.glob("autosynth-*/*")] == ["input0.npy"]
    del here, x, again
    gc.collect()
    assert list(tmp_path.glob("autosynth-*")) == []


def test_rows_to_predict_come_part_by_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there, _ = both(monkeypatch, write(table(), tmp_path / "t.csv"))
    parts = list(encode_parts(tmp_path / "t.csv", there.encoders))
    assert len(parts) > 2
    for name, values in there.x.items():
        np.testing.assert_array_equal(np.concatenate([part.x[name] for part in parts]), values)
    assert [row for part in parts for row in part.index] == list(range(N))


def test_a_part_without_a_picture_that_can_be_read_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pictures are named relative to the table, whichever way it is read."""
    for number in range(3):
        pixels = np.full((8, 8), 80 * number, np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
    photo = [f"{i % 3}.png" for i in range(20)] + ["gone.png"] * 10
    frame = pd.DataFrame({"photo": photo, "goal": ["a", "b"] * 15})
    there = load_dataset(write(frame, tmp_path / "t.csv"), target="goal")
    monkeypatch.setattr(large_files, "most_in_memory", lambda: 10)
    monkeypatch.setattr("autosynth.data.source.chunks.CELLS", 20)
    here = load_dataset(tmp_path / "t.csv", target="goal")
    assert isinstance(here.x["photo"], MappedArray)
    np.testing.assert_array_equal(here.x["photo"], there.x["photo"])
    *parts, last = encode_parts(tmp_path / "t.csv", there.encoders)
    assert [len(part.index) for part in parts] == [10, 10]
    assert not len(last.index)
    assert last.warnings[0].startswith("rows 20 to 29: 10 pictures of 'photo' do not exist")

"""`hf:NAME` from folders on this machine: splits, class names, files inside; and no network."""

from io import BytesIO
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from PIL import Image

from autosynth.data import encode, load_dataset
from autosynth.data.source import hf
from autosynth.data.source.cache import CACHE_ENV
from autosynth.data.source.raw import RowFormat
from autosynth.data.source.read import read_source, read_unlabelled
from autosynth.errors import DataError

datasets: Any = pytest.importorskip("datasets")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(CACHE_ENV, str(tmp_path / "cache"))
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    datasets.disable_progress_bars()
    return tmp_path / "cache"


def reviews(n: int, labels: list[int] | None = None) -> Any:
    features = datasets.Features(
        {"stars": datasets.Value("int64"), "label": datasets.ClassLabel(names=["bad", "good"])}
    )
    rows = {"stars": [i % 5 for i in range(n)], "label": labels or [i % 2 for i in range(n)]}
    return datasets.Dataset.from_dict(rows, features=features)


def saved(folder: Path, **parts: Any) -> str:
    datasets.DatasetDict(parts).save_to_disk(str(folder))
    return f"hf:{folder}"


def test_splits_are_parts_and_labels_have_names(tmp_path: Path) -> None:
    name = saved(tmp_path / "d", train=reviews(40), validation=reviews(120), test=reviews(10))
    data = load_dataset(name)
    assert (data.name, data.source, data.target.name) == ("d", name, "label")
    assert data.target.classes == ("bad", "good")
    sizes = [len(part) for part in (data.splits.train, data.splits.validation, data.splits.test)]
    assert sizes == [40, 120, 10]
    encoded = encode(name, data.encoders)
    assert (encoded.x["table"] == data.x["table"][data.splits.test]).all()


def test_a_test_part_without_labels_is_not_used(tmp_path: Path) -> None:
    name = saved(tmp_path / "d", train=reviews(40), test=reviews(10, [-1] * 10))
    data = load_dataset(name)
    assert "10 test rows have no target; they are not used" in data.warnings
    assert len(data.y) == 40
    rows = read_unlabelled(name, RowFormat()).main
    assert rows is not None
    assert len(rows) == 10


def test_a_folder_of_files(tmp_path: Path, frame: pd.DataFrame, cache: Path) -> None:
    frame.to_parquet(tmp_path / "train.parquet")
    frame[:7].to_parquet(tmp_path / "test.parquet")
    data = load_dataset(f"hf:{tmp_path}", target="smoker")
    assert (
        data.fingerprint != load_dataset(frame, target="smoker").fingerprint
    )  # it has a test part
    assert len(data.splits.test) == 7
    assert any(cache.rglob("*.arrow"))
    with pytest.raises(DataError, match="is a table and no target is named"):
        load_dataset(f"hf:{tmp_path}")


def test_pictures_are_bytes_or_paths(tmp_path: Path) -> None:
    def png(value: int) -> bytes:
        out = BytesIO()
        Image.new("L", (4, 4), value).save(out, "PNG")
        return out.getvalue()

    (tmp_path / "own.png").write_bytes(png(9))
    cells = [
        {"path": None, "bytes": png(1)},
        {"path": "a.jpg", "bytes": png(2)},
        {"path": str(tmp_path / "own.png"), "bytes": None},
        None,
    ]
    features = datasets.Features(
        {"picture": datasets.Image(), "label": datasets.ClassLabel(names=["a", "b"])}
    )
    source = datasets.Dataset.from_dict(
        {"picture": cells, "label": [0, 1, 0, 1]}, features=features
    )
    rows = read_source(saved(tmp_path / "d", train=source)).main
    assert rows is not None
    assert list(rows.x["picture"]) == [png(1), png(2), png(9), None]
    given = read_source(source).main  # the dataset itself, of which no copy is on disk
    assert given is not None
    assert list(given.x["picture"]) == [png(1), png(2), str(tmp_path / "own.png"), None]
    assert list(given.y) == ["a", "b", "a", "b"]


@pytest.mark.parametrize("name", ["hf:imdb", "hf:owner/name", "hf:owner/name/config"])
def test_no_network(name: str) -> None:
    with pytest.raises(DataError, match=rf"{name} cannot be read: .* hf: needs a network, or a"):
        load_dataset(name, target="label")


def test_what_is_no_dataset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataError, match="after hf: stands the name of a dataset"):
        load_dataset("hf:")
    with pytest.raises(DataError, match=r"has the parts one, two, and none is named train"):
        load_dataset(saved(tmp_path / "d", one=reviews(3), two=reviews(3)))
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="empty is no dataset of the Hub, nor a folder of one"):
        load_dataset(f"hf:{tmp_path / 'empty'}")
    monkeypatch.setattr(hf, "find_spec", lambda name: None)
    with pytest.raises(DataError, match=r"pip install 'autosynth\[hf\]'"):
        load_dataset("hf:imdb")

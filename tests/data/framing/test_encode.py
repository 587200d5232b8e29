"""Raw data is encoded for prediction as it was for training, in any form it may come."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from autosynth.data import Dataset, encode, load_dataset
from autosynth.errors import DataError, DataNotFoundError


@pytest.fixture
def waves() -> Dataset:
    """40 series of 40 steps in two classes."""
    x = np.sin(np.arange(40)[:, None] + np.arange(40) / 4)
    return load_dataset((x, np.arange(40) % 2))


def through_json(data: Dataset) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(json.dumps(dict(data.encoders)))
    return loaded


def test_a_table_from_any_form_in_any_order(tmp_path: Path, frame: pd.DataFrame) -> None:
    frame.to_csv(tmp_path / "t.csv", index=False)
    data = load_dataset(tmp_path / "t.csv", target="smoker")
    encoders = through_json(data)
    assert np.array_equal(encode(tmp_path / "t.csv", encoders).x["table"], data.x["table"])
    shuffled = frame[["town", "weight", "smoker", "height"]]
    assert np.array_equal(encode(shuffled, encoders).x["table"], data.x["table"])
    unlabelled = frame.drop(columns="smoker").iloc[5:9]
    unlabelled.to_parquet(tmp_path / "t.parquet")
    encoded = encode(tmp_path / "t.parquet", encoders)
    assert np.array_equal(encoded.x["table"], data.x["table"][5:9])
    assert list(encoded.index) == [0, 1, 2, 3]


def test_a_category_never_seen_is_unknown(frame: pd.DataFrame) -> None:
    data = load_dataset(frame, target="smoker")
    town = data.inputs[0].cardinalities.index(5)
    frame.loc[:1, "town"] = ["Atlantis", None]
    x = encode(frame, through_json(data)).x["table"]
    assert x[:2, town].tolist() == [0, 0]
    assert np.array_equal(x[2:], data.x["table"][2:])


def test_a_number_that_is_none_is_missing_and_told(frame: pd.DataFrame) -> None:
    data = load_dataset(frame, target="smoker")
    new = frame.astype({"height": object})
    new.loc[0, "height"] = "tall"
    encoded = encode(new, through_json(data))
    assert np.isnan(encoded.x["table"][0]).sum() == 1
    assert encoded.warnings == ("column 'height': 1 values are no numbers; taken as missing",)


def test_a_missing_column_is_named(frame: pd.DataFrame) -> None:
    encoders = through_json(load_dataset(frame, target="smoker"))
    with pytest.raises(DataError, match="frame lacks 2 columns .*: (town, height|height, town)"):
        encode(frame[["weight"]], encoders)


def test_columns_set_aside_are_not_needed(frame: pd.DataFrame) -> None:
    data = load_dataset(frame.assign(id=range(60), nothing=None), target="smoker")
    assert len(encode(frame, through_json(data)).x["table"]) == 60


def test_arrays_without_names(tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=(80, 5))
    x[:, 2] = 1.0
    y = np.arange(80) % 2
    data = load_dataset((x, y))
    encoders = through_json(data)
    assert data.inputs[0].shape == (4,)
    assert np.array_equal(encode(x, encoders).x["table"], data.x["table"])
    np.savez(tmp_path / "x.npz", x=x)
    np.save(tmp_path / "x.npy", x)
    for name in ("x.npz", "x.npy"):
        assert np.array_equal(encode(tmp_path / name, encoders).x["table"], data.x["table"])
    with pytest.raises(DataError, match=r"has shape \(80, 4\); 5 columns are expected"):
        encode(x[:, :4], encoders)


def test_named_columns_want_names(frame: pd.DataFrame) -> None:
    encoders = through_json(load_dataset(frame, target="smoker"))
    with pytest.raises(DataError, match="rows with the columns .*height.* are expected"):
        encode(np.zeros((3, 3)), encoders)


@pytest.mark.parametrize("name", ["digits", "mnist1d", "wine"])
def test_a_built_in_set_gives_its_test_or_all(name: str) -> None:
    data = load_dataset(name)
    rows = data.splits.test if name == "mnist1d" else np.arange(len(data.y))
    kind = data.inputs[0].name
    assert np.array_equal(encode(name, through_json(data)).x[kind], data.x[kind][rows])


def test_images_in_either_layout() -> None:
    x = np.random.default_rng(0).integers(0, 255, (40, 8, 8, 3), np.uint8)
    encoders = through_json(load_dataset((x, np.arange(40) % 2)))
    assert np.array_equal(encode(x, encoders).x["image"], np.moveaxis(x, 3, 1))
    with pytest.raises(DataError, match=r"images in arrays are 3x9x8 .* 3x8x8 is expected"):
        encode(np.zeros((2, 9, 8, 3), np.uint8), encoders)
    with pytest.raises(DataError, match="have 3 or 4 axes"):
        encode(np.zeros((2, 8)), encoders)


def test_images_keep_the_type_of_training() -> None:
    x = np.random.default_rng(0).random((40, 8, 8))
    encoders = through_json(load_dataset((x, np.arange(40) % 2)))
    assert encode(np.zeros((2, 8, 8), np.uint8), encoders).x["image"].dtype == np.float32


def test_series_of_other_lengths(waves: Dataset) -> None:
    encoders = through_json(waves)
    short = encode(np.tile(np.arange(30.0), (2, 1)), encoders)
    assert (short.x["series"][:, :, 30:] == 29).all()  # training knew no end: the last value holds
    assert (short.x["series"][:, :, :30] == np.arange(30)).all()
    long = encode(np.ones((2, 50)), encoders)
    assert long.x["series"].shape == (2, 1, 40)
    told = "2 of 2 series in arrays (100.0%) are longer than 40 steps: the middle of each is kept"
    assert told in long.warnings
    with pytest.raises(DataError, match="have 3 channels; 1 are expected"):
        encode(np.ones((2, 40, 3)), encoders)


def test_rows_left_out_are_seen_in_the_index(waves: Dataset) -> None:
    encoders = through_json(waves)
    x = np.ones((4, 40))
    x[1] = np.nan
    encoded = encode(x, encoders)
    assert list(encoded.index) == ["0", "2", "3"]
    assert encoded.x["series"].shape == (3, 1, 40)


def test_ucr_lines_with_and_without_a_label(tmp_path: Path, waves: Dataset) -> None:
    encoders = through_json(waves)
    line = [f"{i / 7:.3f}" for i in range(40)]
    (tmp_path / "with.tsv").write_text("\t".join(["1", *line]) + "\n")
    (tmp_path / "without.tsv").write_text("\t".join(line) + "\n")
    first = encode(tmp_path / "with.tsv", encoders).x["series"]
    second = encode(tmp_path / "without.tsv", encoders).x["series"]
    assert np.array_equal(first, second)
    assert first.shape == (1, 1, 40)


def test_data_of_another_kind(frame: pd.DataFrame, tmp_path: Path) -> None:
    frame.to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(DataError, match=r"t\.csv is a table, and image rows are expected"):
        encode(tmp_path / "t.csv", load_dataset("digits").encoders)
    with pytest.raises(DataNotFoundError, match="neither a path"):
        encode(tmp_path / "none.csv", load_dataset("digits").encoders)
    with pytest.raises(DataError, match="holds no rows to predict"):
        encode(np.zeros((0, 8, 8)), load_dataset("digits").encoders)

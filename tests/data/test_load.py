"""Loading as a whole: sources, overrides, what is said, and bad input of every kind."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from autosynth.data import encode, load_dataset, read_labelled
from autosynth.data.load import read_dataset
from autosynth.data.source.memory import BY_SIZE, Batching
from autosynth.errors import DataError, DataNotFoundError
from autosynth.options import DataConfig
from autosynth.spec import Dataset


def test_a_frame(frame: pd.DataFrame) -> None:
    before = frame.copy()
    data = load_dataset(frame, target="smoker")
    pd.testing.assert_frame_equal(frame, before)
    assert data.target.classes == ("no", "yes")
    assert data.x["table"].dtype == np.float32
    assert sorted(data.inputs[0].cardinalities) == [0, 0, 5]
    codes = data.x["table"][:, data.inputs[0].cardinalities.index(5)]
    names = ["Basel", "Bern", "Chur"]
    assert [names[int(code) - 2] for code in codes] == frame["town"].tolist()


def test_regression_keeps_its_unit(frame: pd.DataFrame) -> None:
    data = load_dataset(frame, target="weight")
    assert data.target.task == "regression"
    assert data.target.classes == ()
    assert np.array_equal(data.y, frame["weight"])


def test_official_arrays_and_a_frame_in_a_tuple(frame: pd.DataFrame) -> None:
    y = frame.pop("smoker").to_numpy()
    data = load_dataset((frame.iloc[:40], y[:40], frame.iloc[40:], y[40:]))
    assert data.splits.test.tolist() == list(range(40, 60))
    assert [column["name"] for column in data.encoders["inputs"][0]["columns"]] != []


def test_a_test_file_of_its_own(tmp_path: Path, frame: pd.DataFrame) -> None:
    frame.iloc[:40].to_csv(tmp_path / "a.csv", index=False)
    frame.iloc[40:][["town", "smoker", "weight", "height"]].to_csv(tmp_path / "b.csv", index=False)
    data = load_dataset(tmp_path / "a.csv", target="smoker", test=tmp_path / "b.csv")
    assert data.splits.test.tolist() == list(range(40, 60))
    columns = [column["name"] for column in data.encoders["inputs"][0]["columns"]]
    weight = data.x["table"][:, columns.index("weight")]
    assert np.array_equal(weight, frame["weight"].to_numpy(np.float32))
    with pytest.raises(DataError, match="lacks columns of the training part: town"):
        load_dataset(frame, target="smoker", test=frame.drop(columns="town"))


def test_encoders_learn_from_training_rows_alone(frame: pd.DataFrame) -> None:
    data = load_dataset(frame, target="smoker")
    held_out = np.setdiff1d(np.arange(60), data.splits.train)
    changed = frame.copy()
    changed.loc[held_out, "town"] = "Thun"
    changed.loc[held_out, ["height", "weight"]] = np.random.default_rng(0).normal(
        size=(len(held_out), 2)
    )
    again = load_dataset(changed, target="smoker")
    assert np.array_equal(again.splits.train, data.splits.train)
    assert again.encoders == data.encoders


def test_rows_without_a_target_are_left_out(frame: pd.DataFrame) -> None:
    frame.loc[[3, 4], "smoker"] = None
    data = load_dataset(frame, target="smoker")
    assert len(data.y) == len(data.x["table"]) == 60
    assert list(data.splits.unlabelled) == [58, 59]
    assert "2 rows without a value were left out" in data.warnings[0]
    rows = np.concatenate([data.splits.train, data.splits.validation, data.splits.test])
    assert sorted(rows) == list(range(58))


def test_what_is_set_aside_is_said_once_a_reason(frame: pd.DataFrame) -> None:
    data = load_dataset(frame.assign(id=range(60), one=1, two=1, empty=None), target="smoker")
    assert data.inputs[0].shape == (3,)
    assert set(data.warnings) == {
        "column set aside: id (an id: it counts the rows)",
        "2 columns set aside: one, two (constant: 1)",
        "column set aside: empty (no value in any training row)",
    }
    assert any(line.startswith("set aside   id: an id") for line in data.summary)


def test_an_id_is_seen_past_rows_left_out(frame: pd.DataFrame) -> None:
    frame.loc[[3, 4], "smoker"] = None
    data = load_dataset(frame.assign(number=range(60)), target="smoker")
    assert "column set aside: number (an id: it counts the rows)" in data.warnings


def test_columns_are_dropped(frame: pd.DataFrame) -> None:
    assert load_dataset(frame, target="smoker", drop=["town"]).inputs[0].shape == (2,)
    with pytest.raises(DataError, match="column 'twon', to be dropped, .* Did you mean 'town'"):
        load_dataset(frame, target="smoker", drop=["twon"])
    with pytest.raises(DataError, match="only columns of a table can be named with --drop"):
        load_dataset("digits", drop=["x"])


def test_infinite_cells_are_missing(frame: pd.DataFrame) -> None:
    frame.loc[:2, "weight"] = np.inf
    data = load_dataset(frame, target="smoker")
    assert "column 'weight': 3 infinite values; taken as missing" in data.warnings
    assert np.isnan(data.x["table"]).sum() == 3


def test_images_with_pixels_that_are_no_number_are_left_out() -> None:
    x = np.random.default_rng(0).random((40, 8, 8))
    x[7, 2, 2] = np.nan
    data = load_dataset((x, np.arange(40) % 2))
    assert len(data.y) == 39
    assert "1 images with pixels that are no finite number left out: rows 7" in data.warnings[0]


def test_the_fingerprint_is_of_the_content(tmp_path: Path, frame: pd.DataFrame) -> None:
    frame.to_csv(tmp_path / "a.csv", index=False)
    frame.to_csv(tmp_path / "b.csv", index=False)
    first = load_dataset(tmp_path / "a.csv", target="smoker")
    assert (
        load_dataset(tmp_path / "b.csv", target="smoker", seed=3).fingerprint == first.fingerprint
    )
    changed = frame.copy()
    changed.loc[5, "town"] = "Thun"
    assert (
        load_dataset(changed, target="smoker").fingerprint
        != load_dataset(frame, target="smoker").fingerprint
    )
    renamed = frame.rename(columns={"town": "city"})
    assert (
        load_dataset(renamed, target="smoker").fingerprint
        != load_dataset(frame, target="smoker").fingerprint
    )
    x, y = np.random.default_rng(0).normal(size=(40, 3)), np.arange(40) % 2
    assert load_dataset((x, y)).fingerprint == load_dataset((x.copy(), y)).fingerprint
    assert load_dataset((x + 1e-9, y)).fingerprint != load_dataset((x, y)).fingerprint
    assert load_dataset((x, 1 - y)).fingerprint != load_dataset((x, y)).fingerprint


def test_what_is_understood_is_said(frame: pd.DataFrame) -> None:
    frame.loc[::10, "height"] = np.nan
    lines = "\n".join(load_dataset(frame, target="smoker").summary)
    assert "60 rows from frame" in lines
    assert "table: 2 numbers, 1 categories" in lines
    assert "category, 3: Basel, Bern, Chur" in lines
    assert "% missing" in lines
    assert "smoker: classification, 2 classes: no (" in lines
    assert "train 32, calibration 0, validation 16, test 12 (drawn from the seed)" in lines


def test_a_target_without_labels_in_the_test_part() -> None:
    x, y = np.random.default_rng(0).normal(size=(40, 3)), np.arange(40) % 2
    with pytest.raises(DataError, match="holds 40 rows without a target"):
        load_dataset((x,))
    with pytest.raises(DataError, match="has 6 rows with a target to learn from; at least 10"):
        load_dataset((x[:6], y[:6]))
    with pytest.raises(DataError, match=r"shape \(3,\) in training and \(2,\) in another part"):
        load_dataset((x, y, x[:, :2], y))


def test_unlabelled_test_rows_are_not_used(tmp_path: Path) -> None:
    x, y = np.random.default_rng(0).normal(size=(40, 3)), np.arange(40) % 2
    np.savez(tmp_path / "a.npz", x=x, y=y, x_test=x)
    data = load_dataset(tmp_path / "a.npz")
    assert len(data.y) == 40
    assert "40 test rows have no target; they are not used" in data.warnings


def test_only_test_rows(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x_test=np.zeros((20, 3)), y_test=np.arange(20) % 2)
    with pytest.raises(DataError, match="has test rows only"):
        load_dataset(tmp_path / "a.npz")


def test_a_table_without_any_usable_column() -> None:
    frame = pd.DataFrame({"id": range(40), "c": [1] * 40, "goal": [0, 1] * 20})
    with pytest.raises(DataError, match=r"no column is left to learn from \(id: an id"):
        load_dataset(frame, target="goal")


def test_a_path_that_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "customers.csv").write_text("a,b\n1,2\n")
    with pytest.raises(DataNotFoundError, match=r"Did you mean '.*customers\.csv'") as caught:
        load_dataset(tmp_path / "costumers.csv", target="b")
    assert isinstance(caught.value, FileNotFoundError)
    with pytest.raises(DataNotFoundError, match="Did you mean 'digits'"):
        load_dataset("digit")


@pytest.mark.parametrize("name", ["data.xyz", "notes.md"])
def test_a_form_that_is_not_read(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("a")
    with pytest.raises(DataError, match=f"{name} is no form of data that can be read"):
        load_dataset(tmp_path / name)
    with pytest.raises(DataError, match=f"holds {name}; what can be read is a table"):
        load_dataset(tmp_path)


def test_a_folder_of_one_file_stands_for_it(tmp_path: Path) -> None:
    folder = tmp_path / "wine"
    folder.mkdir()
    x, y = np.random.default_rng(0).normal(size=(60, 3)), np.arange(60) % 2
    np.savez(folder / "rows.npz", x=x, y=y)
    (folder / "README.md").write_text("where it is from")
    assert load_dataset(folder).fingerprint == load_dataset(folder / "rows.npz").fingerprint
    np.savez(folder / "more.npz", x=x, y=y)
    with pytest.raises(DataError, match=r"holds README\.md, more\.npz, rows\.npz"):
        load_dataset(folder)


def test_a_source_that_is_no_source() -> None:
    with pytest.raises(DataError, match="this is int"):
        load_dataset(5)  # type: ignore[arg-type]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root reads all")
@pytest.mark.parametrize("name", ["t.csv", "t.tsv", "t.npz"])
def test_a_file_without_permission(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("a\tb\n1\t2\n")
    (tmp_path / name).chmod(0)
    with pytest.raises(DataError, match="cannot be read"):
        load_dataset(tmp_path / name)


def test_numbers_in_one_axis_are_one_column() -> None:
    x = np.random.default_rng(0).normal(size=40)
    assert (
        load_dataset((x, np.arange(40) % 2)).x["table"][:, 0].tolist()
        == x.astype(np.float32).tolist()
    )


def test_rows_alone_are_no_training_set(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.zeros((20, 3)))
    with pytest.raises(DataError, match="20 rows without a target"):
        load_dataset(tmp_path / "x.npy")


def test_rows_without_a_target_are_kept_to_learn_from_without_one() -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"a": rng.normal(size=80), "town": ["Bern", "Basel"] * 40})
    frame["goal"] = np.where(frame["a"] > 0, "yes", "no")
    whole = load_dataset(frame, target="goal")
    assert len(whole.splits.unlabelled) == 0
    frame.loc[frame.index % 4 == 1, "goal"] = None
    data = load_dataset(frame, target="goal")
    splits = data.splits
    used = np.concatenate([splits.train, splits.calibration, splits.validation, splits.test])
    assert sorted(used) == list(range(60))
    assert list(splits.unlabelled) == list(range(60, 80))
    known = frame["a"][frame["goal"].isna()].to_numpy(np.float32)
    np.testing.assert_array_equal(data.x["table"][60:, 0], known)
    assert "target      goal: classification, 2 classes" in "\n".join(data.summary)
    assert sum(data.y[:60] == 0) == int((frame["goal"] == "no").sum())


@pytest.mark.parametrize("batching", [BY_SIZE, Batching(most_bytes=2_000, rows=17)])
@pytest.mark.parametrize("first", ["", "# a comment\n"])
def test_names_with_noughts_stay_text(tmp_path: Path, batching: Batching, first: str) -> None:
    path = tmp_path / "t.csv"
    y = ["01", "007", "10"] * 40
    rows = [f"{i * 7 % 50},{i % 9}.5,{code}" for i, code in enumerate(y)]
    path.write_text(first + "\n".join(["a,b,y", *rows]) + "\n")
    data = read_dataset(path, DataConfig(target="y"), batching)
    assert data.target.classes == ("01", "007", "10")
    assert [column["kind"] for column in data.encoders["inputs"][0]["columns"]] == ["number"] * 2
    found = read_labelled(path, data.encoders, data.target, batching=batching)
    assert [data.target.classes[code] for code in found.y] == y
    numbers = pd.read_csv(path, comment="#")  # where they became 1, 7 and 10
    again = read_labelled(numbers, data.encoders, data.target)
    np.testing.assert_array_equal(again.y, found.y)


@pytest.mark.parametrize("batching", [BY_SIZE, Batching(most_bytes=2_000, rows=17)])
def test_words_for_no_value_are_kept_where_they_are_asked_for(
    tmp_path: Path, batching: Batching
) -> None:
    path, rng = tmp_path / "t.csv", np.random.default_rng(0)
    garage, region = rng.choice(["NA", "Attached", "Carport"], 150), rng.choice(["NA", "EU"], 150)
    frame = pd.DataFrame({"garage": garage, "size": rng.normal(size=150), "region": region})
    frame.loc[:3, "size"] = None
    frame.to_csv(path, index=False, na_rep="None")
    plain = read_dataset(path, DataConfig(target="region"), batching)
    assert plain.target.classes == ("EU", "NA")
    assert "'NA'" in plain.warnings[0]
    assert "read as a class" in plain.warnings[0]
    assert categories(plain) == ["Attached", "Carport"]
    for asked in ({"keep_missing_words": True}, {"columns": {"garage": "category"}}):
        data = read_dataset(path, DataConfig(target="region", **asked), batching)
        assert categories(data) == ["Attached", "Carport", "NA"]
        found = encode(path, data.encoders, batching)
        place = data.inputs[0].cardinalities.index(5)
        codes = [categories(data)[int(code) - 2] for code in found.x["table"][:, place]]
        assert codes == garage.tolist()
        assert found.warnings == ()
    assert batching != BY_SIZE or data.fingerprint != plain.fingerprint


def categories(data: Dataset) -> list[str]:
    columns = data.encoders["inputs"][0]["columns"]
    return next(list(each["categories"]) for each in columns if each["kind"] == "category")

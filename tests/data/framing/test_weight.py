"""Weights as they are read: brought to a mean of one, no input, and refused in one sentence."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from autosynth.data import encode, load_dataset, read_labelled
from autosynth.errors import ConfigError, DataError, UnknownNameError
from autosynth.spec import Dataset, Splits

SPLITS = ("train", "calibration", "validation", "test")


def rows(n: int = 240) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    size = rng.normal(size=n)
    return pd.DataFrame(
        {
            "size": size,
            "colour": rng.choice(["red", "blue"], n),
            "w": rng.integers(1, 9, n) / 2,
            "shop": rng.integers(0, 30, n),
            "kind": np.where(size + rng.normal(size=n) > 1, "yes", "no"),
        }
    )


def columns_of(dataset: Dataset) -> list[str]:
    return [each["name"] for spec in dataset.encoders["inputs"] for each in spec["columns"]]


def equal(one: Dataset, other: Dataset) -> bool:
    splits = all(
        np.array_equal(getattr(one.splits, name), getattr(other.splits, name)) for name in SPLITS
    )
    same_x = all(np.array_equal(one.x[name], other.x[name], equal_nan=True) for name in one.x)
    return splits and same_x and np.array_equal(one.y, other.y)


def test_the_column_weighs_rows_and_is_no_input() -> None:
    frame = rows()
    data = load_dataset(frame, target="kind", weight="w")
    assert data.weights is not None
    assert data.weights[data.splits.train].mean() == pytest.approx(1)
    np.testing.assert_allclose(data.weights / data.weights[0], frame["w"] / frame["w"][0])
    assert (data.weight, data.encoders["weight"], data.class_weights) == ("w", "w", ())
    assert "w" not in columns_of(data)
    assert "w" in columns_of(load_dataset(frame, target="kind"))
    shown = [line for line in data.summary if line.startswith("weights")]
    assert len(shown) == 1
    assert "column w" in shown[0]
    assert equal(data, load_dataset(frame.drop(columns="w"), target="kind"))


def test_numbers_in_python_are_a_column() -> None:
    frame = rows()
    column = load_dataset(frame, target="kind", weight="w")
    for given in (frame["w"], frame["w"].to_numpy(), frame["w"].tolist()):
        data = load_dataset(frame.drop(columns="w"), target="kind", weight=given)
        assert data.weights is not None
        np.testing.assert_allclose(data.weights, column.weights)
        assert (data.weight, "weight" in data.encoders) == ("", False)
    x, y = frame[["size", "shop"]].to_numpy(), frame["kind"].to_numpy()
    data = load_dataset((x, y), columns={"x": "series"}, weight=frame["w"])
    np.testing.assert_allclose(data.weights, column.weights)


def test_a_row_of_weight_nothing_is_as_if_it_were_not_there() -> None:
    frame = rows()
    frame.loc[::5, "w"] = 0
    frame.loc[3, "kind"] = "rare"  # a class of one row, which weighs nothing
    frame.loc[3, "w"] = 0
    data = load_dataset(frame, target="kind", weight="w", group="shop")
    left = frame[frame["w"] > 0].reset_index(drop=True)
    assert equal(data, load_dataset(left, target="kind", weight="w", group="shop"))
    assert data.target.classes == ("no", "yes")
    lost = len(frame) - len(left)
    assert f"{lost} rows of weight 0 are left out: they count for nothing" in data.warnings
    x, y, w = frame[["size", "shop"]].to_numpy(), frame["kind"].to_numpy(), frame["w"].to_numpy()
    array = load_dataset((x, y), columns={"x": "series"}, weight=w)
    assert len(array.y) == len(left)
    np.testing.assert_allclose(array.weights / array.weights[0], left["w"] / left["w"][0])


def test_rows_without_a_target_weigh_something(tmp_path: Path) -> None:
    frame = rows()
    frame.loc[:20, "kind"] = None
    frame.loc[40, "w"] = 0
    data = load_dataset(frame, target="kind", weight="w")
    assert len(data.splits.unlabelled) == 21
    assert data.weights is not None
    assert len(data.weights) == len(data.y) == 239
    left = frame[21:].drop(40)
    np.testing.assert_allclose(data.weights[:218] / data.weights[0], left["w"] / left["w"].iloc[0])
    assert data.weights[data.splits.train].mean() == pytest.approx(1)


def test_parts_have_the_column_each(tmp_path: Path) -> None:
    frame = rows()
    frame[:180].to_csv(tmp_path / "train.csv", index=False)
    frame[180:].to_csv(tmp_path / "test.csv", index=False)
    data = load_dataset(tmp_path, target="kind", weight="w")
    np.testing.assert_allclose(data.weights / data.weights[0], frame["w"] / frame["w"][0])
    frame[180:].drop(columns="w").to_csv(tmp_path / "test.csv", index=False)
    with pytest.raises(DataError, match="lacks columns of the training part: w"):
        load_dataset(tmp_path, target="kind", weight="w")
    with pytest.raises(DataError, match="weight= gives a number a row of one part"):
        load_dataset(tmp_path / "train.csv", target="kind", test=frame, weight=np.ones(180))


@pytest.mark.parametrize(
    ("cell", "shown"),
    [(-1, "'-1'"), (np.nan, "nothing"), (np.inf, "'inf'"), (1e40, "'1e"), ("often", "'often'")],
)
def test_a_cell_that_is_no_weight_is_told(cell: Any, shown: str, tmp_path: Path) -> None:
    frame = rows().astype({"w": object})
    frame.loc[7, "w"] = cell
    path = tmp_path / "rows.csv"
    frame.to_csv(path, index=False)
    rule = (
        rf"--weight 'w' of .*rows.csv says how much each row counts, a number from 0 to 1e\+30; "
        rf"row 7 holds {shown}.*Mend it, take the row out, or leave the weights out"
    )
    with pytest.raises(DataError, match=rule):
        load_dataset(path, target="kind", weight="w")
    if not isinstance(cell, str):
        with pytest.raises(DataError, match=f"weight= for frame says.*row 7 holds {shown}"):
            load_dataset(frame, target="kind", weight=frame["w"].astype(float))


def test_other_columns_that_are_no_weights_are_told() -> None:
    frame = rows().assign(zero=0, word="a")
    with pytest.raises(DataError, match="it is 0 in all 240 rows, so that none counts. Name"):
        load_dataset(frame, target="kind", weight="zero")
    with pytest.raises(DataError, match=r"row 0 holds 'a' \(and 239 rows more are wrong\)"):
        load_dataset(frame, target="kind", weight="word")
    with pytest.raises(DataError, match="--weight 'ww' is no column of frame.*Did you mean 'w'"):
        load_dataset(frame, target="kind", weight="ww")
    with pytest.raises(DataError, match="weight= gives 239 numbers, and frame has 240 rows"):
        load_dataset(frame, target="kind", weight=np.ones(239))
    with pytest.raises(DataError, match="only columns of a table can be named with --weight"):
        load_dataset("digits", weight="w")


def test_balanced_classes_weigh_the_same() -> None:
    frame = rows()
    data = load_dataset(frame, target="kind", class_weight="balanced")
    counts = np.bincount(data.y[data.splits.train])
    np.testing.assert_allclose(data.class_weights, counts.sum() / (2 * counts))
    assert data.weights is None
    both = load_dataset(frame, target="kind", class_weight="balanced", weight="w")
    assert both.weights is not None
    train = both.splits.train
    weighed = np.bincount(both.y[train], both.weights[train])
    np.testing.assert_allclose(both.class_weights, weighed.sum() / (2 * weighed))
    assert any(line.strip().startswith("of classes: no ") for line in data.summary)


def test_classes_that_are_named_weigh_more_and_the_mean_stays() -> None:
    frame = rows()
    data = load_dataset(frame, target="kind", class_weight={"YES": 5})
    no, yes = data.class_weights
    assert yes / no == pytest.approx(5)
    of_rows = np.array(data.class_weights)[data.y[data.splits.train]]
    assert of_rows.mean() == pytest.approx(1)
    rule = r"unknown class of 'kind' 'yess' \(--class-weight\); valid: no, yes.*'yes'"
    with pytest.raises(UnknownNameError, match=rule):
        load_dataset(frame, target="kind", class_weight={"yess": 5})
    with pytest.raises(ConfigError, match="--class-weight is balanced, or pairs"):
        load_dataset(frame, target="kind", class_weight="even")


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"target": "size"}, "of the classes of a classification, and 'size' .* task regression"),
        ({"target": ["kind", "colour"]}, "task multitask. Leave it out, or weigh rows with"),
    ],
)
def test_only_classes_of_one_target_have_weights(more: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        load_dataset(rows(), class_weight="balanced", **more)


def test_windows_and_interactions_count_alike() -> None:
    frame = rows()
    rule = "--weight is of rows that stand for themselves, and those of a forecast are windows"
    with pytest.raises(DataError, match=rule):
        load_dataset(frame, target="size", task="forecasting", horizon=3, weight="w")
    rule = "--class-weight is of rows .* those of a ranking are what users had .* Leave it out"
    with pytest.raises(DataError, match=rule):
        load_dataset(frame, target="kind", user="shop", class_weight="balanced")


def test_a_test_set_is_weighed_where_it_has_the_column() -> None:
    frame = rows()
    data = load_dataset(frame, target="kind", weight="w")
    new = rows()[::-1].reset_index(drop=True)
    new.loc[5, "w"] = 0
    found = read_labelled(new, data.encoders, data.target)
    assert (found.weight, len(found)) == ("w", 239)
    left = new.drop(5)
    np.testing.assert_allclose(found.weights, left["w"] / left["w"].mean())
    assert [each.reason for each in found.left_out] == ["of weight 0 ('w')"]
    few = found.only(np.array([3, 7]))
    np.testing.assert_array_equal(few.weights, found.weights[[3, 7]])
    lacking = read_labelled(new.drop(columns="w"), data.encoders, data.target)
    assert (lacking.weight, lacking.weights, len(lacking)) == ("", None, 240)
    assert any("lacks the column 'w', by which the rows" in text for text in lacking.warnings)
    with pytest.raises(DataError, match="row 0 holds '-1'"):
        read_labelled(new.assign(w=-1), data.encoders, data.target)


def test_rows_to_predict_need_no_weights(tmp_path: Path) -> None:
    frame = rows()
    data = load_dataset(frame, target="kind", weight="w")
    whole, less = (
        encode(each, data.encoders).x["table"]
        for each in (frame, frame[["size", "colour", "shop"]])
    )
    np.testing.assert_array_equal(whole, less)
    bare = tmp_path / "bare.csv"  # no header either
    frame.to_csv(tmp_path / "old.csv", index=False)
    frame[["size", "colour", "shop"]].to_csv(bare, index=False, header=False)
    learnt = load_dataset(tmp_path / "old.csv", target="kind", weight="w")
    np.testing.assert_array_equal(
        encode(bare, learnt.encoders).x["table"],
        encode(tmp_path / "old.csv", learnt.encoders).x["table"],
    )


def test_a_level_of_the_index_may_weigh() -> None:
    frame = rows()
    indexed = frame.set_index("w")
    data = load_dataset(indexed, target="kind", weight="w")
    np.testing.assert_allclose(
        data.weights, load_dataset(frame, target="kind", weight="w").weights
    )
    assert isinstance(data.splits, Splits)

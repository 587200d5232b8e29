"""A frame's index: it names the rows, its dates are the time, its levels may be columns."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from autosynth.data import encode, load_dataset, read_labelled
from autosynth.data.source.arrays import aligned
from autosynth.errors import DataError

HOURS = pd.date_range("2024-01-01", periods=400, freq="h")
LOAD = np.sin(np.arange(400) / 6) + np.random.default_rng(0).normal(size=400) / 10


@pytest.mark.parametrize(
    "index",
    [
        np.random.default_rng(0).permutation(60),
        [f"row {i}" for i in range(60)],
        pd.date_range("2024-01-01", periods=60),
        pd.Index([1, 1] * 30, name="twice"),
        pd.MultiIndex.from_product([range(6), range(10)], names=[None, None]),
    ],
)
def test_predictions_keep_the_index(frame: pd.DataFrame, index: Any) -> None:
    expected = load_dataset(frame, target="smoker")
    named = frame.set_axis(index)
    assert load_dataset(named, target="smoker").fingerprint == expected.fingerprint
    found = encode(named, expected.encoders)
    assert isinstance(found.index, pd.Index)
    assert found.index.equals(named.index)
    assert np.array_equal(found.x["table"], expected.x["table"])
    scored = read_labelled(named, expected.encoders, expected.target)
    assert list(scored.index) == list(named.index)


def test_rows_left_out_keep_their_names() -> None:
    x = pd.DataFrame({"a": [np.zeros(9), None, np.ones(9)] * 20, "y": [0, 1] * 30})
    x.index = [f"r{i}" for i in range(60)]
    data = load_dataset(x, target="y", columns={"a": "series"})
    assert list(encode(x, data.encoders).index) == [f"r{i}" for i in range(60) if i % 3 != 1]


@pytest.mark.parametrize(
    "source",
    [
        pd.DataFrame({"load": LOAD}, index=HOURS),
        pd.DataFrame({"load": LOAD}, index=HOURS.rename("when")).sample(frac=1, random_state=0),
        pd.DataFrame({"load": LOAD}, index=HOURS.to_period("h")),
        pd.DataFrame({"load": LOAD}, index=HOURS.strftime("%Y-%m-%d %H:%M").rename("when")),
        pd.Series(LOAD, index=HOURS),
        pd.Series(LOAD, index=HOURS, name="load"),
        pd.Series(LOAD, index=HOURS, dtype="float64[pyarrow]"),
    ],
)
def test_dates_in_the_index_are_the_time(source: Any) -> None:
    table = pd.DataFrame({"time": HOURS, "load": LOAD})
    expected = load_dataset(table, target="load", task="forecasting", horizon=4)
    data = load_dataset(source, task="forecasting", horizon=4)
    assert np.array_equal(data.x["past"], expected.x["past"])
    assert not data.warnings
    found = encode(source, data.encoders)
    assert found.index[0].startswith("2024-01-17 15:00")
    assert np.array_equal(found.x["past"], encode(table, expected.encoders).x["past"])
    assert len(read_labelled(source, data.encoders, data.target))


def test_a_series_without_dates_is_steps_in_order() -> None:
    data = load_dataset(pd.Series(LOAD), task="forecasting", horizon=4)
    assert "no column of time" in data.warnings[0]
    assert encode(pd.Series(LOAD), data.encoders).index == ["399"]


def test_an_index_can_be_named_as_a_column(frame: pd.DataFrame) -> None:
    frame["when"] = pd.date_range("2024-01-01", periods=60)[::-1]
    inside = frame.set_index("when")
    for option in ("time", "group"):
        expected = load_dataset(frame, target="smoker", **{option: "when"})
        data = load_dataset(inside, target="smoker", **{option: "when"})
        assert np.array_equal(data.splits.test, expected.splits.test)
        found = encode(inside, data.encoders)
        assert np.array_equal(found.x["table"], data.x["table"])
    goal = load_dataset(frame.set_index("smoker"), target="smoker")
    assert goal.target.classes == ("no", "yes")
    with pytest.raises(DataError, match="--time 'then' is no column"):
        load_dataset(inside, target="smoker", time="then")


def test_levels_that_have_a_name_are_columns(frame: pd.DataFrame) -> None:
    expected = load_dataset(frame, target="smoker")
    levels = frame.set_index(["town", "weight"])
    data = load_dataset(levels, target="smoker")
    assert {column["name"] for column in data.encoders["inputs"][0]["columns"]} == {
        column["name"] for column in expected.encoders["inputs"][0]["columns"]
    }
    assert any("levels of the index" in line and "town, weight" in line for line in data.summary)
    found = encode(levels, data.encoders)
    assert found.index.equals(levels.index)
    assert np.array_equal(found.x["table"], data.x["table"])
    pair = load_dataset((levels[["height"]], levels["smoker"]))
    assert pair.inputs == data.inputs


def test_interactions_by_levels() -> None:
    events = pd.DataFrame(
        {
            "who": [f"u{row % 9}" for row in range(200)],
            "item": [f"i{(row // 9 + row % 9) % 23}" for row in range(200)],
        },
        index=pd.RangeIndex(1, 201, name="step"),
    )
    expected = load_dataset(events.reset_index(), target="item", user="who", time="step")
    data = load_dataset(events, target="item", user="who", time="step")
    assert data.inputs == expected.inputs
    found = encode(events, data.encoders)
    assert list(found.index) == list(encode(events.reset_index(), expected.encoders).index)


def test_a_target_stands_in_the_order_of_its_rows(frame: pd.DataFrame) -> None:
    x = frame.drop(columns="smoker").set_axis([f"r{i}" for i in range(60)])
    y = frame["smoker"].set_axis(x.index)
    expected = load_dataset((x, y))
    assert expected.target.name == "smoker"
    data = load_dataset((x, y.sample(frac=1, random_state=0)))
    assert np.array_equal(data.y, expected.y)
    assert any("into the order of x" in line for line in data.summary)
    in_order = load_dataset((x, y.to_numpy()))
    assert np.array_equal(in_order.y, expected.y)
    assert np.array_equal(load_dataset((x, y.reset_index(drop=True))).y, expected.y)


def test_an_order_that_cannot_be_known_is_refused(frame: pd.DataFrame) -> None:
    x, y = frame.drop(columns="smoker"), frame["smoker"]
    shuffled = x.sample(frac=1, random_state=0)
    with pytest.raises(DataError, match=r"those of y only count.*give y\.to_numpy\(\)"):
        load_dataset((shuffled, y))
    with pytest.raises(DataError, match="those of x only count"):
        aligned(x, y.sample(frac=1, random_state=0))
    assert aligned(x, y)[0] is y

"""The small inputs of ../shared/cases whose cells are numbers, classes and categories."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autosynth.data import encode, load_dataset, read_labelled
from autosynth.errors import DataError
from autosynth.run import train_strategy

CASES = Path(__file__).parents[2].parent / "shared" / "cases"
pytestmark = pytest.mark.skipif(
    not CASES.is_dir(), reason="the cases are not beside the repository"
)

TWINS = [
    ("off", "off0", {"target": "y"}),
    ("epochms", "epochms_small", {"target": "y"}),
    ("meter", "meter0", {"target": "kwh", "task": "forecasting", "horizon": 24}),
]


def moved(values: Any) -> np.ndarray:
    """Rows of values as they differ from the first one's first."""
    values = np.asarray(values, dtype=np.float64)
    return values - values.ravel()[0]


@pytest.mark.parametrize(("name", "twin", "options"), TWINS, ids=[twin[0] for twin in TWINS])
def test_numbers_far_from_0_are_read_as_their_twins(
    name: str, twin: str, options: dict[str, Any]
) -> None:
    here, there = (
        load_dataset(CASES / "float32" / f"{each}.csv", **options) for each in (name, twin)
    )
    assert here.x.keys() == there.x.keys()
    # Their first column is the same; what stands beside it is drawn anew.
    key, columns = here.inputs[0].name, slice(None) if name == "meter" else slice(0, 1)
    one, other = (moved(data.x[key][:, columns]) for data in (here, there))
    np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(moved(here.y), moved(there.y), atol=1e-6)
    assert [w.replace(twin, name) for w in there.warnings] == list(here.warnings)


def test_seconds_of_a_date_are_kept() -> None:
    when, ms = (
        load_dataset(CASES / "float32" / f"{each}.csv", target="y")
        for each in ("secs", "epochms_small")
    )
    days, thousands = (data.x["table"][:, 0] for data in (when, ms))
    np.testing.assert_allclose(moved(days) * 86_400, moved(thousands) / 1000, atol=0.1)
    assert "date, 2023-05-01 ... 2023-05-01" in "\n".join(when.summary)


def test_a_target_far_from_0_is_learnt_as_numbers_without_a_false_leak() -> None:
    data = load_dataset(CASES / "float32" / "target_offset.csv", target="y")
    assert data.target.task == "regression"
    assert "999999967.09 ... 1000000024.5" in "\n".join(data.summary)
    assert np.ptp(data.y) == pytest.approx(57.37, abs=0.01)
    large = load_dataset(CASES / "float32" / "target_lum.csv", target="y")
    assert [scale.kind for scale in large.scales] == ["log"]
    told = [line.split("'")[1] for each in (data, large) for line in each.warnings]
    assert told == ["a", "a"]  # y is made of it; of c it is not


def test_a_target_out_of_range_is_told() -> None:
    with pytest.raises(DataError, match=r"'y' goes to 6.76e\+302; .* at most 1e\+60"):
        load_dataset(CASES / "float32" / "target_1e300.csv", target="y")


def test_formatted_columns_are_numbers_and_told() -> None:
    path = CASES / "formatted_numbers" / "thousands.csv"
    data = load_dataset(path, target="y")
    told = "\n".join(data.summary)
    assert data.inputs[0].cardinalities == (0,) * 5
    for name in ("price", "eu", "usd", "pct", "neg"):
        assert f"assumed     {name}: numbers written like" in told
    names = [each["name"] for each in data.encoders["inputs"][0]["columns"]]
    x = {name: data.x["table"][:, i] for i, name in enumerate(names)}
    np.testing.assert_array_equal(x["price"], x["eu"])
    np.testing.assert_array_equal(x["price"], x["usd"])
    np.testing.assert_array_equal(x["price"], np.abs(x["neg"]))
    assert x["neg"].min() < 0 < x["pct"].min() < x["pct"].max() <= 100


@pytest.mark.parametrize(("name", "by"), [("eu", 1), ("thousands", 1), ("usd", 1), ("pct", 100)])
def test_a_formatted_target_is_a_regression(name: str, by: float) -> None:
    path = CASES / "formatted_numbers" / f"target_{name}.csv"
    data = load_dataset(path, target="price")
    assert (data.target.task, len(data.y)) == ("regression", 400)
    assert data.y.mean() == pytest.approx(1872.7 / by, rel=1e-3)
    scored = read_labelled(path, data.encoders, data.target)
    np.testing.assert_array_equal(scored.y, data.y)


@pytest.mark.parametrize("task", [None, "regression"])
def test_a_stray_word_in_a_target_is_named(task: str | None) -> None:
    data = load_dataset(CASES / "stray_target" / "target_stray.csv", target="y", task=task)
    assert (data.target.task, len(data.y)) == ("regression", 399)
    assert "target 'y': 399 of 400 are numbers; row 17 holds 'TBD', left out" in data.warnings


def test_what_was_never_seen_is_told() -> None:
    folder = CASES / "unseen_category_silent"
    data = load_dataset(folder / "train.csv", target="churn")
    names = ("new", "new_unseen", "new_lower", "new_bool01")
    plain, unseen, lower, bool01 = (encode(folder / f"{n}.csv", data.encoders) for n in names)
    assert plain.warnings == bool01.warnings == ()
    (told,) = unseen.warnings
    assert told.startswith("column 'city': 8 of 8 values (100.0%) are no category")
    (told,) = lower.warnings
    assert told.startswith("column 'city': 8 of 8 values (100.0%) are spelled otherwise")
    for same in (lower, bool01):
        np.testing.assert_array_equal(same.x["table"], plain.x["table"])


@pytest.mark.slow
@pytest.mark.parametrize(("name", "twin", "options"), TWINS, ids=[twin[0] for twin in TWINS])
def test_numbers_far_from_0_are_learnt_as_their_twins(
    name: str, twin: str, options: dict[str, Any], tmp_path: Path
) -> None:
    scores = []
    for each in (name, twin):
        asked = {**options, "strategy": "mlp[width=32, depth=1]", "epochs": 40, "device": "cpu"}
        scores.append(
            train_strategy(CASES / "float32" / f"{each}.csv", **asked, out=tmp_path / each).test
        )
    here, there = scores
    if "neg_mae" in there and name == "meter":
        assert here["neg_mae"] == pytest.approx(there["neg_mae"], rel=0.05)
    else:
        key = "accuracy" if "accuracy" in there else "r2"
        assert here[key] > 0.98
        assert here[key] == pytest.approx(there[key], abs=0.01)

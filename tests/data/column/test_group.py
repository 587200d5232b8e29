"""Numbered columns of numbers that make a series, and an order of those that do not."""

import json

import numpy as np
import pandas as pd
import pytest

from autosynth.data import encode, load_dataset
from autosynth.data.column.group import find_groups, order_columns

ROWS = 200


def walks(steps: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(ROWS, steps)).cumsum(1)


def noise(steps: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(ROWS, steps))


def alike(steps: int) -> np.ndarray:
    """Questions of one scale: any two go together as much as neighbours do."""
    return 2 * noise(1, 1) + noise(steps)


def names(stem: str, steps: int, first: int = 1) -> list[str]:
    return [f"{stem}{number}" for number in range(first, first + steps)]


@pytest.mark.parametrize(
    ("stem", "x", "found"),
    [
        ("load_", walks(24), True),
        ("sales_20", walks(6), True),
        ("hour", walks(4), True),
        ("hour", walks(3), False),
        ("V", noise(28), False),
        ("margin", noise(64), False),
        ("q", alike(12), False),
        ("pixel", walks(100), False),
    ],
)
def test_neighbours_tell_a_series(stem: str, x: np.ndarray, found: bool) -> None:
    assert bool(find_groups(names(stem, x.shape[1]), x)) == found


def test_a_gap_in_the_numbers_is_no_series() -> None:
    assert find_groups(["PAY_0", *names("PAY_", 5, 2)], walks(6)) == []


def test_short_groups_of_several_stems_are_channels_by_name() -> None:
    both = [*names("bill", 6), "age", *names("paid", 6)]
    (group,) = find_groups(both, noise(13))
    assert group.stems == ("bill", "paid")
    assert group.places == (tuple(range(6)), tuple(range(7, 13)))
    flags = (noise(13) > 0).astype(float)
    assert find_groups(both, flags) == []
    assert find_groups([*names("x", 6), "age", *names("v", 6)], noise(13)) == []


def frame() -> pd.DataFrame:
    table = pd.DataFrame(walks(8), columns=names("load ", 8))
    table = table[table.columns[::-1]]
    return table.assign(age=noise(1, 5)[:, 0], y=np.arange(ROWS) % 2)


def test_a_series_leaves_the_table_and_stands_in_order() -> None:
    data = load_dataset(frame(), target="y")
    assert [(s.name, s.kind, s.shape, s.masked) for s in data.inputs] == [
        ("table", "table", (1,), False),
        ("load", "series", (1, 8), False),
    ]
    np.testing.assert_allclose(data.x["load"][:, 0], walks(8), rtol=1e-6)
    assert "            of load 1 ... load 8" in data.summary
    encoders = json.loads(json.dumps(dict(data.encoders)))
    again = encode(frame().drop(columns="y").sample(frac=1, axis=1, random_state=0), encoders)
    assert np.array_equal(again.x["load"], data.x["load"])


def test_missing_steps_are_masked_if_training_rows_have_some_else_filled() -> None:
    data = load_dataset(frame(), target="y")
    holes = frame().drop(columns="y")
    holes.loc[3, "load 2"] = np.nan
    encoded = encode(holes, data.encoders)
    mean = walks(8)[data.splits.train].mean(0)
    assert encoded.x["load"][3, 0, 1] == pytest.approx(mean[1], rel=1e-5)
    assert (
        "series 'load': in 1 rows the training mean stands for missing steps" in encoded.warnings
    )
    with_holes = frame()
    with_holes.loc[::2, "load 2"] = np.nan
    with_holes.loc[4, names("load ", 8)] = np.nan
    masked = load_dataset(with_holes, target="y")
    assert masked.inputs[1].masked
    assert np.isnan(masked.x["load"]).sum() == ROWS // 2 - 1  # one row misses all: filled
    assert not np.isnan(masked.x["load"][4]).any()


def test_long_tails_are_put_on_a_normal_scale() -> None:
    wild = np.exp(3 * noise(6))
    table = pd.DataFrame(walks(6), columns=names("load", 6)).assign(y=np.arange(ROWS) % 2)
    table[names("paid", 6)] = wild
    data = load_dataset(table, target="y")
    assert data.inputs[0].name == "load_paid"
    np.testing.assert_allclose(data.x["load_paid"][:, 0], walks(6), rtol=1e-6)
    paid = data.x["load_paid"][:, 1]
    inside = paid[data.splits.train].ravel()
    assert abs(inside.mean()) < 0.05
    assert 0.9 < inside.std() < 1.05
    order = wild[data.splits.train].ravel().argsort()
    assert (np.diff(inside[order]) >= 0).all()
    told = "            long tails, so put on a normal scale: paid1 ... paid6"
    assert told in data.summary
    far = encode(table.assign(paid3=1e30, paid4=np.nan), data.encoders).x["load_paid"][:, 1]
    assert np.isfinite(far).all()
    assert (far[:, 2] == paid.max()).all()


def test_numbered_columns_stand_together_in_their_order() -> None:
    names = ["BILL_10", "age", "BILL_2", "PAY_1", "BILL_1", "PAY_3", "PAY_2", "sex1", "tax"]
    x = np.random.default_rng(0).normal(size=(300, len(names)))
    ordered = [names[place] for place in order_columns(x, names)]
    assert sorted(ordered) == sorted(names)
    first, second = ordered.index("BILL_1"), ordered.index("PAY_1")
    assert ordered[first : first + 3] == ["BILL_1", "BILL_2", "BILL_10"]
    assert ordered[second : second + 3] == ["PAY_1", "PAY_2", "PAY_3"]


def test_correlated_columns_are_neighbours() -> None:
    rng = np.random.default_rng(0)
    pairs = rng.normal(size=(500, 4))
    x = np.hstack([pairs, -(pairs**3) + 0.01 * rng.normal(size=pairs.shape)])
    x[::7, 0] = np.nan
    order = order_columns(x, list("abcdefgh"))
    for column in range(4):
        assert abs(order.index(column) - order.index(column + 4)) == 1


def test_few_or_empty_columns() -> None:
    assert order_columns(np.full((9, 3), np.nan), ["a", "b", "c"]) != []
    assert order_columns(np.zeros((9, 1)), ["a"]) == [0]

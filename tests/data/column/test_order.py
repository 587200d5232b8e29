"""The order of columns: numbered ones by number, correlated ones side by side."""

import numpy as np

from autosynth.data.column.order import order_columns


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

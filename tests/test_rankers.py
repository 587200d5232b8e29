"""Baselines of a ranking, by hand: what most have, and what stands beside what a user had."""

from dataclasses import replace

import numpy as np
import pytest

from autosynth.baselines import BASELINES, run
from autosynth.leaderboard import TRIVIAL
from autosynth.spec import Dataset, InputSpec, SeenItems, Splits, TargetSpec

ITEMS = ("a", "b", "c", "d")


@pytest.fixture
def visits() -> Dataset:
    """Three users to learn from had abc, ab and dc; one had a, then b, and then c."""
    codes = np.array([0, 1, 2, 0, 1, 3, 2, 0, 1, 2])
    start = np.array([0, 0, 3, 5, 7, 7])
    stop = np.array([1, 2, 4, 6, 8, 9])
    spec = InputSpec(name="history", kind="ids", shape=(4,), cardinalities=(7,), masked=True)
    rows = np.arange(6)
    return Dataset(
        name="made", source="made", inputs=(spec,),
        target=TargetSpec(name="item", task="ranking", classes=ITEMS),
        x={"history": np.zeros((6, 4), np.int32)}, y=codes[stop], encoders={}, fingerprint="0",
        splits=Splits(train=rows[:4], calibration=rows[:0], validation=rows[4:5], test=rows[5:]),
        seen=SeenItems(codes=codes, start=start, stop=stop),
    )  # fmt: skip


def test_popularity_ranks_what_came_next_most_often_but_not_what_was_seen(visits: Dataset) -> None:
    assert list(BASELINES["ranking"])[0] == "popularity"
    assert "popularity" in TRIVIAL
    result = run("popularity", visits)
    assert result.validation.tolist() == [[0, 0.5, 0.5, 0]]  # b and c twice each, and a was seen
    assert result.test.tolist() == [[0, 0, 1, 0]]
    assert (result.flops, result.params) == (0, 0)


def test_neighbours_sum_cosines_over_the_history(visits: Dataset) -> None:
    # Of a and b: two users had both, two each one: 2 / sqrt(2 * 2). Of a and c: 1 / sqrt(2 * 2).
    assert run("neighbours", visits).validation == pytest.approx(np.array([[0, 2 / 3, 1 / 3, 0]]))
    assert run("neighbours", visits).test.tolist() == [[0, 0, 1, 0]]


def test_many_items_give_the_same_neighbours(visits: Dataset) -> None:
    few, n = run("neighbours", visits).validation, len(visits.target.classes)
    more = (*visits.target.classes, *map(str, range(6_000)))  # no matrix of all pairs
    found = run("neighbours", replace(visits, target=replace(visits.target, classes=more)))
    assert found.validation[:, :n] == pytest.approx(few)
    assert not found.validation[:, n:].any()

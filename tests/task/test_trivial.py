"""The baseline of a ranking, by hand: what most have, without what a user had."""

import numpy as np
import pytest

from autosynth.leaderboard import TRIVIAL
from autosynth.spec import Dataset, InputSpec, SeenItems, Splits, TargetSpec
from autosynth.task.task import task_of
from autosynth.task.trivial import trivial_outputs

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
    assert task_of(visits.target).baseline in TRIVIAL
    held = visits.splits.validation
    assert trivial_outputs(visits, held).tolist() == [[0, 0.5, 0.5, 0]]  # b, c twice; a was seen
    assert trivial_outputs(visits, visits.splits.test).tolist() == [[0, 0, 1, 0]]

"""Splits by group and by time: no group in two splits, later rows held out."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from autosynth.data.split.holdout import take_groups
from autosynth.data.split.split import Parts, left_out, split
from autosynth.errors import DataError
from autosynth.spec import Splits

NAMES = ("train", "calibration", "validation", "test")


def parts(main: int, validation: int = 0, test: int = 0) -> Parts:
    rows = np.arange(main + validation + test)
    return Parts(
        main=rows[:main], validation=rows[main : main + validation], test=rows[main + validation :]
    )


def of(splits: Splits) -> dict[str, NDArray[np.int64]]:
    return {name: getattr(splits, name) for name in NAMES}


@given(
    n_groups=st.integers(4, 60),
    n=st.integers(60, 3_000),
    skew=st.floats(0, 2),
    official=st.sampled_from([(0, 0), (0, 40), (150, 0), (1_100, 30)]),
    seed=st.integers(0, 1_000),
)
def test_no_group_stands_in_two_splits(
    n_groups: int, n: int, skew: float, official: tuple[int, int], seed: int
) -> None:
    rng = np.random.default_rng(seed)
    n += sum(official)
    shares = (1 + np.arange(n_groups)) ** -skew
    groups = rng.choice(n_groups, n, p=shares / shares.sum())
    groups[:n_groups] = np.arange(n_groups)
    n_main = n - sum(official)
    groups[n_main:] += n_groups * (official[0] > 0)  # other groups, so that rows to train on stay
    if official[1] and not official[0]:
        groups[n_main:] = groups[n_main]
    rows = parts(n_main, *official)
    y = rng.integers(0, 3, n)
    splits = split(y, rows, stratified=True, seed=seed, groups=[f"g{g}" for g in groups])
    found = of(splits)
    owners = [set(groups[rows]) for rows in found.values()]
    assert sum(map(len, owners)) == len(set().union(*owners))
    assert min(len(splits.train), len(splits.validation), len(splits.test)) > 0
    together = np.concatenate(list(found.values()))
    assert len(np.unique(together)) == len(together)
    outside = np.setdiff1d(np.arange(n), together)
    assert len(outside) == left_out(splits, n)
    if official[1]:
        assert np.array_equal(splits.test, rows.test)
    held = np.concatenate([rows.test, splits.validation, splits.calibration])
    assert set(groups[outside]) <= set(groups[held])


def test_many_groups_give_the_sizes_and_the_shares_of_classes() -> None:
    rng = np.random.default_rng(0)
    groups = rng.integers(0, 400, 4_000)
    y = (rng.random(4_000) < 0.1 + 0.3 * (groups % 2)).astype(np.int64)
    splits = split(y, parts(4_000), stratified=True, seed=0, groups=groups)
    for name, size in (("test", 800), ("validation", 500), ("calibration", 500)):
        rows = getattr(splits, name)
        assert abs(len(rows) - size) <= 20
        assert y[rows].mean() == pytest.approx(y.mean(), abs=0.01)


def test_the_last_group_of_a_class_stays_though_drawing_it_would_match_the_shares() -> None:
    groups = np.repeat(np.arange(4), [20, 20, 20, 4])
    y = (groups == 3).astype(np.int64)
    for seed in range(20):
        rng = np.random.default_rng(seed)
        _, left = take_groups(np.arange(64), y, groups, 40, rng, rest=1)
        assert 1 in y[left]


def test_a_class_of_one_group_is_trained_on() -> None:
    groups = np.repeat(np.arange(10), 20)
    y = np.where(groups == 3, 2, np.arange(200) % 2)
    for seed in range(10):
        splits = split(y, parts(200), stratified=True, seed=seed, groups=groups)
        assert 2 in y[splits.train]


def test_the_seed_draws_the_groups() -> None:
    groups = np.repeat(np.arange(6), 50)
    y = np.arange(300) % 5
    drawn = [
        tuple(np.unique(groups[split(y, parts(300), stratified=True, seed=s, groups=groups).test]))
        for s in (0, 0, 1, 2, 3)
    ]
    assert drawn[0] == drawn[1]
    assert len(set(drawn)) > 1
    assert {len(each) for each in drawn} == {1}


def test_rows_without_a_group_are_groups_of_their_own() -> None:
    groups = ["a"] * 30 + ["b"] * 30 + [None] * 40
    splits = split(np.arange(100) % 2, parts(100), stratified=True, seed=0, groups=groups)
    assert 18 <= len(splits.test) <= 22
    assert all(
        np.isin(np.arange(at, at + 30), rows).all()
        or not np.isin(np.arange(at, at + 30), rows).any()
        for at in (0, 30)
        for rows in of(splits).values()
    )


def test_groups_of_an_official_test_are_left_out_of_training() -> None:
    groups = np.arange(120) % 12
    groups[100:] = 3
    splits = split(np.arange(120) % 2, parts(100, test=20), stratified=True, seed=0, groups=groups)
    assert left_out(splits, 120) == int((groups[:100] == 3).sum()) == 9
    assert splits.test.tolist() == list(range(100, 120))
    with pytest.raises(DataError, match="every group of the training rows stands in an official"):
        split(
            np.arange(40) % 2, parts(20, test=20), stratified=True, seed=0,
            groups=np.arange(40) % 5,
        )  # fmt: skip


@given(
    n=st.integers(30, 3_000),
    distinct=st.integers(4, 500),
    official=st.sampled_from([(0, 0), (0, 40), (150, 0), (1_100, 0), (1_100, 30)]),
    missing=st.booleans(),
    seed=st.integers(0, 1_000),
)
def test_later_rows_are_held_out(
    n: int, distinct: int, official: tuple[int, int], missing: bool, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    n_main = n
    n += sum(official)
    times = rng.integers(0, distinct, n).astype(np.float64)
    times[:4] = np.arange(4)
    if official[0]:
        times[n_main : n_main + 4] = np.arange(4)
    if missing:
        times[4 + rng.integers(0, 3)] = np.nan
    rows = parts(n_main, *official)
    splits = split(np.zeros(n), rows, stratified=False, seed=seed, times=times)
    together = np.concatenate(list(of(splits).values()))
    assert np.array_equal(np.sort(together), np.arange(n))
    orders = {
        (0, 0): [("train", "calibration", "validation", "test")],
        (0, 40): [("train", "calibration", "validation")],
        (150, 0): [("train", "calibration", "test")],
        (1_100, 0): [("train", "test"), ("calibration", "validation")],
        (1_100, 30): [("train",), ("calibration", "validation")],
    }
    for order in orders[official]:
        spans = [np.nan_to_num(times[of(splits)[name]], nan=-1) for name in order]
        spans = [span for span in spans if len(span)]
        for earlier, later in zip(spans[:-1], spans[1:], strict=True):
            assert earlier.max() < later.min()


def test_times_give_the_sizes() -> None:
    times = np.arange(4_000.0)[::-1]
    splits = split(np.zeros(4_000), parts(4_000), stratified=False, seed=0, times=times)
    assert splits.test.tolist() == list(range(800))
    assert splits.validation.tolist() == list(range(800, 1_300))
    assert splits.calibration.tolist() == list(range(1_300, 1_800))
    assert len(splits.train) == 2_200


def test_what_cannot_be_cut() -> None:
    y = np.arange(60) % 2
    with pytest.raises(DataError, match="2 groups in 60 rows cannot be cut into 3 splits"):
        split(y, parts(60), stratified=True, seed=0, groups=y)
    with pytest.raises(DataError, match="2 different times in 60 rows cannot be cut into 3"):
        split(y, parts(60), stratified=True, seed=0, times=y.astype(float))
    with pytest.raises(DataError, match="by group or by time, not by both"):
        split(y, parts(60), stratified=True, seed=0, times=y.astype(float), groups=y)

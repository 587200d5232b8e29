"""Splits are disjoint, cover all rows, keep class shares, and respect official parts."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autosynth.data.split.split import Parts, split, take
from autosynth.spec import Splits

NAMES = ("train", "calibration", "validation", "test")


def parts(main: int, validation: int = 0, test: int = 0) -> Parts:
    rows = np.arange(main + validation + test)
    return Parts(
        main=rows[:main], validation=rows[main : main + validation], test=rows[main + validation :]
    )


def sizes(splits: Splits) -> tuple[int, ...]:
    return tuple(len(getattr(splits, name)) for name in NAMES)


@given(
    counts=st.lists(st.integers(1, 900), min_size=1, max_size=6),
    validation=st.integers(0, 1_500),
    test=st.integers(0, 300),
    stratified=st.booleans(),
    seed=st.integers(0, 1_000),
)
def test_splits_are_disjoint_and_cover(
    counts: list[int], validation: int, test: int, stratified: bool, seed: int
) -> None:
    main = max(10, sum(counts))
    n = main + validation + test
    y = np.random.default_rng(seed).integers(0, len(counts), n)
    splits = split(y, parts(main, validation, test), stratified=stratified, seed=seed)
    rows = np.concatenate([getattr(splits, name) for name in NAMES])
    assert np.array_equal(np.sort(rows), np.arange(n))
    assert min(len(splits.train), len(splits.validation), len(splits.test)) > 0
    if test:
        assert np.array_equal(splits.test, np.arange(main + validation, n))
    if validation:
        official = np.arange(main, main + validation)
        assert np.isin(splits.validation, official).all()
        assert not np.isin(splits.train, official).any()


@given(
    counts=st.lists(st.integers(1, 400), min_size=2, max_size=8),
    share=st.floats(0.01, 0.5),
    seed=st.integers(0, 1_000),
)
def test_each_class_gives_its_share_and_keeps_a_row(
    counts: list[int], share: float, seed: int
) -> None:
    labels = np.repeat(np.arange(len(counts)), counts)
    size = round(share * len(labels))
    drawn, left = take(np.arange(len(labels)), labels, size, np.random.default_rng(seed))
    assert len(drawn) <= size or not size
    if max(counts) == 1:
        return
    exact = np.array(counts) * size / len(labels)
    got = np.bincount(labels[drawn], minlength=len(counts))
    allowed = np.minimum(exact, np.array(counts) - 1)
    assert (np.abs(got - allowed) < 1).all()
    assert set(labels[left]) == set(range(len(counts)))


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (parts(1_000), (640, 0, 160, 200)),
        (parts(1_999, test=10), (1_599, 0, 400, 10)),
        (parts(2_000, test=10), (1_200, 400, 400, 10)),
        (parts(4_000, test=10), (3_000, 500, 500, 10)),
        (parts(20_000, test=10), (16_000, 2_000, 2_000, 10)),
        (parts(90_000, test=10), (80_000, 5_000, 5_000, 10)),
        (parts(60, test=10), (40, 0, 20, 10)),
        (parts(500, validation=50, test=10), (500, 0, 50, 10)),
        (parts(500, validation=1, test=10), (500, 0, 1, 10)),
        (parts(500, validation=100, test=10), (500, 0, 100, 10)),
        (parts(4_000, validation=500, test=10), (3_500, 500, 500, 10)),
        (parts(4_000, validation=1_001, test=10), (4_000, 500, 501, 10)),
    ],
)
def test_sizes(rows: Parts, expected: tuple[int, ...]) -> None:
    n = len(rows.main) + len(rows.validation) + len(rows.test)
    assert sizes(split(np.arange(n) % 2, rows, stratified=True, seed=0)) == expected


def test_the_seed_decides_and_nothing_else() -> None:
    y = np.arange(500) % 3
    first, again, other = (split(y, parts(500), stratified=True, seed=s) for s in (1, 1, 2))
    assert all(np.array_equal(getattr(first, n), getattr(again, n)) for n in NAMES)
    assert not np.array_equal(first.test, other.test)
    assert not np.array_equal(first.validation, other.validation)


def test_classes_of_one_training_row_stay_in_train() -> None:
    y = np.array([0] * 50 + [1] * 50 + [2])
    splits = split(y, parts(101), stratified=True, seed=0)
    assert 100 in splits.train


def test_all_classes_of_one_row_still_give_a_select() -> None:
    splits = split(np.arange(18), parts(18), stratified=True, seed=0)
    assert len(splits.validation) == 5

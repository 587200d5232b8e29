"""Small datasets that are quickly learnt: digits, waves, a table; and noise of every kind."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.datasets import load_digits

from autosynth.spec import Dataset, InputSpec, SeenItems, Splits, TargetSpec
from autosynth.testing import INPUTS, raw_rows


def dataset(x: NDArray, y: NDArray, spec: InputSpec, target: TargetSpec, n: int) -> Dataset:
    """`n` training rows, then a third each of the rest for fit, select and test."""
    rows = np.arange(len(y))
    fit, select, test = np.array_split(rows[n:], 3)
    return Dataset(
        name="toy", source="toy", inputs=(spec,), target=target, x={spec.name: x}, y=y,
        splits=Splits(train=rows[:n], calibration=fit, validation=select, test=test),
        encoders={}, fingerprint="",
    )  # fmt: skip


@pytest.fixture(scope="session")
def digits() -> Dataset:
    x, y = load_digits(return_X_y=True)
    return dataset(
        x.reshape(-1, 1, 8, 8).astype(np.uint8),
        y.astype(np.int64),
        InputSpec(name="image", kind="image", shape=(1, 8, 8)),
        TargetSpec(name="digit", task="classification", classes=tuple("0123456789")),
        1200,
    )


@pytest.fixture(scope="session")
def waves() -> Dataset:
    """Series of two channels, of unequal length: a class is a frequency."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 480)
    time = np.arange(16)
    phase = rng.random((480, 2, 1)) * 6.28
    x = np.sin((y[:, None, None] + 1) * 0.5 * time + phase) * 3 + 10
    x[time[None, None, :] >= rng.integers(12, 17, 480)[:, None, None].repeat(2, 1)] = np.nan
    return dataset(
        x.astype(np.float32),
        y.astype(np.int64),
        InputSpec(name="wave", kind="series", shape=(2, 16), masked=True),
        TargetSpec(name="pace", task="classification", classes=("slow", "middle", "fast")),
        240,
    )


@pytest.fixture(scope="session")
def prices() -> Dataset:
    """A table whose target is far from standardised: 5000 + 300 a + 200 (kind == 2), and noise."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(600, 7)) * [1, 50, 1, 1, 1, 1, 1]
    x[:, 4] = rng.integers(0, 4, 600)
    x[:, 6] = rng.integers(0, 3, 600)
    y = 5000 + 300 * x[:, 5] + 200 * (x[:, 4] == 2) + rng.normal(size=600) * 10
    x[rng.random(600) < 0.1, 1] = np.nan
    return dataset(
        x.astype(np.float32),
        y.astype(np.float32),
        InputSpec(name="table", kind="table", shape=(7,), cardinalities=(0, 0, 0, 0, 4, 0, 3)),
        TargetSpec(name="price", task="regression"),
        300,
    )


def targets(task: str, n: int) -> tuple[TargetSpec, NDArray, SeenItems | None]:
    """A target of a task and `n` values at random, a fifth missing where they may be."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, n)
    values = np.where(rng.random((n, 3)) < 0.2, np.nan, rng.normal(size=(n, 3)) * 20 + 50)
    kind = TargetSpec(name="kind", task="classification", classes=tuple("abc"))
    if task == "multilabel":
        known = np.where(np.isnan(values), np.nan, values > 50)
        return replace(kind, task=task), known.astype(np.float32), None
    if task == "forecasting":
        return TargetSpec(name="next", task=task, steps=3), values, None
    if task == "multitask":
        parts = (kind, TargetSpec(name="size", task="regression"))
        both = np.column_stack([y, np.nan_to_num(values[:, 0])])
        return TargetSpec(name="both", task=task, parts=parts), both, None
    if task == "ranking":
        before = SeenItems(
            codes=np.column_stack([(y + 1) % 5, (y + 3) % 5]).ravel(),
            start=np.arange(n) * 2,
            stop=np.arange(n) * 2 + 2,
        )
        return TargetSpec(name="item", task=task, classes=tuple("abcde")), y, before
    return kind, y, None


@pytest.fixture(scope="session")
def noise() -> Callable[..., Dataset]:
    """Makes a dataset of one kind of input, by its name in `INPUTS`, with a target of any task."""

    def make(kind: str, task: str = "classification") -> Dataset:
        target, y, seen = targets(task, 360)
        x = raw_rows(INPUTS[kind], len(y)).numpy()
        return replace(dataset(x, y, INPUTS[kind], target, 240), seen=seen)

    return make

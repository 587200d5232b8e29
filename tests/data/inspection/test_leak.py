"""Columns that give the target away are told, with evidence; honest ones are not."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from autosynth.data import load_dataset

N = 600
RNG = np.random.default_rng(0)
Y = np.repeat(["bad", "good", "fair"], [300, 200, 100])
SIGNAL = np.repeat([0.0, 1.0, 2.0], [300, 200, 100]) + RNG.normal(size=N)


def told(column: Any, y: Any = Y, **more: Any) -> list[str]:
    frame = pd.DataFrame({"c": column, "honest": SIGNAL, "n": RNG.normal(size=N), **more, "y": y})
    shuffled = frame.sample(frac=1, random_state=1, ignore_index=True)
    return [line for line in load_dataset(shuffled, target="y").warnings if " away: " in line]


@pytest.mark.parametrize(
    ("column", "evidence"),
    [
        ([f"label {name}" for name in Y], "alone it says 9.%"),
        (np.repeat([3.0, 1.0, 7.0], [300, 200, 100]), "alone it says 9.%"),
        (np.where(Y == "bad", "late", None), r"is given .* 'bad' in 100.0%, elsewhere in 0.0%"),
        (np.where(Y == "bad", None, RNG.choice(["u", "v"], N)), "is missing .* 'bad' in 100.0%"),
        (np.where(Y == "bad", RNG.random(N), 0.0), "is not 0 .* 'bad' in 100.0%"),
        (np.where(np.arange(N) % 31 == 0, Y, None), "it holds a class's name, and the right one"),
        (
            np.where(RNG.random(N) < 0.3, [name[0] for name in Y], None),
            "rows that have it, it says the class of",
        ),
    ],
)
def test_a_leak_is_told_with_its_evidence(column: Any, evidence: str) -> None:
    (line,) = told(column)
    assert line.startswith("column 'c' may give 'y' away: ")
    assert line.endswith("--drop c")
    assert pd.Series([line]).str.contains(evidence).all(), line


@pytest.mark.parametrize(
    "column",
    [
        SIGNAL,
        np.where(RNG.random(N) < 0.8, Y, "bad"),
        np.where(RNG.random(N) < 0.3, SIGNAL, np.nan),
        np.where(RNG.random(N) < 0.03, 1.0, 0.0),
    ],
)
def test_an_honest_column_is_not(column: Any) -> None:
    assert told(column) == []


def test_a_number_that_says_a_number() -> None:
    y = np.exp(RNG.normal(size=N))
    (line,) = told(3 * y + 1, y)
    assert "alone it says 100.0% of its variance" in line
    assert told(y + RNG.normal(size=N), y) == []

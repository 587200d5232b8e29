"""Rows that do not say their group or their time are told, with their number and what to do."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from autosynth.data import load_dataset
from autosynth.data.source.rows import rows_of
from autosynth.data.split.splitkeys import split_keys_of


def visits(**changes: Any) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    n = 400
    frame = pd.DataFrame(
        {
            "patient": [f"p{number}" for number in rng.integers(0, 80, n)],
            "seen": pd.date_range("2020-01-01", periods=n).strftime("%Y-%m-%d"),
            "height": rng.normal(size=n),
            "ill": rng.choice(["yes", "no"], n),
        }
    ).astype({"patient": object, "seen": object})
    for name, (rows, value) in changes.items():
        frame.loc[rows, name] = value
    return frame


@pytest.mark.parametrize("value", [None, np.nan, "", "  "])
def test_rows_without_a_group_are_told_and_stand_alone(value: Any) -> None:
    frame = visits(patient=([3, 50, 51], value))
    data = load_dataset(frame, target="ill", group="patient")
    (told,) = [text for text in data.warnings if "no group" in text]
    assert "column 'patient': 3 of 400 rows hold no group, the first is row 3" in told
    assert "each counts as a group of its own. Fill them in" in told
    keys = split_keys_of(rows_of(frame), ["patient"], None, "frame")
    assert keys.groups is not None
    assert [keys.groups[row] for row in (3, 50, 51)] == [None] * 3


@pytest.mark.parametrize("value", [None, "", "unknown"])
def test_rows_without_a_time_are_told_and_are_the_oldest(value: Any) -> None:
    data = load_dataset(visits(seen=([390, 399], value)), target="ill", time="seen")
    (told,) = [text for text in data.warnings if "no time" in text]
    assert "column 'seen': 2 of 400 rows hold no time, the first is row 390" in told
    assert "they count as the oldest" in told
    assert set(data.splits.train) >= {390, 399}


def test_nothing_is_told_where_all_rows_say_it() -> None:
    for asked in ({"group": "patient"}, {"time": "seen"}):
        data = load_dataset(visits(), target="ill", **asked)  # type: ignore[arg-type]
        assert not [text for text in data.warnings if "hold no" in text]

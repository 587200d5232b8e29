"""Spans of time are numbers of seconds, however they are written; what is none stays words."""

from datetime import time, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest

from autosynth.data import encode, load_dataset
from autosynth.data.column.column import Column, encode_column
from autosynth.data.column.inference import infer_columns
from autosynth.data.column.span import find_spans, numbers_or_seconds, read_spans
from autosynth.data.load import read_labelled

H, D = 3600.0, 86_400.0


def seconds(*cells: Any) -> list[float]:
    values = pd.Series(list(cells), name="took")
    forms = find_spans(values)
    assert forms, f"{cells} are no spans"
    return read_spans(values, forms)[0].tolist()


@pytest.mark.parametrize(
    ("cells", "wanted"),
    [
        (["1:30:00", "0:00:01.5", "26:03:00"], [1.5 * H, 1.5, 26 * H + 180]),
        (["2 days 03:00:00", "0 days 00:00:05", "-1 days +23:00:00"], [2 * D + 3 * H, 5, -H]),
        (["-1 day, 23:00:00", "-1:00:00", "-1 days 01:00:00"], [-H, -H, -D - H]),
        (["1 day, 2:03:04", "2:03:04"], [D + 2 * H + 184, 2 * H + 184]),
        (["1.02:03:04", "0.00:00:01"], [D + 2 * H + 184, 1]),
        (["PT1H30M", "P3DT4H", "PT0.5S", "-PT5M"], [1.5 * H, 3 * D + 4 * H, 0.5, -300]),
        (
            ["90 min", "1h 20m", "2 hrs, 5 mins", "1.5 hours"],
            [1.5 * H, H + 1200, 2 * H + 300, 5400],
        ),
        (["1 hour and 5 minutes", "500ms", "1h20m", "45 sec."], [H + 300, 0.5, H + 1200, 45]),
        (["3 weeks", "2 days", "1 Day"], [21 * D, 2 * D, D]),
        (["2 years", "1 month"], [2 * 365.2425 * D, 365.2425 * D / 12]),
        (["14:05", "9:30"], [14 * H + 300, 9.5 * H]),
        (["4:05 PM", "12:10 a.m."], [16 * H + 300, 600]),
        (["45:10", "59:59"], [2710, 3599]),
        (["45:10", "1:02:03"], [2710, H + 123]),
        (["1:30.5", "0:45.2"], [90.5, 45.2]),
        (["5m", "1h"], [300, H]),
        (["3d", "7d"], [3 * D, 7 * D]),
        ([timedelta(hours=1), timedelta(seconds=-1)], [H, -1]),
        ([time(14, 5), time(0, 0, 1, 500_000)], [14 * H + 300, 1.5]),
        ([np.timedelta64(90, "m"), np.timedelta64(1, "D")], [1.5 * H, D]),
    ],
)
def test_a_span_is_read_however_it_is_written(cells: list[Any], wanted: list[float]) -> None:
    assert seconds(*cells) == pytest.approx(wanted)


@pytest.mark.parametrize("kind", ["duration[us][pyarrow]", "duration[s][pyarrow]"])
def test_spans_of_arrow_and_missing_ones(kind: str) -> None:
    column = pd.Series([timedelta(hours=1), None], dtype=kind)
    found = read_spans(column, find_spans(column))[0]
    assert found[0] == H
    assert np.isnan(found[1])
    assert seconds(*pd.Series([time(1)], dtype="time64[us][pyarrow]")) == [H]
    far = pd.Series(np.array([10**12], "timedelta64[s]"))  # 31,688 years
    assert read_spans(far, find_spans(far))[0] == [1e12]


@pytest.mark.parametrize(
    "cells",
    [
        *(["5 m", "10 m"], ["2D", "3D"], ["1980s", "1990s"], ["2:1", "3:0"], ["12 kg", "3 kg"]),
        *(
            ["3 May", "4 May"],
            ["1", "2"],
            ["a", "b"],
            ["10:75", "11:80"],
            ["10+ years", "< 1 year"],
        ),
        *([1.5, 2.0], ["P", "PT"], ["16:9", "4:3"], [None, None], ["2024-05-03", "2024-05-04"]),
    ],
)
def test_what_is_no_span(cells: list[Any]) -> None:
    assert not find_spans(pd.Series(cells, name="c"))


def understood(values: Any, name: str = "took") -> Column:
    frame = pd.DataFrame({name: values})
    (column,) = infer_columns(frame, np.arange(len(frame)))
    assert isinstance(column, Column)
    return column


def test_a_column_of_spans_is_one_of_numbers_and_says_so() -> None:
    column = understood(["45:10", "59:59", "7:30"] * 20)
    assert (column.kind, column.forms, column.cardinality) == ("number", ("m:s",), 0)
    assert "45:10 is minutes and seconds" in column.assumed
    assert '--column "took=category" reads words' in column.assumed
    again = Column.from_dict(column.to_dict())
    new = pd.Series(["10:30", "soon", None], name="took")
    found, told = encode_column(new, again)
    assert found[1:].tolist() == pytest.approx([np.nan] * 2, nan_ok=True)
    assert found[0] == 630
    assert told == ("column 'took': 1 values are no spans of time; taken as missing",)
    assert encode_column(pd.Series([timedelta(minutes=2)]), again)[0] == [120]


def table(took: Any) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    n = len(took)
    return pd.DataFrame({"took": took, "a": rng.normal(size=n), "y": rng.choice(["u", "v"], n)})


def test_all_ways_of_a_span_make_one_table() -> None:
    minutes = pd.Series(np.random.default_rng(1).integers(1, 1_400, 60))
    ways = {
        "native": pd.to_timedelta(minutes, unit="min"),
        "text": pd.to_timedelta(minutes, unit="min").astype(str),
        "clock": minutes.map(lambda m: f"{m // 60}:{m % 60:02}"),
        "iso": minutes.map(lambda m: f"PT{m}M"),
        "words": minutes.map(lambda m: f"{m // 60} h {m % 60} min"),
        "python": minutes.map(lambda m: time(m // 60, m % 60)),
    }
    first = load_dataset(table(ways["native"]), target="y")
    for name, column in ways.items():
        data = load_dataset(table(column), target="y")
        assert np.array_equal(data.x["table"], first.x["table"]), name
        assert any(line.startswith("assumed     took: spans of time") for line in data.summary)
        found = encode(table(ways["iso"]), data.encoders)
        assert np.array_equal(found.x["table"], first.x["table"]), name


def test_a_target_of_spans_is_a_regression_in_seconds() -> None:
    minutes = np.random.default_rng(1).integers(1, 900, 80)
    frame = table([f"{m} min" for m in minutes]).drop(columns="y")
    data = load_dataset(frame, target="took")
    assert data.target.task == "regression"
    assert data.y.mean() == pytest.approx(60 * minutes.mean())
    assert any("target 'took': spans of time, as seconds" in line for line in data.summary)
    spans = frame.assign(took=pd.to_timedelta(frame["took"]))
    found = read_labelled(spans, data.encoders, data.target)
    assert found.y.ravel().tolist() == (60.0 * minutes).tolist()
    few = frame.assign(took=["10 min", "20 min"] * 40)
    assert load_dataset(few, target="took").target.classes == ("10 min", "20 min")


def test_spans_are_times_to_split_by() -> None:
    minutes = np.random.default_rng(1).permutation(60)
    frame = table([f"0:{m:02}:00" for m in minutes])
    data = load_dataset(frame, target="y", time="took")
    assert minutes[data.splits.test].min() > minutes[data.splits.train].max()
    assert numbers_or_seconds(pd.Series(["a"])) is None

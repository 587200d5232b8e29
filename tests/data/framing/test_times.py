"""Columns of time mean the same dates wherever they stand: splits, forecasts, histories."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from autosynth.data import Dataset, encode, load_dataset
from autosynth.data.framing.clock import find_grid
from autosynth.data.load import read_dataset
from autosynth.data.source.memory import BY_SIZE, Batching
from autosynth.errors import DataError
from autosynth.options import DataConfig

DMY, ISO = "%d/%m/%Y", "%Y-%m-%d"


def events(form: str, n: int = 200) -> pd.DataFrame:
    """Rows at days that say of no date which number is the month, in no order."""
    rng = np.random.default_rng(0)
    months = np.datetime64("2015-01") + rng.integers(0, 90, n)
    days = pd.Series(months.astype("datetime64[D]") + rng.integers(0, 12, n))
    return pd.DataFrame(
        {
            "when": days.dt.strftime(form),
            "size": rng.normal(size=n),
            "y": np.where(days.dt.month % 2, "odd", "even"),
        }
    )


def rows(form: str, **options: Any) -> Dataset:
    return load_dataset(events(form), target="y", time="when", **options)


def test_a_split_by_dates_that_fit_two_readings_goes_by_what_the_user_says() -> None:
    named = rows(DMY, columns={"when": f"date:{DMY}"})
    twin = rows(ISO)
    assert np.array_equal(named.splits.test, twin.splits.test)
    assert np.array_equal(named.x["table"], twin.x["table"])
    assert not named.warnings
    silent = rows(DMY)
    assert [text for text in silent.warnings if "'when'" in text] == [
        "column 'when': dates that fit month first and day first alike; read month first "
        "(%m/%d/%Y), as nothing speaks for either. If that is wrong, say --column "
        '"when=date:%d/%m/%Y"'
    ]
    assert not np.array_equal(silent.splits.test, twin.splits.test)
    out = rows(DMY, columns={"wh*": f"date:{DMY}"}, drop="when")
    assert np.array_equal(out.splits.test, twin.splits.test)


def test_a_format_that_reads_no_time() -> None:
    with pytest.raises(DataError, match=r"--time 'when' of frame holds no date that '%Y-%m-%d'"):
        rows(DMY, columns={"when": f"date:{ISO}"})
    with pytest.raises(DataError, match="such as date:%d/%m/%Y; %Y or %y"):
        rows(DMY, columns={"when": "date:dd/mm/yyyy"})


def monthly(days: pd.DatetimeIndex, form: str = ISO) -> pd.DataFrame:
    steps = np.arange(len(days))
    load = (
        100 + 10 * np.sin(steps * np.pi / 6) + np.random.default_rng(0).normal(0, 0.1, len(days))
    )
    return pd.DataFrame({"when": days.strftime(form), "load": load})


def forecast(frame: pd.DataFrame, **options: Any) -> Dataset:
    return load_dataset(frame, target="load", task="forecasting", horizon=2, history=12, **options)


@pytest.mark.parametrize(
    ("freq", "step"), [("MS", "1 month"), ("ME", "1 month"), ("QS", "3 months"), ("YE", "1 year")]
)
@pytest.mark.parametrize("form", [ISO, DMY, "%b %Y"])
def test_a_step_of_the_calendar_is_even(freq: str, step: str, form: str) -> None:
    days = pd.date_range("1950-01-01", periods=150, freq=freq)
    data = forecast(monthly(days, form))
    assert not data.warnings
    assert any(line.endswith(f"a step is {step}") for line in data.summary)


def test_the_next_step_of_months_is_on_the_same_day_or_the_last() -> None:
    def later(*days: str) -> str:
        moments = pd.to_datetime(list(days)).to_numpy().astype("datetime64[D]").astype(float)
        grid = find_grid([moments], dates=True)
        assert grid.rule == "months"
        return str(grid.after(moments[-1:]).astype("datetime64[D]")[0])

    assert later("2023-11-30", "2023-12-31", "2024-01-31") == "2024-02-29"
    assert later("2023-12-15", "2024-01-15") == "2024-02-15"
    assert later("2023-11-30", "2023-12-30", "2024-01-30") == "2024-02-29"
    assert find_grid([np.arange(100.0)], dates=True).rule == "even"


def test_a_forecast_reads_other_forms_of_dates_than_the_training() -> None:
    frame = monthly(pd.date_range("1990-01-01", periods=150, freq="MS"))
    data = forecast(frame)
    wanted = encode(frame, data.encoders).x
    for form in (DMY, "%m/%Y", "%d.%m.%y", "%A, %B %d, %Y"):
        new = frame.assign(when=pd.to_datetime(frame["when"]).dt.strftime(form))
        found = encode(new.tail(20), data.encoders)
        assert all(np.array_equal(found.x[name], wanted[name]) for name in wanted)
        assert any("written otherwise than in training" in text for text in found.warnings)


def test_the_user_says_how_a_series_writes_its_times() -> None:
    frame = monthly(pd.date_range("2024-01-01", periods=24, freq="12h"), f"{DMY} %H:%M")
    data = load_dataset(
        frame, target="load", task="forecasting", horizon=1, history=2, time="when",
        columns={"when": f"date:{DMY} %H:%M"},
    )  # fmt: skip
    assert any("a step is 12 hours" in line for line in data.summary)


def bought(form: str) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"who": np.repeat(np.arange(40), 8), "what": rng.integers(0, 12, 320)})
    months = np.datetime64("2015-01") + rng.integers(0, 90, 320)
    days = pd.Series(months.astype("datetime64[D]") + rng.integers(0, 12, 320))
    return frame.assign(when=days.dt.strftime(form))


def test_interactions_are_in_the_order_that_the_user_says_then_and_later() -> None:
    asked = {"target": "what", "user": "who", "time": "when", "task": "ranking"}
    twin = load_dataset(bought(ISO), **asked)
    data = load_dataset(bought(DMY), **asked, columns={"when": f"date:{DMY}"})
    assert np.array_equal(data.x["history"], twin.x["history"])
    assert not any("alike" in text for text in data.warnings)
    silent = load_dataset(bought(DMY), **asked)
    assert any("month first and day first alike" in text for text in silent.warnings)
    for form in (DMY, ISO, "%d %B %Y"):
        found = encode(bought(form), data.encoders)
        assert np.array_equal(found.x["history"], encode(bought(ISO), twin.encoders).x["history"])
    with pytest.raises(DataError, match="leave --keep, --column"):
        load_dataset(bought(DMY), **asked, columns={"what": "category"})


@pytest.mark.parametrize("batching", [BY_SIZE, Batching(most_bytes=1_000, rows=30)])
@pytest.mark.parametrize(
    ("form", "other"), [(ISO, DMY), ("%m/%d/%Y", DMY), (DMY, "%m/%d/%Y"), (DMY, "%B %d, %Y")]
)
def test_a_test_part_may_write_its_dates_in_its_own_way(
    form: str, other: str, batching: Batching, tmp_path: Path
) -> None:
    days = pd.Series(pd.date_range("2019-01-01", periods=400)).sample(frac=1, random_state=0)
    frame = pd.DataFrame({"a": np.arange(400) % 7, "y": ["u", "v"] * 200})
    config = DataConfig(target="y")
    found = []
    for name, first, second in (("twin", ISO, ISO), ("parts", form, other)):
        folder = tmp_path / name
        folder.mkdir()
        written = [days[:300].dt.strftime(first), days[300:].dt.strftime(second)]
        for part, texts in zip(("train", "test"), written, strict=True):
            rows = frame[:300] if part == "train" else frame[300:]
            rows.assign(when=texts.to_numpy()).to_csv(folder / f"{part}.csv", index=False)
        found.append(read_dataset(folder, config, batching))
    assert np.array_equal(found[0].x["table"], found[1].x["table"])
    assert [text for text in found[1].warnings if "otherwise than in training" in text]


def test_rows_that_are_held_out_may_tell_the_day_from_the_month() -> None:
    """And a prediction of a row that does not is read as they were."""
    days = pd.Series(pd.date_range("2019-01-01", periods=400))
    early = days[days.dt.day <= 12].sample(frac=1, random_state=0)
    texts = pd.concat([early, days[days.dt.day > 12].tail(20)], ignore_index=True)
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"order": np.arange(len(texts)) + rng.random(len(texts))})
    frame["y"] = rng.choice(["u", "v"], len(texts))
    encoded = []
    for form in (DMY, ISO):
        written = frame.assign(when=texts.dt.strftime(form))
        data = load_dataset(written, target="y", time="order")
        one = encode(written[:1], data.encoders).x["table"]
        assert np.array_equal(one, data.x["table"][:1])
        encoded.append(data)
    assert (texts[encoded[0].splits.train].dt.day <= 12).all()
    assert np.array_equal(encoded[0].x["table"], encoded[1].x["table"])
    assert not any("alike" in text for text in encoded[0].warnings)

"""Series become windows: in the order of time, without a step of one split in another."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autosynth.data import encode, load_dataset, read_labelled
from autosynth.data.encoder.registry import input_spec
from autosynth.data.framing.clock import find_grid
from autosynth.data.framing.season import find_calendar, find_period, read_calendar
from autosynth.errors import DataError
from autosynth.spec import TargetSpec

STEPS = 600


def hourly(n: int = STEPS) -> pd.DataFrame:
    """Two numbers an hour, the first with a day's period, and a word."""
    rng = np.random.default_rng(0)
    steps = np.arange(n)
    wave = np.sin(steps * 2 * np.pi / 24)
    return pd.DataFrame(
        {
            "when": pd.date_range("2024-02-27", periods=n, freq="h").strftime("%Y-%m-%d %H:%M"),
            "wind": rng.normal(size=n),
            "heat": 20 + 5 * wave + rng.normal(0, 0.5, n),
            "mood": ["good", "bad"] * (n // 2),
        }
    )


def forecast(source: Any, **options: Any) -> Any:
    return load_dataset(source, task="forecasting", **{"target": "heat", "horizon": 12, **options})


def test_a_table_is_cut_into_windows() -> None:
    frame = hourly()
    data = forecast(frame.sample(frac=1, random_state=0))
    (past, beside, calendar), known = data.inputs, data.encoders["windows"]
    assert (known["period"], known["history"], known["channels"]) == (24, 96, ["heat", "wind"])
    assert (past.name, past.kind, past.shape, past.anchored) == ("past", "series", (1, 96), True)
    assert (beside.name, beside.shape, beside.anchored) == ("beside", (1, 96), True)
    assert (calendar.kind, calendar.shape) == ("table", (2,))
    assert (data.target.steps, data.target.base) == (12, "past")
    heat = frame["heat"].to_numpy()
    for row in (0, 17, len(data.y) - 1):
        np.testing.assert_array_equal(data.x["past"][row, 0], heat[row : row + 96].astype("f4"))
        np.testing.assert_array_equal(data.y[row], heat[row + 96 : row + 108])
    assert not data.x["past"].flags.owndata
    assert data.x["calendar"][0].tolist() == [0, 5]  # midnight of Saturday, 2 March
    told = "\n".join(data.summary)
    for words in (
        "a step is 1 hours",
        "period      24",
        "mood: no numbers",
        "past: 96 steps of heat",
    ):
        assert words in told


@settings(max_examples=40, deadline=None)
@given(
    n=st.integers(200, 3_000), horizon=st.integers(1, 20), history=st.integers(1, 30),
    gaps=st.lists(st.integers(0, 3_000), max_size=5),
)  # fmt: skip
def test_no_step_is_forecast_in_two_splits_and_none_learnt_before_it_is_over(
    n: int, horizon: int, history: int, gaps: list[int]
) -> None:
    x = np.arange(n, dtype=float)  # each value says which step it is
    x[[gap for gap in gaps if gap < n]] = np.nan
    steps_ahead = {gap for gap in gaps if history <= gap < n}
    data = load_dataset((x,), task="forecasting", horizon=horizon, history=history)
    splits = [
        getattr(data.splits, name) for name in ("train", "calibration", "validation", "test")
    ]
    last = -1.0
    for rows in splits:
        ahead = data.y[rows]
        assert len(rows)
        assert np.isfinite(ahead).any(axis=1).all()
        assert np.nanmin(ahead) > last
        last = np.nanmax(ahead)
        past = data.x["past"][rows, 0]
        assert np.nanmax(past - np.nanmin(ahead, axis=1, keepdims=True), initial=-1.0) < 0
    known = np.unique(data.y[np.isfinite(data.y)])
    assert set(range(history, n)) - set(known.astype(int)) == steps_ahead
    assert len(splits[3]) >= 0.1 * n
    assert data.inputs[0].masked == bool(np.isnan(x).any())


def test_the_end_of_a_table_is_what_is_predicted_from() -> None:
    frame = hourly()
    data = forecast(frame)
    new = frame.iloc[::-1].drop(columns="mood")
    found = encode(new, data.encoders)
    assert found.index == [frame["when"].iloc[-1]]
    np.testing.assert_array_equal(found.x["past"][0, 0], frame["heat"][-96:].astype(np.float32))
    assert found.x["calendar"].tolist() == [[0, 5]]
    assert tuple(map(input_spec, data.encoders["inputs"])) == data.inputs
    with pytest.raises(DataError, match="has 95 steps, and the model reads 96"):
        encode(frame[:95], data.encoders)
    with pytest.raises(DataError, match="lacks 1 columns .*: wind"):
        encode(frame.drop(columns="wind"), data.encoders)


def test_a_test_file_gives_the_test_windows() -> None:
    frame = hourly()
    data = forecast(frame[:400], test=frame[400:])
    assert len(data.splits.test) == 200 - 96 - 12 + 1
    first = data.y[data.splits.test[0]]
    np.testing.assert_array_equal(first, frame["heat"][496:508].to_numpy())
    assert data.y[data.splits.validation].shape[0] > 10
    assert forecast(frame[:400]).fingerprint != data.fingerprint
    assert forecast(frame[:400]).fingerprint != forecast(frame[:400], horizon=13).fingerprint


def test_steps_that_lack_in_the_file_are_read_as_missing_and_told() -> None:
    frame = hourly().drop(index=range(100, 110))
    data = forecast(frame)
    (told,) = data.warnings
    assert "1 gaps between steps, the first after 2024-03-02 03:00; the 10 steps that lack" in told
    assert "1.67% missing" in "\n".join(data.summary)
    empty = hourly()
    empty.loc[range(100, 110), ["heat", "wind"]] = np.nan
    same = forecast(empty)
    for name in data.x:
        np.testing.assert_array_equal(data.x[name], same.x[name])
    np.testing.assert_array_equal(data.y, same.y)
    assert "no column of time" in forecast(frame.drop(columns="when")).warnings[0]
    new = encode(hourly().drop(index=range(590, 592)), data.encoders)
    assert np.isnan(new.x["past"][0, 0, -10:]).tolist() == [True, True] + [False] * 8
    assert "1 gaps between steps, the first after 2024-03-22 13:00" in new.warnings[0]


def test_a_window_is_learnt_where_a_step_ahead_is_known() -> None:
    whole, holes = hourly(), hourly()
    rng = np.random.default_rng(1)
    holes.loc[rng.random(STEPS) < 0.1, "heat"] = np.nan
    data = forecast(holes)
    assert len(data.splits.train) == len(forecast(whole).splits.train)
    rows = data.splits.train
    assert 0.05 < np.isnan(data.y[rows]).mean() < 0.15
    assert "of the steps ahead are missing: no loss, no score" in "\n".join(data.summary)
    scored = read_labelled(holes, data.encoders, data.target)
    assert len(scored) == STEPS - 96 - 12 + 1
    holes.loc[100:230, "heat"] = np.nan
    (told,) = forecast(holes).warnings
    assert "windows are left out" in told
    assert "--history" in told


def test_rows_without_a_time_are_left_out_and_told() -> None:
    frame = hourly()
    frame["when"] = frame["when"].where(~frame.index.isin([7, 9]))
    data = forecast(frame)
    assert "2 of 600 rows hold no time and are left out; the first is row 7" in data.warnings[0]
    assert "the 2 steps that lack there are read as missing" in data.warnings[1]
    found = encode(frame.assign(when=frame["when"].where(frame.index != 599)), data.encoders)
    assert found.index == [frame["when"].iloc[598]]
    assert "3 of 600 rows hold no time" in found.warnings[0]


@pytest.mark.parametrize(
    ("starts", "step", "ahead"),
    [
        (pd.date_range("2020-01-31", periods=60, freq="ME"), "1 month", "2025-01-31"),
        (pd.date_range("2020-01-01", periods=60, freq="MS"), "1 month", "2025-01-01"),
        (
            pd.date_range("2000-02-15", periods=60, freq=pd.DateOffset(months=3)),
            "3 months",
            "2015-02-15",
        ),
        (pd.bdate_range("2024-01-01", periods=60), "1 days, without Saturday and Sunday", None),
        (pd.date_range("2024-01-01", periods=60, freq="15min"), "15 minutes", None),
    ],
)
def test_steps_of_the_calendar_are_even(starts: pd.DatetimeIndex, step: str, ahead: Any) -> None:
    frame = pd.DataFrame({"at": starts.strftime("%Y-%m-%d %H:%M"), "x": np.arange(60.0) % 7})
    asked: dict[str, Any] = {"task": "forecasting", "target": "x", "horizon": 2, "history": 6}
    whole = load_dataset(frame, **asked)
    assert whole.warnings == ()
    assert whole.summary[1].endswith(f"a step is {step}")
    holes = load_dataset(frame.drop(index=[20, 21, 40]), **asked)
    assert "the 3 steps that lack there are read as missing" in holes.warnings[0]
    known = ~np.isnan(holes.y)
    np.testing.assert_array_equal(holes.y[known], whole.y[known])
    for name in set(whole.x) - {"past"}:
        np.testing.assert_array_equal(holes.x[name], whole.x[name])
    if ahead:
        grid, moment = find_grid([days(starts)], dates=True), days(starts)[-1:]
        assert grid.after(moment) == days(pd.DatetimeIndex([ahead]))


def days(moments: pd.DatetimeIndex) -> Any:
    return np.array((moments - pd.Timestamp(0)) / pd.Timedelta(days=1))


def test_a_clock_that_pauses_every_night_is_no_gap_to_fill() -> None:
    frame = hourly()
    frame = frame[pd.to_datetime(frame["when"]).dt.hour.between(9, 16)]
    (told,) = forecast(frame, horizon=4).warnings
    assert "read as neighbours" in told


@pytest.mark.parametrize(
    ("change", "options", "words"),
    [
        (lambda f: f, {"horizon": None}, "how many steps ahead.*--horizon"),
        (lambda f: f[:80], {"horizon": 40, "history": 30}, "80 steps, which make 0 train.*--his"),
        (lambda f: f[:20], {"horizon": 40, "history": 30}, "20 steps; a window takes 30.*--hor"),
        (lambda f: f, {"target": "mood"}, "the target 'mood' .* is none .*no numbers"),
        (lambda f: f, {"target": "heet"}, "'heet', the target.*Did you mean 'heat'"),
        (lambda f: f, {"target": None}, "2 columns of numbers and no target.*wind, heat"),
        (lambda f: f, {"target": ["heat", "wind"]}, "one column, not of heat, wind"),
        (lambda f: f, {"time": "mood"}, "'mood' .* no order of time: 'good' .*--time"),
        (lambda f: pd.concat([f, f]), {}, "2024-02-27 00:00 stands twice .*groups"),
        (lambda f: f.assign(when=None), {"time": "when"}, "no row of frame has a time.*600 of"),
    ],
)  # fmt: skip
def test_what_cannot_be_forecast_is_said(change: Any, options: Any, words: str) -> None:
    with pytest.raises(DataError, match=words):
        forecast(change(hourly()), **options)


def test_a_horizon_is_of_forecasts() -> None:
    with pytest.raises(DataError, match="Add --task forecasting"):
        load_dataset(hourly(), target="mood", horizon=3)


def test_periods() -> None:
    rng = np.random.default_rng(0)
    steps = np.arange(1_000)
    saw = (steps % 7).astype(float)
    assert find_period(saw + 0.01 * steps) == 7
    assert find_period(rng.normal(size=1_000)) == 0
    assert find_period(np.cumsum(rng.normal(size=1_000))) == 0
    wave = 10 * np.sin(steps * 2 * np.pi / 48) + rng.normal(size=1_000)
    wave[100:140] = np.nan
    assert abs(find_period(wave) - 48) <= 1
    assert find_period(np.ones(100)) == find_period(np.full(9, np.nan)) == 0


def test_a_calendar_is_read_where_it_turned_twice() -> None:
    assert find_calendar(1 / 24, 100) == ("hour", "weekday")
    assert find_calendar(1, 800) == ("weekday", "yearday")
    assert find_calendar(1 / 24, 3) == ("hour",)
    days = np.array([19_783 + 13 / 24, 19_723.0])  # 2024-03-01 13:00, 2024-01-01
    found = read_calendar(days, ("hour", "weekday", "yearday"))
    np.testing.assert_allclose(found, [[13, 4, 60], [0, 0, 0]], atol=1e-6)


def test_ett(shared: Path) -> None:
    if not (shared / "ett").is_dir():
        pytest.skip("no ETTh1 there")
    data = forecast(shared / "ett" / "ETTh1.csv", target="OT", horizon=24)
    assert (data.encoders["windows"]["period"], data.inputs[0].shape) == (24, (1, 96))
    rows = data.splits.test
    last = data.x["past"][rows, 0, -1:]
    assert np.abs(data.y[rows] - last).mean() == pytest.approx(1.442, abs=0.001)


@pytest.mark.parametrize("offset", [1.2e8, 5e15, -3e9])
def test_a_series_far_from_0_keeps_its_steps(offset: float) -> None:
    frame = hourly()
    near = forecast(frame)
    far = forecast(frame.assign(heat=offset + frame["heat"], wind=frame["wind"] - offset))
    assert (far.period, far.encoders["windows"]["history"]) == (near.period, 96)
    step = np.spacing(abs(offset))
    for name in ("past", "beside"):
        one, other = (np.diff(data.x[name].astype(float), axis=2) for data in (far, near))
        np.testing.assert_allclose(one, other, atol=max(1e-4, 2 * step))
    np.testing.assert_allclose(far.y - offset, near.y, atol=max(1e-6, step))
    unit = far.target.base_unit
    last = unit.decoded(far.x["past"][:, 0, -1].astype(float))
    np.testing.assert_allclose(last, frame["heat"][95 : 95 + len(last)] + offset, atol=1e-4 + step)
    assert TargetSpec.from_dict(json.loads(json.dumps(asdict(far.target)))) == far.target
    again = encode(
        frame.assign(heat=offset + frame["heat"], wind=frame["wind"] - offset), far.encoders
    )
    assert np.ptp(again.x["past"]) == pytest.approx(
        np.ptp(frame["heat"][-96:]), abs=1e-3 + 2 * step
    )


def test_channels_may_be_written_as_people_do() -> None:
    frame = hourly()
    comma = str.maketrans(",.", ".,")
    written = frame.assign(heat=[f"{v * 100:,.2f} kr".translate(comma) for v in frame["heat"]])
    written.loc[7, "heat"] = "broken"
    data = forecast(written)
    assert "assumed     heat: numbers written like 1.234,50" in "\n".join(data.summary)
    assert "599 of 600 are numbers; row 7 holds 'broken'" in "\n".join(data.warnings)
    np.testing.assert_allclose(data.y[0], frame["heat"][96:108] * 100, atol=0.01)
    later = written.iloc[:96].assign(heat=["1.234", *written["heat"].iloc[1:96]])
    found = encode(later, json.loads(json.dumps(data.encoders)))
    assert found.x["past"][0, 0, 0] == 1234
    assert "column 'heat': 1 values are no numbers; taken as missing" in found.warnings

"""Several series in one table: told apart by a column, each with its own splits and unit."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from autosynth.data import Dataset, encode, load_dataset, read_labelled
from autosynth.errors import DataError

WEEK = 7


def panel(
    lengths: list[int], scales: list[float] | None = None, names: list[Any] | None = None
) -> pd.DataFrame:
    """Days of several shops, in any order: a week's pattern at another size in each."""
    rng = np.random.default_rng(0)
    parts = []
    for number, n in enumerate(lengths):
        step = np.arange(n)
        size = scales[number] if scales else 1.0
        parts.append(
            pd.DataFrame(
                {
                    "day": pd.date_range("2023-01-02", periods=n).strftime("%d.%m.%Y"),
                    "shop": names[number] if names else f"shop {number}",
                    "sold": size * (5 + np.sin(step * 2 * np.pi / WEEK) + rng.normal(0, 0.1, n)),
                    "open": (step % 5 > 0).astype(int),
                }
            )
        )
    return pd.concat(parts).sample(frac=1, random_state=0).reset_index(drop=True)


def forecast(source: Any, **options: Any) -> Dataset:
    return load_dataset(
        source, task="forecasting", **{"target": "sold", "horizon": 7, "history": 14, **options}
    )


@pytest.mark.parametrize(
    "names",
    [["b", "a", "c"], [10, 9, 2**40], [1.0, 2.0, 3.0], [True, False, "perhaps"]],
    ids=["words", "numbers", "floats", "mixed"],
)
def test_series_are_told_apart_where_times_repeat(names: list[Any]) -> None:
    frame = panel([200, 150, 90], [1.0, 1e6, 30.0], names)
    data = forecast(frame)
    told = "\n".join(data.summary)
    assert "series      3 by shop, of 90 ... 200 steps" in told
    assert "assumed     shop: which series a row is a step of" in told
    assert "--group names another" in told
    same = forecast(frame, group="shop", time="day")
    assert "assumed" not in "\n".join(same.summary)
    assert same.fingerprint == data.fingerprint
    np.testing.assert_array_equal(same.y, data.y)
    assert data.period == WEEK


def test_each_series_has_its_own_unit_and_splits() -> None:
    """Of one shape at 1 and at 1e6 they are the same windows."""
    one = panel([200])
    two = pd.concat([one.assign(shop="a"), one.assign(shop="b", sold=one["sold"] * 1e6)])
    data = forecast(two)
    scales = data.encoders["windows"]["series_scale"]
    assert scales["series"] == ["a", "b"]
    assert scales["spread"][1][0] == pytest.approx(1e6 * scales["spread"][0][0])
    for name in ("train", "calibration", "validation", "test"):
        rows = getattr(data.splits, name)
        half = len(rows) // 2
        assert len(rows) == 2 * half > 0
        first, second = rows[:half], rows[half:]
        np.testing.assert_allclose(data.y[first], data.y[second], rtol=1e-4)
        np.testing.assert_allclose(data.x["past"][first], data.x["past"][second], rtol=1e-4)
        np.testing.assert_array_equal(data.x["calendar"][first], data.x["calendar"][second])
    alone = forecast(one.drop(columns="shop"))
    assert len(data.splits.train) == 2 * len(alone.splits.train)


def test_no_window_reaches_over_the_end_of_a_series() -> None:
    lengths = [60 + 7 * i % 31 for i in range(50)]
    frame = panel(lengths, [10.0 ** (i % 7) for i in range(50)], list(range(100, 150)))
    frame["sold"] = frame.groupby("shop").cumcount() + 1e4 * frame["shop"]
    frame = frame.drop(columns="open")
    data = forecast(frame)
    scales = data.encoders["windows"]["series_scale"]
    rows = np.concatenate(
        [data.splits.train, data.splits.calibration, data.splits.validation, data.splits.test]
    )
    assert len(rows) == len(set(rows.tolist()))
    assert len(scales["series"]) == 50
    scored = read_labelled(frame, data.encoders, data.target)
    assert len(scored) == sum(n - 14 - 7 + 1 for n in lengths)
    assert scored.series is not None
    assert scored.series_scale is not None
    shops = np.array([int(name) for name in scored.series])
    for values in (
        scored.series_scale.unscaled(scored.y),
        scored.series_scale.unscaled(scored.x["past"][:, 0]),
    ):
        assert (np.round(values / 1e4).astype(int) == shops[:, None]).all()
    few = scored.only(np.array([0, len(scored) - 1]))
    assert few.series == [scored.series[0], scored.series[-1]]


def test_the_end_of_each_series_is_forecast_from() -> None:
    frame = panel([200, 150, 90], [1.0, 1e6, 30.0])
    data = forecast(frame)
    new = panel([50, 60, 40, 9], [1e6, 1.0, 2e9, 5.0], ["shop 1", "shop 0", "other", "late"])
    found = encode(new.drop(columns="open").assign(open=1), data.encoders)
    assert (found.index, found.called) == (["other", "shop 0", "shop 1"], "shop")
    told = "\n".join(found.warnings)
    assert "1 of 4 series have fewer than 14 steps" in told
    assert "left out: late" in told
    assert "1 of 3 series were not there in training: other. Each is scaled by its own" in told
    assert found.series_scale is not None
    own = found.series_scale.unscaled(found.x["past"][:, 0])
    for row, name in enumerate(found.index):
        values = new[new["shop"] == name].assign(
            day=lambda f: pd.to_datetime(f["day"], format="%d.%m.%Y")
        )
        np.testing.assert_allclose(own[row], values.sort_values("day")["sold"][-14:], rtol=1e-4)
    assert np.abs(found.x["past"][0, 0]).max() < 10 * np.abs(data.x["past"]).max()
    with pytest.raises(DataError, match="lacks 1 columns .*: shop"):
        encode(new.drop(columns="shop"), data.encoders)
    with pytest.raises(DataError, match="no series of frame has 14 steps.*the longest of 1 has 9"):
        encode(new[new["shop"] == "late"], data.encoders)


def test_a_test_file_may_hold_other_series() -> None:
    frame = panel([200, 150, 90])
    later = panel([60, 50], [1.0, 1e3], ["shop 1", "other"])
    data = forecast(frame, test=later)
    assert len(data.splits.test) == 60 + 50 - 2 * (14 + 7 - 1)
    assert "not there in training: other" in data.warnings[0]
    assert np.abs(data.y[data.splits.test]).max() < 20


def test_gaps_and_missing_names_are_told() -> None:
    frame = panel([200, 150, 90])
    day = pd.to_datetime(frame["day"], format="%d.%m.%Y")
    holes = frame[~((frame["shop"] == "shop 1") & day.between("2023-03-01", "2023-03-05"))]
    data = forecast(holes)
    assert "1 gaps between steps, the first after 28.02.2023; the 5 steps" in data.warnings[0]
    whole = forecast(frame)
    rows = data.splits.train
    known = ~np.isnan(data.y[rows])
    assert len(rows) == len(whole.splits.train)
    assert known.mean() < 1
    lost = frame.assign(shop=frame["shop"].where(frame.index % 100 != 7))
    told = forecast(lost, group="shop").warnings[0]
    assert f"{len(range(7, len(frame), 100))} of 440 rows hold no series and are left out" in told
    assert "Fill them in" in told
    by_itself = forecast(lost)
    assert by_itself.encoders["windows"]["group"] == "shop"
    assert "rows hold no series and are left out" in by_itself.warnings[0]
    short = panel([200, 150, 15])
    assert "1 of 3 series have fewer than 21 steps" in forecast(short).warnings[0]


@pytest.mark.parametrize(
    ("change", "options", "words"),
    [
        (lambda f: f.assign(shop="x"), {}, "stands twice .*--group .*such as shop and item"),
        (lambda f: pd.concat([f, f[:3]]), {"group": "shop"}, "twice for shop 'shop .'.*3 such"),
        (lambda f: f, {"group": "shopp"}, "'shopp', of series.*Did you mean 'shop'"),
        (lambda f: f.assign(item=(f.index + 7) % 3), {"group": "item"}, "twice for item '.'"),
        (
            lambda f: f.assign(town=f["shop"].map({"shop 0": 0, "shop 1": 1, "shop 2": 2})
                               + 3 * (f["day"].str[3:5] == "02")),
            {},
            "several columns could say .*: shop, town. Name one with --group",
        ),
        (lambda f: f, {"target": "shop"}, "a forecast is of numbers"),
    ],
)  # fmt: skip
def test_what_tells_no_series_apart_is_said(change: Any, options: Any, words: str) -> None:
    with pytest.raises(DataError, match=words):
        forecast(change(panel([90, 90, 90])), **options)


def test_the_finer_of_two_dates_is_the_time() -> None:
    frame = panel([90, 90])
    opened = frame["shop"].map({"shop 0": "01.04.2019", "shop 1": "15.08.2020"})
    frame.insert(0, "opened", opened)
    data = forecast(frame)
    assert data.summary[1].startswith("time        day: 02.01.2023 ... 01.04.2023, a step is 1 d")
    same = forecast(frame.drop(columns="opened"))
    np.testing.assert_array_equal(data.y, same.y)


def test_one_series_with_a_name_has_its_unit_as_others_will() -> None:
    data = forecast(panel([200], [1e6]), group="shop")
    new = encode(panel([50], [1.0], ["other"]), data.encoders)
    assert np.abs(new.x["past"]).max() == pytest.approx(np.abs(data.x["past"]).max(), rel=0.5)
    assert data.target.by_row


def test_a_second_name_of_the_same_series_says_no_more() -> None:
    frame = panel([90, 90, 90])
    data = forecast(frame.assign(code=frame["shop"].map({f"shop {i}": i * 7 for i in range(3)})))
    assert "assumed     shop:" in "\n".join(data.summary)
    assert "set aside   code: constant in every series" in "\n".join(data.summary)


def test_series_without_a_time_stand_in_the_order_of_their_rows() -> None:
    one = np.arange(90.0) % WEEK
    frame = pd.DataFrame({"shop": list("ab") * 90, "sold": np.outer(one, [1, 100]).ravel()})
    data = forecast(frame, group="shop")
    assert "no column of time" in data.warnings[0]
    assert data.encoders["windows"]["series_scale"]["series"] == ["a", "b"]
    assert encode(frame, data.encoders).index == ["a", "b"]


def of_two_keys(**others: Any) -> pd.DataFrame:
    """Six series of two shops and three items, 90 days each, in any order."""
    frame = panel([90] * 6)
    number = frame["shop"].str[-1].astype(int)
    return frame.assign(shop=number // 3, item=number % 3 + 7, **others)


@pytest.mark.parametrize("words", [False, True])
def test_two_columns_tell_series_apart_together(words: bool) -> None:
    frame = of_two_keys()
    if words:
        frame = frame.assign(shop=frame["shop"].map({0: "Bern", 1: "Chur"}))
    data = forecast(frame)
    told = "\n".join(data.summary)
    assert "series      6 by shop, item, of 90 ... 90 steps: shop=" in told
    assert "assumed     shop and item: which series a row is a step of" in told
    named = forecast(frame, group=["shop", "item"])
    assert named.fingerprint == data.fingerprint
    assert "assumed" not in "\n".join(named.summary)
    first = "shop=Bern, item=7" if words else "shop=0, item=7"
    found = encode(frame, data.encoders)
    assert (list(found.index)[0], found.called) == (first, "shop, item")
    assert len(found.index) == 6
    scored = read_labelled(frame, data.encoders, data.target)
    assert scored.series is not None
    assert scored.series[0] == first
    # A step of a series that has no item is none of any series.
    lost = frame.assign(item=frame["item"].astype(object).mask(frame.index == 3))
    assert "1 of 540 rows hold no series" in forecast(lost, group=["shop", "item"]).warnings[0]


def test_columns_that_tell_series_apart_together_are_named_where_several_do() -> None:
    frame = of_two_keys()
    place = frame.groupby("day").cumcount()  # as good a pair, of which no one knows better
    with pytest.raises(DataError, match="shop and item.* each with a --group of its own"):
        forecast(frame.assign(shelf=place // 3, box=place % 3))
    with pytest.raises(DataError, match="01.01.2023|stands twice"):
        forecast(frame, group="shop")
    with pytest.raises(DataError, match="column 'stor', of series, is no column"):
        forecast(frame, group=["stor", "item"])


def test_spans_of_time_are_channels_of_seconds() -> None:
    frame = panel([120])
    minutes = (frame["sold"] * 10).round().astype(int)
    written = {
        "took": minutes.map(lambda m: f"{m // 60}:{m % 60:02}:00"),
        "ran": minutes.map(lambda m: f"{m} min"),
        "slept": pd.to_timedelta(minutes, unit="min"),
    }
    frame = frame.drop(columns="shop").assign(**written)
    data = forecast(frame)
    beside = data.x["beside"][:, -3:]
    np.testing.assert_array_equal(beside[:, 0], beside[:, 1])
    np.testing.assert_array_equal(beside[:, 0], beside[:, 2])
    assert "assumed     took: spans of time" in "\n".join(data.summary)
    later = encode(frame, data.encoders)
    assert later.x["beside"][0, -1].max() == 60 * minutes.max() or later.x["beside"].max() > 2000
    spans = forecast(frame, target="took")
    assert spans.target.unit == "seconds"
    assert set(np.unique(spans.y % 60)) == {0}
    scored = read_labelled(frame, spans.encoders, spans.target)
    assert set(np.unique(scored.y % 60)) == {0}
    broken = frame.assign(took=["soon", *frame["took"].iloc[1:]])
    assert "column 'took': 1 values are no numbers" in encode(broken, spans.encoders).warnings[0]

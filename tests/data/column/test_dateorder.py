"""Of two readings of dates the one is taken that something speaks for; else it is a warning."""

import numpy as np
import pandas as pd
import pytest

from autosynth.data.column.dateorder import Dates, dates_of

DMY, MDY = "%d/%m/%Y", "%m/%d/%Y"


def some_days(n: int = 120, seed: int = 0) -> "pd.Series[pd.Timestamp]":
    """Days that say of no date which number is the month, in no order."""
    rng = np.random.default_rng(seed)
    months = np.datetime64("2015-01") + rng.integers(0, 100, n)
    found = months.astype("datetime64[D]") + rng.integers(0, 12, n)
    return pd.Series(found.astype("datetime64[s]"), name="when")


def read(days: "pd.Series[pd.Timestamp]", form: str, **beside: object) -> Dates:
    frame = pd.DataFrame({"when": days.dt.strftime(form), **beside})
    found = dates_of(frame["when"], frame)
    assert found is not None
    return found


@pytest.mark.parametrize("form", [DMY, MDY])
@pytest.mark.parametrize(
    ("days", "why"),
    [
        (some_days().sort_values(ignore_index=True), "the rows stand in order"),
        (some_days().sort_values(ascending=False, ignore_index=True), "the rows stand in order"),
        (pd.Series(pd.date_range("2008-01-01", periods=90, freq="MS")), "steps"),
        (pd.Series(pd.date_range("2008-03-05", periods=60, freq="h")), "regular"),
        (pd.Series(pd.date_range("2024-01-01", periods=12, freq="MS")), "first of a month"),
        (
            pd.Series(pd.date_range("2012-01-01", periods=90, freq="QS")).sample(
                frac=0.5, random_state=0, ignore_index=True
            ),
            "",
        ),
        (
            some_days(400)[lambda days: days.dt.dayofweek < 5].reset_index(drop=True),
            "none is on a weekend",
        ),
    ],
)
def test_what_the_dates_themselves_say(
    days: "pd.Series[pd.Timestamp]", why: str, form: str
) -> None:
    days = days.rename("when")
    form = form + (" %H:%M" if (days.dt.hour > 0).any() else "")
    found = read(days, form)
    assert found.forms == (form,)
    assert not found.doubt
    assert why in found.assumed
    other = form.replace("%d", "%x").replace("%m", "%d").replace("%x", "%m")
    assert f'--column "when=date:{other}" reads the other' in found.assumed


@pytest.mark.parametrize("form", [DMY, MDY])
def test_what_other_columns_say(form: str) -> None:
    days, late = some_days(), some_days(seed=1) + pd.Timedelta(days=15)
    others = {
        "other dates": late.dt.strftime(form.replace("/", "-")),
        "month": days.dt.month,
        "day_of_month": days.dt.day,
        "weekdays from Sunday": (days.dt.dayofweek + 1) % 7 + 1,
        "what comes later": (days + pd.to_timedelta(np.arange(len(days)) % 9, "D")),
        "days of the year": days.dt.dayofyear.astype(float),
    }
    assert read(days, form).doubt
    for name, column in others.items():
        found = read(days, form, **{name: column})
        assert found.forms == (form,), name
        assert not found.doubt


def test_decimal_commas_go_with_the_day_first() -> None:
    prices = ["1.234,50", "12,5"] * 60
    assert read(some_days(), DMY, price=prices).forms == (DMY,)
    assert read(some_days(), DMY, price=[1.5] * 120).doubt


def test_where_nothing_speaks_for_either_it_is_a_warning() -> None:
    found = read(some_days(), DMY)
    assert not found.assumed
    assert found.doubt == (
        "dates that fit month first and day first alike; read month first (%m/%d/%Y), as nothing "
        'speaks for either. If that is wrong, say --column "when=date:%d/%m/%Y"'
    )
    week = pd.Series(pd.date_range("2024-01-01", periods=7, freq="MS"), name="when")
    assert read(week, DMY).doubt  # or the first week of January


def test_dates_with_points_have_the_day_first() -> None:
    found = read(some_days(), "%d.%m.%Y")
    assert found.forms == ("%d.%m.%Y",)
    assert not found.doubt


def test_dates_of_both_orders_are_a_warning() -> None:
    days = pd.Series(pd.date_range("2024-01-01", periods=300), name="when")
    texts = pd.concat([days[:150].dt.strftime(DMY), days[150:].dt.strftime(MDY)])
    found = dates_of(texts, texts.to_frame())
    assert found is not None
    assert set(found.forms) == {DMY, MDY}
    assert "some dates fit" in found.doubt


def test_the_user_goes_first() -> None:
    frame = some_days().sort_values().dt.strftime(DMY).to_frame()
    assert dates_of(frame["when"], frame, detail=MDY) == Dates(forms=(MDY,))


def test_years_of_two_digits_are_told() -> None:
    days = pd.Series(pd.date_range("2024-01-01", periods=60), name="when")
    assert "1969 to 2068" in read(days, "%d/%m/%y").assumed

"""Targets that are dates or spans of time: learnt as numbers, told in a unit, printed as dates."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import autosynth
from autosynth.data import load_dataset, read_labelled
from autosynth.errors import DataError
from autosynth.number import date_text
from autosynth.run import train_strategy
from autosynth.task.task import task_of

N = 160
RNG = np.random.default_rng(0)
X = RNG.uniform(0, 1, N)
DAYS = np.round(18_000 + 2_000 * X + RNG.normal(0, 5, N))
DATES = pd.Series(pd.to_datetime(DAYS, unit="D", utc=True)).dt.tz_localize(None)


def frame(when: Any) -> pd.DataFrame:
    return pd.DataFrame({"x": X, "noise": RNG.normal(size=N), "when": when})


FORMS = [
    ("%Y-%m-%d", "2024-05-03"),
    ("%d.%m.%Y", "03.05.2024"),
    ("%d/%m/%y", "03/05/24"),
    ("%d %b %Y", "03 May 2024"),
    ("%A, %B %d, %Y", "Friday, May 03, 2024"),
    ("%Y-%m-%d %H:%M:%S", "2024-05-03 00:00:00"),
    ("%Y%m%d", "20240503"),
]


@pytest.mark.parametrize(("form", "printed"), FORMS)
def test_a_target_of_dates_is_a_regression_in_days(form: str, printed: str) -> None:
    table = frame(DATES.dt.strftime(form))
    data = load_dataset(table, target="when")
    assert (data.target.task, data.target.unit) == ("regression", "days")
    np.testing.assert_array_equal(data.y, DAYS)
    output = np.array([19_846.000001])
    assert task_of(data.target).columns(data.target, output, output)["prediction"] == [printed]
    told = "\n".join(data.summary)
    assert "target      when: regression of dates (errors in days)" in told
    assert "assumed     when: dates, learnt as days since 1970-01-01: errors (MAE, RMSE)" in told
    np.testing.assert_array_equal(read_labelled(table, data.encoders, data.target).y, DAYS)
    other = frame(DATES.dt.strftime("%Y-%m-%d"))  # another form than in training
    np.testing.assert_array_equal(read_labelled(other, data.encoders, data.target).y, DAYS)
    words = load_dataset(
        table.assign(when=table["when"].iloc[:8].tolist() * (N // 8)),
        target="when",
        task="classification",
    )
    assert len(words.target.classes) == 8


def test_dates_of_pandas_and_without_noughts() -> None:
    native = load_dataset(frame(DATES), target="when")
    np.testing.assert_array_equal(native.y, DAYS)
    assert native.target.form == "%Y-%m-%d"
    bare = [f"{day.day}/{day.month}/{day.year}" for day in DATES]
    data = load_dataset(frame(bare), target="when")
    assert data.target.form == "%-d/%-m/%Y"
    np.testing.assert_array_equal(data.y, DAYS)


def test_few_dates_are_classes_unless_regression_is_asked() -> None:
    few = frame(DATES.iloc[:6].dt.strftime("%d.%m.%Y").tolist() * (N // 6) + ["01.01.2024"] * 4)
    assert load_dataset(few, target="when").target.task == "classification"
    for asked in ({"task": "regression"}, {"columns": {"when": "date:%d.%m.%Y"}}):
        assert load_dataset(few, target="when", **asked).target.unit == "days"


def test_dates_that_fit_two_orders_are_told_and_may_be_named() -> None:
    both = frame([f"{day.day % 12 + 1:02}/{day.month:02}/{day.year}" for day in DATES])
    data = load_dataset(both, target="when")
    assert any("target 'when': dates that fit" in text for text in data.warnings)
    named = load_dataset(both, target="when", columns={"when": "date:%d/%m/%Y"})
    assert not any("dates that fit" in text for text in named.warnings)
    first = pd.to_datetime(both["when"], format="%d/%m/%Y")
    np.testing.assert_array_equal(named.y, (first - pd.Timestamp(0)).dt.days)
    with pytest.raises(DataError, match="'when' cannot be read as date:%Y.%m.%d: 0% of its"):
        load_dataset(both, target="when", columns={"when": "date:%Y.%m.%d"})


def test_lists_of_dates_are_labels() -> None:
    lists = [["2024-05-03"], ["2024-05-04", "2024-05-03"]] * (N // 2)
    assert load_dataset(frame(lists), target="when").target.task == "multilabel"


def test_a_date_and_a_number_are_two_targets() -> None:
    table = frame(DATES.dt.strftime("%d.%m.%Y")).assign(size=X * 3 + RNG.normal(0, 0.1, N))
    data = load_dataset(table, target=["when", "size"])
    assert [part.unit for part in data.target.parts] == ["days", ""]
    np.testing.assert_array_equal(data.y[:, 0], DAYS)
    scored = read_labelled(table, data.encoders, data.target)
    np.testing.assert_array_equal(scored.y, data.y)


@pytest.mark.parametrize(
    ("cells", "seconds"),
    [
        (
            [f"{s // 3600}:{s // 60 % 60:02}:{s % 60:02}" for s in range(99, 99 + 61 * N, 61)],
            61,
        ),
        ([f"{s} min" for s in range(N)], 60),
        (pd.to_timedelta(np.arange(N) * 7, unit="s"), 7),
        ([f"{s // 60 + 30}:{s % 60:02}" for s in range(N)], 1),
    ],
)
def test_a_target_of_spans_is_a_number_of_seconds(cells: Any, seconds: int) -> None:
    table = frame(cells)
    data = load_dataset(table, target="when")
    assert (data.target.task, data.target.unit) == ("regression", "seconds")
    np.testing.assert_allclose(np.diff(data.y), seconds)
    assert "regression (in seconds)" in "\n".join(data.summary)
    np.testing.assert_allclose(read_labelled(table, data.encoders, data.target).y, data.y)


def test_a_date_is_printed_as_the_nearest_one_of_its_form() -> None:
    assert date_text(19_845.6, "%Y-%m-%d") == "2024-05-03"
    assert date_text(19_845.6, "%Y-%m") == "2024-05"
    assert date_text(19_862.0, "%b %Y") == "Jun 2024"
    assert date_text(19_845.5001, "%-d/%-m/%Y %H:%M") == "2/5/2024 12:00"
    assert date_text(-1e9, "%Y") == "0001"
    assert date_text(1e9, "%d.%m.%Y").endswith(".9999")


def test_predicted_dates_are_in_the_form_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "train.csv"
    frame(DATES.dt.strftime("%d.%m.%Y")).to_csv(path, index=False)
    done = train_strategy(
        path,
        strategy="mlp[width=32, depth=1] | lr=0.01",
        target="when",
        epochs=40,
        device="cpu",
        out=tmp_path / "run",
    )
    assert done.test["r2"] > 0.9
    assert -150 < done.test["neg_mae"] < 0
    model = autosynth.load(tmp_path / "run")
    found = model.predict(path)["prediction"]
    assert found.str.fullmatch(r"\d\d\.\d\d\.\d{4}").all()
    days = (pd.to_datetime(found, format="%d.%m.%Y") - pd.Timestamp(0)).dt.days
    assert np.abs(days.to_numpy() - DAYS).mean() < 150
    card = (model.folder / "card.md").read_text()
    assert "MAE and RMSE are of `when` in days." in card
    detail = autosynth.evaluate(model, path).details[0]
    assert detail.worst is not None
    assert set(detail.worst["truth"]) <= set(DATES.dt.strftime("%d.%m.%Y"))

"""The shared cases of dates: read as they are meant, in training and in prediction."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from autosynth.bundle.model import load
from autosynth.data.load import encode, encode_parts, load_dataset
from autosynth.data.source.memory import BY_SIZE, Batching
from autosynth.run.train import train_strategy

CASES = Path(__file__).parents[2].parent / "shared" / "cases"
pytestmark = pytest.mark.skipif(not CASES.is_dir(), reason="the cases are not beside")
FEW_ROWS = Batching(most_bytes=2_000, rows=50)


@pytest.mark.parametrize(("name", "column"), [("ambiguous", "when"), ("first_of_month", "start")])
@pytest.mark.parametrize("time", [False, True])
def test_dates_that_fit_two_readings_are_those_of_the_twin(
    name: str, column: str, time: bool
) -> None:
    options = {"time": column} if time else {}
    source = CASES / "first_of_month" / f"{name}.csv"
    dataset = load_dataset(source, target="y", **options)
    twin = load_dataset(source.with_stem(f"{name}_iso"), target="y", **options)
    cells = dataset.encoders["inputs"][0]["columns"]
    assert [cell["kind"] for cell in cells] == ["date", "number"]
    assert np.array_equal(dataset.x["table"][:, 0], twin.x["table"][:, 0])
    assert all(
        np.array_equal(getattr(dataset.splits, part), getattr(twin.splits, part))
        for part in ("train", "test")
    )
    assert any(line.startswith(f"assumed     {column}: ") for line in dataset.summary)
    assert not dataset.warnings


@pytest.mark.parametrize("batching", [BY_SIZE, FEW_ROWS])
def test_a_prediction_reads_dates_as_the_training_did(batching: Batching) -> None:
    source = CASES / "first_of_month" / "ambiguous.csv"
    dataset = load_dataset(source, target="y")
    frame = pd.read_csv(source.with_stem("ambiguous_iso"))
    alike = dataset.x["table"]
    for form in ("%d/%m/%Y", "%Y-%m-%d", "%d-%m-%Y", "%A, %d %B %Y", "%d.%m.%y", "%Y%m%d"):
        new = frame.assign(when=pd.to_datetime(frame["when"]).dt.strftime(form))
        found = encode(new, dataset.encoders, batching)
        assert np.array_equal(found.x["table"], alike), form
        assert bool(found.warnings) == (form != "%d/%m/%Y")


def test_a_step_of_a_month_is_one() -> None:
    source = CASES / "first_of_month" / "monthly_dmy.csv"
    dataset = load_dataset(source, target="load", task="forecasting", horizon=12)
    assert any(
        line == "time        month: 01/01/2008 ... 01/12/2022, a step is 1 month"
        for line in dataset.summary
    )
    assert not dataset.warnings


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_dates_of_any_year_are_dates(suffix: str) -> None:
    dataset = load_dataset(CASES / "far_dates" / f"enddate.{suffix}", target="y")
    assert "date, 2020-01-13 ... 9999-12-31" in " ".join(dataset.summary)
    new = pd.DataFrame({"valid_to": ["31/12/9999", "0001-01-01"], "a": [0.0, 0.0]})
    found = encode(new, dataset.encoders).x["table"]
    assert np.isfinite(found).all()
    assert found[0, 0] - found[1, 0] == pytest.approx(2_932_896 + 719_162)


def test_parts_of_a_prediction_read_dates_alike(tmp_path: Path) -> None:
    """The first parts hold no date that tells the day from the month."""
    dataset = load_dataset(CASES / "first_of_month" / "ambiguous_iso.csv", target="y")
    days = pd.Series(pd.date_range("2019-01-01", "2019-12-31"))
    days = pd.concat([days[days.dt.day <= 12], days[days.dt.day > 12]], ignore_index=True)
    new = pd.DataFrame({"when": days.dt.strftime("%d/%m/%Y"), "a": 0.0})
    new.to_csv(tmp_path / "new.csv", index=False)
    iso = encode(new.assign(when=days.dt.strftime("%Y-%m-%d")), dataset.encoders)
    parts = list(encode_parts(tmp_path / "new.csv", dataset.encoders, FEW_ROWS))
    assert len(parts) > 3
    assert np.array_equal(np.concatenate([part.x["table"] for part in parts]), iso.x["table"])
    told = [text for part in parts for text in part.warnings]
    assert len(told) == 1
    assert "read as %d/%m/%Y" in told[0]


@pytest.mark.slow
def test_a_model_predicts_of_dates_of_any_year(tmp_path: Path) -> None:
    made = train_strategy(
        CASES / "far_dates" / "enddate.csv",
        "mlp[width=16, depth=1]",
        target="y",
        epochs=20,
        device="cpu",
        out=tmp_path / "model",
    )
    new = pd.DataFrame({"valid_to": ["9999-12-31", "31/12/9999", "2021-01-31"], "a": 0.0})
    with pytest.warns(UserWarning, match="read as ISO8601 or %d/%m/%Y"):
        found = load(made.folder).predict(new)
    assert found["prediction"].tolist() == ["active", "active", "closed"]
    probabilities = found.filter(like="proba").to_numpy()
    assert np.array_equal(probabilities[0], probabilities[1])

"""Tables: numbers far from 0, forms that are learnt and saved, categories that were never seen."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from autosynth.data import encode, load_dataset
from autosynth.errors import DataError

N = 120
RNG = np.random.default_rng(0)
SMALL = RNG.integers(0, 900, N).astype(float)


def frame(**columns: Any) -> pd.DataFrame:
    y = np.where(SMALL > 450, "late", "early")
    return pd.DataFrame({**columns, "z": RNG.normal(size=N).round(3), "y": y})


def column(data: Any, name: str) -> np.ndarray:
    names = [each["name"] for each in data.encoders["inputs"][0]["columns"]]
    return np.asarray(data.x["table"][:, names.index(name)], dtype=np.float64)


@pytest.mark.parametrize(
    ("offset", "size"), [(1.7e12, 1.0), (-4e15, 1.0), (48.8566, 1e-5), (0.0, 1e30), (0.0, 1e-30)]
)
def test_float32_keeps_differences(offset: float, size: float) -> None:
    data = load_dataset(frame(x=offset + SMALL * size), target="y")
    saved = json.loads(json.dumps(data.encoders))  # as in a bundle
    again = encode(frame(x=offset + SMALL * size), saved).x["table"]
    names = [each["name"] for each in saved["inputs"][0]["columns"]]
    for found in (column(data, "x"), again[:, names.index("x")].astype(np.float64)):
        apart = (found - found[0]) / np.ptp(found)
        np.testing.assert_allclose(apart, (SMALL - SMALL[0]) / np.ptp(SMALL), atol=1e-3)


def test_ordinary_numbers_stay_as_they_are() -> None:
    data = load_dataset(frame(x=SMALL, year=2000 + SMALL % 24), target="y")
    np.testing.assert_array_equal(column(data, "x"), SMALL)
    assert not any("unit" in each for each in data.encoders["inputs"][0]["columns"])


def test_moments_of_one_day_keep_their_seconds() -> None:
    when = pd.Timestamp("2023-05-01 12:00") + pd.to_timedelta(SMALL, unit="s")
    data = load_dataset(frame(when=when.strftime("%Y-%m-%d %H:%M:%S")), target="y")
    days = column(data, "when")
    np.testing.assert_allclose((days - days[0]) * 86_400, SMALL - SMALL[0], atol=0.1)
    np.testing.assert_allclose(days % 1, 0.5, atol=0.02)  # the phase of the day is the same


def test_numbered_columns_share_one_unit() -> None:
    walk = 1e9 + np.cumsum(RNG.normal(size=(N, 16)), axis=1)
    names = {f"load_{i}": walk[:, i] for i in range(16)}
    data = load_dataset(frame(**names), target="y")
    (series,) = [spec for spec in data.inputs if spec.kind == "series"]
    x = data.x[series.name][:, 0].astype(np.float64)
    np.testing.assert_allclose(np.diff(x, axis=1), np.diff(walk, axis=1), atol=1e-3)


@pytest.mark.parametrize(
    ("write", "sign"),
    [
        (lambda v: f"{v:,.2f}", 1),
        (lambda v: f"{v:,.2f}".translate(str.maketrans(",.", ".,")), 1),
        (lambda v: f"{v:,.2f} €".replace(",", " ").replace(".", ","), 1),
        (lambda v: f"(${v:,.2f})", -1),
        (lambda v: f"{v:.1f} %", 1),
    ],
)
def test_written_numbers_are_read_alike_in_training_and_prediction(
    write: Any, sign: int, tmp_path: Path
) -> None:
    values = SMALL * 7 + 12.5
    path, later = tmp_path / "t.csv", tmp_path / "later.csv"
    frame(price=[write(v) for v in values]).to_csv(path, index=False)
    data = load_dataset(path, target="y")
    np.testing.assert_allclose(column(data, "price"), sign * values, rtol=1e-5)
    assert "assumed     price: numbers written like" in "\n".join(data.summary)
    frame(price=[write(v) for v in values[::-1]]).head(3).to_csv(later, index=False)
    found = encode(later, json.loads(json.dumps(data.encoders)))
    place = [each["name"] for each in data.encoders["inputs"][0]["columns"]].index("price")
    np.testing.assert_allclose(found.x["table"][:, place], sign * values[::-1][:3], rtol=1e-5)


def test_where_both_forms_fit_a_warning_names_the_option(tmp_path: Path) -> None:
    table = frame(price=[f"{1 + i % 9},{100 + i}" for i in range(N)])
    data = load_dataset(table.drop(columns="z"), target="y")
    (told,) = [text for text in data.warnings if "price" in text]
    assert '--column "price=number:1.234,50" reads the other way' in told
    assert column(data, "price").min() >= 1000
    asked = {"target": "y", "columns": {"price": "number:1.234,50"}}
    other = load_dataset(table.drop(columns="z"), **asked)
    assert column(other, "price").max() < 10
    assert not [text for text in other.warnings if "price" in text]
    # Other columns tell, and so does a file whose cells stand between semicolons.
    beside = table.assign(z=["3,5", "4,25"] * (N // 2))
    assert column(load_dataset(beside, target="y"), "price").max() < 10
    table.drop(columns="z").to_csv(tmp_path / "t.csv", sep=";", index=False)
    europe = load_dataset(tmp_path / "t.csv", target="y")
    assert column(europe, "price").max() < 10
    assert not [text for text in europe.warnings if "price" in text]
    with pytest.raises(DataError, match=r"number:words': after the colon stands a number"):
        load_dataset(table, target="y", columns={"price": "number:words"})


def test_a_stray_word_among_numbers_is_told() -> None:
    values = [f"{v:.0f}.25" for v in SMALL]
    values[7] = "TBD"
    data = load_dataset(frame(x=values), target="y")
    assert np.isnan(column(data, "x")[7])
    assert "are numbers" in "\n".join(data.summary)
    assert "column 'x': 1 values are no numbers; taken as missing" in data.warnings


def test_what_was_never_seen_is_told_with_its_share() -> None:
    table = frame(town=["Bern", "Basel", "Chur"] * (N // 3), ok=[True, False] * (N // 2))
    data = load_dataset(table, target="y")
    assert not data.warnings
    names = [each["name"] for each in data.encoders["inputs"][0]["columns"]]
    town, ok = names.index("town"), names.index("ok")
    as_known = encode(table, data.encoders)
    assert not as_known.warnings
    new = encode(table.assign(town=["Bern", "Rome", None] * (N // 3)), data.encoders)
    assert new.warnings == (
        "column 'town': 40 of 80 values (50.0%) are no category of the training: 'Rome'",
    )
    other = encode(table.assign(town=table["town"].str.upper() + " "), data.encoders)
    np.testing.assert_array_equal(other.x["table"][:, town], as_known.x["table"][:, town])
    assert "120 of 120 values (100.0%) are spelled otherwise" in other.warnings[0]
    for yes, no in (("yes", "no"), (1, 0), ("Y", "N"), ("TRUE", "false"), ("on", "off")):
        spelled = encode(table.assign(ok=[yes, no] * (N // 2)), data.encoders)
        np.testing.assert_array_equal(spelled.x["table"][:, ok], as_known.x["table"][:, ok])
        assert not spelled.warnings


def test_rows_of_an_official_test_part_are_told_as_well() -> None:
    table = frame(town=["Bern", "Basel", "Chur"] * (N // 3))
    data = load_dataset(table, target="y", test=table.assign(town="Rome"))
    assert (
        "test rows: column 'town': 120 of 120 values (100.0%) are no category of the training: "
        "'Rome'"
    ) in data.warnings


def test_points_between_thousands_are_seen_in_the_file(tmp_path: Path) -> None:
    path, values = tmp_path / "t.csv", (SMALL * 7 + 112).astype(int)
    frame(price=[f"{v:,}".replace(",", ".") for v in values]).to_csv(path, index=False)
    data = load_dataset(path, target="y")
    np.testing.assert_array_equal(column(data, "price"), values)
    assert "assumed     price: numbers written like 1.234,50" in "\n".join(data.summary)
    frame(price=["1.234"] * N).head(1).to_csv(path, index=False)
    place = [each["name"] for each in data.encoders["inputs"][0]["columns"]].index("price")
    assert encode(path, data.encoders).x["table"][0, place] == 1234
    # And decimals stay decimals: of three digits each, as few as there are, with whole ones.
    for write in ("{:.3f}", "{:.6g}"):
        decimals = [write.format(v / 1000 if i % 9 else v // 1000) for i, v in enumerate(values)]
        frame(price=decimals).to_csv(path, index=False)
        data = load_dataset(path, target="y")
        np.testing.assert_allclose(column(data, "price"), list(map(float, decimals)), rtol=1e-6)


def test_a_date_beside_words_that_are_kept_is_a_date(tmp_path: Path) -> None:
    when = [f"2024-01-{i % 28 + 1:02}" if i % 9 else "NA" for i in range(N)]
    frame(when=when).to_csv(tmp_path / "t.csv", index=False)
    data = load_dataset(tmp_path / "t.csv", target="y", keep_missing_words=True)
    assert np.isnan(column(data, "when")).mean() == pytest.approx(1 / 9, abs=0.02)
    assert not data.warnings
    plain = load_dataset(tmp_path / "t.csv", target="y")
    assert "assumed     when: 'NA' (14 cells) taken for no value" in "\n".join(plain.summary)


def test_dates_spans_and_written_numbers_stand_beside_each_other(tmp_path: Path) -> None:
    when = pd.Timestamp("2020-01-01") + pd.to_timedelta(SMALL, unit="D")
    prices = [f"{v * 7:,.2f} €".translate(str.maketrans(",.", ".,")) for v in SMALL]
    table = frame(
        when=when.strftime("%d/%m/%Y"),
        took=[f"{m // 60:.0f}:{m % 60:02.0f}" for m in SMALL],
        price=prices,
    )
    table.loc[5, "when"] = table.loc[6, "took"] = table.loc[7, "price"] = "n/a"
    kinds = {"when": "date:%d/%m/%Y", "price": "number:1.234,50"}
    table.to_csv(tmp_path / "t.csv", sep=";", index=False)
    data = load_dataset(tmp_path / "t.csv", target="y", columns=kinds)
    saved = json.loads(json.dumps(data.encoders))
    forms = {each["name"]: each["forms"] for each in saved["inputs"][0]["columns"]}
    assert forms == {"when": ["%d/%m/%Y"], "took": ["h:m"], "price": ["1.234,50"], "z": []}
    known = {"took": SMALL * 60, "price": SMALL * 7}
    for row, (name, values) in enumerate(known.items(), start=6):
        there = np.arange(N) != row
        np.testing.assert_allclose(column(data, name)[there], values[there], rtol=1e-5)
        assert np.isnan(column(data, name)[row])
    for later in (table, tmp_path / "t.csv"):
        found = encode(later, saved)
        np.testing.assert_array_equal(found.x["table"], data.x["table"])
        assert not found.warnings

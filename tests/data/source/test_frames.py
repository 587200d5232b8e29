"""Tables that know their types: Arrow, JSON lines, polars; one table whatever it is written as."""

import gzip
import json
import sqlite3
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import feather, ipc, parquet

from autosynth.data import encode, load_dataset, read_labelled
from autosynth.data.source import database, sheet
from autosynth.data.source.frames import READERS
from autosynth.data.source.table import read_frame
from autosynth.errors import DataError


def write(frame: pd.DataFrame, path: Path) -> Path:
    table = pa.Table.from_pandas(frame)
    if path.suffix in (".jsonl", ".ndjson"):
        rows = frame.to_dict("records")
        path.write_text("\n".join(json.dumps(row) for row in rows) + "\n", encoding="utf-8")
    elif path.suffix == ".json":
        path.write_text(json.dumps(frame.to_dict("records")), encoding="utf-8")
    elif path.suffix in sheet.SHEET_SUFFIXES:
        pytest.importorskip("openpyxl")
        frame.to_excel(path, index=False, engine="openpyxl")
    elif path.suffix in database.DATABASE_SUFFIXES:
        with closing(sqlite3.connect(path)) as connection:
            frame.to_sql("people", connection, index=False)
    elif path.suffix == ".feather":
        feather.write_feather(table, str(path))
    elif path.suffix == ".parquet":
        parquet.write_table(table, path)
    else:
        kind = ipc.new_stream if path.suffix == ".arrow" else ipc.new_file
        with kind(str(path), table.schema) as writer:
            writer.write_table(table)
    return path


@pytest.mark.parametrize("suffix", READERS)
def test_one_table_however_it_is_written(frame: pd.DataFrame, tmp_path: Path, suffix: str) -> None:
    expected = load_dataset(frame, target="smoker")
    path = write(frame, tmp_path / f"people{suffix}")
    data = load_dataset(path, target="smoker")
    assert data.name == "people"
    if suffix not in sheet.SHEET_SUFFIXES:  # where 50.0 is 50
        assert data.fingerprint == expected.fingerprint
    assert data.inputs == expected.inputs
    assert (data.x["table"] == expected.x["table"]).all()
    assert (data.y == expected.y).all()
    encoded = encode(path, data.encoders)
    assert (encoded.x["table"] == data.x["table"]).all()


def test_a_frame_of_polars_is_the_frame_of_pandas(frame: pd.DataFrame) -> None:
    polars = pytest.importorskip("polars")
    source = polars.DataFrame({name: frame[name].tolist() for name in frame})
    expected = load_dataset(frame, target="smoker")
    for each in (source, source.lazy()):
        data = load_dataset(each, target="smoker")
        assert data.fingerprint == expected.fingerprint
        assert (encode(each, data.encoders).x["table"] == data.x["table"]).all()


def test_decimals_are_numbers(tmp_path: Path) -> None:
    table = pa.table({"price": pa.array([Decimal("1.00"), Decimal("2.50"), None])})
    parquet.write_table(table, tmp_path / "a.parquet")
    frame, _ = read_frame(tmp_path / "a.parquet")
    assert frame["price"].dtype == float
    assert frame["price"].tolist()[:2] == [1.0, 2.5]


@given(
    rows=st.lists(
        st.dictionaries(
            st.sampled_from("abcd"),
            st.one_of(
                st.integers(-(2**53), 2**53),
                st.booleans(),
                st.text('aé0 "\\\n', max_size=5),
                st.none(),
            ),
        ),
        min_size=1,
    )
)
def test_a_name_that_a_line_lacks_is_missing(
    tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, object]]
) -> None:
    path = tmp_path_factory.getbasetemp() / "lines.jsonl"
    path.write_text("\n\n".join(map(json.dumps, rows)), encoding="utf-8")
    frame, _ = read_frame(path)
    assert len(frame) == len(rows)
    for number, row in enumerate(rows):
        for name in frame.columns:
            value = frame[name].iloc[number]
            if row.get(name) is None:
                assert pd.isna(value)
            else:
                assert value == row[name]


def test_lines_may_be_packed(frame: pd.DataFrame, tmp_path: Path) -> None:

    plain = write(frame, tmp_path / "a.jsonl")
    packed = tmp_path / "b.jsonl.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    assert (
        load_dataset(packed, target="smoker").fingerprint
        == load_dataset(plain, target="smoker").fingerprint
    )
    packed.write_bytes(packed.read_bytes()[:-20])
    with pytest.raises(DataError, match=r"b\.jsonl\.gz cannot be read as lines of JSON"):
        load_dataset(packed, target="smoker")


def test_nested_cells_are_named_unless_dropped(frame: pd.DataFrame, tmp_path: Path) -> None:
    frame["tags"] = [[i, i + 1] for i in range(len(frame))]
    frame["home"] = [{"zip": i} if i % 2 else None for i in range(len(frame))]
    for suffix in (".jsonl", ".parquet"):
        path = write(frame, tmp_path / f"a{suffix}")
        with pytest.raises(
            DataError, match="cells of 2 columns hold .*'tags' .*--drop tags --drop home"
        ):
            load_dataset(path, target="smoker")
        data = load_dataset(path, target="smoker", drop=["tags", "home"])
        assert len(data.y) == len(frame)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"a": 1}\n{"a": 2', r"a\.jsonl:2: no JSON: .* a file that was cut off ends so"),
        ('{"a": 1}\n[1, 2]', r"a\.jsonl:2: \[1, 2\] is no JSON object"),
        ('{"a": 1, "b": 2, "a": 3}', r"a\.jsonl:1: 'a' stands twice in one object"),
        ("", r"a\.jsonl is empty"),
        ("\ud800", r"cannot be read as lines of JSON in UTF-8"),
    ],
)
def test_bad_lines(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(DataError, match=message):
        load_dataset(path, target="a")


@pytest.mark.parametrize("suffix", [".arrow", ".feather", ".ipc", ".parquet"])
@pytest.mark.parametrize("cut", [0, 7, 200])
def test_truncated_files(frame: pd.DataFrame, tmp_path: Path, suffix: str, cut: int) -> None:
    path = write(frame, tmp_path / f"a{suffix}")
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(DataError, match=rf"a\{suffix} cannot be read as "):
        load_dataset(path, target="smoker")


class Silent(pd.DataFrame):
    """A frame that nobody may write out: that takes several times as long as to predict it."""

    @property
    def _constructor(self) -> type[pd.DataFrame]:
        return pd.DataFrame

    def __repr__(self) -> str:
        raise AssertionError("a frame was written out as text")

    __str__ = __repr__


@pytest.mark.parametrize(
    "asked",
    [
        {"target": "label"},
        {"target": "value", "task": "forecasting", "horizon": 2},
        {"target": "item", "user": "who", "time": "step"},
    ],
)
def test_a_frame_is_never_written_out_to_see_what_it_is(asked: dict[str, Any]) -> None:
    rows = range(200)
    columns = {
        "step": list(rows), "value": [row % 7 / 3 for row in rows],
        "label": ["abc"[row * row % 3] for row in rows], "who": [f"u{row % 9}" for row in rows],
        "item": [f"i{(row // 9 + row % 9) % 23}" for row in rows],
    }  # fmt: skip
    silent = Silent(columns)
    with pytest.raises(AssertionError, match="written out"):
        str(silent)
    dataset = load_dataset(silent, **asked)
    encoded = encode(silent, dataset.encoders)
    assert len(encoded.index)
    assert len(read_labelled(silent, dataset.encoders, dataset.target))

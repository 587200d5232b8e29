"""Tables: every form is read alike; what is wrong is named with its place."""

import gzip
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from autosynth.data.source.raw import Raw
from autosynth.data.source.tablefile import read_table
from autosynth.errors import DataError

TEXT = 'a,"b, or c",goal\n1,x,yes\n2,?,no\n,"y, z",yes\n'


def write(path: Path, text: str, encoding: str = "utf-8") -> Path:
    data = text.encode(encoding)
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


def features(raw: Raw) -> pd.DataFrame:
    assert raw.main is not None
    assert isinstance(raw.main.x, pd.DataFrame)
    return raw.main.x


@pytest.mark.parametrize(
    ("name", "separator", "encoding"),
    [
        ("t.csv", ",", "utf-8"),
        ("t.csv", ",", "utf-8-sig"),
        ("t.csv", ";", "utf-8"),
        ("t.tsv", "\t", "utf-8"),
        ("t.txt", "|", "utf-8"),
        ("t.csv.gz", ",", "utf-8"),
    ],
)
def test_every_form_reads_alike(tmp_path: Path, name: str, separator: str, encoding: str) -> None:
    rows = [["a", '"b, or c"', "goal"], ["1", " x", "yes"], ["2", "?", "no"], ["", '"y"', "yes"]]
    text = "\n".join(separator.join(row) for row in rows)
    raw = read_table(write(tmp_path / name, text, encoding), ["goal"])
    frame = features(raw)
    assert raw.name == "t"
    assert list(frame.columns) == ["a", "b, or c"]
    assert frame["a"].isna().tolist() == [False, False, True]
    assert frame["b, or c"].fillna("-").tolist() == ["x", "-", "y"]
    assert raw.main is not None
    assert list(raw.main.y) == ["yes", "no", "yes"]


def test_parquet(tmp_path: Path, frame: pd.DataFrame) -> None:
    frame.to_parquet(tmp_path / "t.parquet")
    raw = read_table(tmp_path / "t.parquet", ["smoker"])
    assert list(features(raw).columns) == ["height", "weight", "town"]


def test_other_encodings_are_read_with_a_warning(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", "town,goal\nChur,1\nZürich,0\n", "latin-1")
    raw = read_table(path, ["goal"])
    assert features(raw)["town"].tolist() == ["Chur", "Zürich"]
    assert "t.csv:3 is not UTF-8" in raw.warnings[0]


def test_an_unnamed_column_keeps_the_name_pandas_gives(tmp_path: Path) -> None:
    raw = read_table(write(tmp_path / "t.csv", ",a,goal,\n0,5,1,\n1,6,0,\n"), ["goal"])
    assert list(features(raw).columns) == ["Unnamed: 0", "a", "Unnamed: 3"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is an empty table; its first line holds the column names"),
        ("a,goal\n", "is an empty table: 2 columns and no rows"),
        ("a,b,goal\n1,2,3\n1,2,3,4\n", r"t\.csv:3: 4 cells, where the header names 3 columns"),
        ("a,b,goal\n1,2,3\n1,2\n1,2,3\n", r"t\.csv:3: 2 cells, where the header names 3 columns"),
        ("a,b,goal\n1,2,3,4\n1,2,3,4\n", r"t\.csv:2: 4 cells, where the header names 3 columns"),
        ('a,goal\n"1\n2",3\n1\n', r"t\.csv:4: 1 cells, where the header names 2 columns"),
        ("a,b,a,goal\n1,2,3,4\n", "1 column names stand twice: a. Rename them"),
        ("a,b\0,goal\n1,2,3\n", "is no text: byte 3 is zero"),
        ("a,b\n1,2\n", "target 'goal' is no column of .*its columns: a, b"),
        ("a,goals\n1,2\n", "Did you mean 'goals'"),
        ('a,goal\n1,"2\n', "the quote that row 1 opens is never closed"),
    ],
)
def test_bad_tables(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_table(write(tmp_path / "t.csv", text), ["goal"])


def test_a_target_has_to_be_named(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match="Name the column to predict with --target; its columns: a"
    ):
        read_table(write(tmp_path / "t.csv", "a,b\n1,2\n"), ())


@pytest.mark.parametrize("name", ["t.parquet", "t.csv.gz"])
def test_damaged_files(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"\x1f\x8bPAR1 and then nothing")
    with pytest.raises(DataError, match=f"{name} cannot be read"):
        read_table(tmp_path / name, ["goal"])


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root reads all")
def test_a_file_without_permission(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", TEXT)
    path.chmod(0)
    with pytest.raises(DataError, match=r"t\.csv cannot be read: .*[Pp]ermission"):
        read_table(path, ["goal"])


def test_integers_stay_exact(tmp_path: Path) -> None:
    raw = read_table(write(tmp_path / "t.csv", "a,goal\n9007199254740993,1\n2,0\n"), ["goal"])
    assert features(raw)["a"].dtype == np.int64

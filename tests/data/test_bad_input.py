"""Bad input: one table of what is wrong with data, and of what must be said and done."""

import codecs
import csv
import gzip
import math
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from autosynth.cell import text_of
from autosynth.data import encode, load_dataset
from autosynth.data.source.parse import NA_VALUES
from autosynth.data.source.table import read_frame
from autosynth.errors import AutosynthError, DataError
from autosynth.spec import Dataset

ROWS = 60


def frame(**columns: Any) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    towns = np.array(["Bern", "Basel", "Zürich"])[rng.integers(0, 3, ROWS)]
    own = {"a": rng.normal(size=ROWS).round(3), "town": towns}
    goal = np.array(["no", "yes"])[rng.integers(0, 2, ROWS)]
    return pd.DataFrame({**own, **columns, "goal": goal})


TEXT = frame().to_csv(index=False)
LINES = TEXT.splitlines()
LONG = "x" * 3_000_000
CUT = LINES[-1].split(",")[0]  # one cell of three


def parquet() -> bytes:
    data: bytes = frame().to_parquet()
    return data


def packed() -> bytes:
    return gzip.compress(TEXT.encode())


def arrays(tmp_path: Path) -> bytes:
    np.savez(tmp_path / "good.npz", x=frame()[["a"]].to_numpy(), y=np.arange(ROWS) % 2)
    return (tmp_path / "good.npz").read_bytes()


# What is wrong: the file's name, its bytes, and the words of the error (place, value, cure).
REFUSED: dict[str, tuple[str, Callable[[], bytes], str]] = {
    "cut in a row": (
        "t.csv", lambda: "\n".join([*LINES[:-1], CUT]).encode(),
        r"t\.csv:61: 1 cells, where the header names 3 columns\. It is the last line: the file "
        r"may be cut off\. Get it again, or take the line out",
    ),
    "cut in a quoted cell": (
        "t.csv", lambda: (TEXT + '0.5,"Bern, or').encode(),
        r"the quote that row 61 opens is never closed\. Is the file whole\? Get it again",
    ),
    "gzip that is cut": (
        "t.csv.gz", lambda: packed()[:-20],
        r"t\.csv\.gz cannot be read: Compressed file ended .* Is the file whole\? Get it again",
    ),
    "gzip with a wrong sum": (
        "t.csv.gz", lambda: packed()[:-8] + b"\1" * 8, r"t\.csv\.gz cannot be read: CRC check",
    ),
    "gzip that is none": (
        "t.csv.gz", TEXT.encode, r"t\.csv\.gz cannot be read: Not a gzipped file",
    ),
    "parquet that is cut": (
        "t.parquet", lambda: parquet()[:-20], r"t\.parquet cannot be read as parquet: .*corrupted",
    ),
    "parquet with a hole": (
        "t.parquet", lambda: parquet()[:300] + parquet()[500:],
        r"t\.parquet cannot be read as parquet",
    ),
    "UTF-16 without its mark": (
        "t.csv", lambda: TEXT.encode("utf-16-le"),
        r"t\.csv is no text: byte 1 is zero\. Save it as UTF-8 text",
    ),
    "UTF-16 that is cut": (
        "t.csv", lambda: TEXT.encode("utf-16")[:-1],
        r"t\.csv begins as UTF-16 and is not: truncated data\. Save it as UTF-8",
    ),
    "UTF-32": (
        "t.csv", lambda: codecs.BOM_UTF32_LE + TEXT.encode("utf-32-le"),
        r"t\.csv begins as UTF-32, which is not read\. Save it as UTF-8",
    ),
    "a zero byte": (
        "t.csv", lambda: TEXT.replace("Bern", "Be\0rn", 1).encode(), "is no text: byte .* is zero",
    ),
    "a picture": (
        "t.csv", lambda: b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "is no text: byte 8 is zero",
    ),
    "separators mixed in the first lines": (
        "t.csv", lambda: "\n".join([LINES[0], LINES[1].replace(",", ";"), *LINES[2:]]).encode(),
        r"t\.csv:2: 1 cells, .*It is separated by ';', and others by ',': use one of them",
    ),
    "separators mixed later": (
        "t.csv", lambda: (TEXT * 9 + LINES[1].replace(",", "\t") + "\n" + TEXT).encode(),
        r"t\.csv:550: 1 cells, .*It is separated by '\\t', and others by ','",
    ),
    "a name twice": (
        "t.csv", lambda: TEXT.replace("town", "a", 1).encode(),
        "1 column names stand twice: a. Rename them",
    ),
    "nothing": ("t.csv", lambda: b"", "is an empty table; its first line holds the column names"),
    "blank lines": ("t.csv", lambda: b"\n\n \n", "is an empty table; its first line holds"),
    "a header alone": (
        "t.csv", lambda: LINES[0].encode(), "is an empty table: 3 columns and no rows",
    ),
    "the target alone": (
        "t.csv", lambda: frame()[["goal"]].to_csv(index=False).encode(),
        "has no column beside its target 'goal' to learn from",
    ),
    "a cell too many": (
        "t.csv", lambda: (TEXT + "1,Bern,yes,no\n" + TEXT).encode(),
        r"t\.csv:62: 4 cells, where the header names 3 columns\. Give every row one cell a column",
    ),
    "a class for every row": (
        "t.csv", lambda: frame().assign(goal=[f"k{i}" for i in range(ROWS)]).to_csv().encode(),
        r"'goal' has 0 classes of two rows or more \(60 in all\)",
    ),
}  # fmt: skip


@pytest.mark.parametrize("wrong", REFUSED)
def test_what_is_refused_says_where_and_what_to_do(tmp_path: Path, wrong: str) -> None:
    name, data, words = REFUSED[wrong]
    (tmp_path / name).write_bytes(data())
    with pytest.raises(DataError, match=words):
        load_dataset(tmp_path / name, target="goal")


@pytest.mark.parametrize("cut", [slice(-30), slice(0, 0), slice(300, None)])
def test_arrays_that_are_cut(tmp_path: Path, cut: slice) -> None:
    (tmp_path / "t.npz").write_bytes(arrays(tmp_path)[cut])
    with pytest.raises(DataError, match=r"t\.npz cannot be read as \.npz.* Save plain arrays"):
        load_dataset(tmp_path / "t.npz")


def codes(data: Dataset) -> tuple[int, ...]:
    (spec,) = (spec for spec in data.inputs if spec.kind == "table")
    return tuple(sorted(spec.cardinalities))


# What is wrong: the bytes, the words of the warning ("" for none), and the columns of the table:
# 0 for a number, codes for a category.
READ: dict[str, tuple[Callable[[], bytes], str, tuple[int, ...]]] = {
    "cut between rows": (lambda: "\n".join(LINES[:-9]).encode(), "", (0, 5)),
    "UTF-16": (lambda: TEXT.encode("utf-16"), "t.csv was read as UTF-16", (0, 5)),
    "latin-1": (
        lambda: TEXT.encode("latin-1"), "is not UTF-8; the file was read as latin-1", (0, 5),
    ),
    "Windows-1252": (
        lambda: TEXT.replace("Bern", "“Bern”").encode("cp1252"),
        "is not UTF-8; the file was read as Windows-1252", (0, 5),
    ),
    "bytes of no encoding": (
        lambda: TEXT.encode("latin-1").replace(b"Bern", b"Be\x81rn\x93"),
        "is not UTF-8; the file was read as latin-1", (0, 5),
    ),
    "a line of three million characters": (
        lambda: TEXT.replace("Bern", LONG, 1).encode(), "", (0, 5),
    ),
    "three hundred columns": (
        lambda: frame(**{f"c{i}": "1" for i in range(300)}).to_csv(index=False).encode(),
        "300 columns set aside: c0, c1,", (0, 5),
    ),
    "as many categories as rows": (
        lambda: frame(code=[f"k{i}" for i in range(ROWS)]).to_csv(index=False).encode(),
        "column set aside: code (an id: no value repeats)", (0, 5),
    ),
}  # fmt: skip


@pytest.mark.parametrize("wrong", READ)
def test_what_is_read_all_the_same_is_told(tmp_path: Path, wrong: str) -> None:
    data, words, columns = READ[wrong]
    (tmp_path / "t.csv").write_bytes(data())
    found = load_dataset(tmp_path / "t.csv", target="goal")
    assert codes(found) == columns
    assert (words in " ".join(found.warnings)) if words else found.warnings == ()


@pytest.mark.parametrize("n", [100_000, pytest.param(1_000_000, marks=pytest.mark.slow)])
def test_a_million_categories(n: int) -> None:
    rng = np.random.default_rng(0)
    names = pd.Series(np.arange(n).astype(str)).radd("k")
    table = pd.DataFrame({"a": rng.normal(size=n), "c": names, "goal": rng.integers(0, 2, n)})
    found = load_dataset(table, target="goal")
    assert codes(found) == (0,)
    assert "column set aside: c (an id: no value repeats)" in found.warnings


def test_empty_texts_and_one_of_a_million_characters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("autosynth.data.encoder.text.tokenizer_files", dict)
    notes: list[Any] = [f"it was number {i} of them" for i in range(ROWS)]
    notes[3:7] = ["", "   ", None, "word " * 200_000]
    found = load_dataset(frame(note=notes), target="goal")
    lengths = (found.x["note"] > 0).sum(1)
    assert lengths[3:6].tolist() == [1, 1, 1]  # the start alone
    assert lengths[6] == found.x["note"].shape[1]
    again = encode(frame(note=notes), found.encoders)
    np.testing.assert_array_equal(again.x["note"], found.x["note"])


def test_labels_that_training_never_saw(tmp_path: Path) -> None:
    other = frame()
    other.loc[:1, "goal"] = "perhaps"
    found = load_dataset(frame(), target="goal", test=other)
    assert len(found.splits.test) == ROWS - 2
    assert found.target.classes == ("no", "yes")
    said = "target 'goal': class 'perhaps' left out; only test rows have it, so it cannot be"
    assert said in " ".join(found.warnings)
    with pytest.raises(DataError, match=r"no row of the test part .* is left.*'perhaps'"):
        load_dataset(frame(), target="goal", test=frame().assign(goal="perhaps"))


def test_other_columns_at_prediction() -> None:
    found = load_dataset(frame(), target="goal")
    same = encode(frame()[["goal", "town", "a"]], found.encoders).x["table"]
    np.testing.assert_array_equal(same, found.x["table"])
    town = [name["name"] for name in found.encoders["inputs"][0]["columns"]].index("town")
    unseen = encode(frame().assign(town="Thun"), found.encoders)
    assert set(unseen.x["table"][:, town]) == {0.0}
    with pytest.raises(DataError, match="lacks 1 columns that the model was trained on: town"):
        encode(frame().drop(columns="town"), found.encoders)
    words = encode(frame().assign(a="many"), found.encoders)
    assert np.isnan(words.x["table"][:, 1 - town]).all()
    assert "column 'a': 60 values are no numbers; taken as missing" in words.warnings
    with pytest.raises(DataError, match="is an empty table: 3 columns and no rows"):
        encode(frame().iloc[:0], found.encoders)


# Cells that have gone wrong somewhere before.
ODD = [
    *NA_VALUES, " NA", "NA ", " ", "007", "+5", "1e5", "1_000", "0x1F", ".5", "5.", "inf",
    "-Infinity", "True", "false", "TRUE ", "9007199254740993", "18446744073709551616",
    "2020-01-01", "12:30", "2020-01-01 10:00:00", '"', '""', '5" wide', ' "a"', "a, b", ", a",
    "a;b", "a\tb", "a|b", "a\nb", "a\r\nb", "\r", "'", "#", "# a", "| a", "é", "\ufeff",
    "\u2028", "😀", "a " * 3_000,
]  # fmt: skip
CELL = st.one_of(
    st.sampled_from(ODD),
    st.integers().map(str),
    st.floats(allow_nan=False).map(repr),
    st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=6),
)
COLUMN = st.one_of(st.lists(CELL, min_size=4, max_size=4), CELL.map(lambda cell: [cell] * 4))


@given(columns=st.lists(COLUMN, min_size=1, max_size=4))
@example(columns=[['5" wide', "a", "b", "c"]])
@example(columns=[[' "a"', " b", "c", " NA"], ["1", " 2", " ", "3"]])
@settings(max_examples=100)
def test_a_table_read_back_is_what_was_written(
    tmp_path_factory: pytest.TempPathFactory, columns: list[list[str]]
) -> None:
    path = tmp_path_factory.getbasetemp() / "written.csv"
    names = ["row", *(f"name {i}" for i in range(len(columns)))]
    rows = [[f"r{i}", *cells] for i, cells in enumerate(zip(*columns, strict=True))]
    text = StringIO(newline="")
    csv.writer(text).writerows([names, *rows])
    path.write_bytes(text.getvalue().encode())
    try:
        found, _ = read_frame(path)
    except DataError:
        # Only what no reader of tables can tell apart: a lone end of line.
        assert any("\r" in cell or "\n" in cell for cells in columns for cell in cells)
        return
    assert list(found.columns) == names
    assert len(found) == 4
    for name, cells in zip(names[1:], columns, strict=True):
        for got, cell in zip(found[name], cells, strict=True):
            assert is_same(got, cell), (got, cell)


def is_same(got: Any, cell: str) -> bool:
    """Whether a value says what a cell said: nothing, a number, a truth or a text."""
    word = cell.strip()
    if pd.isna(got):
        return word in NA_VALUES or word.lower().lstrip("+-") == "nan"
    text = text_of(got)
    if text == word or (isinstance(got, bool | np.bool_) and text.lower() == word.lower()):
        return True
    if text.split() == word.split():  # ends of lines, which differ by system
        return True
    try:
        return math.isclose(float(text), float(word), rel_tol=1e-12) or float(text) == float(word)
    except (ValueError, OverflowError):
        return False


EDIT = st.tuples(
    st.sampled_from(["put", "cut", "add"]), st.integers(0, 2_000),
    st.one_of(st.sampled_from(b'",;\n\r\t |\0#\xff\xc3'), st.integers(0, 255)),
)  # fmt: skip


@given(edits=st.lists(EDIT, min_size=1, max_size=5), end=st.integers(0, 400))
@settings(max_examples=60)
def test_a_damaged_table_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, edits: list[tuple[str, int, int]], end: int
) -> None:
    data = bytearray("\n".join([*LINES[:30], '0.5,"Biel, or ""Bienne""",yes', ""]).encode())
    for what, place, byte in edits:
        at = place % len(data)
        data[at : at + (what != "add")] = b"" if what == "cut" else bytes([byte])
    path = tmp_path_factory.getbasetemp() / "damaged.csv"
    path.write_bytes(bytes(data[: len(data) - end if end % 3 == 0 else len(data)]))
    try:
        found = load_dataset(path, target="goal")
    except AutosynthError:
        return
    assert len(found.y) <= 31

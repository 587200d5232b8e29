"""How tables are written is found from their lines: separator, header, quotes, comments."""

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from autosynth.data import encode, load_dataset
from autosynth.data.source.memory import BY_SIZE, Batching
from autosynth.data.source.rows import rows_of
from autosynth.data.source.table import read_frame
from autosynth.data.source.tablefile import read_table
from autosynth.errors import DataError

MANY = 30


def frame_of(tmp_path: Path, text: str, name: str = "t.csv"):
    (tmp_path / name).write_text(text, encoding="utf-8")
    return read_frame(tmp_path / name)


@pytest.mark.parametrize(
    ("text", "names", "rows"),
    [
        ("a,b\n1,2\n3,4\n", ["a", "b"], 2),
        ("1,2\n3,4\n", ["column1", "column2"], 2),
        ("country,2019,2020\nFR,1.5,2\nCH,3,4.5\n", ["country", "2019", "2020"], 2),
        ("red,small\nblue,large\nred,large\n", ["column1", "column2"], 3),
        ("colour,size\nblue,large\nred,large\n", ["colour", "size"], 2),
        ("A11 6 A34\nA12 48 A32\nA11 12 A34\n", ["column1", "column2", "column3"], 3),
        ("|1x3 Cross validator\n25, Private\n38, Public\n", ["column1", "column2"], 2),
        ("# made today\na;b\n1;x\n2;y\n", ["a", "b"], 2),
        ("#id,b\n1,x\n2,y\n", ["#id", "b"], 2),
        ("text\nwho, what and when ?\nwhere is it ?\n", ["text"], 2),
        ("0,1,2\n1.5,2,3\n3,4.5,5\n", ["0", "1", "2"], 2),
    ],
)
def test_a_table_as_it_is(tmp_path: Path, text: str, names: list[str], rows: int) -> None:
    frame, warnings = frame_of(tmp_path, text)
    assert list(frame.columns) == names
    assert len(frame) == rows
    assert bool(warnings) == (names[0] == "column1")


def test_lines_of_a_label_and_a_text(tmp_path: Path) -> None:
    texts = [f"What{', if any,' * (i % 3)} is number {i} ?" for i in range(MANY)]
    lines = [f"__label__{i % 2} {text}" for i, text in enumerate(texts)]
    (tmp_path / "t.txt").write_text("\n".join(lines) + "\n")
    raw = read_table(tmp_path / "t.txt", ())
    assert raw.target == "label"
    assert raw.main is not None
    assert list(raw.main.x["text"]) == texts
    assert list(raw.main.y[:2]) == ["0", "1"]


@pytest.mark.parametrize("end", ["the qui", "the quick room,1", "the quick room,1,2,go\nthe"])
def test_a_table_of_texts_that_breaks_off_is_no_lines_of_labels(tmp_path: Path, end: str) -> None:
    rows = [f"{('the', 'a')[i % 2]} quick room,{i},{i % 3},good\n" for i in range(MANY)]
    (tmp_path / "t.csv").write_text("note,size,floor,mood\n" + "".join(rows) + end)
    with pytest.raises(DataError, match=r"t\.csv:\d+: \d cells, where the header names 4 columns"):
        read_table(tmp_path / "t.csv", ("mood",))


def test_two_columns_of_which_one_is_sentences_need_no_names(tmp_path: Path) -> None:
    text = "".join(f"it was number {i} of them\t{i % 2}\n" for i in range(MANY))
    frame, _ = frame_of(tmp_path, text, "t.tsv")
    assert list(frame.columns) == ["text", "label"]


def test_a_quote_that_is_never_closed_is_a_quote_mark(tmp_path: Path) -> None:
    frame, _ = frame_of(tmp_path, 'text\tlabel\n5" wide and good\t1\nbad\t0\n', "t.tsv")
    assert frame["text"].tolist() == ['5" wide and good', "bad"]


SMALL = Batching(most_bytes=1_000, rows=30)
LATER = 400
"""Lines after which a file shows how it is written; the first two hundred are looked at first."""

DIALECTS: dict[str, tuple[str, list[str], list[list[Any]]]] = {
    "sep= first": ("sep=;\na;b\n1,5;x\n2,5;y\n", ["a", "b"], [["1,5", "x"], ["2,5", "y"]]),
    "sep= in quotes": ('"sep=|"\r\na|b\r\n1|x\r\n', ["a", "b"], [[1, "x"]]),
    "several lines before": (
        "Report of 2024\nby: us, them\n\nid,name,v\n1,x,2\n2,y,3\n",
        ["id", "name", "v"], [[1, "x", 2], [2, "y", 3]],
    ),
    "keys before": (
        "Station,Bern\nHeight,553\n\nday,t,wind,rain,sun\nmo,1,2,3,4\ntu,2,3,4,5\n",
        ["day", "t", "wind", "rain", "sun"], [["mo", 1, 2, 3, 4], ["tu", 2, 3, 4, 5]],
    ),
    "prose before": (
        "This file, which we made, has, among others, these\nid,name,v\n1,x,2\n2,y,3\n",
        ["id", "name", "v"], [[1, "x", 2], [2, "y", 3]],
    ),
    "a quote before": (
        '5" pipes\nid,name,v\n1,x,2\n2,y,3\n', ["id", "name", "v"], [[1, "x", 2], [2, "y", 3]],
    ),
    "comments before": ("# a, b\n# of us\n#\nid,b\n1,x\n2,y\n", ["id", "b"], [[1, "x"], [2, "y"]]),
    "filled up before": (
        "Report,,,\n,,,\nid,name,v,w\n1,x,2,3\n2,y,3,4\n",
        ["id", "name", "v", "w"], [[1, "x", 2, 3], [2, "y", 3, 4]],
    ),
    "a title as wide": (
        "Sales,North,2024\nid,name,v\n1,x,2\n2,y,3\n",
        ["id", "name", "v"], [[1, "x", 2], [2, "y", 3]],
    ),
    "a dated title as wide": (
        "Export;2024-05-03;us;1\nid;name;v;w\n1;x;2;3\n2;y;3;4\n",
        ["id", "name", "v", "w"], [[1, "x", 2, 3], [2, "y", 3, 4]],
    ),
    "two titles as wide": (
        "Export,2024,us\npage,1,of 2\nid,name,v\n1,x,2\n2,y,3\n",
        ["id", "name", "v"], [[1, "x", 2], [2, "y", 3]],
    ),
    "years for names are no title": (
        "land,2023,2024\nch,1,2\nde,2,3\n", ["land", "2023", "2024"], [["ch", 1, 2], ["de", 2, 3]],
    ),
    "separators after rows": ("id,b\n1,x,\n2,y,\n", ["id", "b"], [[1, "x"], [2, "y"]]),
    "some after some rows": (
        "id,b\n1,x,\n2,y\n3,z,,,\n",
        ["id", "b"], [[1, "x"], [2, "y"], [3, "z"]],
    ),
    "one after the header": ("id,b,\n1,x\n2,y\n", ["id", "b"], [[1, "x"], [2, "y"]]),
    "carriage returns": ('id,b\r1,"x\ry"\r2,y\r', ["id", "b"], [[1, "x\ry"], [2, "y"]]),
    "blank lines between": ("id,b\n\n1,x\n\n\n2,y\n\n", ["id", "b"], [[1, "x"], [2, "y"]]),
    "no last end": ("id,b\n1,x\n2,y", ["id", "b"], [[1, "x"], [2, "y"]]),
    "backslash and quote": (
        'id,b\n1,"say \\"hi\\", you"\n2,"y"\n', ["id", "b"], [[1, 'say "hi", you'], [2, "y"]],
    ),
    "backslash and separator": (
        "id,b\n1,hi\\, you\n2,y\n",
        ["id", "b"], [[1, "hi, you"], [2, "y"]],
    ),
    "apostrophes": ("id,b\n1,'hi, you'\n2,'y'\n", ["id", "b"], [[1, "hi, you"], [2, "y"]]),
    "apostrophes in words": ("id,b\n1,it's\n2,y's\n", ["id", "b"], [[1, "it's"], [2, "y's"]]),
    "quotes and pipes": ('id|b\n1|"a|b\nc"\n2|y\n', ["id", "b"], [[1, "a|b\nc"], [2, "y"]]),
    "quotes and semicolons": ('id;b\n1;"a;b\nc"\n2;y\n', ["id", "b"], [[1, "a;b\nc"], [2, "y"]]),
    "quotes and tabs": ('id\tb\n1\t"a\tb\nc"\n2\ty\n', ["id", "b"], [[1, "a\tb\nc"], [2, "y"]]),
    "quote marks": ('id\tb\n1\t"great\n2\t"bad\n', ["id", "b"], [[1, '"great'], [2, '"bad']]),
    "fixed blanks": (
        "id   b   v\n1    an   2\n2    bo   3\n",
        ["id", "b", "v"], [[1, "an", 2], [2, "bo", 3]],
    ),
    "aligned words": (
        "id   full name    v\n1    ann lee      2\n2    bo van d     3\n",
        ["id", "full name", "v"], [[1, "ann lee", 2], [2, "bo van d", 3]],
    ),
    "double colons": ("a::b::c\n1::x::2\n2::y::3\n", ["a", "b", "c"], [[1, "x", 2], [2, "y", 3]]),
    "carets": ("a^b\n1^x\n2^y\n", ["a", "b"], [[1, "x"], [2, "y"]]),
    "one column of quotes": (
        'review\n"great, love it\nreally"\n"hate, it"\nbad\n',
        ["review"], [["great, love it\nreally"], ["hate, it"], ["bad"]],
    ),
    "one column, no quotes": (
        "name\nSmith, John\nDoe, Jane\nRoe\n", ["name"], [["Smith, John"], ["Doe, Jane"], ["Roe"]],
    ),
    "one column, one comma each": (
        "name\nSmith, J\nDoe, K\n",
        ["name"], [["Smith, J"], ["Doe, K"]],
    ),
    "one column of numbers": ("x\n1\n2\n", ["x"], [[1], [2]]),
    "quote marks that come later": (
        "id\tb\n" + "1\tx\n" * LATER + '2\t"great\n3\t"bad\n4\tso\n',
        ["id", "b"], [*[[1, "x"]] * LATER, [2, '"great'], [3, '"bad'], [4, "so"]],
    ),
    "quotes that come later": (
        "id\tb\n" + "1\tx\n" * LATER + '2\t"a\tb\nc"\n3\tbad\n',
        ["id", "b"], [*[[1, "x"]] * LATER, [2, "a\tb\nc"], [3, "bad"]],
    ),
    "backslashes that come later": (
        "id,b\n" + "1,x\n" * LATER + '2,"a \\"b\\", c"\n3,"y"\n',
        ["id", "b"], [*[[1, "x"]] * LATER, [2, 'a "b", c'], [3, "y"]],
    ),
}  # fmt: skip


@pytest.mark.parametrize("batching", [BY_SIZE, SMALL], ids=["whole", "in pieces"])
@pytest.mark.parametrize("dialect", DIALECTS)
def test_any_dialect_is_its_own(tmp_path: Path, dialect: str, batching: Batching) -> None:
    text, names, rows = DIALECTS[dialect]
    (tmp_path / "t.csv").write_bytes(text.encode())
    raw = read_table(tmp_path / "t.csv", (), labelled=False, batching=batching)
    assert raw.main is not None
    frame = rows_of(raw.main.x, batching).whole()
    assert list(frame.columns) == names
    assert frame.to_numpy(object).tolist() == rows
    assert raw.warnings == ()


@pytest.mark.parametrize("batching", [BY_SIZE, SMALL], ids=["whole", "in pieces"])
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('a,b\n1,"x, y"\n2,"z, ', "the quote that row 2 opens is never closed"),
        ("a,b\n1,x,\n2,y,q\n", r"t\.csv:2: 3 cells, where the header names 2 columns"),
        ("a;b;c\n1;2;3\n4;5;6;7\n", r"t\.csv:3: 4 cells, where the header names 3 columns"),
    ],
)
def test_rows_that_no_dialect_fits(
    tmp_path: Path, text: str, message: str, batching: Batching
) -> None:
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(DataError, match=message):
        read_table(tmp_path / "t.csv", (), labelled=False, batching=batching)


def written(**options: Any) -> Callable[[pd.DataFrame], bytes]:
    encoding = options.pop("encoding", "utf-8")
    before = options.pop("before", "")
    return lambda frame: (before + frame.to_csv(index=False, **options)).encode(encoding)


WAYS: dict[str, Callable[[pd.DataFrame], bytes]] = {
    "pipes, all quoted": written(sep="|", quoting=csv.QUOTE_ALL),
    "semicolons after a line, UTF-16": written(sep=";", before="sep=;\n", encoding="utf-16"),
    "a mark and carriage returns": written(lineterminator="\r", encoding="utf-8-sig"),
    "backslashes": written(doublequote=False, escapechar="\\"),
    "lines before": written(before='Made by "us"\n# and them\n\n'),
}


def test_a_model_of_one_dialect_predicts_rows_of_any(tmp_path: Path) -> None:
    n = 60
    texts = [f'it was "film, {i}"; \n\tgood | all in all {i * i % 7}' for i in range(n)]
    frame = pd.DataFrame(
        {"size": np.arange(n) * 7 % 11 / 2, "review": texts, "goal": ["a", "b"] * (n // 2)}
    )
    found = load_dataset(frame, target="goal")
    for way, write in WAYS.items():
        (tmp_path / "t.csv").write_bytes(write(frame))
        (tmp_path / "new.csv").write_bytes(write(frame.drop(columns="goal").iloc[:7]))
        trained = load_dataset(tmp_path / "t.csv", target="goal")
        encoded = encode(tmp_path / "new.csv", found.encoders)
        for name, values in found.x.items():
            np.testing.assert_array_equal(trained.x[name], values, err_msg=way)
            np.testing.assert_array_equal(encoded.x[name], values[:7], err_msg=way)

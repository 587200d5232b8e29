"""How tables are written is found from their first lines: separator, header, quotes, comments."""

from pathlib import Path

import pytest

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

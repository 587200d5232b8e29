"""Columns are understood by content, encoded as learnt on training rows, or set aside."""

from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from autosynth.data.column.choice import Choice
from autosynth.data.column.column import Column, IgnoredColumn, encode_column
from autosynth.data.column.inference import infer_columns
from autosynth.errors import DataError
from autosynth.spec import DATE

N = 60


def understand(values: Any, name: str = "c") -> Column | IgnoredColumn:
    frame = pd.DataFrame({name: values})
    return infer_columns(frame, np.arange(len(frame)))[0]


def encoded(values: Any, column: Column | IgnoredColumn) -> list[float]:
    assert isinstance(column, Column)
    return encode_column(pd.Series(values, name="c"), column)[0].tolist()


def spread(*values: Any) -> list[Any]:
    return [values[i * 7 % len(values)] for i in range(N)]


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (np.linspace(0, 1, N), "number"),
        (spread(1, 2, 3), "number"),
        (spread(1.5, None, 2.5), "number"),
        (spread(5.0, None), "number"),
        (spread("1", "2.5", " 3 "), "number"),
        (pd.array(spread(1, 2, None), dtype="Int64"), "number"),
        ([str(i * 1.5) for i in range(N - 2)] + ["unknown", "-"], "number"),
        (spread("a", "b"), "category"),
        (spread(True, False), "category"),
        (spread(True, None, False), "category"),
        (pd.Categorical(spread(1, 2, 3)), "category"),
        (spread("1", "2", "x"), "category"),
        (spread("Y", None), "category"),
        (spread("2020-01-31", "2021-05-02"), "date"),
        (spread("2020-01-31 10:00", "2021-05-02 11:30"), "date"),
        (spread("1/31/2020", "12/2/2021"), "date"),
        (spread("31/1/2020", "2/12/2021"), "date"),
        (spread("31.1.2020", "2.12.2021"), "date"),
        (spread("31 Jan 2020", "2 Dec 2021"), "date"),
        (spread("January 31, 2020", "May 2, 2021"), "date"),
        (spread("31/1/2020", "2021-05-02", "Feb 2, 2020"), "date"),
        (spread("1.2.3", "1.10.2"), "category"),
        (spread("a/1.png", "b.JPG", None), "image"),
        (spread("one.wav", "two.wav"), "audio"),
        (spread(date(2020, 1, 31), date(2021, 5, 2)), "date"),
        (pd.to_datetime(spread("2020-01-31", "2021-05-02")), "date"),
    ],
)
def test_kind_by_content(values: Any, kind: str) -> None:
    column = understand(values)
    assert isinstance(column, Column)
    assert column.kind == kind


@pytest.mark.parametrize(
    ("values", "name", "reason"),
    [
        ([None] * N, "c", "no value in any training row"),
        ([np.inf] * (N - 1) + [-np.inf], "c", "no finite value"),
        ([" ", "  "] * (N // 2), "c", "no value in any training row"),
        ([7] * N, "c", "constant: 7"),
        (["x"] * N, "c", "constant: x"),
        (range(100, 100 + N), "c", "an id: it counts the rows"),
        ([i * 37 % 101 for i in range(N)], "PassengerId", "an id: by its name"),
        ([i * 37 % 101 for i in range(N)], "user_id", "an id: by its name"),
        (
            [570306133677760513 + i * 62_710_561 for i in range(N)],
            "c",
            "whole numbers too long to be a measure",
        ),
        ([f"u{i * 7 % N}" for i in range(N)], "c", "an id: no value repeats"),
        ([f"u/{i * 7 % N}/seen-at.html?page={i}" for i in range(N)], "c", "no value repeats"),
        ([f"u{i}" for i in range(N - 2)] + ["u1", "u2"], "c", "cover 7% of the rows"),
    ],
)
def test_set_aside_with_its_reason(values: Any, name: str, reason: str) -> None:
    aside = understand(values, name)
    assert isinstance(aside, IgnoredColumn)
    assert reason in aside.reason


@pytest.mark.parametrize(
    "sentence", ["it is the row number {}", "Where is {}?", "第{}行的文字是什么", "นี่คือแถวที่ {}"]
)
def test_sentences_are_text(sentence: str) -> None:
    column = understand([sentence.format(i * 7 % N) for i in range(N)])
    assert isinstance(column, Column)
    assert (column.kind, column.cardinality) == ("text", 0)


@pytest.mark.parametrize("name", ["paid", "grid", "store_idx", "width"])
def test_a_name_that_only_looks_like_an_id(name: str) -> None:
    assert isinstance(understand([i * 37 % 101 for i in range(N)], name), Column)


def test_rare_and_unseen_categories_are_unknown_and_gaps_are_missing() -> None:
    column = understand(["a", "b", "a", "b", "rare", None])
    assert isinstance(column, Column)
    assert column.categories == ("a", "b")
    assert column.cardinality == 4
    assert encoded(["b", "rare", "new", None, " ", " a "], column) == [3, 0, 0, 1, 1, 2]


def test_what_training_rows_never_miss_is_unknown_when_it_is_missing() -> None:
    assert encoded(["b", "new", None], understand(spread("a", "b"))) == [3, 0, 0]


CELLS = st.lists(st.sampled_from(["a", "b", " b", "c", "", " ", None, 1.0, "1"]), min_size=4)


@given(train=CELLS, new=CELLS)
def test_codes_are_those_of_the_category_unknown_or_missing(
    train: list[Any], new: list[Any]
) -> None:
    column = understand(pd.Series(train, dtype=object))
    assume(isinstance(column, Column) and column.kind == "category")
    assert isinstance(column, Column)
    texts = ["" if cell is None else "1" if cell == 1.0 else str(cell).strip() for cell in new]
    gone = 1 if None in train or "" in train or " " in train else 0
    wanted = [
        gone if not text else column.categories.index(text) + 2 if text in column.categories else 0
        for text in texts
    ]
    assert encoded(pd.Series(new, dtype=object), column) == wanted
    assert max(wanted) < column.cardinality == len(column.categories) + 2


def test_categories_are_the_most_frequent_253() -> None:
    names = [f"town {i}" for i in range(300) for _ in range(2 + (i < 253))]
    column = understand(names)
    assert isinstance(column, Column)
    assert set(column.categories) == {f"town {i}" for i in range(253)}


def test_numbers_as_categories_match_however_they_are_read() -> None:
    column = understand(pd.Categorical(spread(1, 2, 3)))
    assert encoded([1.0, 3.0, np.nan], column) == [2, 4, 0]
    assert encoded(["1", "3", "9"], column) == [2, 4, 0]


def test_dates_are_days_in_the_format_of_training() -> None:
    column = understand(spread("31/1/2020", "2/12/2021"))
    assert encoded(["1/2/1970", None], column)[0] == 31
    iso = understand(spread("2020-01-31 10:00", "2021-05-02 11:30"))
    values, wrong = encode_column(pd.Series(["1970-01-02 12:00", "soon"], name="c"), iso)
    assert values[0] == 1.5
    assert np.isnan(values[1])
    assert wrong == ("column 'c': 1 values are no dates; taken as missing",)


def test_each_date_is_read_in_its_own_format() -> None:
    column = understand(spread("31/1/2020", "2021-05-02 06:00", "Feb 3, 1970", "1/2/1970"))
    assert isinstance(column, Column)
    assert column.cardinality == DATE
    values = ["3/2/1970", "1970-02-03", "Feb 3, 1970", "1970-02-03 12:00", "3rd of May"]
    days, wrong = encode_column(pd.Series(values, name="c"), column)
    assert days[:4].tolist() == [33, 33, 33, 33.5]
    assert np.isnan(days[4])
    assert wrong == ("column 'c': 1 values are no dates; taken as missing",)


def test_infinities_and_words_are_missing_and_told() -> None:
    column = Column(name="c", kind="number")
    values, wrong = encode_column(pd.Series([1.0, np.inf, -np.inf, 1e300]), column)
    assert np.isnan(values[1:]).all()
    assert wrong == ("column 'c': 3 infinite values; taken as missing",)
    values, wrong = encode_column(pd.Series(["1", "unknown", None]), column)
    assert values[0] == 1.0
    assert wrong == ("column 'c': 1 values are no numbers; taken as missing",)


def test_only_training_rows_count() -> None:
    frame = pd.DataFrame({"c": ["a"] * 10 + ["b"] * 10 + ["c"] * 10})
    column = infer_columns(frame, np.arange(20))[0]
    assert isinstance(column, Column)
    assert column.categories == ("a", "b")


def test_cells_that_are_lists() -> None:
    with pytest.raises(DataError, match="column 'c' holds list cells"):
        understand([[1, 2]] * 9)


def test_round_trip() -> None:
    column = Column(name="c", kind="category", categories=("a", "b"), missing=True, forms=("f",))
    assert Column.from_dict(column.to_dict()) == column


def test_large_numbers_are_measures_where_they_name_nothing() -> None:
    rng = np.random.default_rng(0)
    light = rng.uniform(1e16, 9e16, N).round()
    amounts = np.exp(rng.normal(37, 2, N)).astype(np.uint64)
    rounded = [int(v) * 10**6 for v in rng.integers(10**10, 10**11, N)]
    again = [570306133677760513 + i % 20 for i in range(N)]
    for values in (light, amounts, rounded, again, [f"{v:.3e}" for v in light]):
        column = understand(values)
        assert isinstance(column, Column), column
        assert column.kind == "number"
    ids = [570306133677760513 + int(i) for i in rng.integers(0, 10**16, N)]
    for values in (ids, [*ids[:-1], None], list(map(str, ids))):
        assert isinstance(understand(values), IgnoredColumn)
    frame = pd.DataFrame({"c": ids})
    kept = infer_columns(frame, np.arange(N), Choice(kinds={"c": "number"}))[0]
    assert isinstance(kept, Column)

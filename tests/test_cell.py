"""Single values: numbers as people write them, and words among them."""

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest

from autosynth.cell import (
    COMMA,
    POINT,
    NumberReading,
    form_of,
    numbers_of,
    read_numbers,
    reading_of,
    words_told,
)


def reading(*texts: Any) -> NumberReading:
    found = reading_of(pd.Series(texts, dtype=object))
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("texts", "numbers"),
    [
        (("1,234.50", "3.1"), (1234.5, 3.1)),
        (("1.234,50", "3,1"), (1234.5, 3.1)),
        (("1 234,50", "7"), (1234.5, 7)),
        (("1\u202f234\u00a0567,5", "7"), (1234567.5, 7)),
        (("1'234.50", "1’000"), (1234.5, 1000)),
        (("12,34,567.5", "1"), (1234567.5, 1)),
        (("$5", "-$1,200.50", "$-7", "US$ 8"), (5, -1200.5, -7, 8)),
        (("5 €", "7,25 €", "€ 3"), (5, 7.25, 3)),
        (("CHF 1'200", "12 CHF"), (1200, 12)),
        (("12 %", "3.5%"), (12, 3.5)),
        (("(3.10)", "($8)", "4"), (-3.1, -8, 4)),
        (("−5", "–2", "+3", "1e3", ".5", "5."), (-5, -2, 3, 1000, 0.5, 5)),
        (("0,123", "0,456"), (0.123, 0.456)),
        (("1,5", "2,25", "1000,125"), (1.5, 2.25, 1000.125)),
        (("10 000", "2 000"), (10_000, 2_000)),
        (("inf", "-inf", "7"), (math.inf, -math.inf, 7)),
        (("NA", "3", "", None, "?"), (math.nan, 3, math.nan, math.nan, math.nan)),
    ],
)
def test_numbers_as_people_write_them(texts: Any, numbers: Any) -> None:
    found = reading(*texts)
    np.testing.assert_array_equal(found.numbers, numbers)
    assert found.sure
    assert not found.is_word.any()
    again, words = read_numbers(pd.Series(texts, dtype=object), found.form)
    np.testing.assert_array_equal(again, numbers)
    assert not words.any()


@pytest.mark.parametrize(
    "texts",
    [
        ("1.2.3", "4.5.6"), ("10.0.0.1", "10.0.0.2"), ("12/5", "3/4"), ("1-2", "3-4"),
        ("1_000", "2_000"), ("(3", "4)"), ("1,23,4", "2"), ("12:30", "1:15"), ("-(3)", "(4)"),
        ("5 kg", "6 kg"), ("Q1", "Q2"), ("a", "b"), ("--5", "3"), ("NA", "None"),
    ],
)  # fmt: skip
def test_what_is_no_number(texts: Any) -> None:
    assert numbers_of(pd.Series(texts, dtype=object)) is None


def test_a_comma_is_decided_by_the_whole_column() -> None:
    both = ["1,234", "2,345", "3,111", "4,222", "5,333"]
    assert not reading(*both).sure
    assert reading(*both, "12").numbers[0] == 1234  # decimals that are always three stay
    assert reading(*both, "12").sure
    assert reading(*both, "1500", "2600").numbers[0] == 1.234  # a thousand without its comma
    assert reading(*both, "1,5").form == COMMA
    assert reading(*both, "1,234,567").form == POINT
    hinted = reading_of(pd.Series(both), COMMA)
    assert hinted is not None
    assert (hinted.sure, hinted.numbers[0]) == (True, 1.234)


def test_a_form_is_named_by_an_example() -> None:
    examples = ("1,234.50", "1.234,50", "1 234,50", "12,5", "3", "words")
    assert [form_of(each) for each in examples] == [POINT, COMMA, COMMA, COMMA, POINT, ""]


def test_a_few_words_among_numbers() -> None:
    many = [f"{i}.5" for i in range(60)]
    found = reading(*many, "TBD", "n/k", "n/k")
    assert found.is_word.sum() == 3
    told = words_told(pd.Series([*many, "TBD", "n/k", "n/k"]), found)
    assert told == "60 of 63 are numbers; rows 60, 61, 62 hold 'TBD', 'n/k', taken as missing"
    names = [f"T{i}" for i in range(40)]
    assert reading_of(pd.Series([*many, *names])) is None
    asked = reading_of(pd.Series([*many, *names]), asked=True)
    assert asked is not None
    assert asked.is_word.sum() == 40
    assert reading_of(pd.Series(["1", "2", "3", "other"] * 9)) is None  # numbers that are names


def test_later_cells_are_read_in_the_form_that_was_learnt() -> None:
    cells = pd.Series(["1.234", "7,5", "true", "none at all", None, "NA"], dtype=object)
    numbers, words = read_numbers(cells, COMMA)
    np.testing.assert_array_equal(numbers, [1234, 7.5, 1, np.nan, np.nan, np.nan])
    assert words.tolist() == [False, False, False, True, False, False]
    np.testing.assert_array_equal(read_numbers(pd.Series([True, False]), "")[0], [1, 0])

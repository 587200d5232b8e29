"""Numbers as a reader takes them in."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from autosynth.number import brief, human, printable, score_text, shorten, signed


@pytest.mark.parametrize(
    ("number", "text", "without_zeros"),
    [
        (0, "0", "0"),
        (850, "850", "850"),
        (999, "999", "999"),
        (1000, "1.00k", "1k"),
        (4500, "4.50k", "4.5k"),
        (13_300_000, "13.3M", "13.3M"),
        (999_600, "1.00M", "1M"),
        (152e6, "152M", "152M"),
        (100_000, "100k", "100k"),
        (9_996, "10.0k", "10k"),
        (2.5e12, "2.50T", "2.5T"),
        (5e15, "5000T", "5000T"),
        (np.int64(850), "850", "850"),
        (None, "-", "-"),
        (float("nan"), "-", "-"),
        (pd.NA, "-", "-"),
    ],
)
def test_counts_are_said_in_three_digits(number: Any, text: str, without_zeros: str) -> None:
    assert human(number) == text
    assert brief(number) == without_zeros


@pytest.mark.parametrize(
    ("number", "digits", "text"),
    [
        (0.12345, 4, "0.1235"),
        (-9.5, 4, "-9.5000"),
        (123.456789, 4, "123.46"),
        (1.2345, 2, "1.23"),
        (12.4, 0, "12"),
        (None, 4, "-"),
        (np.nan, 2, "-"),
        (pd.NA, 4, "-"),
    ],
)
def test_scores_have_the_digits_that_count(number: Any, digits: int, text: str) -> None:
    assert score_text(number, digits) == text


def test_a_difference_has_a_sign() -> None:
    assert (signed(0.5), signed(-0.00012), signed(12.3456)) == ("+0.5000", "-0.0001", "+12.35")


def test_what_is_too_long_ends_in_an_ellipsis() -> None:
    assert [shorten("abcdef", most) for most in (9, 6, 4, 1)] == ["abcdef", "abcdef", "abc…", "…"]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[2J\x1b]0;title\x07", r"\x1b[2J\x1b]0;title\x07"),
        ("a\rb\tc\nd\x00", r"a\rb\tc\nd\x00"),
        ("\x9b31m\x85", r"\x9b31m\x85"),  # control characters beyond ASCII
        ("a\u202eb\u2066c\u200fd\u061c\u2028", r"a\u202eb\u2066c\u200fd\u061c\u2028"),
        ("\udcff", r"\udcff"),  # of a file's name in another encoding
        ("Zürich שלום \U0001f468\u200d\U0001f469 क्\u200dष", None),  # letters and what joins them
        (r"C:\x1b", None),
    ],
)
def test_a_printable_text_changes_no_terminal(text: str, shown: str | None) -> None:
    assert printable(text) == (text if shown is None else shown)
    assert printable(printable(text)) == printable(text)


def test_printable_keeps_what_is_asked() -> None:
    assert printable("a\nb\r", "\n") == "a\nb\\r"

"""Text becomes codes by a vocabulary that only training rows have made."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from autosynth.data import encode, load_dataset
from autosynth.data.encoder.text import MASK, MOST_TOKENS, START, TextEncoder

ANIMALS = ("cat", "dog", "horse", "mouse", "zebra")


def texts(n: int = 60) -> "pd.Series":
    words = [f"the {ANIMALS[i % 5]} number {i % 7} sleeps" for i in range(n)]
    return pd.Series(words, name="story")


def fitted(values: "pd.Series", train: int | None = None) -> TextEncoder:
    return TextEncoder.fit(values, np.arange(train or len(values)), "story")


def test_a_word_that_repeats_is_one_token_after_the_start() -> None:
    found = fitted(texts())
    codes = found.codes_of(texts(3))
    assert (codes[:, 0] == START).all()
    assert [int((row > 0).sum()) for row in codes] == [6, 6, 6]
    assert codes[0, 1] == codes[1, 1] != codes[0, 2]
    assert codes.max() < found.vocabulary


def test_case_does_not_matter_and_nothing_is_unknown() -> None:
    found = fitted(texts())
    one, other = found.codes_of(pd.Series(["The CAT sleeps", "the cat sleeps"]))
    assert (one == other).all()
    (strange,) = found.codes_of(pd.Series(["猫 🐈 ÿ"]))
    assert (strange > MASK).sum() >= 4


def test_only_training_rows_make_the_vocabulary() -> None:
    values = pd.concat([texts(), pd.Series(["quixotic"] * 40)], ignore_index=True)
    known, unknown = fitted(values), fitted(values, train=60)
    count = [int((f.codes_of(pd.Series(["quixotic"])) > 0).sum()) for f in (known, unknown)]
    assert count[0] == 2 < count[1]


def test_codes_of_a_model_are_shifted_where_there_is_a_token() -> None:
    own = fitted(texts())
    plain = own.codes_of(texts(3))
    shifted = replace(own, shift=1).codes_of(texts(3))
    assert (shifted == np.where(plain > 0, plain + 1, 0)).all()


@pytest.mark.parametrize("nothing", ["", None, np.nan, "   "])
def test_a_text_without_words_still_starts(nothing: object) -> None:
    (codes,) = fitted(texts()).codes_of(pd.Series([nothing], dtype=object))
    assert codes[0] == START
    assert (codes[2:] == 0).all()


def test_what_looks_like_a_special_token_is_text() -> None:
    (codes,) = fitted(texts()).codes_of(pd.Series(["[pad] [hidden]"]))
    assert (codes[1:] != MASK).all()
    assert (np.diff((codes > 0).astype(int)) <= 0).all()


def test_a_text_of_a_million_characters_is_cut() -> None:
    values = texts(200)
    values.iloc[7] = "cat " * 250_000
    found = fitted(values)
    assert found.shape[0] <= MOST_TOKENS
    assert found.cut == pytest.approx(1 / 200)
    assert found.codes_of(values.iloc[7:8]).shape == (1, *found.shape)


def test_a_table_with_a_text_has_two_inputs_and_encodes_again() -> None:
    frame = pd.DataFrame({
        "Its story!": [f"{a} {i}" for i, a in enumerate(texts(120))],
        "table": [f"{a} on {i}" for i, a in enumerate(texts(120))],
        "n": np.arange(120) % 11 + 0.5, "goal": ["x", "y"] * 60,
    })  # fmt: skip
    data = load_dataset(frame, target="goal")
    names = [spec.name for spec in data.inputs if not spec.of]
    assert names == ["table", "Its_story", "table_2"]
    again = encode(frame.iloc[::-1, ::-1], data.encoders)
    for name in names:
        assert (again.x[name][::-1] == data.x[name]).all()
    assert sum("tokens, mean" in line for line in data.summary) == 2

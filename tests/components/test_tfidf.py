"""Weights of tokens, pairs and letters: those of scikit-learn, and what letters are for."""

from dataclasses import replace
from itertools import pairwise, product

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.sparse import csr_array, hstack
from sklearn.feature_extraction.text import TfidfVectorizer

from autosynth.components.fitted import FitRows
from autosynth.components.letters import MOST_LETTERS, NO_GRAM, Letters, n_grams
from autosynth.components.tfidf import TfidfModel
from autosynth.composite import build, cost, resolve
from autosynth.data.encoder.text import TextEncoder
from autosynth.errors import StrategyError
from autosynth.spec import TargetSpec
from autosynth.strategy import parse
from autosynth.testing import INPUTS, TARGET
from autosynth.testing.family import raw_rows
from autosynth.testing.fitted import fit_parts
from autosynth.training.weights import load_weights, save_weights

TEXT = INPUTS["text"]
KIND = TargetSpec(name="y", task="classification", classes=("a", "b"))


def tokens(row: torch.Tensor) -> list[int]:
    return [code for code in row.tolist() if code]


def letters_of(code: int, most: int) -> list[str]:
    text = TEXT.spellings[code]
    return [text[i : i + n] for n in range(3, most + 1) for i in range(len(text) - n + 1)]


def test_features_are_those_of_scikit_learn() -> None:
    """Of tokens and pairs, and beside them of letters: each a row of length 1."""
    raw, most = raw_rows(TEXT, 60), 4
    model = TfidfModel([TEXT], KIND, 2, most)
    model.fit(FitRows(raw=(raw,), y=(raw[:, 0] > 9).long()))

    def words(row: torch.Tensor) -> list[str]:
        found = tokens(row)
        return [*map(str, found), *(f"{a} {b}" for a, b in pairwise(found))]

    def letters(row: torch.Tensor) -> list[str]:
        return [gram for code in tokens(row) for gram in letters_of(code, most)]

    settings = {"sublinear_tf": True, "min_df": 2}
    blocks = [
        csr_array(TfidfVectorizer(analyzer=each, **settings).fit_transform(list(raw)))
        for each in (words, letters)
    ]
    with torch.no_grad():
        found = model._features([raw])
    expected = csr_array(hstack(blocks))
    assert found.shape == expected.shape
    # The order of columns is each one's own.
    one, other = ((each @ each.T).todense() for each in (found, expected))
    np.testing.assert_allclose(one, other, atol=1e-5)
    lengths = np.sqrt((found.multiply(found)).sum(1))
    assert lengths.max() == pytest.approx(2**0.5, abs=1e-5)


def test_letters_have_a_key_for_each_n_gram_within_a_token() -> None:
    spellings = ("", " the", "then", "a", "x" * 20)
    letters = Letters(spellings, 6, 4)
    keys = letters(torch.tensor([[1, 2, 3, 4, 5, 0]]))
    assert keys.shape == (1, 6 * n_grams(4))
    by_token = [
        {key for key in letters(torch.tensor([[code]])).flatten().tolist() if key != NO_GRAM}
        for code in range(6)
    ]
    assert [len(each) for each in by_token] == [0, 3, 3, 0, 2, 0]
    assert len(by_token[1] & by_token[2]) == 1  # "the"
    assert n_grams(4) == (MOST_LETTERS - 2) + (MOST_LETTERS - 3)
    assert n_grams(0) == 0


def test_n_grams_that_differ_have_keys_that_differ() -> None:
    """Up to the last of the characters that bytes are written as, and the longest n-grams."""
    few = [chr(code) for code in (32, 33, 126, 323)]
    spellings = ["".join(each) for each in product(few, repeat=3)]
    letters = Letters(spellings, len(spellings), 3)
    keys = letters(torch.arange(len(spellings))[:, None])
    assert len(set(keys[keys != NO_GRAM].tolist())) == len(spellings)
    longest = Letters([few[-1] * 6], 1, 6)(torch.zeros(1, 1)).max()
    assert 2**53 < int(longest) < 2**54


def test_an_encoder_spells_its_codes() -> None:
    texts = pd.Series(["The cat sat", "the cats sit", "a cat", None, "z" * 40] * 3, name="note")
    encoder = TextEncoder.fit(texts, np.arange(15), "note")
    encoder = replace(encoder, shape=(40,))  # room for letters one by one
    spec = encoder.spec
    assert len(spec.spellings) == spec.cardinalities[0]
    assert spec.spellings[:3] == ("", "", "")
    (codes,) = encoder.codes_of(pd.Series(["The cat's zither"], name="note"))
    assert "".join(spec.spellings[code] for code in codes) == " the cat's zither"
    assert spec == replace(spec, spellings=())  # what reads the input is the same


STEMS = {0: ["walk", "jump", "climb"], 1: ["paint", "sketch", "carve"]}


def a_text(rng: np.random.Generator, kind: int, ends: list[str]) -> str:
    return " ".join(rng.choice(STEMS[kind]) + rng.choice(ends) for _ in range(3))


def test_letters_know_words_that_no_training_row_has(tmp_path) -> None:  # type: ignore[no-untyped-def]
    rng = np.random.default_rng(0)
    y = torch.arange(200) % 2
    known = [a_text(rng, int(kind), ["ing"]) for kind in y]  # one token, whatever it is made of
    new = [a_text(rng, int(kind), ["er", "s", "able"]) for kind in y]
    encoder = TextEncoder.fit(pd.Series(known, name="note"), np.arange(200), "note")
    raw, other = (
        torch.from_numpy(encoder.codes_of(pd.Series(texts, name="note"))) for texts in (known, new)
    )
    right = {}
    for chars in (0, 4):
        resolved = resolve(parse(f"tfidf[chars={chars}]"), [encoder.spec], KIND)
        model = build(resolved)
        fit_parts(model, {"note": raw}, y)
        with torch.no_grad():
            found = model({"note": other})
        right[chars] = float((found.argmax(1) == y).float().mean())
        save_weights(model, tmp_path / "w.safetensors")
        unspelt = resolve(resolved.strategy, [replace(encoder.spec, spellings=())], KIND)
        again = build(unspelt)  # as a bundle, which keeps no spellings but those in the weights
        load_weights(again, tmp_path / "w.safetensors")
        with torch.no_grad():
            torch.testing.assert_close(again({"note": other}), found, rtol=0, atol=0)
    assert right[4] > 0.95
    assert right[0] < 0.8


def test_letters_cost_what_they_are_looked_up_for() -> None:
    plain, more = (cost(resolve(parse(t), [TEXT], TARGET)) for t in ("tfidf", "tfidf[chars=4]"))
    each = 2 * TARGET.n_outputs + 19  # multiply-adds, and comparisons among 2^18 keys
    assert more.flops - plain.flops == TEXT.shape[0] * n_grams(4) * each
    with pytest.raises(StrategyError, match="chars must be 0, or 3 and more, not 2"):
        resolve(parse("tfidf[chars=2]"), [TEXT], TARGET)


def test_of_two_texts_each_has_letters_of_its_own() -> None:
    other = replace(TEXT, name="other")
    model = TfidfModel([TEXT, other], KIND, 1, 3)
    raw = raw_rows(TEXT, 40)
    keys = model._keys([raw, torch.zeros_like(raw)])
    swapped = model._keys([torch.zeros_like(raw), raw])
    one, two = ({key for key in found.flatten().tolist() if key >= 0} for found in (keys, swapped))
    assert one
    assert not one & two

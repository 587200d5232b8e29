"""Damage to texts, before they are cut into tokens: typos, and words that are dropped."""

import re
import string
from collections.abc import Callable

import numpy as np

from autosynth.corrupt.corruption import Corruption, Given
from autosynth.spec import Array

Change = Callable[[str, np.random.Generator], str]
_KINDS = 4  # of typos
_LETTERS = string.ascii_lowercase


def _typos(texts: Array, amount: float, given: Given) -> Array:
    return _each(texts, given, lambda text, rng: _mistyped(text, amount, rng))


def _mistyped(text: str, amount: float, rng: np.random.Generator) -> str:
    """That share of the letters is lost, doubled, another, or behind the next one."""
    chance = rng.random(len(text))
    kind, letter = (
        rng.integers(_KINDS, size=len(text)),
        rng.integers(len(_LETTERS), size=len(text)),
    )
    out: list[str] = []
    late = ""  # a letter that its neighbour has overtaken
    for i, own in enumerate(text):
        if late or not own.isalpha() or chance[i] >= amount:
            out.append(own + late)
            late = ""
        elif kind[i] == 0:
            late = own
        else:
            out.append(("", own + own, _LETTERS[letter[i]])[kind[i] - 1])
    return "".join(out) + late


def _dropped(texts: Array, amount: float, given: Given) -> Array:
    return _each(texts, given, lambda text, rng: _without(text, amount, rng))


def _without(text: str, amount: float, rng: np.random.Generator) -> str:
    words = re.findall(r"\S+\s*", text)
    kept = rng.random(len(words)) >= amount
    return "".join(word for word, is_kept in zip(words, kept, strict=True) if is_kept).strip()


def _each(texts: Array, given: Given, change: Change) -> Array:
    """Every text changed with randomness of its own: one more draw moves no other text's."""
    seeds = given.rng.integers(2**63, size=len(texts))
    pairs = zip(texts, seeds, strict=True)
    changed = [change(text, np.random.default_rng(int(seed))) for text, seed in pairs]
    out = np.empty(len(texts), dtype=object)
    out[:] = changed
    return out


TEXT = (
    Corruption(
        name="typos",
        about="share of the letters that are mistyped",
        amounts=(0.01, 0.03, 0.06, 0.1, 0.15),
        damage=_typos,
    ),
    Corruption(
        name="dropped",
        about="share of the words that are dropped",
        amounts=(0.1, 0.2, 0.3, 0.4, 0.5),
        damage=_dropped,
    ),
)

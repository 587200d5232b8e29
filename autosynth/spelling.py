"""Spellings: which texts are one name, or one of two booleans, though people write them otherwise.

Takes the texts of a column, and how many rows have each; gives the name of each, and what is to be
said of it. Later texts are found among the names by the same rules.
"""

import unicodedata
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from autosynth.cell import POINT, number_of, text_of

_BOOLEANS: Mapping[str, tuple[str, bool]] = {
    **{"true": ("t", True), "t": ("t", True), "false": ("t", False), "f": ("t", False)},
    **{"yes": ("y", True), "y": ("y", True), "no": ("y", False), "n": ("y", False)},
    **{"on": ("o", True), "off": ("o", False)},
    **dict.fromkeys(("1", "1.0"), ("", True)),
    **dict.fromkeys(("0", "0.0"), ("", False)),
}
"""The spellings of booleans in lower case: the family of words, numbers are of any, and which."""
_SHOWN = 4
# Of the rows of a letter, at most, that slips of the other case are; more are a code of their own.
_SLIPS = 0.05


@dataclass(frozen=True, kw_only=True)
class NameMatch:
    """Where texts stand among known names: by their text, or in another spelling of one name.

    Case and blanks may differ, and the digits of a number (`1` for `01`), where that leaves one
    name; and the spelling of a boolean, where the names are the two.
    """

    exact: Mapping[str, int]
    alike: Mapping[str | float, int]
    booleans: Mapping[bool, int]

    @classmethod
    def of(cls, names: Sequence[str], first: int = 0) -> "NameMatch":
        """That of names whose codes count up from `first`; made once of the same."""
        return cls._made(tuple(names), first)

    @classmethod
    @lru_cache(maxsize=1024)  # as many columns, which each row that is predicted is read by
    def _made(cls, names: tuple[str, ...], first: int) -> "NameMatch":
        exact = {text: code for code, text in enumerate(names, start=first)}
        pairs = [(key, code) for text, code in exact.items() for key in _alike(text)]
        counts = Counter(key for key, _ in pairs)
        said = booleans_of(exact) if len(exact) == 2 else {}
        return cls(
            exact=exact,
            alike={key: code for key, code in pairs if counts[key] == 1},
            booleans={said[text]: code for text, code in exact.items() if text in said},
        )

    def place(self, text: str) -> int | None:
        """The code of a text; None where it is none of the names."""
        if text in self.exact:
            return self.exact[text]
        found = [self.alike[key] for key in _alike(text) if key in self.alike]
        if not found and self.booleans and text.lower() in _BOOLEANS:
            return self.booleans[_BOOLEANS[text.lower()][1]]
        return found[0] if found else None


@dataclass(frozen=True, kw_only=True)
class Spellings:
    """The names of texts that are other spellings of one: `name_of` each of these, and no other.

    `assumed` says which; `doubt` names texts that may be one name or two, and stay two.
    """

    name_of: Mapping[str, str] = field(default_factory=dict)
    assumed: str = ""
    doubt: str = ""


AS_SPELT = Spellings()
"""That of texts which are names as they stand."""


def booleans_of(texts: Iterable[str]) -> dict[str, bool]:
    """What each text says, where all are spellings of true or false, and both are there.

    Nothing elsewhere: of words that have nothing to do with each other (`on`, `no`), and of
    letters of two pairs without a word (`T`, `F`, `N`), which may be any codes.
    """
    found = {text: _BOOLEANS.get(text.lower()) for text in texts}
    known = {text: each for text, each in found.items() if each is not None}
    if len(known) < len(found):
        return {}
    letters = {family for text, (family, _) in known.items() if len(text) == 1 and family}
    if len(letters) > 1 and not any(len(text) > 1 for text in known):
        return {}
    sides = defaultdict(set)
    for family, is_true in known.values():
        sides[family].add(is_true)
    whole = any(len(each | sides[""]) == 2 for each in list(sides.values()))
    return {text: is_true for text, (_, is_true) in known.items()} if whole else {}


def truths_of(values: "pd.Series[Any]") -> NDArray[np.float64]:
    """1 and 0 of cells that say true or false in any spelling; NaN of all others."""
    codes, found = pd.factorize(values.to_numpy(dtype=object))
    said = [_BOOLEANS.get(text_of(cell).lower()) for cell in found]
    known = [np.nan if each is None else float(each[1]) for each in said]
    numbers: NDArray[np.float64] = np.array([*known, np.nan])[codes]
    return numbers


def spellings_of(counts: Mapping[str, int]) -> Spellings:
    """The names of texts: of several spellings the most frequent one.

    Texts are one name where they say one of two booleans, or differ in case and blanks alone. A
    letter alone is not (`m` and `M`), unless nearly all rows have the one: it may be a code.

    Args:
        counts: how many rows have each text.
    """
    said = booleans_of(counts)
    groups: dict[Hashable, list[str]] = defaultdict(list)
    for text in counts:
        groups[said[text] if said else _folded(text)].append(text)
    name_of: dict[str, str] = {}
    doubts: list[str] = []
    for key, texts in groups.items():
        if len(texts) == 1:
            continue
        name = min(texts, key=lambda text: (-counts[text], text))
        others = [text for text in texts if text != name]
        is_code = not said and len(str(key)) == 1
        if is_code and sum(counts[text] for text in others) > _SLIPS * counts[name]:
            doubts.append(" and ".join(sorted(map(repr, texts))))
        else:
            name_of |= dict.fromkeys(others, name)
    return Spellings(
        name_of=name_of, assumed=_told(name_of, is_boolean=bool(said)), doubt=_doubted(doubts)
    )


def _told(name_of: Mapping[str, str], *, is_boolean: bool) -> str:
    if not name_of:
        return ""
    names: dict[str, list[str]] = defaultdict(list)
    for text in sorted(name_of):
        names[name_of[text]].append(repr(text))
    parts = [
        f"{', '.join(texts[:_SHOWN])}{', ...' if len(texts) > _SHOWN else ''} for {name!r}"
        for name, texts in sorted(names.items())[:_SHOWN]
    ]
    listed = f"{'; '.join(parts)}{'; ...' if len(names) > _SHOWN else ''}"
    if is_boolean:
        return f"all are spellings of two booleans: {listed}"
    return f"spellings that differ in case or blanks are one name: {listed}"


def _doubted(doubts: Sequence[str]) -> str:
    if not doubts:
        return ""
    more = ", ..." if len(doubts) > _SHOWN else ""
    return (
        f"{', '.join(doubts[:_SHOWN])}{more} are letters of two cases, which may be one name or "
        "two, and are read as two. If they are one, write them in one way"
    )


def _folded(text: str) -> str:
    """A text without what case, blanks and composed letters say."""
    return " ".join(unicodedata.normalize("NFC", text).casefold().split())


def _alike(text: str) -> list[str | float]:
    """What a text has in common with other spellings: its words in lower case, its number."""
    keys: list[str | float] = [_folded(text)]
    if (number := number_of(text, POINT)) is not None:
        keys.append(number[0])
    return keys

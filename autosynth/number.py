"""What a reader takes in: counts, costs, scores and their differences in few digits, and texts.

Takes a number, or what stands for none (None, NaN, an empty cell of a table), which is "-".
"""

import math
import unicodedata
from numbers import Real
from typing import Any, TypeGuard


def is_known(number: Any) -> TypeGuard[float]:
    """Whether there is a number: no None, NaN or empty cell."""
    return isinstance(number, Real) and number == number


def human(number: float | None) -> str:
    """A count in three digits: 13.3M, 45.1k, 850."""
    if not is_known(number):
        return "-"
    value, units = float(number), iter("kMGT")
    unit = ""
    while abs(value) >= 999.5 and (larger := next(units, "")):
        value, unit = value / 1000, larger
    digits = 0 if abs(value) >= 99.95 or not unit else 1 if abs(value) >= 9.995 else 2
    return f"{value:.{digits}f}{unit}"


def brief(number: float | None) -> str:
    """A count without zeros at its end: 4.5k, 45.1k, 2M."""
    text = human(number)
    digits = text.rstrip("kMGT")
    return (digits.rstrip("0").rstrip(".") if "." in digits else digits) + text[len(digits) :]


def score_text(number: Any, digits: int = 4) -> str:
    """A score or a measure with so many digits after the point, fewer where it is large."""
    if not is_known(number):
        return "-"
    return f"{number:.{digits}f}" if abs(number) < 10 ** (5 - digits) else f"{number:.5g}"


def range_text(low: float, high: float) -> str:
    """`low ... high` in six digits, or as many as tell one from the other."""
    size = max(abs(low), abs(high))
    apart = abs(high - low)
    digits = 6
    if size < float("inf") and 0 < apart < size * 1e-4:
        digits = min(17, 3 + math.ceil(math.log10(size / apart)))
    return f"{low:.{digits}g} ... {high:.{digits}g}"


def signed(number: float) -> str:
    """A difference of scores with its sign."""
    return f"{number:+.4f}" if abs(number) < 10 else f"{number:+.4g}"


_MARKS = frozenset("\u061c\u200e\u200f\u2028\u2029")
# Embeddings, overrides and isolates: their ends too.
_DIRECTIONS = ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI")


def printable(text: str, keep: str = "") -> str:
    r"""A text that changes nothing of a terminal but the cells that it takes.

    Control characters, and marks that turn the direction of writing, are shown as Python writes
    them (`\x1b`): names come from files of others, and an escape sequence in one would write over
    what stands there, or hide it. What joins letters and signs stays.

    Args:
        text: what is shown.
        keep: control characters that stay, such as the ends of lines of a text of several.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        sign if sign in keep or not _is_control(sign) else ascii(sign)[1:-1] for sign in text
    )


def _is_control(sign: str) -> bool:
    # Cs: halves of a pair, as in a file's name of another encoding, which no terminal takes.
    return (
        unicodedata.category(sign) in ("Cc", "Cs")
        or unicodedata.bidirectional(sign) in _DIRECTIONS
        or sign in _MARKS
    )


def shorten(text: str, most: int) -> str:
    """A text in so many characters; the last is an ellipsis where it was longer."""
    return text if len(text) <= most else text[: max(0, most - 1)] + "…"


def shorten_middle(text: str, most: int) -> str:
    """A text in so many characters; an ellipsis stands for what its middle has over them."""
    if len(text) <= most:
        return text
    tail = (most - 1) // 2
    return f"{text[: most - 1 - tail]}…{text[len(text) - tail :]}"


def brief_repr(value: object, most: int = 60) -> str:
    """A value as Python writes it, in so many characters."""
    return shorten_middle(repr(value), most)

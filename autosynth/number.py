"""What a reader takes in: counts, costs, scores and their differences in few digits, and texts.

Takes a number, or what stands for none (None, NaN, an empty cell of a table), which is "-".
"""

import math
import re
import unicodedata
from datetime import datetime, timedelta
from numbers import Real
from typing import Any, TypeGuard

_EPOCH = datetime(1970, 1, 1)
_FIRST_DAY, _LAST_DAY = -719_162.0, 2_932_865.0  # a month before the end of 9999
_UNPADDED = re.compile(r"%-([dmHI])")
_CLOCK = {"%f": 1e-6, "%S": 1.0, "%M": 60.0, "%H": 3600.0, "%I": 3600.0, "%-I": 3600.0}
"""The seconds of the least that a format says of a time of day."""


def is_known(number: Any) -> TypeGuard[float]:
    """Whether there is a number: no None, NaN or empty cell."""
    return isinstance(number, Real) and number == number


def is_whole_number(value: Any, least: int) -> bool:
    """Whether it is a whole number from `least` on; also a float such as 5e6, and of numpy."""
    number = float(value) if isinstance(value, Real) else float("nan")
    return least <= number < float("inf") and number.is_integer()


def is_above(value: Any, low: float) -> bool:
    """Whether it is a number over `low`, of numpy too; no truth value, and none without end."""
    is_number = isinstance(value, Real) and not isinstance(value, bool)
    return is_number and low < float(value) < float("inf")


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


def date_text(days: float, form: str) -> str:
    """A moment, in days since 1970-01-01 (UTC), in a format of `strftime`.

    It is the nearest one that the format can say: a day, a month, a minute. `%-d` is a number
    without a nought before it. What lies beyond the years 1 to 9999 is their end.
    """
    moment = _EPOCH + timedelta(days=min(max(days, _FIRST_DAY), _LAST_DAY))
    if not any(each in form for each in ("%d", "%-d", "%j", "%u", "%A")):
        first = moment.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        following = (first + timedelta(days=31)).replace(day=1)
        moment = first if moment - first <= following - moment else following
    size = next((size for mark, size in _CLOCK.items() if mark in form), 86_400.0)
    whole = round((moment - _EPOCH).total_seconds() / size) * size
    moment = _EPOCH + timedelta(seconds=whole)
    form = _UNPADDED.sub(lambda found: str(int(moment.strftime(f"%{found[1]}"))), form)
    return moment.strftime(form.replace("%Y", f"{moment.year:04}"))


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

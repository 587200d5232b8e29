"""Numbers as a reader takes them in: counts, costs, scores and their differences, in few digits.

Takes a number, or what stands for none (None, NaN, an empty cell of a table), which is "-".
"""

import math
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


def shorten(text: str, most: int) -> str:
    """A text in so many characters; the last is an ellipsis where it was longer."""
    return text if len(text) <= most else text[: max(0, most - 1)] + "…"

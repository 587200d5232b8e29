"""Reads single values: how a value prints as a category or class name, and what is a number.

Numbers are read as people write them too (`1,234.50`, `1.234,50`, `$5`, `12 %`, `(3.10)`): how,
is decided over a whole column, and kept as an example by which later cells are read the same.
"""

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

# Floats of this size and more have lost their last digits; they print in full, not as integers.
_EXACT = 2.0**53
# Cells that are looked at first.
_HEAD = 100

POINT, COMMA = "1,234.50", "1.234,50"
"""How numbers are written, by an example: a point or a comma stands before decimals."""

NO_VALUE_WORDS = (
    *("?", "NA", "N/A", "n/a", "nan", "NaN", "-nan", "-NaN", "null", "NULL", "None", "<NA>"),
    *("#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "1.#IND", "1.#QNAN"),
)
"""Words that mean that there is no value, as pandas has them, and a lone `?`."""

_CURRENCY = (
    r"(?:(?:US|CA|AU|NZ|HK|[ACRS])?\$|[€£¥₹₽₩₺₪₫₴₦₱฿¢]|Rs\.?|kr\.?|zł|Kč|Ft|Fr\.?|USD|EUR|GBP|CHF"
    r"|JPY|CNY|INR|AUD|CAD|NZD|SEK|NOK|DKK|PLN|CZK|HUF|RUB|TRY|BRL|MXN|ZAR|KRW|SGD|HKD)"
)
_SPACED = r"[1-9]\d{0,2}(?:[ ']\d{3})+"
_DIGITS = {
    POINT: rf"(?:[1-9]\d{{0,2}}(?:,\d{{3}})+|[1-9]\d?(?:,\d\d)+,\d{{3}}|{_SPACED}|\d+)(?:\.\d*)?"
    r"|\.\d+",
    COMMA: rf"(?:[1-9]\d{{0,2}}(?:\.\d{{3}})+|{_SPACED}|\d+)(?:,\d+)?|,\d+",
}
_WRITTEN = {
    form: re.compile(
        rf"(\()? ?([-+])? ?({_CURRENCY})? ?(\()?([-+])?({digits})([eE][-+]?\d+)? ?(\))? ?"
        rf"({_CURRENCY})? ?([%‰])? ?(\))?"
    )
    for form, digits in _DIGITS.items()
}
_SAME = str.maketrans(
    {**dict.fromkeys("\u00a0\u202f\u2009\u2007", " "), **dict.fromkeys("−–", "-"), "’": "'"}
)
_INFINITE = {"inf": math.inf, "infinity": math.inf}
_ONE_GROUP = re.compile(r"\D*\d{1,3}[.,]\d{3}\D*")
_GROUPED = re.compile(r"-?(?:[1-9]\d{0,2}(?:\.\d{3})*|0)")
_FEW = 5
# A column of numbers may hold a few words: one or two for what is not known in many cells, four in
# some, any in one cell of a hundred. But a few numbers among words are names.
_WORDS = ((2, 0.2), (4, 0.1))
_WORD_SHARE = 0.01
_MIN_NUMBERS = 20
_MOSTLY = 0.5


def text_of(value: Any) -> str:
    """How `value` prints: text stripped, whole numbers without a point, bytes decoded."""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, bytes):
        return value.decode("utf-8", errors="replace").strip()
    if isinstance(value, bool | np.bool_):
        return str(bool(value))
    if isinstance(value, float | np.floating):
        number = float(value)
        return str(int(number)) if number.is_integer() and abs(number) < _EXACT else str(value)
    return str(value).strip()


@dataclass(frozen=True, kw_only=True)
class NumberReading:
    """A column as numbers, NaN where missing, and where a cell holds a word (`is_word`).

    `form` is how they are written, `POINT` or `COMMA`, or nothing where they are plain numbers;
    `sure` is False where both fit equally well, and `signs` are what stands beside the digits.
    """

    numbers: NDArray[np.float64]
    is_word: NDArray[np.bool_]
    form: str = ""
    sure: bool = True
    signs: tuple[str, ...] = ()

    def told(self) -> str:
        """How the numbers are written, in words; nothing of plain ones."""
        if not self.form:
            return ""
        mark = "comma" if self.form == COMMA else "point"
        signs = f", with {' and '.join(self.signs)}" if self.signs else ""
        doubt = "" if self.sure else "; the other way fits as well"
        return f"numbers written like {self.form} (a {mark} before decimals){signs}{doubt}"


def numbers_of(values: "pd.Series[Any]") -> NDArray[np.float64] | None:
    """`values` as float64, NaN where missing; None where one that is there is no number.

    Booleans and pandas categories are names, not numbers.
    """
    reading = reading_of(values)
    return None if reading is None or reading.is_word.any() else reading.numbers


def reading_of(
    values: "pd.Series[Any]", form: str = "", *, asked: bool = False
) -> NumberReading | None:
    """How a column is read as numbers, a few words apart; None where it is none of numbers.

    Args:
        values: raw cells.
        form: how the numbers are written where the column itself does not tell; or, if `asked`,
            how they are.
        asked: the user says that these are numbers: half of the cells are enough.
    """
    dtype = values.dtype
    if isinstance(dtype, pd.CategoricalDtype) or pd.api.types.is_bool_dtype(dtype):
        return None
    if pd.api.types.is_numeric_dtype(dtype):
        return NumberReading(numbers=_floats(values), is_word=np.zeros(len(values), dtype=bool))
    if pd.api.types.is_datetime64_any_dtype(dtype) or dtype.kind in "mc":
        return None
    if dtype.kind == "O" and pd.api.types.infer_dtype(values, skipna=True) == "boolean":
        return None
    # Most text shows itself in its first cells; reading a long column of it takes seconds.
    least = 1 - 2 * _WORDS[0][1] if not asked else 0.0
    if _share_of_numbers(values.dropna().iloc[:_HEAD]) < least:
        return None
    codes, texts = _distinct(values)
    known_form = asked and form
    found = _reading(codes, texts, form) if known_form else _decided(codes, texts, form)
    words, known = found.is_word, ~np.isnan(found.numbers)
    if not known.any() and any(texts):
        return None
    if asked:
        return found if known.sum() >= _MOSTLY * (known | words).sum() > 0 else None
    if not words.any():
        return found
    n_words, share = len(np.unique(codes[words])), words.sum() / len(values)
    few = share <= _WORD_SHARE or any(n_words <= n and share <= most for n, most in _WORDS)
    return found if few and len(np.unique(found.numbers[known])) >= _MIN_NUMBERS else None


def words_told(values: "pd.Series[Any]", reading: NumberReading) -> str:
    """How many cells are numbers, and which rows hold the words, by the index."""
    words = values[reading.is_word].map(text_of)
    several = len(words) > 1
    rows = ", ".join(map(str, words.index[:_FEW])) + (", ..." if len(words) > _FEW else "")
    texts = list(dict.fromkeys(words))
    shown = ", ".join(map(repr, texts[:_FEW])) + (", ..." if len(texts) > _FEW else "")
    present = int((~np.isnan(reading.numbers) | reading.is_word).sum())
    return (
        f"{present - len(words)} of {present} are numbers; row{'s' * several} {rows} "
        f"hold{'s' * (not several)} {shown}, taken as missing"
    )


def read_numbers(
    values: "pd.Series[Any]", form: str
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Later cells of a column of numbers, NaN where missing, and which hold a word.

    They are written in the form of the column, or where it has none as they themselves show.
    Booleans are 1 and 0.
    """
    if pd.api.types.is_bool_dtype(values.dtype) or pd.api.types.is_numeric_dtype(values.dtype):
        return _floats(values), np.zeros(len(values), dtype=bool)
    codes, texts = _distinct(values)
    found = _reading(codes, texts, form) if form else _decided(codes, texts, "")
    numbers, words = found.numbers.copy(), found.is_word.copy()
    for code in np.unique(codes[words]):
        word = texts[code].lower()
        if word in ("true", "false"):
            numbers[codes == code], words[codes == code] = float(word == "true"), False
    return numbers, words


def form_of(example: str) -> str:
    """The form of a number that a user gives as an example (`1.234,50`); nothing if it is none."""
    readable = [form for form in (POINT, COMMA) if number_of(example, form) is not None]
    return readable[0] if readable else ""


def missing_in(values: "pd.Series[Any]") -> NDArray[np.bool_]:
    """Which of `values` are missing: none at all, or blank text."""
    missing: NDArray[np.bool_] = (values.isna() | _blank(values)).to_numpy(dtype=bool)
    return missing


def without_no_value(values: "pd.Series[Any]") -> "pd.Series[Any]":
    """`values` with words that mean no value (`NA`) as missing."""
    if values.dtype.kind in "biufcmM":
        return values
    gone = [isinstance(cell, str) and cell in NO_VALUE_WORDS for cell in values]
    return values.mask(np.array(gone)) if any(gone) else values


def number_of(text: str, form: str) -> tuple[float, tuple[str, ...]] | None:
    """The number that a text is in a form, and the signs beside its digits; None if it is none."""
    text = text.translate(_SAME).strip()
    if (infinite := _INFINITE.get(text.lstrip("+-").lower())) is not None:
        return (-infinite if text.startswith("-") else infinite), ()
    match = _WRITTEN[form].fullmatch(text)
    if match is None:
        return None
    opened, sign, before, inner, own, digits, power, closed, after, percent, end = match.groups()
    brackets = [opened, inner, closed, end]
    if brackets.count("(") != brackets.count(")") or brackets.count("(") > 1 or (sign and own):
        return None
    if "(" in brackets and (sign or own):
        return None
    group, mark = (",", ".") if form == POINT else (".", ",")
    plain = digits.replace(group, "").replace(" ", "").replace("'", "").replace(mark, ".")
    value = float(plain + (power or ""))
    negative = "-" in (sign, own) or "(" in brackets
    signs = [each for each in (before or after, percent) if each]
    return (-value if negative else value), (*signs, *(["( ) for minus"] * ("(" in brackets)))


def _share_of_numbers(head: "pd.Series[Any]") -> float:
    """The share of first cells that are numbers in the one form or the other."""
    counts = Counter(map(text_of, head))  # of words that repeat each is looked at once
    texts = {text: n for text, n in counts.items() if text and text not in NO_VALUE_WORDS}
    if not texts:
        return 1.0
    return sum(n for text, n in texts.items() if _is_written(text)) / sum(texts.values())


def _distinct(values: "pd.Series[Any]") -> tuple[NDArray[np.int64], list[str]]:
    """A code each, -1 where missing, and the text of each code."""
    codes, found = pd.factorize(values.to_numpy(dtype=object))
    texts = [text_of(value) for value in found]
    none = np.array([not t or t in NO_VALUE_WORDS for t in texts] + [True])
    return np.where(none[codes], -1, codes), texts


def _decided(codes: NDArray[np.int64], texts: list[str], hint: str) -> NumberReading:
    """The column in the form that reads most of its cells; nothing is one if numbers are plain."""
    plain = pd.to_numeric(pd.Series(texts, dtype=object), errors="coerce").to_numpy(np.float64)
    strange = np.isnan(plain)
    if are_thousands(texts):
        return _reading(codes, texts, COMMA)
    if not any(_is_written(text) for text, is_one in zip(texts, strange, strict=True) if is_one):
        words = np.append(strange, False)[codes] & (codes >= 0)
        numbers = np.where(codes >= 0, np.append(plain, np.nan)[codes], np.nan)
        return NumberReading(numbers=numbers, is_word=words)
    point, comma = (_reading(codes, texts, form) for form in (POINT, COMMA))
    n_point, n_comma = int((~point.is_word).sum()), int((~comma.is_word).sum())
    if n_point != n_comma:
        return point if n_point > n_comma else comma
    if np.array_equal(point.numbers, comma.numbers, equal_nan=True):
        return point
    here = {int(code) for code in np.unique(codes) if code >= 0}
    grouped = [texts[code] for code in here if _ONE_GROUP.fullmatch(texts[code].translate(_SAME))]
    others = [number_of(texts[code], POINT) for code in here if texts[code] not in grouped]
    whole = [abs(found[0]) for found in others if found is not None]
    if len(grouped) >= _FEW and whole and max(whole) < 1_000:
        # Decimals that are always three are never left out: 987 beside 1,234 is a thousand's.
        return comma if any("." in text for text in grouped) else point
    if whole and min(whole) >= 1_000 and len(grouped) >= _FEW:
        return point if any("." in text for text in grouped) else comma
    if hint:
        return comma if hint == COMMA else point
    return replace(point, sure=False)


def are_thousands(texts: Sequence[str]) -> bool:
    """Whether different texts that all look like numbers have points between thousands alone.

    So it is where three digits follow every point, and what has none is below a thousand: of
    decimals a tenth ends with a nought, and one of a thousand has none, if noughts are left out.
    """
    texts = [text for text in texts if text and text not in NO_VALUE_WORDS]
    if not are_grouped(texts):
        return False
    others = {text.lstrip("-") for text in texts if "." not in text}
    return len(texts) - len(others) >= _MIN_NUMBERS and len(others - {"0"}) > 1


def are_grouped(texts: Sequence[str]) -> bool:
    """Whether three digits follow every point, and what has none is below a thousand."""
    return all(_GROUPED.fullmatch(text) for text in texts)


def _is_written(text: str) -> bool:
    return any(number_of(text, form) is not None for form in _DIGITS)


def _reading(codes: NDArray[np.int64], texts: list[str], form: str) -> NumberReading:
    found = [number_of(text, form) for text in texts]
    known = np.array([np.nan if each is None else each[0] for each in found] + [np.nan])
    word = np.array([each is None for each in found] + [False])
    signs = [sign for each in found if each is not None for sign in each[1]]
    return NumberReading(
        numbers=known[codes],
        is_word=word[codes],
        form=form,
        signs=tuple(dict.fromkeys(signs)),
    )


def _blank(values: "pd.Series[Any]") -> "pd.Series[Any]":
    if values.dtype.kind == "O" and isinstance(values.dtype, np.dtype):
        # Cells may hold whole pictures, which take long to print.
        return values.map(lambda cell: isinstance(cell, str) and not cell.strip()).astype(bool)
    return values.astype(str).str.strip() == ""


def _floats(values: "pd.Series[Any]") -> NDArray[np.float64]:
    numbers: NDArray[np.float64] = values.to_numpy(dtype=np.float64, na_value=np.nan)
    return numbers

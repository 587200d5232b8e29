"""What a user may say of how much rows and classes count: a column, `balanced`, pairs, numbers.

Takes the options `weight` and `class_weight` as they were given, in Python or on the command line;
gives them in one form, or an error that says the rule. What is in a column is looked at where data
is read (`data/framing/weight.py`). Light, as the options are.
"""

import hashlib
import math
from collections.abc import Mapping, Sequence
from typing import Any

from autosynth.errors import ConfigError
from autosynth.number import brief_repr, is_above

BALANCED = "balanced"


def weight_form(value: Any) -> str | tuple[float, ...] | None:
    """The name of a column, or a number a row as a tuple.

    Raises:
        ConfigError: it is neither.
    """
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, tuple) and all(type(each) is float for each in value):
        return value
    try:
        return tuple(float(each) for each in value)
    except (TypeError, ValueError):
        raise ConfigError(
            "--weight names a column by a text, or in Python gives one number a row, not "
            f"{brief_repr(value)}"
        ) from None


def weight_text(value: str | tuple[float, ...]) -> str:
    """How run.toml names weights: by their column, or by how many they are and what is in them."""
    if isinstance(value, str):
        return value
    digest = hashlib.sha256(repr(value).encode()).hexdigest()[:16]
    return f"{len(value)} numbers ({digest})"


def class_weight_form(value: Any) -> tuple[str, ...]:
    """`balanced` alone, or texts such as `yes=5`, one a class that is named; empty for None.

    Args:
        value: None, `balanced`, a pair or several as texts, or a dict of numbers by class.

    Raises:
        ConfigError: it is none of these, a class is named twice, or a number is none above 0.
    """
    if value is None:
        return ()
    if isinstance(value, Mapping):
        value = [f"{_name(name)}={_number(weight)}" for name, weight in value.items()]
    texts = (value,) if isinstance(value, str) else value
    if not isinstance(texts, Sequence) or not all(isinstance(text, str) for text in texts):
        raise _wrong(value)
    if BALANCED in texts and len(texts) > 1:
        raise ConfigError(
            f"--class-weight {BALANCED} weighs every class and stands alone, not beside "
            f"{', '.join(text for text in texts if text != BALANCED)}; leave one of them out"
        )
    class_weights_told(texts)
    return tuple(texts)


def class_weights_told(texts: Sequence[str]) -> dict[str, float]:
    """The number of each class that pairs name; none of `balanced`.

    Raises:
        ConfigError: a text is no pair of a name and a number above 0.
    """
    found: dict[str, float] = {}
    for text in texts:
        if text == BALANCED:
            continue
        name, mark, number = text.rpartition("=")
        try:
            weight = float(number)
        except ValueError:
            weight = math.nan
        if not (name and mark) or not is_above(weight, 0.0):
            raise _wrong(text)
        if name in found:
            raise ConfigError(f"--class-weight names the class {name!r} twice; name it once")
        found[name] = weight
    return found


def _wrong(value: Any) -> ConfigError:
    return ConfigError(
        f"--class-weight is {BALANCED}, or pairs of a class and a finite number above 0, such as "
        f"yes=5 (in Python {{'yes': 5}}), not {brief_repr(value)}; to leave a class out, take its "
        "rows out"
    )


def _name(name: Any) -> str:
    """A class as its cells are written: whole numbers without a point."""
    item = getattr(name, "item", lambda: name)()
    is_whole = isinstance(item, float) and item.is_integer()
    return str(int(item)) if is_whole else str(item)


def _number(weight: Any) -> str:
    return str(getattr(weight, "item", lambda: weight)())

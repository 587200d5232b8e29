"""Frozen dataclasses as JSON, and back: what is wrong with an object is told by the fields' types.

For the types that saved values have: text, numbers, booleans, None, literals, tuples, mappings
with text as keys, and dataclasses of these. What earlier versions saved under other names is read
by the tables here: in a dotted key, the part after a dot stands inside what the part before names.
"""

import json
import math
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import MISSING, fields, is_dataclass
from types import UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin

_Saved = TypeVar("_Saved")

Reader = Callable[[Any], Any]
"""Takes the value as it was saved, gives it as it is saved now."""


def json_ready(value: Any) -> Any:
    """`value` with JSON's own types, and without numbers that JSON does not have.

    One that is not finite is null; it is left out of a mapping, and so is the part of a tuple that
    it stands in.
    """
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: json_ready(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        pairs = ((str(key), json_ready(item)) for key, item in value.items())
        return {key: item for key, item in pairs if item is not None}
    if isinstance(value, tuple | list):
        items = map(json_ready, value)
        return [item for item in items if not (isinstance(item, list) and None in item)]
    if hasattr(value, "item"):  # a numpy scalar
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def field_problems(kind: type[Any], plain: Mapping[str, Any]) -> list[str]:
    """What keeps a JSON object from being a `kind`: keys that lack or are unknown, and values."""
    if not isinstance(plain, Mapping):
        return [f"it is a JSON object, not {plain!r}"]
    hints = _hints(kind)
    needed = {
        field.name
        for field in fields(kind)
        if field.default is MISSING and field.default_factory is MISSING
    }
    problems = [f"no {name!r}" for name in sorted(needed - plain.keys())]
    problems += [f"unknown key {name!r}" for name in sorted(plain.keys() - hints.keys())]
    for name, value in plain.items():
        if name not in hints or _fits(hints[name], value):
            continue
        if get_origin(hints[name]) is Literal and isinstance(value, str):
            valid = ", ".join(map(str, get_args(hints[name])))
            problems.append(f"{name} {value!r} is none of {valid}")
        else:
            problems.append(f"{name} = {value!r}")
    return problems


def from_fields(kind: type[_Saved], plain: Mapping[str, Any]) -> _Saved:
    """The `kind` that `json_ready` made a JSON object of.

    Raises:
        ValueError: it is none; all its problems are named.
    """
    if problems := field_problems(kind, plain):
        raise ValueError("; ".join(problems))
    hints = _hints(kind)
    return kind(**{name: _value(hints[name], value) for name, value in plain.items()})


def _hints(kind: type[Any]) -> dict[str, Any]:
    """The types of the fields, which are no text: a saved class quotes no annotation."""
    return {field.name: field.type for field in fields(kind)}


def _fits(hint: Any, value: Any) -> bool:
    """Whether a JSON value is one of a type."""
    origin, args = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return any(_fits(arg, value) for arg in args)
    if origin is Literal:
        return value in args
    if origin is Mapping:
        return isinstance(value, dict) and all(_fits(args[1], item) for item in value.values())
    if origin is tuple:
        if not isinstance(value, list):
            return False
        parts = args[:1] * len(value) if args[-1] is ... else args
        return len(parts) == len(value) and all(map(_fits, parts, value))
    if isinstance(hint, type) and is_dataclass(hint):
        return isinstance(value, dict) and not field_problems(hint, value)
    if isinstance(value, bool):
        return hint is bool
    return isinstance(value, (int, float) if hint is float else hint)


def _value(hint: Any, value: Any) -> Any:
    """A JSON value that fits a type, as one of that type."""
    args = get_args(hint)
    if get_origin(hint) in (Union, UnionType):
        return next(_value(arg, value) for arg in args if _fits(arg, value))
    if get_origin(hint) is tuple:
        parts = args[:1] * len(value) if args[-1] is ... else args
        return tuple(map(_value, parts, value))
    if get_origin(hint) is Mapping:
        return {key: _value(args[1], item) for key, item in value.items()}
    if isinstance(hint, type) and is_dataclass(hint):
        return from_fields(hint, value)
    return value


def _same(value: Any) -> Any:
    return value


Renamed = Mapping[str, tuple[str, Reader]]
"""By the old key, the new one, and how the value is read."""

RECORD_1: Renamed = {
    "best_shares": ("best_fractions", _same),
    "notes.resolved": ("canonical", _same),
    "notes.foreseen_seconds": ("foreseen_seconds", float),
    "notes.once_seconds": ("once_seconds", float),
    "notes.eval_seconds": ("eval_seconds", float),
    "notes.folds": ("n_folds", int),
    "notes.standard_error": ("standard_error", float),
    "notes.calibration": ("calibration", json.loads),
    "notes.refit_test": ("refit_test", json.loads),
    "notes.refit_seconds": ("refit_seconds", float),
    "notes.still_gaining": ("still_gaining", _same),
    "notes.rows": ("note", _same),  # of a baseline
}
"""`record.json`, version 1 to 2. Other notes are those of still older ones: passed over."""

MODEL_3: Renamed = {
    "brief": ("short_form", _same),
    "card.n_fit": ("card.n_calibration", _same),
    "card.n_select": ("card.n_validation", _same),
}
"""`model.json`, formats 2 and 3 to 4."""


def renamed(plain: Mapping[str, Any], table: Renamed) -> dict[str, Any]:
    """A saved object with its values where they stand now; `plain` stays as it is.

    Raises:
        ValueError: a value cannot be read; its old key is named.
    """
    found = deepcopy(dict(plain))
    for old, (new, read) in table.items():
        place, key = _place(found, old)
        if key not in place:
            continue
        value = place.pop(key)
        try:
            moved = read(value)
        except (TypeError, ValueError) as problem:
            raise ValueError(f"{old} = {value!r}") from problem
        place, key = _place(found, new)
        place[key] = moved
    return found


def _place(found: dict[str, Any], dotted: str) -> tuple[dict[str, Any], str]:
    """The object that a dotted key stands in, an empty one where there is none; and its name."""
    *outer, key = dotted.split(".")
    place: Any = found
    for name in outer:
        place = place.get(name)
        if not isinstance(place, dict):
            return {}, key
    return place, key

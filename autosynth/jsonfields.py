"""Frozen dataclasses as JSON, and back: what is wrong with an object is told by the fields' types.

For the types that saved values have: text, numbers, booleans, None, literals, tuples, mappings
with text as keys, and dataclasses of these. What earlier versions saved under other names is read
by the tables here: in a dotted key, the part after a dot stands inside what the part before names.
"""

import json
import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from copy import deepcopy
from dataclasses import MISSING, fields, is_dataclass
from functools import cache, partial
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, cast, get_args, get_origin

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
    readers, needed = _readers(cast(Hashable, kind))
    problems = [f"no {name!r}" for name in sorted(needed - plain.keys())]
    problems += [f"unknown key {name!r}" for name in sorted(plain.keys() - readers.keys())]
    hints = {field.name: field.type for field in fields(kind)}
    for name, value in plain.items():
        if name not in hints or _fits(readers[name][1], value):
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
    try:
        return _read_object(kind, plain)
    except _MisfitError:
        raise ValueError("; ".join(field_problems(kind, plain))) from None


class _MisfitError(Exception):
    """A JSON value is not of the type that a field has."""


@cache
def _readers(kind: Any) -> tuple[dict[str, tuple[frozenset[Any], Reader]], frozenset[str]]:
    """By a field's name the types whose values are taken as they are, and how others are read.

    And the names of fields without a default. A class is looked through once, for a run has
    thousands of records; most of their values are taken as they are, without a call. The types of
    fields are no text: a saved class quotes no annotation.
    """
    needed = {
        field.name
        for field in fields(kind)
        if field.default is MISSING and field.default_factory is MISSING
    }
    readers = {f.name: (_as_they_are(f.type), _reader(f.type)) for f in fields(kind)}
    return readers, frozenset(needed)


def _as_they_are(hint: Any) -> frozenset[Any]:
    """The types whose values are of the type `hint` and stay the same."""
    if get_origin(hint) in (Union, UnionType):
        return frozenset().union(*map(_as_they_are, get_args(hint)))
    if hint is float:
        return frozenset({int, float})
    return frozenset({hint}) if hint in (str, int, bool, NoneType) else frozenset()


def _fits(read: Reader, value: Any) -> bool:
    try:
        read(value)
    except _MisfitError:
        return False
    return True


def _read_object(kind: type[_Saved], plain: Any) -> _Saved:
    readers, needed = _readers(cast(Hashable, kind))
    if not isinstance(plain, Mapping) or not readers.keys() >= plain.keys() >= needed:
        raise _MisfitError
    values = {}
    for name, value in plain.items():
        kept, read = readers[name]
        values[name] = value if type(value) in kept else read(value)
    return kind(**values)


def _reader(hint: Any) -> Reader:
    """What makes a value of a type from a JSON value, or raises `_MisfitError`."""
    origin, args = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return partial(_read_first, [_reader(arg) for arg in args])
    if origin is Literal:
        return partial(_read_known, args)
    if origin is Mapping:
        return partial(_read_mapping, _reader(args[1]))
    if origin is tuple and args[-1] is ...:
        return partial(_read_sequence, _reader(args[0]))
    if origin is tuple:
        return partial(_read_tuple, [_reader(arg) for arg in args])
    if isinstance(hint, type) and is_dataclass(hint):
        return partial(_read_object, hint)
    return partial(_read_plain, (int, float) if hint is float else hint, hint is bool)


def _read_first(readers: Sequence[Reader], value: Any) -> Any:
    for read in readers:
        try:
            return read(value)
        except _MisfitError:
            continue
    raise _MisfitError


def _read_known(known: tuple[Any, ...], value: Any) -> Any:
    if value not in known:
        raise _MisfitError
    return value


def _read_mapping(read: Reader, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _MisfitError
    return {key: read(item) for key, item in value.items()}


def _read_sequence(read: Reader, value: Any) -> tuple[Any, ...]:
    if not isinstance(value, list):
        raise _MisfitError
    return tuple([read(item) for item in value])


def _read_tuple(readers: Sequence[Reader], value: Any) -> tuple[Any, ...]:
    if not isinstance(value, list) or len(value) != len(readers):
        raise _MisfitError
    return tuple([read(item) for read, item in zip(readers, value, strict=True)])


def _read_plain(kind: Any, is_bool: bool, value: Any) -> Any:
    if not isinstance(value, kind) or (isinstance(value, bool) and not is_bool):
        raise _MisfitError
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

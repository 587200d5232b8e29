"""What earlier versions saved under other names: the one table of them, and its reader.

A dot stands between a key and a key inside of it. A record of version 1 held most of what is known
of a training as text, in `notes`; a bundle up to format 3 called the splits by other words.
"""

import json
from collections.abc import Callable, Mapping
from copy import deepcopy
from typing import Any

Reader = Callable[[Any], Any]
"""Takes the value as it was saved, gives it as it is saved now."""


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

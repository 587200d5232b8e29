"""Reads interactions for a ranking that is there already: a row for each user.

To predict it stands after all that the user had; to be scored, before the last of it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from autosynth.data.encoder.registry import encoders_from
from autosynth.data.framing.event import Events, InteractionColumns, listed, read_events
from autosynth.data.framing.feature import About
from autosynth.data.framing.userrow import apply_rows
from autosynth.data.source.raw import Raw, RowFormat
from autosynth.data.source.read import read_unlabelled
from autosynth.data.source.table import frame_rows, read_table
from autosynth.errors import DataError
from autosynth.spec import SeenItems
from autosynth.task.target import LeftOut


@dataclass(frozen=True, kw_only=True)
class Users:
    """Rows, one a user: encoded inputs, names, and what each one had before."""

    x: Mapping[str, NDArray[Any]]
    names: tuple[str, ...]
    seen: SeenItems
    warnings: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Latest(Users):
    """Rows to score: `item` is what came last, as codes of the target; users left out, and why."""

    source: str
    item: NDArray[np.int64]
    left_out: tuple[LeftOut, ...]


def users_of(source: Any, encoders: Mapping[str, Any]) -> Users:
    """The users of interactions to predict for, encoded as in training.

    Items that the training did not know are skipped, and users without any other left out.

    Raises:
        DataError: columns lack, or no user had an item that is known.
    """
    events, raw, told = _events(source, encoders)
    items = encoders["interactions"]["items"]
    warnings = [*told]
    everyone = set(np.unique(events.user).tolist())
    events = events.known(items)
    codes, start = np.unique(events.user, return_index=True)
    if left := sorted(everyone - set(codes.tolist())):
        names = [events.users[code] for code in left]
        warnings.append(
            f"{len(left)} users without an item that the model knows were left out: "
            f"{listed(names)}"
        )
    stop = events.stop[start]
    if (full := stop - start == len(items)).any():
        names = [events.users[code] for code in codes[full]]
        warnings.append(f"{len(names)} users had every item and were left out: {listed(names)}")
        codes, start, stop = codes[~full], start[~full], stop[~full]
    if not len(codes):
        raise DataError(
            f"no user in {raw.source} had an item that the model knows, such as "
            f"{listed(items, 3)}, and not all of them. Give interactions with items of "
            "the training."
        )
    seen = SeenItems(codes=events.item, start=start, stop=stop)
    x, odd = _rows(encoders, events, seen, raw.source)
    return Users(
        x=x, names=tuple(events.users[code] for code in codes), seen=seen,
        warnings=(*warnings, *odd),
    )  # fmt: skip


def latest_of(source: Any, encoders: Mapping[str, Any]) -> Latest:
    """The last item of each user, after what the user had before it: leave-one-out.

    Raises:
        DataError: columns lack, or no user has a last item that can be scored.
    """
    events, raw, told = _events(source, encoders)
    items = encoders["interactions"]["items"]
    last = events.stop == np.arange(1, len(events.user) + 1)
    users, last = int(last.sum()), last[events.among(items) >= 0]
    events = events.known(items)
    rows = np.flatnonzero(last & (events.start < np.arange(len(last))))
    counts = (
        ("whose last item the model does not know", users - int(last.sum())),
        ("without another item that the model knows", int(last.sum()) - len(rows)),
    )
    left_out = tuple(LeftOut(reason=reason, rows=n) for reason, n in counts if n)
    if not len(rows):
        raise DataError(
            f"no user in {raw.source} can be scored: each needs a last item that the model knows, "
            f"such as {listed(items, 3)}, and one before it. Give interactions with items of the "
            "training."
        )
    seen = SeenItems(codes=events.item, start=events.start[rows], stop=rows)
    x, odd = _rows(encoders, events, seen, raw.source)
    return Latest(
        x=x, names=tuple(events.users[code] for code in events.user[rows]), seen=seen,
        warnings=(*told, *odd), source=raw.source, item=events.item[rows], left_out=left_out,
    )  # fmt: skip


def _events(source: Any, encoders: Mapping[str, Any]) -> tuple[Events, Raw, tuple[str, ...]]:
    """All events, and what is said of items that the training did not know."""
    known = encoders["interactions"]
    raw = read_table_of(source)
    columns = InteractionColumns(user=known["user"], item=known["item"], time=known["time"])
    events = read_events(frame_of(raw), columns, raw.source)
    told = [*raw.warnings, *events.warnings]
    there = {events.items[code] for code in np.unique(events.item)}
    if strange := sorted(there - frozenset(known["items"])):
        told.append(
            f"{len(strange)} items that the model does not know were skipped: {listed(strange)}"
        )
    return events, raw, tuple(told)


def _rows(
    encoders: Mapping[str, Any], events: Events, seen: SeenItems, source: str
) -> tuple[dict[str, NDArray[Any]], tuple[str, ...]]:
    tables = [About.from_dict(table) for table in encoders["interactions"]["features"]]
    return apply_rows(encoders_from(encoders), events, seen, tables, source)


def read_table_of(source: Any) -> Raw:
    """All columns of a table; a path that exists is read as one, whatever it is called."""
    if isinstance(source, str | Path):
        path = Path(source).expanduser()
        if path.is_file() and path.suffix.lower() not in (".npz", ".npy"):
            return read_table(path, (), labelled=False)
    if isinstance(source, pd.DataFrame):
        return frame_rows(source, "frame", "frame", (), labelled=False)
    raw = read_unlabelled(source, RowFormat())
    frame_of(raw)
    return raw


def frame_of(raw: Raw) -> pd.DataFrame:
    """The frame that was read. Raises `DataError` for what is no table."""
    if raw.main is None or not isinstance(raw.main.x, pd.DataFrame):
        raise DataError(
            f"interactions and features are tables; {raw.source} is none. Give a file such as "
            ".csv or .parquet, or a frame."
        )
    return raw.main.x

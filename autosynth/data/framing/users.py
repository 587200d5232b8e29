"""Reads interactions for a ranking that is there already: a row for each user.

To predict it stands after all that the user had; to be scored, before the last of it.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from autosynth.data.encoder.encoder import Encoder
from autosynth.data.framing.event import Events, InteractionColumns, listed, read_events
from autosynth.data.framing.feature import About, apply_rows
from autosynth.data.framing.framing import Encoded, LabelledRows
from autosynth.data.source.memory import Batching
from autosynth.data.source.raw import Raw, RowFormat, with_levels
from autosynth.data.source.read import read_unlabelled
from autosynth.data.source.rows import rows_of
from autosynth.data.source.tablefile import read_table
from autosynth.errors import DataError
from autosynth.spec import SeenItems
from autosynth.task.target import LeftOut


def users_of(
    source: Any, known: Mapping[str, Any], inputs: Sequence[Encoder], batching: Batching
) -> Encoded:
    """The users of interactions to predict for, encoded as in training.

    Items that the training did not know are skipped, and users without any other left out.

    Raises:
        DataError: columns lack, or no user had an item that is known.
    """
    events, place, told = _events(source, known, batching)
    items = known["items"]
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
            f"no user in {place} had an item that the model knows, such as "
            f"{listed(items, 3)}, and not all of them. Give interactions with items of "
            "the training."
        )
    seen = SeenItems(codes=events.item, start=start, stop=stop)
    x, odd = _rows(known, inputs, events, seen, place)
    names = [events.users[code] for code in codes]
    return Encoded(x=x, index=names, seen=seen, warnings=(*warnings, *odd), called=known["user"])


def latest_of(
    source: Any, known: Mapping[str, Any], inputs: Sequence[Encoder], batching: Batching
) -> LabelledRows:
    """The last item of each user, after what the user had before it: leave-one-out.

    Raises:
        DataError: columns lack, or no user has a last item that can be scored.
    """
    events, place, told = _events(source, known, batching)
    items = known["items"]
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
            f"no user in {place} can be scored: each needs a last item that the model knows, "
            f"such as {listed(items, 3)}, and one before it. Give interactions with items of the "
            "training."
        )
    seen = SeenItems(codes=events.item, start=events.start[rows], stop=rows)
    x, odd = _rows(known, inputs, events, seen, place)
    return LabelledRows(
        source=place,
        official=True,
        x=x,
        y=events.item[rows],
        index=[events.users[code] for code in events.user[rows]],
        left_out=left_out,
        warnings=(*told, *odd),
        seen=seen,
    )


def _events(
    source: Any, known: Mapping[str, Any], batching: Batching
) -> tuple[Events, str, tuple[str, ...]]:
    """All events, their source, and what is said of items that the training did not know."""
    columns = InteractionColumns(
        user=known["user"],
        item=known["item"],
        time=known["time"],
        forms=tuple(known.get("forms", ())),  # older models have none
    )
    raw, frame = read_table_of(source, batching, columns.names)
    events = read_events(frame, columns, raw.source)
    told = [*raw.warnings, *events.warnings]
    there = {events.items[code] for code in np.unique(events.item)}
    if strange := sorted(there - frozenset(known["items"])):
        told.append(
            f"{len(strange)} items that the model does not know were skipped: {listed(strange)}"
        )
    return events, raw.source, tuple(told)


def _rows(
    known: Mapping[str, Any],
    inputs: Sequence[Encoder],
    events: Events,
    seen: SeenItems,
    source: str,
) -> tuple[dict[str, NDArray[Any]], tuple[str, ...]]:
    if "features" not in known:
        raise DataError(
            "what was saved of users and items lacks 'features'; copy or export the bundle again"
        )
    tables = [About.from_dict(table) for table in known["features"]]
    return apply_rows(inputs, events, seen, tables, source)


def read_table_of(
    source: Any, batching: Batching, named: Sequence[str] = ()
) -> tuple[Raw, pd.DataFrame]:
    """A table and all its columns; a path that exists is read as one, whatever it is called.

    Those `named` may be levels of a frame's index.

    Raises:
        DataError: it is no table.
    """
    raw = _read(source, batching)
    rows = None if raw.main is None else rows_of(with_levels(raw.main, named).x)
    if rows is None or not rows.is_table:
        raise DataError(
            f"interactions and features are tables; {raw.source} is none. Give a file such as "
            ".csv or .parquet, or a frame."
        )
    return raw, rows.whole()


def _read(source: Any, batching: Batching) -> Raw:
    if isinstance(source, str | Path):
        path = Path(source).expanduser()
        if path.is_file() and path.suffix.lower() not in (".npz", ".npy"):
            return read_table(path, (), labelled=False, batching=batching)
    return read_unlabelled(source, RowFormat(), batching)

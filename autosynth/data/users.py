"""Reads interactions to predict from: a row for each user, after all that the user had."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from autosynth.data.forms.table import frame_rows, read_table
from autosynth.data.inputs.event import Columns, listed, read_events
from autosynth.data.inputs.feature import About
from autosynth.data.inputs.userrow import apply_rows
from autosynth.data.raw import Raw
from autosynth.data.read import read_unlabelled
from autosynth.data.seen import Seen
from autosynth.errors import DataError


@dataclass(frozen=True, kw_only=True)
class Users:
    """Rows to predict, one a user: encoded inputs, names, and what each one had before."""

    x: Mapping[str, NDArray[Any]]
    names: tuple[str, ...]
    seen: Seen
    warnings: tuple[str, ...]


def users_of(source: Any, encoders: Mapping[str, Any]) -> Users:
    """The users of interactions to predict for, encoded as in training.

    Items that the training did not know are skipped, and users without any other left out.

    Raises:
        DataError: columns lack, or no user had an item that is known.
    """
    known = encoders["interactions"]
    raw = read_table_of(source)
    columns = Columns(user=known["user"], item=known["item"], time=known["time"])
    events = read_events(frame_of(raw), columns, raw.source)
    items = frozenset(known["items"])
    strange = sorted({events.items[code] for code in np.unique(events.item)} - items)
    warnings = [*raw.warnings, *events.warnings]
    if strange:
        warnings.append(
            f"{len(strange)} items that the model does not know were skipped: {listed(strange)}"
        )
    everyone = set(np.unique(events.user).tolist())
    events = events.known(known["items"])
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
            f"{listed(known['items'], 3)}, and not all of them. Give interactions with items of "
            "the training."
        )
    seen = Seen(codes=events.item, start=start, stop=stop)
    tables = [About.from_dict(table) for table in known["features"]]
    x, told = apply_rows(encoders["inputs"], events, seen, tables, raw.source)
    return Users(
        x=x, names=tuple(events.users[code] for code in codes), seen=seen,
        warnings=(*warnings, *told),
    )  # fmt: skip


def read_table_of(source: Any) -> Raw:
    """All columns of a table; a path that exists is read as one, whatever it is called."""
    if isinstance(source, str | Path):
        path = Path(source).expanduser()
        if path.is_file() and path.suffix.lower() not in (".npz", ".npy"):
            return read_table(path, (), labelled=False)
    if isinstance(source, pd.DataFrame):
        return frame_rows(source, "frame", "frame", (), labelled=False)
    raw = read_unlabelled(source, {"kind": "table"})
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

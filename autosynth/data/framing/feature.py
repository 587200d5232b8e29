"""What is known of users and items beside their names: tables with one row each, by name.

Takes events and where each row's history begins and ends among them; gives the inputs: the history
itself, and a table with the user's own columns, those of the last thing in the history, and the
mean over it of those that are numbers. The tables travel as JSON-able data, for the items that
come in a prediction are those of the training.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from autosynth.cell import missing_in, numbers_of, text_of
from autosynth.data.column.column import Column, IgnoredColumn
from autosynth.data.column.inference import infer_columns
from autosynth.data.encoder.apply import apply, check_columns
from autosynth.data.encoder.encoder import Encoder
from autosynth.data.encoder.frame import fit_frame
from autosynth.data.encoder.ids import IdsEncoder
from autosynth.data.framing.event import Events, InteractionColumns, listed
from autosynth.errors import DataError
from autosynth.spec import RowNumbers, SeenItems

USER, LAST, MEAN, ITEM = "user.", "last.", "mean.", "item."
_MET = (LAST, MEAN)
_MADE_UP = re.compile(r"column\d+")
_MIN_NAMES, _OWN_NAME = 20, 0.95
_LEAST_KNOWN = 0.1  # of the names, that a key has to know


@dataclass(frozen=True, kw_only=True)
class About:
    """A table about users (`of` is "user") or items: row `i` is about the one called `names[i]`.

    Columns are float64, or texts with None where missing. `named` are those left out because they
    are names, too: every row has its own.
    """

    of: str
    names: tuple[str, ...]
    frame: pd.DataFrame
    named: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The table as JSON-able data."""
        columns = {
            name: [None if pd.isna(value) else value for value in self.frame[name].tolist()]
            for name in self.frame
        }
        return {"of": self.of, "names": list(self.names), "columns": columns}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "About":
        """The table of `to_dict`."""
        frame = pd.DataFrame(
            {name: pd.Series(values, dtype=object) for name, values in data["columns"].items()}
        )
        return cls(of=data["of"], names=tuple(data["names"]), frame=plain(frame))

    def rows_of(self, names: Sequence[str]) -> pd.DataFrame:
        """The rows about some names, in their order; missing where the table knows none."""
        place = {name: row for row, name in enumerate(self.names)}
        found = self.frame.reindex([place.get(name, -1) for name in names])
        return found.reset_index(drop=True)


def plain(frame: pd.DataFrame) -> pd.DataFrame:
    """Columns as float64 where all values are numbers, and else as texts, None where missing."""
    found = {}
    for name in frame:
        values = frame[name]
        numbers = numbers_of(values)
        if numbers is None:
            gone = missing_in(values)
            numbers = np.array(
                [None if out else text_of(v) for v, out in zip(values, gone, strict=True)], object
            )
        found[str(name)] = pd.Series(numbers)
    return pd.DataFrame(found, index=pd.RangeIndex(len(frame)))


def read_about(
    frame: pd.DataFrame, source: str, events: Events, columns: InteractionColumns
) -> About:
    """The table `frame`, and whom its rows are about.

    Its key is called as in the interactions. Names that were made up say nothing (`column1`): then
    the key is the column whose values are best those of users or items.

    Raises:
        DataError: no column is a key, or one stands for a user or item twice.
    """
    sides = {"user": (columns.user, events.users), "item": (columns.item, events.items)}
    found = [
        (_fit(frame[key], names), side, key)
        for side, (own, names) in sides.items()
        for key in map(str, frame.columns)
        if key == own or (_MADE_UP.fullmatch(key) and _MADE_UP.fullmatch(own))
    ]
    score, side, key = max(found, default=(0.0, "", ""), key=lambda each: each[0])
    if score < _LEAST_KNOWN:
        raise DataError(
            f"features in {source} are of users or items: a column called {columns.user!r} or "
            f"{columns.item!r} names them, as the interactions do. Its columns: "
            f"{listed(list(map(str, frame.columns)), 12)}. Rename one."
        )
    names = [text_of(value) for value in frame[key]]
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise DataError(
            f"features in {source} have one row for each {side}; {key} {twice[0]!r} has several "
            f"({len(twice)} such). Leave one of each."
        )
    rest = plain(frame.drop(columns=[key]))
    named = [name for name in rest if _are_names(rest[name])]
    return About(of=side, names=tuple(names), frame=rest.drop(columns=named), named=tuple(named))


def _are_names(values: "pd.Series[Any]") -> bool:
    """Whether texts say which row it is, and nothing of it: titles, addresses."""
    texts = values.dropna()
    many = len(texts) >= _MIN_NAMES and values.dtype != np.float64
    return many and texts.nunique() >= _OWN_NAME * len(texts)


def _fit(values: "pd.Series[Any]", names: Sequence[str]) -> float:
    """The share of names that two columns have in common, of all that either has."""
    own = {text_of(value) for value in values.dropna().unique()}
    return len(own & set(names)) / max(1, len(own | set(names)))


def described(
    events: Events, tables: Sequence[About], start: NDArray[np.int64], stop: NDArray[np.int64]
) -> pd.DataFrame:
    """A row for each of the histories `start:stop` of the events, which are not empty."""
    users = [events.users[code] for code in events.user[start]]
    own = [table.rows_of(users).add_prefix(USER) for table in tables if table.of == "user"]
    items = [events.items[code] for code in events.item]
    met = [plain(events.others)]
    met += [table.rows_of(items).add_prefix(ITEM) for table in tables if table.of == "item"]
    parts = list(own)
    for frame in met:
        last = frame.iloc[stop - 1].reset_index(drop=True)
        parts.append(last.add_prefix(LAST))
        means = {
            name: _means(frame[name].to_numpy(), start, stop)
            for name in frame
            if frame[name].dtype == np.float64
        }
        parts.append(pd.DataFrame(means, index=last.index).add_prefix(MEAN))
    return pd.concat(parts, axis=1)


def _means(
    values: NDArray[np.float64], start: NDArray[np.int64], stop: NDArray[np.int64]
) -> NDArray[np.float64]:
    """The mean of what is known in each stretch, NaN where nothing is."""
    known = np.isfinite(values)
    sums = np.concatenate([[0.0], np.cumsum(np.where(known, values, 0.0))])
    counts = np.concatenate([[0], np.cumsum(known)])
    n = counts[stop] - counts[start]
    means: NDArray[np.float64] = np.where(
        n > 0, (sums[stop] - sums[start]) / np.maximum(n, 1), np.nan
    )
    return means


def fit_rows(
    events: Events, seen: SeenItems, tables: Sequence[About], train: RowNumbers
) -> tuple[list[Encoder], tuple[IgnoredColumn, ...]]:
    """The history, and a table of what else is known, where there is anything; what was left."""
    sizes = (seen.stop - seen.start)[train]
    named = [
        IgnoredColumn(name=f"{table.of}.{name}", reason=f"an id: every {table.of} has its own")
        for table in tables
        for name in table.named
    ]
    inputs: list[Encoder] = [IdsEncoder.fit(sizes, len(events.items))]
    if not len(events.others.columns) and not any(len(t.frame.columns) for t in tables):
        return inputs, tuple(named)
    frame = described(events, tables, seen.start, seen.stop)
    inferred = infer_columns(frame, train)
    used = [c.name for c in inferred if isinstance(c, Column) and c.kind != "text"]
    ignored = named + [column for column in inferred if isinstance(column, IgnoredColumn)]
    ignored += [
        IgnoredColumn(
            name=c.name, reason="a text; of users and items, numbers and categories are read"
        )
        for c in inferred
        if isinstance(c, Column) and c.kind == "text"
    ]
    if used:
        inputs += fit_frame(frame[used], train, width=len(used))[0]  # numbered ones are no series
    return inputs, tuple(ignored)


def apply_rows(
    encoders: Sequence[Encoder],
    events: Events,
    seen: SeenItems,
    tables: Sequence[About],
    place: str,
) -> tuple[dict[str, NDArray[Any]], tuple[str, ...]]:
    """The arrays of the inputs for the rows of `seen`, and what was wrong."""
    found: dict[str, NDArray[Any]] = {}
    warnings: tuple[str, ...] = ()
    for encoder in encoders:
        if isinstance(encoder, IdsEncoder):
            found[encoder.name] = encoder.transform(seen).values
            continue
        frame = described(events, tables, seen.start, seen.stop)
        own = {n.removeprefix(LAST).removeprefix(MEAN) for n in encoder.columns if n[:5] in _MET}
        check_columns(sorted(own), {n.removeprefix(LAST) for n in frame if n[:5] == LAST}, place)
        for name in encoder.columns:  # the mean of what is no number here
            if name not in frame:
                frame[name] = np.nan
        applied = apply([encoder], frame, place)
        found |= applied.x
        warnings += applied.warnings
    return found, warnings

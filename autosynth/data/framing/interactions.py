"""Interactions (user, item, time) as a dataset whose target is the item that comes next.

A row is an interaction that has one before it, of the same user: its inputs are the user's
history and what is known of user and items, its target the item. Held out is the last interaction
of each user (test), the one before it (validation), and the one before that (calibration). What is
predicted from is read in `users.py`.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from autosynth.data.column.choice import date_detail
from autosynth.data.column.column import IgnoredColumn
from autosynth.data.framing.event import (
    Events,
    InteractionColumns,
    listed,
    read_events,
    time_of,
)
from autosynth.data.framing.feature import About, apply_rows, fit_rows, read_about
from autosynth.data.framing.framing import Encoded, Framing, LabelledRows
from autosynth.data.framing.users import latest_of, read_table_of, users_of
from autosynth.data.framing.weight import check_unweighted
from autosynth.data.inspection.describe import describe
from autosynth.data.source.memory import Batching
from autosynth.data.source.raw import Raw, RawRows, fingerprint
from autosynth.data.source.read import Source
from autosynth.errors import DataError
from autosynth.options import DataConfig
from autosynth.spec import Dataset, SeenItems, Splits, TargetSpec

_SAVED = "interactions"  # the key of what is known of them, beside the encoders
MOST_HELD = 5_000
"""Users of whom interactions are held out, at most."""
_MOST_SCORES = 50_000_000  # of held-out users times items
_MIN_ROWS = 10
_Rows = NDArray[np.int64]
_TRAIN, _CALIBRATION, _VALIDATION, _TEST = range(4)


class InteractionFraming(Framing):
    """Interactions of users with items, of which the next one is told."""

    @staticmethod
    def load(source: Source, config: DataConfig, batching: Batching) -> Dataset:
        """As `Framing`; the source is a path or a frame, an interaction a row.

        `target` is the column of items, `time` that of times, numbers or dates (rows stand in
        order without it), `user` that of users, `features` are tables about users or items, `drop`
        columns to leave out of either; `seed` says which users are held out, where there are more
        than `MOST_HELD`.
        """
        _check_config(config)
        columns = InteractionColumns(
            user=config.user or "", item=config.target[0], time=config.time or ""
        )
        raw, frame = read_table_of(source, batching, columns.names)
        columns, dates = time_of(frame, columns, date_detail(columns.time, config.columns))
        events = read_events(frame, columns, raw.source)
        events, parts = _learnable(events, columns, raw.source, config.seed)
        rows = np.flatnonzero(events.start < np.arange(len(parts)))
        splits = _splits(parts[rows], raw.source, columns)
        seen = SeenItems(codes=events.item, start=events.start[rows], stop=rows)
        tables = _tables(config.features, events, columns, batching)
        tables, events = _dropped(config.drop, tables, events, raw.source)
        fitted, ignored = fit_rows(events, seen, tables, splits.train)
        x, row_warnings = apply_rows(fitted, events, seen, tables, raw.source)
        dataset = Dataset(
            name=raw.name,
            source=raw.source,
            inputs=tuple(encoder.spec for encoder in fitted),
            target=TargetSpec(name=columns.item, task="ranking", classes=events.items),
            x=x,
            y=events.item[rows],
            splits=splits,
            independent=False,
            encoders={
                "inputs": [encoder.to_dict() for encoder in fitted],
                _SAVED: {
                    **asdict(columns),
                    "forms": list(columns.forms),
                    "items": list(events.items),
                    "features": [table.to_dict() for table in tables],
                },
            },
            fingerprint=_fingerprint(frame, columns, events, tables),
            warnings=(
                *raw.warnings,
                *([f"column {columns.time!r}: {dates.doubt}"] if dates and dates.doubt else []),
                *events.warnings,
                *row_warnings,
            ),
            seen=seen,
        )
        if dates and dates.assumed:
            raw = replace(raw, assumed=(*raw.assumed, f"{columns.time}: {dates.assumed}"))
        return replace(dataset, summary=_lines(dataset, raw, ignored, events))

    def encode(self, source: Any) -> Encoded:
        """As `Framing`: a row for each user, after all that the user had."""
        return users_of(source, self.encoders[_SAVED], self.inputs, self.batching)

    def labelled(self, source: Any, target: TargetSpec, columns: Sequence[str]) -> LabelledRows:
        """As `Framing`: the last item of each user, which a search held out to test on."""
        return latest_of(source, self.encoders[_SAVED], self.inputs, self.batching)


def _check_config(config: DataConfig) -> None:
    target, task = config.target, config.task
    check_unweighted(config, "those of a ranking are what users had one after another")
    if config.keep or set(config.columns) - {config.time} or config.group:
        raise DataError(
            "interactions are read by --user, --target and --time, and held out by user; leave "
            "--keep, --column (but of the column of times) and --group out."
        )
    if task not in (None, "ranking"):
        raise DataError(
            f"users and features belong to the task ranking, not {task}. Leave --user and "
            "--features out, or the task."
        )
    if not config.user:
        raise DataError(
            "a ranking is of a user's items, and no column says who. Name the column of users "
            "with --user."
        )
    if len(target) != 1:
        raise DataError(
            f"a ranking has one target, the column of items, and {len(target)} are named. Name "
            "it with --target."
        )
    if config.test is not None or config.validation is not None:
        raise DataError(
            "a ranking is tested on the last interaction of each user; leave --test and "
            "--validation out, and let "
            "its interactions stand with the others."
        )


def _learnable(
    events: Events, columns: InteractionColumns, source: str, seed: int
) -> tuple[Events, _Rows]:
    """The events with items that training rows have, and which split each is the target of."""
    parts = _parts(events, seed)
    learnt = events.item[parts == _TRAIN]
    items = _by_count(events, learnt)
    _check_enough(events, items, source, columns)
    known = np.isin(events.item, learnt)
    warnings = (*events.warnings, *_lost(events, known))
    return replace(events.known(items), warnings=warnings), parts[known]


def _parts(events: Events, seed: int) -> _Rows:
    """Which split each event is the target of; the first ones, which have no history, train."""
    n, position = events.stop - events.start, np.arange(len(events.user)) - events.start
    left = n - position - 1
    is_held_out = np.isin(events.user, _held(events, seed))
    parts = np.full(len(position), _TRAIN)
    for part, after in ((_TEST, 0), (_VALIDATION, 1), (_CALIBRATION, 2)):
        # Every user keeps a row to learn from: two events before what is held out.
        parts[is_held_out & (left == after) & (n >= 3 + after)] = part
    return parts


def _held(events: Events, seed: int) -> _Rows:
    """The users of whom interactions are held out: all, or as many as can be scored."""
    users = np.unique(events.user)
    most = min(MOST_HELD, max(100, _MOST_SCORES // max(1, len(events.items))))
    if len(users) <= most:
        return users
    return np.sort(np.random.default_rng(seed).choice(users, most, replace=False))


def _by_count(events: Events, learnt: _Rows) -> tuple[str, ...]:
    """The names of the items in training rows, the most frequent first."""
    counts = np.bincount(learnt, minlength=len(events.items))
    order = np.argsort(-counts, kind="stable")
    return tuple(events.items[code] for code in order if counts[code])


def _lost(events: Events, known: NDArray[np.bool_]) -> list[str]:
    """What is said of items that only held-out rows have, and of users with one interaction."""
    warnings = []
    lost = sorted({events.items[code] for code in np.unique(events.item[~known])})
    if lost:
        warnings.append(
            f"{len(lost)} items that only held-out interactions have were left out, with "
            f"{int((~known).sum())} interactions: {listed(lost)}"
        )
    single = int((events.stop - events.start == 1).sum())
    if single:
        warnings.append(f"{single} users have one interaction, which no other can be told from")
    return warnings


def _check_enough(
    events: Events, items: Sequence[str], source: str, columns: InteractionColumns
) -> None:
    if not len(events.user):
        raise DataError(
            f"{source} has no interaction with {columns.user} and {columns.item}. Name other "
            "columns with --user and --target."
        )
    if len(items) < 2:
        raise DataError(
            f"a ranking is of two items or more; column {columns.item!r} of {source} holds "
            f"{len(items)}, {listed(items)!r}. Name the column of items with --target."
        )
    if (events.stop - events.start).max() == 1:
        raise DataError(
            f"every user of {source} has one interaction, and what comes next is learnt from "
            f"those with more. Is {columns.user!r} the column of users? Name it with --user."
        )


def _splits(parts: _Rows, source: str, columns: InteractionColumns) -> Splits:
    rows = [np.flatnonzero(parts == part) for part in (_TRAIN, _CALIBRATION, _VALIDATION, _TEST)]
    train, fit, select, test = rows
    if len(train) < _MIN_ROWS or not len(select) or not len(test):
        raise DataError(
            f"{source} leaves {len(train)} interactions to learn from, {len(select)} to select on "
            f"and {len(test)} to test on; at least {_MIN_ROWS}, 1 and 1 are needed. Give "
            f"{columns.user} with four interactions or more."
        )
    return Splits(train=train, calibration=fit, validation=select, test=test)


def _tables(
    features: Sequence[Source], events: Events, columns: InteractionColumns, batching: Batching
) -> list[About]:
    read = [read_table_of(source, batching) for source in features]
    tables = [read_about(frame, raw.source, events, columns) for raw, frame in read]
    names = Counter(f"{table.of} {name}" for table in tables for name in table.frame)
    if twice := [name for name, count in names.items() if count > 1]:
        raise DataError(
            f"features have columns of one name: {listed(twice)} stands in two tables. Rename "
            "one, or leave one out with --drop."
        )
    return tables


def _dropped(
    drop: Sequence[str], tables: Sequence[About], events: Events, source: str
) -> tuple[list[About], Events]:
    """Tables and events without some columns."""
    frames = [events.others, *(table.frame for table in tables)]
    columns_there = [str(name) for frame in frames for name in frame.columns]
    if lacking := [name for name in drop if name not in columns_there]:
        raise DataError(
            f"column {lacking[0]!r}, to be dropped, is no other column of {source} or its "
            f"features; those are: {listed(columns_there, 12) or 'none'}."
        )
    others, *rest = (frame.drop(columns=[n for n in drop if n in frame]) for frame in frames)
    left = [replace(table, frame=frame) for table, frame in zip(tables, rest, strict=True)]
    return left, replace(events, others=others)


def _fingerprint(
    frame: pd.DataFrame, columns: InteractionColumns, events: Events, tables: Sequence[About]
) -> str:
    """Of what is read: it changes with the columns that are named, and with those dropped."""
    read = [*filter(None, [columns.time]), columns.user, columns.item, *events.others.columns]
    frames = [frame[read], *(table.frame for table in tables)]
    return fingerprint(*(RawRows(x=frame, index=range(len(frame))) for frame in frames))


def _lines(
    dataset: Dataset, raw: Raw, ignored: Sequence[IgnoredColumn], events: Events
) -> tuple[str, ...]:
    """The lines that say what was understood."""
    n, users = len(events.user), len(np.unique(events.user))
    sizes = np.unique(events.user, return_counts=True)[1]
    items = len(events.items)
    about = (
        f"interactions {n} of {users} users and {items} items, {n / (users * items):.2%} of all "
        f"pairs; a user has {sizes.min()} ... {sizes.max()}, median {np.median(sizes):g}",
    )
    how = "the last interactions of each user"
    return describe(dataset, raw, ignored, about=about, how=how)

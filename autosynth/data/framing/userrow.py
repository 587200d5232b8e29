"""Rows of users: a history, and a table of what else is known; fitted, and applied again.

Takes events and where each row's history begins and ends among them.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autosynth.data.column.column import Column, IgnoredColumn
from autosynth.data.column.inference import infer_columns
from autosynth.data.encoder.apply import apply, check_columns
from autosynth.data.encoder.encoder import Encoder
from autosynth.data.encoder.frame import fit_frame
from autosynth.data.encoder.ids import IdsEncoder
from autosynth.data.framing.event import Events
from autosynth.data.framing.feature import LAST, MEAN, About, described
from autosynth.spec import RowNumbers, SeenItems

_MET = (LAST, MEAN)


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
    encoders: Sequence[Encoder], events: Events, seen: SeenItems, tables: Sequence[About],
    place: str,
) -> tuple[dict[str, NDArray[Any]], tuple[str, ...]]:  # fmt: skip
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

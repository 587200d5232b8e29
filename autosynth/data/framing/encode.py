"""Encodes raw rows for prediction, with the encoders a dataset was read with.

Takes data in a form that `load` takes, and the dict it left in `Dataset.encoders`; the target
column may be there and is not looked at.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from numpy.typing import NDArray

from autosynth.data.encoder.apply import apply
from autosynth.data.encoder.encoder import Encoder
from autosynth.data.encoder.registry import encoders_from
from autosynth.data.framing.users import users_of
from autosynth.data.framing.windows import last_window
from autosynth.data.source.outofcore import large_chunks
from autosynth.data.source.raw import Index, RawRows
from autosynth.data.source.read import read_unlabelled
from autosynth.errors import DataError
from autosynth.spec import SeenItems


@dataclass(frozen=True, kw_only=True)
class Encoded:
    """Rows as the inputs' specs say. `index` names them: row numbers, file names of images, users.

    `called` is what the names are of, and `seen` what a user had before, which a ranking leaves
    out.
    """

    x: Mapping[str, NDArray[Any]]
    index: Index
    warnings: tuple[str, ...] = ()
    called: str | None = None
    seen: SeenItems | None = None


def encode(source: Any, encoders: Mapping[str, Any]) -> Encoded:
    """Encode the rows of `source`: a path, a built-in name, a DataFrame or an array `x`.

    A source that has an official test part inside gives that part, any other all of its rows.
    Columns may stand in any order, categories never seen are 0, rows that hold nothing to read
    (a broken image, a series of NaN) are left out with a warning. To forecast, the end of the
    series is the one row, named by its last time; of interactions there is a row for each user.
    Raises `DataError` where columns lack, shapes differ, or no row is left.
    """
    if "windows" in encoders:
        x, names, warnings = last_window(source, encoders)
        return Encoded(x=x, index=names, warnings=warnings)
    if "interactions" in encoders:
        found = users_of(source, encoders)
        return Encoded(
            x=found.x, index=found.names, warnings=found.warnings, seen=found.seen,
            called=encoders["interactions"]["user"],
        )  # fmt: skip
    inputs = encoders_from(encoders)
    raw = read_unlabelled(source, inputs[0].row_format)
    rows = raw.main
    if rows is None or not len(rows):
        raise DataError(f"{raw.source} holds no rows to predict.")
    encoded = _encoded(rows, raw.source, raw.warnings, inputs)
    if not len(encoded.index):
        told = "; ".join(encoded.warnings[len(raw.warnings) :])
        raise DataError(f"no row of {raw.source} can be read{f' ({told})' if told else ''}.")
    return encoded


def encode_parts(source: Any, encoders: Mapping[str, Any]) -> Iterator[Encoded]:
    """As `encode`; of a table that is too large for memory, a part of its rows after another.

    A part may have no row that can be read; its warnings say which rows it holds.
    """
    inputs = encoders_from(encoders)
    is_framed = "windows" in encoders or "interactions" in encoders
    chunks = large_chunks(source) if inputs[0].columns and not is_framed else None
    if chunks is None:
        yield encode(source, encoders)
        return
    start, told = 0, chunks.warnings
    for frame in chunks.frames(chunks.names):
        index = range(start, start + len(frame))
        rows = RawRows(x=frame, index=index, folder=str(chunks.path.parent))
        part = _encoded(rows, str(chunks.path), (), inputs)
        where = f"rows {index[0]:,} to {index[-1]:,}"
        told += tuple(f"{where}: {text}" for text in part.warnings)
        yield replace(part, warnings=told)
        start, told = index.stop, ()


def _encoded(
    rows: RawRows, source: str, warnings: tuple[str, ...], inputs: Sequence[Encoder]
) -> Encoded:
    """Those of the rows that can be read, after warnings of reading them."""
    applied = apply(inputs, rows.x, source, rows.folder)
    index = rows.index
    if len(applied.keep) < len(index):
        index = [str(index[int(row)]) for row in applied.keep]
    return Encoded(x=applied.x, index=index, warnings=(*warnings, *applied.warnings))

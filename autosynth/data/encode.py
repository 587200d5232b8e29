"""Encodes raw rows for prediction, with the encoders a dataset was read with.

Takes data in a form that `load` takes, and the dict it left in `Dataset.encoders`; the target
column may be there and is not looked at.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from autosynth.data.inputs.encoder import apply
from autosynth.data.raw import Index
from autosynth.data.read import read_unlabelled
from autosynth.data.seen import Seen
from autosynth.data.users import users_of
from autosynth.data.windows import last_window
from autosynth.errors import DataError


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
    seen: Seen | None = None


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
    inputs = encoders["inputs"]
    raw = read_unlabelled(source, inputs[0])
    rows = raw.main
    if rows is None or not len(rows):
        raise DataError(f"{raw.source} holds no rows to predict.")
    applied = apply(inputs, rows.x, raw.source, rows.folder)
    if not len(applied.keep):
        told = "; ".join(applied.warnings)
        raise DataError(f"no row of {raw.source} can be read{f' ({told})' if told else ''}.")
    index = rows.index
    if len(applied.keep) < len(index):
        index = [str(index[int(row)]) for row in applied.keep]
    return Encoded(
        x=applied.x,
        index=index,
        warnings=(*raw.warnings, *applied.warnings),
    )

"""Labelled rows for a model that is there already: encoded as it reads them, with true values.

Takes data in a form that `load` takes; the encoders and the target are those of the model.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from autosynth.data.encoder.apply import apply
from autosynth.data.encoder.encoder import Applied, Encoder
from autosynth.data.encoder.registry import encoders_from
from autosynth.data.framing.users import latest_of
from autosynth.data.framing.windows import labelled_windows
from autosynth.data.source.fingerprint import fingerprint
from autosynth.data.source.raw import Raw, RawRows, RowFormat
from autosynth.data.source.read import read_source
from autosynth.errors import DataError
from autosynth.spec import SeenItems, TargetSpec
from autosynth.task.read import true_values_of
from autosynth.task.target import LeftOut, TrueValues
from autosynth.task.task import task_of


@dataclass(frozen=True, kw_only=True)
class LabelledRows:
    """Rows to score on: `x` and `y` as in a `Dataset`.

    `raw` are the same rows as they were read, `index` their names, `left_out` what could not be
    scored of the source. `official` says that they are its test part; `fingerprint` is of the
    whole source, as in a `Dataset`. `seen` is what a ranking leaves out of each row.
    """

    source: str
    official: bool
    fingerprint: str
    x: Mapping[str, NDArray[Any]]
    y: NDArray[Any]
    raw: NDArray[Any] | pd.DataFrame
    index: Sequence[Any]
    left_out: tuple[LeftOut, ...]
    warnings: tuple[str, ...]
    seen: SeenItems | None = None

    def __len__(self) -> int:
        return len(self.y)

    def only(self, rows: NDArray[np.int64]) -> "LabelledRows":
        """These rows alone, in order."""
        return replace(
            self,
            x={name: values[rows] for name, values in self.x.items()},
            y=self.y[rows],
            raw=self.raw.iloc[rows] if isinstance(self.raw, pd.DataFrame) else self.raw[rows],
            index=[self.index[int(row)] for row in rows],
            seen=self.seen.only(rows) if self.seen else None,
        )


def read_labelled(
    source: Any, encoders: Mapping[str, Any], target: TargetSpec, columns: Sequence[str] = ()
) -> LabelledRows:
    """The rows of `source` that a model can be scored on; of its test part, where it has one.

    Args:
        source: as `load` takes it.
        encoders: of the model.
        target: of the model.
        columns: that hold the true values, where they are not named as in training.

    Raises:
        DataError: no labels, columns or shapes that do not fit, or no row that can be scored.
    """
    if "windows" in encoders:
        return _forecasts(source, encoders)
    if "interactions" in encoders:
        return _rankings(source, encoders)
    inputs = encoders_from(encoders)
    raw = _read(source, inputs[0].row_format, columns or _names(inputs[0], target))
    rows = raw.test or raw.main
    if rows is None or not len(rows):
        raise DataError(f"{raw.source} holds no rows to score.")
    if rows.y is None:
        raise DataError(
            f"{raw.source} holds {len(rows)} rows to test on without a target; scoring needs one "
            "value a row. Give labelled rows, or use `autosynth predict`."
        )
    applied = apply(inputs, rows.x, raw.source, rows.folder)
    true_values = true_values_of(rows.y, target, raw.source)
    labelled = _joined(raw, rows, applied, true_values)
    unread = len(rows) - len(applied.keep)
    lost = (LeftOut(reason="that could not be read", rows=unread),) if unread else ()
    if not len(labelled):
        raise DataError(f"no row of {raw.source} has both values to read and a target.")
    warnings = (*raw.warnings, *applied.warnings, *true_values.warnings)
    return replace(labelled, left_out=(*true_values.left_out, *lost), warnings=warnings)


def _forecasts(source: Any, encoders: Mapping[str, Any]) -> LabelledRows:
    """Every window of a series, named by the time of its first step ahead."""
    windows = labelled_windows(source, encoders)
    steps = windows.steps
    index: Sequence[Any] = windows.start.tolist()
    if steps.labels is not None:
        index = steps.labels.iloc[windows.start].astype(str).tolist()
    return LabelledRows(
        source=steps.source, official=False, fingerprint="", x=windows.x, y=windows.y,
        raw=np.empty((len(windows.y), 0)), index=index, left_out=(), warnings=steps.warnings,
    )  # fmt: skip


def _rankings(source: Any, encoders: Mapping[str, Any]) -> LabelledRows:
    """The last item of each user: what the search of these interactions held out to test on."""
    latest = latest_of(source, encoders)
    return LabelledRows(
        source=latest.source, official=True, fingerprint="", x=latest.x, y=latest.item,
        raw=np.empty((len(latest.item), 0)), index=latest.names, left_out=latest.left_out,
        warnings=latest.warnings, seen=latest.seen,
    )  # fmt: skip


def _joined(raw: Raw, rows: RawRows, applied: Applied, true_values: TrueValues) -> LabelledRows:
    """The rows that have both inputs and true values, each beside its own."""
    both, at_x, at_y = np.intersect1d(applied.keep, true_values.keep, return_indices=True)
    whole = len(both) == len(rows)
    x = {name: values if whole else values[at_x] for name, values in applied.x.items()}
    frame = rows.x
    if not whole:
        frame = frame.iloc[both] if isinstance(frame, pd.DataFrame) else frame[both]
    index = rows.index if whole else [rows.index[int(row)] for row in both]
    return LabelledRows(
        source=raw.source, official=raw.test is not None,
        fingerprint=fingerprint(raw.main, raw.validation, raw.test),
        x=x, y=true_values.y if whole else true_values.y[at_y], raw=frame, index=index,
        left_out=(), warnings=(),
    )  # fmt: skip


def _read(source: Any, rows: RowFormat, names: Sequence[str]) -> Raw:
    if isinstance(source, np.ndarray):
        raise DataError(
            f"an array of shape {source.shape} has no labels to score against; give (x, y)."
        )
    like = None
    if rows.kind == "image":  # images of a folder are brought to its shape
        channels, height, width = rows.shape
        like = RawRows(x=np.empty((0, height, width, channels)), index=range(0))
    return read_source(source, names, like=like)


def _names(encoder: Encoder, target: TargetSpec) -> tuple[str, ...]:
    """The columns of a table that hold the true values; none where the form itself tells."""
    if not encoder.columns or encoder.width is not None:  # arrays have no names
        return ()
    if target.parts:
        return tuple(part.name for part in target.parts)
    several = task_of(target).joins_columns and target.name == " + ".join(target.classes)
    return target.classes if several else (target.name,)

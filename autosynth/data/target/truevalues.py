"""True values of new rows for a target that is known already: what a model is scored against.

Takes raw values and the `TargetSpec` of a model; gives codes or numbers in its terms. Class names
are matched by their text. What the model cannot be scored on is counted, with its reason.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from autosynth.data.column.cell import missing_in, text_of
from autosynth.data.target.targets import LABEL_SEPARATORS
from autosynth.errors import DataError
from autosynth.spec import TargetSpec

_SHOWN = 5


@dataclass(frozen=True, kw_only=True)
class LeftOut:
    """So many rows are not scored, and why."""

    reason: str
    rows: int


@dataclass(frozen=True, kw_only=True)
class TrueValues:
    """`y`, as in a `Dataset`, of the rows `keep`; what was left out of the others, and told."""

    y: NDArray[Any]
    keep: NDArray[np.int64]
    left_out: tuple[LeftOut, ...] = ()
    warnings: tuple[str, ...] = ()


def true_values_of(
    values: "pd.Series[Any] | pd.DataFrame", target: TargetSpec, place: str
) -> TrueValues:
    """The true values of all rows that can be scored.

    Args:
        values: raw, rows first; a column each where the target has several.
        target: of the model.
        place: where the values come from, for messages.

    Raises:
        DataError: no row can be scored, or there are more or fewer columns than the target has.
    """
    if target.task == "multilabel":
        y_true = _labels(values, target, place)
    else:
        fields = [field.target for field in target.fields]
        columns = _columns(values, sum(field.n_columns for field in fields), target.name, place)
        specs = [field for field in fields for _ in range(field.n_columns)]
        pairs = list(zip(specs, columns, strict=True))
        y_true = _together([_one(column, spec) for spec, column in pairs], target)
    if not len(y_true.keep):
        why = "; ".join(f"{each.rows} rows {each.reason}" for each in y_true.left_out)
        raise DataError(
            f"no row of {place} can be scored: {why}. {_known(target)} Give data with labels of "
            "that kind, or name the column that holds them with --target."
        )
    return y_true


def _known(target: TargetSpec) -> str:
    names = ", ".join(map(repr, target.classes[:_SHOWN]))
    more = f" and {len(target.classes) - _SHOWN} more" if len(target.classes) > _SHOWN else ""
    return f"The model knows {names}{more} of {target.name!r}." if names else ""


def _columns(
    values: "pd.Series[Any] | pd.DataFrame", wanted: int, name: str, place: str
) -> "list[pd.Series[Any]]":
    columns = [values[title] for title in values] if isinstance(values, pd.DataFrame) else [values]
    if len(columns) != wanted:
        raise DataError(
            f"target {name!r} has {wanted} columns, and {place} gives {len(columns)}; name all of "
            "them with --target, in the order of the training."
        )
    return columns


def _one(values: "pd.Series[Any]", spec: TargetSpec) -> TrueValues:
    return _codes(values, spec) if spec.is_coded else _numbers(values, spec)


def _codes(values: "pd.Series[Any]", spec: TargetSpec) -> TrueValues:
    missing = missing_in(values)
    texts = values.map(text_of, na_action="ignore")
    code_of = {name: code for code, name in enumerate(spec.classes)}
    codes = texts.map(code_of).to_numpy(dtype=np.float64, na_value=np.nan)
    if np.isnan(codes).all():  # the labels of UCI's test files end in a point (`<=50K.`)
        bare = texts.astype(str).str.removesuffix(".")
        codes = bare.map(code_of).to_numpy(dtype=np.float64, na_value=np.nan)
    strange = np.isnan(codes) & ~missing
    keep = np.flatnonzero(~np.isnan(codes))
    reason = f"of a class of {spec.name!r} that the model never saw ({_some(texts[strange])})"
    return TrueValues(
        y=codes[keep].astype(np.int64), keep=keep, left_out=_left(missing, strange, spec, reason)
    )


def _numbers(values: "pd.Series[Any]", spec: TargetSpec) -> TrueValues:
    missing = missing_in(values)
    numbers = pd.to_numeric(values, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    strange = ~np.isfinite(numbers) & ~missing
    keep = np.flatnonzero(np.isfinite(numbers))
    reason = f"whose {spec.name!r} is no finite number ({_some(values[strange].map(text_of))})"
    return TrueValues(y=numbers[keep], keep=keep, left_out=_left(missing, strange, spec, reason))


def _left(
    missing: NDArray[np.bool_], strange: NDArray[np.bool_], spec: TargetSpec, reason: str
) -> tuple[LeftOut, ...]:
    counts = ((f"without a value of {spec.name!r}", missing), (reason, strange))
    return tuple(LeftOut(reason=why, rows=int(n.sum())) for why, n in counts if n.any())


def _together(targets: Sequence[TrueValues], target: TargetSpec) -> TrueValues:
    """Several columns, on the rows that have all of them."""
    if len(targets) == 1:
        return targets[0]
    keep = targets[0].keep
    for each in targets[1:]:
        keep = np.intersect1d(keep, each.keep)
    columns = [each.y[np.searchsorted(each.keep, keep)] for each in targets]
    return TrueValues(
        y=np.stack(columns, axis=1).astype(np.float64), keep=keep,
        left_out=tuple(dict.fromkeys(each for one in targets for each in one.left_out)),
    )  # fmt: skip


def _labels(values: "pd.Series[Any] | pd.DataFrame", target: TargetSpec, place: str) -> TrueValues:
    if isinstance(values, pd.DataFrame):
        columns = _columns(values, len(target.classes), target.name, place)
        y = np.stack([pd.to_numeric(column, errors="coerce") for column in columns], axis=1)
        y = y.astype(np.float64)
        good = np.isin(y, (0, 1)).all(axis=1)
        left = (LeftOut(reason="with a label that is not 0 or 1", rows=int((~good).sum())),)
        return TrueValues(
            y=y[good], keep=np.flatnonzero(good), left_out=() if good.all() else left
        )
    texts = [
        "" if gone else text_of(v) for v, gone in zip(values, missing_in(values), strict=True)
    ]
    code = {label: number for number, label in enumerate(target.classes)}
    read = [[_parts(text, mark) for text in texts] for mark in LABEL_SEPARATORS]
    cells = max(read, key=lambda cells: sum(label in code for cell in cells for label in cell))
    y = np.zeros((len(cells), len(code)))
    unknown: Counter[str] = Counter()
    for row, cell in enumerate(cells):
        y[row, [code[label] for label in cell if label in code]] = 1
        unknown.update(cell - code.keys())
    if unknown and not y.any():
        why = f"of labels that the model never saw ({_some(pd.Series(list(unknown)))})"
        return TrueValues(y=y[:0], keep=np.arange(0), left_out=(LeftOut(reason=why, rows=len(y)),))
    named = ", ".join(f"{label!r} ({n} rows)" for label, n in unknown.most_common(_SHOWN))
    warnings = (f"labels that the model never saw are not scored: {named}",) if unknown else ()
    return TrueValues(y=y, keep=np.arange(len(y)), warnings=warnings)


def _parts(text: str, mark: str) -> set[str]:
    return {part.strip() for part in text.split(mark)} - {""}


def _some(texts: "pd.Series[Any]") -> str:
    names = list(dict.fromkeys(texts))
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(repr(name) for name in names[:_SHOWN]) + more

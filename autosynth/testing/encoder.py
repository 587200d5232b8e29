"""The contract of an encoder, as checks that take one and raise an AssertionError.

What the rest of the house counts on: it learns from training rows alone, its arrays are what its
spec says, what it learnt comes back from JSON, a row is read by itself wherever it stands, and
neither values never seen nor missing ones break it or move another row. The tests of this package
run these very checks over every encoder there is.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from autosynth.data.encoder.encoder import Encoder, Transformed
from autosynth.spec import RowNumbers, SeenItems

EncoderRows: TypeAlias = pd.DataFrame | NDArray[Any] | SeenItems
"""What an encoder reads: a frame with its columns, an array, or histories."""
_TYPES = ("uint8", "int32", "float32")


@dataclass(frozen=True, kw_only=True)
class EncoderCase:
    """A way to fit one encoder, and raw rows to fit it on and to read.

    `fit` takes rows and the numbers of training rows among them. `unseen` are rows with values
    that none of `rows` has: longer ones, other words, numbers out of range.
    """

    fit: Callable[[Any, RowNumbers], Encoder]
    rows: EncoderRows
    unseen: EncoderRows | None = None

    @cached_property
    def train(self) -> RowNumbers:
        """Two thirds of the rows."""
        return np.flatnonzero(np.arange(_count(self.rows)) % 3 != 1)

    @cached_property
    def encoder(self) -> Encoder:
        """Fitted on the training rows."""
        return self.fit(self.rows, self.train)

    @cached_property
    def encoded(self) -> Transformed:
        """All rows."""
        return self.encoder.transform(self.rows)


def check_training_rows(case: EncoderCase) -> None:
    """What it learns is the same whether other rows are there or not."""
    alone = case.fit(_only(case.rows, case.train), np.arange(len(case.train)))
    _must(alone.to_dict() == case.encoder.to_dict(), "it learns from rows that are not training's")


def check_array(case: EncoderCase) -> None:
    """The array is what the spec says, and a quick look at it finds numbers."""
    spec, found = case.encoder.spec, case.encoded
    _must((spec.name, spec.kind) == (case.encoder.name, case.encoder.kind), f"its spec is {spec}")
    _check_values(case.encoder, found, _count(case.rows))
    x = case.encoder.few_numbers(found.values, spec)
    _must(x.ndim == 2 and len(x) == len(found.values), f"few_numbers have shape {x.shape}")
    _must(bool(np.isfinite(x).all()), "few_numbers are not all finite")


def check_described(case: EncoderCase) -> None:
    """It says something of its input, by name; a view of another input may be silent."""
    kept = np.isin(_kept(case.encoded, _count(case.rows)), case.train)
    lines = list(case.encoder.describe(case.encoded.values, np.flatnonzero(kept)))
    named = bool(lines) and case.encoder.name in lines[0]
    _must(named or bool(case.encoder.spec.of), f"its description does not begin with it: {lines}")


def check_saved_form(case: EncoderCase) -> None:
    """What it learnt goes through JSON and comes back, and reads the same rows in the same way."""
    plain = json.loads(json.dumps(case.encoder.to_dict()))
    again = type(case.encoder).from_dict(plain)
    _must(plain.get("kind") == case.encoder.kind, f"its saved form is of kind {plain.get('kind')}")
    _must(again == case.encoder, f"it comes back as {again}")
    _same(again.transform(case.rows).values, case.encoded.values, "read from its saved form")


def check_order(case: EncoderCase) -> None:
    """Rows out of order give rows out of order, and a row alone is what it is among others."""
    count = _count(case.rows)
    order = np.random.default_rng(0).permutation(count)
    whole = dict(zip(_kept(case.encoded, count).tolist(), case.encoded.values, strict=True))
    for chosen in (order, order[:1], order[-1:]):
        found = case.encoder.transform(_only(case.rows, chosen))
        rows = [int(row) for row in chosen[_kept(found, len(chosen))]]
        _must(rows == [int(row) for row in chosen if row in whole], "other rows are left out")
        _same(found.values, np.array([whole[row] for row in rows]), "in another order, or alone")


def check_unseen(case: EncoderCase) -> None:
    """Values that training rows did not have make an array like any other."""
    if case.unseen is not None:
        found = case.encoder.transform(case.unseen)
        _check_values(case.encoder, found, _count(case.unseen))


def check_missing(case: EncoderCase) -> None:
    """A row without any value moves no other: it is encoded, or left out with a warning."""
    rows = _without_first(case.rows)
    if rows is None:
        return
    found, count = case.encoder.transform(rows), _count(rows)
    _check_values(case.encoder, found, count)
    kept = _kept(found, count)
    _must(0 in kept or bool(found.warnings), "a row is left out, and no warning says so")
    before = _kept(case.encoded, count)
    _must(set(before) - {0} <= set(kept), "other rows are left out, too")
    _same(
        found.values[np.isin(kept, before) & (kept > 0)],
        case.encoded.values[before > 0],
        "beside a row without values",
    )


ENCODER_CHECKS: tuple[Callable[[EncoderCase], None], ...] = (
    *(check_training_rows, check_array, check_described, check_saved_form),
    *(check_order, check_unseen, check_missing),
)


def check_encoder(
    fit: Callable[[Any, RowNumbers], Encoder], rows: EncoderRows, unseen: EncoderRows | None = None
) -> None:
    """Hold an encoder to its contract.

    Args:
        fit: takes `rows` and the numbers of training rows, gives the fitted encoder.
        rows: a dozen raw rows or more, as its `transform` takes them.
        unseen: rows with values that none of those has.

    Raises:
        AssertionError: the contract is broken; a note says in which check.
    """
    case = EncoderCase(fit=fit, rows=rows, unseen=unseen)
    for check in ENCODER_CHECKS:
        try:
            check(case)
        except Exception as error:
            error.add_note(check.__name__)
            raise


def _check_values(encoder: Encoder, found: Transformed, count: int) -> None:
    """Shape, type, row numbers, gaps and codes of what `count` rows made."""
    spec, x = encoder.spec, found.values
    _must(x.shape[1:] == spec.shape, f"rows have shape {x.shape[1:]}; the spec says {spec.shape}")
    _must(len(x) == len(_kept(found, count)), f"{len(x)} rows, and other row numbers")
    _must(str(x.dtype) in _TYPES, f"values are {x.dtype}, none of {', '.join(_TYPES)}")
    if x.dtype == np.float32:
        _must(not np.isinf(x).any(), "a value is infinite")
        _must(spec.masked or bool(spec.cardinalities) or not np.isnan(x).any(), "a value is NaN")
    sizes = np.broadcast_to(spec.cardinalities or (0,), spec.shape[-1:])
    for place in np.flatnonzero(sizes > 0):
        codes = x[:, place]
        inside = (codes >= 0) & (codes < sizes[place]) & (codes == np.round(codes))
        _must(bool(inside.all()), f"a code is none of the {sizes[place]} that there are")


def _count(rows: EncoderRows) -> int:
    return len(rows.start) if isinstance(rows, SeenItems) else len(rows)


def _only(rows: EncoderRows, chosen: RowNumbers) -> EncoderRows:
    if isinstance(rows, SeenItems):
        return rows.only(chosen)
    if isinstance(rows, pd.DataFrame):
        return rows.iloc[chosen].reset_index(drop=True)
    return rows[chosen]


def _without_first(rows: EncoderRows) -> EncoderRows | None:
    """The rows, the first without values; None where a row cannot be."""
    if isinstance(rows, pd.DataFrame):
        emptied = rows.astype(object)
        emptied.iloc[0] = None
        return emptied
    if isinstance(rows, SeenItems) or rows.dtype.kind != "f":
        return None
    emptied = rows.copy()
    emptied[0] = np.nan
    return emptied


def _kept(found: Transformed, count: int) -> RowNumbers:
    return np.arange(count) if found.keep is None else found.keep


def _same(x: NDArray[Any], wanted: NDArray[Any], when: str) -> None:
    equal = x.shape == wanted.shape and np.array_equal(x, wanted, equal_nan=x.dtype.kind == "f")
    _must(equal, f"rows differ {when}")


def _must(holds: bool, otherwise: str) -> None:
    if not holds:
        raise AssertionError(otherwise)

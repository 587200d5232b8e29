"""Finds columns that give the target away: what nobody will know when something is to predict.

Takes a dataset; gives a line with evidence a column. Nothing is dropped: what looks like a leak
may be known in time, and only the user can tell. Looked at are training rows of single columns:

- one that alone predicts nearly all (of the target's entropy, or of its variance; learnt on one
  half of the rows and checked on the other);
- one that says the target by being there, or by not being zero (the reason for a complaint);
- one that is not always there, and says the target where it is (a second opinion on the label).
"""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from math import log

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import bdtrc

from autosynth.data.column.column import FIRST_CATEGORY, MISSING, Column
from autosynth.data.encoder.registry import encoders_from
from autosynth.data.encoder.series import SeriesEncoder
from autosynth.data.encoder.table import TableEncoder
from autosynth.spec import Dataset, TargetSpec
from autosynth.task.task import task_of

_MIN_ENTROPY = 0.9  # share of it that is removed
_MIN_R2 = 0.98
_MIN_SURE = 0.97
_MAX_ERRORS = 0.25  # of those that the most frequent class makes
_MAX_CHANCE = 1e-6
_MAX_CHANCE_OF_GAPS = 0.05  # over all columns: what is given or missing is seldom so by chance
_MIN_ROWS = 50
_MIN_MARKED = 10
_BINS = 64
_MOST_ROWS = 50_000
# Of more columns than that, a look at some rows of all at once says which are worth a closer one:
# that takes .3 ms a column, 6 s of 20,000.
_MANY = 500
_FEW_ROWS = 500
_MIN_TOLD = 0.3

_Codes = NDArray[np.int64]
_Numbers = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class _Cells:
    """A column of training rows: its values, numbered from 0, and the rows that have one."""

    column: Column
    values: _Numbers
    codes: _Codes
    present: NDArray[np.bool_]


def leaks(dataset: Dataset) -> list[str]:
    """A line a column that gives the target away."""
    rows = dataset.splits.train
    rows = rows[:: -(-len(rows) // _MOST_ROWS)]
    if len(rows) < _MIN_ROWS:
        return []
    lines = []
    columns = list(_columns(dataset, rows))
    chance = _MAX_CHANCE_OF_GAPS / max(1, len(columns))
    for cells in columns:
        for spec, y in _targets(dataset, rows):
            number = task_of(spec).is_number
            evidence = _of_numbers(cells, y) if number else _of_classes(cells, y, spec, chance)
            if evidence:
                lines.append(
                    f"column {cells.column.name!r} may give {spec.name!r} away: {evidence}. If it "
                    f"is not known when you predict, leave it out: --drop {cells.column.name}"
                )
    return lines


def _columns(dataset: Dataset, rows: _Codes) -> Iterator[_Cells]:
    for encoder in encoders_from(dataset.encoders):
        if not isinstance(encoder, TableEncoder | SeriesEncoder):
            continue
        x = dataset.x[encoder.name][rows].reshape(len(rows), -1)
        telling = _telling(dataset, rows, x) if x.shape[1] > _MANY else None
        for index, column in enumerate(encoder.cells):
            if telling is not None and column.kind != "category" and not telling[index]:
                continue
            values = x[:, index].astype(np.float64)
            present = ~np.isnan(values)
            if column.kind == "category":
                present = values != MISSING
            yield _Cells(column=column, values=values, codes=_numbered(values), present=present)


def _telling(dataset: Dataset, rows: _Codes, x: _Numbers) -> NDArray[np.bool_]:
    """Which of many columns of numbers are worth a closer look, found for all of them at once.

    Eighths of the values, zero and a missing value say something of the target, each of its own.
    """
    few = slice(None, None, -(-len(rows) // _FEW_ROWS))
    x = x[few]
    order = np.argsort(np.argsort(x, axis=0), axis=0)
    bins = np.where(np.isnan(x), 9, np.where(x == 0, 8, order * 8 // len(x)))
    found = np.zeros(x.shape[1], dtype=bool)
    for _, y in _targets(dataset, rows):
        codes = pd.factorize(y[few])[0] if len(np.unique(y)) <= 8 else _eighths(y[few])
        classes = np.eye(codes.max() + 1)[codes]
        counts = np.stack([(bins == place).T @ classes for place in range(10)])
        total = counts.sum(2, keepdims=True)
        share = counts / np.maximum(total, 1)
        left = -(counts * np.log(np.maximum(share, 1e-12))).sum((0, 2)) / len(x)
        prior = classes.mean(0)
        removed = 1 + left / (prior * np.log(np.maximum(prior, 1e-12))).sum()
        pure = ((share.max(2) > prior.max()) & (total[..., 0] >= 3))[8:].any(0)
        found |= (removed > _MIN_TOLD) | pure
    return found


def _eighths(values: _Numbers) -> _Codes:
    return np.argsort(np.argsort(values)) * 8 // len(values)


def _targets(dataset: Dataset, rows: _Codes) -> Iterator[tuple[TargetSpec, _Numbers]]:
    """Each target of one column that is a class or a number."""
    y = dataset.y[rows].reshape(len(rows), -1)
    for part, _, columns in dataset.target.fields:
        task = task_of(part)
        if task.is_number or task.few_classes:
            yield part, y[:, columns.start]


def _numbered(values: _Numbers) -> _Codes:
    """The values by number; many different ones by quantile. Missing is a value like any."""
    present = ~np.isnan(values)
    codes = np.zeros(len(values), dtype=np.int64)
    distinct = np.unique(values[present])
    if len(distinct) > _BINS:
        distinct = np.unique(np.quantile(values[present], np.arange(1, _BINS) / _BINS))
    codes[present] = 1 + np.searchsorted(distinct, values[present], side="right")
    return codes


def _of_classes(cells: _Cells, y: _Numbers, spec: TargetSpec, chance: float) -> str:
    classes = spec.classes
    codes = y.astype(np.int64)
    counts = np.bincount(codes, minlength=len(classes))
    if counts.max() == len(codes):
        return ""
    removed = _removed(cells, codes, len(classes))
    if removed >= _MIN_ENTROPY:
        return f"alone it says {removed:.0%} of what there is to know of it"
    present, values = cells.present, cells.values
    marks = [("is given", present, chance), ("is missing", ~present, chance)]
    if cells.column.kind == "number":
        marks.append(("is not 0", present & (values != 0), _MAX_CHANCE))
        marks.append(("is 0", present & (values == 0), _MAX_CHANCE))
    for what, marked, most_chance in marks:
        n, most = int(marked.sum()), int(np.bincount(codes[marked], minlength=1).argmax())
        right = int((codes[marked] == most).sum())
        if _MIN_MARKED <= n < len(codes) and _is_sure(
            right, n, counts[most] / len(codes), most_chance
        ):
            return (
                f"where it {what} ({n} of {len(codes)} rows) the class is {classes[most]!r} in "
                f"{right / n:.1%}, elsewhere in {_share_elsewhere(codes, marked, most):.1%}"
            )
    return _where_present(cells, codes, counts, spec, chance)


def _where_present(
    cells: _Cells, codes: _Codes, counts: _Codes, spec: TargetSpec, chance: float
) -> str:
    """Whether a column with gaps says the class where it has none, be it by the class's name."""
    present, classes = cells.present, spec.classes
    n = int(present.sum())
    if _MIN_MARKED <= n < len(codes):
        right = _right_left_out(cells.codes[present], codes[present], len(classes))
        base = np.bincount(codes[present]).max() / n
        if _is_sure(right, n, max(base, counts.max() / len(codes)), _MAX_CHANCE):
            return f"in the {n} of {len(codes)} rows that have it, it says the class of {right}"
    if cells.column.kind != "category":
        return ""
    known = present & (cells.values >= FIRST_CATEGORY)
    # As objects: an array of text is as wide as its longest, in every row.
    names = np.array(cells.column.categories, dtype=object)[
        cells.values[known].astype(np.int64) - FIRST_CATEGORY
    ]
    same = names == np.array(classes, dtype=object)[codes[known]]
    luck = float(np.log(counts[codes[known]] / len(codes)).sum())
    if len(same) and same.mean() >= _MIN_SURE and luck < log(chance):
        return f"in {len(same)} of {len(codes)} rows it holds a class's name, and the right one"
    return ""


def _share_elsewhere(codes: _Codes, marked: NDArray[np.bool_], most: int) -> float:
    return float((codes[~marked] == most).mean())


def _is_sure(right: int, n: int, base: float, chance: float) -> bool:
    """Whether `right` of `n` is nearly all, much more than the share `base`, and no chance."""
    fraction = right / n
    return (
        fraction >= _MIN_SURE
        and 1 - fraction <= _MAX_ERRORS * (1 - base)
        and float(bdtrc(right - 1, n, base)) < chance
    )


def _removed(cells: _Cells, y: _Codes, k: int) -> float:
    """The share of the target's entropy that the column removes in rows it was not learnt on."""
    known, alone = 0.0, 0.0
    for learn, check in _halves(cells):
        prior = (np.bincount(y[learn], minlength=k) + 1) / (len(learn) + k)
        together = np.bincount(
            cells.codes[learn] * k + y[learn], minlength=(cells.codes.max() + 1) * k
        ).reshape(-1, k)
        given = (together + prior) / (together.sum(1, keepdims=True) + 1)
        known -= float(np.log(given[cells.codes[check], y[check]]).sum())
        alone -= float(np.log(prior[y[check]]).sum())
    return 1 - known / alone


def _right_left_out(values: _Codes, y: _Codes, k: int) -> int:
    """Rows whose class is the most frequent one of the other rows with their value."""
    together = np.bincount(values * k + y, minlength=(values.max() + 1) * k).reshape(-1, k)
    first = together.max(1)
    second = np.sort(together, axis=1)[:, -2]
    return int(first[(first - 1 > second) | ((first > 1) & (second == 0))].sum())


def _of_numbers(cells: _Cells, y: _Numbers) -> str:
    present = cells.present & np.isfinite(y)
    if present.sum() < _MIN_ROWS or y[present].std() == 0:
        return ""
    error, total = 0.0, 0.0
    for learn, check in _halves(cells):
        learn, check = learn[present[learn]], check[present[check]]
        guess = _guess(cells, y, learn, check)
        error += float(((y[check] - guess) ** 2).sum())
        total += float(((y[check] - y[learn].mean()) ** 2).sum())
    r2 = 1 - error / total
    return f"alone it says {r2:.1%} of its variance" if r2 > _MIN_R2 else ""


def _guess(cells: _Cells, y: _Numbers, learn: _Codes, check: _Codes) -> _Numbers:
    """The mean of the value; between numbers the line through means, and on past the ends."""
    codes = cells.codes[learn]
    n = np.bincount(codes)
    known_codes = np.flatnonzero(n)
    means = np.bincount(codes, y[learn])[known_codes] / n[known_codes]
    if cells.column.kind == "category":
        index = np.searchsorted(known_codes, cells.codes[check]).clip(max=len(known_codes) - 1)
        guesses = np.where(known_codes[index] == cells.codes[check], means[index], y[learn].mean())
        return np.asarray(guesses, dtype=np.float64)
    positions = np.bincount(codes, cells.values[learn])[known_codes] / n[known_codes]
    x = cells.values[check]
    guess = np.interp(x, positions, means)
    if len(positions) > 1:
        for inner, end, beyond in ((1, 0, x < positions[0]), (-2, -1, x > positions[-1])):
            slope = (means[end] - means[inner]) / (positions[end] - positions[inner])
            guess = np.where(beyond, means[end] + slope * (x - positions[end]), guess)
    return np.asarray(guess, dtype=np.float64)


def _halves(cells: _Cells) -> tuple[tuple[_Codes, _Codes], tuple[_Codes, _Codes]]:
    """Two halves of the rows, to learn on and to check on, and the other way round."""
    rng = np.random.default_rng(zlib.crc32(cells.column.name.encode()))
    order = rng.permutation(len(cells.codes))
    one, other = order[::2], order[1::2]
    return (one, other), (other, one)

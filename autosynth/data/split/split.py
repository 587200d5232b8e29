"""Cuts rows into the four splits, from a seed; official parts stay as they are.

Classification is stratified: every class gives its share to each split, and keeps rows in `train`.
Rows can be cut by group (none stands in two splits) or by time (later rows are held out) instead.
"""

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autosynth.data.split.holdout import group_codes, take_groups, take_latest
from autosynth.errors import DataError
from autosynth.spec import RowNumbers, Splits

TEST_SHARE = 0.2
SMALL = 2_000
_SHARE = 0.1
_MAX_SHARE = 0.2
_JUDGED = (150, 1 / 3)  # rows to choose by where there are few, and the most of all for them
_BOUNDS = (500, 5_000)
_LARGE_VALIDATION = 1_000
_FEW_GROUPS = 10


@dataclass(frozen=True, kw_only=True)
class Parts:
    """Row numbers of a source's own parts; `validation` and `test` are empty where it has none."""

    main: RowNumbers
    validation: RowNumbers
    test: RowNumbers


def split(
    y: NDArray[Any],
    parts: Parts,
    *,
    stratified: bool,
    seed: int,
    groups: Any = None,
    times: NDArray[np.float64] | None = None,
) -> Splits:
    """Cut the rows of `parts` into disjoint splits that cover them all.

    - `test`: the official part, or 20 % of the rows;
    - `calibration` and `validation`: 10 % each of what is left, at least 500 and at most 5,000
      rows but never more than 20 %. Below 2,000 rows `calibration` is empty and `validation` is
      20 %; where rows are drawn one by one 150 if that is more, but never over a third. Where
      `calibration` would come from fewer than 10 groups it is empty, too: each is needed to learn
      what holds for others;
    - official validation rows are not mixed with training rows, however few: they are
      `validation`, and half of them `calibration` from 1,000 on.

    Args:
        y: (n,) or (n, columns); with `stratified`, codes of classes (n,).
        parts: the source's own parts.
        stratified: whether each class gives its share to each split.
        seed: decides what is drawn.
        groups: (n,) one label a row, or None. No group stands in two splits; sizes are those
            above as nearly as whole groups allow. Rows of an official part keep their place, and
            rows of other parts that share a group with them are in no split: see `left_out`.
        times: (n,) the time of each row as a number, or None. Later rows are held out: `test` is
            the latest, before it `validation`, then `calibration`, then `train`. Rows of one time
            stay in one split; rows without a time (NaN) count as the oldest. An official part
            stays as it is.

    Raises:
        DataError: both `groups` and `times` are given, or there are not enough different ones.
    """
    if groups is not None and times is not None:
        raise DataError("rows are split by group or by time, not by both; name one column.")
    main, validation, test = parts.main, parts.validation, parts.test
    if groups is not None:
        groups = group_codes(groups)
        validation = _without(validation, groups, test)
        main = _without(_without(main, groups, test), groups, validation)
        if not len(main):
            raise DataError(
                "no row is left to train on: every group of the training rows stands in an "
                "official part, too. Split by another column, or without."
            )
    take_some = _Taker(
        labels=y if stratified else np.zeros(len(y), dtype=np.int64),
        groups=groups,
        times=times,
        rng=np.random.default_rng(seed),
    )
    if not len(test):
        rest = 1 if len(validation) else 2
        test, main = take_some(main, round(TEST_SHARE * len(main)), rest)
    small = len(main) + len(validation) < SMALL
    size = _size(len(main), small, dealt=groups is None and times is None)
    select, fit = validation, main[:0]
    if not len(validation):
        small = small or take_some.kinds(main) == 2
        select, main = take_some(main, size, 1 if small else 2)
    if len(validation) >= _LARGE_VALIDATION and take_some.kinds(validation) > 1:
        drawn, left = take_some(validation, len(validation) // 2, 1)
        fit, select = (drawn, left) if times is None else (left, drawn)
    elif not small and take_some.many(main):
        fit, main = take_some(main, size, 1)
    return Splits(
        train=np.sort(main),
        calibration=np.sort(fit),
        validation=np.sort(select),
        test=np.sort(test),
    )


def left_out(splits: Splits, rows: int) -> int:
    """How many of `rows` are in no split: they share a group with rows of an official part."""
    return rows - sum(
        len(getattr(splits, name)) for name in ("train", "calibration", "validation", "test")
    )


@dataclass(frozen=True, kw_only=True)
class _Taker:
    """Draws rows by class, by group or by time, as was asked."""

    labels: NDArray[Any]
    groups: RowNumbers | None
    times: NDArray[np.float64] | None
    rng: np.random.Generator

    def __call__(self, rows: RowNumbers, size: int, rest: int) -> tuple[RowNumbers, RowNumbers]:
        if self.groups is not None:
            return take_groups(rows, self.labels, self.groups, size, self.rng, rest=rest)
        if self.times is not None:
            return take_latest(rows, self.times, size, rest=rest)
        return take(rows, self.labels, size, self.rng)

    def many(self, rows: RowNumbers) -> bool:
        """Whether there is enough in `rows` to hold some of it back for `calibration`."""
        return self.kinds(rows) >= (2 if self.groups is None else _FEW_GROUPS)

    def kinds(self, rows: RowNumbers) -> int:
        """How many pieces `rows` could be cut into."""
        if self.groups is not None:
            return len(np.unique(self.groups[rows]))
        if self.times is not None:
            return len(np.unique(np.nan_to_num(self.times[rows], nan=-np.inf)))
        return len(rows)


def _without(rows: RowNumbers, groups: RowNumbers, held: RowNumbers) -> RowNumbers:
    """Those of `rows` that share no group with the `held` ones."""
    return rows[~np.isin(groups[rows], groups[held])]


def without(splits: Splits, keep: RowNumbers, n: int) -> Splits:
    """The splits of the rows `keep` of `n`, numbered anew."""
    place = np.full(n, -1, dtype=np.int64)
    place[keep] = np.arange(len(keep))
    found = {field.name: place[getattr(splits, field.name)] for field in fields(splits)}
    return Splits(**{name: rows[rows >= 0] for name, rows in found.items()})


def take(
    rows: RowNumbers, labels: NDArray[Any], size: int, rng: np.random.Generator
) -> tuple[RowNumbers, RowNumbers]:
    """Draw about `size` of `rows`, each class by its share; gives (drawn, left).

    No class is drawn empty; where that leaves nothing to draw, classes are not looked at.
    """
    _, codes, counts = np.unique(labels[rows], return_inverse=True, return_counts=True)
    quota = _quotas(counts, size, rng)
    if not quota.sum() and size:
        shuffled = rng.permutation(len(rows))
        return rows[shuffled[:size]], rows[shuffled[size:]]
    # Rows in random order, then grouped by class: the first `quota` of each group are drawn.
    order = rng.permutation(len(rows))
    order = order[np.argsort(codes[order], kind="stable")]
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
    rank = np.arange(len(rows)) - np.repeat(starts, counts)
    drawn = rank < np.repeat(quota, counts)
    return rows[order[drawn]], rows[order[~drawn]]


def _quotas(counts: NDArray[np.int64], size: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Largest remainders, ties broken at random, one row of each class left."""
    exact = counts * size / counts.sum()
    quota: NDArray[np.int64] = np.minimum(np.floor(exact).astype(np.int64), counts - 1)
    order = np.lexsort([rng.random(len(counts)), -(exact - np.floor(exact))])
    for code in order:
        if quota.sum() >= size:
            break
        if quota[code] < counts[code] - 1 and exact[code] > quota[code]:
            quota[code] += 1
    return quota


def _size(rows: int, small: bool, dealt: bool) -> int:
    """How many rows to hold back; more of few, unless whole groups or the latest are."""
    if small:
        few, most = _JUDGED
        return max(1, round(_MAX_SHARE * rows), round(min(few, most * rows)) if dealt else 0)
    low, high = _BOUNDS
    return min(min(max(round(_SHARE * rows), low), high), int(_MAX_SHARE * rows))

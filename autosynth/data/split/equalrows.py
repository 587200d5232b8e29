"""Finds rows that equal each other, and keeps them in one split.

A row that was copied tells a model that has seen the copy its target: .85 where .5 is true, in a
table in which every row stands three times and the labels are coins. Takes raw rows without their
target, and splits that were drawn; gives splits in which copies stand together, or the share of
held-out rows that have a copy among those that are learnt from, where they cannot be moved.

Rows that are equal by chance are no copies: of a table of few categories most rows have an equal
one. So only what is hardly equal by chance is looked at: measured numbers, dates, sentences, and
the cells of pictures, series and the like.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from autosynth.cell import numbers_of
from autosynth.data.column.path import Folders, file_contents, names_files
from autosynth.data.source.rows import BatchedRows
from autosynth.data.split.split import Parts, left_out, split
from autosynth.data.split.splitkeys import SplitKeys
from autosynth.spec import RowNumbers, Splits

# Of fewer rows the equal ones say nothing of how the data were made.
_MIN_ROWS = 100
# A picture of fewer cells, or a series of fewer steps, may well equal another one by chance.
_MIN_CELLS = 16
# Whole numbers of fewer values count or rate something, as ages and marks do.
_MIN_VALUES = 100
_MIN_WORDS = 3
# Numbers that mostly have more than five decimals.
_FINE, _NEAR = 1e5, 1e-3
# What names a row: a word with a letter, which a date of numbers has not.
_NAME = r"[\w-]*[A-Za-z][\w-]*"
# Copies are more than so many times as frequent as chance makes equal rows.
_TIMES_CHANCE = 3
# So seldom are rows equal by chance that further columns need not be looked at: one copy among a
# hundred million rows is more.
_NEVER = 1e-9
# Copies of one row that are more of all than that are learnt from: held out, they were the score.
_MOST_HELD = 0.05
# Fewer copies than that change no score by more than its own noise, however they are dealt out.
_FEW = 0.05
_TOLD = 0.01
_NAMES = ("train", "calibration", "validation", "test")


@dataclass(frozen=True, kw_only=True)
class Copies:
    """Splits, the share of all rows that have a copy, and what a user should know of them."""

    splits: Splits
    share: float = 0.0
    assumed: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def are_few(self) -> bool:
        """Whether rows may be dealt out one by one, as if none had a copy."""
        return self.share < _FEW


def split_rows(
    y: NDArray[Any],
    x: BatchedRows,
    parts: Parts,
    keys: SplitKeys,
    *,
    stratified: bool,
    seed: int,
    folders: Folders = "",
) -> Copies:
    """Splits as `split` draws them, in which copies stand together where rows may be moved.

    Args:
        y: as `split` takes it.
        x: all rows, without their target.
        parts: those of the source, as `split` takes them; rows of official ones stay.
        keys: by which rows are split, if not one by one; they are not moved then.
        stratified: as `split` takes it.
        seed: as `split` takes it.
        folders: of tables, from which their cells name files.

    Raises:
        DataError: as `split`.
    """
    splits = split(
        y, parts, stratified=stratified, seed=seed, groups=keys.groups, times=keys.times
    )
    lost = left_out(splits, len(y))
    shared = f"{lost} rows share a group with test rows and are left out"
    told = (shared,) if lost else ()
    codes = copies_of(x, folders)
    if codes is None:
        return Copies(splits=splits, warnings=told)
    counts = np.unique(codes, return_counts=True)[1]
    n = int(counts[counts > 1].sum())
    share = n / len(codes)
    found = f"{n} of {len(codes)} rows ({share:.1%}) are copies of others"
    if not keys.asked:
        splits = _together(splits, codes, np.concatenate([parts.validation, parts.test]))
    left = _shared(splits, codes)
    if left <= _TOLD:
        kept = f"{found}: each stands in one split with its like"
        return Copies(splits=splits, share=share, assumed=(kept,), warnings=told)
    why = f"rows are split {keys.asked}" if keys.asked else "an official part stays as it is"
    warning = (
        f"{found}, and {left:.1%} of the test rows have one among the rows that are learnt "
        f"from, because {why}: scores may be too good. Take copies out of the data"
    )
    return Copies(splits=splits, share=share, warnings=(*told, warning))


def copies_of(x: BatchedRows, folders: Folders = "") -> NDArray[np.int64] | None:
    """Codes (n,), the same for rows that are copies of each other; None where no row is one.

    Files that cells name are what they hold. Of rows that are too many for memory some say which
    columns tell, and all are read batch by batch.

    Args:
        x: rows.
        folders: that files are named from, as `path.py` has it.
    """
    if len(x) < _MIN_ROWS:
        return None
    whole = x.only(x.sample(np.arange(len(x)))).whole()
    batches = [(0, whole)] if len(whole) == len(x) else x.batches()
    if not x.is_table:
        if whole[0].size < _MIN_CELLS:
            return None
        hashes = np.concatenate([_bytes_hashes(batch) for _, batch in batches])
        codes = pd.factorize(hashes)[0]
        return np.asarray(codes, dtype=np.int64) if codes.max() + 1 < len(codes) else None
    words = [name for name, dtype in whole.dtypes.items() if dtype.kind not in "biufmM"]
    files = {n: file_contents(x[n], folders) for n in words if names_files(whole[n])}
    telling = _telling(whole, files)
    found = [_hashes(batch, telling, files, start) for start, batch in batches]
    codes = pd.factorize(np.concatenate(found))[0]
    equal = 1 - (codes.max() + 1) / len(codes)
    chance = 0.0 if files else _by_chance(whole, len(x))
    return np.asarray(codes, dtype=np.int64) if equal > _TIMES_CHANCE * chance else None


def _together(splits: Splits, codes: NDArray[np.int64], fixed: RowNumbers) -> Splits:
    """Splits in which every row is where the first of its copies was drawn.

    The first is drawn like any row, so that the sizes of splits stay as they were asked for.
    """
    place = np.full(len(codes), -1)
    for number, name in enumerate(_NAMES):
        place[getattr(splits, name)] = number
    free = np.setdiff1d(np.flatnonzero(place >= 0), fixed)
    _, first, own, counts = np.unique(
        codes[free], return_index=True, return_inverse=True, return_counts=True
    )
    chosen = place[free[first]]
    chosen[counts > max(1, _MOST_HELD * len(free))] = _NAMES.index("train")
    place[free] = chosen[own]
    found = {name: np.flatnonzero(place == number) for number, name in enumerate(_NAMES)}
    emptied = any(len(getattr(splits, name)) and not len(found[name]) for name in _NAMES)
    return splits if emptied else replace(splits, **found)


def _shared(splits: Splits, codes: NDArray[np.int64]) -> float:
    """The share of test rows that have a copy among the rows that are learnt from."""
    known = np.concatenate([splits.train, splits.calibration, splits.validation])
    if not len(splits.test):
        return 0.0
    return float(np.isin(codes[splits.test], codes[known]).mean())


def _telling(frame: pd.DataFrame, files: Collection[str]) -> dict[str, bool]:
    """The columns by which rows are told apart, and which of them hold measured numbers.

    Those that only name a row are none.
    """
    measured = set(frame.select_dtypes("floating").columns)
    others = [name for name in frame if name not in measured and name not in files]
    plain = _plain(frame[others])
    named = {name for name in others if _names_row(plain[name])}
    return {name: name in measured for name in frame if name not in (*named, *files)}


def _hashes(
    frame: pd.DataFrame,
    telling: Mapping[str, bool],
    files: Mapping[str, NDArray[np.object_]],
    start: int,
) -> NDArray[Any]:
    """Of the cells of each row in columns that tell it, and of the files that it names.

    Args:
        frame: a batch of rows.
        telling: as `_telling` has it.
        files: what the files of all rows hold, by the column that names them.
        start: the number of the first row of the batch.
    """
    measured = [name for name, is_measured in telling.items() if is_measured]
    others = _plain(frame[[name for name, is_measured in telling.items() if not is_measured]])
    parts: dict[str, Any] = {
        str(place): values if values.dtype.kind in "biu" else values.astype(str)
        for place, (_, values) in enumerate(others.items())
    }
    for name, contents in files.items():
        parts[f"file {name}"] = pd.Series(contents[start : start + len(frame)], frame.index)
    if measured:
        numbers = frame[measured].to_numpy(np.float64, na_value=np.nan)
        parts["measured"] = pd.Series(_bytes_hashes(numbers), frame.index)
    whole = pd.DataFrame(parts, index=frame.index)
    hashes: NDArray[Any] = pd.util.hash_pandas_object(whole, index=False).to_numpy()
    return hashes


def _plain(frame: pd.DataFrame) -> pd.DataFrame:
    """Cells that hold files or arrays by what these hold, as text."""
    held = {
        name: values.map(lambda cell: str(hash(_content(cell))))
        for name, values in frame.items()
        if values.dtype == object and not values.map(_is_plain).all()
    }
    return frame.assign(**held)


def _content(cell: Any) -> bytes | str:
    """All that a cell holds: long arrays print their ends alone."""
    if isinstance(cell, np.ndarray) and cell.dtype != object:
        return f"{cell.shape}".encode() + cell.tobytes()
    if isinstance(cell, np.ndarray):
        cell = cell.tolist()
    return cell if isinstance(cell, bytes) else repr(cell)


def _is_plain(cell: Any) -> bool:
    return not isinstance(cell, bytes | list | tuple | set | dict | np.ndarray)


def _bytes_hashes(rows: Any) -> NDArray[np.int64]:
    return np.array([hash(np.ascontiguousarray(row).tobytes()) for row in rows], dtype=np.int64)


def _names_row(values: "pd.Series[Any]") -> bool:
    """Whether a whole number or a word a row tells rows apart that are copies but for it."""
    if values.dtype.kind in "mM" or not values.is_unique:
        return False
    return values.dtype.kind in "iu" or bool(values.astype(str).str.fullmatch(_NAME).all())


def _by_chance(frame: pd.DataFrame, rows: int) -> float:
    """About the share of so many rows that had an equal one, were the columns independent.

    How often two rows agree in a column says how much it tells rows apart. Where copies stand, it
    says too little of each; of two such columns the product is still far below what is found.
    """
    n, agree = len(frame), 1.0
    for _, values in frame.items():
        if _is_sentence(values) or _is_fine(values):
            return 0.0
        if _is_measured(values):
            counts = np.unique(pd.factorize(values)[0], return_counts=True)[1].astype(float)
            agree *= float((counts * (counts - 1)).sum() / (n * (n - 1)))
        if agree * rows < _NEVER:
            return 0.0
    return float(-np.expm1(-(rows - 1) * agree))


def _is_fine(values: "pd.Series[Any]") -> bool:
    """Whether values are numbers of so many digits that two of them are hardly equal by chance."""
    if values.dtype.kind != "f":
        return False
    steps = values.to_numpy(dtype=np.float64) * _FINE
    return bool((np.abs(steps - np.round(steps)) > _NEAR).mean() > 0.5)


def _is_measured(values: "pd.Series[Any]") -> bool:
    """Whether values are measured numbers or times."""
    if values.dtype.kind in "mM":
        return True
    numbers = numbers_of(values)
    if numbers is None:
        return False
    finite = numbers[np.isfinite(numbers)]
    return bool((finite != np.round(finite)).any() or len(np.unique(finite)) > _MIN_VALUES)


def _is_sentence(values: "pd.Series[Any]") -> bool:
    """Whether values are texts of several words, or files and arrays: hardly equal by chance."""
    if values.dtype.kind in "biufmM":
        return False
    some = values.dropna().iloc[:_MIN_VALUES]
    if len(some) and not some.map(_is_plain).all():
        return True
    return bool(len(some)) and float(some.astype(str).str.split().str.len().mean()) >= _MIN_WORDS

"""Applies the encoders of a dataset to raw rows, batch after batch.

Takes encoders and raw rows of any form and size; gives the arrays that all inputs make, each once:
in memory, or on disk where they are larger. Rows that one of them cannot read are left out of all.
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from autosynth.data.column.path import Folders
from autosynth.data.encoder.array import column_behind, spread
from autosynth.data.encoder.encoder import Applied, Encoder
from autosynth.data.source.frames import check_flat
from autosynth.data.source.mappedarray import concatenate_rows, gather_rows
from autosynth.data.source.memory import BY_SIZE, Batching
from autosynth.data.source.object import cells_of
from autosynth.data.source.rows import BatchedRows, rows_of
from autosynth.data.source.tablefile import as_table
from autosynth.errors import DataError

_TOLD = re.compile(r"((?:.*?': (?:in )?)?)(\d+)(?: of (\d+))?( .*)", re.DOTALL)
"""What an encoder says of some rows: whose column it is, how many of how many, what of them."""
_LIST = re.compile(
    r"(.*(?:left out|kept|cannot be read|(?:in|of the) training): (?:rows )?)(.+)", re.DOTALL
)
_SHARE = re.compile(r"(?<=\()\d+\.\d(?=%\))")
_ROW = re.compile(r"^(row )?(\d+)(?=$| )")
_LISTED = 5
_COUNT_HERE, _OF_HERE, _SHARE_HERE = "\0", "\1", "\2"  # in place of numbers of rows


def apply(
    encoders: Sequence[Encoder],
    x: Any,
    place: str,
    folders: Folders = "",
    batching: Batching = BY_SIZE,
    *,
    adapt: bool = True,
    later: bool = False,
) -> Applied:
    """The arrays that all encoders of a dataset make of raw rows, each once.

    Args:
        encoders: of the inputs.
        x: raw rows: `BatchedRows`, a frame or an array.
        place: where they come from, for messages.
        folders: those of the table, or of each row, to which files that cells name are relative.
        batching: says how many rows are encoded at once.
        adapt: they are all rows of the source, by which the encoders see how it is written.
        later: they are no rows of the training: what it never saw is told.

    Raises:
        DataError: columns lack or shapes differ, or there is no room on the disk.
    """
    rows = rows_of(x, batching)
    if encoders[0].columns:
        rows = _checked(encoders, rows, place)
    encoders, told = adapted(encoders, rows, place) if adapt else (encoders, ())
    row_numbers: list[NDArray[np.int64]] = []
    warnings: list[tuple[range, Sequence[str]]] = []

    def encoded() -> Iterator[Mapping[str, NDArray[Any]]]:
        for start, batch in rows.batches():
            near = folders if isinstance(folders, str) else folders[start : start + len(batch)]
            applied = _encoded(encoders, batch, place, near)
            new = _unfamiliar(encoders, batch) if later else ()
            row_numbers.append(applied.keep + start)
            warnings.append((range(start, start + len(batch)), (*applied.warnings, *new)))
            yield applied.x

    arrays = gather_rows(encoded(), len(rows), rows.batching)
    merged = merge_warnings(warnings)
    return Applied(x=arrays, keep=np.concatenate(row_numbers), warnings=(*told, *merged))


def apply_by_part(
    encoders: Sequence[Encoder],
    rows: BatchedRows,
    part: NDArray[np.str_],
    place: str,
    folders: NDArray[np.object_],
) -> Applied:
    """As `apply`, of rows of several sources, one under the other.

    Args:
        encoders: of the inputs.
        rows: of all of them.
        part: which of the sources each row is of.
        place: where they come from, for messages.
        folders: of each row.
    """
    numbers = [np.flatnonzero(part == name) for name in dict.fromkeys(part.tolist())]
    found = [adapted(encoders, rows.only(own), place) for own in numbers]
    told = tuple(dict.fromkeys(text for _, texts in found for text in texts))
    same = list(found[0][0])
    if all(list(own) == same for own, _ in found):
        applied = apply(same, rows, place, folders, adapt=False)
        return replace(applied, warnings=(*told, *applied.warnings))
    pieces = [
        apply(each, rows.only(own), place, folders[own], adapt=False)
        for (each, _), own in zip(found, numbers, strict=True)
    ]
    arrays = {
        name: concatenate_rows([piece.x[name] for piece in pieces], rows.batching)
        for name in pieces[0].x
    }
    keep = np.concatenate([own[piece.keep] for own, piece in zip(numbers, pieces, strict=True)])
    spans = [range(own[0], own[-1] + 1) for own in numbers]
    merged = merge_warnings([(s, p.warnings) for s, p in zip(spans, pieces, strict=True)])
    return Applied(x=arrays, keep=keep, warnings=(*told, *merged))


def adapted(
    encoders: Sequence[Encoder], rows: BatchedRows, place: str
) -> tuple[Sequence[Encoder], tuple[str, ...]]:
    """The encoders as they read all rows of one source, and what is said of that."""
    found = [each.adapted(rows, place) for each in encoders]
    return [each for each, _ in found], tuple(text for _, told in found for text in told)


def unfamiliar_in(encoders: Sequence[Encoder], rows: BatchedRows) -> tuple[str, ...]:
    """What rows of a table hold that the training never saw."""
    return merge_warnings(
        [
            (range(start, start + len(batch)), _unfamiliar(encoders, batch))
            for start, batch in rows.batches()
        ]
    )


def _unfamiliar(encoders: Sequence[Encoder], batch: Any) -> tuple[str, ...]:
    """As `unfamiliar_in`, of one batch."""
    if encoders[0].columns:
        batch = _spread(encoders, batch)
    return tuple(text for each in encoders for text in each.unfamiliar(batch))


def _spread(encoders: Sequence[Encoder], batch: Any) -> Any:
    """A frame with a column for each number of an array in a cell, where encoders read such."""
    return spread(batch, [name for each in encoders for name in each.columns])


def _encoded(encoders: Sequence[Encoder], batch: Any, place: str, folders: Folders) -> Applied:
    """The arrays of one batch."""
    if encoders[0].columns:
        batch = _spread(encoders, batch)
        check_flat(batch, place, [name for each in encoders for name in each.cell_columns])
    found = {each.name: each.transform(batch, place, folders) for each in encoders}
    every = np.arange(len(batch))
    keep = reduce(np.intersect1d, [t.keep for t in found.values() if t.keep is not None], every)
    arrays = {}
    for name, transformed in found.items():
        arrays[name], own = transformed.values, transformed.keep
        if own is None and len(keep) < len(every):
            arrays[name] = transformed.values[keep]
        elif own is not None and len(own) > len(keep):
            arrays[name] = transformed.values[np.isin(own, keep)]
    warnings = [text for transformed in found.values() for text in transformed.warnings]
    return Applied(x=arrays, keep=keep, warnings=tuple(dict.fromkeys(warnings)))


def _checked(encoders: Sequence[Encoder], rows: BatchedRows, place: str) -> BatchedRows:
    """The rows as those of a table with all columns wanted, and no others."""
    wanted = list(dict.fromkeys(name for encoder in encoders for name in encoder.columns))
    width = encoders[0].width
    if not rows.is_table and len(wanted) == 1 and encoders[0].cell_columns:
        x = rows.whole()  # the only array that rows are made of needs no name
        rows = rows_of(pd.DataFrame({wanted[0]: cells_of(x)}), rows.batching)
    if not rows.is_table:
        shape = rows.whole().shape
        if len(shape) != 2 or shape[1] != width:
            told = (
                f"rows with the columns {_some(wanted)}" if width is None else f"{width} columns"
            )
            raise DataError(f"x in {place} has shape {shape}; {told} are expected.")
    table = as_table(rows)
    there = frozenset(table.columns)
    wanted = list(dict.fromkeys(column_behind(name, there) for name in wanted))
    check_columns(wanted, there, place)
    return table.select(wanted)


def check_columns(wanted: Sequence[str], there: Collection[str], place: str) -> None:
    """Raise `DataError` for columns that a model was trained on and `place` lacks."""
    known = set(there)
    if lacking := [name for name in wanted if name not in known]:
        raise DataError(
            f"{place} lacks {len(lacking)} columns that the model was trained on: "
            f"{', '.join(lacking[:8])}."
        )


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")


def merge_warnings(batches: Sequence[tuple[range, Sequence[str]]]) -> tuple[str, ...]:
    """Warnings of batches as of the whole; before each batch's own stand its row numbers.

    Those alike but for numbers are one, with the sum of their counts and the first five of the
    rows or files that they list.
    """
    if len(batches) == 1:
        return tuple(batches[0][1])
    found: dict[str, _Told] = {}
    for rows, texts in batches:
        for text in texts:
            template, told = _parsed(text, rows)
            found[template] = found.get(template, _Told()).plus(told)
    return tuple(told.text(template, batches[-1][0].stop) for template, told in found.items())


@dataclass(frozen=True, kw_only=True)
class _Told:
    """How many rows a warning is about, how many it does not speak of, and those that it lists."""

    count: int = 0
    others: int = 0
    listed: tuple[str, ...] = ()
    more: bool = False

    def plus(self, other: "_Told") -> "_Told":
        """That of both."""
        listed = tuple(dict.fromkeys((*self.listed, *other.listed)))
        more = self.more or other.more or len(listed) > _LISTED
        count, others = self.count + other.count, self.others + other.others
        return _Told(count=count, others=others, listed=listed[:_LISTED], more=more)

    def text(self, template: str, n_rows: int) -> str:
        """The warning, of so many rows in all."""
        of = n_rows - self.others
        text = template.replace(_COUNT_HERE, str(self.count)).replace(_OF_HERE, str(of))
        text = text.replace(_SHARE_HERE, f"{self.count / max(1, of):.1%}"[:-1])
        more = ", ..." if self.more else ""
        return f"{text}{', '.join(self.listed)}{more}"


def _parsed(text: str, rows: range) -> tuple[str, _Told]:
    match = _TOLD.fullmatch(text)
    if match is None:
        return text, _Told()
    head, count, of, rest = match.groups()
    listed: tuple[str, ...] = ()
    more = rest.endswith(", ...")
    if named := _LIST.fullmatch(rest):
        rest, names = named.groups()
        listed = tuple(
            _ROW.sub(lambda row: f"{row[1] or ''}{int(row[2]) + rows.start}", name)
            for name in names.removesuffix(", ...").split(", ")
        )
    template = f"{head}{_COUNT_HERE}{f' of {_OF_HERE}' if of else ''}"
    others = len(rows) - int(of) if of else 0
    told = _Told(count=int(count), others=others, listed=listed, more=more)
    return template + _SHARE.sub(_SHARE_HERE, rest), told

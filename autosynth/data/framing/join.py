"""Joins the parts of a source (main, validation, test) under each other, each row with its part.

Takes a `Raw`; gives the rows of one array or table, one target, and the name of every row's part.
Of an array it also says how its axes are read.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from autosynth.cell import text_of
from autosynth.data.column.choice import choose
from autosynth.data.encoder.frame import ARRAY_KINDS, PATH_KINDS
from autosynth.data.encoder.image import ImageEncoder
from autosynth.data.encoder.series import pad_steps
from autosynth.data.source.layout import Layout, infer_layout, with_channels
from autosynth.data.source.mappedarray import concatenate_rows
from autosynth.data.source.memory import Batching
from autosynth.data.source.object import cells_of
from autosynth.data.source.raw import PARTS, Raw, RawRows
from autosynth.data.source.rows import BatchedRows, rows_of
from autosynth.data.source.tablefile import stack
from autosynth.data.split.split import Parts
from autosynth.errors import DataError
from autosynth.options import DataConfig
from autosynth.task.target import drop_words, settle_words

# The standard error of an accuracy on 30 rows is up to nine points.
_FEW_TO_CHOOSE = 30
_UNEQUAL = ("series", "frames")
"""Kinds whose rows may have unequal numbers of steps."""
_PICTURES = ("image", "frames")
_ROWS = {"image": "images", "series": "series"}


@dataclass(frozen=True, kw_only=True)
class JoinedRows:
    """All rows of a source: `x` and `y`, the name of each row's part, and the parts' folders."""

    x: BatchedRows
    y: "pd.Series[Any] | pd.DataFrame"
    part: NDArray[np.str_]
    warnings: tuple[str, ...] = ()
    folders: Mapping[str, str] = field(default_factory=dict)

    def folder_of_rows(self) -> NDArray[np.object_]:
        """The folder of the table that each row comes from."""
        found = np.empty(len(self.part), dtype=object)
        for part in np.unique(self.part):
            found[self.part == part] = self.folders.get(str(part), "")
        return found

    def only(self, keep: NDArray[np.int64], x: BatchedRows | None = None) -> "JoinedRows":
        """These rows alone, in order; `x` are their values if they changed too."""
        whole = len(keep) == len(self.part)
        if x is None:
            x = self.x if whole else self.x.only(keep)
        return replace(
            self,
            x=x,
            y=self.y if whole else self.y.iloc[keep].reset_index(drop=True),
            part=self.part if whole else self.part[keep],
        )

    def parts(self) -> Parts:
        """The row numbers of each part."""
        numbers = {name: np.flatnonzero(self.part == name) for name in ("main", "val", "test")}
        return Parts(main=numbers["main"], validation=numbers["val"], test=numbers["test"])


def join(raw: Raw, layout: Layout, batching: Batching) -> JoinedRows:
    """The rows of `raw`; parts without a target are left out, with a warning."""
    found = {"main": raw.main, "val": raw.validation, "test": raw.test}
    told = _images_alike(found, layout, raw.source) if layout.kind in _PICTURES else ()
    labelled: dict[str, RawRows] = {}
    warnings = [*told]
    for name, rows in found.items():
        if rows is None or not len(rows):
            continue
        if rows.y is None:
            warnings.append(f"{len(rows)} {name} rows have no target; they are not used")
        else:
            labelled[name] = rows
    if "main" not in labelled:
        raise DataError(f"{raw.source} holds no rows with a target to train on.")
    if 0 < len(labelled.get("val", ())) < _FEW_TO_CHOOSE:
        warnings.append(
            f"the validation part has {len(labelled['val'])} rows: a choice by so few is hardly "
            "better than one by chance. Give more, or none: then rows to choose by are drawn"
        )
    targets = _alike([rows.y for rows in labelled.values() if rows.y is not None])
    sizes = [len(rows) for rows in labelled.values()]
    return JoinedRows(
        x=_join_x([rows_of(rows.x, batching) for rows in labelled.values()], layout, raw.source),
        y=targets[0] if len(targets) == 1 else pd.concat(targets, ignore_index=True),
        part=np.repeat(np.array(list(labelled)), sizes),
        warnings=tuple(warnings),
        folders={name: rows.folder for name, rows in labelled.items()},
    )


def layout_of(raw: Raw, kinds: Mapping[str, str]) -> Layout:
    """What an array holds: as the user says, as its form defines, or as it looks."""
    assert raw.main is not None
    rows = rows_of(raw.main.x)
    if rows.is_table:
        return Layout(kind="table")
    known = (*ARRAY_KINDS, *PATH_KINDS)
    choice = choose([raw.array], raw.source, kinds=kinds, known=known)
    told = choice.kinds.get(raw.array)
    if told == "audio":
        return Layout(kind=told)
    if raw.channels is not None:
        layout = Layout(kind=told or raw.kind or "series", channels=raw.channels)
    else:
        layout = infer_layout(rows.whole(), told or raw.kind, raw.source)
    return with_channels(layout, choice.details.get(raw.array), f"array {raw.array!r}")


def assumed_of(raw: Raw, layout: Layout, kinds: Mapping[str, str]) -> Raw:
    """The source with what was assumed of its array, where shape and values may mean another."""
    assert raw.main is not None
    x = raw.main.x
    if raw.kind is not None or raw.channels is not None or kinds or not isinstance(x, np.ndarray):
        return raw
    other = {"image": "series", "series": "table" if x.ndim == 2 else "image"}.get(layout.kind)
    # Bytes are pixels, and so are (n, height, width, colours); a table is what no series is.
    if other is None or x.dtype == np.uint8 or (x.ndim == 4 and x.shape[1] != 1):
        return raw
    why = "neighbouring columns go together" if x.ndim == 2 else f"by its shape {x.shape[1:]}"
    told = f"array {raw.array!r} holds {_ROWS[layout.kind]}: {why} (likely; --column "
    return replace(raw, assumed=(*raw.assumed, f"{told}{raw.array}={other} reads it otherwise)"))


def with_cells(raw: Raw) -> Raw:
    """A source of one array as a table of one column, whose cells hold a row's part each."""
    parts: dict[str, Any] = {}
    for part in PARTS:
        rows: RawRows | None = getattr(raw, part)
        if rows is not None:
            cells = cells_of(rows_of(rows.x).whole())
            rows = replace(rows, x=pd.DataFrame({raw.array: cells}))
        parts[part] = rows
    return replace(raw, **parts, cells=frozenset({raw.array}))


def settled(
    rows: JoinedRows, raw: Raw, config: DataConfig, kinds: Mapping[str, str]
) -> tuple[JoinedRows, tuple[str, ...]]:
    """The rows with a target in which words that mean no value are gone, and what is said.

    `kinds` are those that its columns are said to be: such words are categories, too.
    """
    if not raw.has_words:
        return rows, ()
    y, every = rows.y, config.keep_missing_words
    kept = {name for name, kind in kinds.items() if kind == "category"}
    if isinstance(y, pd.Series) and config.task == "multilabel":
        return replace(rows, y=drop_words(y, ())), ()  # of a cell that has no label
    if isinstance(y, pd.Series):
        y, told = settle_words(y, raw.target, keep=every or raw.target in kept)
        return replace(rows, y=y), told
    found = {str(name): settle_words(y[name], str(name), keep=every or name in kept) for name in y}
    frame = pd.DataFrame({name: values for name, (values, _) in found.items()})
    return replace(rows, y=frame), tuple(text for _, told in found.values() for text in told)


def _images_alike(
    parts: dict[str, RawRows | None], layout: Layout, source: str
) -> tuple[str, ...]:
    """Brings the images of other parts to scale, colours and layout of the first.

    Gives what a user is told of it.
    """
    main, *others = (name for name in parts if parts[name] is not None)
    first = parts[main]
    assert first is not None
    of_one = replace(layout, kind="image")
    fitted = ImageEncoder.fit_array(_pictures(rows_of(first.x).whole(), layout), of_one)
    told: list[str] = []
    for name in others:
        part = parts[name]
        assert part is not None
        part_name = "validation" if name == "val" else name
        rows, place = rows_of(part.x), f"the {part_name} part of {source}"
        if rows.is_table or not len(rows):
            continue
        whole = rows.whole()
        pictures = _pictures(whole, layout)
        reader, warnings = fitted.adapted(rows_of(pictures), place)
        if warnings or whole.ndim != rows_of(first.x).whole().ndim:
            x = reader.values_of(pictures, place)
            if layout.channels != "first":
                x = x[:, 0] if layout.channels == "none" else np.moveaxis(x, 1, -1)
            if layout.kind == "frames":
                x = x.reshape(*whole.shape[:2], *x.shape[1:])
            parts[name] = replace(part, x=x)
            told += warnings
    return tuple(told)


def _pictures(x: NDArray[Any], layout: Layout) -> NDArray[Any]:
    """The images of an array; of frames all of them under each other."""
    return x.reshape(-1, *x.shape[2:]) if layout.kind == "frames" else x


def _alike(
    targets: "list[pd.Series[Any] | pd.DataFrame]",
) -> "list[pd.Series[Any]] | list[pd.DataFrame]":
    """Targets of later parts with the class names of the first, column by column."""
    frames = [target for target in targets if isinstance(target, pd.DataFrame)]
    if not frames:
        return _named_alike([target for target in targets if isinstance(target, pd.Series)])
    columns = {name: _named_alike([frame[name] for frame in frames]) for name in frames[0]}
    return [
        pd.DataFrame({name: found[i] for name, found in columns.items()})
        for i in range(len(frames))
    ]


def _named_alike(targets: "list[pd.Series[Any]]") -> "list[pd.Series[Any]]":
    """Class names of later parts without a last point, where this makes them those of the first.

    So stand the labels of UCI's test files (`<=50K.`).
    """
    found = targets[:1]
    if len(targets) == 1:
        return found
    first = {text_of(value) for value in targets[0].dropna().unique()}
    for other in targets[1:]:
        texts = other.map(text_of, na_action="ignore")
        bare = texts.str.removesuffix(".") if texts.map(type).isin([str]).any() else texts
        known = first.isdisjoint(texts.dropna()) and first.issuperset(bare.dropna())
        found.append(bare if known else other)
    return found


def _join_x(parts: Sequence[BatchedRows], layout: Layout, source: str) -> BatchedRows:
    is_table = [part.is_table for part in parts]
    if is_table[0] and not all(is_table):
        raise DataError(f"{source} is a table and its test part is not; both must be tables.")
    if is_table[0]:
        return stack(parts, source)
    if any(is_table):
        raise DataError(
            f"the test part of {source} is a table, and {layout.kind} rows are needed."
        )
    arrays: list[NDArray[Any]] = [part.whole() for part in parts]
    first = arrays[0]
    if layout.kind in _UNEQUAL and len({array.shape for array in arrays}) > 1:
        axis = 2 if layout.kind == "series" and layout.channels == "first" else 1
        steps = max(array.shape[axis] for array in arrays if array.ndim == first.ndim)
        arrays = [
            pad_steps(array.astype(np.result_type(array, np.float32)), steps, axis)
            if array.ndim == first.ndim
            else array
            for array in arrays
        ]
        first = arrays[0]
    for other in arrays[1:]:
        if other.shape[1:] != first.shape[1:]:
            raise DataError(
                f"rows of {source} have shape {first.shape[1:]} in training and {other.shape[1:]} "
                "in another part; they must be alike."
            )
    batching = parts[0].batching
    return rows_of(concatenate_rows(arrays, batching), batching)

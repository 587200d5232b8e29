"""Finds the reader for a source: a built-in name, a path, or what is given in Python.

`read_source` is for training and wants a target; `read_unlabelled` is for prediction and needs
none.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias, TypeGuard

import pandas as pd

from autosynth.data.source import (
    arrays,
    classfolder,
    framefolder,
    given,
    hf,
    idx,
    imagefolder,
    mediafile,
    openml,
    table,
    tablefile,
    torchset,
    ts,
    ucr,
)
from autosynth.data.source.builtin import BUILTIN
from autosynth.data.source.dialect import Headers
from autosynth.data.source.download import download_folder, is_address
from autosynth.data.source.location import forgotten_if_unread, located, split_part
from autosynth.data.source.mediafile import MediaKind
from autosynth.data.source.memory import BY_SIZE, Batching
from autosynth.data.source.raw import Raw, RawRows, RowFormat
from autosynth.errors import DataError, DataNotFoundError, nearest, question

Source: TypeAlias = (
    str | Path | pd.DataFrame | Mapping[str, Any] | Sequence[Any] | torchset.MapStyle
)

_FORMS = (
    "a table (.csv, .tsv, .txt, .parquet, .arrow, .jsonl, .json, .xlsx, .db), a folder with "
    "train.csv and test.csv, arrays (.npz), series (.ts, UCR .tsv), a folder of IDX files, a "
    "folder of images or sounds with one sub-folder a class, a .zip of them, openml:ID, hf:NAME, "
    "or the address of a file (https://...)"
)
_NEAR = 0.6
_COUNTED = 1_000  # files, to tell what a folder holds most of
_REMOTE: Mapping[str, Callable[..., Raw]] = {
    openml.OPENML_PREFIX: openml.read_openml,
    hf.HF_PREFIX: hf.read_hf,
}
"""What reads a dataset from elsewhere, by how its name begins."""

_MEDIA: Mapping[str, Callable[[Path, bool | None], Raw]] = {
    "image": lambda path, rows: imagefolder.read_image_folder(path, rows=rows),
    "audio": lambda path, _: classfolder.read_audio_folder(path),
}


def read_source(
    source: Source,
    target: Sequence[str] = (),
    like: RowFormat | None = None,
    batching: Batching = BY_SIZE,
    headers: Headers = (),
    frames: bool | None = None,
) -> Raw:
    """The rows of `source` with their target; images and series get the shape of those `like` it.

    `batching` says how much of a file may be in memory; `headers` are those of a table that the
    rows belong to, whose file may lack them. `frames` says whether folders of images below those
    of classes are a row each, where the user does.

    Raises `DataNotFoundError` for a name that is neither a path nor built in, and `DataError` for
    a source that cannot be read or whose rows have no target.
    """
    with forgotten_if_unread(source):
        found = _labelled(source, target, like, batching, headers, frames)
        raw = _named(found, source)
    part = raw.main or raw.test
    if part is not None and part.y is None:
        raise DataError(
            f"{raw.source} holds {len(part)} rows without a target; one value a row is "
            "needed (y, labels)."
        )
    return raw


def _named(raw: Raw, source: Any) -> Raw:
    """Rows of a copy in the cache are called by what they were copied from."""
    if not is_address(source):
        is_copy = _is_path(source) and located(source) != Path(source).expanduser()
        return replace(raw, source=str(source)) if is_copy else raw
    kept = (
        f"the copy in {download_folder(source)} is read, and the address is not asked again; "
        "delete it to get the file anew"
    )
    return replace(raw, source=str(source), assumed=(*raw.assumed, kept))


def _labelled(
    source: Source,
    target: Sequence[str],
    like: RowFormat | None,
    batching: Batching,
    headers: Headers,
    frames: bool | None,
) -> Raw:
    if headers and _is_path(source) and table.is_table(path := _existing(source)):
        return tablefile.read_table(path, target, batching=batching, headers=headers)
    if like is not None and like.kind == "frames" and _is_path(source):
        path = _existing(source)
        if _holds_frames(path):
            return imagefolder.read_image_folder(path, rows=True)
    if like is not None and not like.columns and _is_path(source):
        path = _existing(source)
        if like.kind == "series" and ts.is_ts(path):
            return ts.read_ts(path, like)
        is_folder = path.is_dir() and not idx.is_idx(path)
        if like.kind == "image" and is_folder and _media(path) == "image":
            return imagefolder.read_image_folder(path, like.shape)
    return _read(source, target, batching, frames)


def read_unlabelled(source: Any, rows: RowFormat, batching: Batching = BY_SIZE) -> Raw:
    """The rows of `source` to predict: one part, in `main`.

    `rows` is what they look like, as the first encoder knows it; `batching` as in `read_source`.
    A source that has an official test part inside (an `.npz` with `x_test`, a folder with
    `t10k-images`, `NAME_TEST.tsv` or `test/`) gives that part; any other source gives all of its
    rows.
    """
    with forgotten_if_unread(source):
        raw = _named(_unlabelled(source, rows, batching), source)
    if raw.main is None or not len(raw.main):
        raise DataError(f"{raw.source} holds no rows to predict.")
    return raw


def _unlabelled(source: Any, rows: RowFormat, batching: Batching) -> Raw:
    if not isinstance(source, str | Path):
        return _test_or_all(given.read_given(source, (), rows))
    if _is_path(source):
        found = _file_rows(_existing(source), rows, batching)
        if found is not None:
            return found
    remote = _remote(str(source))
    if remote is not None:
        return _test_or_all(remote(source, (), labelled=False))
    return _test_or_all(_read(source, (), batching))


def all_rows(raw: Raw) -> RawRows:
    """All labelled rows of a source that was named as the test part of another."""
    rows = raw.main or raw.test
    if rows is None:
        raise DataError(f"{raw.source} holds no rows to test on.")
    return rows


def _test_or_all(raw: Raw) -> Raw:
    """The official test part, or all rows where there is none."""
    return Raw(
        name=raw.name,
        source=raw.source,
        target=raw.target,
        main=raw.test or raw.main,
        warnings=raw.warnings,
        array=raw.array,
        cells=raw.cells,
        kind=raw.kind,
        channels=raw.channels,
    )


def _file_rows(path: Path, rows: RowFormat, batching: Batching) -> Raw | None:
    """Rows of a file or a folder whose form needs no target; None where `read_source` tells."""
    kind = rows.kind
    if kind == "series" and path.is_file() and ts.is_ts(path):
        return ts.read_ts_series(path, rows)
    if kind == "series" and path.is_file() and path.suffix.lower() == ".tsv":
        return ucr.read_ucr_series(path, rows.shape[1])
    if path.is_dir() and rows.columns:  # what else it holds, the table names
        if only := tablefile.only_table(path):
            return tablefile.read_table(
                only, (), labelled=False, batching=batching, headers=rows.headers
            )
        if tablefile.is_table_folder(path):
            folder = tablefile.read_table_folder(
                path, (), labelled=False, batching=batching, headers=rows.headers
            )
            return _test_or_all(folder)
    if kind == "frames" and _holds_frames(path):
        (column,) = rows.columns or (framefolder.FRAMES_COLUMN,)
        return framefolder.read_frames(path, column)
    media = _media(path) if kind in _MEDIA and not idx.is_idx(path) else None
    if media is not None and media == kind:
        if rows.columns or kind == "audio":
            (column,) = rows.columns or (classfolder.AUDIO_COLUMN,)
            return classfolder.read_paths(path, media, column)
        channels, height, width = rows.shape
        return imagefolder.read_images(path, channels, height, width)
    if path.is_file() and path.suffix == ".npy":
        return arrays.read_npy(path, batching)
    if path.is_file() and path.suffix == ".npz":
        return _test_or_all(arrays.read_npz(path, batching, rows.wanted))
    if idx.is_idx(path) and path.is_file():
        return idx.read_idx_images(path)
    if table.is_table(path):
        return tablefile.read_table(
            path, (), labelled=False, batching=batching, headers=rows.headers
        )
    return None


def _holds_frames(path: Path) -> bool:
    """Whether a path is a folder of pictures, and of no table that names folders of them."""
    if not path.is_dir() or idx.is_idx(path) or _media(path) != "image":
        return False
    return not (tablefile.only_table(path) or tablefile.is_table_folder(path))


def _read(
    source: Source, target: Sequence[str], batching: Batching, frames: bool | None = None
) -> Raw:
    if not isinstance(source, str | Path):
        return given.read_given(source, target)
    if str(source) in BUILTIN:
        return BUILTIN[str(source)].read()
    if remote := _remote(str(source)):
        return remote(str(source), target)
    path = _existing(source)
    if path.is_dir():
        return _read_folder(path, target, batching, frames)
    return _read_file(path, target, batching)


def _remote(source: str) -> Callable[..., Raw] | None:
    """What reads the dataset of another place that `source` names, if it does."""
    return next((reader for prefix, reader in _REMOTE.items() if source.startswith(prefix)), None)


def _is_path(source: Any) -> TypeGuard[str | Path]:
    if not isinstance(source, str | Path):  # the text of a frame takes longer than its prediction
        return False
    return str(source) not in BUILTIN and _remote(str(source)) is None


def _read_folder(
    path: Path, target: Sequence[str], batching: Batching, frames: bool | None
) -> Raw:
    readers: tuple[tuple[Callable[[Path], bool], Callable[[Path], Raw]], ...] = (
        (idx.is_idx, idx.read_idx_folder),
        (ts.is_ts, ts.read_ts),
        (ucr.is_ucr, ucr.read_ucr),
    )
    try:
        is_table = tablefile.is_table_folder(path)
        only = tablefile.only_table(path)
        if target and only:  # what else the folder holds, the table names
            return tablefile.read_table(only, target, batching=batching)
        if target and is_table:
            return tablefile.read_table_folder(path, target, batching=batching)
        for fits, reader in readers:
            if fits(path):
                return reader(path)
        if media := _media(path):
            return _MEDIA[media](path, frames)
        if is_table:
            return tablefile.read_table_folder(path, target, batching=batching)
        found = sorted(file.name for file in path.iterdir())
    except PermissionError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.") from error
    listed = ", ".join(found[:8]) or "nothing"
    raise DataError(f"{path} holds {listed}; what can be read is {_FORMS}.")


def _read_file(path: Path, target: Sequence[str], batching: Batching) -> Raw:
    if path.suffix == ".npz":
        return arrays.read_npz(path, batching)
    if path.suffix == ".npy":
        return arrays.read_npy(path, batching)
    if idx.is_idx(path):
        return idx.read_idx_folder(path.parent)
    if ts.is_ts(path):
        return ts.read_ts(path)
    try:
        series = not target and ucr.is_ucr(path)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.") from error
    if series:
        return ucr.read_ucr(path)
    if table.is_table(path):
        return tablefile.read_table(path, target, batching=batching)
    raise DataError(f"{path} is no form of data that can be read; that is {_FORMS}.")


def _media(path: Path) -> MediaKind | None:
    """`image` or `audio`: what a folder holds more of, or what a file is named like."""
    if path.is_dir():
        return mediafile.most_of(mediafile.files_below(path).files, _COUNTED)
    return mediafile.kind_of_file(path)


def _only_file(folder: Path) -> Path | None:
    """The one table or set of arrays that a folder holds, beside what says nothing of data."""
    try:
        seen = [path for path in folder.iterdir() if not mediafile.is_hidden(path.name)]
        found = [path for path in seen if not path.name.startswith("README")]
    except PermissionError:
        return None  # told where it is read
    one = found[0] if len(found) == 1 else None
    return one if one and (one.suffix == ".npz" or ts.is_ts(one) or table.is_table(one)) else None


def _existing(source: str | Path) -> Path:
    path = located(source)
    if path.is_dir():
        return _only_file(path) or path
    if split_part(path)[0].exists():
        return path
    hints = nearest(str(source), BUILTIN, cutoff=_NEAR)
    if path.parent.is_dir():
        beside = {file.name: str(file) for file in path.parent.iterdir()}
        hints += [beside[name] for name in nearest(path.name, beside, most=2, cutoff=_NEAR)]
    raise DataNotFoundError(
        f"{str(source)!r} is neither a path that exists nor a built-in set "
        f"({', '.join(BUILTIN)}).{question(hints)}"
    )

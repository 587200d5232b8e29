"""Files that the cells of a table name or hold: pictures and sounds, and where they stand.

Takes columns and the folder of the table that they come from; gives paths. A relative path is
looked for in the table's folder first and then in the current one. A cell may also be an id: the
file's name, without its suffix or with it, in a sub-folder beside the table (`images/17.png`).
Or it holds the content itself: the bytes of a file, or an array of pixels or samples.
"""

from collections import Counter
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import file_digest, sha256
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import soundfile
from numpy.typing import NDArray
from PIL import Image

from autosynth.cell import missing_in, text_of
from autosynth.data.source.mediafile import (
    MEDIA_SUFFIXES,
    MediaKind,
    is_hidden,
    kind_of_file,
)
from autosynth.data.source.pixels import UNREADABLE

Folders = str | NDArray[np.object_]
"""The folder of the table, or of each row where rows come from several; "" is the current one."""

_MIN_NAMED = 0.9
_MIN_MATCHED = 0.95
_MIN_USED = 0.5
_SAMPLE = 1_000
_HEAD = 20
_BEGINNING = 2**16  # bytes, of which most that differ do so


@dataclass(frozen=True, kw_only=True)
class Beside:
    """A sub-folder of files that the values of `column` name."""

    folder: str
    column: str
    kind: MediaKind


def media_kind(values: "pd.Series[Any]") -> MediaKind | None:
    """The kind of the files that at least 90 % of `values` name by their suffix, or hold."""
    present = values.dropna()
    sample = present.iloc[:: max(1, len(present) // _SAMPLE)]
    if len(sample) and isinstance(sample.iloc[0], bytes):
        return _kind_of_bytes(sample.iloc[:: max(1, len(sample) // _HEAD)])
    texts = [value.strip().lower() for value in sample if isinstance(value, str)]
    texts = [text for text in texts if text]
    for kind, suffixes in MEDIA_SUFFIXES.items():
        named = sum(text.endswith(suffixes) and "://" not in text for text in texts)
        if texts and named >= _MIN_NAMED * len(texts):
            return kind
    return None


def _kind_of_bytes(values: "pd.Series[Any]") -> MediaKind | None:
    """The kind of the files whose content cells hold, by what can open most of them."""
    opens: Mapping[MediaKind, Callable[[Any], Any]] = {
        "image": Image.open,
        "audio": soundfile.info,
    }
    for kind, opened in opens.items():
        good = 0
        for value in values:
            try:
                opened(BytesIO(value))
            except (*UNREADABLE, TypeError, soundfile.SoundFileError):
                continue
            good += 1
        if good >= _MIN_NAMED * len(values):
            return kind
    return None


def names_files(values: "pd.Series[Any]") -> bool:
    """Whether cells name pictures or sounds, and hold none themselves."""
    if values.dtype.kind in "biufcmM":
        return False
    first = next(iter(values.dropna()), None)
    return isinstance(first, str) and media_kind(values) is not None


def file_contents(values: "pd.Series[Any]", folders: Folders) -> NDArray[np.object_]:
    """What stands for the content of the file that each cell names, (n,): the same where it is.

    Only files of one size, and then of one beginning, are read to their end. A file that is not
    there is known by its name.
    """
    codes, paths = pd.factorize(paths_of(values, folders).to_numpy(dtype=object))
    known = [_size_of(path) for path in paths]
    for most in (_BEGINNING, None):
        often = Counter(known)
        known = [
            f"{key} {_digest(path, most)}" if often[key] > 1 else key
            for key, path in zip(known, paths, strict=True)
        ]
    contents: NDArray[np.object_] = np.array(known, dtype=object)[codes]
    return contents


def _size_of(path: str) -> str:
    """The size of a file; of what is none, its name."""
    place = Path(path)
    return str(place.stat().st_size) if path and place.is_file() else f"no file: {path}"


def _digest(path: str, most: int | None) -> str:
    """A digest of the first bytes of a file, or of all."""
    try:
        with Path(path).open("rb") as file:
            if most is not None:
                return sha256(file.read(most)).hexdigest()
            return file_digest(file, "sha256").hexdigest()
    except OSError:
        return path


def is_content(cell: Any) -> bool:
    """Whether a cell holds a picture, a sound or a series itself, and no name of a file."""
    return isinstance(cell, bytes | np.ndarray)


def file_of(cell: Any) -> Path | BytesIO:
    """What can be opened as the file that a cell of `paths_of` names, or whose bytes it holds."""
    return BytesIO(cell) if isinstance(cell, bytes) else Path(cell)


def paths_of(values: "pd.Series[Any]", folders: Folders) -> "pd.Series[Any]":
    """The path of each value; "" where there is none; the content where a cell holds it."""
    missing = missing_in(values)
    found = [
        value if is_content(value) else "" if absent else _path(text_of(value), folder)
        for value, folder, absent in zip(values, _each(folders, values), missing, strict=True)
    ]
    cells = np.empty(len(found), dtype=object)
    cells[:] = found
    return pd.Series(cells, index=values.index, name=values.name)


def files_of(
    values: "pd.Series[Any]", folders: Folders, kind: MediaKind, folder: str | None
) -> "pd.Series[Any]":
    """The path of the file that each value names: by itself, or in the sub-folder `folder`."""
    if folder is None:
        return paths_of(values, folders)
    return paths_beside(values, folders, kind, folder)


def paths_beside(
    values: "pd.Series[Any]", folders: Folders, kind: MediaKind, folder: str
) -> "pd.Series[Any]":
    """The path of the file that each value names in the sub-folder `folder`; "" where none is.

    What the sub-folder lacks is looked for in others beside it: rows to predict may have one of
    their own (`train_images`, `test_images`).
    """
    files = cache(lambda base: _files_below(Path(base), kind, folder))
    found = [
        files(base).get(text_of(value), "")
        for value, base in zip(values, _each(folders, values), strict=True)
    ]
    return pd.Series(found, index=values.index, name=folder, dtype=object)


def subfolders(base: str) -> list[str]:
    """The names of the folders in the folder `base` of a table; none where it has no folder."""
    place = Path(base)
    if not base or not place.is_dir():
        return []
    folders = [path for path in place.iterdir() if not is_hidden(path.name)]
    return sorted(path.name for path in folders if path.is_dir())


def find_beside(frame: pd.DataFrame, base: str, without: Container[str] = ()) -> list[Beside]:
    """The sub-folders of media files that a column names for at least 95 % of the rows.

    Args:
        frame: training rows.
        base: the folder of the table that they come from.
        without: sub-folders that are not looked into.
    """
    found = []
    for name in subfolders(base):
        if name in without:
            continue
        for kind in MEDIA_SUFFIXES:
            files = _files(Path(base) / name, kind)
            column = _naming(frame, files) if files else None
            if column is not None:
                found.append(Beside(folder=name, column=column, kind=kind))
    return found


def _each(folders: Folders, values: "pd.Series[Any]") -> Sequence[str]:
    return [folders] * len(values) if isinstance(folders, str) else folders.tolist()


def _path(text: str, folder: str) -> str:
    path = Path(text).expanduser()
    inside = Path(folder) / path
    return str(path if not inside.exists() and path.exists() else inside)


def _files(folder: Path, kind: MediaKind) -> dict[str, str]:
    """The files of a folder by name, by stem, and by number where the stem is one (`007`)."""
    files = sorted(path for path in folder.iterdir() if _is_medium(path, kind))
    found: dict[str, str] = {}
    for path in files:
        found[path.name] = found[path.stem] = str(path)
    for path in files:
        if path.stem.isdecimal():
            found.setdefault(str(int(path.stem)), str(path))
    return found


def _is_medium(path: Path, kind: MediaKind) -> bool:
    """Whether a file is of a kind: by its suffix, or by its content where it has none."""
    if is_hidden(path.name):
        return False
    if path.suffix:
        return path.suffix.lower() in MEDIA_SUFFIXES[kind]
    return path.is_file() and kind_of_file(path) == kind


def _files_below(base: Path, kind: MediaKind, first: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for name in sorted(subfolders(str(base)), key=lambda name: name == first):
        found.update(_files(base / name, kind))
    return found


def _naming(frame: pd.DataFrame, files: dict[str, str]) -> str | None:
    """The column whose values name the files, and most of them."""
    most, best = _MIN_USED * len(set(files.values())), None
    measured = frame.select_dtypes("floating")
    broken = measured.columns[(measured.iloc[:_HEAD] % 1 > 0).any()]  # no number of a file
    for name, values in frame.drop(columns=broken).items():
        if not any(text_of(value) in files for value in values.iloc[:_HEAD]):
            continue
        named = [files.get(text_of(value), "") for value in values]
        if np.mean([path != "" for path in named]) < _MIN_MATCHED:
            continue
        # A column of few small numbers may name a few files by chance.
        distinct = len(set(named))
        if distinct >= min(most, _MIN_USED * len(named)):
            most, best = distinct, str(name)
    return best

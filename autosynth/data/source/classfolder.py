"""Folders of files with one sub-folder a class, in `train/` and `test/` or without.

Takes a folder and the suffixes of what it should hold; gives the files of each part, and their
classes; of sounds, all that is read of a folder. What is inside the files is the business of those
who read them.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import pandas as pd

from autosynth.data.source.mediafile import AUDIO_SUFFIXES
from autosynth.data.source.raw import Raw, RawRows
from autosynth.errors import DataError
from autosynth.spec import Kind

AUDIO_COLUMN = "audio"
_PARTS: Mapping[str, Sequence[str]] = {
    "main": ("train", "training"),
    "validation": ("dev", "val", "valid", "validation"),
    "test": ("test", "testing"),
}
_COUNTED = 1_000
_Name = TypeVar("_Name", bound=str)


@dataclass(frozen=True, kw_only=True)
class ClassFolder:
    """Files of one part, and the folder that holds its classes."""

    root: Path
    files: Sequence[Path]

    def index(self, files: Iterable[Path]) -> list[str]:
        """The names of some of its files, relative to the root."""
        return [file.relative_to(self.root).as_posix() for file in files]

    def paths(self, column: str, *, labelled: bool) -> RawRows:
        """Its files as a frame with one column, of absolute paths."""
        index = self.index(self.files)
        paths = pd.Series([str(file.resolve()) for file in self.files], dtype=object)
        y = classes_of(index) if labelled else None
        return RawRows(x=pd.DataFrame({column: paths}), y=y, index=index)


def classes_of(index: Iterable[str]) -> "pd.Series[Any]":
    """The class of each file: the first folder of its name."""
    return pd.Series([name.split("/")[0] for name in index], name="class", dtype=object)


def most_of(folder: Path, kinds: Mapping[_Name, Sequence[str]]) -> _Name | None:
    """The kind that most files of a folder are of, by their suffixes; the first 1,000 tell."""
    owners = {suffix: kind for kind, suffixes in kinds.items() for suffix in suffixes}
    found = islice(_files(folder, owners), _COUNTED)
    counts = Counter(owners[file.suffix.lower()] for file in found)
    return counts.most_common(1)[0][0] if counts else None


def as_raw(
    folder: Path, kind: Kind, rows: Mapping[str, RawRows], warnings: tuple[str, ...] = ()
) -> Raw:
    """The parts that were read of a folder, whose target is the class."""
    return Raw(
        name=folder.resolve().name,
        source=str(folder),
        target="class",
        main=rows["main"],
        validation=rows.get("validation"),
        test=rows.get("test"),
        kind=kind,
        labels=True,
        warnings=warnings,
    )


def find_parts(folder: Path, suffixes: Sequence[str], what: str) -> dict[str, ClassFolder]:
    """The labelled files of each part; all are `main` where no part is named like one.

    Raises:
        DataError: no file stands in a sub-folder.
    """
    roots = {part: _part(folder, names) for part, names in _PARTS.items()}
    if roots["main"] is None:
        roots = {"main": folder}
    parts = {
        name: ClassFolder(root=root, files=_labelled(root, suffixes))
        for name, root in roots.items()
        if root is not None
    }
    if not any(part.files for part in parts.values()):
        raise DataError(
            f"{folder} holds {what}, but no sub-folder a class. Sort them as "
            f"{folder}/CLASS/*{suffixes[0]}."
        )
    return parts


def read_audio_folder(folder: Path) -> Raw:
    """The sounds of `folder` with their sub-folders' names as classes; official parts if there.

    They are a frame with the column `AUDIO_COLUMN`, of absolute paths: what the files hold is read
    later.

    Raises:
        DataError: no sound stands in a sub-folder.
    """
    parts = find_parts(folder, AUDIO_SUFFIXES, "sounds")
    rows = {name: part.paths(AUDIO_COLUMN, labelled=True) for name, part in parts.items()}
    return as_raw(folder, "audio", rows)


def find_unlabelled(path: Path, suffixes: Sequence[str]) -> ClassFolder:
    """One file, or all files of a folder: those of its test part, if it has parts."""
    if not path.is_dir():
        return ClassFolder(root=path.parent, files=[path])
    root = (_part(path, _PARTS["main"]) and _part(path, _PARTS["test"])) or path
    return ClassFolder(root=root, files=sorted(_files(root, suffixes)))


def read_paths(path: Path, suffixes: Sequence[str], column: str) -> Raw:
    """One file, or those of a folder, for prediction: a frame with one column of their paths."""
    part = find_unlabelled(path, suffixes)
    main = part.paths(column, labelled=False)
    return Raw(name=path.stem, source=str(path), target="class", main=main)


def _part(folder: Path, names: Sequence[str]) -> Path | None:
    for path in sorted(folder.iterdir()):
        if path.is_dir() and path.name.lower() in names:
            return path
    return None


def _files(folder: Path, suffixes: Collection[str]) -> Iterator[Path]:
    return (
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in suffixes and not path.name.startswith(".") and path.is_file()
    )


def _labelled(folder: Path, suffixes: Sequence[str]) -> list[Path]:
    return sorted(path for path in _files(folder, suffixes) if path.parent != folder)

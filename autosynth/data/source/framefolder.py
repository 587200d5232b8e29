"""Folders of folders of pictures, each of them one row: slices of a scan, frames of a film.

Takes CLASS/ROW/001.png ..., in part folders or without; gives a frame with one column of the rows'
folders, and their classes. What the files hold is read later. Folders below a class may as well
hold pictures that have nothing to do with each other: they are rows where each counts its pictures
anew by the numbers in their names.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from autosynth.data.source.classfolder import (
    ClassFolder,
    FolderParts,
    LabelledFile,
    by_class,
    find_unlabelled,
)
from autosynth.data.source.mediafile import is_hidden, kind_of_file
from autosynth.data.source.raw import Raw
from autosynth.errors import DataError

FRAMES_COLUMN = "frames"
_NUMBER = re.compile(r"(\d+)")
# Of rows that count their pictures anew, and of pictures whose number another row has as well.
_MOST_ALIKE = 0.9
_MOST_APART = 0.5
_FEWEST = 2  # rows, and pictures of a row


def frames_in(folder: str | Path) -> list[Path]:
    """The pictures of a folder in the order of their numbers; none where it is no folder."""
    return list(_frames_in(str(folder))) if str(folder) else []


def _by_number(name: str) -> tuple[tuple[int, int | str], ...]:
    parts = _NUMBER.split(name.lower())
    return tuple((0, int(part)) if part.isdecimal() else (1, part) for part in parts)


def _frames_in(folder: str) -> Sequence[Path]:
    place = Path(folder)
    if not place.is_dir():
        return ()
    files = [path for path in place.iterdir() if not is_hidden(path.name) and path.is_file()]
    return sorted(
        (path for path in files if kind_of_file(path) == "image"),
        key=lambda path: _by_number(path.name),
    )


def are_frames(found: FolderParts) -> bool:
    """Whether the pictures of each folder below a class are one row, by their names alone."""
    rows: dict[Path, list[str]] = {}
    for part in found.parts.values():
        for file in part.files:
            if file.name.count("/") != 2:  # class, row and file
                return False
            rows.setdefault(file.path.parent, []).append(file.path.stem)
    if len(rows) < _FEWEST:
        return False
    counted = [numbers for stems in rows.values() if (numbers := _counted(stems))]
    every = Counter(number for numbers in counted for number in numbers)
    shared = sum(count for count in every.values() if count > 1)
    alike = len(counted) >= _MOST_ALIKE * len(rows)
    return alike and shared >= _MOST_APART * every.total()


def _counted(stems: Sequence[str]) -> tuple[int, ...]:
    """The numbers in the names of a row's pictures, where these differ by one number alone."""
    split = [_NUMBER.split(stem) for stem in stems]
    if len(stems) < _FEWEST or len({len(parts) for parts in split}) > 1:
        return ()
    differ = [place for place, parts in enumerate(zip(*split, strict=True)) if len(set(parts)) > 1]
    if len(differ) != 1 or not differ[0] % 2:
        return ()
    return tuple(int(parts[differ[0]]) for parts in split)


def frames_raw(folder: Path, found: FolderParts, *, told: bool = False) -> Raw:
    """The folders of each part as rows, whose target is the class.

    Args:
        folder: that was given.
        found: its parts.
        told: the user says that they are rows.

    Raises:
        DataError: pictures stand in no folder of their own below a class.
    """
    parts = {name: _grouped(part) for name, part in found.parts.items()}
    loose = [f for part in found.parts.values() for f in part.files if f.name.count("/") < 2]
    if not any(part.files for part in parts.values()):
        raise DataError(
            f"the pictures of {folder} stand in no folder of a row below those of classes. Sort "
            f"them as {folder}/CLASS/ROW/001.png."
        )
    rows = {
        name: part.paths(FRAMES_COLUMN, labelled=True)
        for name, part in parts.items()
        if part.files
    }
    warnings, assumed = list(found.warnings), list(found.assumed)
    if loose:
        counts = by_class(Counter(file.label for file in loose))
        warnings.append(
            f"{len(loose)} pictures stand in no folder of a row, and are left out: {counts}"
        )
    if not told:
        n = sum(len(part.files) for part in parts.values())
        assumed.append(
            f"the pictures of each of {n} folders are one row, in the order of the numbers in "
            f"their names (likely; --column {FRAMES_COLUMN}=image reads each picture by itself)"
        )
    raw = replace(found, warnings=tuple(warnings), assumed=tuple(assumed))
    # A folder a row is nothing that `MediaKind` knows: files are of kinds, and rows of another.
    return replace(raw.as_raw(folder, "image", rows), kind="frames")


def read_frames(path: Path, column: str) -> Raw:
    """The folders of pictures in `path`, or itself, for prediction: of its test part, if any."""
    part = _grouped(find_unlabelled(path, "image"), own=path.name)
    main = part.paths(column, labelled=False)
    return Raw(name=path.stem, source=str(path), target="class", main=main)


def told_frames(kinds: Mapping[str, Any]) -> bool | None:
    """Whether the user says that folders below classes are rows, or are not; None: nothing."""
    told = kinds.get(FRAMES_COLUMN)
    return None if told not in ("frames", "image") else told == "frames"


def _grouped(part: ClassFolder, own: str = "") -> ClassFolder:
    """The folders of files, each named as the path to it; `own` is the name of the one above."""
    rows: dict[Path, LabelledFile] = {}
    for file in part.files:
        place = file.path.parent
        name = file.name.rpartition("/")[0] or own
        if own or "/" in name:
            rows.setdefault(place, LabelledFile(path=place, name=name, label=file.label))
    return ClassFolder(files=list(rows.values()))

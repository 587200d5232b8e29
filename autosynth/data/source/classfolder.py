"""Folders of files with one sub-folder a class, in part folders (`train/`, `test/`) or without.

Takes a folder and what it should hold; gives the files of each part, and their classes; of sounds,
all that is read of a folder. What is inside the files is the business of those who read them.

Part folders are known by words in their names (`training_set`, `seg_test`, `Validation data`),
judged together with the folders beside them: one name alone may be a class (`bus`, `car`,
`train`). A folder that holds nothing but another one is passed through.
"""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from autosynth.data.source.mediafile import (
    MEDIA_SUFFIXES,
    FolderTree,
    MediaKind,
    files_below,
    kind_of_file,
)
from autosynth.data.source.raw import Raw, RawRows
from autosynth.errors import DataError

AUDIO_COLUMN = "audio"
NOUNS: Mapping[MediaKind, str] = {"image": "images", "audio": "sounds"}
_NEW = "new"
_EVALUATION = ("eval", "evaluate", "evaluation")
"""Words that speak of the test part where another one speaks of validation (`dev`, `eval`)."""
_WORDS: Mapping[str, str] = {
    **dict.fromkeys(("train", "training", "trn", "learn", "learning"), "main"),
    **dict.fromkeys(("dev", "devel", "val", "valid", "validate", "validation"), "validation"),
    **dict.fromkeys(_EVALUATION, "validation"),
    **dict.fromkeys(("test", "testing", "tst", "holdout"), "test"),
    **dict.fromkeys(("pred", "predict", "prediction", "unlabeled", "unlabelled"), _NEW),
    **dict.fromkeys(("unknown", "submission"), _NEW),
}
"""What a word in a folder's name makes of its files; `_NEW` are to be predicted, some day."""
_FILLERS = frozenset(
    {
        *("set", "sets", "data", "dataset", "split", "part", "folder", "files", "raw"),
        *(
            "image",
            "images",
            "img",
            "imgs",
            "picture",
            "pictures",
            "photo",
            "photos",
            "jpg",
            "png",
        ),
        *("audio", "sound", "sounds", "wav", "clips", "labeled", "labelled"),
    }
)
"""Words that say nothing of a part, and may hang on to one (`trainset`)."""
_ROLES = {"main": "for training", "validation": "validation", "test": "test", _NEW: "unused"}
_SHOWN = 6


@dataclass(frozen=True, kw_only=True)
class LabelledFile:
    """A file, its name below the folder of its part, and its class; "" where it stands in none."""

    path: Path
    name: str
    label: str


@dataclass(frozen=True, kw_only=True)
class ClassFolder:
    """The files of one part."""

    files: Sequence[LabelledFile]

    def rows(self, x: Any, files: Sequence[LabelledFile], *, labelled: bool) -> RawRows:
        """Rows of some of its files, whose values are `x`."""
        labels = [file.label for file in files]
        y = pd.Series(labels, name="class", dtype=object) if labelled else None
        return RawRows(x=x, y=y, index=[file.name for file in files])

    def paths(self, column: str, *, labelled: bool) -> RawRows:
        """Its files as a frame with one column, of absolute paths."""
        paths = pd.Series([str(file.path.resolve()) for file in self.files], dtype=object)
        return self.rows(pd.DataFrame({column: paths}), self.files, labelled=labelled)


@dataclass(frozen=True, kw_only=True)
class FolderParts:
    """The parts of a folder by name, what was left out, and how the folders were understood."""

    parts: Mapping[str, ClassFolder]
    warnings: tuple[str, ...] = ()
    assumed: tuple[str, ...] = ()

    def as_raw(self, folder: Path, kind: MediaKind, rows: Mapping[str, RawRows]) -> Raw:
        """The parts that were read of the folder, whose target is the class."""
        return Raw(
            name=folder.resolve().name,
            source=str(folder),
            target="class",
            main=rows.get("main"),
            validation=rows.get("validation"),
            test=rows.get("test"),
            kind=kind,
            labels=True,
            warnings=self.warnings,
            assumed=self.assumed,
        )


@dataclass(frozen=True, kw_only=True)
class _Place:
    """A file and the names that lead to it from some folder, its own last."""

    path: Path
    names: tuple[str, ...]


def find_parts(folder: Path, kind: MediaKind) -> FolderParts:
    """The labelled files of each part; all are `main` where no folders are named like parts.

    Raises:
        DataError: no file stands in a sub-folder.
    """
    tree = files_below(folder)
    places = _places(tree.files, folder)
    media = [place for place in places if kind_of_file(place.path) == kind]
    found = _understood(media)
    files = {part: [_labelled(p) for p in inside] for part, inside in found.parts.items()}
    parts = {part: [file for file in those if file.label] for part, those in files.items()}
    if not any(parts.values()):
        raise DataError(
            f"{folder} holds {NOUNS[kind]}, but no sub-folder a class. Sort them as "
            f"{folder}/CLASS/*{MEDIA_SUFFIXES[kind][0]}."
        )
    unused = {place.path for place in media}
    unused -= {file.path for those in parts.values() for file in those}
    return FolderParts(
        parts={name: ClassFolder(files=those) for name, those in parts.items() if those},
        warnings=tuple(_told(found.start, places, media, unused, tree, kind)),
        assumed=tuple(_assumed(found)),
    )


def read_audio_folder(folder: Path) -> Raw:
    """The sounds of `folder` with their sub-folders' names as classes; official parts if there.

    They are a frame with the column `AUDIO_COLUMN`, of absolute paths: what the files hold is read
    later.

    Raises:
        DataError: no sound stands in a sub-folder.
    """
    found = find_parts(folder, "audio")
    rows = {name: part.paths(AUDIO_COLUMN, labelled=True) for name, part in found.parts.items()}
    return found.as_raw(folder, "audio", rows)


def find_unlabelled(path: Path, kind: MediaKind) -> ClassFolder:
    """One file, or all files of a folder: those of its test part, if it has parts."""
    if not path.is_dir():
        return ClassFolder(files=[LabelledFile(path=path, name=path.name, label="")])
    places = _places(files_below(path).files, path)
    media = [place for place in places if kind_of_file(place.path) == kind]
    parts = _understood(media).parts
    chosen = parts["test"] if {"main", "test"} <= set(parts) else media
    return ClassFolder(files=[_labelled(place) for place in chosen])


def read_paths(path: Path, kind: MediaKind, column: str) -> Raw:
    """One file, or those of a folder, for prediction: a frame with one column of their paths."""
    main = find_unlabelled(path, kind).paths(column, labelled=False)
    return Raw(name=path.stem, source=str(path), target="class", main=main)


def by_class(counts: Mapping[str, int]) -> str:
    """How many of each class, in words: the largest first."""
    named = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    more = ", ..." if len(named) > _SHOWN else ""
    return ", ".join(f"{name} {count}" for name, count in named[:_SHOWN]) + more


def _places(files: Iterable[Path], folder: Path) -> list[_Place]:
    return [_Place(path=file, names=file.relative_to(folder).parts) for file in files]


def _stripped(places: Sequence[_Place]) -> list[_Place]:
    return [replace(place, names=place.names[1:]) for place in places]


def _labelled(place: _Place) -> LabelledFile:
    label = place.names[0] if len(place.names) > 1 else ""
    return LabelledFile(path=place.path, name="/".join(place.names), label=label)


def _grouped(places: Sequence[_Place]) -> tuple[dict[str, list[_Place]], list[_Place]]:
    """The files of each sub-folder, and those that stand in none."""
    groups: dict[str, list[_Place]] = {}
    loose = []
    for place in places:
        if len(place.names) > 1:
            groups.setdefault(place.names[0], []).append(place)
        else:
            loose.append(place)
    return groups, loose


def _unwrapped(places: Sequence[_Place], known: Iterable[str] = ()) -> list[_Place]:
    """The files without the folders that hold nothing but one other, which is no `known` class."""
    while True:
        groups, loose = _grouped(places)
        if len(groups) != 1 or loose or set(groups) & set(known):
            return list(places)
        inside = _stripped(places)
        deeper, beside = _grouped(inside)
        if not deeper or (beside and len(deeper) == 1):  # the folder is a class
            return list(places)
        places = inside


def _words(name: str) -> list[str]:
    """The words of a folder's name in small letters: `seg_trainSet2` has seg, train, set."""
    found = []
    for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name):
        small = word.lower()
        ends = [end for end in _FILLERS if small.removesuffix(end) in _WORDS]
        found += [small.removesuffix(ends[0]), ends[0]] if ends else [small]
    return found


def _part_of(name: str) -> tuple[str, frozenset[str]] | None:
    """The part that a name speaks of, and what else it says; None where it speaks of none."""
    words = [word for word in _words(name) if word not in _FILLERS]
    parts = {_WORDS[word] for word in words if word in _WORDS}
    if len(parts) != 1:
        return None
    return parts.pop(), frozenset(word for word in words if word not in _WORDS)


@dataclass(frozen=True, kw_only=True)
class _Understood:
    """The files of each part, named from its classes on; and the folders that made them.

    `start` is the number of folders that hold nothing but the next one.
    """

    parts: Mapping[str, Sequence[_Place]]
    layout: Mapping[str, str]
    folders: Sequence[str]
    start: int


def _understood(media: Sequence[_Place]) -> _Understood:
    """Finds parts and classes by the names of folders."""
    top = _unwrapped(media)
    if len(_grouped(top)[0]) == 1:  # what stands beside the one folder is no class
        inside = _unwrapped(_grouped(top)[0].popitem()[1])
        top = inside if len(_grouped(inside)[0]) > 1 else top
    depths = {place.path: len(place.names) for place in media}
    start = depths[top[0].path] - len(top[0].names) if top else 0
    groups, _ = _grouped(top)
    layout = _layout(groups)
    parts: dict[str, list[_Place]] = {}
    known: set[str] = set()
    for name in sorted(layout or groups, key=lambda name: layout.get(name) != "main"):
        part, inside = layout.get(name, "main"), groups[name]
        if part == _NEW:
            continue
        if layout and _part_of(name):
            inside = _unwrapped(_stripped(inside), known)
        parts.setdefault(part, []).extend(inside)
        if part == "main":
            known |= {place.names[0] for place in inside}
    for inside in parts.values():
        inside.sort(key=lambda place: place.names)
    return _Understood(parts=parts, layout=layout, folders=tuple(groups), start=start)


def _layout(groups: Mapping[str, Sequence[_Place]]) -> dict[str, str]:
    """The part of each folder that is one, or holds training rows; none where all are classes.

    Folders are parts where at least two different ones stand beside each other, whose names say
    the same but for the part, and one of them holds folders of classes; and where any other folder
    stands beside them, two hold a class of the same name. One alone is a part where it holds
    classes that stand beside it (`cat`, `dog`, `test/cat`, `test/dog`).
    """
    told = {name: part for name in groups if (part := _part_of(name)) is not None}
    others = {name for name in groups if name not in told}
    classes = {name: _classes_in(groups[name]) for name in told}
    if len(others) > 1:
        held = {n: part for n, (part, _) in told.items() if classes[n] and classes[n] <= others}
        if held and "main" not in held.values():
            return held | dict.fromkeys(others, "main")
    found = _named_alike(told, everything=not others)
    used = set(found.values())
    if len(used) < 2:
        return {}
    if not any(classes[name] for name, part in found.items() if part != _NEW):
        return {} if others else found
    return found if not others or _share(classes[name] for name in found) else {}


def _named_alike(
    told: Mapping[str, tuple[str, frozenset[str]]], *, everything: bool
) -> dict[str, str]:
    """The parts whose names say the same beside it: the most; else all, where all are parts."""
    rests: dict[frozenset[str], set[str]] = {}
    for part, rest in told.values():
        rests.setdefault(rest, set()).add(part)
    if not rests:
        return {}
    best = max(rests, key=lambda rest: (len(rests[rest]), -len(rest), sorted(rest)))
    if len(rests[best]) > 1:
        found = {name: part for name, (part, rest) in told.items() if rest == best}
    else:
        found = {name: part for name, (part, _) in told.items()} if everything else {}
    evaluation = {name for name in found if set(_words(name)) & set(_EVALUATION)}
    own = {name for name, part in found.items() if part == "validation"} - evaluation
    if own and "test" not in found.values():
        found |= dict.fromkeys(evaluation, "test")
    return found


def _classes_in(places: Sequence[_Place]) -> set[str]:
    """The folders inside a part's folder."""
    return {p.names[0] for p in _unwrapped(_stripped(places)) if len(p.names) > 1}


def _share(classes: Iterable[set[str]]) -> bool:
    """Whether two of them have a class in common."""
    counts = Counter(name for names in classes for name in names)
    return any(count > 1 for count in counts.values())


def _told(
    start: int,
    places: Sequence[_Place],
    media: Sequence[_Place],
    unused: Collection[Path],
    tree: FolderTree,
    kind: MediaKind,
) -> Iterator[str]:
    """What of a folder is not used, counted by the folder of it that it stands in."""
    nouns, chosen = NOUNS[kind], {place.path for place in media}
    inside = {place.path: place.names[start:] for place in places}
    left = Counter(_first(inside[path]) for path in unused)
    if left:
        yield (
            f"{left.total()} {nouns} belong to no class of a part, and are left out: "
            f"{by_class(left)}"
        )
    others = [path for path, names in inside.items() if path not in chosen and len(names) > 1]
    if others:
        of_classes = Counter(_first(inside[path]) for path in others)
        suffixes = Counter(path.suffix.lower() or "no suffix" for path in others)
        yield (
            f"{len(others)} files are no {nouns} that can be read, and are left out: "
            f"{by_class(of_classes)} ({by_class(suffixes)})"
        )
    if tree.unfollowed:
        shown = ", ".join(str(path) for path in tree.unfollowed[:_SHOWN])
        yield f"{len(tree.unfollowed)} links lead to folders that are read already: {shown}"


def _first(names: Sequence[str]) -> str:
    return names[0] if len(names) > 1 else "no folder"


def _assumed(found: _Understood) -> Iterator[str]:
    """How folders were understood whose names are no matter of course."""
    layout = found.layout
    if layout:
        if any(name.lower() not in _WORDS for name in layout):
            named = ", ".join(
                f"{name} is {_ROLES[part]}" for name, part in list(layout.items())[:_SHOWN]
            )
            yield f"by the names of folders, {named}; --test and --validation name others"
        return
    for name in found.folders if len(found.folders) > 1 else ():
        part = _part_of(name)
        if part and part[0] != _NEW:
            yield (
                f"folder {name!r} is read as a class, by those beside it; if it is no class, give "
                "the folder of training rows alone, and others with --test and --validation"
            )

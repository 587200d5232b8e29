"""Files of pictures and of sound: what says so, and which files of a folder are looked at at all.

Takes names and folders; gives kinds and files. Folders are told apart by them, and so are cells of
a table that hold paths. Hidden files and those of tools are no data; linked folders are followed,
each once.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from mimetypes import MimeTypes
from pathlib import Path
from typing import Literal

import soundfile

from autosynth.data.source.pixels import SIGNED_FORMATS, UNREADABLE, picture_in

MediaKind = Literal["image", "audio"]

AUDIO_SUFFIXES = (
    *(".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aiff", ".aif", ".au", ".caf"),
    *(".wave", ".aifc", ".snd", ".w64", ".rf64", ".voc", ".sph"),
)
"""Of files that libsndfile reads."""
MEDIA_SUFFIXES: Mapping[MediaKind, tuple[str, ...]] = {
    "image": (
        *(".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".pgm", ".ppm"),
        *(".jfif", ".jpe", ".jif", ".jp2", ".j2k", ".jpx", ".apng", ".avif", ".dib", ".tga"),
        *(".pbm", ".pnm", ".pfm", ".pcx", ".qoi", ".sgi", ".ico", ".dds", ".xbm", ".xpm"),
    ),
    "audio": AUDIO_SUFFIXES,
}
"""Of files that Pillow and libsndfile read."""
_FOREIGN: Mapping[MediaKind, tuple[str, ...]] = {
    "image": (
        *(".heic", ".heif", ".svg", ".psd", ".dcm", ".dng", ".cr2", ".cr3", ".nef", ".arw"),
        *(".jxl", ".eps", ".xcf", ".exr"),
    ),
    "audio": (".m4a", ".aac", ".wma", ".amr", ".ape", ".mka", ".ac3"),
}
"""Of files that are pictures and sounds, and that nobody here reads: they are told, not passed."""
_TOOLS = {
    *("__macosx", "@eadir", "__pycache__", "#recycle", "#snapshot", "$recycle.bin"),
    *("thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r", "lost+found"),
    "system volume information",
}
"""What operating systems, note books and storage servers leave in folders, in small letters."""
_TYPES = MimeTypes()  # of Python alone, and not of this machine
_LOOKED_INTO = 50  # files, to tell what a folder holds whose files have no suffix


@dataclass(frozen=True, kw_only=True)
class FolderTree:
    """The files below a folder, and the links to folders that are not followed: loops, copies."""

    files: tuple[Path, ...]
    unfollowed: tuple[Path, ...]


def is_hidden(name: str) -> bool:
    """Whether a file or a folder is hidden, or one that a tool left behind."""
    return name.startswith((".", "~$")) or name.lower() in _TOOLS


def files_below(folder: Path) -> FolderTree:
    """All files below a folder that are not hidden, in order; each folder once.

    Links to folders are followed when all else is read, so that a folder goes by its own name
    where it has one. One that leads to what was read, or to where it stands in, is not followed.
    """
    top = os.path.realpath(folder)
    files: list[Path] = []
    links: list[str] = []
    unfollowed: list[Path] = []
    seen: set[str] = set()

    def walk(place: str) -> None:
        waiting = [place]
        while waiting:
            here = waiting.pop()
            real = os.path.realpath(here)
            if real in seen:
                continue
            seen.add(real)
            with os.scandir(here) as entries:
                for entry in entries:
                    if is_hidden(entry.name):
                        continue
                    if not entry.is_dir():
                        files.append(Path(entry.path))
                    elif entry.is_symlink():
                        links.append(entry.path)
                    else:
                        waiting.append(entry.path)

    walk(os.fspath(folder))
    while links:
        link = min(links)
        links.remove(link)
        real = os.path.realpath(link)
        if real in seen or os.path.commonpath([real, top]) == real:
            unfollowed.append(Path(link))
        else:
            walk(link)
    return FolderTree(files=tuple(sorted(files)), unfollowed=tuple(unfollowed))


def kind_of_file(file: Path) -> MediaKind | None:
    """What a file is by its suffix, or by its content where the suffix says nothing."""
    return kind_by_suffix(file.name) or _kind_inside(file)


def kind_by_suffix(name: str) -> MediaKind | None:
    """What a file's suffix says that it is, read here or not."""
    suffix = Path(name).suffix.lower()
    for kind, suffixes in MEDIA_SUFFIXES.items():
        if suffix in suffixes or suffix in _FOREIGN[kind]:
            return kind
    return None


def most_of(files: tuple[Path, ...], most: int) -> MediaKind | None:
    """The kind that most of the first files of some kind are of."""
    counts = dict.fromkeys(MEDIA_SUFFIXES, 0)
    for file in files:
        kind = kind_by_suffix(file.name)
        if kind is not None:
            counts[kind] += 1
            if sum(counts.values()) == most:
                break
    if not any(counts.values()):
        for file in files[:_LOOKED_INTO]:
            kind = _kind_inside(file)
            if kind is not None:
                counts[kind] += 1
    best = max(counts, key=lambda kind: counts[kind])
    return best if counts[best] else None


def _kind_inside(file: Path) -> MediaKind | None:
    told = _TYPES.guess_type(file.name)[0]
    if told is not None and not told.startswith(("image/", "audio/")):
        return None
    try:
        with picture_in(file, SIGNED_FORMATS):
            return "image"
    except UNREADABLE:
        pass
    try:
        soundfile.info(str(file))
    except (soundfile.LibsndfileError, OSError, RuntimeError):
        return None
    return "audio"

"""Finds the file that a user's word for it means: an address, an archive, a part of a file.

Takes a path or an address; gives a path on this disk. What `http` brings, what an archive holds
and what is packed and cannot be read so is kept in the cache, under its address, or under the
packed file's place, time and size. `file.db::table` names a part of a file.
"""

import hashlib
import os
import shutil
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from autosynth.atomic import path_of
from autosynth.data.source.cache import cache_folder
from autosynth.data.source.download import cached_download, download_folder, is_address
from autosynth.data.source.encoding import FILE_ERRORS, packing, plain_name, unpacked
from autosynth.data.source.limits import MEMBERS, UNPACKED
from autosynth.errors import AutosynthError, DataError, did_you_mean

_PART = "::"
_LISTED = 12
_ZIP_ERRORS = (zipfile.BadZipFile, NotImplementedError, ValueError, RuntimeError)
_STREAMED = (
    ".csv",
    ".tsv",
    ".txt",
    ".data",
    ".dat",
    ".all",
    ".train",
    ".test",
    ".jsonl",
    ".ndjson",
)
"""Forms of text, which are unpacked while they are read."""


def split_part(path: Path) -> tuple[Path, str]:
    """`file.db::table` as a file and a part of it; the part is "" where none is named."""
    if _PART not in str(path) or path.exists():
        return path, ""
    name, _, part = str(path).partition(_PART)
    return Path(name), part


def named_or_only(named: str, there: list[str], path: Path, what: str) -> str:
    """The part of a file that is named, or the only one there is.

    Raises `DataError` where it is not there, or several are and none is named.
    """
    listed = ", ".join(there[:_LISTED]) + (", ..." if len(there) > _LISTED else "")
    if named and named not in there:
        raise DataError(
            f"{path} holds no {what} {named!r}; there are: {listed or 'none'}."
            f"{did_you_mean(named, there)}"
        )
    if named:
        return named
    if not there:
        raise DataError(f"{path} holds no {what} with rows.")
    if len(there) > 1:
        raise DataError(
            f"{path} holds more than one {what}: {listed}. Name one, as "
            f"{path.name}{_PART}{there[0]}."
        )
    return there[0]


def located(source: str | Path) -> Path:
    """The path on this disk that a path or an address means; it need not exist.

    Raises:
        DataError: an address that gives no file, or an archive that cannot be unpacked.
    """
    what = "data is the name of a built-in set or a file or folder"
    here = cached_download(str(source)) if is_address(source) else source
    path = path_of(here, what, DataError).expanduser()
    file, part = split_part(path)
    if not file.is_file():
        return path
    if file.suffix.lower() == ".zip":
        return _member(file, part)
    name = plain_name(file)
    is_streamed = Path(name).suffix.lower() in _STREAMED or name.endswith(("-ubyte", ".idx"))
    if packing(file) and not is_streamed:
        whole = _whole(file)
        return whole.with_name(f"{whole.name}{_PART}{part}") if part else whole
    return path


@contextmanager
def forgotten_if_unread(source: object) -> Iterator[None]:
    """What an address brings is kept only if it can be read."""
    folder = download_folder(str(source)) if is_address(source) else None
    fresh = folder is not None and not folder.exists()
    try:
        yield
    except DataError:
        if fresh and folder is not None:
            shutil.rmtree(folder, ignore_errors=True)
        raise


def _kept(path: Path, kind: str) -> Path:
    """The folder of the cache for what a file holds, as the file is now."""
    about = path.stat()
    name = f"{path.resolve()}:{about.st_mtime_ns}:{about.st_size}"
    return cache_folder(kind, hashlib.sha256(name.encode()).hexdigest()[:16])


def _whole(path: Path) -> Path:
    """An unpacked copy of a file."""
    name = plain_name(path)
    folder = _kept(path, "unpacked")
    if not (folder / name).is_file():
        with _made(folder) as partial:
            try:
                with unpacked(path) as file, (partial / name).open("wb") as out:
                    shutil.copyfileobj(file, out)
            except FILE_ERRORS as error:
                raise DataError(
                    f"{path} cannot be unpacked: {error}. Is the file whole? Get it again."
                ) from error
    return folder / name


def _member(path: Path, part: str) -> Path:
    """The folder of what a zip archive holds, or the only or the named file in it."""
    folder = _kept(path, "archives") / path.stem
    if not folder.is_dir():
        with _made(folder.parent) as partial:
            _extract(path, partial / path.stem)
    if part:
        there = sorted(
            str(each.relative_to(folder)) for each in folder.rglob("*") if each.is_file()
        )
        return folder / named_or_only(part, there, path, "file")
    found = folder
    while found.is_dir() and len(inside := list(found.iterdir())) == 1:
        (found,) = inside
    return found


def _extract(path: Path, folder: Path) -> None:
    """Everything of a zip archive but hidden files; sizes that it declares are checked first."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = [each for each in archive.infolist() if not each.is_dir()]
            members = [each for each in members if not _is_hidden(each.filename)]
            cure = "Unpack it and name the folder."
            MEMBERS.check(len(members), str(path), cure=cure)
            if any(each.flag_bits & 1 for each in members):
                raise DataError(f"{path} is encrypted. Unpack it and name what it holds.")
            size = sum(each.file_size for each in members)
            UNPACKED.check(size, str(path), path.stat().st_size)
            folder.mkdir(parents=True)
            archive.extractall(folder, members)
    except AutosynthError:
        raise
    except (*FILE_ERRORS, *_ZIP_ERRORS) as error:
        raise DataError(
            f"{path} cannot be unpacked: {error}. Is the file whole? Get it again."
        ) from error


def _is_hidden(name: str) -> bool:
    return any(part.startswith((".", "__MACOSX")) for part in Path(name).parts)


@contextmanager
def _made(folder: Path) -> Iterator[Path]:
    """A folder to fill, which becomes `folder` when it is whole, and is gone otherwise."""
    partial = folder.with_name(f"{folder.name}.{os.getpid()}.part")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        yield partial
        try:
            partial.replace(folder)
        except OSError:
            if not folder.is_dir():  # else another process was faster
                raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)

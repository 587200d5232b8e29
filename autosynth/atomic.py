"""Files that are whole or not there: what is written takes the place of the old in one step.

Every write goes to a temporary file that then takes the place of the old one, so that a reader, or
a run killed half-way, never sees half a file. A link stays, and the file that it names is
replaced; what is no file, as a pipe or a device, is written to. A file is on the disk before it
has its name, and its name is before the next file is written: after a power cut there is never one
that tells of another which is not there.
"""

import errno
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

from autosynth.errors import FULL, AutosynthError, RunError, lacking
from autosynth.number import brief_repr

# Of some network and foreign file systems, that do not flush folders: nothing is to be done.
_NO_FLUSH = (errno.EINVAL, errno.ENOTSUP, errno.EBADF)
_TEMPORARY = re.compile(r"\.[0-9a-f]{32}(\..*)?", re.DOTALL)


def write_text_atomic(path: Path, text: str) -> None:
    """Write UTF-8 text so that `path` holds either all of it or what it held before.

    Raises:
        RunError: the folder cannot be made or written.
    """
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """A temporary path beside `path`, which takes its place when the block ends well.

    Parent folders are made. When the block raises, `path` is as it was. What is no file is given
    itself.

    Raises:
        RunError: the folder cannot be made or written.
    """
    if path.exists() and not path.is_file() and not path.is_dir():
        try:
            yield path
        except OSError as problem:
            if isinstance(problem, AutosynthError | BrokenPipeError):
                raise
            raise unwritable(path, problem) from problem
        return
    path = Path(os.path.realpath(path)) if path.is_symlink() else path
    temporary = path.with_name(f".{uuid4().hex}{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.touch()
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())  # on the disk before it takes the place: survives a reboot
        if path.is_file():
            shutil.copymode(path, temporary)
        temporary.replace(path)
        flush_folder(path.parent)
    except AutosynthError:
        raise  # some are OSErrors, of another file
    except OSError as problem:
        raise unwritable(path, problem) from problem
    finally:
        with suppress(OSError):  # of a disk that went away, or can be written no more: it is told
            temporary.unlink(missing_ok=True)


def flush_folder(folder: Path) -> None:
    """Have the disk keep which files a folder holds. Raises OSError where the disk fails."""
    if os.name != "posix":  # Windows opens no folder, and keeps names by itself
        return
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    except OSError as problem:
        if problem.errno not in _NO_FLUSH:
            raise
    finally:
        os.close(number)


def is_temporary(name: str) -> bool:
    """Whether a file has a name that a write gives it until it is whole."""
    return _TEMPORARY.fullmatch(name) is not None


def unwritable(path: Path, problem: OSError) -> RunError:
    """An error that names the file that could not be written, and the cure."""
    cure = "name a folder you may write with --out"
    if problem.errno in FULL:
        cure = "free some space on its disk, and type the same command again"
    if problem.errno in (errno.EMFILE, errno.ENFILE):  # the folder is well
        cure = lacking(problem) or cure
    return RunError(f"cannot write {str(path)!r}: {problem.strerror or problem}; {cure}")


def path_of(given: object, what: str, problem: type[AutosynthError]) -> Path:
    """The path that a user gives; it need not exist.

    Args:
        given: a text or a path.
        what: it is to be, as a message begins: `a bundle is a folder`.
        problem: is raised.

    Raises:
        AutosynthError: of the kind `problem`: it is no path, or one that no file can have here.
    """
    if not isinstance(given, str | os.PathLike):
        raise problem(f"{what}, named by a path, not {brief_repr(given)}")
    path = Path(given)
    try:
        path.exists()
    except OSError as error:  # such as a name that is too long
        shown = brief_repr(str(path))
        raise problem(f"{what}, and {shown} cannot be one: {error.strerror}") from error
    return path

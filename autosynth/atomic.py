"""Files that are whole or not there: what is written takes the place of the old in one step.

Every write goes to a temporary file that then takes the place of the old one, so that a reader, or
a run killed half-way, never sees half a file. A link stays, and the file that it names is
replaced; what is no file, as a pipe or a device, is written to.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from autosynth.errors import AutosynthError, RunError
from autosynth.number import brief_repr


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
            raise _unwritable(path, problem) from problem
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
    except AutosynthError:
        raise  # some are OSErrors, of another file
    except OSError as problem:
        raise _unwritable(path, problem) from problem
    finally:
        if path.parent.is_dir():
            temporary.unlink(missing_ok=True)


def _unwritable(path: Path, problem: OSError) -> RunError:
    why = problem.strerror or str(problem)
    return RunError(f"cannot write {str(path)!r}: {why}; name a folder you may write with --out")


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

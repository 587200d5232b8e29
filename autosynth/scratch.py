"""Folders for what is handed from process to process, and for arrays too large for memory.

They lie where the system keeps temporary files. A process that is killed removes nothing: so the
name of each says which process of which machine made it, and the next search removes those whose
maker is gone.
"""

import errno
import hashlib
import os
import platform
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from autosynth.errors import FULL, AutosynthError, RunError

_NAME = re.compile(r"autosynth-[a-z]+-([0-9a-f]{8})-(\d+)-.*")


def new_scratch(what: str) -> Path:
    """A new empty folder, which its maker has to remove.

    Args:
        what: it is for, one word of small letters.

    Raises:
        RunError: there is no place for it.
    """
    try:
        return Path(tempfile.mkdtemp(prefix=f"autosynth-{what}-{_machine()}-{os.getpid()}-"))
    except OSError as problem:
        raise _no_room(problem) from problem


@contextmanager
def scratch(what: str) -> Iterator[Path]:
    """A new empty folder that is gone when the block ends.

    Raises:
        RunError: there is no place for it, or for what the block writes.
    """
    folder = new_scratch(what)
    try:
        yield folder
    except AutosynthError:
        raise
    except OSError as problem:
        if problem.errno not in FULL and problem.errno != errno.EROFS:
            raise
        raise _no_room(problem) from problem
    finally:
        shutil.rmtree(folder, ignore_errors=True)  # a child may still hold a file, on Windows


def sweep_scratch() -> list[Path]:
    """Remove the folders of processes of this user and machine that are gone; gives them."""
    found = []
    for folder in sorted(Path(_place()).glob("autosynth-*")):
        match = _NAME.fullmatch(folder.name)
        if match is None or match[1] != _machine() or not _is_ours(folder):
            continue
        if not is_running(int(match[2])):
            shutil.rmtree(folder, ignore_errors=True)
            found.append(folder)
    return found


def is_running(process: int) -> bool:
    """Whether a process of this machine runs; true where the system does not tell."""
    if os.name != "posix":  # elsewhere signal 0 is no question
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True


def _is_ours(folder: Path) -> bool:
    try:
        return folder.is_dir() and (os.name != "posix" or folder.stat().st_uid == os.getuid())
    except OSError:
        return False


def _machine() -> str:
    """A short name of the machine: a container has its own, and its own numbers of processes."""
    return hashlib.sha256(platform.node().encode()).hexdigest()[:8]


def _no_room(problem: OSError) -> RunError:
    cure = "free some space there, or name a folder with more room as TMPDIR"
    if problem.errno == errno.EROFS:
        cure = "name a folder that can be written as TMPDIR"
    return RunError(
        f"cannot write temporary files in {_place()!r}: {problem.strerror or problem}; {cure}"
    )


def _place() -> str:
    try:
        return tempfile.gettempdir()
    except OSError:  # of a system without one that can be written
        return os.environ.get("TMPDIR", "the temporary folder")

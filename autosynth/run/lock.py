"""One run, one driver: who works on a run's folder holds its lock, and others are told who.

The lock is the kernel's (`flock`, on Windows `msvcrt`), by the `filelock` library: it is gone when
its holder is, however that ends, so that none is ever stale. It holds on local disks, on NFS from
version 4 on, and wherever else the file system passes `flock` on. Where one knows no such locks,
filelock falls back to a file that names its holder, and removes it where that process is gone, on
the same machine; two machines on such a file system are told apart by that file alone.
"""

import json
import os
import platform
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from autosynth.atomic import unwritable, write_text_atomic
from autosynth.errors import RunningError
from autosynth.jsonfields import from_fields
from autosynth.number import shorten

LOCK_FILE, DRIVER_FILE = "driver.lock", "driver.json"
# Letters of a command, that another is told: a path or a strategy may be of any length.
_COMMAND = 200


@dataclass(frozen=True, kw_only=True)
class Holder:
    """Who works on a run: a process of a machine, since when, and by which command."""

    pid: int
    host: str
    since: str
    command: str

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}, since {self.since}: {self.command}"


def read_driver(folder: Path) -> Holder | None:
    """Who drives a run, as it wrote itself down; None where that cannot be read."""
    try:
        plain = json.loads((folder / DRIVER_FILE).read_text(encoding="utf-8"))
        return from_fields(Holder, plain)
    except (OSError, ValueError, RecursionError):
        return None


@contextmanager
def lock(folder: Path) -> Iterator[None]:
    """Hold the lock of a run's folder, which is there, while the block runs.

    Raises:
        RunningError: another process holds it; it is named.
        RunError: the folder cannot be written.
    """
    held = FileLock(folder / LOCK_FILE)
    try:
        held.acquire(timeout=0)
    except Timeout as problem:
        who = read_driver(folder)
        raise RunningError(
            f"a search is already running in {str(folder)!r} ({who or 'it does not say which'}); "
            "wait for its end, or name another folder with --out"
        ) from problem
    except OSError as problem:
        raise unwritable(folder / LOCK_FILE, problem) from problem
    try:
        write_text_atomic(folder / DRIVER_FILE, json.dumps(asdict(_this())) + "\n")
        yield
    finally:
        with suppress(OSError):  # where the folder is gone, or the disk: the lock still opens
            (folder / DRIVER_FILE).unlink(missing_ok=True)
        held.release()


def is_locked(folder: Path) -> bool:
    """Whether a process works on a run. Leaves nothing behind."""
    if not (folder / LOCK_FILE).is_file():
        return False
    probe = FileLock(folder / LOCK_FILE)
    try:
        probe.acquire(timeout=0)
    except Timeout:
        return True
    except OSError:
        return False  # it may not be written: whoever tries to, is told
    probe.release()
    return False


def _this() -> Holder:
    return Holder(
        pid=os.getpid(),
        host=platform.node() or "an unnamed machine",
        since=time.strftime("%Y-%m-%d %H:%M:%S"),
        command=shorten(" ".join(sys.argv), _COMMAND),
    )

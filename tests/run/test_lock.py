"""One run has one driver: another is told who it is, and a driver that is gone holds nothing."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from autosynth.errors import RunError, RunningError
from autosynth.run.lock import is_locked, lock, read_driver

HOLD = """
import sys
from pathlib import Path
from autosynth.run.lock import lock
with lock(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def another(folder: Path) -> Iterator["subprocess.Popen[str]"]:
    """A process that holds the lock until its input ends."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        try:
            yield process
        finally:
            process.kill()


def test_the_second_is_told_who_holds_a_run_and_who_was_killed_holds_none(tmp_path: Path) -> None:
    with another(tmp_path) as first:
        told = rf"already running in .*\(process {first.pid} on .*, since .*: -c .*\); wait"
        with pytest.raises(RunningError, match=told), lock(tmp_path):
            pass
        driver = read_driver(tmp_path)
        assert driver is not None
        assert driver.pid == first.pid
        assert is_locked(tmp_path)
        first.kill()
        first.wait()
        assert not is_locked(tmp_path)
        with lock(tmp_path):
            driver = read_driver(tmp_path)
            assert driver is not None
            assert driver.pid == os.getpid()
    assert read_driver(tmp_path) is None


def test_a_lock_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "driver.lock").mkdir()
    with pytest.raises(RunError, match=r"cannot write '.*driver\.lock'"), lock(tmp_path):
        pass


@pytest.mark.parametrize("content", ["", "{", "[]", '{"pid": "x"}'])
def test_a_holder_that_does_not_say_who_it_is_is_told_of(tmp_path: Path, content: str) -> None:
    with lock(tmp_path):
        (tmp_path / "driver.json").write_text(content)
        with pytest.raises(RunningError, match="it does not say which"), lock(tmp_path):
            pass

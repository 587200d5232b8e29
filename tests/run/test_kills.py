"""Searches that are killed, or refused a write: nothing that had ended is lost, all go on."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def kill(log: Path, *args: str) -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "tests/benchmarks/kills.py", "--log", log, *args],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert log.read_text().count("\n") == int(args[args.index("--kills") + 1])


def test_five_kills_of_a_driver_and_its_workers_lose_nothing(tmp_path: Path) -> None:
    """And two workers share a run: each trial is trained once, and none of them fails."""
    # One search, killed five times: what it has done, it has not to do again.
    kill(tmp_path / "log", *("--kills", "5", "--chain", "5", "--kind", "3", "--life", "5"))


@pytest.mark.slow
def test_kills_of_a_driver_a_worker_or_both_lose_nothing(tmp_path: Path) -> None:
    kill(tmp_path / "log", "--kills", "24", "--chain", "3")


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux" or not shutil.which("cc"), reason="needs a C compiler")
@pytest.mark.parametrize("disk", ["full from then on, 2 workers", "read-only from then on, 1"])
def test_whatever_write_is_refused_is_told_and_loses_nothing(disk: str, tmp_path: Path) -> None:
    log = tmp_path / "log"
    done = subprocess.run(
        [sys.executable, ROOT / "tests/benchmarks/writes.py", "--log", log, "--only", disk]
        + ["--each", "1", "--most", "8"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert log.read_text().count("\n") >= 5

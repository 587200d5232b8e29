"""What tests of the command line share: a folder to work in, a small table, a process."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

ROOT = Path(__file__).parents[2]
Flowers = Callable[[int], pd.DataFrame]
Process = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture(scope="session")
def flowers() -> Flowers:
    """So many of two kinds of flowers, which a petal's length tells apart."""

    def make(n: int) -> pd.DataFrame:
        kind = ["rose", "tulip"] * (n // 2)
        petal = [i % 7 / 10 + (2.0 if name == "rose" else 5.0) for i, name in enumerate(kind)]
        return pd.DataFrame({"petal": petal, "leaf": [i % 11 / 3 for i in range(n)], "kind": kind})

    return make


def _hear_ctrl_c() -> None:
    """In the child: a shell that runs the tests in the background has it ignored."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.fixture
def process() -> Process:
    """Start a Python process that knows this checkout, with warnings as errors."""

    def start(
        *args: str, stdout: int, stderr: int | None = None, pipesize: int = -1, **variables: str
    ) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, "-W", "error", *args], text=True,
            stdout=stdout, stderr=stderr, pipesize=pipesize,
            env={**os.environ, "PYTHONPATH": str(ROOT), **variables},
            preexec_fn=_hear_ctrl_c,
        )  # fmt: skip

    return start

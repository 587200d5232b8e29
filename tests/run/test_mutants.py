"""Fifty damaged run folders: every command ends by itself, or with an error of ours."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
@pytest.mark.parametrize("run", ["finished", "unfinished"])
def test_no_damage_to_a_run_is_a_traceback(run: str) -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "tests/benchmarks/runs.py", run, "--mutants", "25"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr

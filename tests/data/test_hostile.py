"""Damaged files of every form are read or refused: none crashes, hangs, or fills memory."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_no_mutant_of_any_form_does_wrong() -> None:
    pytest.importorskip("openpyxl")
    ran = subprocess.run(
        [sys.executable, str(ROOT / "tests/benchmarks/mutate.py"), "--mutants", "30"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert ran.stdout.count("wrong 0") > 10

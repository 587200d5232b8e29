"""Damaged files of every form are read or refused: none crashes, hangs, or fills memory."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_no_mutant_of_any_form_does_wrong(tmp_path: Path) -> None:
    """Of every form a few, by other seeds than those of results/hostile.md."""
    pytest.importorskip("openpyxl")
    script, out = str(ROOT / "tests/benchmarks/mutate.py"), tmp_path / "table.md"
    ran = subprocess.run(
        [sys.executable, script, "--mutants", "8", "--seed", "1000", "--out", str(out)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert ran.stdout.count("wrong 0") == out.read_text().count("| 0 | 0 | 0 | 0 |") > 70

"""Temporary folders are gone with their makers, also where those were killed."""

import subprocess
import sys
from pathlib import Path

import pytest

from autosynth.errors import RunError
from autosynth.scratch import new_scratch, scratch, sweep_scratch

MAKE = "from autosynth.scratch import new_scratch; print(new_scratch('test'))"


def test_the_folders_of_the_dead_are_swept_and_of_the_living_are_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)  # it is asked for once
    made = subprocess.run([sys.executable, "-c", MAKE], capture_output=True, text=True, check=True)
    left = Path(made.stdout.strip())
    (left / "data.pickle").write_text("of someone")
    (tmp_path / "autosynth-notes").mkdir()  # not of this form
    with scratch("test") as ours:
        assert sweep_scratch() == [left]
        assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
            ["autosynth-notes", ours.name]
        )
    assert not ours.exists()


def test_no_place_for_temporary_files_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "nowhere"))
    with pytest.raises(RunError, match="cannot write temporary files in .*TMPDIR"):
        new_scratch("test")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is full")
def test_a_full_disk_of_temporary_files_is_told() -> None:
    def fill() -> None:
        with scratch("test") as folder:
            (folder / "data").symlink_to("/dev/full")
            (folder / "data").write_text("more than there is room for")

    with pytest.raises(RunError, match="No space left on device; free some space"):
        fill()

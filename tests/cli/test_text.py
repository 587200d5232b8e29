"""What the commands write: what they tell to type can be typed."""

import shlex
from pathlib import Path

import pytest

from autosynth.cli.text import columns, put_bundle


def test_the_next_command_can_be_typed_whatever_the_folder_is_called(
    capsys: pytest.CaptureFixture[str],
) -> None:
    put_bundle(Path("my runs/digits 1; now"))
    line = capsys.readouterr().out.splitlines()[-1]
    assert shlex.split(line)[:3] == ["autosynth", "predict", "my runs/digits 1; now"]


def test_columns_are_aligned_and_lines_end_with_their_text() -> None:
    assert columns([("a", "one"), ("long", "")]) == ["a     one", "long"]

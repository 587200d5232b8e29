"""What is written is whole, or not there."""

import pytest

from autosynth.atomic import atomic_path, write_text_atomic


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "a" / "board.csv"
    write_text_atomic(path, "old\n")

    def half() -> None:
        with atomic_path(path) as temporary:
            temporary.write_text("ne")
            raise KeyboardInterrupt("ctrl-c")

    with pytest.raises(KeyboardInterrupt, match="ctrl-c"):
        half()
    assert path.read_text() == "old\n"
    assert [file.name for file in path.parent.iterdir()] == ["board.csv"]

"""What may be used of memory: the least of the machine's, the group's and the process's own."""

from pathlib import Path

import pytest

from autosynth.data.source import memory

resource = pytest.importorskip("resource")
SMALL = 2**36  # bytes: more than these tests take


def test_a_limit_of_the_process_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_physical", lambda: 2**50)
    monkeypatch.setattr(memory, "_group_files", list)
    was = resource.getrlimit(resource.RLIMIT_DATA)
    try:
        resource.setrlimit(resource.RLIMIT_DATA, (SMALL, was[1]))
        assert memory.total_memory() == SMALL
        assert memory.most_in_memory() == SMALL // 4
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, was)


@pytest.mark.parametrize(("text", "most"), [("123456\n", 123456), ("max\n", 2**30)])
def test_a_limit_of_the_group_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, most: int
) -> None:
    monkeypatch.setattr(memory, "_physical", lambda: 2**30)
    (tmp_path / "memory.max").write_text(text)
    monkeypatch.setattr(
        memory, "_group_files", lambda: [tmp_path / "none", tmp_path / "memory.max"]
    )
    assert memory.total_memory() == most

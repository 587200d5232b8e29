"""Lines to standard output: how every command shows what it gives."""

import shlex
import shutil
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path


def put(*lines: str) -> None:
    """Write lines to standard output."""
    sys.stdout.write("".join(f"{line}\n" for line in lines))


def put_prose(text: str) -> None:
    """Write a sentence; on a terminal, broken between words."""
    limit = width()
    put(text if limit is None else textwrap.fill(text, limit))


def columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows of cells as lines with aligned columns."""
    sizes = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.ljust(size) for cell, size in zip(row, sizes, strict=True)).rstrip()
        for row in rows
    ]


def width() -> int | None:
    """Of the terminal; None where the output is read by something else."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def put_bundle(folder: Path) -> None:
    """Where a bundle is, and what to type to use it."""
    put(f"bundle   {folder}", "next", f"  autosynth predict {quoted(folder)} DATA -o preds.csv")


def quoted(path: Path) -> str:
    """A path as it has to be typed."""
    return shlex.quote(str(path))

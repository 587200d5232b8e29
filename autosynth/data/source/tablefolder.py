"""Reads a folder of tables that are the parts of one: `train.tsv`, `dev.tsv`, `test.tsv`.

A file's name says which part it holds. Gives a `Raw` whose parts are those of the folder.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from autosynth.data.source.raw import Raw
from autosynth.data.source.table import frame_rows, is_table, read_frame
from autosynth.errors import DataError

_WORDS: Mapping[str, str] = {
    "main": "train|training",
    "validation": "dev|val|valid|validation",
    "test": "test|testing",
}
_PART = {
    part: re.compile(rf"(^|[._\- ])({words})([._\- ]|$)", re.IGNORECASE)
    for part, words in _WORDS.items()
}


def is_table_folder(folder: Path) -> bool:
    """Whether a folder holds a table to train on and others of its parts."""
    return "main" in parts_of(folder)


def only_table(folder: Path) -> Path | None:
    """The one table that stands in a folder, whatever else does."""
    found = list(_tables(folder))
    return found[0] if len(found) == 1 else None


def read_table_folder(folder: Path, target: Sequence[str], *, labelled: bool = True) -> Raw:
    """The parts of the folder's table; with `labelled`, `target` names the column to predict.

    Raises:
        DataError: two files are the same part, or one cannot be read as a table.
    """
    raws = {}
    for part, path in parts_of(folder, strict=True).items():
        frame, warnings = read_frame(path)
        known = labelled and (part == "main" or not target or set(target) <= set(frame.columns))
        raws[part] = frame_rows(
            frame, folder.name, str(path), target, labelled=known, warnings=warnings
        )
    found = {part: raw.main for part, raw in raws.items()}
    return replace(
        raws["main"],
        source=str(folder),
        validation=found.get("validation"),
        test=found.get("test"),
        warnings=raws["main"].warnings,
    )


def _tables(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        if is_table(path) and not path.name.startswith((".", "README")):
            yield path


def parts_of(folder: Path, *, strict: bool = False) -> dict[str, Path]:
    """The file of each part; to train on, where none says so, the only other one."""
    found: dict[str, Path] = {}
    others: list[Path] = []
    for path in _tables(folder):
        name = path.name.removesuffix(".gz")
        part = next((part for part, words in _PART.items() if words.search(name)), None)
        if part is None:
            others.append(path)
        elif part in found and strict:
            raise DataError(
                f"{folder} holds {found[part].name} and {path.name}, which are both named like a "
                f"part to {'train' if part == 'main' else part} on; name one file, and others "
                "with --test"
            )
        else:
            found.setdefault(part, path)
    if "main" not in found and "test" in found and len(others) == 1:
        found["main"] = others[0]
    return found

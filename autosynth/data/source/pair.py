"""Pairs of files as the archives of series name them: `NAME_TRAIN.ts` and `NAME_TEST.ts`.

Takes a file or a folder; gives the files to read and the name of the set.
"""

from dataclasses import dataclass
from pathlib import Path

from autosynth.errors import DataError

_TRAIN, _TEST = "_TRAIN", "_TEST"


@dataclass(frozen=True, kw_only=True)
class Pair:
    """The file to train on, the one to test on where there is one, and the name of both."""

    main: Path
    test: Path | None
    name: str


def training_files(folder: Path, suffix: str) -> list[Path]:
    """The `NAME_TRAIN` files of this suffix in a folder."""
    return sorted(folder.glob(f"*{_TRAIN}{suffix}"))


def find_pair(path: Path, suffix: str) -> Pair:
    """The pair that a folder holds, or that a file belongs to.

    Raises:
        DataError: the folder holds several.
    """
    if path.is_dir():
        files = training_files(path, suffix)
        if len(files) > 1:
            raise DataError(
                f"{path} holds {len(files)} sets: {', '.join(file.name for file in files)}. "
                "Name one of the files."
            )
        path = files[0]
    stem = path.stem.removesuffix(_TRAIN)
    beside = path.with_name(f"{stem}{_TEST}{path.suffix}")
    paired = stem != path.stem and beside.is_file()
    return Pair(main=path, test=beside if paired else None, name=stem)

"""Reads a folder of sounds: one sub-folder a class, in `train/` and `test/` or without.

Gives a frame with one column, `audio`, of the files' absolute paths; what they hold is read later.
"""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from autosynth.data.forms.classfolder import (
    Part,
    as_raw,
    classes_of,
    find_parts,
    find_unlabelled,
)
from autosynth.data.raw import Raw, Rows
from autosynth.errors import DataError

SUFFIXES = (".wav", ".flac", ".ogg", ".mp3", ".oga", ".opus", ".aiff", ".aif", ".au")
COLUMN = "audio"


def read_audio_folder(folder: Path) -> Raw:
    """The sounds of `folder` with their sub-folders' names as classes; official parts if there.

    Raises:
        DataError: no sound stands in a sub-folder.
    """
    parts = find_parts(folder, SUFFIXES, "sounds")
    rows = {name: _rows(part, labelled=True) for name, part in parts.items()}
    return as_raw(folder, "audio", rows)


def read_audio(path: Path) -> Raw:
    """The sounds of a folder (of its test part, if it has one) or of one file, unlabelled.

    Raises:
        DataError: there is none.
    """
    part = find_unlabelled(path, SUFFIXES)
    if not part.files:
        raise DataError(f"{path} holds no sound; what is read is {', '.join(SUFFIXES)}.")
    main = _rows(part, labelled=False)
    return Raw(name=path.stem, source=str(path), target="class", main=main, kind="audio")


def _rows(part: Part, *, labelled: bool) -> Rows:
    index = part.index(part.files)
    return Rows(x=_frame(part.files), y=classes_of(index) if labelled else None, index=index)


def _frame(files: Sequence[Path]) -> pd.DataFrame:
    return pd.DataFrame({COLUMN: pd.Series([str(file.resolve()) for file in files], dtype=object)})

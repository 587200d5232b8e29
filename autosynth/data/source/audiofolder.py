"""Reads a folder of sounds: one sub-folder a class, in `train/` and `test/` or without.

Gives a frame with one column, `audio`, of the files' absolute paths; what they hold is read later.
"""

from pathlib import Path

from autosynth.data.source.classfolder import as_raw, find_parts
from autosynth.data.source.mediafile import AUDIO_SUFFIXES
from autosynth.data.source.raw import Raw

COLUMN = "audio"


def read_audio_folder(folder: Path) -> Raw:
    """The sounds of `folder` with their sub-folders' names as classes; official parts if there.

    Raises:
        DataError: no sound stands in a sub-folder.
    """
    parts = find_parts(folder, AUDIO_SUFFIXES, "sounds")
    rows = {name: part.paths(COLUMN, labelled=True) for name, part in parts.items()}
    return as_raw(folder, "audio", rows)

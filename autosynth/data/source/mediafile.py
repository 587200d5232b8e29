"""Files of pictures and of sound: which suffixes say so.

Takes and gives nothing but names; folders are told apart by them, and so are cells of a table that
hold paths.
"""

from typing import Literal

MediaKind = Literal["image", "audio"]

AUDIO_SUFFIXES = (".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aiff", ".aif", ".au", ".caf")
"""Of files that libsndfile reads."""
MEDIA_SUFFIXES: dict[MediaKind, tuple[str, ...]] = {
    "image": (
        *(".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".pgm", ".ppm"),
    ),
    "audio": AUDIO_SUFFIXES,
}

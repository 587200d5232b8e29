"""Reads a folder of images: one sub-folder a class, in `train/` and `test/` or without.

Gives grey images where all are grey, else colour, at one size: the median one where they differ.
An image that cannot be read is left out, with a warning that names it.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from autosynth.data.source.classfolder import (
    ClassFolder,
    as_raw,
    classes_of,
    find_parts,
    find_unlabelled,
)
from autosynth.data.source.mediafile import MEDIA_SUFFIXES as MEDIA
from autosynth.data.source.pixels import UNREADABLE, ImageShape, pixels, sizes_of
from autosynth.data.source.raw import Raw, RawRows
from autosynth.errors import DataError

IMAGE_SUFFIXES = MEDIA["image"]
_MAX_SIDE = 256


def read_image_folder(folder: Path, like: tuple[int, ...] | None = None) -> Raw:
    """The images of `folder` with their sub-folders' names as classes; official parts if there.

    `like` is a shape (height, width, channels) to bring them to, in place of one of their own.
    """
    parts = find_parts(folder, IMAGE_SUFFIXES, "images")
    everything = [file for part in parts.values() for file in part.files]
    sizes, broken = sizes_of(everything)
    if not sizes:
        raise DataError(f"none of the {len(everything)} images in {folder} can be read.")
    shape, warnings = _common(sizes, folder)
    if like is not None:
        shape, warnings = ImageShape(height=like[0], width=like[1], channels=like[2]), ()
    rows: dict[str, RawRows] = {}
    for name, part in parts.items():
        rows[name], lost = _read(part, shape, labelled=True)
        broken.update(lost)
    if shape.channels == 3 and like is None:
        rows = _without_colour(rows)
    return as_raw(folder, "image", rows, (*warnings, *_broken_warning(broken, folder)))


def read_images(path: Path, channels: int, height: int, width: int) -> Raw:
    """The images of a folder (of its test part, if it has one) or of one file, unlabelled."""
    part = find_unlabelled(path, IMAGE_SUFFIXES)
    shape = ImageShape(channels=channels, height=height, width=width)
    rows, broken = _read(part, shape, labelled=False)
    if not len(rows):
        raise DataError(f"none of the {len(part.files)} images in {path} can be read.")
    return Raw(
        name=path.stem,
        source=str(path),
        target="class",
        main=rows,
        kind="image",
        warnings=_broken_warning(broken, path),
    )


def _common(
    sizes: Sequence[tuple[int, int, bool]], folder: Path
) -> tuple[ImageShape, tuple[str, ...]]:
    height, width = (int(np.median([size[axis] for size in sizes])) for axis in (0, 1))
    channels = 3 if any(size[2] for size in sizes) else 1
    warnings = []
    differ = len({size[:2] for size in sizes}) > 1
    if max(height, width) > _MAX_SIDE:
        ratio = _MAX_SIDE / max(height, width)
        height, width = max(1, round(height * ratio)), max(1, round(width * ratio))
        warnings.append(f"images in {folder} are large; all are resized to {width}x{height}")
    elif differ:
        warnings.append(
            f"images in {folder} have different sizes; all are resized to the median, "
            f"{width}x{height}"
        )
    return ImageShape(channels=channels, height=height, width=width), tuple(warnings)


def _read(
    part: ClassFolder, shape: ImageShape, *, labelled: bool
) -> tuple[RawRows, dict[Path, str]]:
    x = np.empty((len(part.files), shape.height, shape.width, shape.channels), dtype=np.uint8)
    good: list[Path] = []
    broken: dict[Path, str] = {}
    for file in part.files:
        try:
            x[len(good)] = pixels(file, shape)
            good.append(file)
        except UNREADABLE as error:
            broken[file] = str(error)
    index = part.index(good)
    return RawRows(
        x=x[: len(good)], y=classes_of(index) if labelled else None, index=index
    ), broken


def _without_colour(rows: dict[str, RawRows]) -> dict[str, RawRows]:
    """One channel where grey images were saved as colour ones."""
    pixels_of = {name: np.asarray(part.x) for name, part in rows.items()}
    if not all((x[..., :1] == x).all() for x in pixels_of.values()):
        return rows
    return {
        name: replace(part, x=np.ascontiguousarray(pixels_of[name][..., :1]))
        for name, part in rows.items()
    }


def _broken_warning(broken: dict[Path, str], folder: Path) -> tuple[str, ...]:
    if not broken:
        return ()
    shown = ", ".join(str(path) for path in list(broken)[:5])
    more = f" and {len(broken) - 5} more" if len(broken) > 5 else ""
    return (f"{len(broken)} images cannot be read and are left out: {shown}{more}",)

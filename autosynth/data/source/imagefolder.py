"""Reads a folder of images: one sub-folder a class, in part folders or without.

Gives grey images where all are grey, else colour, at one size: the median one where they differ.
Where all have more than 8 bits a pixel they keep their values. An image that cannot be read is
left out, counted by class, with a warning that names it; a class of which none can be read is an
error.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from autosynth.data.source.classfolder import (
    ClassFolder,
    FolderParts,
    LabelledFile,
    by_class,
    find_parts,
    find_unlabelled,
)
from autosynth.data.source.framefolder import FRAMES_COLUMN, are_frames, frames_raw
from autosynth.data.source.pixels import (
    UNREADABLE,
    ImageHeader,
    ImageShape,
    common_dtype,
    picture_headers,
    pixels,
)
from autosynth.data.source.raw import Raw, RawRows
from autosynth.errors import DataError

_MAX_SIDE = 256
_SHOWN = 5


def read_image_folder(
    folder: Path, like: tuple[int, ...] | None = None, rows: bool | None = None
) -> Raw:
    """The images of `folder` with their sub-folders' names as classes; official parts if there.

    `like` is a shape (channels, height, width) to bring them to, in place of one of their own.
    `rows` says whether folders below the classes are rows of several images each; if left out,
    their names say so.
    """
    found = find_parts(folder, "image")
    if like is None and (rows or (rows is None and are_frames(found))):
        return frames_raw(folder, found, told=rows is not None)
    raw = _read_parts(folder, found, like)
    return raw if rows is None else replace(raw, array=FRAMES_COLUMN)


def _read_parts(folder: Path, found: FolderParts, like: tuple[int, ...] | None) -> Raw:
    everything = [file.path for part in found.parts.values() for file in part.files]
    headers, broken = picture_headers(everything)
    if not headers:
        raise DataError(
            f"none of the {len(everything)} images in {folder} can be read: "
            f"{_named(broken)}. What can be is PNG, JPEG and other forms of Pillow."
        )
    shape, warnings = _common(headers, folder)
    if like is not None:
        shape = replace(shape, channels=like[0], height=like[1], width=like[2])
        warnings = ()
    rows: dict[str, RawRows] = {}
    for name, part in found.parts.items():
        rows[name], lost = _read(part, shape, labelled=True)
        broken.update(lost)
        if name == "main" and like is None:
            _check_classes(part, rows[name], broken, folder)
    if shape.channels == 3 and like is None:
        rows = _without_colour(rows)
    told = (*warnings, *found.warnings, *_told(found.parts, broken))
    return replace(found, warnings=told).as_raw(folder, "image", rows)


def read_images(path: Path, channels: int, height: int, width: int) -> Raw:
    """The images of a folder (of its test part, if it has one) or of one file, unlabelled."""
    part = find_unlabelled(path, "image")
    headers, broken = picture_headers([file.path for file in part.files])
    dtype = common_dtype(headers)
    shape = ImageShape(channels=channels, height=height, width=width, dtype=dtype)
    rows, lost = _read(part, shape, labelled=False)
    broken.update(lost)
    if not len(rows):
        raise DataError(
            f"none of the {len(part.files)} images in {path} can be read: {_named(broken)}."
        )
    return Raw(
        name=path.stem,
        source=str(path),
        target="class",
        main=rows,
        kind="image",
        warnings=_told({"main": part}, broken),
    )


def _common(headers: Sequence[ImageHeader], folder: Path) -> tuple[ImageShape, tuple[str, ...]]:
    sizes = [(header.height, header.width) for header in headers]
    height, width = (int(np.median([size[axis] for size in sizes])) for axis in (0, 1))
    warnings = []
    if max(height, width) > _MAX_SIDE:
        ratio = _MAX_SIDE / max(height, width)
        height, width = max(1, round(height * ratio)), max(1, round(width * ratio))
        warnings.append(f"images in {folder} are large; all are resized to {width}x{height}")
    elif len(set(sizes)) > 1:
        warnings.append(
            f"images in {folder} have different sizes; all are resized to the median, "
            f"{width}x{height}"
        )
    shape = ImageShape(
        channels=3 if any(header.colour for header in headers) else 1,
        height=height,
        width=width,
        dtype=common_dtype(headers),
    )
    return shape, tuple(warnings)


def _read(
    part: ClassFolder, shape: ImageShape, *, labelled: bool
) -> tuple[RawRows, dict[Path, str]]:
    size = (len(part.files), shape.height, shape.width, shape.channels)
    x = np.empty(size, dtype=shape.dtype)
    good: list[LabelledFile] = []
    broken: dict[Path, str] = {}
    for file in part.files:
        try:
            x[len(good)] = pixels(file.path, shape)
            good.append(file)
        except UNREADABLE as error:
            broken[file.path] = str(error)
    return part.rows(x[: len(good)], good, labelled=labelled), broken


def _check_classes(
    part: ClassFolder, rows: RawRows, broken: Mapping[Path, str], folder: Path
) -> None:
    """Raises `DataError` for a class of which nothing is left."""
    assert rows.y is not None
    left = set(rows.y)
    gone = [label for label in dict.fromkeys(f.label for f in part.files) if label not in left]
    if gone and left:
        lost = {f.path: broken[f.path] for f in part.files if f.label == gone[0]}
        raise DataError(
            f"class {gone[0]!r} of {folder} would be lost, as none of its {len(lost)} images can "
            f"be read: {_named(lost)}. Save them as PNG or JPEG, or take the folder away."
        )


def _without_colour(rows: dict[str, RawRows]) -> dict[str, RawRows]:
    """One channel where grey images were saved as colour ones."""
    pixels_of = {name: np.asarray(part.x) for name, part in rows.items()}
    if not all((x[..., :1] == x).all() for x in pixels_of.values()):
        return rows
    return {
        name: replace(part, x=np.ascontiguousarray(pixels_of[name][..., :1]))
        for name, part in rows.items()
    }


def _told(parts: Mapping[str, ClassFolder], broken: Mapping[Path, str]) -> tuple[str, ...]:
    """One warning on all that cannot be read, by class where there are any."""
    if not broken:
        return ()
    labels = Counter(
        file.label for part in parts.values() for file in part.files if file.path in broken
    )
    counts = f" ({by_class(labels)})" if any(labels) else ""
    return (f"{len(broken)} images cannot be read and are left out{counts}: {_named(broken)}",)


def _named(broken: Mapping[Path, str]) -> str:
    """The first few of them; of one, why."""
    shown = [str(path) for path in list(broken)[:_SHOWN]]
    if shown:
        shown[0] += f" ({next(iter(broken.values())).rstrip('.')})"
    more = f" and {len(broken) - _SHOWN} more" if len(broken) > _SHOWN else ""
    return ", ".join(shown) + more

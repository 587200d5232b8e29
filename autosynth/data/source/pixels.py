"""One picture of any mode, size and orientation, as bytes of a given shape.

Takes a file, or the bytes of one; gives (height, width, channels). It is turned as its EXIF data
says, what is transparent stands on white, 16 bits a pixel are scaled to 8, and an animation is its
first frame.
"""

import struct
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

UNREADABLE = (
    OSError,
    EOFError,
    SyntaxError,
    ValueError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
)
"""What opening and reading a picture raises where it is broken."""

File = Path | BytesIO

_GREY = ("1", "L", "LA", "La", "I", "F")
_ORIENTATION = 0x0112
_TURNED = (5, 6, 7, 8)  # by a quarter: height and width change places


@dataclass(frozen=True, kw_only=True)
class ImageShape:
    """The one shape that pictures are brought to."""

    channels: int
    height: int
    width: int


def sizes_of(files: Iterable[File]) -> tuple[list[tuple[int, int, bool]], dict[Any, str]]:
    """(height, width, has colour) of each picture, by its header; and those that have none."""
    sizes, broken = [], {}
    for file in files:
        try:
            with Image.open(file) as image:
                colour = image.mode not in _GREY and "I;" not in image.mode
                turned = image.getexif().get(_ORIENTATION) in _TURNED
                height, width = image.size if turned else image.size[::-1]
                sizes.append((height, width, colour))
        except UNREADABLE as error:
            broken[file] = str(error)
    return sizes, broken


def pixels(file: File, shape: ImageShape) -> NDArray[Any]:
    """The picture as bytes (height, width, channels). Raises one of `UNREADABLE`."""
    with Image.open(file) as opened:
        image = _opaque(_eight_bits(ImageOps.exif_transpose(opened)))
        image = image.convert("L" if shape.channels == 1 else "RGB")
        if image.size != (shape.width, shape.height):
            image = image.resize((shape.width, shape.height), Image.Resampling.BILINEAR)
        return np.asarray(image).reshape(shape.height, shape.width, shape.channels)


def _eight_bits(image: Image.Image) -> Image.Image:
    """Scales what PIL would clip: 16 bits a pixel, and fractions where all are in 0 ... 1."""
    if "I" not in image.mode and image.mode != "F":
        return image
    values = np.nan_to_num(np.asarray(image, dtype=np.float64))
    if image.mode != "F":
        values = values / 257
    elif values.max() <= 1:
        values = values * 255
    return Image.fromarray(values.clip(0, 255).round().astype(np.uint8))


def _opaque(image: Image.Image) -> Image.Image:
    if not image.has_transparency_data:
        return image
    layer = image.convert("RGBA")
    ground = Image.new("RGBA", layer.size, "white")
    return Image.alpha_composite(ground, layer).convert("RGB")

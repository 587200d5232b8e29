"""One picture of any mode, size and orientation, as values of a given shape.

Takes a file, or the bytes of one; gives (height, width, channels). It is turned as its EXIF data
says, what is transparent stands on white, and an animation is its first frame. Values are bytes;
those of a picture with more bits a pixel are scaled to them, or stay as they are where all
pictures are deep.
"""

import struct
import warnings
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from autosynth.data.source.limits import PIXELS

UNREADABLE = (
    OSError,
    EOFError,
    SyntaxError,
    ValueError,
    struct.error,
    zlib.error,
    # Pillow's decoders count on what headers say: a broken one ends in any of these.
    ArithmeticError,
    AttributeError,
    LookupError,
    MemoryError,
    RuntimeError,
    TypeError,
)
"""What opening and reading a picture raises where it is broken."""

File = Path | BytesIO

SIGNED_FORMATS = (
    *("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM", "JPEG2000", "AVIF", "QOI", "DDS"),
)
"""Those whose files begin with bytes that no other file begins with."""
IMAGE_FORMATS = (*SIGNED_FORMATS, "DIB", "TGA", "PCX", "SGI", "ICO", "XBM", "XPM")
"""What Pillow may open: its own decoders of pixels. Others start programs, or need some."""
_GREY = ("1", "L", "LA", "La", "I", "F")
_ORIENTATION = 0x0112
_TURNED = (5, 6, 7, 8)  # by a quarter: height and width change places
_BYTE = "uint8"
_MOST_BYTE, MOST_TWELVE_BITS, _MOST_SIXTEEN_BITS = 255, 4095, 65_535


@dataclass(frozen=True, kw_only=True)
class ImageShape:
    """The one shape that pictures are brought to, and the type of their values.

    What is no uint8 has more than 8 bits a pixel, and keeps the values of its files.
    """

    channels: int
    height: int
    width: int
    dtype: str = "uint8"


@dataclass(frozen=True, kw_only=True)
class ImageHeader:
    """What is known of a picture before it is read; `dtype` holds its values."""

    height: int
    width: int
    colour: bool
    dtype: str


@contextmanager
def picture_in(file: File, formats: tuple[str, ...] = IMAGE_FORMATS) -> Iterator[Image.Image]:
    """The picture of a file of some formats, of which nothing but its header is read yet.

    Raises:
        UNREADABLE: it is none, or has more pixels than may be.
    """
    most, pillows = PIXELS.allowed(), Image.MAX_IMAGE_PIXELS
    Image.MAX_IMAGE_PIXELS = most  # also of what stands inside: an icon may hold a whole PNG
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(file, formats=formats) as image:
                yield image
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise ValueError(
            f"more than {most:,} pixels; the environment variable {PIXELS.variable} allows more"
        ) from error
    finally:
        Image.MAX_IMAGE_PIXELS = pillows


def picture_headers(files: Iterable[File]) -> tuple[list[ImageHeader], dict[Any, str]]:
    """What the header of each picture says; and those that have none, with the reason."""
    found, broken = [], {}
    for file in files:
        try:
            with picture_in(file) as image:
                turned = image.getexif().get(_ORIENTATION) in _TURNED
                height, width = image.size if turned else image.size[::-1]
                colour = image.mode not in _GREY and "I;" not in image.mode
                found.append(
                    ImageHeader(height=height, width=width, colour=colour, dtype=_dtype(image))
                )
        except UNREADABLE as error:
            broken[file] = str(error)
    return found, broken


def pixels(file: File, shape: ImageShape) -> NDArray[Any]:
    """The picture as bytes or float32 (height, width, channels). Raises one of `UNREADABLE`."""
    with picture_in(file) as image:
        ImageOps.exif_transpose(image, in_place=True)
        if shape.dtype != _BYTE:
            return _deep(image, shape)
        plain = _opaque(_eight_bits(image)).convert("L" if shape.channels == 1 else "RGB")
        if plain.size != (shape.width, shape.height):
            plain = plain.resize((shape.width, shape.height), Image.Resampling.BILINEAR)
        return np.asarray(plain).reshape(shape.height, shape.width, shape.channels)


def has_colour(file: File) -> bool:
    """Whether any pixel is not grey; False of what cannot be read."""
    try:
        with picture_in(file) as image:
            x = np.asarray(image.convert("RGB"))
    except UNREADABLE:
        return False
    return bool((x != x[..., :1]).any())


def _dtype(image: Image.Image) -> str:
    if image.mode in ("I", "F"):
        return "float32"
    return "uint16" if "I;" in image.mode else _BYTE


def common_dtype(headers: Sequence[ImageHeader]) -> str:
    """The type of values that pictures are read as: bytes, unless all of them have more bits."""
    found = {header.dtype for header in headers}
    if _BYTE in found or not found:
        return _BYTE
    return found.pop() if len(found) == 1 else "float32"


def _deep(image: Image.Image, shape: ImageShape) -> NDArray[Any]:
    """The values of the file, of which none is cut off."""
    if _dtype(image) == _BYTE:
        raise ValueError("8 bits a pixel, where those of training have more")
    values = np.asarray(image, dtype=np.float32)
    if values.shape != (shape.height, shape.width):
        size, how = (shape.width, shape.height), Image.Resampling.BILINEAR
        values = np.asarray(Image.fromarray(values).resize(size, how))
    values = values.round() if shape.dtype == "uint16" else values
    one: NDArray[Any] = values.astype(shape.dtype).reshape(shape.height, shape.width, 1)
    return np.repeat(one, shape.channels, axis=2)


def _eight_bits(image: Image.Image) -> Image.Image:
    """Scales what Pillow would clip: 16 bits a pixel, and fractions where all are in 0 ... 1.

    Raises:
        ValueError: the values fit two depths.
    """
    if _dtype(image) == _BYTE:
        return image
    values = np.nan_to_num(np.asarray(image, dtype=np.float64))
    high = float(values.max(initial=0))
    if image.mode == "F":
        values = values * _MOST_BYTE if high <= 1 else values
    elif high > MOST_TWELVE_BITS:
        values = values / (_MOST_SIXTEEN_BITS / _MOST_BYTE)
    elif high > _MOST_BYTE:
        raise ValueError(
            f"16 bits a pixel with values up to {high:g}, where others have 8 bits: whether white "
            f"is {MOST_TWELVE_BITS} or {_MOST_SIXTEEN_BITS} cannot be told"
        )
    return Image.fromarray(values.clip(0, _MOST_BYTE).round().astype(np.uint8))


def _opaque(image: Image.Image) -> Image.Image:
    if not image.has_transparency_data:
        return image
    layer = image if image.mode == "RGBA" else image.convert("RGBA")
    ground = Image.new("RGBA", layer.size, "white")
    return Image.alpha_composite(ground, layer).convert("RGB")

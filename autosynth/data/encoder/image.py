"""Pictures to one array: files of any size and colour, brought to one shape.

Takes paths; gives bytes (n, channels, height, width). Pictures are grey where all that were looked
at are, else colour. They stay as they are where all are of one size of at most 128 a side;
otherwise they are resized, without keeping their aspect, to the median size, of at most 96 a side.
Resizing averages over the area that a pixel covers, so that nothing flickers.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from autosynth.data.source.pixels import UNREADABLE, ImageShape, pixels, sizes_of
from autosynth.errors import DataError

MOST_ALIKE = 128
MOST_RESIZED = 96
_LOOKED_AT = 2_000
_COLOURS_OF = 200
_SHOWN = 5


def fit_pictures(values: "pd.Series[Any]", train: NDArray[np.int64], name: str) -> dict[str, Any]:
    """The input that a column of paths makes.

    Args:
        values: the path of each row's picture, "" where there is none.
        train: the rows to learn from.
        name: of the input.

    Raises:
        DataError: none of the pictures that were looked at can be read.
    """
    chosen = [path for path in values.iloc[train[:: max(1, len(train) // _LOOKED_AT)]] if path]
    sizes, broken = sizes_of(map(Path, chosen))
    if not sizes:
        shown = ", ".join(chosen[:_SHOWN]) or "no row names one"
        raise DataError(
            f"column {values.name!r} names pictures, and none of {len(chosen)} can be read: "
            f"{shown}. Paths are relative to the folder of the table, or to the current one; "
            f"leave the column out with --drop."
        )
    good = [path for path in chosen if Path(path) not in broken]
    heights, widths, colours = zip(*sizes, strict=True)
    alike = len(set(heights)) == len(set(widths)) == 1
    height, width = _size(int(np.median(heights)), int(np.median(widths)), alike=alike)
    colour = any(colours) and any(map(_has_colour, good[:: max(1, len(good) // _COLOURS_OF)]))
    return {
        "name": name,
        "kind": "image",
        "column": str(values.name),
        "shape": [3 if colour else 1, height, width],
        "masked": False,
        "sizes": [[min(heights), min(widths)], [max(heights), max(widths)]],
    }


def apply_pictures(
    fitted: Mapping[str, Any], values: "pd.Series[Any]"
) -> tuple[NDArray[np.uint8], NDArray[np.int64], Sequence[str]]:
    """Bytes (n, channels, height, width), the rows that they are of, and what was wrong."""
    channels, height, width = fitted["shape"]
    shape = ImageShape(channels=channels, height=height, width=width)
    x = np.empty((len(values), channels, height, width), dtype=np.uint8)
    keep: list[int] = []
    lost: dict[str, list[str]] = {}
    for row, path in enumerate(values):
        try:
            x[len(keep)] = np.moveaxis(pixels(Path(path), shape), -1, 0) if path else 0
        except FileNotFoundError:
            lost.setdefault("do not exist", []).append(str(path))
        except UNREADABLE:
            lost.setdefault("cannot be read", []).append(str(path))
        else:
            if path:
                keep.append(row)
            else:
                lost.setdefault("are not named", []).append(f"row {row}")
    told = [
        f"{len(paths)} pictures of {fitted['name']!r} {why}, and their rows are left out: "
        f"{', '.join(paths[:_SHOWN])}{', ...' if len(paths) > _SHOWN else ''}"
        for why, paths in lost.items()
    ]
    return x[: len(keep)], np.array(keep, dtype=np.int64), told


def _size(height: int, width: int, *, alike: bool) -> tuple[int, int]:
    longer = max(height, width)
    if longer <= (MOST_ALIKE if alike else MOST_RESIZED):
        return height, width
    ratio = MOST_RESIZED / longer
    return max(1, round(height * ratio)), max(1, round(width * ratio))


def _has_colour(path: str) -> bool:
    try:
        with Image.open(path) as image:
            x = np.asarray(image.convert("RGB"))
    except UNREADABLE:
        return False
    return bool((x != x[..., :1]).any())

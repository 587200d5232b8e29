"""One sound of any form, rate and number of channels, as samples of one channel at one rate.

Takes a file; gives float32 samples. What its header announces is looked at before anything is
read: a rate that no recording has, or more samples than the file holds, costs no memory.
"""

import math
from dataclasses import dataclass
from fractions import Fraction
from importlib import import_module
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray

from autosynth.data.source.length import middle
from autosynth.errors import DataError

Samples = NDArray[np.float32]

MOST_HZ = 500_000
"""Of a file that is read: recorders of bats take as many samples a second, and nothing more."""
_MOST_RATIO = 1_000  # of two rates; a header that says more is broken
# Whole numbers of a ratio of rates: 160 / 441 of 16 and 44.1 kHz. Of odd rates the nearest is off
# by less than one in a million, and the filter is short.
_MOST_STEPS = 1_000
_EDGE = 16  # samples more at either rate, that the filter of resampling sees past the end
_BLOCK = 2**20  # samples of all channels that are read at once


@dataclass(frozen=True, kw_only=True)
class SoundHeader:
    """What a sound says of itself: samples of a channel, and how many of them a second."""

    samples: int
    rate: int


def sound_header(value: Any) -> SoundHeader:
    """The header of a file, or of its bytes. Raises DataError with a few words."""
    try:
        info = soundfile.info(_opened(value))
    except soundfile.LibsndfileError as error:
        raise DataError(str(error.error_string).rstrip(".")) from error
    return _checked(int(info.frames), int(info.samplerate))


def read_sound(
    value: Any, rate: int, length: int, *, from_start: bool = False
) -> tuple[Samples, int]:
    """At most `length` samples of one channel at `rate`, from the middle of a longer sound.

    Args:
        value: the path of a file, or its bytes.
        rate: samples a second.
        length: the most samples.
        from_start: a longer sound gives its beginning.

    Returns:
        The samples, and how many there are in all at this rate.

    Raises:
        DataError: it cannot be read; the message is a few words.
    """
    try:
        with soundfile.SoundFile(_opened(value)) as file:
            header = _checked(file.frames, file.samplerate)
            ratio = header.rate / rate
            wanted = math.ceil(length * ratio) + math.ceil(_EDGE * max(1.0, ratio))
            start = 0 if from_start else middle(header.samples, math.ceil(length * ratio)).start
            samples = _mono(file, start, wanted)
            if not len(samples) and start:  # it announces more than it holds
                samples = _mono(file, 0, wanted)
    except soundfile.LibsndfileError as error:
        raise DataError(str(error.error_string).rstrip(".")) from error
    whole = max(len(samples), header.samples if len(samples) == wanted else 0)
    resampled = resample(samples, header.rate, rate)[:length]
    return resampled, max(len(resampled), round(whole * rate / header.rate))


def resample(samples: Samples, own: int, rate: int) -> Samples:
    """Samples at another rate.

    Raises:
        DataError: there are none, some are not finite, or one rate is far beyond the other.
    """
    if not samples.size:
        raise DataError("no samples")
    if not np.isfinite(samples).all():
        raise DataError("samples that are no finite number")
    if own == rate:
        return np.asarray(samples, np.float32)
    if max(own, rate) > _MOST_RATIO * min(own, rate):
        raise DataError(f"{own:,} samples a second, where others have {rate:,}")
    if rate < own:
        ratio = Fraction(rate, own).limit_denominator(_MOST_STEPS)
    else:
        ratio = 1 / Fraction(own, rate).limit_denominator(_MOST_STEPS)
    # Late: it takes as long to import as half of PyTorch, and few read sound.
    resample_poly = import_module("scipy.signal").resample_poly
    found: Samples = resample_poly(samples, ratio.numerator, ratio.denominator)
    return found.astype(np.float32)


def _checked(samples: int, rate: int) -> SoundHeader:
    if not 1 <= rate <= MOST_HZ:
        raise DataError(f"{rate:,} samples a second; 1 to {MOST_HZ:,} are read")
    if samples < 1:
        raise DataError("no samples")
    return SoundHeader(samples=samples, rate=rate)


def _mono(file: Any, start: int, wanted: int) -> Samples:
    """The mean of the channels of some samples, block after block, as channels may be many."""
    if file.seek(start) != start:
        return np.empty(0, np.float32)
    blocks = []
    while wanted > 0:
        n = min(wanted, max(1, _BLOCK // file.channels))
        block = file.read(n, dtype="float32", always_2d=True)
        if not len(block):
            break
        blocks.append(block.mean(1, dtype=np.float32))
        wanted -= len(block)
    return np.concatenate(blocks) if blocks else np.empty(0, np.float32)


def _opened(value: Any) -> str | BytesIO:
    """What soundfile opens: a path, or the bytes of a file."""
    if isinstance(value, bytes) and value:
        return BytesIO(value)
    if not isinstance(value, str | Path) or not str(value):
        raise DataError("no file named")
    path = Path(value)
    if not path.is_file():
        raise DataError("no such file")
    if not path.stat().st_size:
        raise DataError("an empty file")
    return str(path)

"""On what scale pixels stand: learnt from training rows, found in others, and brought to theirs.

Takes arrays of images; gives what their numbers and type say of black and white, and the factor
and shift from one scale to the other. Arrays do not say how they were made: bytes, shares of 255,
numbers from -1 to 1. Where type and values leave one reading, that is taken; where they leave two,
or none, it is an error, as half of all answers would be wrong in silence.
"""

from dataclasses import dataclass
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from autosynth.data.source.pixels import MOST_TWELVE_BITS
from autosynth.data.source.rows import subsample
from autosynth.errors import DataError

Ends = tuple[float, float]
"""The values of black and of white."""
_Verdict = Literal["same", "doubt", "scaled", "unknown"]

_BYTES, _SHARES, _SIGNED, _WORDS = (0.0, 255.0), (0.0, 1.0), (-1.0, 1.0), (0.0, 65_535.0)
_ENDS_TEXT = {_BYTES: "0 to 255", _SHARES: "0 to 1", _SIGNED: "-1 to 1", _WORDS: "0 to 65535"}
_LOOKED_AT = 1_000  # rows, evenly from all: the same ones however they are batched
# Numbers up to 31 may be counts or steps of their own (0 ... 16 of the digits of UCI), and bytes
# of pictures are never all so dark.
_MOST_OWN = 31.0
# A picture that was resized by splines goes a little beyond black and white.
_BEYOND = 0.25
_FAR = 4.0  # times the largest value of training
_SURE_ROWS = 8  # pictures none of which is darker than the middle grey, in numbers from -1 to 1


@dataclass(frozen=True, kw_only=True)
class PixelScale:
    """Type, range and wholeness of the pixels of some rows, as they came."""

    dtype: str
    low: float
    high: float
    whole: bool
    n_rows: int = 0

    @classmethod
    def of(cls, x: NDArray[Any]) -> Self:
        """That of images (n, ...), by at most 1,000 of them."""
        rows = subsample(np.arange(len(x)), _LOOKED_AT)
        values = np.asarray(x[rows] if len(rows) < len(x) else x)
        if values.dtype.kind == "f":
            values = values[np.isfinite(values)]
        if not values.size:
            return cls(dtype=str(x.dtype), low=0.0, high=0.0, whole=True)
        whole = values.dtype.kind != "f" or bool((values == np.round(values)).all())
        low, high = float(values.min()), float(values.max())
        return cls(dtype=str(x.dtype), low=low, high=high, whole=whole, n_rows=len(rows))

    @classmethod
    def from_list(cls, plain: tuple[Any, ...]) -> Self:
        """The scale of `to_list`."""
        dtype, low, high, whole = plain
        return cls(dtype=dtype, low=low, high=high, whole=whole)

    def to_list(self) -> tuple[Any, ...]:
        """What is saved of it."""
        return self.dtype, self.low, self.high, self.whole

    @property
    def ends(self) -> Ends | None:
        """The values of black and white, where type and range say so."""
        kind, width = np.dtype(self.dtype).kind, np.dtype(self.dtype).itemsize
        if kind == "b" or (self.low >= 0 and self.high <= 1):
            return _SHARES
        if -1 <= self.low < -_BEYOND and self.high <= 1 and kind == "f":
            return _SIGNED
        if self.low < 0:
            return _SHARES if self.low >= -_BEYOND and self.high <= 1 + _BEYOND else None
        if _MOST_OWN < self.high <= _BYTES[1]:
            return _BYTES
        if kind == "f" and self.high <= 1 + _BEYOND and not self.whole:
            return _SHARES
        deep = kind in "iu" and width > 1 or (kind == "f" and self.whole)
        return _WORDS if deep and MOST_TWELVE_BITS < self.high <= _WORDS[1] else None

    def holds(self, low: float, high: float) -> bool:
        """Whether a range lies in this one, or goes beyond it by little."""
        beyond = _BEYOND * (self.high - self.low)
        return self.low - beyond <= low and high <= self.high + beyond

    @property
    def most(self) -> float:
        """The largest size of a value."""
        return max(abs(self.low), abs(self.high))

    def text(self) -> str:
        """The range in words."""
        return f"{self.low:g} to {self.high:g} ({self.dtype})"


@dataclass(frozen=True, kw_only=True)
class Rescaling:
    """`x * factor + shift`, which brings pixels to another scale; `told` says so, or a doubt."""

    factor: float = 1.0
    shift: float = 0.0
    told: str = ""

    def __call__(self, x: NDArray[Any]) -> NDArray[Any]:
        """Pixels on the other scale, float32; `x` itself where both are one."""
        if self.factor == 1 and self.shift == 0:
            return x
        return (x.astype(np.float64) * self.factor + self.shift).astype(np.float32)


def rescaling(learnt: PixelScale, new: PixelScale, place: str) -> Rescaling:
    """What brings new images to the scale of training.

    Raises:
        DataError: it cannot be known.
    """
    both = f"pixels of {place} are {new.text()}, and those of training {learnt.text()}"
    ends, wanted = new.ends, learnt.ends
    verdict = _of_type(learnt, new)
    if verdict is None:
        verdict = _without_ends(learnt, new) if wanted is None else _with_ends(learnt, new, wanted)
    if verdict == "same":
        return Rescaling()
    if verdict == "doubt":
        return Rescaling(told=f"{both}: they are read as they are")
    if verdict == "scaled" and ends is not None and wanted is not None:
        factor = (wanted[1] - wanted[0]) / (ends[1] - ends[0])
        shift = wanted[0] - ends[0] * factor
        if learnt.holds(new.low * factor + shift, new.high * factor + shift):
            how = f"read as {_ENDS_TEXT[ends]}, and brought to {_ENDS_TEXT[wanted]}"
            return Rescaling(factor=factor, shift=shift, told=f"{both}: {how}")
    raise DataError(
        f"{both}: what brings one to the other cannot be told from them. Give images on the "
        "scale of training, made as those were."
    )


def _of_type(learnt: PixelScale, new: PixelScale) -> _Verdict | None:
    """Of whole numbers of one type: dark pictures may stand among others, and bright ones."""
    if new.dtype != learnt.dtype or np.dtype(new.dtype).kind == "f":
        return None
    if new.most <= _FAR * learnt.most or (new.dtype == "uint8" and learnt.ends is not None):
        return "same"
    return "doubt" if new.dtype == "uint8" else None


def _with_ends(learnt: PixelScale, new: PixelScale, wanted: Ends) -> _Verdict:
    """Of images whose training says what is black and white."""
    ends = new.ends
    if ends == wanted or new.low == new.high == 0:
        return "same"
    if ends is not None:
        unsure = wanted == _SIGNED and ends == _SHARES and new.n_rows < _SURE_ROWS
        return "doubt" if unsure else "scaled"
    centred = new.low < 0 and new.high <= _MOST_OWN
    if wanted in (_SHARES, _SIGNED) or centred or not learnt.holds(new.low, new.high):
        return "unknown"
    return "unknown" if wanted == _WORDS and new.dtype == "uint8" else "same"


def _without_ends(learnt: PixelScale, new: PixelScale) -> _Verdict:
    """Of images on a scale of their own: counts, Hounsfield units, deviations from a mean."""
    floats = {np.dtype(scale.dtype).kind for scale in (learnt, new)} == {"f"}
    if learnt.low < 0 <= new.low and new.ends is not None:
        return "unknown"
    if learnt.whole and not new.whole and new.most <= 1 < learnt.most:
        return "unknown"
    if new.dtype == "uint8" and learnt.most > _BYTES[1] * (1 + _BEYOND):
        return "unknown"
    if new.most <= _FAR * learnt.most:
        return "same"
    return "doubt" if floats else "unknown"

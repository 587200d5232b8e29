"""Sound: files or arrays of samples become rows of equal length, one channel, one rate.

Fitted on training rows: the rate that most files have, and a length that nearly all fit in, which
a few far longer ones do not decide: of these the middle is kept. Files that cannot be read are
left out and named; silent ones are sound like any other, and are named.
"""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from autosynth.data.column.path import Folders, files_of
from autosynth.data.encoder.encoder import CellEncoder, Transformed, files_line, size_line
from autosynth.data.encoder.mel import mel_summary
from autosynth.data.source.length import Crop, middle, usual_length
from autosynth.data.source.mediafile import AUDIO_SUFFIXES
from autosynth.data.source.sound import Samples, SoundHeader, read_sound, resample, sound_header
from autosynth.errors import DataError
from autosynth.spec import InputSpec, Kind, RowNumbers

MAX_SECONDS = 30.0
ARRAY_RATE = 16_000
"""Samples a second of arrays that do not say."""
_COVERED = 0.995
_LOOKED_AT = 2_000  # training files, for rate and length
_THREADS = 8
_NAMED = 5
_AXES = "samples"
_KEPT = {None: "their beginning", "start": "their beginning", "middle": "their middle"}


@dataclass(frozen=True, kw_only=True)
class AudioEncoder(CellEncoder):
    """Reads sound of one `rate`, as rows of `shape` (samples,).

    `column` is the one of the table that names the files; `folder` is the one that they stand in,
    beside the table, where the column holds no paths. `crop` says what is kept of a longer sound,
    the beginning if nothing.
    `masked` as in `InputSpec`.
    """

    kind: ClassVar[Kind] = "audio"
    reads_column: ClassVar[bool] = True
    shape: tuple[int, ...]
    rate: int
    masked: bool = False
    folder: str | None = None
    crop: Crop | None = None

    @classmethod
    def fit(
        cls,
        values: "pd.Series[Any]",
        train: RowNumbers,
        name: str,
        *,
        rate: int = ARRAY_RATE,
        column: str | None = None,
        folder: str | None = None,
        width: int | None = None,
    ) -> Self:
        """What the sounds of training rows have in common.

        Args:
            values: a path, the bytes of a file, or an array (samples,) or (samples, channels).
            train: the numbers of the training rows.
            name: of the input.
            rate: samples a second of arrays.
            column: that names the files; `values` itself if left out.
            folder: beside the table, that the files stand in.
            width: as `Encoder` says.

        Raises:
            DataError: no training row can be read.
        """
        looked = train if len(train) <= _LOOKED_AT else train[:: -(-len(train) // _LOOKED_AT)]
        sizes = _map(lambda value: _header(value, rate), values.iloc[looked])
        good = [size for size in sizes if isinstance(size, SoundHeader)]
        if not good:
            raise DataError(
                f"no sound of {len(sizes)} training rows in {name!r} can be read: "
                f"{_shown(values.iloc[looked], sizes)}. Give files of "
                f"{', '.join(AUDIO_SUFFIXES[:5])}."
            )
        common = Counter(header.rate for header in good).most_common(1)[0][0]
        seconds = np.array([header.samples / header.rate for header in good])
        longest = min(usual_length(seconds, _COVERED), MAX_SECONDS)
        length = max(1, round(longest * common))
        shortest = int((seconds * common).min())
        own = None if values.name is None else str(values.name)
        return cls(
            name=name,
            shape=(length,),
            rate=int(common),
            masked=shortest < length,
            column=column or own,
            folder=folder,
            width=width,
            crop="middle",
        )

    def transform(self, rows: pd.DataFrame, place: str = "", folders: Folders = "") -> Transformed:
        """The samples (n, samples) of the files that can be read."""
        if self.column is None:
            raise DataError(
                f"{place} is a table, and the input {self.name!r} names no column of sounds"
            )
        return self.read(files_of(rows[self.column], folders, "audio", self.folder))

    def read(self, values: "pd.Series[Any]") -> Transformed:
        """The samples (n, samples) of all sounds that can be read, NaN past a shorter one's end.

        Warnings are on what was left out, cut or silent.

        Args:
            values: a path or an array a row, as of `fit`.
        """
        (length,), rate = self.shape, self.rate
        out = np.full((len(values), length), np.nan if self.masked else 0, np.float32)

        def put(row: int) -> str | int:
            """Fills a row; gives what is wrong, or the number of samples there are."""
            value = values.iloc[row]
            try:
                if isinstance(value, np.ndarray):
                    sound = _of_array(value, rate)
                    n = len(sound)
                    sound = sound[: length if self.crop != "middle" else n]
                    sound = sound[middle(len(sound), length)]
                else:
                    sound, n = read_sound(value, rate, length, from_start=self.crop != "middle")
            except DataError as error:
                return str(error)
            out[row, : len(sound)] = sound
            return n

        problems = _map(put, range(len(values)))
        keep = np.array([i for i, size in enumerate(problems) if isinstance(size, int)], np.int64)
        warnings = []
        if len(keep) < len(values):
            warnings.append(
                f"{len(values) - len(keep)} of {len(values)} rows left out, whose {self.name} "
                f"cannot be read: {_shown(values, problems)}"
            )
        if cut := sum(1 for size in problems if isinstance(size, int) and size > length):
            warnings.append(
                f"{cut} of {len(keep)} sounds in {self.name} ({cut / len(keep):.1%}) are cut to "
                f"{length / rate:.2f} s: {_KEPT[self.crop]} is kept"
            )
        x = out if len(keep) == len(out) else out[keep]
        silent = keep[~(np.nan_to_num(x) != 0).any(1)]
        if len(silent):
            more = ", ..." if len(silent) > _NAMED else ""
            named = ", ".join(_label(values, row) for row in silent[:_NAMED])
            warnings.append(
                f"{len(silent)} sounds in {self.name} are silent, and kept: {named}{more}"
            )
        return Transformed(values=x, keep=keep, warnings=tuple(warnings))

    @property
    def spec(self) -> InputSpec:
        """The input that it makes."""
        return InputSpec(
            name=self.name,
            kind=self.kind,
            shape=self.shape,
            masked=self.masked,
            rate=self.rate,
        )

    def describe(self, x: NDArray[Any], train: RowNumbers) -> Iterator[str]:
        """Lines on length, rate and values, and on the files."""
        yield size_line(self.spec, x, _AXES)
        yield files_line(self.column, self.folder)

    @classmethod
    def few_numbers(cls, x: NDArray[Any], spec: InputSpec) -> NDArray[np.float64]:
        """The same."""
        return np.asarray(mel_summary(x, spec), dtype=np.float64)


def audio_rate(told: str | None, column: str) -> int:
    """The rate of a column of arrays, as the detail of its kind tells it (`audio:8000`)."""
    if told is None:
        return ARRAY_RATE
    if not told.isdecimal() or not int(told):
        raise DataError(
            f"column {column!r}: after audio: stands the number of samples a second, such as "
            f"audio:{ARRAY_RATE}, not {told!r}."
        )
    return int(told)


def _map(work: Any, values: Any) -> list[Any]:
    """Threads: reading and resampling leave the interpreter free."""
    with ThreadPoolExecutor(_THREADS) as pool:
        return list(pool.map(work, values))


def _header(value: Any, rate: int) -> SoundHeader | str:
    """What a sound says of itself, without reading it; or what is wrong."""
    if isinstance(value, np.ndarray):
        samples = len(_in_unit(value)) if value.size else 0
        return SoundHeader(samples=samples, rate=rate) if samples else "no samples"
    try:
        return sound_header(value)
    except DataError as error:
        return str(error)


def _of_array(value: NDArray[Any], rate: int) -> Samples:
    """One channel. Raises DataError, saying what is wrong in a few words."""
    samples = _in_unit(value)
    samples = samples.mean(1, dtype=np.float32) if samples.ndim == 2 else samples
    return resample(samples, rate, rate)


def _in_unit(value: NDArray[Any]) -> Samples:
    """Whole numbers as shares of the largest that their type holds; NaN past an end cut off."""
    if value.dtype.kind == "u":
        middle = (np.iinfo(value.dtype).max + 1) / 2
        return ((value - middle) / middle).astype(np.float32)
    if value.dtype.kind == "i":
        return (value / (np.iinfo(value.dtype).max + 1)).astype(np.float32)
    known = np.flatnonzero(~np.isnan(value.reshape(len(value), math.prod(value.shape[1:]))).all(1))
    return value[: known[-1] + 1 if len(known) else 0].astype(np.float32)


def _shown(values: "pd.Series[Any]", problems: Sequence[Any]) -> str:
    """The first few rows that cannot be read, each with its reason."""
    wrong = [(row, what) for row, what in enumerate(problems) if isinstance(what, str)]
    named = ", ".join(f"{_label(values, row)} ({what})" for row, what in wrong[:_NAMED])
    return named + (", ..." if len(wrong) > _NAMED else "")


def _label(values: "pd.Series[Any]", row: int) -> str:
    value = values.iloc[row]
    return Path(value).name if isinstance(value, str | Path) and str(value) else f"row {row}"

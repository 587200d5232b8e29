"""Reads `.ts` files of series, as aeon and sktime write them: a header, then one series a line.

Channels stand between `:`, steps between `,`, and the label after the last `:`. Gives series as
(n, channels, steps), NaN past the end of a shorter one and where a step is missing (`?`). The
format: https://www.aeon-toolkit.org/en/stable/api_reference/data_format.html
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from autosynth.data.source.layout import fits_float32, to_float32
from autosynth.data.source.length import Crop, stack_unequal, usual_steps
from autosynth.data.source.pair import find_pair, training_files
from autosynth.data.source.raw import Raw, RawRows, RowFormat
from autosynth.errors import DataError

SUFFIX = ".ts"
_TRUE, _FALSE = "true", "false"
_MISSING = "?"
_DIGITS = 12  # of a number of steps that is believed
_ENCODING = "utf-8-sig"
_SAMPLE = 2_000  # series, by which it is known whether float32 holds them


@dataclass(frozen=True, kw_only=True)
class _Header:
    """What the lines before `@data` say; `steps` is 0 where series differ in length."""

    labelled: bool = False
    numeric: bool = False
    classes: tuple[str, ...] = ()
    steps: int = 0


@dataclass(frozen=True, kw_only=True)
class _Series:
    """Series as they were read, each of some channels; and their labels."""

    channels: Sequence[Sequence[NDArray[Any]]]
    y: "pd.Series[Any] | None"

    @property
    def lengths(self) -> list[int]:
        """The steps of each."""
        return [max(map(len, channels)) for channels in self.channels]

    def stacked(self, path: Path, steps: int, crop: Crop) -> tuple[RawRows, tuple[str, ...]]:
        """Rows of one length; and what a user is told of those that are cut."""
        x, told = stack_unequal(self.channels, steps, path.name, crop)
        return RawRows(x=x, y=self.y, index=range(len(x))), told


def is_ts(path: Path) -> bool:
    """Whether `path` is a `.ts` file, or a folder with a `NAME_TRAIN.ts`."""
    if path.is_dir():
        return bool(training_files(path, SUFFIX))
    return path.suffix.lower() == SUFFIX


def read_ts(path: Path, like: RowFormat | None = None) -> Raw:
    """The series of a file or of a folder's pair, with their labels or target values.

    A few that are far longer than the others are cut, or all to the length of those `like` them.

    Raises:
        DataError: the file is no `.ts`, holds time stamps, or a line does not fit the others.
    """
    pair = find_pair(path, SUFFIX)
    header, rows = _read(pair.main)
    other = _read(pair.test)[1] if pair.test else None
    steps = like.shape[1] if like else usual_steps(rows.lengths, other.lengths if other else ())
    crop: Crop = like.crop if like else "middle"
    main, told = rows.stacked(pair.main, steps, crop)
    test = None
    if other and pair.test:
        test, more = other.stacked(pair.test, steps, crop)
        told += more
    return _raw(pair.main, pair.name, header, main, test, told)


def read_ts_series(path: Path, like: RowFormat) -> Raw:
    """The series of one file, for prediction; labels may stand there and are not handed on."""
    header, rows = _read(path)
    x, told = rows.stacked(path, like.shape[1], like.crop)
    return _raw(path, path.stem, header, replace(x, y=None), None, told)


def _raw(
    path: Path,
    name: str,
    header: _Header,
    main: RawRows,
    test: RawRows | None,
    warnings: tuple[str, ...],
) -> Raw:
    return Raw(
        name=name,
        source=str(path),
        target="target" if header.numeric else "label",
        main=main,
        test=test,
        kind="series",
        channels="first",
        labels=not header.numeric,
        warnings=warnings,
    )


def _read(path: Path) -> tuple[_Header, _Series]:
    try:
        with path.open(encoding=_ENCODING) as file:
            lines = _told(file)
            header = _header(lines, path)
            series, labels = _series(lines, header, path)
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read as .ts: {str(error).rstrip('.')}.") from error
    if not series:
        raise DataError(f"{path} holds no series after @data.")
    y = None
    if header.labelled:
        values = pd.Series(labels, name="label", dtype=object)
        y = pd.to_numeric(values).rename("target") if header.numeric else values
    some = series[:: max(1, len(series) // _SAMPLE)]
    if fits_float32(np.concatenate(channel) for channel in zip(*some, strict=True)):
        series = [[to_float32(channel) for channel in channels] for channels in series]
    return header, _Series(channels=series, y=y)


def _told(file: TextIO) -> Iterator[tuple[int, str]]:
    """Number and text of each line that is neither empty nor a comment."""
    for number, line in enumerate(file, start=1):
        text = line.strip()
        if text and text[0] not in "#%":
            yield number, text


def _header(lines: Iterator[tuple[int, str]], path: Path) -> _Header:
    """Reads up to `@data`."""
    fields: dict[str, list[str]] = {}
    for number, text in lines:
        words = text.split()
        if not words[0].startswith("@"):
            raise DataError(
                f"{path}:{number}: {text[:40]!r} stands before @data; a .ts file begins with "
                "lines such as @problemName, @classLabel and @data."
            )
        key = words[0][1:].lower()
        if key == "data":
            return _understood(fields, path)
        fields[key] = words[1:]
    raise DataError(f"{path} is no whole .ts file: no line says @data.")


def _understood(fields: dict[str, list[str]], path: Path) -> _Header:
    if _first(fields, "timestamps") == _TRUE:
        raise DataError(
            f"{path} says @timeStamps true, and series with a time for each step are not read. "
            "Bring them to equal steps (missing ones as ?), and say @timeStamps false."
        )
    classes = _first(fields, "classlabel") == _TRUE
    numeric = _first(fields, "targetlabel") == _TRUE
    if classes and numeric:
        raise DataError(f"{path} says both @classLabel true and @targetLabel true; keep one.")
    equal = _first(fields, "equallength") == _TRUE
    length = _first(fields, "serieslength")
    return _Header(
        labelled=classes or numeric,
        numeric=numeric,
        classes=tuple(fields["classlabel"][1:]) if classes else (),
        steps=int(length) if equal and length.isdecimal() and len(length) < _DIGITS else 0,
    )


def _first(fields: dict[str, list[str]], key: str) -> str:
    return fields.get(key, [_FALSE])[0].lower() if fields.get(key) else _FALSE


def _series(
    lines: Iterator[tuple[int, str]], header: _Header, path: Path
) -> tuple[list[list[NDArray[Any]]], list[str | float | None]]:
    """The channels of each series, and its label."""
    series: list[list[NDArray[Any]]] = []
    labels: list[str | float | None] = []
    for number, text in lines:
        parts = text.split(":")
        place = f"{path}:{number}"
        if header.labelled:
            labels.append(_label(parts.pop().strip(), header, place))
        if not parts or (series and len(parts) != len(series[0])):
            wanted = len(series[0]) if series else 1
            raise DataError(
                f"{place}: {len(parts)} channels before its label, where {wanted} are expected. "
                "Write channels between ':', and the label after the last; a file that was cut "
                "off ends so."
            )
        channels = [_values(part, place) for part in parts]
        wrong = [len(each) for each in channels if header.steps and len(each) != header.steps]
        if wrong:
            raise DataError(
                f"{place}: a channel of {wrong[0]} steps, where the header says @equalLength true "
                f"and @seriesLength {header.steps}. Say @equalLength false if lengths differ."
            )
        series.append(channels)
    return series, labels


def _label(text: str, header: _Header, place: str) -> str | float | None:
    if text == _MISSING:
        return None
    if not text:
        raise DataError(
            f"{place}: no label after the last ':'; write ? where it is missing. A file that was "
            "cut off ends so."
        )
    if not header.numeric:
        if header.classes and text not in header.classes:
            raise DataError(
                f"{place}: label {text[:40]!r} is none of those that @classLabel lists: "
                f"{', '.join(header.classes[:12])}."
            )
        return text
    try:
        return float(text)
    except ValueError as error:
        raise DataError(f"{place}: target {text[:40]!r} is no number.") from error


def _values(part: str, place: str) -> NDArray[np.float64]:
    cells = part.split(",") if part.strip() else []
    try:
        values = [np.nan if cell.strip() == _MISSING else float(cell) for cell in cells]
    except ValueError as error:
        raise DataError(f"{place}: {error}; a step is a number, or ? where it is missing.") from (
            error
        )
    return np.array(values, dtype=np.float64)

"""Reads UCR series: tab-separated, one series a line, its label first, no header.

`NAME_TRAIN.tsv` finds `NAME_TEST.tsv` beside it; a folder that holds such a pair is read too. NaN
at the end of a line pads a shorter series, NaN elsewhere is a missing step (UCR archive, 2018:
https://www.cs.ucr.edu/~eamonn/time_series_data_2018/).
"""

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from autosynth.data.source.layout import fits_float32, to_float32
from autosynth.data.source.pair import find_pair, training_files
from autosynth.data.source.raw import Raw, RawRows
from autosynth.errors import DataError

_SUFFIX = ".tsv"
_SAMPLE = 2_000  # series, by which it is known whether float32 holds them


def is_ucr(path: Path) -> bool:
    """Whether `path` is a `.tsv` whose first line holds numbers only, or a folder with a pair."""
    if path.is_dir():
        return any(map(is_ucr, training_files(path, _SUFFIX)))
    if path.suffix.lower() != _SUFFIX:
        return False
    with path.open("rb") as file:
        cells = file.readline().split(b"\t")
    return len(cells) > 1 and all(_is_number(cell) for cell in cells)


def read_ucr(path: Path) -> Raw:
    """The series of a file or of a folder, with the official test part where there is one."""
    pair = find_pair(path, _SUFFIX)
    return Raw(
        name=pair.name,
        source=str(pair.main),
        target="label",
        main=_read_rows(pair.main),
        test=_read_rows(pair.test) if pair.test else None,
        kind="series",
        labels=True,
    )


def read_ucr_series(path: Path, steps: int) -> Raw:
    """The series of one file, for prediction: lines of exactly `steps` values have no label."""
    values = _read_values(path)
    x = values if values.shape[1] == steps else values[:, 1:]
    rows = RawRows(x=x, index=range(len(x)))
    return Raw(name=path.stem, source=str(path), target="label", main=rows, kind="series")


def _read_rows(path: Path) -> RawRows:
    values = _read_values(path)
    if values.shape[1] < 2:
        raise DataError(f"{path}: a line holds a label and then the series; here it is one value.")
    y = pd.Series(values[:, 0].copy(), name="label")
    x = values[:, 1:]
    held = fits_float32([x[:: max(1, len(x) // _SAMPLE)]])
    return RawRows(x=to_float32(x) if held else x, y=y, index=range(len(values)))


def _read_values(path: Path) -> NDArray[np.float64]:
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error}.") from error
    fields = [line.count(b"\t") + 1 for line in lines if line.strip()]
    if not fields:
        raise DataError(f"{path} is empty; a line holds a label and then the series.")
    for number, line in enumerate(lines, start=1):
        if line.strip() and line.count(b"\t") + 1 != fields[0]:
            raise DataError(
                f"{path}:{number}: {line.count(bytes([9])) + 1} fields, where the first line has "
                f"{fields[0]}. Pad shorter series with NaN at the end."
            )
    try:
        frame = pd.read_csv(
            path, sep="\t", header=None, skip_blank_lines=True, na_values=["?"],
            quoting=csv.QUOTE_NONE, encoding_errors="replace", low_memory=False,
        )  # fmt: skip
    except (ValueError, OverflowError) as error:
        raise DataError(f"{path} cannot be read as series: {str(error).rstrip('.')}.") from error
    return np.column_stack([_numbers(frame[column], path) for column in frame.columns])


def _numbers(column: "pd.Series[Any]", path: Path) -> NDArray[np.float64]:
    if column.dtype.kind in "iuf":
        values: NDArray[np.float64] = column.to_numpy(dtype=np.float64)
        return values
    numbers = pd.to_numeric(column, errors="coerce")
    bad = column[numbers.isna() & column.notna()]
    raise DataError(
        f"{path}:{int(bad.index[0]) + 1}: {str(bad.iloc[0])!r} in field {column.name + 1} is no "
        "number. A table with a header is read with --target."
    )


def _is_number(cell: bytes) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True

"""Reads a sheet of an Excel workbook by openpyxl (the extra `excel`): `file.xlsx::sheet`.

The sheet that holds rows needs no name where it is the only one. Lines before the table are left
out as of a file of text.
"""

import warnings
import zipfile
from collections.abc import Iterator
from contextlib import closing
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pandas as pd

from autosynth.data.source.dialect import sheet_header
from autosynth.data.source.limits import SHEET_CELLS, UNPACKED
from autosynth.data.source.location import named_or_only, split_part
from autosynth.data.source.parse import NA_VALUES
from autosynth.errors import AutosynthError, DataError

SHEET_SUFFIXES = (".xlsx", ".xlsm")
_CURE = "Save it as CSV or parquet, which are read by pieces."
_ERRORS = ("#DIV/0!", "#NAME?", "#NULL!", "#NUM!", "#REF!", "#VALUE!", "#GETTING_DATA")
_MISSING = frozenset((*NA_VALUES, *_ERRORS))


def read_sheet(path: Path) -> pd.DataFrame:
    """The frame of a sheet."""
    file, part = split_part(path)
    if find_spec("openpyxl") is None:
        raise DataError(
            f"{file} is a workbook, which the package openpyxl reads: "
            "pip install 'autosynth[excel]'. Or save the sheet as CSV."
        )
    try:
        with zipfile.ZipFile(file) as archive:
            size = sum(member.file_size for member in archive.infolist())
        UNPACKED.check(size, str(file), file.stat().st_size)
        rows = _rows(file, part)
    except AutosynthError:
        raise
    except Exception as error:  # of a damaged workbook openpyxl raises whatever its parsers do
        raise DataError(
            f"{file} cannot be read as a workbook: {type(error).__name__}: {error}."
        ) from error
    if not rows:
        raise DataError(f"{path} is an empty table; its first row holds the column names.")
    begin, names = sheet_header([[_text(cell) for cell in row] for row in rows])
    columns = pd.Index(
        [name or f"Unnamed: {place}" for place, name in enumerate(names)], dtype=object
    )
    return pd.DataFrame([list(map(_value, row)) for row in rows[begin:]], columns=columns)


def _rows(file: Path, part: str) -> list[tuple[Any, ...]]:
    """The rows of a sheet that hold anything, as wide as the widest."""
    openpyxl = import_module("openpyxl")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of styles and validations that say nothing of values
        with closing(openpyxl.load_workbook(file, read_only=True, data_only=True)) as book:
            found = {sheet.title: sheet for sheet in book.worksheets}
            if part or len(found) > 1:
                filled = [name for name in found if name == part or any(_filled(found[name]))]
                found = {name: found[name] for name in filled}
            rows = list(_filled(found[named_or_only(part, list(found), file, "sheet")]))
    width = max(map(len, rows), default=0)
    return [row + (None,) * (width - len(row)) for row in rows]


def _filled(sheet: Any) -> Iterator[tuple[Any, ...]]:
    """The rows that hold anything, without empty cells at their ends."""
    sheet.reset_dimensions()  # which a file may declare as it likes
    cells = 0
    for row in sheet.iter_rows(values_only=True):
        cells += len(row) + 1
        SHEET_CELLS.check(cells, f"sheet {sheet.title!r}", cure=_CURE)
        width = len(row)
        while width and (row[width - 1] is None or row[width - 1] == ""):
            width -= 1
        if width:
            yield row[:width]


def _text(cell: Any) -> str:
    return "" if cell is None else str(cell)


def _value(cell: Any) -> Any:
    return None if isinstance(cell, str) and cell.strip() in _MISSING else cell

"""Reads tables that know their types: parquet, Arrow files and lines of JSON.

Takes a path; gives the frame as it stands. A cell may hold a list or a record there: such a column
is no input, and `check_flat` says so to whoever did not drop it.
"""

import gzip
import json
import zlib
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from pyarrow import ipc, parquet

from autosynth.errors import DataError

_NESTED = (dict, list, tuple, set, np.ndarray)
_SHOWN = 60
_BYTES = "bytes"


def read_parquet(path: Path) -> pd.DataFrame:
    """The frame of a parquet file."""
    try:
        return from_arrow(parquet.read_table(path, partitioning=None))
    except (OSError, ValueError, pa.ArrowException) as error:
        raise DataError(f"{path} cannot be read as parquet: {str(error).rstrip('.')}.") from error


def read_arrow(path: Path) -> pd.DataFrame:
    """The frame of an Arrow file: feather, the file format or a stream of it."""
    try:
        with pa.memory_map(str(path)) as source:
            try:
                table = ipc.open_file(source).read_all()
            except pa.ArrowInvalid:
                source.seek(0)
                table = ipc.open_stream(source).read_all()
            return from_arrow(table)
    except (OSError, ValueError, pa.ArrowException) as error:
        raise DataError(f"{path} cannot be read as Arrow: {str(error).rstrip('.')}.") from error


def read_jsonl(path: Path) -> pd.DataFrame:
    """The frame of a file with one JSON object a line; a name that a line lacks is missing there.

    Raises:
        DataError: a line is no JSON object, naming it.
    """
    records = list(records_of(path))
    if not records:
        raise DataError(f"{path} is empty; a line holds one JSON object, a row of the table.")
    return pd.DataFrame(records)


def records_of(path: Path) -> Iterator[dict[str, Any]]:
    """The objects of a file with one a line; raises as `read_jsonl`."""
    opened = gzip.open if path.suffix == ".gz" else open
    try:
        with opened(path, "rt", encoding="utf-8-sig") as file:
            for number, line in enumerate(file, start=1):
                if line.strip():
                    yield _record(line, f"{path}:{number}")
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise DataError(
            f"{path} cannot be read as lines of JSON in UTF-8: {str(error).rstrip('.')}."
        ) from error


READERS: Mapping[str, Callable[[Path], pd.DataFrame]] = {
    ".parquet": read_parquet,
    ".arrow": read_arrow,
    ".feather": read_arrow,
    ".ipc": read_arrow,
    ".jsonl": read_jsonl,
    ".ndjson": read_jsonl,
}
"""What reads a table, by its file's suffix."""


def from_arrow(table: pa.Table) -> pd.DataFrame:
    """The frame of an Arrow table, in pandas' own types; an index of pandas is dropped.

    Decimals become floats, and files with their bytes in the table (`{"bytes": ..., "path": ...}`,
    as datasets of the Hub keep pictures and sounds) those bytes.
    """
    fields = [field.with_type(_read_as(field.type)) for field in table.schema]
    if (schema := pa.schema(fields, table.schema.metadata)) != table.schema:
        table = table.cast(schema)
    frame: pd.DataFrame = table.to_pandas().reset_index(drop=True)
    for field in fields:
        if pa.types.is_struct(field.type) and _BYTES in field.type.names:
            frame[field.name] = frame[field.name].map(content_of).astype(object)
    return frame


def _read_as(kind: pa.DataType) -> pa.DataType:
    """The type of Arrow by way of which cells become pandas' own."""
    if pa.types.is_decimal(kind):
        return pa.float64()
    if pa.types.is_float16(kind):
        return pa.float32()
    if pa.types.is_string_view(kind):
        return pa.large_string()
    return pa.large_binary() if pa.types.is_binary_view(kind) else kind


def content_of(cell: Any) -> Any:
    """The bytes of a file that a record holds, or its path where they are not there."""
    if isinstance(cell, Mapping) and _BYTES in cell and set(cell) <= {_BYTES, "path"}:
        return cell.get("path") if cell[_BYTES] is None else cell[_BYTES]
    return cell


def check_flat(frame: pd.DataFrame, source: str, without: Collection[str] = ()) -> None:
    """Raises `DataError` where cells hold lists or records, naming all such columns.

    Those `without` are read as what their cells hold: a series, a picture.
    """
    nested = {}
    for name in frame.columns:
        values = frame[name]
        if values.dtype == object and name not in without:
            inside = values.map(lambda cell: isinstance(cell, _NESTED))
            if inside.any():
                nested[str(name)] = str(values[inside].iloc[0])[:_SHOWN]
    if nested:
        shown = "; ".join(f"{name!r} ({value})" for name, value in list(nested.items())[:5])
        drops = " ".join(f"--drop {name}" for name in nested)
        raise DataError(
            f"{source}: cells of {len(nested)} columns hold lists or records, and one value a "
            f"cell is read: {shown}. Write them as columns of their own, say that lists are the "
            f"steps of a series with --column {next(iter(nested))}=series, or leave them out with "
            f"{drops}."
        )


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    record = dict(pairs)
    if len(record) < len(pairs):
        twice = next(name for place, (name, _) in enumerate(pairs) if name in dict(pairs[:place]))
        raise _TwiceError(twice)
    return record


class _TwiceError(Exception):
    """An object names one key twice."""


def _record(line: str, place: str) -> dict[str, Any]:
    try:
        record = json.loads(line, object_pairs_hook=_once)
    except json.JSONDecodeError as error:
        raise DataError(
            f"{place}: no JSON: {error.msg} at character {error.pos + 1}. A line holds one whole "
            "JSON object; a file that was cut off ends so."
        ) from error
    except _TwiceError as error:
        raise DataError(f"{place}: {str(error)!r} stands twice in one object.") from error
    if not isinstance(record, dict):
        raise DataError(
            f'{place}: {line.strip()[:_SHOWN]} is no JSON object, such as {{"column": 1}}.'
        )
    return record

"""Reads tables that know their types: parquet, Arrow files, JSON, workbooks and databases.

Takes a path; gives the frame as it stands. A cell may hold a list or a record there: such a column
is no input, and `check_flat` says so to whoever did not drop it. What Arrow reads is validated
before it is used: of a damaged file it would read beyond its buffers, which ends the process.
"""

import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import ipc, parquet

from autosynth.data.source import database, sheet
from autosynth.data.source.encoding import FILE_ERRORS, UTF8, opened
from autosynth.data.source.limits import COLUMNS, LINE, UNPACKED
from autosynth.data.source.location import named_or_only, split_part
from autosynth.errors import AutosynthError, DataError

_NESTED = (dict, list, tuple, set, np.ndarray)
_SHOWN = 60
_BYTES = "bytes"
_BATCH = 2**16  # rows


def read_parquet(path: Path) -> pd.DataFrame:
    """The frame of a parquet file."""
    try:
        batches = list(parquet_batches(path, parquet_rows(path)))
        table = pa.Table.from_batches(batches, parquet.read_schema(path) if not batches else None)
        table.validate(full=True)
        return from_arrow(table)
    except AutosynthError:
        raise
    except (OSError, ValueError, pa.ArrowException) as error:
        raise DataError(f"{path} cannot be read as parquet: {str(error).rstrip('.')}.") from error


def parquet_rows(path: Path) -> int:
    """How many rows of a parquet file may be read at once, at most.

    A dictionary of a few long texts says nothing of the bytes that rows of it take: of such
    columns the longest text is looked up, and so many rows are read as are within the limit.

    Raises:
        DataError: it declares more than may be.
    """
    size = path.stat().st_size
    with parquet.ParquetFile(path) as file:
        found = file.metadata
        COLUMNS.check(found.num_columns, str(path))
        # Nothing is asked of a column of a group: where that is damaged, Arrow ends the process.
        sizes = [found.row_group(place).total_byte_size for place in range(found.num_row_groups)]
        unpacked = max(sum(sizes), found.num_rows * found.num_columns)
        UNPACKED.check(unpacked, str(path), size)
        most = UNPACKED.allowed(size)
        # Where not even a whole group in every cell would be too much, nothing can be.
        columns = [file.schema.column(place) for place in range(found.num_columns)]
        may_be = found.num_rows * max(sizes, default=0) > most
        long = {each.path for each in columns if may_be and each.physical_type == "BYTE_ARRAY"}
    if not long:
        return _BATCH
    with parquet.ParquetFile(path, read_dictionary=sorted(long)) as file:
        longest = 0
        for group in range(file.num_row_groups):
            first = next(file.iter_batches(1, row_groups=[group], columns=sorted(long)), None)
            longest = max([longest, *(map(_longest, first.columns) if first else [])])
    return max(1, min(_BATCH, most // max(1, longest * len(long))))


def _longest(array: pa.Array) -> int:
    """The bytes of the longest entry of the dictionaries in an array."""
    if isinstance(array, pa.DictionaryArray):
        return int(pc.max(pc.binary_length(array.dictionary)).as_py() or 0)
    if pa.types.is_struct(array.type):
        return max(map(_longest, array.flatten()), default=0)
    return _longest(array.values) if pa.types.is_list(array.type) else 0


def parquet_batches(
    path: Path, rows: int, columns: Sequence[str] | None = None
) -> Iterator[pa.RecordBatch]:
    """A parquet file, at most so many rows at a time; raises where all are more than may be."""
    size, read = path.stat().st_size, 0
    with parquet.ParquetFile(path, memory_map=True, pre_buffer=False) as file:
        for batch in file.iter_batches(batch_size=rows, columns=columns):
            read += batch.nbytes
            UNPACKED.check(read, str(path), size)
            yield batch


def read_arrow(path: Path) -> pd.DataFrame:
    """The frame of an Arrow file: feather, the file format or a stream of it."""
    try:
        with pa.memory_map(str(path)) as source:
            try:
                table = ipc.open_file(source).read_all()
            except pa.ArrowInvalid:
                source.seek(0)
                table = ipc.open_stream(source).read_all()
            table.validate(full=True)
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
    return _frame(records, path)


def records_of(path: Path) -> Iterator[dict[str, Any]]:
    """The objects of a file with one a line; raises as `read_jsonl`."""
    try:
        with opened(path, UTF8) as file:
            # A character more than may be, so that a longer line is told from one that fits.
            most, names = LINE.allowed() + 1, set[str]()
            for number, line in enumerate(iter(lambda: file.readline(most), ""), start=1):
                LINE.check(len(line), f"{path}:{number}")
                if line.strip():
                    record = _record(line, f"{path}:{number}")
                    names.update(record)
                    COLUMNS.check(len(names), str(path))
                    yield record
    except FILE_ERRORS as error:
        raise DataError(
            f"{path} cannot be read as lines of JSON in UTF-8: {str(error).rstrip('.')}."
        ) from error


def read_json(path: Path) -> pd.DataFrame:
    """The frame of a JSON file: an array of objects, alone or as the only such value of an object.

    `file.json::name` names the value. An object of columns of equal length is a table as well, and
    so are `columns` beside `data`, as pandas writes them, and one object a line.
    """
    file, part = split_part(path)
    size = file.stat().st_size
    UNPACKED.check(size, str(file), size)
    try:
        text = file.read_text(encoding=UTF8)
    except FILE_ERRORS as error:
        raise DataError(f"{file} cannot be read as JSON in UTF-8: {error}.") from error
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        if text.lstrip().startswith("{") and "Extra data" in str(error):
            return read_jsonl(file)
        raise DataError(f"{file}: no JSON: {error}. A file that was cut off ends so.") from error
    rows = _rows_of(found, part, file)
    if not rows or not all(isinstance(row, dict) for row in rows):
        raise DataError(
            f'{path} is no table; that is an array of objects, such as [{{"column": 1}}].'
        )
    return _frame(rows, file)


def _rows_of(found: Any, part: str, path: Path) -> Any:
    """The objects of an array, or of the array that an object holds."""
    if isinstance(found, dict) and not part:
        if isinstance(found.get("data"), list) and isinstance(found.get("columns"), list):
            names = list(map(str, found["columns"]))
            rows = [row for row in found["data"] if isinstance(row, list)]
            if len(rows) == len(found["data"]) and all(len(row) == len(names) for row in rows):
                return [dict(zip(names, row, strict=True)) for row in rows]
        lengths = {len(each) if isinstance(each, list | dict) else -1 for each in found.values()}
        if len(lengths) == 1 and -1 not in lengths and not _arrays(found):
            kinds = {type(each) for each in found.values()}
            if kinds == {list}:
                columns = zip(*found.values(), strict=True)
                return [dict(zip(found, row, strict=True)) for row in columns]
    if isinstance(found, dict):
        return found[named_or_only(part, _arrays(found), path, "array of objects")]
    return found if isinstance(found, list) else None


def _arrays(found: dict[str, Any]) -> list[str]:
    return [
        name
        for name, each in found.items()
        if isinstance(each, list) and each and all(isinstance(row, dict) for row in each)
    ]


def _frame(records: list[dict[str, Any]], path: Path) -> pd.DataFrame:
    try:
        return pd.DataFrame(records)
    except (ValueError, OverflowError, TypeError) as error:  # half a surrogate, 400 digits
        raise DataError(f"{path} holds values that are in no table: {error}.") from error


READERS: Mapping[str, Callable[[Path], pd.DataFrame]] = {
    ".parquet": read_parquet,
    ".arrow": read_arrow,
    ".feather": read_arrow,
    ".ipc": read_arrow,
    ".jsonl": read_jsonl,
    ".ndjson": read_jsonl,
    ".json": read_json,
    **dict.fromkeys(sheet.SHEET_SUFFIXES, sheet.read_sheet),
    **dict.fromkeys(database.DATABASE_SUFFIXES, database.read_database),
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
    frame = to_pandas(table).reset_index(drop=True)
    for field in fields:
        if pa.types.is_struct(field.type) and _BYTES in field.type.names:
            frame[field.name] = frame[field.name].map(content_of).astype(object)
    return frame


def to_pandas(table: pa.Table | pa.RecordBatch) -> pd.DataFrame:
    """The frame of a table; without what pandas noted beside it, where that is damaged."""
    try:
        frame: pd.DataFrame = table.to_pandas()
    except (KeyError, TypeError, AttributeError, ValueError):
        table = table.replace_schema_metadata()
        names = [name for name in table.schema.names if not name.startswith("__index_level_")]
        frame = table.select(names).to_pandas()
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
    for name, dtype in zip(frame.columns, frame.dtypes, strict=True):
        if isinstance(dtype, np.dtype) and dtype.kind == "O" and name not in without:
            values = frame[name]
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
    except (ValueError, RecursionError) as error:  # a number of 5,000 digits, 1,000 brackets
        raise DataError(f"{place}: no JSON that can be read: {error}.") from error
    except _TwiceError as error:
        raise DataError(f"{place}: {str(error)!r} stands twice in one object.") from error
    if not isinstance(record, dict):
        raise DataError(
            f'{place}: {line.strip()[:_SHOWN]} is no JSON object, such as {{"column": 1}}.'
        )
    return record

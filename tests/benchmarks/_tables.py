"""Tables of every form, for `mutate.py`."""

import bz2
import gzip
import io
import json
import lzma
import sqlite3
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from _form import Form, reading

_ROWS = 60


def frame() -> pd.DataFrame:
    """60 rows of numbers, words, texts and dates with a target of two classes."""
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "height": rng.normal(size=_ROWS).round(4),
            "count": rng.integers(0, 100, _ROWS),
            "town": np.array(["Bern", "Basel", "Zürich"])[rng.integers(0, 3, _ROWS)],
            "note": [f'it was "so, {i}"\nof {i * i % 17}' for i in range(_ROWS)],
            "when": pd.date_range("2024-01-01", periods=_ROWS).astype(str),
            "goal": np.array(["no", "yes"])[rng.integers(0, 2, _ROWS)],
        }
    )


def _text(separator: str = ",") -> bytes:
    return str(frame().to_csv(index=False, sep=separator)).encode()


def _records() -> list[dict[str, object]]:
    found: list[dict[str, object]] = json.loads(frame().to_json(orient="records"))
    return found


def written(name: str, write: Callable[[Path], object]) -> bytes:
    """What a writer of files writes."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, name)
        write(path)
        return path.read_bytes()


def _arrow(path: Path) -> None:
    table = pa.Table.from_pandas(frame())
    kind = pa.ipc.new_stream if path.suffix == ".ipc" else pa.ipc.new_file
    with kind(str(path), table.schema) as writer:
        writer.write_table(table, max_chunksize=25)


def _plain_parquet(path: Path) -> None:
    """Without compression, whose checks would hide what is damaged inside."""
    frame().to_parquet(path, row_group_size=25, compression=None)


def _database(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        frame().to_sql("rows", connection, index=False)


def _book(path: Path) -> None:
    frame().to_excel(path, index=False)


_SHEET = "xl/worksheets/sheet1.xml"


def _sheet() -> bytes:
    with zipfile.ZipFile(io.BytesIO(written("t.xlsx", _book))) as book:
        return book.read(_SHEET)


def _booked(sheet: bytes) -> bytes:
    """A workbook with this sheet."""
    out = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(written("t.xlsx", _book))) as book,
        zipfile.ZipFile(out, "w") as made,
    ):
        for name in book.namelist():
            made.writestr(name, sheet if name == _SHEET else book.read(name))
    return out.getvalue()


def _zip(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("rows.csv", _text())
        archive.writestr("README.txt", b"rows of towns")


def _table(name: str, data: Callable[[], bytes], pack: Callable[[bytes], bytes] = bytes) -> Form:
    return Form(name=name, data=data, steps=reading(name, target="goal"), pack=pack)


def _file(name: str, write: Callable[[Path], object]) -> Form:
    return _table(name, lambda: written(name, write))


TABLES: Mapping[str, Form] = {
    "csv": _table("t.csv", _text),
    "tsv": _table("t.tsv", lambda: _text("\t")),
    "jsonl": _table("t.jsonl", lambda: "\n".join(map(json.dumps, _records())).encode()),
    "json": _table("t.json", lambda: json.dumps(_records()).encode()),
    "parquet": _file("t.parquet", lambda path: frame().to_parquet(path, row_group_size=25)),
    "parquet, plain": _file("t.parquet", _plain_parquet),
    "arrow": _file("t.arrow", _arrow),
    "arrow stream": _file("t.ipc", _arrow),
    "feather": _file("t.feather", lambda path: frame().to_feather(path)),
    "xlsx": _file("t.xlsx", _book),
    "xlsx, inside": _table("t.xlsx", _sheet, _booked),
    "sqlite": _file("t.db", _database),
    "zip": _file("t.zip", _zip),
    "gz": _table("t.csv.gz", lambda: gzip.compress(_text())),
    "gz, inside": _table("t.csv.gz", _text, gzip.compress),
    "bz2": _table("t.csv.bz2", lambda: bz2.compress(_text())),
    "xz": _table("t.csv.xz", lambda: lzma.compress(_text())),
    "zst": _table("t.csv.zst", lambda: bytes(pa.compress(_text(), "zstd", asbytes=True))),
}

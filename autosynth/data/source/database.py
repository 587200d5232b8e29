"""Reads a table of an SQLite database: `file.db::table`; where there is one, its file alone.

Nothing is written, and no function of the file's own schema is trusted. A damaged file cannot give
more rows than it has bytes.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

import pandas as pd

from autosynth.data.source.location import named_or_only, split_part
from autosynth.errors import DataError

DATABASE_SUFFIXES = (".db", ".sqlite", ".sqlite3", ".db3")
_ROWS = 10_000
_LEAST = 1_000_000  # bytes: what SQLite itself needs for its schema


def read_database(path: Path) -> pd.DataFrame:
    """The frame of a table."""
    frames = list(database_frames(path, _ROWS))
    return pd.concat(frames, ignore_index=True) if len(frames) > 1 else frames[0]


def database_frames(path: Path, most: int) -> Iterator[pd.DataFrame]:
    """The rows of a table, at most so many at a time; one frame at least."""
    file, part = split_part(path)
    size = file.stat().st_size
    try:
        with closing(_opened(file, size)) as connection:
            table = named_or_only(part, _tables(connection, views=bool(part)), file, "table")
            name = table.replace('"', '""')
            rows = 0
            for frame in pd.read_sql_query(f'SELECT * FROM "{name}"', connection, chunksize=most):
                rows += len(frame)
                if rows > size:
                    raise DataError(f"{file} is damaged: it gives more rows than it has bytes.")
                yield frame
    except (sqlite3.Error, pd.errors.DatabaseError, OverflowError, UnicodeError) as error:
        raise DataError(
            f"{file} cannot be read as an SQLite database: {error}. Is the file whole?"
        ) from error


def _opened(file: Path, size: int) -> sqlite3.Connection:
    connection = sqlite3.connect(f"file:{quote(str(file.resolve()))}?mode=ro", uri=True)
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, max(_LEAST, size))
    connection.execute("PRAGMA trusted_schema = OFF")
    connection.execute("PRAGMA cell_size_check = ON")
    return connection


def _tables(connection: sqlite3.Connection, *, views: bool) -> list[str]:
    kinds = "'table', 'view'" if views else "'table'"
    found = connection.execute(
        f"SELECT name FROM sqlite_master WHERE type IN ({kinds}) "
        "AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name"
    )
    return [str(name) for (name,) in found]

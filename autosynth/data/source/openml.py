"""Reads `openml:ID`: a dataset of an OpenML server, by its number.

The server describes it in JSON and gives its rows as parquet, or as ARFF, which `liac-arff` reads
(the extra `openml`). What was got is kept in the cache and is not asked for again. Its API:
https://docs.openml.org/REST-tutorial
"""

import json
import os
import re
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pandas as pd

from autosynth.data.source.cache import cache_folder
from autosynth.data.source.download import RefusedError, download
from autosynth.data.source.frames import read_parquet
from autosynth.data.source.raw import Raw
from autosynth.data.source.table import frame_rows
from autosynth.errors import DataError

OPENML_PREFIX = "openml:"
SERVER = "AUTOSYNTH_OPENML"
"""The environment variable that names another server."""

_PUBLIC = "https://www.openml.org"


def read_openml(name: str, target: Sequence[str], *, labelled: bool = True) -> Raw:
    """The rows of `openml:ID`; without `target`, its default target is predicted.

    Raises:
        DataError: no such dataset, no network, several default targets, or a form of data that
            cannot be read.
    """
    number = name.removeprefix(OPENML_PREFIX)
    if not number.isdecimal():
        raise DataError(
            f"{name!r}: after {OPENML_PREFIX} stands the number of a dataset, as openml:61."
        )
    folder = cache_folder("openml", number)
    said = _described(number, folder)
    frame = _frame(said, folder, name)
    goal = target or _default_target(said, name)
    hidden = [
        column
        for key in ("row_id_attribute", "ignore_attribute")
        for column in _names(said.get(key))
        if column in frame.columns and column not in goal
    ]
    told = f"{name}: the server says to leave out {', '.join(hidden)}"
    title = re.sub(r"\W+", "-", str(said.get("name") or "")).strip("-") or f"openml-{number}"
    return frame_rows(
        frame.drop(columns=hidden),
        title,
        name,
        goal if labelled or set(goal) <= set(frame.columns) else (),
        labelled=labelled,
        warnings=(told,) if hidden else (),
    )


def _described(number: str, folder: Path) -> Mapping[str, Any]:
    file = folder / "description.json"
    server = os.environ.get(SERVER, _PUBLIC).rstrip("/")
    if not file.is_file():
        _get(f"{server}/api/v1/json/data/{number}", file)
    try:
        said = json.loads(file.read_text(encoding="utf-8"))["data_set_description"]
    except (ValueError, KeyError, TypeError) as error:
        file.unlink()
        raise DataError(
            f"{server} describes dataset {number} in no form that is known."
        ) from error
    if not isinstance(said, dict):
        raise DataError(f"{server} describes dataset {number} in no form that is known.")
    return said


def _frame(said: Mapping[str, Any], folder: Path, name: str) -> pd.DataFrame:
    """The rows: parquet if the server has it, else ARFF."""
    typed = str(said.get("parquet_url") or said.get("minio_url") or "")
    file = folder / "rows.parquet"
    if typed.split("?")[0].endswith((".pq", ".parquet")):
        try:
            if not file.is_file():
                _get(typed, file)
            return _readable(read_parquet, file)
        except RefusedError:  # some sets are described with a file that was never made
            if not said.get("url"):
                raise
    if not said.get("url"):
        raise DataError(f"{name} has no file of rows on the server.")
    if find_spec("arff") is None:
        raise DataError(
            f"{name} is written as ARFF, which the package liac-arff reads: "
            "pip install 'autosynth[openml]'."
        )
    file = folder / "rows.arff"
    if not file.is_file():
        _get(str(said["url"]), file)
    return _readable(_read_arff, file)


def _readable(reader: Callable[[Path], pd.DataFrame], file: Path) -> pd.DataFrame:
    """What a reader makes of a file, which is kept only if it can be read."""
    try:
        return reader(file)
    except DataError:
        file.unlink(missing_ok=True)
        raise


def _get(url: str, file: Path) -> None:
    advice = (
        f"openml: needs a network, or a server named by {SERVER}; without, download the table "
        "and give its path."
    )
    download(url, file, advice=advice)


def _read_arff(file: Path) -> pd.DataFrame:
    arff = import_module("arff")
    try:
        with file.open(encoding="utf-8") as opened:
            content = arff.load(opened)
    except (arff.ArffException, OSError, UnicodeDecodeError) as error:
        raise DataError(f"{file} cannot be read as ARFF: {error}") from error
    names = [name for name, _ in content["attributes"]]
    return pd.DataFrame(content["data"], columns=pd.Index(names, dtype=object))


def _default_target(said: Mapping[str, Any], name: str) -> Sequence[str]:
    targets = _names(said.get("default_target_attribute"))
    if len(targets) > 1:
        raise DataError(
            f"{name} names {len(targets)} targets: {', '.join(targets)}. Choose with --target."
        )
    return targets


def _names(value: Any) -> Sequence[str]:
    """Names of columns, which the server writes as a list or between commas."""
    if isinstance(value, list):
        return [str(each) for each in value]
    return [each.strip() for each in str(value or "").split(",") if each.strip()]

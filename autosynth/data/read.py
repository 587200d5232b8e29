"""Finds the reader for a source: a built-in name, a path, a DataFrame or numpy arrays.

`read` is for training and wants a target; `read_unlabelled` is for prediction and needs none.
"""

from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from autosynth.data.forms import arrays, idx, imagefolder, table, tablefolder, ucr
from autosynth.data.forms.builtin import BUILTIN
from autosynth.data.inputs.encoder import is_from_columns
from autosynth.data.raw import Raw, Rows
from autosynth.errors import DataError, DataNotFoundError

Source: TypeAlias = str | Path | pd.DataFrame | tuple[Any, ...]

_FORMS = (
    "a table (.csv, .tsv, .txt, .parquet), a folder with train.csv and test.csv, arrays (.npz), "
    "UCR series (.tsv), a folder of IDX files, or a folder of images with one sub-folder a class"
)


def read(source: Source, target: Sequence[str] = (), like: Rows | None = None) -> Raw:
    """The rows of `source` with their target; images of a folder get the shape of those in `like`.

    Raises `DataNotFoundError` for a name that is neither a path nor built in, and `DataError` for
    a source that cannot be read or whose rows have no target.
    """
    raw = None
    if like is not None and isinstance(source, str | Path) and str(source) not in BUILTIN:
        path = _existing(source)
        if path.is_dir() and _holds_images(path) and like.x.ndim == 4:
            raw = imagefolder.read_image_folder(path, tuple(like.x.shape[1:]))
    raw = raw or _read(source, target)
    part = raw.main or raw.test
    if part is not None and part.y is None:
        raise DataError(
            f"{raw.source} holds {len(part)} rows without a target; training needs one value "
            "a row (y, labels)."
        )
    return raw


def read_unlabelled(source: Any, spec: Mapping[str, Any]) -> Raw:
    """The rows of `source` to predict: one part, in `main`.

    `spec` is the input as the encoders know it. A source that has an official test part inside
    (an `.npz` with `x_test`, a folder with `t10k-images`, `NAME_TEST.tsv` or `test/`) gives that
    part; any other source gives all of its rows.
    """
    kind = "table" if is_from_columns(spec) else spec["kind"]
    if isinstance(source, pd.DataFrame):
        return table.frame_rows(source, "frame", "frame", (), labelled=False)
    if isinstance(source, np.ndarray):
        return arrays.read_arrays((source,))
    if isinstance(source, str | Path) and str(source) not in BUILTIN:
        path = _existing(source)
        if kind == "series" and not path.is_dir() and path.suffix.lower() == ".tsv":
            return ucr.read_series(path, int(spec["shape"][1]))
        if kind == "image" and _holds_images(path):
            channels, height, width = spec["shape"]
            return imagefolder.read_images(path, channels, height, width)
        if path.is_file() and path.suffix == ".npy":
            return arrays.read_npy(path)
        if idx.is_idx(path) and path.is_file():
            return idx.read_images(path)
        if table.is_table(path):
            return table.read_table(path, (), labelled=False)
    raw = _read(source, ())
    rows = raw.test or raw.main
    if rows is None:
        raise DataError(f"{raw.source} holds no rows to predict.")
    return Raw(
        name=raw.name, source=raw.source, target=raw.target, main=rows, warnings=raw.warnings
    )


def all_rows(raw: Raw) -> Rows:
    """All labelled rows of a source that was named as the test part of another."""
    rows = raw.main or raw.test
    if rows is None:
        raise DataError(f"{raw.source} holds no rows to test on.")
    return rows


def _read(source: Source, target: Sequence[str]) -> Raw:
    if isinstance(source, pd.DataFrame):
        return table.frame_rows(source, "frame", "frame", target)
    if isinstance(source, tuple | list):
        return arrays.read_arrays(source)
    if not isinstance(source, str | Path):
        raise DataError(
            f"data is a path, the name of a built-in set, a DataFrame or a tuple of arrays; this "
            f"is {type(source).__name__}."
        )
    if str(source) in BUILTIN:
        return BUILTIN[str(source)].read()
    path = _existing(source)
    return _read_folder(path, target) if path.is_dir() else _read_file(path, target)


def _read_folder(path: Path, target: Sequence[str]) -> Raw:
    readers: tuple[tuple[Callable[[Path], bool], Callable[[Path], Raw]], ...] = (
        (idx.is_idx, idx.read_idx_folder),
        (ucr.is_ucr, ucr.read_ucr),
        (imagefolder.is_image_folder, imagefolder.read_image_folder),
    )
    try:
        for fits, reader in readers:
            if fits(path):
                return reader(path)
        if tablefolder.is_table_folder(path):
            return tablefolder.read_table_folder(path, target)
        found = sorted(file.name for file in path.iterdir())
    except PermissionError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.") from error
    listed = ", ".join(found[:8]) or "nothing"
    raise DataError(f"{path} holds {listed}; what can be read is {_FORMS}.")


def _read_file(path: Path, target: Sequence[str]) -> Raw:
    if path.suffix == ".npz":
        return arrays.read_npz(path)
    if path.suffix == ".npy":
        return arrays.read_npy(path)
    if idx.is_idx(path):
        return idx.read_idx_folder(path.parent)
    try:
        series = not target and ucr.is_ucr(path)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.") from error
    if series:
        return ucr.read_ucr(path)
    if table.is_table(path):
        return table.read_table(path, target)
    raise DataError(f"{path} is no form of data that can be read; that is {_FORMS}.")


def _holds_images(path: Path) -> bool:
    if path.is_dir():
        return not idx.is_idx(path) and imagefolder.is_image_folder(path)
    return path.suffix.lower() in imagefolder.SUFFIXES


def _only_file(folder: Path) -> Path | None:
    """The one table or set of arrays that a folder holds, beside what says nothing of data."""
    try:
        found = [path for path in folder.iterdir() if not path.name.startswith((".", "README"))]
    except PermissionError:
        return None  # told where it is read
    one = found[0] if len(found) == 1 else None
    return one if one and (one.suffix == ".npz" or table.is_table(one)) else None


def _existing(source: str | Path) -> Path:
    path = Path(source).expanduser()
    if path.is_dir():
        return _only_file(path) or path
    if path.exists():
        return path
    hints = get_close_matches(str(source), list(BUILTIN), n=1, cutoff=0.6)
    if path.parent.is_dir():
        beside = {file.name: str(file) for file in path.parent.iterdir()}
        near = get_close_matches(path.name, list(beside), n=2, cutoff=0.6)
        hints += [beside[name] for name in near]
    hint = f" Did you mean {' or '.join(repr(name) for name in hints)}?" if hints else ""
    raise DataNotFoundError(
        f"{str(source)!r} is neither a path that exists nor a built-in set "
        f"({', '.join(BUILTIN)}).{hint}"
    )

"""Reads `hf:NAME` and `hf:NAME/CONFIG`: a dataset of the Hugging Face Hub, or a folder of one.

Gives a table with its splits as parts. Columns of pictures and sounds become columns of paths:
files that stand inside the dataset are written to the cache. Needs `datasets` (the extra `hf`).
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pandas as pd

from autosynth.data.source.cache import cache_folder, own_cache
from autosynth.data.source.frames import from_arrow
from autosynth.data.source.raw import Raw, RawRows
from autosynth.data.source.table import frame_rows
from autosynth.errors import DataError

HF_PREFIX = "hf:"
_PARTS: Mapping[str, Sequence[str]] = {
    "main": ("train", "training"),
    "validation": ("validation", "dev", "val", "valid"),
    "test": ("test", "testing"),
}
_SAVED = ("dataset_dict.json", "state.json")  # what save_to_disk leaves
_SUFFIX = {"Image": ".png", "Audio": ".wav"}  # where the dataset does not say


def read_hf(name: str, target: Sequence[str], *, labelled: bool = True) -> Raw:
    """The parts of `hf:NAME`; without `target`, its only column of class labels is predicted.

    Raises:
        DataError: the package lacks, there is no network and no copy, no such dataset, or it has
            several configurations and none is named.
    """
    path = name.removeprefix(HF_PREFIX).rstrip("/")
    if not path:
        raise DataError(f"{name!r}: after {HF_PREFIX} stands the name of a dataset, as hf:imdb.")
    parts = _parts(_loaded(path, name), name)
    main = parts["main"]
    goal = target or _default_target(main)
    title = Path(path).resolve().name if Path(path).exists() else path.split("/")[-1]
    raws = {}
    for part, dataset in parts.items():
        place = f"{name} ({part})" if part != "main" else name
        frame = _frame(dataset, path)
        known = labelled and (part == "main" or set(goal) <= set(frame.columns))
        raws[part] = frame_rows(frame, title, place, goal, labelled=known)
    rows = {part: _told(raw.main) for part, raw in raws.items()}
    return replace(
        raws["main"],
        main=rows["main"],
        validation=rows.get("validation"),
        test=rows.get("test"),
    )


def _loaded(path: str, name: str) -> Any:
    """A dataset or a dict of them, from a folder or from the Hub (or its copy on this machine)."""
    if find_spec("datasets") is None:
        raise DataError(
            f"{name} is read by the package datasets: pip install 'autosynth[hf]'. Without it, "
            "give the files of the dataset themselves (.parquet, .jsonl, .csv)."
        )
    datasets = import_module("datasets")
    folder = Path(path).expanduser()
    own = own_cache("hf")
    options = {"cache_dir": str(own)} if own else {}
    try:
        if any((folder / file).is_file() for file in _SAVED):
            return datasets.load_from_disk(str(folder))
        if folder.is_dir():
            return datasets.load_dataset(str(folder), **options)
        return _from_hub(datasets, path, options)
    except (ConnectionError, OSError) as error:
        if isinstance(error, FileNotFoundError):  # also: no such dataset on the Hub
            raise DataError(
                f"{name} is no dataset of the Hub, nor a folder of one: {error}"
            ) from error
        raise DataError(
            f"{name} cannot be read: {error}. hf: needs a network, or a copy that an earlier call "
            "left on this machine; else give the files of the dataset themselves."
        ) from error
    except (ValueError, datasets.exceptions.DatasetsError) as error:
        raise DataError(f"{name} cannot be read: {error}") from error


def _from_hub(datasets: Any, path: str, options: Mapping[str, Any]) -> Any:
    """OWNER/NAME, NAME/CONFIG or OWNER/NAME/CONFIG, the first of them that there is."""
    words = path.split("/")
    if len(words) == 1:
        return datasets.load_dataset(path, **options)
    if len(words) == 2:
        try:
            return datasets.load_dataset(path, **options)
        except FileNotFoundError:  # what the Hub does not know; no network is another error
            return datasets.load_dataset(words[0], words[1], **options)
    return datasets.load_dataset("/".join(words[:2]), "/".join(words[2:]), **options)


def _parts(loaded: Any, name: str) -> dict[str, Any]:
    if not isinstance(loaded, Mapping):
        return {"main": loaded}
    splits = {part: loaded[key] for part, keys in _PARTS.items() for key in keys if key in loaded}
    if "main" not in splits:
        if len(loaded) != 1:
            raise DataError(
                f"{name} has the parts {', '.join(map(str, loaded))}, and none is named train."
            )
        splits = {"main": next(iter(loaded.values()))}
    return splits


def _default_target(dataset: Any) -> Sequence[str]:
    """The only column of class labels."""
    labels = [key for key, kind in dataset.features.items() if type(kind).__name__ == "ClassLabel"]
    return labels if len(labels) == 1 else []


def _frame(dataset: Any, path: str) -> pd.DataFrame:
    """The rows as a frame: labels by their names, pictures and sounds as paths."""
    features = dict(dataset.features)
    files = {key: kind for key, kind in features.items() if type(kind).__name__ in _SUFFIX}
    for key, kind in files.items():
        dataset = dataset.cast_column(key, type(kind)(decode=False))
    frame = from_arrow(dataset.with_format("arrow")[:])
    for key, kind in features.items():
        if key in files:
            frame[key] = _as_paths(frame[key], path, _SUFFIX[type(kind).__name__])
        elif type(kind).__name__ == "ClassLabel":
            names = dict(enumerate(kind.names))
            frame[key] = frame[key].map(names).astype(object).where(frame[key] >= 0, None)
    return frame


def _as_paths(cells: "pd.Series[Any]", path: str, suffix: str) -> "pd.Series[Any]":
    folder = cache_folder("hf", "files", path.replace("/", "--").strip("-"))
    paths = [_file_of(cell, folder, suffix) if isinstance(cell, dict) else None for cell in cells]
    return pd.Series(paths, dtype=object)


def _file_of(cell: Mapping[str, Any], folder: Path, suffix: str) -> str | None:
    """The path of a picture or a sound; its bytes are written to `folder` where it is none."""
    named = cell.get("path")
    if named and Path(named).is_absolute() and Path(named).is_file():
        return str(named)
    content = cell.get("bytes")
    if content is None:
        return None
    digest = hashlib.sha256(content).hexdigest()[:20]
    file = folder / f"{digest}{Path(named).suffix if named else suffix}"
    if not file.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    return str(file)


def _told(rows: RawRows | None) -> RawRows | None:
    """Rows whose labels were all held back (as -1) have none."""
    if rows is not None and rows.y is not None and rows.y.isna().all():
        return replace(rows, y=None)
    return rows

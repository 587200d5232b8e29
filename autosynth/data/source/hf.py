"""Reads `hf:NAME` and `hf:NAME/CONFIG`: a dataset of the Hugging Face Hub, or a folder of one.

Gives a table with its splits as parts. Columns of pictures and sounds hold the bytes of files that
stand inside the dataset, and the paths of others. Needs `datasets` (the extra `hf`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pandas as pd

from autosynth.data.source.cache import own_cache
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
_FILES = ("Image", "Audio")


def read_hf(name: str, target: Sequence[str], *, labelled: bool = True) -> Raw:
    """The parts of `hf:NAME`; without `target`, its only column of class labels is predicted.

    Raises:
        DataError: the package lacks, there is no network and no copy, no such dataset, or it has
            several configurations and none is named.
    """
    path = name.removeprefix(HF_PREFIX).rstrip("/")
    if not path:
        raise DataError(f"{name!r}: after {HF_PREFIX} stands the name of a dataset, as hf:imdb.")
    title = Path(path).resolve().name if Path(path).exists() else path.split("/")[-1]
    return _raw(_loaded(path, name), title, name, target, labelled=labelled)


def is_hf_object(source: Any) -> bool:
    """Whether this is a dataset of the package `datasets`, or a dict of its splits."""
    kind = type(source)
    named = kind.__module__.split(".")[0] == "datasets"
    return named and kind.__name__ in ("Dataset", "DatasetDict")


def read_hf_object(source: Any, target: Sequence[str], *, labelled: bool = True) -> Raw:
    """The parts of a dataset that was loaded already; as `read_hf`."""
    return _raw(source, "dataset", type(source).__name__, target, labelled=labelled)


def _raw(loaded: Any, title: str, name: str, target: Sequence[str], *, labelled: bool) -> Raw:
    parts = _parts(loaded, name)
    main = parts["main"]
    goal = target or _default_target(main)
    raws = {}
    for part, dataset in parts.items():
        place = f"{name} ({part})" if part != "main" else name
        frame = _frame(dataset)
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


def _frame(dataset: Any) -> pd.DataFrame:
    """The rows as a frame: labels by their names, pictures and sounds as bytes or paths."""
    features = dict(dataset.features)
    for key, kind in features.items():
        if type(kind).__name__ in _FILES:
            dataset = dataset.cast_column(key, type(kind)(decode=False))
    frame = from_arrow(dataset.with_format("arrow")[:])
    for key, kind in features.items():
        if type(kind).__name__ == "ClassLabel":
            names = dict(enumerate(kind.names))
            frame[key] = frame[key].map(names).astype(object).where(frame[key] >= 0, None)
    return frame


def _told(rows: RawRows | None) -> RawRows | None:
    """Rows whose labels were all held back (as -1) have none."""
    if rows is not None and rows.y is not None and rows.y.isna().all():
        return replace(rows, y=None)
    return rows

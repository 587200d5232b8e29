"""ResNet-18: its graph and its arithmetic, by torchvision's names of its modules.

Takes standardised images, gives maps of features, or the logits of ImageNet's classes. The network
is that of He et al., 2015, arXiv:1512.03385. A stage is one residual block here, so that it has
eight of them, two of each width. Weights are those of torchvision's `resnet18`, or those of
`ResNetForImageClassification` of `transformers`, such as microsoft/resnet-18, by its own names.
"""

import re
from typing import NamedTuple

from torch import Tensor, nn
from torch.nn import functional as F

from autosynth.components.checkpoint import State
from autosynth.components.profile import ImageModelProfile

RESNET_WIDTHS = (64, 128, 256, 512)
_BLOCKS = 2  # of each width
N_BLOCKS = _BLOCKS * len(RESNET_WIDTHS)
_CLASSES = 1000


class _Shape(NamedTuple):
    """One block: what it reads, what it gives, its stride, and the side of the map it gives."""

    width: int
    to: int
    stride: int
    side: int

    @property
    def is_other(self) -> bool:
        """Whether what goes around the block is brought to its shape."""
        return self.stride > 1 or self.width != self.to


def _shapes(size: int, stop: int) -> list[_Shape]:
    """The first `stop` blocks, for images of `size` pixels a side; all halve with padding."""
    width, side, found = RESNET_WIDTHS[0], -(-size // 4), []
    for index in range(stop):
        to = RESNET_WIDTHS[index // _BLOCKS]
        stride = 2 if index and index % _BLOCKS == 0 else 1
        side = -(-side // stride)
        found.append(_Shape(width, to, stride, side))
        width = to
    return found


def resnet_profile(size: int, stop: int) -> ImageModelProfile:
    """The arithmetic of `ResNet(size, stop)`: 2 FLOPs a multiply-add, norms not counted."""
    first, shapes = 3 * 7 * 7 * RESNET_WIDTHS[0], _shapes(size, stop)
    weights, norms, products = first, RESNET_WIDTHS[0], first * (-(-size // 2)) ** 2
    for width, to, _, side in shapes:
        own = 9 * to * (width + to)
        around = width * to if width != to else 0  # every stride above 1 is to another width
        weights += own + around
        norms += to * (3 if around else 2)
        products += side**2 * (own + around)
    return ImageModelProfile(
        flops=2 * products, params=weights + 2 * norms, side=shapes[-1].side, width=shapes[-1].to
    )


class BasicBlock(nn.Module):
    """Two convolutions, and what they read added to what they give."""

    def __init__(self, shape: _Shape) -> None:
        super().__init__()
        width, to, stride, _ = shape
        self.conv1 = nn.Conv2d(width, to, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(to)
        self.conv2 = nn.Conv2d(to, to, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(to)
        self.downsample = (
            nn.Sequential(nn.Conv2d(width, to, 1, stride, bias=False), nn.BatchNorm2d(to))
            if shape.is_other
            else None
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, width, h, h) to (B, to, side, side)."""
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(y + (x if self.downsample is None else self.downsample(x)))


class ResNet(nn.Module):
    """The first `stop` of its eight blocks, for square images of `size` pixels a side."""

    def __init__(self, size: int, stop: int = N_BLOCKS) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, RESNET_WIDTHS[0], 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(RESNET_WIDTHS[0])
        blocks = [BasicBlock(shape) for shape in _shapes(size, stop)]
        self.names: list[str] = []
        for start in range(0, stop, _BLOCKS):
            self.names.append(f"layer{start // _BLOCKS + 1}")
            self.add_module(self.names[-1], nn.Sequential(*blocks[start : start + _BLOCKS]))

    def features(self, x: Tensor) -> Tensor:
        """Images (B, 3, size, size), standardised as ImageNet's are, to maps (B, C, h, h)."""
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(x))), 3, 2, 1)
        for name in self.names:
            x = self.get_submodule(name)(x)
        return x

    def forward(self, x: Tensor) -> Tensor:
        """The maps of features."""
        return self.features(x)


class ResNetClassifier(ResNet):
    """All of the network, as files of weights have it, with the classes of ImageNet."""

    def __init__(self, size: int = 224) -> None:
        super().__init__(size)
        self.fc = nn.Linear(RESNET_WIDTHS[-1], _CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (B, 1000) of images (B, 3, size, size)."""
        logits: Tensor = self.fc(self.features(x).mean((2, 3)))
        return logits


_THEIRS = re.compile(
    r"resnet\.(?:embedder\.embedder"
    r"|encoder\.stages\.(\d)\.layers\.(\d)\.(?:layer\.(\d)|shortcut))"
    r"\.(convolution|normalization)\.(\w+)"
)


def torchvision_state(found: State) -> State:
    """Weights by torchvision's names: these already, or those of `transformers`."""
    return {_renamed(name): value for name, value in found.items()}


def _renamed(name: str) -> str:
    if name.startswith("classifier.1."):
        return f"fc.{name.removeprefix('classifier.1.')}"
    if not (parts := _THEIRS.fullmatch(name)):
        return name
    stage, block, number, kind, rest = parts.groups()
    short = "conv" if kind == "convolution" else "bn"
    if stage is None:
        return f"{short}1.{rest}"
    place = f"layer{int(stage) + 1}.{block}"
    if number is None:
        return f"{place}.downsample.{0 if short == 'conv' else 1}.{rest}"
    return f"{place}.{short}{int(number) + 1}.{rest}"

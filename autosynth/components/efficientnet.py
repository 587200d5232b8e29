"""EfficientNet-Lite: its graph and its arithmetic, for weights that come without code.

Takes standardised images, gives maps of features, or the logits of ImageNet's classes. The network
is that of Tan and Le, 2019, arXiv:1905.11946, in the form for small devices of TensorFlow's own
repository (tpu/models/official/efficientnet/lite): ReLU6, no squeeze-and-excitation, and a first
and a last convolution that are as wide in all sizes. Names of modules are those in the files of
weights, which were converted from there (by ml-illustrated, on GitHub): so convolutions pad as
TensorFlow does, and the epsilon of batch normalisation is 1e-3. Of the eight choices of padding,
epsilon and scale, it is with this one that the statistics of 60 crops of photographs agree best
with those in the file of Lite0, and that their classes are surest. At the size that each is made
for, outputs equal those of the package efficientnet_lite_pytorch.
"""

import math
from collections.abc import Iterator
from typing import NamedTuple

from torch import Tensor, nn
from torch.nn import functional as F

from autosynth.components.profile import ImageModelProfile

STEM_WIDTH, HEAD_WIDTH = 32, 1280  # channels after the first convolution, and after the last


class Stage(NamedTuple):
    """Blocks of one width; the first of them has the stride."""

    blocks: int
    kernel: int
    stride: int
    expand: int
    width: int


STAGES = (
    Stage(1, 3, 1, 1, 16),
    Stage(2, 3, 2, 6, 24),
    Stage(2, 5, 2, 6, 40),
    Stage(3, 3, 2, 6, 80),
    Stage(3, 5, 1, 6, 112),
    Stage(4, 5, 2, 6, 192),
    Stage(1, 3, 1, 6, 320),
)
N_STAGES = len(STAGES) + 1  # the last convolution is a stage of its own
_WIDTHS_ARE_OF = 8  # channels are a multiple of it


class Multipliers(NamedTuple):
    """By how much a size of the network is wider and deeper than the smallest one."""

    width: float
    depth: float


LITE0, LITE1, LITE2 = Multipliers(1.0, 1.0), Multipliers(1.0, 1.1), Multipliers(1.1, 1.2)


def stages_of(size: Multipliers) -> tuple[Stage, ...]:
    """The stages of a size, by the rules of TensorFlow's `efficientnet_model.py`.

    Widths are rounded to a multiple of 8, and not by more than a tenth downwards; blocks are
    rounded up, but in the first and the last stage, which have one in all sizes.
    """
    ends = (STAGES[0], STAGES[-1])
    return tuple(
        stage._replace(
            blocks=stage.blocks if stage in ends else math.ceil(stage.blocks * size.depth),
            width=_rounded(stage.width * size.width),
        )
        for stage in STAGES
    )


def _rounded(width: float) -> int:
    near = max(_WIDTHS_ARE_OF, int(width + _WIDTHS_ARE_OF / 2) // _WIDTHS_ARE_OF * _WIDTHS_ARE_OF)
    return near if near >= 0.9 * width else near + _WIDTHS_ARE_OF


class SameConv2d(nn.Conv2d):
    """A convolution without bias, padded as TensorFlow's "SAME": the odd zero stands behind.

    `side` is that of the square map it reads; `rest` is that of the map it gives.
    """

    def __init__(
        self, width: int, to: int, kernel: int, side: int, *, stride: int = 1, groups: int = 1
    ) -> None:
        self.rest = -(-side // stride)
        zeros = max((self.rest - 1) * stride + kernel - side, 0)
        before, behind = zeros // 2, zeros - zeros // 2
        even = before == behind
        super().__init__(
            width, to, kernel, stride, padding=before if even else 0, groups=groups, bias=False
        )
        self.zeros = None if even else (before, behind, before, behind)

    def forward(self, x: Tensor) -> Tensor:
        """(B, width, side, side) to (B, to, rest, rest)."""
        return super().forward(F.pad(x, self.zeros) if self.zeros else x)


class BlockSpec(NamedTuple):
    """One block: what it reads, what it opens to, what it gives, on a map of `side`."""

    width: int
    hidden: int
    to: int
    kernel: int
    stride: int
    side: int


def block_specs(size: int, stop: int, multipliers: Multipliers) -> Iterator[BlockSpec]:
    """The blocks of the first `stop` stages, for images of `size` pixels a side."""
    width, side = STEM_WIDTH, -(-size // 2)
    for stage in stages_of(multipliers)[:stop]:
        for index in range(stage.blocks):
            stride = 1 if index else stage.stride
            yield BlockSpec(width, width * stage.expand, stage.width, stage.kernel, stride, side)
            width, side = stage.width, -(-side // stride)


def efficientnet_profile(
    size: int, stop: int, multipliers: Multipliers = LITE0
) -> ImageModelProfile:
    """The arithmetic of `EfficientNet`: 2 FLOPs a multiply-add, norms not counted."""
    width, side = STEM_WIDTH, -(-size // 2)
    weights, norms = 27 * STEM_WIDTH, STEM_WIDTH
    products = side**2 * weights
    for spec in block_specs(size, stop, multipliers):
        rest = -(-spec.side // spec.stride)
        opened = spec.width * spec.hidden if spec.hidden > spec.width else 0
        each, closed = spec.kernel**2 * spec.hidden, spec.hidden * spec.to
        weights += opened + each + closed
        norms += spec.hidden * (2 if opened else 1) + spec.to
        products += spec.side**2 * opened + rest**2 * (each + closed)
        width, side = spec.to, rest
    if stop == N_STAGES:
        weights, norms = weights + width * HEAD_WIDTH, norms + HEAD_WIDTH
        products += side**2 * width * HEAD_WIDTH
        width = HEAD_WIDTH
    return ImageModelProfile(
        flops=2 * products, params=weights + 2 * norms, side=side, width=width
    )


def _norm(width: int) -> nn.BatchNorm2d:
    # It was trained with a momentum of 0.01: too slow to follow a short training on other data.
    return nn.BatchNorm2d(width, eps=1e-3, momentum=0.1)


class Block(nn.Module):
    """An inverted residual block: open, convolve every channel by itself, close."""

    def __init__(self, spec: BlockSpec) -> None:
        super().__init__()
        width, hidden, to, kernel, stride, side = spec
        self.opens, self.adds = hidden > width, stride == 1 and width == to
        if self.opens:
            self._expand_conv = SameConv2d(width, hidden, 1, side)
            self._bn0 = _norm(hidden)
        self._depthwise_conv = SameConv2d(
            hidden, hidden, kernel, side, stride=stride, groups=hidden
        )
        self._bn1 = _norm(hidden)
        self._project_conv = SameConv2d(hidden, to, 1, self._depthwise_conv.rest)
        self._bn2 = _norm(to)

    def forward(self, x: Tensor) -> Tensor:
        """(B, width, side, side) to (B, to, rest, rest)."""
        y = F.relu6(self._bn0(self._expand_conv(x))) if self.opens else x
        y = F.relu6(self._bn1(self._depthwise_conv(y)))
        closed: Tensor = self._bn2(self._project_conv(y))
        return x + closed if self.adds else closed


class EfficientNet(nn.Module):
    """The first `stop` of its eight stages, for square images of `size` pixels a side."""

    def __init__(self, size: int, stop: int = N_STAGES, multipliers: Multipliers = LITE0) -> None:
        super().__init__()
        self._conv_stem = SameConv2d(3, STEM_WIDTH, 3, size, stride=2)
        self._bn0 = _norm(STEM_WIDTH)
        self._blocks = nn.ModuleList(Block(spec) for spec in block_specs(size, stop, multipliers))
        self.whole = stop == N_STAGES
        if self.whole:
            side = efficientnet_profile(size, stop, multipliers).side
            self._conv_head = SameConv2d(stages_of(multipliers)[-1].width, HEAD_WIDTH, 1, side)
            self._bn1 = _norm(HEAD_WIDTH)

    def features(self, x: Tensor) -> Tensor:
        """Images (B, 3, size, size), `(value - 127) / 128` of 0 to 255, to maps (B, C, h, h)."""
        x = F.relu6(self._bn0(self._conv_stem(x)))
        for block in self._blocks:
            x = block(x)
        if self.whole:
            x = F.relu6(self._bn1(self._conv_head(x)))
        return x

    def forward(self, x: Tensor) -> Tensor:
        """The maps of features."""
        return self.features(x)


class Classifier(EfficientNet):
    """All of the network, as the file of weights has it, with the classes of ImageNet."""

    def __init__(self, size: int = 224, multipliers: Multipliers = LITE0) -> None:
        super().__init__(size, multipliers=multipliers)
        self._fc = nn.Linear(HEAD_WIDTH, 1000)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (B, 1000) of images (B, 3, size, size)."""
        logits: Tensor = self._fc(self.features(x).mean((2, 3)))
        return logits

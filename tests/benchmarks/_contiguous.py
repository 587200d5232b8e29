"""A single 2-D `cnn` composite in, the same network out as it is usually written by hand.

A composite keeps its tokens channels last wherever it runs, and no setting turns that off. To see
what this is worth, the twin does the same arithmetic with the same weights on contiguous
(batch, channels, height, width) tensors. `check` proves that both are one function.
"""

from copy import deepcopy

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from autosynth.components.block import BatchNorm
from autosynth.components.cnn import Convolution
from autosynth.composite import Composite
from autosynth.modality.convolution import ConvolutionStem

TOLERANCE = 1e-3  # of outputs of about 1, in float32


class _Block(nn.Module):
    """`shortcut(x) + conv(gelu(norm(x)))`; the shortcut means 2 x 2 pixels where conv strides."""

    def __init__(self, norm: nn.BatchNorm2d, conv: nn.Conv2d) -> None:
        super().__init__()
        self.norm, self.conv = norm, conv

    def forward(self, x: Tensor) -> Tensor:
        change: Tensor = self.conv(F.gelu(self.norm(x)))
        if self.conv.stride != (1, 1):
            x = F.avg_pool2d(x, 2, ceil_mode=True, count_include_pad=False)
        return x + change


class Contiguous(nn.Module):
    """The twin of a composite that is one `cnn` without channel MLPs on one image."""

    mean: Tensor
    scale: Tensor

    def __init__(self, composite: Composite) -> None:
        super().__init__()
        found = [composite.modules_by_name[step.name] for step in composite.steps]
        stem, head = found[0], found[-1]
        assert isinstance(stem, ConvolutionStem)
        self.input = composite.inputs[0]
        self.register_buffer("mean", stem.mean.clone())
        self.register_buffer("scale", stem.scale.clone())
        self.stem = _contiguous(stem.conv)
        norms = [_norm(each) for each in found if isinstance(each, BatchNorm)]
        convs = [_contiguous(each.conv) for each in found if isinstance(each, Convolution)]
        blocks = zip(norms[:-1], convs, strict=True)
        self.blocks = nn.Sequential(*(_Block(norm, conv) for norm, conv in blocks))
        self.norm, self.head = norms[-1], deepcopy(head)

    def forward(self, inputs: dict[str, Tensor]) -> Tensor:
        """Outputs (batch, n_outputs)."""
        x = (inputs[self.input].to(self.mean.dtype) - self.mean) * self.scale
        x = self.norm(self.blocks(self.stem(x.contiguous())))
        outputs: Tensor = self.head(x.mean((2, 3)))
        return outputs


def _norm(source: BatchNorm) -> nn.BatchNorm2d:
    made = nn.BatchNorm2d(source.num_features, eps=source.eps, momentum=source.momentum)
    made.load_state_dict(source.state_dict())
    return made


def _contiguous(conv: nn.Conv2d) -> nn.Conv2d:
    return deepcopy(conv).to(memory_format=torch.contiguous_format)  # type: ignore[call-overload,no-any-return]


def check(composite: Composite, twin: Contiguous, inputs: dict[str, Tensor]) -> None:
    """Raise where the twin is another function, in training or in evaluation."""
    composite, twin = deepcopy(composite), deepcopy(twin)
    sizes = [sum(p.numel() for p in each.parameters()) for each in (composite, twin)]
    for training in (True, False):
        with torch.no_grad():
            one, other = (each.train(training)(inputs) for each in (composite, twin))
        off = float((one - other).abs().max())
        if off > TOLERANCE or sizes[0] != sizes[1]:
            raise RuntimeError(f"the twin is off by {off:.1e}, parameters {sizes}: no fair twin")

"""Hydra: groups of random kernels that compete at each step, and how often each of them wins.

Takes series (B, steps, channels); gives features (B, n) for a linear model, between Rocket's and
the words of a dictionary: of each group the kernel with the largest response is paid that
response, the one with the smallest is counted, over the series and over its differences (Dempster,
Schmidt and Webb, 2023, arXiv:2203.13652). With the same weights and channels features equal those
of the package aeon, which are the authors': `tests/components/test_hydra.py`.
"""

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from autosynth.components.rocket import LEAST_LENGTH, without_gaps

# The authors' sizes: 8 kernels compete in each of 64 groups, half of them over differences.
_N_KERNELS, _N_GROUPS = 8, 64
_MOST_CHANNELS = 8  # that are added up in a group
# Bytes of responses at once, as in `rocket`.
_BYTES_AT_ONCE = 2**21


def n_dilations(steps: int) -> int:
    """Powers of two, from 1 to where a kernel of nine taps is as long as the series."""
    return int(np.log2((max(steps, LEAST_LENGTH) - 1) / 8)) + 1


def hydra_features(steps: int, groups: int = _N_GROUPS, kernels: int = _N_KERNELS) -> int:
    """Largest and smallest responses of every kernel at every dilation."""
    return n_dilations(steps) * 2 * 2 * (groups // 2) * kernels


class Hydra(nn.Module):
    """Features (B, n_features) of series (B, steps, channels), float32; NaN where a step lacks.

    Features are 0 or more, many of them 0; `SparseScaler` brings them to one scale. `groups` are
    even: half of them compete over the series, half over its differences.
    """

    weights: Tensor
    channels: Tensor

    def __init__(
        self, steps: int, channels: int, groups: int = _N_GROUPS, kernels: int = _N_KERNELS
    ) -> None:
        super().__init__()
        self.steps, self.length = steps, max(steps, LEAST_LENGTH)
        self.n_channels, self.groups, self.kernels = channels, groups // 2, kernels
        self.dilations = tuple(2**power for power in range(n_dilations(steps)))
        size = 2 * len(self.dilations)  # of the series and of its differences
        self.n_features = hydra_features(steps, groups, kernels)
        self.register_buffer("weights", torch.zeros(size, kernels * self.groups, 1, 9))
        # How often a group adds a channel: they are drawn with replacement.
        several = (size, self.groups, channels) if channels > 1 else (0,)
        self.register_buffer("channels", torch.zeros(several))

    def fit(self, x: Tensor, seed: int = 0) -> None:
        """Draw kernels and channels; nothing is taken from the rows `x`."""
        generator = torch.Generator().manual_seed(seed)
        drawn = torch.randn(self.weights.shape, generator=generator)
        drawn = drawn - drawn.mean(-1, keepdim=True)
        self.weights.copy_(drawn / drawn.abs().sum(-1, keepdim=True))
        if self.n_channels > 1:
            each = min(max(self.n_channels // 2, 2), _MOST_CHANNELS)
            size = (*self.channels.shape[:2], each)
            picked = torch.randint(self.n_channels, size, generator=generator)
            self.channels.copy_(F.one_hot(picked, self.n_channels).sum(2))

    def rows_at_once(self) -> int:
        """How many rows keep the work inside a core's cache."""
        return max(1, _BYTES_AT_ONCE // (4 * self.groups * self.kernels * self.length))

    def forward(self, x: Tensor) -> Tensor:
        """Features by dilation, series and differences, largest and smallest, group, kernel."""
        line = F.pad(without_gaps(x).transpose(1, 2), (0, self.length - self.steps)).contiguous()
        found: list[Tensor] = []
        for index, dilation in enumerate(self.dilations):
            for order, series in enumerate((line, line.diff(dim=-1))):
                one = self.n_channels == 1
                added = series if one else torch.matmul(self.channels[2 * index + order], series)
                response = F.conv1d(
                    added,
                    self.weights[2 * index + order],
                    padding=4 * dilation,
                    dilation=dilation,
                    groups=1 if one else self.groups,
                )
                found += _won(torch.unflatten(response, 1, (self.groups, self.kernels)))
        return torch.cat(found, 1).flatten(1)


def _won(x: Tensor) -> tuple[Tensor, Tensor]:
    """(B, groups, kernels, steps) to sums of largest, and counts of smallest, responses."""
    empty = torch.zeros_like(x[..., 0])
    most, least = x.max(2), x.min(2)
    ones = torch.ones_like(least.values)
    paid = empty.scatter_add(2, most.indices, most.values)
    return paid, empty.scatter_add(2, least.indices, ones)


def hydra_flops(
    steps: int, channels: int, groups: int = _N_GROUPS, kernels: int = _N_KERNELS
) -> int:
    """Operations for one row, exact, from the sizes alone: 2 a multiply-add, 1 any other.

    At every dilation and step of the series and its differences, for each group: a multiply-add a
    channel where there are several, nine for each kernel, two comparisons for each kernel but the
    first, and two additions. Not counted: filling gaps and differences.
    """
    added = 2 * channels if channels > 1 else 0
    each = added + 18 * kernels + 2 * (kernels - 1) + 2
    length = max(steps, LEAST_LENGTH)
    return n_dilations(steps) * (2 * length - 1) * (groups // 2) * each


class SparseScaler(nn.Module):
    """Square roots of features that are 0 or more, standardised where they are not 0.

    A feature that is seldom above 0 is divided by more than its deviation, so that it weighs less:
    by its share of zeros to the fourth power more, as the authors have it.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, n_features: int) -> None:
        super().__init__()
        self.n_features = n_features
        self.register_buffer("mean", torch.zeros(n_features))
        self.register_buffer("deviation", torch.ones(n_features))

    def fit(self, features: Tensor) -> None:
        """Take means and deviations of training rows (n, n_features)."""
        roots = features.clamp(min=0).sqrt()
        seldom = (roots == 0).float().mean(0) ** 4
        self.mean.copy_(roots.mean(0))
        self.deviation.copy_(roots.std(0) + seldom + 1e-8)

    def forward(self, features: Tensor) -> Tensor:
        """Scaled features, 0 where they were."""
        roots = features.clamp(min=0).sqrt()
        return (roots - self.mean) * roots.sign() / self.deviation

"""What images and series have in common: a convolution with a stride reads them, spans are hidden.

Pictures of sounds are read by such a stem, too. Standardisation happens here, inside the network,
from statistics of training rows that `fit` takes: so an exported model reads raw numbers.
Statistics are buffers, saved with the weights.
"""

from typing import ClassVar

import torch
from torch import Tensor, nn

from autosynth.modality.modality import Modality, conceal_by_mean, mask_spans
from autosynth.piece import Grid, Piece, Stem, Tokens, coarser, n_tokens, to_tokens
from autosynth.spec import InputSpec


class ConvolutionStem(Stem):
    """An image (B, C, H, W) or series (B, C, L): standardised, then convolved at stride `patch`.

    Its kernel is 2 * patch + 1, so that neighbouring tokens overlap (Xiao et al., 2021, "Early
    convolutions help transformers see better", arXiv:2106.14881). A series to forecast is read as
    its change from the last known value of each channel (NLinear: Zeng et al., 2023, "Are
    transformers effective for time series forecasting?", arXiv:2205.13504): levels seldom return.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, spec: InputSpec, patch: int, width: int) -> None:
        super().__init__()
        line = len(spec.grid) == 1
        self.line, self.masked, self.patch = line, spec.masked, patch
        self.anchored = spec.anchored
        kernel = 2 * patch + 1
        self.conv = nn.Conv2d(
            spec.shape[0],
            width,
            (1, kernel) if line else kernel,
            stride=(1, patch) if line else patch,
            padding=(0, patch) if line else patch,
        )
        self.register_buffer("mean", torch.zeros(spec.shape[0], 1, 1))
        self.register_buffer("scale", torch.ones(spec.shape[0], 1, 1))

    def fit(self, raw: Tensor) -> None:
        """The mean and standard deviation of every channel, missing steps left out."""
        raw = raw - last_known(raw) if self.anchored else raw
        for channel in range(raw.shape[1]):
            values = raw[:, channel].flatten()
            if values.is_floating_point():
                values = values[~values.isnan()]
            if values.numel():
                var, mean = torch.var_mean(values.float(), correction=0)
                self.mean[channel] = mean
                self.scale[channel] = 1 / var.sqrt().clamp(min=1e-6)

    def forward(self, raw: Tensor) -> Tokens:
        """A token a patch, masked where the patch has no value."""
        x = (raw - last_known(raw) if self.anchored else raw).to(self.mean.dtype)
        x = x.unsqueeze(2) if self.line else x
        mask = None
        if self.masked:
            known = ~x.isnan()
            x = torch.where(known, x, self.mean)
            steps = known.any(1, keepdim=True).to(x.dtype)
            window = (1, self.patch) if self.line else self.patch
            mask = nn.functional.max_pool2d(steps, window, ceil_mode=True).flatten(1) > 0
        x = ((x - self.mean) * self.scale).contiguous(memory_format=torch.channels_last)
        return to_tokens(self.conv(x)), mask


def convolution(spec: InputSpec, uncut: Grid, patch: int, width: int) -> tuple[Piece, Grid]:
    """`ConvolutionStem` with its cost, and the grid it leaves."""
    grid = coarser(uncut, patch)
    weights = spec.shape[0] * (2 * patch + 1) ** len(grid) * width
    make = lambda: ConvolutionStem(spec, patch, width)  # noqa: E731
    return Piece(make, 2 * n_tokens(grid) * weights, weights + width), grid


def last_known(series: Tensor) -> Tensor:
    """The last value of each channel that is not missing: (B, C, L) to (B, C, 1); else 0."""
    steps = torch.arange(series.shape[2], device=series.device)
    last = torch.where(series.isnan(), 0, steps).amax(2, keepdim=True)
    return torch.nan_to_num(series.gather(2, last))


class ConvolutionModality(Modality):
    """A kind that is read by a convolution over all of its axes.

    At most `spans` stretches or patches a side are hidden where a network learns without targets.
    """

    spans: ClassVar[int]

    def stem(self, spec: InputSpec, uncut: Grid, patch: int, width: int) -> tuple[Piece, Grid]:
        """A convolution over all axes."""
        return convolution(spec, uncut, patch, width)

    def mask(self, raw: Tensor, spec: InputSpec) -> Tensor:
        """Patches of an image, stretches of a series."""
        return mask_spans(raw, self.spans, self.mask_ratio)

    def conceal(self, raw: Tensor, masked: Tensor) -> Tensor:
        """The mean of the batch."""
        return conceal_by_mean(raw, masked)

"""Log-mel pictures of sound inside the network, so that an exported model reads raw samples.

The arithmetic is that of `data/inputs/mel.py`; here it is torch, and standardised. A picture is a
step of its own, which all parts that read the sound have in common.
"""

from dataclasses import replace
from math import log2

import torch
from torch import Tensor
from torch.nn import functional as F

from autosynth.components.piece import Grid, Piece, Plane, Stem
from autosynth.data.encoder.mel import (
    FLOOR,
    MEL,
    MEL_HZ,
    band_scale,
    frames_of,
    mel_matrix,
    window_of,
)
from autosynth.spec import InputSpec

_MOST_ROWS, _AT_ONCE = 4_096, 256  # of those that statistics are taken from


class LogMel(Stem):
    """Samples (B, samples) to pictures (B, frames, bands), NaN in frames that have no sample.

    Frames, a Hann window, a Fourier transform, power, mel bands, and the logarithm above a floor.
    Each band is standardised over all frames of training rows, which `fit` takes.
    """

    window: Tensor
    peaks: Tensor
    matrix: Tensor
    floor: Tensor
    mean: Tensor
    scale: Tensor

    def __init__(self, spec: InputSpec) -> None:
        super().__init__()
        self.frames, self.masked = frames_of(spec), spec.masked
        window, matrix = window_of(self.frames), mel_matrix(spec.rate, self.frames)
        self.register_buffer("window", torch.from_numpy(window), persistent=False)
        self.register_buffer("matrix", torch.from_numpy(matrix), persistent=False)
        peaks, first, step = band_scale(spec.rate, self.frames)
        self.register_buffer("peaks", torch.from_numpy(peaks), persistent=False)
        self.first, self.step = first, step
        self.register_buffer("floor", torch.tensor(FLOOR))
        self.register_buffer("mean", torch.zeros(self.frames.bands))
        self.register_buffer("scale", torch.ones(self.frames.bands))

    def fit(self, raw: Tensor) -> None:
        """The floor, and the mean and standard deviation of every band."""
        some = raw[:: -(-len(raw) // _MOST_ROWS)]
        power = torch.cat([self.power(part) for part in torch.split(some, _AT_ONCE)])
        power = power[~some[:, :: self.frames.hop].isnan()]
        if power.any():
            self.floor.copy_(FLOOR * power.mean())
            var, mean = torch.var_mean((power + self.floor).log(), 0, correction=0)
            self.mean.copy_(mean)
            self.scale.copy_(1 / var.sqrt().clamp(min=1e-2))

    def power(self, raw: Tensor) -> Tensor:
        """The power in each band of each frame."""
        frames = self.frames
        x = F.pad(raw.to(self.window.dtype).nan_to_num(), (0, frames.window))
        x = x.unfold(1, frames.window, frames.hop)[:, : frames.count] * self.window
        spectrum = torch.fft.rfft(x, frames.fft)
        power: Tensor = spectrum.real.square() + spectrum.imag.square()
        return power @ self.matrix

    def bands_at(self, factor: Tensor) -> Tensor:
        """Where each band's peak stands among the bands, (B, bands), times `factor` (B, 1)."""
        return (MEL * torch.log10(1 + self.peaks * factor / MEL_HZ) - self.first) / self.step

    def forward(self, raw: Tensor) -> Tensor:
        """The standardised picture."""
        x = ((self.power(raw).float() + self.floor).log() - self.mean) * self.scale
        if self.masked:
            missing = raw[:, :: self.frames.hop].isnan().unsqueeze(2)
            x = x.masked_fill(missing, torch.nan)
        return x


def logmel(spec: InputSpec) -> Piece:
    """`LogMel` with its cost: a transform a frame, and 2 a multiply-add of the mel matrix.

    A transform of N real points is charged 2.5 N log2 N, as FFTW's authors count (Frigo and
    Johnson, 2005, "The Design and Implementation of FFTW3").
    """
    frames = frames_of(spec)
    transform = round(2.5 * frames.fft * log2(frames.fft))
    flops = frames.count * (transform + 2 * (frames.fft // 2 + 1) * frames.bands)
    return Piece(lambda: LogMel(spec), flops, tied=(spec.rate, *spec.shape), frozen=True)


def picture_of(spec: InputSpec, grid: Grid) -> InputSpec:
    """The picture of a sound: an image where tokens stand on a plane, a series on a line."""
    frames = frames_of(spec)
    picture = InputSpec(
        name=spec.name, kind="series", shape=(frames.bands, frames.count), masked=spec.masked
    )
    if isinstance(grid, Plane):
        return replace(picture, kind="image", shape=(1, frames.count, frames.bands))
    return picture

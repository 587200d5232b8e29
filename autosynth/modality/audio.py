"""Sounds (B, samples): read by their log-mel pictures, made inside the network.

So an exported model reads raw samples. The arithmetic is that of `data/encoder/mel.py`; here it is
torch, and standardised. A picture is a step of its own, which all parts that read the sound have
in common, and augmentation changes it in the place of the samples, for a fraction of the work.
"""

import math
from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional as F

from autosynth.data.encoder.mel import (
    FLOOR,
    MEL,
    MEL_HZ,
    band_scale,
    frames_of,
    mel_matrix,
    window_of,
)
from autosynth.modality.convolution import ConvolutionStem, convolution
from autosynth.modality.modality import (
    Modality,
    Picture,
    Reconstruct,
    TrainingLength,
    mask_spans,
    moments,
    reconstruct_values,
)
from autosynth.modality.series import SPANS, corruptions_of_lines
from autosynth.piece import Grid, Piece, Plane, Tokens
from autosynth.spec import InputSpec

DECIBEL = math.log(10) / 10
"""One, in units of the natural logarithm of power."""
# Points of a filter's curve: voices and microphones differ over octaves, not from band to band.
COLOURS = 8
# Of the floor: what rises no higher is rounding of a silent frame, and gets no louder.
ROUNDING = 1e-4
# Rows that statistics are taken from, and how many at once: the frames of a second of sound
# overlap, and take several times its bytes.
_MOST_ROWS, _AT_ONCE = 4_096, 256


class LogMel(Picture):
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

    def augment(self, x: Tensor, level: str) -> Tensor:
        """Changed pictures (B, frames, bands), standardised as they come."""
        return x if level == "none" else _augmented(x, self, level == "strong")


def logmel(spec: InputSpec) -> Piece:
    """`LogMel` with its cost: a transform a frame, and 2 a multiply-add of the mel matrix.

    A transform of N real points is charged 2.5 N log2 N, as FFTW's authors count (Frigo and
    Johnson, 2005, "The Design and Implementation of FFTW3").
    """
    frames = frames_of(spec)
    transform = round(2.5 * frames.fft * math.log2(frames.fft))
    flops = frames.count * (transform + 2 * (frames.fft // 2 + 1) * frames.bands)
    return Piece(lambda: LogMel(spec), flops, tied=(spec.rate, *spec.shape), learns="never")


def picture_of(spec: InputSpec, grid: Grid) -> InputSpec:
    """The picture of a sound: an image where tokens stand on a plane, a series on a line."""
    frames = frames_of(spec)
    picture = InputSpec(
        name=spec.name, kind="series", shape=(frames.bands, frames.count), masked=spec.masked
    )
    if isinstance(grid, Plane):
        return replace(picture, kind="image", shape=(1, frames.count, frames.bands))
    return picture


class PictureStem(ConvolutionStem):
    """A log-mel picture (B, frames, bands), standardised already, convolved at stride `patch`.

    On a plane its tokens stand for some frames and some bands; on a line for some frames, with all
    bands in their channels.
    """

    def fit(self, raw: Tensor) -> None:
        """Nothing: a picture has no scale."""

    def forward(self, raw: Tensor) -> Tokens:
        """A token a patch, masked where it lies behind the end of the sound."""
        return super().forward(raw.transpose(1, 2) if self.line else raw.unsqueeze(1))


class ReconstructAudio(Reconstruct):
    """`Reconstruct` for a log-mel picture (B, frames, bands), of which spans of sound are masked.

    Tokens of a line restore all bands of their frames, those of a plane their own.
    """

    def __init__(self, spec: InputSpec, grid: Grid, width: int) -> None:
        super().__init__(picture_of(spec, grid), grid, width)
        self.hop = frames_of(spec).hop

    def forward(self, tokens: Tokens, raw: Tensor, masked: Tensor) -> Tensor:
        """The mean loss over the frames that begin where sound is hidden."""
        masked = masked[:, :: self.hop].unsqueeze(2).expand_as(raw)
        if len(self.spec.grid) == 2:
            return super().forward(tokens, raw.unsqueeze(1), masked.unsqueeze(1))
        return super().forward(tokens, raw.transpose(1, 2), masked.transpose(1, 2))


def _augmented(x: Tensor, logmel: LogMel, strong: bool) -> Tensor:
    """Changed pictures (B, frames, bands): sums of decibels or of powers, and moves.

    Light: a shift by up to 5 %, a gain of up to 6 dB, and noise 30 to 60 dB below the sound.
    Strong: a gain of 10 dB, noise from 20 dB, a change of speed, which moves time and pitch by up
    to 20 % and stands for other speakers (Ko et al., 2015, "Audio augmentation for speech
    recognition"), a colour of other voices and microphones, and a blanked stretch (Park et al.,
    2019, arXiv:1904.08779). What comes in from outside is silence in front, and missing at the end
    where sounds end early.
    """
    gone, silence = x.isnan().any(2), logmel.floor.log()
    end = torch.where(gone.any(), torch.nan, silence)
    power = (x / logmel.scale + logmel.mean).nan_to_num()
    power = torch.where(gone.unsqueeze(2), silence, power)
    batch, frames, _ = x.shape
    speed = 1 + _draw(x, -0.2, 0.2) if strong else torch.ones(batch, 1, device=x.device)
    at = torch.arange(frames, device=x.device)
    place = at * speed + _draw(x, -0.05, 0.05) * frames
    if strong:
        length = (~gone).sum(1, keepdim=True)
        begin, size = _draw(x, -0.2, 1.0) * length, _draw(x, 0.0, 0.2) * length
        blank = ((at >= begin) & (at < begin + size)).unsqueeze(2)
        power = torch.where(blank, silence, power)
    power = _moved(power, place, logmel.bands_at(1 / speed))
    nearest = place.round().long()
    power = torch.where((nearest < 0).unsqueeze(2), silence, power)
    power = _heard(power, logmel.floor, strong)
    late = (nearest > frames - 1) | gone.gather(1, nearest.clamp(0, frames - 1))
    power = torch.where(late.unsqueeze(2), end, power)
    return (power - logmel.mean) * logmel.scale


def _moved(x: Tensor, frames: Tensor, bands: Tensor) -> Tensor:
    """Pictures read at fractional frames (B, T) and bands (B, D), linearly; the edges repeat."""
    _, n_frames, n_bands = x.shape
    down = (2 * frames / max(1, n_frames - 1) - 1).unsqueeze(2).expand(-1, -1, n_bands)
    right = (2 * bands / max(1, n_bands - 1) - 1).unsqueeze(1).expand(-1, n_frames, -1)
    grid = torch.stack((right, down), -1).to(x.dtype)
    found = F.grid_sample(x.unsqueeze(1), grid, padding_mode="border", align_corners=True)
    return found.squeeze(1)


def _heard(x: Tensor, floor: Tensor, strong: bool) -> Tensor:
    """Logarithms of power in another loudness and, strong, another colour, with noise."""
    # New speakers need the stronger colour and speed of strong augmentation.
    decibels = 10.0 if strong else 6.0
    change = _draw(x, -decibels, decibels)
    if strong:
        points = torch.randn(len(x), COLOURS, device=x.device) * 5
        change = change + F.interpolate(
            points.unsqueeze(1), x.shape[2], mode="linear", align_corners=True
        ).squeeze(1)
    power = x.exp() - floor
    power = torch.where(power > ROUNDING * floor, power, 0.0)
    below = _draw(x, -60.0, -20.0 if strong else -30.0)
    loud = power.mean((1, 2)).unsqueeze(1) * (DECIBEL * below).exp()
    # The power of noise in a band of a frame is exponentially distributed.
    noise = loud.unsqueeze(2) * -torch.rand_like(x).clamp(min=1e-6).log()
    return (power * (DECIBEL * change).exp().unsqueeze(1) + noise + floor).log()


def _draw(x: Tensor, low: float, high: float) -> Tensor:
    """A number for each row, (B, 1), uniformly from `low` to `high`."""
    return low + (high - low) * torch.rand(len(x), 1, device=x.device)


class AudioModality(Modality):
    """Samples of one channel at one rate."""

    name = "audio"
    space = "audio"
    mask_ratio = 0.4
    # A row costs as much as fifty of a series: fewer steps, and batches of a thirty-second of the
    # rows, for many steps on few of them teach more than few on many.
    schedule = TrainingLength(epochs=20, least_steps=600, most_steps=1_000, batches=32)
    corruptions = corruptions_of_lines(is_sound=True)
    examples = {"audio": InputSpec(name="x", kind="audio", shape=(300,), masked=True, rate=2000)}

    def grid(self, spec: InputSpec, plane: bool) -> Grid:
        """Frames and bands, or frames alone."""
        frames = frames_of(spec)
        return Plane((frames.count, frames.bands)) if plane else (frames.count,)

    def picture(self, spec: InputSpec) -> tuple[str, Piece]:
        """The log-mel picture."""
        return "logmel", logmel(spec)

    def stem(self, spec: InputSpec, uncut: Grid, patch: int, width: int) -> tuple[Piece, Grid]:
        """A convolution over the picture."""
        picture = picture_of(spec, uncut)
        piece, grid = convolution(picture, uncut, patch, width)
        return piece._replace(make=lambda: PictureStem(picture, patch, width)), grid

    def features(self, x: Tensor, spec: InputSpec) -> Tensor:
        """Mean and deviation over time of each band of the picture (B, frames, bands)."""
        return torch.cat(moments(x, 1), 1)

    def cards(self, spec: InputSpec) -> tuple[int, ...]:
        """Two numbers a band."""
        return (0,) * (2 * frames_of(spec).bands)

    def mask(self, raw: Tensor, spec: InputSpec) -> Tensor:
        """Stretches of samples."""
        return mask_spans(raw.unsqueeze(1), SPANS, self.mask_ratio).squeeze(1)

    def conceal(self, raw: Tensor, masked: Tensor) -> Tensor:
        """Silence."""
        return torch.where(masked & ~raw.isnan(), 0, raw.float())

    def reconstruct(self, spec: InputSpec, grid: Grid, width: int) -> Piece:
        """The picture is restored."""
        make = lambda: ReconstructAudio(spec, grid, width)  # noqa: E731
        return reconstruct_values(picture_of(spec, grid), grid, width, make)

    def example_rows(self, spec: InputSpec, rows: int, generator: torch.Generator) -> Tensor:
        """Noise, of rows that end early."""
        x = 0.1 * torch.randn(rows, *spec.shape, generator=generator)
        ends = spec.shape[0] - torch.arange(rows)[:, None] * 25
        return x.masked_fill(torch.arange(spec.shape[0]) >= ends, torch.nan)

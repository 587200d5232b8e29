"""Mel frames of speech at 16 kHz, of samples at any rate: what a network of voices was trained on.

Takes samples (B, n); gives the power in 40 mel bands of frames of 25 ms, one every 10 ms, as
`librosa.feature.melspectrogram` computes it for Resemblyzer (its `audio.py` and `hparams.py`),
with zeros around the sound. Another rate is brought to 16 kHz by a windowed sinc, as torchaudio's
`resample` does it (its defaults; J. O. Smith, "Digital Audio Resampling Home Page").
"""

import math
from fractions import Fraction
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

SPEECH_RATE = 16_000
SPEECH_BANDS = 40
_WINDOW, _HOP = 400, 160  # samples
_ZEROS, _ROLLOFF = 6, 0.99  # of the sinc: zero crossings on either side, and its cut below Nyquist
_MOST_STEPS = 1_000  # of a ratio of rates, as in `data/source/sound.py`
# The mel scale of Slaney's toolbox: linear up to 1 kHz, logarithmic from there on.
_HZ_A_MEL, _EDGE_HZ, _LOG_STEP = 200 / 3, 1000.0, math.log(6.4) / 27
# A gain that only louder makes, to 30 dB below full scale; and what counts as silence.
_POWER, _SILENCE = 1e-3, 1e-10


def ratio_of(rate: int) -> Fraction:
    """Samples at 16 kHz for one at a rate."""
    if rate > SPEECH_RATE:
        return 1 / Fraction(rate, SPEECH_RATE).limit_denominator(_MOST_STEPS)
    return Fraction(SPEECH_RATE, rate).limit_denominator(_MOST_STEPS)


def resampled_length(samples: int, rate: int) -> int:
    """How many samples there are at 16 kHz."""
    return math.ceil(samples * ratio_of(rate))


def sinc_filter(rate: int) -> tuple[NDArray[np.float32], int]:
    """Weights (new, 1, length) of a convolution by strides of the old rate, and its padding."""
    new, old = ratio_of(rate).as_integer_ratio()
    base = min(old, new) * _ROLLOFF
    width = math.ceil(_ZEROS * old / base)
    at = np.arange(-width, width + old) / old - np.arange(new)[:, None] / new
    at = (at * base).clip(-_ZEROS, _ZEROS)
    weights = np.sinc(at) * np.cos(at * np.pi / _ZEROS / 2) ** 2 * base / old
    return np.asarray(weights[:, None], np.float32), width


def slaney_matrix() -> NDArray[np.float32]:
    """Weights (201, 40) from power at each frequency to a band, each triangle of the area 1."""
    top = _EDGE_HZ / _HZ_A_MEL + math.log(SPEECH_RATE / 2 / _EDGE_HZ) / _LOG_STEP
    mel = np.linspace(0, top, SPEECH_BANDS + 2)
    over = np.maximum(mel - _EDGE_HZ / _HZ_A_MEL, 0)
    hertz = np.where(over > 0, _EDGE_HZ * np.exp(_LOG_STEP * over), _HZ_A_MEL * mel)
    low, peak, high = hertz[:-2], hertz[1:-1], hertz[2:]
    at = np.linspace(0, SPEECH_RATE / 2, _WINDOW // 2 + 1)[:, None]
    weights = np.minimum((at - low) / (peak - low), (high - at) / (high - peak)).clip(min=0)
    return np.asarray(weights * (2 / (high - low)), np.float32)


class MelProfile(NamedTuple):
    """The cost of a sound's frames, and how many of its samples there are at 16 kHz."""

    flops: int
    samples: int


def mel_profile(samples: int, rate: int, frames: int) -> MelProfile:
    """What `SpeechMel` costs: 2 FLOPs a multiply-add, and a transform of N points 2.5 N log2 N."""
    transform = round(2.5 * _WINDOW * math.log2(_WINDOW))
    flops = frames * (transform + 2 * (_WINDOW // 2 + 1) * SPEECH_BANDS)
    if rate != SPEECH_RATE:
        weights, _ = sinc_filter(rate)
        flops += 2 * weights.size * (samples // ratio_of(rate).denominator + 1)
    return MelProfile(flops=flops, samples=resampled_length(samples, rate))


class SpeechMel(nn.Module):
    """Samples (B, n) at `rate` to the power (B, frames, 40) in mel bands, of louder sound.

    A sound of less than -30 dB of full scale is brought there, as Resemblyzer does.
    """

    window: Tensor
    matrix: Tensor
    sinc: Tensor

    def __init__(self, samples: int, rate: int, frames: int) -> None:
        super().__init__()
        self.frames, self.samples = frames, resampled_length(samples, rate)
        self.stride, self.ratio, self.width = ratio_of(rate).denominator, float(ratio_of(rate)), 0
        self.is_resampled = rate != SPEECH_RATE
        buffers = {
            # A copy: it is a slice of a longer one, which an export would not hold whole.
            "window": torch.hann_window(_WINDOW).clone(),
            "matrix": torch.from_numpy(slaney_matrix()),
        }
        if self.is_resampled:
            weights, self.width = sinc_filter(rate)
            buffers["sinc"] = torch.from_numpy(weights)
        for name, value in buffers.items():
            self.register_buffer(name, value, persistent=False)

    def forward(self, x: Tensor, n: Tensor) -> Tensor:
        """The frames of samples (B, n), of which as many as `n` (B, 1) says are there."""
        if self.is_resampled:
            x = F.pad(x.unsqueeze(1), (self.width, self.width + self.stride))
            x = F.conv1d(x, self.sinc, stride=self.stride)
            x = x.transpose(1, 2).flatten(1)[:, : self.samples]
        power = x.square().sum(1, keepdim=True) / (n * self.ratio).clamp(min=1)
        x = x * (_POWER / power.clamp(min=_SILENCE)).clamp(min=1).sqrt()
        end = (self.frames - 1) * _HOP + _WINDOW // 2
        x = F.pad(x, (_WINDOW // 2, max(0, end - self.samples)))
        x = x.unfold(1, _WINDOW, _HOP)[:, : self.frames] * self.window
        spectrum = torch.fft.rfft(x, _WINDOW)
        found: Tensor = (spectrum.real.square() + spectrum.imag.square()) @ self.matrix
        return found

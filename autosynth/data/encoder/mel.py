"""Frames and mel bands of sound: their sizes by rate and length, and log-mel pictures in numpy.

The networks compute the same inside (`modality/audio.py`), so that an exported model reads raw
samples; simple models read the pictures' summary.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from autosynth.spec import InputSpec

_WINDOW_SECONDS, _HOP_SECONDS = 0.025, 0.010
MAX_FRAMES = 200
"""Of a longer sound, frames stand farther apart and are longer."""
_BANDS, _WIDE_BANDS, _WIDE_RATE = 40, 64, 12_000
_LOWEST_HZ = 20.0
MEL, MEL_HZ = 2595.0, 700.0
"""The mel scale: `MEL * log10(1 + hertz / MEL_HZ)`."""
FLOOR = 1e-5
"""Added to a band's power, as a share of the mean power of training rows: 50 dB below it."""
_AT_ONCE = 256  # rows


@dataclass(frozen=True, kw_only=True)
class Frames:
    """How sound is cut: lengths in samples, and the sizes of the picture.

    Frame `t` begins at sample `t * hop` and is `window` long; it goes through a Fourier transform
    of `fft` points, and its power into `bands` mel bands.
    """

    window: int
    hop: int
    fft: int
    count: int
    bands: int


def frames_of(spec: InputSpec) -> Frames:
    """The frames of an audio input: 25 ms every 10 ms, or fewer and longer ones of long sounds."""
    samples, rate = spec.shape[0], spec.rate
    hop = max(1, round(_HOP_SECONDS * rate), -(-samples // MAX_FRAMES))
    window = max(2, round(_WINDOW_SECONDS * rate), hop if hop == 1 else 2 * hop)
    return Frames(
        window=window,
        hop=hop,
        fft=1 << (window - 1).bit_length(),
        count=-(-samples // hop),
        bands=_BANDS if rate < _WIDE_RATE else _WIDE_BANDS,
    )


def window_of(frames: Frames) -> NDArray[np.float32]:
    """A Hann window (window,), scaled so that the power of white noise is that of its samples."""
    place = np.arange(frames.window) + 0.5
    hann = np.sin(np.pi * place / frames.window) ** 2
    return np.asarray(hann / np.sqrt((hann**2).sum()), np.float32)


def mel_matrix(rate: int, frames: Frames) -> NDArray[np.float32]:
    """Weights (fft // 2 + 1, bands) from power at each frequency to the mean power of each band.

    Triangles that begin at the last one's peak and end at the next one's, evenly spaced on the mel
    scale of O'Shaughnessy (1987) as HTK has it (Young et al., "The HTK Book"): 2595 log10(1 +
    f / 700). A band between two frequencies of the transform takes the nearest.
    """
    frequencies = np.linspace(0, rate / 2, frames.fft // 2 + 1)
    ends = _ends(rate, frames)
    low, peak, high = (MEL_HZ * (10 ** (ends[i : i + frames.bands] / MEL) - 1) for i in range(3))
    at = frequencies[:, None]
    weights = np.minimum((at - low) / (peak - low), (high - at) / (high - peak)).clip(min=0)
    empty = np.flatnonzero(weights.sum(0) == 0)
    weights[np.abs(at - peak[empty]).argmin(0), empty] = 1
    return np.asarray(weights / weights.sum(0), np.float32)


def band_scale(rate: int, frames: Frames) -> tuple[NDArray[np.float32], float, float]:
    """The peaks of the bands in hertz, and in mel the first of them and the step to the next."""
    ends = _ends(rate, frames)
    peaks = MEL_HZ * (10 ** (ends[1:-1] / MEL) - 1)
    return np.asarray(peaks, np.float32), float(ends[1]), float(ends[1] - ends[0])


def _ends(rate: int, frames: Frames) -> NDArray[np.float64]:
    """Where bands begin, peak and end, evenly spaced, in mel."""
    top = rate / 2
    return np.linspace(_mel(min(_LOWEST_HZ, top / 4)), _mel(top), frames.bands + 2)


def _mel(hertz: float) -> float:
    return float(MEL * np.log10(1 + hertz / MEL_HZ))


def mel_power(x: NDArray[np.float32], spec: InputSpec) -> NDArray[np.float32]:
    """The power in each band of each frame, (n, frames, bands), of samples `x` (n, samples).

    NaN in frames that have no sample.
    """
    frames = frames_of(spec)
    window, matrix = window_of(frames), mel_matrix(spec.rate, frames)
    found = np.empty((len(x), frames.count, frames.bands), np.float32)
    for start in range(0, len(x), _AT_ONCE):
        some = x[start : start + _AT_ONCE]
        padded = np.pad(np.nan_to_num(some), ((0, 0), (0, frames.window)))
        cut = np.lib.stride_tricks.sliding_window_view(padded, frames.window, axis=1)
        cut = cut[:, : frames.count * frames.hop : frames.hop] * window
        power = np.abs(np.fft.rfft(cut, frames.fft)) ** 2
        found[start : start + len(some)] = power.astype(np.float32) @ matrix
        found[start : start + len(some)][np.isnan(some[:, :: frames.hop])] = np.nan
    return found


def mel_summary(x: NDArray[np.float32], spec: InputSpec) -> NDArray[np.float32]:
    """Mean and standard deviation over time of each band's log power: (n, 2 * bands).

    Power counts from -60 dB of full scale on. A sound without a sample is as silent as can be.
    """
    silence = np.float32(1e-6)
    power = mel_power(x, spec)
    power[np.isnan(power[:, 0, 0]), 0] = 0
    log = np.log(power + silence)
    known = ~np.isnan(log)
    n = known.sum(1)
    log = np.where(known, log, 0)
    mean = log.sum(1) / n
    spread = np.sqrt((np.where(known, log - mean[:, None], 0) ** 2).sum(1) / n)
    return np.concatenate([mean, spread], axis=1).astype(np.float32)

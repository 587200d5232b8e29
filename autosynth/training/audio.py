"""Light random changes of sounds, made on their log-mel pictures: a fraction of the samples' work.

The picture of a sound as it is comes once for all trainings (`Memory`); what changes from step to
step is the picture. Loudness, colour and noise are sums there, of decibels or of powers.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from autosynth.composite.logmel import LogMel

DECIBEL = math.log(10) / 10
"""One, in units of the natural logarithm of power."""
COLOURS = 8  # points of a filter's curve
ROUNDING = 1e-4  # of the floor: what rises no higher is no sound, and gets no louder


def augment_audio(x: Tensor, logmel: LogMel, level: str) -> Tensor:
    """Changed pictures (B, frames, bands), standardised as `logmel` gives them.

    Light: a shift by up to 5 %, a gain of up to 6 dB, and noise 30 to 60 dB below the sound.
    Strong: a gain of 10 dB, noise from 20 dB, a change of speed, which moves time and pitch by up
    to 20 % and stands for other speakers (Ko et al., 2015, "Audio augmentation for speech
    recognition"), a colour of other voices and microphones, and a blanked stretch (Park et al.,
    2019, arXiv:1904.08779). What comes in from outside is silence in front, and missing at the end
    where sounds end early.
    """
    if level == "none":
        return x
    strong = level == "strong"
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

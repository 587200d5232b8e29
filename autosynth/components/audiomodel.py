"""Audio models: a network that was trained to tell voices apart, on raw samples.

Takes samples (B, n) at any rate, gives a token for each window of 1.6 s: 256 numbers that say
whose voice it is. The network is the encoder of Wan et al., 2018, "Generalized end-to-end loss for
speaker verification", arXiv:1710.10467, as the package Resemblyzer ships its weights: an LSTM over
mel frames (`speechmel.py`). The package is not imported. It cuts silences out before, which is not
done here. The log-mel picture that other components read is another one.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from autosynth.components.checkpoint import State, find_weights, load_checkpoint
from autosynth.components.family import Config
from autosynth.components.speechmel import (
    SPEECH_BANDS,
    SpeechMel,
    mel_profile,
    ratio_of,
    resampled_length,
)
from autosynth.piece import Grid, Piece, Stem, Tokens
from autosynth.spec import InputSpec

VOICE_WIDTH, VOICE_LAYERS = 256, 3
FRAMES_A_WINDOW, FRAMES_BETWEEN = 160, 77  # 1.3 windows a second, as Resemblyzer's default
_SAMPLES_A_FRAME = 160
# Of a window after the first, that the sound must cover.
_COVERED = 0.75
# That go through at once without gradients: states of all layers of a window take 500 kB.
WINDOWS_AT_ONCE = 128


@dataclass(frozen=True, kw_only=True)
class AudioNetwork:
    """A network of voices whose weights are to be had; fields as of an `ImageNetwork`."""

    name: str
    package: str
    cure: str
    stages: int


AUDIO_NETWORKS: dict[str, AudioNetwork] = {
    "resemblyzer": AudioNetwork(
        name="resemblyzer",
        package="Resemblyzer",
        cure="pip install --no-deps Resemblyzer (of which only the file of weights is read)",
        stages=VOICE_LAYERS,
    )
}


class VoiceEncoder(nn.Module):
    """The first `stop` layers of an LSTM over mel frames; after the last one a linear map."""

    def __init__(self, stop: int = VOICE_LAYERS) -> None:
        super().__init__()
        self.lstm = nn.LSTM(SPEECH_BANDS, VOICE_WIDTH, stop, batch_first=True)
        self.linear = nn.Linear(VOICE_WIDTH, VOICE_WIDTH) if stop == VOICE_LAYERS else None

    def forward(self, frames: Tensor) -> Tensor:
        """Frames (B, T, 40) to (B, 256): of length 1 where all layers are there."""
        state: Tensor = self.lstm(frames)[0][:, -1]
        return state if self.linear is None else F.normalize(F.relu(self.linear(state)), dim=1)


def voice_state(found: Any) -> State:
    """The encoder's weights of what Resemblyzer's file holds, without those of its loss."""
    held: State = found.get("model_state", found)
    return {name: held[name] for name in held if not name.startswith("similarity_")}


class AudioModel(Stem):
    """A pretrained network of voices on raw samples (B, n), NaN past a shorter sound's end."""

    least: Tensor

    def __init__(self, network: AudioNetwork, spec: InputSpec, stop: int) -> None:
        super().__init__()
        self.about, self.masked, self.n_windows = network, spec.masked, n_windows(spec)
        frames = (self.n_windows - 1) * FRAMES_BETWEEN + FRAMES_A_WINDOW
        self.mel = SpeechMel(spec.shape[0], spec.rate, frames)
        self.network = VoiceEncoder(stop)
        self.register_buffer("least", torch.tensor(_least(spec)), persistent=False)

    def fit(self, raw: Tensor) -> None:
        """Take the weights from where they are found."""
        about, whole = self.about, VoiceEncoder()
        load_checkpoint(whole, find_weights(about.name, about.package, about.cure), voice_state)
        found = whole.state_dict()
        self.network.load_state_dict({key: found[key] for key in self.network.state_dict()})

    def forward(self, raw: Tensor) -> Tokens:
        """Tokens (B, windows, 256), masked where the sound ends before most of a window."""
        # A traced program takes any number of rows, and is not cut.
        if torch.is_grad_enabled() or torch.compiler.is_compiling():
            return self._tokens(raw)
        rows = max(1, WINDOWS_AT_ONCE // self.n_windows)
        parts = [self._tokens(part) for part in torch.split(raw, rows)]
        masks = [mask for _, mask in parts if mask is not None]
        return torch.cat([x for x, _ in parts]), torch.cat(masks) if masks else None

    def _tokens(self, raw: Tensor) -> Tokens:
        place = torch.arange(1, raw.shape[1] + 1, device=raw.device)
        n = (~raw.isnan() * place).amax(1, keepdim=True)
        frames = self.mel(raw.to(self.mel.window.dtype).nan_to_num(), n)
        windows = frames.unfold(1, FRAMES_A_WINDOW, FRAMES_BETWEEN).transpose(2, 3)
        x = torch.unflatten(self.network(windows.flatten(0, 1)), 0, (-1, self.n_windows))
        return x, n >= self.least if self.masked else None


def n_windows(spec: InputSpec) -> int:
    """The windows of the longest sound of an input: one, and those that it covers most of."""
    rest = resampled_length(spec.shape[0], spec.rate) - _COVERED * _at(FRAMES_A_WINDOW)
    return 1 + max(0, int(rest // _at(FRAMES_BETWEEN)))


def _at(frames: int) -> int:
    return frames * _SAMPLES_A_FRAME


def _least(spec: InputSpec) -> list[float]:
    """How many samples, at the input's own rate, a sound has that each window is there of."""
    ratio, covered = float(ratio_of(spec.rate)), _COVERED * _at(FRAMES_A_WINDOW)
    starts = [_at(FRAMES_BETWEEN) * i for i in range(n_windows(spec))]
    return [(start + covered) / ratio if start else 0.0 for start in starts]


class AudioModelProfile(NamedTuple):
    """What is known of a network before it is built: cost for one sound, and its windows."""

    flops: int
    params: int
    windows: int


@lru_cache
def audio_model_profile(spec: InputSpec, stop: int) -> AudioModelProfile:
    """The arithmetic of `AudioModel`: 2 FLOPs a multiply-add; activations are not counted."""
    windows = n_windows(spec)
    frames = (windows - 1) * FRAMES_BETWEEN + FRAMES_A_WINDOW
    inputs = [SPEECH_BANDS, *(VOICE_WIDTH,) * (stop - 1)]
    weights = sum(4 * VOICE_WIDTH * (n + VOICE_WIDTH) for n in inputs)
    products, params = FRAMES_A_WINDOW * weights, weights + 8 * VOICE_WIDTH * stop
    if stop == VOICE_LAYERS:
        products += VOICE_WIDTH**2
        params += VOICE_WIDTH**2 + VOICE_WIDTH
    flops = mel_profile(spec.shape[0], spec.rate, frames).flops + 2 * windows * products
    return AudioModelProfile(flops=flops, params=params, windows=windows)


def audio_stem(config: Config, spec: InputSpec) -> tuple[Piece, Grid, int]:
    """The network that a configuration names, with the grid and width of what it leaves."""
    network, stop = AUDIO_NETWORKS[str(config["model"])], int(config["stop"])
    found = audio_model_profile(spec, stop)
    piece = Piece(
        lambda: AudioModel(network, spec, stop),
        found.flops,
        found.params,
        tied=(spec.rate, *spec.shape),
        learns="never" if config["tune"] == "frozen" else "gradient",
    )
    return piece, (found.windows,), VOICE_WIDTH

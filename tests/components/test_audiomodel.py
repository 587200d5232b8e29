"""A pretrained network of voices: its frames and windows, its cost, and where it may stand."""

import math
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from autosynth.bundle import export, write_bundle
from autosynth.components.audiomodel import (
    AUDIO_NETWORKS,
    AudioModel,
    VoiceEncoder,
    audio_model_profile,
    n_windows,
    voice_state,
)
from autosynth.components.checkpoint import find_weights, load_checkpoint, weight_files
from autosynth.components.speechmel import SpeechMel, slaney_matrix
from autosynth.composite import build, cost, resolve
from autosynth.composite.join import Gate
from autosynth.data.encoder.audio import AudioEncoder
from autosynth.data.encoder.modelfolder import MODELS_ENV
from autosynth.errors import StrategyError, TrialError
from autosynth.spec import InputSpec, TargetSpec
from autosynth.strategy import parse
from autosynth.testing import raw_rows
from autosynth.testing.fitted import fit_parts

RESEMBLYZER = AUDIO_NETWORKS["resemblyzer"]
installed = pytest.mark.skipif(
    not weight_files(RESEMBLYZER.name, RESEMBLYZER.package),
    reason="needs pip install --no-deps Resemblyzer",
)
SPEECH = InputSpec(name="x", kind="audio", shape=(40_000,), rate=16_000, masked=True)
OLD_RATES = (8_000, 11_025, 22_050, 44_100)


def noise(rows: int, samples: int, seed: int = 0) -> Tensor:
    return 0.1 * torch.randn(rows, samples, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Random weights, with what else stands in Resemblyzer's file."""
    monkeypatch.setenv(MODELS_ENV, str(tmp_path))
    with torch.random.fork_rng():
        torch.manual_seed(3)
        state = VoiceEncoder().state_dict()
    more = {"similarity_weight": torch.ones(1), "similarity_bias": torch.ones(1)}
    torch.save({"step": 7, "model_state": {**state, **more}}, tmp_path / "resemblyzer.pt")
    return tmp_path / "resemblyzer.pt"


def fitted(spec: InputSpec, stop: int = 3) -> AudioModel:
    stem = AudioModel(RESEMBLYZER, spec, stop)
    stem.fit(torch.zeros(1, *spec.shape))
    return stem.eval()


# Frames, windows and rates.


def test_frames_are_those_of_librosa_as_transformers_has_them() -> None:
    audio = pytest.importorskip("transformers", reason="needs transformers").audio_utils
    bank = audio.mel_filter_bank(
        num_frequency_bins=201, num_mel_filters=40, min_frequency=0, max_frequency=8000,
        sampling_rate=16_000, norm="slaney", mel_scale="slaney",
    )  # fmt: skip
    np.testing.assert_allclose(slaney_matrix(), bank, atol=1e-6)
    x = noise(1, 16_000)  # louder than what is raised
    expected = audio.spectrogram(
        x[0].double().numpy(), audio.window_function(400, "hann"), frame_length=400,
        hop_length=160, power=2.0, center=True, pad_mode="constant", mel_filters=bank,
    )  # fmt: skip
    found = SpeechMel(16_000, 16_000, 101)(x, torch.full((1, 1), 16_000))
    np.testing.assert_allclose(found[0].numpy(), expected.T, rtol=1e-3, atol=1e-6)


def resemblyzers_windows(samples: int) -> int:
    """How many there are by `VoiceEncoder.compute_partial_slices` of Resemblyzer 0.1.4."""
    frames, step = math.ceil((samples + 1) / 160), round((16_000 / 1.3) / 160)
    starts = list(range(0, max(1, frames - 160 + step + 1), step))
    covered = (samples - starts[-1] * 160) / (160 * 160)
    return len(starts) - (covered < 0.75 and len(starts) > 1)


def test_windows_are_those_of_resemblyzer() -> None:
    lengths = [1, 1000, 19_199, 25_600, 31_519, 31_520, 31_521, 43_839, 43_840, 100_000, 480_000]
    for samples in [*lengths, *range(2_000, 200_000, 1_777)]:
        spec = replace(SPEECH, shape=(samples,))
        assert n_windows(spec) == resemblyzers_windows(samples), samples


@pytest.mark.usefixtures("weights")
def test_a_shorter_sound_has_the_windows_that_it_has_alone() -> None:
    whole, x = fitted(SPEECH), noise(3, 40_000)
    lengths = (40_000, 31_600, 9_000)
    for row, n in enumerate(lengths):
        x[row, n:] = torch.nan
    with torch.no_grad():
        tokens, mask = whole(x)
        assert mask is not None
        assert tokens.shape == (3, 2, 256)
        assert mask.sum(1).tolist() == [resemblyzers_windows(n) for n in lengths]
        for row, n in enumerate(lengths):
            alone = fitted(replace(SPEECH, shape=(n,), masked=False))(x[row : row + 1, :n])
            assert alone[1] is None
            torch.testing.assert_close(tokens[row][mask[row]], alone[0][0], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("rate", OLD_RATES)
def test_sound_at_another_rate_has_the_same_frames(rate: int) -> None:
    def frames(at: int) -> Tensor:
        time = torch.arange(2 * at, dtype=torch.float64) / at
        x = sum(torch.sin(2 * math.pi * hertz * time) for hertz in (220, 900, 2500))
        mel = SpeechMel(2 * at, at, 201)
        return mel(0.2 * torch.as_tensor(x).float()[None], torch.full((1, 1), 2 * at))

    expected, found = frames(16_000)[:, 5:-5], frames(rate)[:, 5:-5]
    assert (found - expected).abs().max() < 0.02 * expected.max()


@pytest.mark.usefixtures("weights")
def test_quiet_sound_is_as_loud_as_any_and_silence_is_finite() -> None:
    stem, x = fitted(replace(SPEECH, masked=False)), 0.02 * noise(2, 40_000)
    with torch.no_grad():
        torch.testing.assert_close(stem(x)[0], stem(x / 8)[0], atol=1e-5, rtol=1e-4)
        silent = stem(torch.zeros(2, 40_000))[0]
        pieces = torch.cat([stem(row)[0] for row in x.split(1)])
        torch.testing.assert_close(stem(x)[0], pieces, atol=1e-5, rtol=1e-4)
    assert silent.isfinite().all()


@pytest.mark.usefixtures("weights")
def test_many_rows_in_pieces_give_what_they_give_together() -> None:
    spec = replace(SPEECH, shape=(8_000,))
    stem, x = fitted(spec, stop=1), noise(130, 8_000)  # 128 windows at once
    with torch.no_grad():
        apart = stem(x)
    together = stem(x)
    torch.testing.assert_close(apart[0], together[0].detach(), atol=1e-5, rtol=1e-4)
    assert apart[1] is not None
    assert apart[1].shape == (130, 1)


# Weights.


def test_weights_are_read_strictly_and_without_those_of_the_loss(weights: Path) -> None:
    whole = VoiceEncoder()
    load_checkpoint(whole, find_weights("resemblyzer"), voice_state)
    held = torch.load(weights, weights_only=True)["model_state"]
    assert all(torch.equal(value, held[key]) for key, value in whole.state_dict().items())
    first = fitted(SPEECH, stop=1)
    assert torch.equal(first.network.lstm.weight_hh_l0, held["lstm.weight_hh_l0"])
    torch.save({"model_state": {**held, "more": torch.ones(1)}}, weights)
    with pytest.raises(TrialError, match="(?s)was not used.*more"):
        load_checkpoint(whole, weights, voice_state)
    torch.save([1], weights)
    with pytest.raises(TrialError, match="was not used"):
        load_checkpoint(whole, weights, voice_state)


def test_without_weights_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(MODELS_ENV, str(tmp_path))
    monkeypatch.setitem(sys.modules, "resemblyzer", None)  # as if it were not installed
    with pytest.raises(TrialError, match=r"pip install --no-deps Resemblyzer.*where it is not"):
        fitted(SPEECH)


@installed
def test_the_embedding_is_the_one_of_resemblyzers_own_steps() -> None:
    """Its steps in `embed_utterance`, on frames of `transformers`, with the weights it ships."""
    audio = pytest.importorskip("transformers", reason="needs transformers").audio_utils
    whole = VoiceEncoder().eval()
    path = find_weights(RESEMBLYZER.name, RESEMBLYZER.package)
    load_checkpoint(whole, path, voice_state)
    time = np.arange(40_000) / 16_000
    x = sum(np.sin(2 * np.pi * 140 * k * time + k) / k for k in range(1, 20))
    x = (0.1 * x * (1 + np.sin(2 * np.pi * 3 * time))).astype(np.float32)
    bank = audio.mel_filter_bank(201, 40, 0, 8000, 16_000, norm="slaney", mel_scale="slaney")
    padded = np.pad(x, (0, 77 * 160 + 25_600 - len(x)) if len(x) < 37_920 else (0, 0))
    mel = audio.spectrogram(
        padded.astype(np.float64), audio.window_function(400, "hann"), frame_length=400,
        hop_length=160, power=2.0, center=True, pad_mode="constant", mel_filters=bank,
    ).T.astype(np.float32)  # fmt: skip
    slices = torch.from_numpy(np.array([mel[start : start + 160] for start in (0, 77)]))
    with torch.no_grad():
        _, (hidden, _) = whole.lstm(slices)
        assert whole.linear is not None
        expected = F.relu(whole.linear(hidden[-1]))
        expected = expected / expected.norm(dim=1, keepdim=True)
        found = fitted(replace(SPEECH, masked=False))(torch.from_numpy(x)[None])[0][0]
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-3)


# Cost, and where it stands.


@pytest.mark.parametrize("stop", [1, 3])
@pytest.mark.parametrize("rate", [16_000, 22_050])
def test_cost_is_what_pytorch_counts_and_the_transforms(stop: int, rate: int) -> None:
    spec = replace(SPEECH, shape=(2 * rate,), rate=rate)
    stem, declared = AudioModel(RESEMBLYZER, spec, stop).eval(), audio_model_profile(spec, stop)
    assert declared.params == sum(value.numel() for value in stem.parameters())
    (before, *_) = torch.backends.mkldnn.set_flags(_enabled=False)  # type: ignore[no-untyped-call]
    try:
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            stem(noise(1, 2 * rate))
    finally:
        torch.backends.mkldnn.set_flags(_enabled=before)  # type: ignore[no-untyped-call]
    frames = (declared.windows - 1) * 77 + 160
    transforms = frames * round(2.5 * 400 * math.log2(400))
    assert declared.flops == counter.get_total_flops() + transforms


def test_its_cost_is_the_number_worked_out_by_hand(target: TargetSpec) -> None:
    # A step: 4 * 256 * (40 + 256) + 2 * 4 * 256 * 512 = 1351680 multiply-adds, 160 of them in the
    # one window of a second, and a linear map of 65536. Frames: 160 * (8644 + 2 * 201 * 40).
    spec = replace(SPEECH, shape=(16_000,), masked=False)
    found = cost(resolve(parse("resemblyzer"), (spec,), target))
    head = 256 * 3
    assert found.flops == 2 * (160 * 1351680 + 65536 + head) + 160 * (8644 + 16080)
    lstm, norm = 1351680 + 3 * 2048, 2 * 256
    assert found.params == lstm + 65536 + 256 + norm + head + 3


@pytest.mark.usefixtures("weights")
@pytest.mark.parametrize(
    "strategy",
    ["cascade(mlp[width=4], resemblyzer)", "cascade(mlp[width=4], resemblyzer, cnn[width=4])",
     "cascade(mlp[width=4], mean(cnn[width=4], resemblyzer))"],
)  # fmt: skip
def test_what_goes_on_in_a_cascade_is_read_as_samples_and_as_a_picture(
    strategy: str, target: TargetSpec
) -> None:
    spec = replace(SPEECH, shape=(8_000,))
    model = build(resolve(parse(strategy), (spec,), target), training=True).eval()
    x = {"x": noise(6, 8_000)}
    model.fit_inputs(x)
    seen: list[Tensor] = []
    (stem,) = [module for module in model.modules() if isinstance(module, AudioModel)]
    stem.register_forward_pre_hook(lambda module, args: seen.append(args[0]))
    for module in model.modules():
        if isinstance(module, Gate):
            module.get_buffer("threshold").fill_(1.1)  # nobody is as sure
    with torch.no_grad():
        assert model(x).isfinite().all()
    assert [tuple(raw.shape) for raw in seen] == [(6, 8_000)]
    assert torch.equal(seen[0], x["x"])


REFUSED = [
    ("pretrained[model=resemblyzer, size=64]", "size is for an input of kind image"),
    ("resemblyzer[stop=4]", "stop=4, but resemblyzer has 3 stages"),
    ("cnn > resemblyzer", "let it stand first in its chain"),
    ("pretrained[model=minilm]", "model=minilm reads text, and 'x' is of kind audio"),
]


@pytest.mark.parametrize(("strategy", "message"), REFUSED)
def test_what_cannot_be_is_refused(strategy: str, message: str, target: TargetSpec) -> None:
    with pytest.raises(StrategyError, match=message):
        resolve(parse(strategy), (SPEECH,), target)


@pytest.mark.usefixtures("weights")
@pytest.mark.parametrize("strategy", ["pretrained > linear", "mean(resemblyzer, cnn[width=4])"])
def test_it_stands_where_other_networks_stand(
    strategy: str, target: TargetSpec, raw: Callable[[InputSpec, int], Tensor]
) -> None:
    spec = replace(SPEECH, shape=(20_000,), rate=8_000)
    resolved = resolve(parse(strategy), (spec,), target)
    model, x = build(resolved, training=True), {"x": raw(spec, 4)}
    model.fit_inputs(x)
    assert model(x).shape == (4, 3)
    frozen = [n for n, p in model.named_parameters() if not p.requires_grad]
    assert any("lstm" in name for name in frozen)


@pytest.mark.slow
@pytest.mark.usefixtures("weights")
def test_it_is_exported(tmp_path: Path, target: TargetSpec) -> None:
    encoder = AudioEncoder(
        name="x", shape=(20_000,), rate=8_000, masked=True, column="file", crop="middle"
    )
    spec = encoder.spec
    resolved = resolve(parse("mean(resemblyzer > linear, cnn[width=4])"), (spec,), target)
    model, x = build(resolved), {"x": raw_rows(spec, 6)}
    model.fit_inputs(x)
    fit_parts(model, x, torch.arange(6) % 3)
    encoders = {"inputs": [encoder.to_dict()]}
    write_bundle(tmp_path / "b", resolved=resolved, model=model.eval(), encoders=encoders)
    export(tmp_path / "b", tmp_path / "e", sample=x)
    with torch.no_grad():
        expected = model(x).softmax(1)
    program = torch.export.load(tmp_path / "e" / "model.pt2").module()
    for n in (1, 6):
        torch.testing.assert_close(program(x["x"][:n]), expected[:n], atol=1e-4, rtol=1e-3)


def test_the_lstm_is_one_of_pytorchs() -> None:
    lstm = VoiceEncoder().lstm
    assert isinstance(lstm, nn.LSTM)
    assert (lstm.input_size, lstm.hidden_size, lstm.num_layers) == (40, 256, 3)

"""Log-mel pictures against the formula written out, and the two layouts that parts read."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from autosynth.composite import build, cost, resolve
from autosynth.data.encoder.mel import Frames, frames_of, mel_matrix, mel_power, mel_summary
from autosynth.errors import StrategyError
from autosynth.modality.audio import LogMel
from autosynth.spec import InputSpec, TargetSpec
from autosynth.strategy import parse

SPEC = InputSpec(name="x", kind="audio", shape=(1000,), masked=True, rate=4000)
TARGET = TargetSpec(name="y", task="classification", classes=("a", "b", "c"))


def sounds(rows: int, spec: InputSpec = SPEC, seed: int = 0) -> Tensor:
    x = 0.1 * torch.randn(rows, *spec.shape, generator=torch.Generator().manual_seed(seed))
    for row in range(rows):
        x[row, spec.shape[0] - 130 * (row % 7) :] = torch.nan
    return x


def by_hand(sound: np.ndarray, rate: int, window: int, hop: int, fft: int, bands: int) -> list:
    """The band powers of one frame after another, by a Fourier sum and triangles."""
    hann = [math.sin(math.pi * (i + 0.5) / window) ** 2 for i in range(window)]
    norm = math.sqrt(sum(value**2 for value in hann))
    mel = lambda f: 2595 * math.log10(1 + f / 700)  # noqa: E731
    step = (mel(rate / 2) - mel(20)) / (bands + 1)
    edge = [700 * (10 ** ((mel(20) + i * step) / 2595) - 1) for i in range(bands + 2)]
    wave = np.exp(-2j * np.pi * np.outer(np.arange(fft // 2 + 1), np.arange(window)) / fft)
    found = []
    for start in range(0, len(sound), hop):
        frame = np.zeros(window)
        part = sound[start : start + window]
        frame[: len(part)] = part * hann[: len(part)]
        power = np.abs(wave @ (frame / norm)) ** 2
        row = []
        for low, peak, high in zip(edge, edge[1:], edge[2:], strict=False):
            at = [i * rate / fft for i in range(fft // 2 + 1)]
            weight = [
                max(0, min((f - low) / (peak - low), (high - f) / (high - peak))) for f in at
            ]
            if not sum(weight):
                weight = [float(abs(f - peak) == min(abs(g - peak) for g in at)) for f in at]
            row.append(float(np.dot(weight, power) / sum(weight)))
        found.append(row)
    return found


def test_pictures_are_those_of_the_formula() -> None:
    assert frames_of(SPEC) == Frames(window=100, hop=40, fft=128, count=25, bands=40)
    x = sounds(3)
    model = LogMel(SPEC)
    powers = [by_hand(row[~row.isnan()].double().numpy(), 4000, 100, 40, 128, 40) for row in x]
    flat = np.concatenate(powers)
    model.fit(x)
    log = [np.log(np.array(power) + 1e-5 * flat.mean()) for power in powers]
    mean, std = np.concatenate(log).mean(0), np.concatenate(log).std(0)
    found = model(x).numpy()
    assert found.shape == (3, 25, 40)
    for row, expected in zip(found, log, strict=True):
        np.testing.assert_allclose(row[: len(expected)], (expected - mean) / std, atol=2e-3)
        assert np.isnan(row[len(expected) :]).all()  # a frame without a sample
    numbers = mel_power(x.numpy(), SPEC)
    np.testing.assert_allclose(numbers[0], powers[0], rtol=1e-3, atol=1e-7)


@pytest.mark.parametrize(
    ("rate", "samples", "window", "hop", "count", "bands"),
    [
        (8000, 8000, 200, 80, 100, 40),
        (16_000, 16_000, 400, 160, 100, 64),
        (44_100, 441_000, 4410, 2205, 200, 64),  # ten seconds: longer frames, farther apart
        (8000, 50, 200, 80, 1, 40),  # shorter than a frame
        (1, 30, 2, 1, 30, 40),
    ],
)
def test_frames_follow_from_rate_and_length(
    rate: int, samples: int, window: int, hop: int, count: int, bands: int
) -> None:
    spec = InputSpec(name="x", kind="audio", shape=(samples,), rate=rate)
    frames = frames_of(spec)
    assert (frames.window, frames.hop, frames.count, frames.bands) == (window, hop, count, bands)
    assert window <= frames.fft < 2 * window
    matrix = mel_matrix(rate, frames)
    assert matrix.shape == (frames.fft // 2 + 1, bands)
    np.testing.assert_allclose(matrix.sum(0), 1, atol=1e-5)
    assert (matrix >= 0).all()


def test_silence_and_single_samples_stay_finite() -> None:
    x = torch.zeros(4, 1000)
    x[1, 1:] = torch.nan
    x[2] = torch.nan
    x[3, :500] = 1
    for rows in (x[:3], x):  # fitted on silence alone, too
        model = build(resolve(parse("mean(cnn[width=4], gru[width=4])"), (SPEC,), TARGET)).eval()
        model.fit_inputs({"x": rows})
        assert model({"x": x}).isfinite().all()
    assert np.isfinite(mel_summary(x.numpy(), SPEC)).all()


@pytest.mark.parametrize("unit", [1.0, 1e-3])
def test_loudness_of_a_whole_set_changes_nothing(unit: float) -> None:
    x = sounds(8)
    model = LogMel(SPEC)
    model.fit(x)
    expected = model(x)
    model.fit(x * unit)
    torch.testing.assert_close(model(x * unit), expected, atol=1e-3, rtol=0, equal_nan=True)


TEXTS = [
    "cnn[width=4, depth=2, stages=1]",
    "gru[width=4, depth=1]",
    "cnn[width=4, depth=2, patch=2] > gru[width=4, depth=1]",
    "sum(gru[width=4, depth=1], cnn[width=4, stages=1]) > transformer[width=4, heads=2]",
    "sum(cnn[width=4, stages=1], gru[width=4, depth=1]) > attention[width=4, heads=2, depth=0]",
    "mean(cnn[width=4, norm=layer], gru[width=4, norm=layer]) share=layers",
]


@pytest.mark.parametrize("text", TEXTS)
def test_silence_past_the_end_changes_nothing(text: str) -> None:
    longer = InputSpec(name="x", kind="audio", shape=(1200,), masked=True, rate=4000)
    resolved = resolve(parse(text), (SPEC,), TARGET)
    models = build(resolved, 1), build(resolve(resolved.strategy, (longer,), TARGET), 2)
    x = sounds(6)
    models[0].fit_inputs({"x": x})
    state = models[1].state_dict()
    for name, value in models[0].state_dict().items():
        if value.ndim:
            state[name][: len(value)] = value  # positions of more frames stay as they are
        else:
            state[name].copy_(value)
    padded = torch.cat([x, torch.full((6, 200), torch.nan)], 1)
    with torch.no_grad():
        trained = [model({"x": each}) for model, each in zip(models, (x, padded), strict=True)]
        torch.testing.assert_close(*trained, rtol=1e-4, atol=1e-5)
        padded[:, 1000:] = 0.1
        assert not torch.allclose(models[1]({"x": padded}), trained[0], atol=1e-4)


def test_the_picture_is_one_step_for_all_parts_and_costs_its_transforms() -> None:
    resolved = resolve(parse("mean(cnn, gru, transformer)"), (SPEC,), TARGET)
    names = [step.name for step in resolved.program.steps]
    assert names.count("logmel_x") == 1
    # 25 frames: 2.5 * 128 * 7 of the transform, and 65 frequencies into 40 bands.
    (step,) = [step for step in resolved.program.steps if step.name == "logmel_x"]
    assert step.flops == 25 * (2240 + 2 * 65 * 40)
    # Stem 25 tokens of 40 bands and kernel 3: 2*25*480; a GRU of 2 a direction: 2*25*72; head 24.
    alone = cost(resolve(parse("gru[width=4, depth=1, expand=0, patch=1]"), (SPEC,), TARGET))
    assert alone.flops == step.flops + 24_000 + 3600 + 24
    assert alone.params == 484 + 8 + 96 + 8 + 15


def test_after_a_plane_the_bands_of_a_frame_are_read_together() -> None:
    text = "cnn[width=4, depth=1, stages=1, patch=1] > gru[width=4, depth=1]"
    program = resolve(parse(text), (SPEC,), TARGET).program
    (fold,) = [step for step in program.steps if step.name.endswith("_fold")]
    assert fold.flops == 2 * 13 * 320  # of 25 frames and 40 bands halved
    assert program.pieces[fold.name].params == 20 * 4 * 4 + 4
    same = resolve(parse("cnn[width=4] > cnn[width=4]"), (SPEC,), TARGET).program
    assert not [name for name in same.pieces if "fold" in name]


def test_parts_that_share_a_stem_read_one_layout() -> None:
    for text, kernels in (
        ("mean(cnn[width=4, patch=1], gru[width=4, patch=1]) share=stem", (1, 3)),
        ("mean(cnn[width=4, patch=1], cnn[width=4, patch=1, kernel=5]) share=stem", (3, 3)),
    ):
        model = build(resolve(parse(text), (SPEC,), TARGET))
        assert model.modules_by_name["stem_x"].conv.kernel_size == kernels
    with pytest.raises(
        StrategyError, match="one set of parameters and must have one family and one size"
    ):
        resolve(parse("sum(cnn@a, gru > cnn@a)"), (SPEC,), TARGET)


@pytest.mark.parametrize("text", ["cnn[width=4]", "gru[width=4]", "cnn[width=4] > mlp[width=4]"])
def test_hidden_stretches_of_sound_are_restored(text: str) -> None:
    resolved = resolve(parse(f"{text} init=masked"), (SPEC,), TARGET)
    model = build(resolved, training=True)
    x = sounds(16)
    model.fit_inputs({"x": x})
    phase = resolved.training_plan.phases[0]
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    losses = []
    for _ in range(40):
        with torch.random.fork_rng():
            torch.manual_seed(0)
            loss = model.values({0: x}, phase.outputs)[0]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[0] > 0.5
    assert losses[-1] < 0.9 * losses[0]


def test_a_program_with_any_batch_is_exported() -> None:
    text = "mean(cnn[width=4, depth=1, stages=1, patch=4] > mlp, transformer[width=4, depth=1])"
    model = build(resolve(parse(text), (SPEC,), TARGET)).eval()
    x = sounds(9)
    model.fit_inputs({"x": x})
    program = torch.export.export(
        model, ({"x": x[:4]},), dynamic_shapes=({"x": {0: torch.export.Dim("batch")}},)
    )
    with torch.no_grad():
        torch.testing.assert_close(program.module()({"x": x}), model({"x": x}))
        torch.testing.assert_close(program.module()({"x": x[:1]}), model({"x": x[:1]}))

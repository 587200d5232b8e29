"""Sounds are changed as pictures: where they end, how loud and high they are, and what stays."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_pre_hook

from autosynth.composite import build, resolve
from autosynth.modality.audio import LogMel, PictureStem
from autosynth.spec import Dataset, InputSpec, Splits, TargetSpec
from autosynth.strategy import parse
from autosynth.training.config import TrainerConfig
from autosynth.training.devicedataset import DeviceDataset, to_device
from autosynth.training.loop import Trainer, TrainingRows, train

SAMPLES, RATE = 8000, 8000
SPEC = InputSpec(name="clip", kind="audio", shape=(SAMPLES,), masked=True, rate=RATE)
LEVELS = ("light", "strong")


def tones(rows: int, end: int = SAMPLES, hertz: float = 1000.0) -> Tensor:
    x = 0.5 * torch.sin(2 * torch.pi * hertz * torch.arange(SAMPLES) / RATE).repeat(rows, 1)
    x[:, end:] = torch.nan
    return x


def noises(rows: int) -> Tensor:
    return torch.randn(rows, SAMPLES, generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module")
def logmel() -> LogMel:
    made = LogMel(SPEC)
    made.fit(noises(32))
    return made


def changed(logmel: LogMel, raw: Tensor, level: str, seed: int = 0) -> Tensor:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return logmel.augment(logmel(raw), level)


def decibels(logmel: LogMel, x: Tensor) -> Tensor:
    power = (x / logmel.scale + logmel.mean).exp() - logmel.floor
    return 10 * power.clamp(min=1e-30).log10()


@pytest.mark.parametrize("level", LEVELS)
def test_shape_stays_and_the_picture_is_left_alone(logmel: LogMel, level: str) -> None:
    x = logmel(noises(8))
    before = x.clone()
    out = logmel.augment(x, level)
    assert (out.shape, out.dtype) == (x.shape, x.dtype)
    assert torch.equal(x, before)
    assert out.isfinite().all()
    assert not torch.equal(out, x)
    assert torch.equal(changed(logmel, tones(4), level), changed(logmel, tones(4), level))
    assert logmel.augment(x, "none") is x


@pytest.mark.parametrize("level", LEVELS)
def test_a_sound_ends_where_its_own_end_has_moved(logmel: LogMel, level: str) -> None:
    out = changed(logmel, tones(200, 4800), level)
    ends = (~out.isnan().any(2)).sum(1)
    assert torch.equal(out.isnan().any(2), torch.arange(100) >= ends[:, None])
    # Frame 60 of 100, moved by 5; strong: played 20 % faster or slower as well.
    low, high = (54, 66) if level == "light" else (60 / 1.2 - 7, 60 / 0.8 + 8)
    assert low <= ends.min() < 59
    assert 61 < ends.max() <= high


def test_light_changes_loudness_and_strong_pitch(logmel: LogMel) -> None:
    band = int(logmel(tones(1))[0, 50].argmax())
    light, strong = (changed(logmel, tones(200), level) for level in LEVELS)
    assert (light[:, 20:80].argmax(2) == band).all()
    loud = decibels(logmel, light)[:, 50, band] - decibels(logmel, logmel(tones(1)))[0, 50, band]
    assert -7.5 < loud.min() < -5
    assert 4.5 < loud.max() < 6.5
    heard = decibels(logmel, strong).logsumexp(1).argmax(1)
    moved = logmel.peaks[heard] / logmel.peaks[band]
    # Played at 0.8 to 1.2 of its speed, it sounds as much lower or higher.
    assert 0.75 < moved.min() < 0.86
    assert 1.14 < moved.max() < 1.27


@pytest.mark.parametrize("level", LEVELS)
def test_silence_stays_silence(logmel: LogMel, level: str) -> None:
    silence = logmel(torch.zeros(2000, SAMPLES))
    assert torch.allclose(logmel.augment(silence, level), silence, atol=1e-4)


def test_strong_colours_each_sound_in_its_own_way(logmel: LogMel) -> None:
    def slope(x: Tensor) -> Tensor:
        power = decibels(logmel, x)[:, 30:70].mean(1)
        return power[:, 2:12].mean(1) - power[:, 28:38].mean(1)

    assert slope(logmel(noises(64))).std() < 1
    assert slope(changed(logmel, noises(64), "strong")).std() > 3


@pytest.fixture(scope="module")
def spoken() -> Dataset:
    """Low and high tones; their loudness says nothing."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 96)
    time = np.arange(2000) / RATE
    hertz = np.where(y, 1800, 500) * rng.uniform(0.9, 1.1, 96)
    x = rng.uniform(0.05, 1, (96, 1)) * np.sin(2 * np.pi * hertz[:, None] * time)
    x[::5, 1500:] = np.nan
    rows = np.split(np.arange(96), [60, 72, 84])
    return Dataset(
        name="toy",
        source="toy",
        fingerprint="",
        encoders={},
        y=y.astype(np.int64),
        inputs=(replace(SPEC, shape=(2000,)),),
        x={"clip": x.astype(np.float32)},
        target=TargetSpec(name="tone", task="classification", classes=("low", "high")),
        splits=Splits(
            **dict(zip(("train", "calibration", "validation", "test"), rows, strict=True))
        ),
    )


@pytest.fixture
def data(spoken: Dataset) -> DeviceDataset:
    return to_device(spoken, torch.device("cpu"), spoken.splits.train)


@pytest.mark.parametrize("words", ["", " init=masked"])
def test_pictures_are_made_once_and_learnt_from_as_changed(
    spoken: Dataset, data: DeviceDataset, words: str
) -> None:
    part = "cnn[width=8, depth=1, stages=0, patch=4]"
    text = f"{part}{words} | augment=light average=none lr=0.004"
    resolved = resolve(parse(text), spoken.inputs, spoken.target)
    rows = TrainingRows(train=spoken.splits.train, calibration=spoken.splits.calibration[:0])
    made = build(resolved)
    made.fit_inputs({"clip": data.inputs["clip"][:60]})
    step = next(module for module in made.modules_by_name.values() if isinstance(module, LogMel))
    whole = step(data.inputs["clip"][:60])

    def distances(batch: Tensor) -> Tensor:
        """Of each picture from the one of a row that is most like it."""
        near = (batch.nan_to_num()[:, None] - whole.nan_to_num()[None]).abs().amax((2, 3))
        return near.min(1).values

    plan = TrainerConfig(device="cpu", batch_size=20, steps=200)
    known = (
        Trainer(resolved, data, rows, plan, 0, 20)
        .phase_trainer(resolved.training_plan.phases[-1])
        .known
    )
    (at,) = known.pictures
    for places in torch.split(torch.arange(60), 20):  # what is changed is made anew in every step
        assert distances(known.batch(places, "light")[0][at]).min() > 0.1
        assert distances(known.batch(places, "none")[0][at]).max() < 1e-4
    read: list[Tensor] = []

    def look(module: nn.Module, args: tuple[Tensor, ...]) -> None:
        if isinstance(module, PictureStem) and torch.is_grad_enabled():
            read.append(args[0])

    handle = register_module_forward_pre_hook(look)
    found = train(resolved, data, rows, plan, seed=0)
    handle.remove()
    assert len(read) >= 200
    assert min(distances(batch).min() for batch in read[-3:]) > 0.1
    with torch.no_grad():
        guess = found.model.eval()({"clip": data.inputs["clip"][:60]}).argmax(1).numpy()
    assert (guess == spoken.y[:60]).mean() > 0.9

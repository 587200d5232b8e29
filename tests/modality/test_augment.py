"""Augmentations: what they must keep, and what they change."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from autosynth.modality import augment
from autosynth.spec import InputSpec

IMAGE = InputSpec(name="x", kind="image", shape=(3, 28, 30))
SERIES = InputSpec(name="x", kind="series", shape=(2, 50))
TABLE = InputSpec(name="x", kind="table", shape=(4,), cardinalities=(0, 0, 5, 0))
AUDIO = InputSpec(name="x", kind="audio", shape=(1000,), rate=4000)
LEVELS = ("light", "strong")


def raw(spec: InputSpec, rows: int = 64) -> Tensor:
    if spec.kind == "image":
        return torch.randint(1, 255, (rows, *spec.shape), dtype=torch.uint8)
    return torch.randn(rows, *spec.shape) * 3 + 20


def apply(x: Tensor, spec: InputSpec, level: str, seed: int = 0) -> Tensor:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return augment({"x": x}, (spec,), level)["x"]


@pytest.mark.parametrize("spec", [IMAGE, SERIES, TABLE], ids=lambda spec: spec.kind)
@pytest.mark.parametrize("level", LEVELS)
def test_shape_and_dtype_stay_and_the_input_is_left_alone(spec: InputSpec, level: str) -> None:
    x = raw(spec)
    before = x.clone()
    out = apply(x, spec, level)
    assert (out.shape, out.dtype) == (x.shape, x.dtype)
    assert torch.equal(x, before)
    assert not torch.equal(out, x)
    assert not out.isnan().any()
    assert torch.equal(out, apply(x, spec, level))
    assert not torch.equal(out, apply(x, spec, level, seed=1))


@pytest.mark.parametrize("spec", [IMAGE, SERIES, TABLE, AUDIO], ids=lambda spec: spec.kind)
def test_none_changes_nothing(spec: InputSpec) -> None:
    x = raw(spec)
    assert augment({"x": x}, (spec,), "none")["x"] is x


def test_samples_of_sounds_stay_what_they_are() -> None:
    x = raw(AUDIO)  # their pictures change: test_audio.py
    assert augment({"x": x}, (AUDIO,), "strong")["x"] is x


@pytest.mark.parametrize("level", LEVELS)
def test_images_are_channels_last_in_memory_afterwards(level: str) -> None:
    out = apply(raw(IMAGE), IMAGE, level)
    assert out.is_contiguous(memory_format=torch.channels_last)


def test_light_moves_an_image_by_at_most_a_fourteenth() -> None:
    x = raw(IMAGE, 200)
    out = apply(x, IMAGE, "light")
    moves = set()
    for before, after in zip(x, out, strict=True):
        found = [
            (dy, dx)
            for dy in range(-2, 3)
            for dx in range(-2, 3)
            if torch.equal(after[:, 2:-2, 2:-2], before[:, 2 + dy : 26 + dy, 2 + dx : 28 + dx])
        ]
        assert len(found) == 1
        moves.update(found)
    assert len(moves) == 25


def test_strong_also_mirrors_and_blanks() -> None:
    ramp = torch.arange(1, 31, dtype=torch.uint8).expand(400, 3, 28, 30).contiguous()
    out = apply(ramp, IMAGE, "strong").float()
    falling = (out[:, 0].diff(dim=2) < -0.5).sum((1, 2)) > (out[:, 0].diff(dim=2) > 0.5).sum(
        (1, 2)
    )
    assert 0.35 < falling.float().mean() < 0.65
    blanked = (out == 0).flatten(1).any(1)
    assert 0.3 < blanked.float().mean() < 0.65
    # All channels of a blanked square, and at most a quarter of the image.
    assert torch.equal(out[:, 0] == 0, out[:, 2] == 0)
    assert (out == 0).flatten(1).float().mean(1).max() <= 0.27


@pytest.mark.parametrize("level", LEVELS)
def test_a_series_keeps_its_form(level: str) -> None:
    # One slow wave: what is moved a little is still close to it, and its ends are not wrapped.
    wave = torch.linspace(0, 3, 50).expand(200, 2, 50).contiguous()
    out = apply(wave, SERIES, level)
    assert (out[:, :, -10:].mean((1, 2)) > out[:, :, :10].mean((1, 2))).float().mean() > 0.95
    if level == "light":
        assert (out - wave).abs().mean() < 0.3


@pytest.mark.parametrize("level", LEVELS)
def test_what_is_past_the_end_of_a_series_stays_missing(level: str) -> None:
    x = raw(SERIES, 200)
    x[:, :, 30:] = torch.nan
    out = apply(x, SERIES, level)
    ends = (~out.isnan()).sum(2)[:, 0]
    # Moved by 5 % of 50 steps at most; stretched to 40 to 60 % and moved as well when strong.
    low, high = (27, 33) if level == "light" else (20, 45)
    assert ends.min() >= low
    assert ends.max() <= high
    assert torch.equal(out[:, 0].isnan(), out[:, 1].isnan())


@pytest.mark.parametrize("level", LEVELS)
def test_what_a_forecast_starts_from_stays_as_it_is(level: str) -> None:
    past = replace(SERIES, anchored=True)
    x = raw(past)
    out = apply(x, past, level)
    assert torch.equal(out[..., -1], x[..., -1])
    assert not torch.isclose(out[..., :-1], x[..., :-1]).all(2).any()


@pytest.mark.parametrize(("level", "share"), [("light", 0.05), ("strong", 0.15)])
def test_cells_of_a_table_take_values_of_their_own_column(level: str, share: float) -> None:
    x = torch.arange(4000.0).view(1000, 4)
    x[::7, 1] = torch.nan
    out = apply(x, TABLE, level)
    changed = ~((out == x) | (out.isnan() & x.isnan()))
    assert share * 0.8 < changed.float().mean() < share * 1.2
    for column in range(4):
        known = out[:, column][~out[:, column].isnan()]
        assert torch.isin(known, x[:, column]).all()

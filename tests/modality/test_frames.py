"""Pictures in a row: what a network sees of them, and that all are moved and damaged alike."""

import numpy as np
import pytest
import torch

from autosynth.composite import build, cost, resolve
from autosynth.modality import MODALITIES, augment
from autosynth.piece import Film, Regrid, coarser, to_map, to_tokens
from autosynth.spec import InputSpec, TargetSpec
from autosynth.strategy import parse
from autosynth.testing import TARGET, raw_rows

FILM = InputSpec(name="x", kind="frames", shape=(1, 5, 12, 16))
UNEQUAL = InputSpec(name="x", kind="frames", shape=(2, 6, 12, 16), masked=True)
SMALL = "width=4, depth=2"
TEXTS = (
    f"cnn[{SMALL}] > gru[{SMALL}]",
    f"cnn[{SMALL}, stages=1] > transformer[{SMALL}] > cnn[{SMALL}]",
    f"mean(cnn[{SMALL}], gru[{SMALL}])",
    f"mean(cnn[{SMALL}], gru[{SMALL}]) share=layers",
    f"sum(cnn[{SMALL}], mlp[{SMALL}]) share=stem",
    f"sum(cnn[{SMALL}], gru[{SMALL}, patch=2]) > transformer[{SMALL}]",
    f"concat(gru[{SMALL}], cnn[{SMALL}]) > attention[{SMALL}]",
)


def test_a_film_is_cut_in_its_pictures_alone() -> None:
    film = Film((5, 12, 16))
    assert coarser(film, 4) == (5, 3, 4)
    assert isinstance(coarser(film, 4), Film)
    x = torch.randn(2, 5 * 12 * 16, 3)
    maps = to_map(x, film)
    assert maps.shape == (10, 3, 12, 16)
    assert torch.equal(to_tokens(maps, film), x)
    halved, _ = Regrid(film, coarser(film, 2))((x, None))
    wanted = x.reshape(2, 5, 6, 2, 8, 2, 3).mean((3, 5)).flatten(1, 3)
    torch.testing.assert_close(halved, wanted)
    whole, mask = Regrid(film, (5,))((x, torch.arange(960)[None].expand(2, -1) < 400))
    torch.testing.assert_close(whole[:, 0], x[:, :192].mean(1))
    assert mask.tolist() == [[True, True, True, False, False]] * 2


def test_a_cnn_reads_pictures_and_what_follows_reads_a_token_a_picture() -> None:
    resolved = resolve(parse("cnn[width=4, depth=2] > gru[width=4, depth=1]"), (FILM,), TARGET)
    model = build(resolved).eval()
    seen: dict[str, tuple[int, ...]] = {}
    for name, module in model.modules_by_name.items():
        module.register_forward_hook(
            lambda _, args, out, name=name: seen.update(
                {name: tuple((out[0] if isinstance(out, tuple) else out).shape)}
            )
        )
    x = raw_rows(FILM, 3)
    model({"x": x})
    assert seen["cnn1_out"] == (3, 5 * 3 * 4, 4)
    assert seen["gru2_fold"] == (3, 5, 4)
    # Each picture is convolved by itself: one more changes no token of those before it.
    with torch.no_grad():
        stem = model.modules_by_name["cnn1_stem_x"]
        first = stem(x)[0][:, : 4 * 192]
        x[:, :, 4] += 9
        torch.testing.assert_close(stem(x)[0][:, : 4 * 192], first)


@pytest.mark.parametrize("text", ["cnn[width=4]", "cnn[width=4] > cnn[width=4]", "gru[width=4]"])
def test_pictures_share_their_weights(text: str) -> None:
    def price(steps: int) -> tuple[int, int]:
        spec = InputSpec(name="x", kind="frames", shape=(1, steps, 12, 16))
        found = cost(resolve(parse(text), (spec,), TARGET))
        return found.flops - 2 * 4 * TARGET.n_outputs, found.params

    assert price(10) == (2 * price(5)[0], price(5)[1])


@pytest.mark.parametrize("text", TEXTS)
def test_pictures_that_are_not_there_change_nothing(text: str) -> None:
    wide = InputSpec(name="x", kind="frames", shape=(2, 9, 12, 16), masked=True)
    resolved = resolve(parse(text), (UNEQUAL,), TARGET)
    model, other = build(resolved, 1), build(resolve(resolved.strategy, (wide,), TARGET), 2)
    x = raw_rows(UNEQUAL, 7)
    padded = torch.cat([x, torch.full((7, 2, 3, 12, 16), torch.nan)], 2)
    model.fit_inputs({"x": x})
    there = other.state_dict()
    for name, value in model.state_dict().items():
        there[name][tuple(slice(size) for size in value.shape)].copy_(value)
    with torch.no_grad():
        for _ in ("training", "use"):
            torch.testing.assert_close(model({"x": x}), other({"x": padded}), rtol=1e-4, atol=1e-5)
            model.eval(), other.eval()
        before = other({"x": padded})
        padded[:, :, 6] = 5.0
        assert not torch.allclose(other({"x": padded}), before, atol=1e-4)


def test_two_films_of_unequal_length_are_joined() -> None:
    other = InputSpec(name="z", kind="frames", shape=(1, 8, 12, 16))
    target = TargetSpec(name="y", task="regression")
    for text in ("sum(cnn:x, cnn:z) > gru", "mlp[width=4]:x+z", "concat(cnn:x > gru, cnn:z)"):
        model = build(resolve(parse(text), (FILM, other), target))
        assert model({"x": raw_rows(FILM, 3), "z": raw_rows(other, 3)}).shape == (3, 1)


@pytest.mark.parametrize("level", ["light", "strong"])
def test_all_pictures_of_a_row_are_moved_alike(level: str) -> None:
    one = torch.randint(1, 255, (32, 3, 1, 14, 28), dtype=torch.uint8)
    spec = InputSpec(name="x", kind="frames", shape=(3, 4, 14, 28))
    x = one.expand(-1, -1, 4, -1, -1)
    torch.manual_seed(0)
    found = augment({"x": x}, (spec,), level)["x"]
    assert not torch.equal(found, x)
    assert torch.equal(found, found[:, :, :1].expand_as(found))
    # What moves to the right still does: nothing is mirrored.
    ramp = torch.arange(28.0).expand(32, 3, 4, 14, 28) + 1
    moved = augment({"x": ramp}, (spec,), level)["x"]
    assert (moved.diff(dim=-1)[moved[..., 1:] * moved[..., :-1] > 0] >= 0).all()
    missing = ramp.clone()
    missing[:, :, 2:] = torch.nan
    changed = augment({"x": missing}, (spec,), level)["x"]
    assert changed[:, :, 2:].isnan().all()
    assert not changed[:, :, :2].isnan().any()


@pytest.mark.parametrize("name", ["noise", "blur", "contrast", "occlusion"])
def test_pictures_are_damaged_as_images_are_and_missing_ones_stay_missing(name: str) -> None:
    modality = MODALITIES["frames"]
    rng = np.random.default_rng(0)
    x = rng.random((6, 1, 4, 12, 16)).astype(np.float32)
    x[::2, :, 3] = np.nan
    spec = InputSpec(name="x", kind="frames", shape=(1, 4, 12, 16), masked=True)
    found = modality.corrupt(x, spec, name, 5)
    np.testing.assert_array_equal(np.isnan(found), np.isnan(x))
    assert not np.allclose(found[:, :, :3], x[:, :, :3])
    if name == "occlusion":  # it stands still before what moves
        changed = found[1] != x[1]
        np.testing.assert_array_equal(changed[0, 0], changed[0, 3])


@pytest.mark.parametrize("masked", [True, False])
def test_a_gap_takes_whole_pictures(masked: bool) -> None:
    x = (np.arange(1, 9)[None, None, :, None, None] + np.zeros((9, 1, 8, 3, 4))).astype(np.float32)
    spec = InputSpec(name="x", kind="frames", shape=(1, 8, 3, 4), masked=masked)
    found = MODALITIES["frames"].corrupt(x, spec, "gap", 5)
    steps = found[:, 0, :, 0, 0]
    np.testing.assert_array_equal(found, np.broadcast_to(steps[:, None, :, None, None], x.shape))
    changed = (steps != x[:, 0, :, 0, 0]).sum(1)
    assert (changed == 4).all() if masked else set(changed.tolist()) <= {3, 4}
    assert np.isnan(steps).any() == masked
    if not masked:  # the picture before stands there
        assert (np.diff(steps, axis=1) >= 0).all()

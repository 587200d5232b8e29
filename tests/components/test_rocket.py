"""Rocket and Hydra: features equal to those of aeon, their cost, export, seeds, gaps.

`aeon.npz` holds parameters and features of aeon 1.6.0 (numba 0.63.1, torch 2.13.0), made by

    import numpy as np, sys, torch
    from aeon.transformations.collection.convolution_based import (
        HydraTransformer, MiniRocket, MultiRocket)
    out = {}
    for name, c in (("one", 1), ("three", 3)):
        rng = np.random.default_rng(c)
        x = rng.normal(size=(8, c, 40)).cumsum(2).round(3).astype(np.float32)
        out[f"{name}_x"] = x
        for kind, make in (("mini", MiniRocket(168, random_state=0)),
                           ("multi", MultiRocket(84, random_state=0))):
            out[f"{name}_{kind}_features"] = np.asarray(make.fit(x).transform(x[:4]))
            parts = [make.parameters] if kind == "mini" else [make.parameter, make.parameter1]
            for i, p in enumerate(parts):
                if len(p) == 5:
                    out[f"{name}_{kind}_{i}_counts"] = p[0]
                    out[f"{name}_{kind}_{i}_channels"] = p[1]
                out[f"{name}_{kind}_{i}_dilations"] = p[-3]
                out[f"{name}_{kind}_{i}_thresholds"] = p[-1]
        h = HydraTransformer(n_kernels=4, n_groups=8, random_state=0, output_type="numpy")
        out[f"{name}_hydra_features"] = h.fit_transform(x)[:4]
        out[f"{name}_hydra_weights"] = h._hydra.W.numpy()
        out[f"{name}_hydra_channels"] = torch.stack(h._hydra.idx).numpy()
    np.savez_compressed(sys.argv[1], **out)
"""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F

from autosynth.components.hydra import Hydra, SparseScaler, hydra_flops
from autosynth.components.rocket import Convolutions, Rocket, dilations, rocket_flops, without_gaps

STEPS = 40
SETS = {"one": 1, "three": 3}
SIZES: dict[str, dict[str, Any]] = {
    "mini": {"features": 168},
    "multi": {"features": 8 * 84, "multi": True},
}


@pytest.fixture(scope="module")
def aeon() -> dict[str, Tensor]:
    with np.load(Path(__file__).with_name("aeon.npz")) as found:
        return {name: torch.from_numpy(found[name]) for name in found}


def rows(n: int, channels: int, steps: int = STEPS) -> Tensor:
    generator = torch.Generator().manual_seed(channels)
    return torch.randn(n, steps, channels, generator=generator).cumsum(1)


def take_channels(part: Convolutions, counts: Tensor, channels: Tensor) -> None:
    for row, mine in zip(
        part.channels.view(-1, part.n_channels), channels.split(counts.tolist()), strict=True
    ):
        row.zero_()[mine.long()] = 1.0


@pytest.mark.parametrize("kind", SIZES)
@pytest.mark.parametrize("name", SETS)
def test_rocket_gives_the_features_of_aeon(name: str, kind: str, aeon: dict[str, Tensor]) -> None:
    rocket = Rocket(STEPS, SETS[name], **SIZES[kind])
    for index, part in enumerate(rocket.parts):
        assert isinstance(part, Convolutions)
        dilations = aeon[f"{name}_{kind}_{index}_dilations"].tolist()
        assert [each.steps for each in part.dilations] == dilations
        part.thresholds.copy_(aeon[f"{name}_{kind}_{index}_thresholds"])
        if SETS[name] > 1:  # aeon's differences take the channels of the series
            drawn = (aeon[f"{name}_{kind}_0_{what}"] for what in ("counts", "channels"))
            take_channels(part, *drawn)
    features = rocket(aeon[f"{name}_x"][:4].transpose(1, 2))
    expected = aeon[f"{name}_{kind}_features"]
    torch.testing.assert_close(features, expected, rtol=1e-6, atol=1e-5)
    assert rocket.n_features == expected.shape[1]


@pytest.mark.parametrize("name", SETS)
def test_hydra_gives_the_features_of_aeon(name: str, aeon: dict[str, Tensor]) -> None:
    hydra = Hydra(STEPS, SETS[name], groups=8, kernels=4)
    hydra.weights.copy_(aeon[f"{name}_hydra_weights"].flatten(0, 1))
    if SETS[name] > 1:
        drawn = F.one_hot(aeon[f"{name}_hydra_channels"], SETS[name]).sum(3)
        hydra.channels.copy_(drawn.flatten(0, 1))
    features = hydra(aeon[f"{name}_x"][:4].transpose(1, 2))
    expected = aeon[f"{name}_hydra_features"]
    torch.testing.assert_close(features, expected, rtol=1e-6, atol=1e-5)
    assert hydra.n_features == expected.shape[1]


def test_flops_are_those_of_the_sizes() -> None:
    # One dilation of 1: half of the kernels are kept at all 17 steps, the others at 9.
    kept = 42 * 17 + 42 * 9
    assert rocket_flops(17, 1, 84) == (8 + 9 + 7 + 28 + 84) * 17 + 2 * kept
    assert rocket_flops(17, 1, 84) == 4_496
    assert rocket_flops(17, 3, 84) == 84 * (3 + 9) * 2 * 17 + 2 * kept == 36_456
    # Differences have 16 steps, of which 8 are inside.
    assert rocket_flops(17, 1, 672, multi=True) == 136 * 33 + 9 * (kept + 42 * 24) == 23_388
    # Two dilations, 17 and 16 steps, one group of two kernels.
    assert hydra_flops(17, 1, 2, 2) == 2 * 33 * (2 * 9 * 2 + 2 + 2) == 2_640
    assert hydra_flops(17, 3, 2, 2) == 2 * 33 * (2 * 3 + 2 * 9 * 2 + 2 + 2) == 3_036


@pytest.mark.parametrize("steps", [10, 17, 300, 5_000])
@pytest.mark.parametrize("thresholds", [1, 7, 119])
def test_thresholds_are_dealt_to_dilations_that_fit(steps: int, thresholds: int) -> None:
    found = dilations(steps, thresholds)
    assert sum(each.thresholds for each in found) == thresholds
    assert all(each.thresholds > 0 for each in found)
    assert [each.steps for each in found] == sorted({each.steps for each in found})
    assert all(8 * each.steps < steps for each in found)


def modules(channels: int, steps: int = STEPS) -> list[Rocket | Hydra]:
    return [*(Rocket(steps, channels, **size) for size in SIZES.values()), Hydra(steps, channels)]


class Both(nn.Module):
    """A transform and the scaler after it, as they are exported."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.rocket = Rocket(STEPS, channels, 8 * 84, multi=True)
        self.hydra = Hydra(STEPS, channels, groups=8)
        self.scaler = SparseScaler(self.hydra.n_features)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat((self.rocket(x), self.scaler(self.hydra(x))), 1)


@pytest.mark.parametrize("channels", [1, pytest.param(3, marks=pytest.mark.slow)])
def test_they_are_saved_as_tensors_and_exported(channels: int, tmp_path: Path) -> None:
    x = rows(6, channels)
    x[0, 7:] = torch.nan
    fitted = Both(channels)
    fitted.rocket.fit(x)
    fitted.hydra.fit(x)
    fitted.scaler.fit(fitted.hydra(x))
    save_file(fitted.state_dict(), tmp_path / "w.safetensors")
    other = Both(channels)
    other.load_state_dict(load_file(tmp_path / "w.safetensors"), strict=True)
    assert torch.equal(other(x), fitted(x))
    program = torch.export.export(fitted, (x,), dynamic_shapes=({0: torch.export.Dim.AUTO},))
    torch.testing.assert_close(program.module()(x[:3]), fitted(x[:3]), rtol=0, atol=1e-5)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_seed_decides_what_is_drawn(channels: int) -> None:
    x = rows(6, channels)
    for first, same, other in zip(*(modules(channels) for _ in range(3)), strict=True):
        first.fit(x, 1)
        same.fit(x, 1)
        other.fit(x, 2)
        assert torch.equal(first(x), same(x))
        assert not torch.equal(first(x), other(x))


@pytest.mark.parametrize("channels", [1, 3])
def test_a_row_has_its_features_in_every_batch(channels: int) -> None:
    """Flat stretches, too, whose convolutions equal thresholds up to the order of additions."""
    x = rows(20, channels)
    x[:, 20:] = x[:, 20:21]
    for module in modules(channels):
        module.fit(x)
        alone = torch.cat([module(row) for row in x.split(1)])
        assert torch.equal(module(x), alone) or isinstance(module, Hydra)
        torch.testing.assert_close(module(x), alone, rtol=1e-5, atol=1e-5)
        assert module.rows_at_once() >= 1


def test_missing_steps_take_the_mean_of_the_row() -> None:
    x = torch.tensor([[[1.0, torch.nan], [3.0, torch.nan], [torch.nan, torch.nan]]])
    assert without_gaps(x).tolist() == [[[1.0, 0.0], [3.0, 0.0], [2.0, 0.0]]]
    gaps = rows(4, 3)
    gaps[1, 3:9, 0] = torch.nan
    for module in modules(3):
        module.fit(without_gaps(gaps))
        assert torch.equal(module(gaps), module(without_gaps(gaps)))


@pytest.mark.parametrize("steps", [1, 5, 9, 10])
def test_short_series_have_features(steps: int) -> None:
    x = rows(5, 1, steps)
    for module in modules(1, steps):
        module.fit(x)
        features = module(x)
        assert features.shape == (5, module.n_features)
        assert features.isfinite().all()


def test_thresholds_are_quantiles_of_training_rows() -> None:
    """Half of the steps of all rows and kernels are above, whatever the scale."""
    x = rows(50, 1, 100) * 1_000
    rocket = Rocket(100, 1, 840)
    rocket.fit(x)
    assert 0.4 < rocket(x).mean() < 0.6


def test_the_sparse_scaler_leaves_zeros_and_scales_the_rest() -> None:
    features = torch.tensor([[0.0, 4.0], [0.0, 9.0], [16.0, 1.0], [4.0, 16.0]])
    scaler = SparseScaler(2)
    scaler.fit(features)
    roots = np.sqrt(features.numpy())
    seldom = np.array([0.5**4, 0.0])
    expected = (roots - roots.mean(0)) * (roots > 0) / (roots.std(0, ddof=1) + seldom + 1e-8)
    np.testing.assert_allclose(scaler(features).numpy(), expected, rtol=1e-5)

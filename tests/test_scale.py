"""Scales of values: there and back, fitted on what has heavy tails, chosen where they pay."""

import json
from typing import get_args

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from autosynth.composite.objective import in_unit
from autosynth.data import load_dataset
from autosynth.scale import (
    Scale,
    ScaleKind,
    fit_scale,
    problems_of,
    scaled,
    scales_from,
    steepness,
    unscaled,
)

KINDS = get_args(ScaleKind)


def values(name: str, n: int = 700) -> np.ndarray:
    rng = np.random.default_rng(0)
    price = np.exp(rng.normal(7, 1.5, n))
    return {
        "price": price,
        "many zeros": np.where(rng.random(n) < 0.6, 0, price),
        "of both signs": rng.standard_t(1.5, n) * 40 - 3,
        "counts": rng.poisson(2, n).astype(float),
        "a hundred millions": 1e8 + rng.normal(size=n),
        "one value": np.full(n, 5.0),
        "only zeros": np.zeros(n),
        "two rows": np.array([3.0, 800.0]),
        "minus": -price,
    }[name]


NAMES = (
    "price", "many zeros", "of both signs", "counts", "a hundred millions", "one value",
    "only zeros", "two rows", "minus",
)  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", NAMES)
def test_values_go_there_and_back(kind: ScaleKind, name: str) -> None:
    y = values(name)
    scale = fit_scale(kind, y)
    z = scaled(scale, y)
    assert list(problems_of(scale)) == []
    np.testing.assert_allclose(unscaled(scale, z), y, rtol=1e-6, atol=1e-9)
    back = in_unit(scale, torch.from_numpy(z)).numpy()
    np.testing.assert_allclose(back, y, rtol=1e-6, atol=1e-9)
    if y.std() > 0:
        assert z.mean() == pytest.approx(0, abs=1e-6)
        assert z.std() == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("kind", KINDS)
@given(z=st.lists(st.floats(-20, 20), min_size=1, max_size=8))
def test_numpy_and_torch_agree_far_outside_too(kind: ScaleKind, z: list[float]) -> None:
    for name in ("price", "of both signs"):
        scale = fit_scale(kind, values(name), factor=1.3)
        plain, tensor = np.array(z), torch.tensor(z, dtype=torch.float64)
        np.testing.assert_allclose(
            in_unit(scale, tensor).numpy(), unscaled(scale, plain), rtol=1e-9, atol=1e-9
        )


def test_the_logarithm_and_quantiles_take_the_tails_away() -> None:
    y = values("price", 5000)
    for kind, most in (("linear", 1e6), ("log", 4.0), ("quantile", 4.0)):
        z = scaled(fit_scale(kind, y), y)
        assert ((z**4).mean() < 4.0) == (most == 4.0), kind


def test_what_was_never_negative_is_not_predicted_so() -> None:
    far = np.array([-50.0, 0.0, 50.0])
    for kind in KINDS:
        assert unscaled(fit_scale(kind, values("price")), far).min() >= 0
        assert in_unit(fit_scale(kind, values("many zeros")), torch.from_numpy(far)).min() >= 0
        assert unscaled(fit_scale(kind, values("of both signs")), far).min() < 0


def test_a_logarithm_is_not_undone_beyond_what_was_seen() -> None:
    y = values("price")
    found = unscaled(fit_scale("log", y), np.array([-50.0, 50.0]))
    np.testing.assert_allclose(found, [y.min(), y.max()])


@pytest.mark.parametrize("kind", KINDS)
def test_steepness_bounds_what_a_small_step_does(kind: ScaleKind) -> None:
    y = np.sort(values("of both signs"))[5:-5]
    scale, step = fit_scale(kind, values("of both signs"), factor=1.2), 1e-6
    z = scaled(scale, y)
    found = unscaled(scale, z)
    moved = np.abs(unscaled(scale, z + step) - found)
    limit = steepness(scale, found) * step
    assert (moved <= limit * (1 + 1e-3) + 1e-9).all()
    if kind != "quantile":  # of which the steepest place counts
        np.testing.assert_allclose(moved, limit, rtol=1e-3)


@pytest.mark.parametrize("kind", KINDS)
def test_a_scale_is_json(kind: ScaleKind) -> None:
    for name in ("price", "of both signs"):
        scale = fit_scale(kind, values(name), factor=1.25)
        (again,) = scales_from(json.loads(json.dumps({"scales": [scale.to_dict()]})))
        assert again == scale


def test_what_earlier_versions_saved_is_linear() -> None:
    found = scales_from({"center": [0.0, 7], "spread": [1.0, 3]})
    assert found == (Scale(), Scale(center=7.0, spread=3.0))


@pytest.mark.parametrize("kind", ["log", "quantile"])
def test_the_way_back_is_exported(kind: ScaleKind) -> None:
    scale = fit_scale(kind, values("many zeros"), factor=1.1)

    class Back(torch.nn.Module):
        def forward(self, z: torch.Tensor) -> torch.Tensor:
            return in_unit(scale, z)

    rows = torch.export.Dim("rows", min=1)
    example = torch.zeros(2, 1)
    program = torch.export.export(Back(), (example,), dynamic_shapes=({0: rows},)).module()
    for n in (1, 2, 300):
        z = torch.linspace(-4, 4, n)[:, None]
        torch.testing.assert_close(program(z), in_unit(scale, z), rtol=0, atol=0)


def priced(n: int, sigma: float, logarithm: bool) -> pd.DataFrame:
    rng = np.random.default_rng(1)
    frame = pd.DataFrame(rng.normal(size=(n, 4)), columns=list("abcd"))
    kind = rng.integers(0, 3, n)
    frame["kind"] = [("flat", "house", "land")[k] for k in kind]
    inner = 1.2 * frame["a"] + 0.6 * frame["b"] * (kind == 1) + 0.5 * kind
    inner += sigma * rng.normal(size=n)
    frame["price"] = 1000 * np.exp(inner) if logarithm else 1000 * inner
    return frame


def test_prices_are_learnt_as_their_logarithm_and_this_is_told() -> None:
    data = load_dataset(priced(1500, 0.3, logarithm=True), target="price")
    (scale,) = data.scales
    assert scale.kind == "log"
    assert scale.lowest == 0.0
    assert 1.0 <= scale.factor < 1.2  # exp(.3² / 2) is 1.05
    at = next(i for i, line in enumerate(data.summary) if line.startswith("target"))
    assert "learnt as its logarithm, better on held-back rows: R²" in data.summary[at + 1]


def test_a_target_without_tails_stays_as_it_is() -> None:
    data = load_dataset(priced(1500, 0.3, logarithm=False), target="price")
    assert data.scales == ()
    assert not any("learnt" in line for line in data.summary)


def test_tails_that_are_noise_stay_as_they_are() -> None:
    """Heavy tails for which no scale explains more: nothing is to be gained."""
    frame = priced(1500, 0.3, logarithm=False)
    frame["price"] = 1000 * frame["a"] + np.random.default_rng(2).standard_t(3, 1500) * 2000
    data = load_dataset(frame, target="price")
    assert data.scales == ()


def test_of_several_targets_each_has_its_own_scale() -> None:
    frame = priced(1500, 0.3, logarithm=True)
    frame["size"] = 20 * frame["b"] + np.random.default_rng(3).normal(size=1500)
    frame["cheap"] = np.where(frame["a"] < 0, "yes", "no")
    data = load_dataset(frame, target=("size", "cheap", "price"))
    assert [scale.kind for scale in data.scales] == ["linear", "linear", "log"]
    assert data.scales[1] == Scale()
    train = data.splits.train
    assert data.scales[0].spread == pytest.approx(data.y[train, 0].std(), rel=1e-4)
    assert sum("learnt as" in line for line in data.summary) == 1


@pytest.mark.parametrize("kind", ["series", "image"])
def test_other_inputs_are_looked_at_in_a_plain_way(kind: str) -> None:
    rng = np.random.default_rng(0)
    shape = (800, 2, 30) if kind == "series" else (800, 16, 16)
    level = rng.normal(size=800)
    x = level.reshape(-1, 1, 1) + rng.normal(size=shape) * 0.3
    if kind == "series":
        x[::7, :, 20:] = np.nan
    data = load_dataset(
        (x.astype(np.float32), 500 * np.exp(2 * level + 0.2 * rng.normal(size=800)))
    )
    (scale,) = data.scales
    assert scale.kind in ("log", "quantile")
    assert scale.factor == 1.0  # a quick model would ask for too much

"""Schedule-free AdamW against the formulas of its paper, one number at a time."""

import numpy as np
import pytest
import torch

from autosynth.composite import build, resolve
from autosynth.spec import Dataset
from autosynth.strategy import parse
from autosynth.training.schedulefree import ScheduleFree


def test_it_moves_as_the_paper_says(digits: Dataset) -> None:
    model = build(resolve(parse("mlp[width=8]"), digits.inputs, digits.target), 0)
    names = list(model.modules_by_name)
    optimizer = ScheduleFree(model, names, weight_decay=0.1)
    parameter = next(p for p in model.parameters() if p.ndim > 1)
    place = next(i for i, p in enumerate(model.parameters()) if p is parameter)
    kept = list(optimizer.model.parameters())[place]
    y = z = x = float(parameter.detach().flatten()[0])
    square, weight, rng = 0.0, 0.0, np.random.default_rng(0)
    for step, rate in enumerate([0.001, 0.01, 0.02, 0.02], start=1):
        gradient = float(rng.normal())
        parameter.grad = torch.full_like(parameter, gradient)
        optimizer.step(rate)
        square = 0.999 * square + 0.001 * gradient**2
        z -= rate * (gradient / (np.sqrt(square / (1 - 0.999**step)) + 1e-8) + 0.1 * y)
        weight += rate**2
        x += rate**2 / weight * (z - x)
        y = 0.1 * z + 0.9 * x
        assert float(parameter.detach().flatten()[0]) == pytest.approx(y, rel=1e-5)
        assert float(kept.detach().flatten()[0]) == pytest.approx(x, rel=1e-5)
        assert parameter.grad is None


def test_vectors_are_not_decayed_and_what_has_no_gradient_stays(digits: Dataset) -> None:
    model = build(resolve(parse("mlp[width=8]"), digits.inputs, digits.target), 0)
    optimizer = ScheduleFree(model, list(model.modules_by_name), weight_decay=0.5)
    vector = next(p for p in model.parameters() if p.ndim == 1)
    before = [p.detach().clone() for p in model.parameters()]
    vector.grad = torch.zeros_like(vector)
    optimizer.step(0.1)
    for ours, old in zip(model.parameters(), before, strict=True):
        assert torch.equal(ours, old)

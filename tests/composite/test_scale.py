"""Joining features is no slower a start than joining outputs: scales of the first step."""

import pytest
import torch
from torch.nn import functional as F

from autosynth.composite import FUSIONS, build, resolve
from autosynth.spec import InputSpec, TargetSpec
from autosynth.strategy import parse
from autosynth.task.loss import loss_of

CNN, GRU = "cnn[width=16, depth=2, kernel=3, patch=1]", "gru[width=16, depth=1, patch=2]"
WIDE = "transformer[width=24, depth=1, patch=2]"
SPEC = InputSpec(name="x", kind="series", shape=(1, 24))
TARGETS = (
    TargetSpec(name="y", task="classification", classes=tuple("abcdefgh")),
    TargetSpec(name="y", task="regression"),
)
FEATURES = [name for name, fusion in FUSIONS.items() if fusion.joins == "features"]
SEEDS = range(8)


def first_step(text: str, target: TargetSpec) -> tuple[float, list[float]]:
    """The spread of first outputs over rows, and the gradient of each part, means over seeds."""
    spreads, sizes = [], []
    for seed in SEEDS:
        generator = torch.Generator().manual_seed(seed)
        x = torch.randn(128, *SPEC.shape, generator=generator).cumsum(2)
        y = torch.randn(128, generator=generator)
        if target.task == "classification":
            y = torch.randint(0, target.n_outputs, (128,), generator=generator)
        model = build(resolve(parse(text), (SPEC,), target), seed=seed)
        model.fit_inputs({"x": x})
        out = model({"x": x})
        loss_of(target, out, y).backward()
        spreads.append(float(out.detach().std(0).mean()))
        found: dict[str, float] = {}
        for name, module in model.modules_by_name.items():
            family = name.rstrip("0123456789").partition("_")[0].rstrip("0123456789")
            if family in ("cnn", "gru", "transformer"):
                square = sum(float(p.grad.square().sum()) for p in module.parameters())
                found[family] = found.get(family, 0.0) + square
        sizes.append([found[family] ** 0.5 for family in sorted(found)])
    return sum(spreads) / len(spreads), torch.tensor(sizes).mean(0).tolist()


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.task)
@pytest.mark.parametrize("pair", [f"({CNN}, {GRU})", f"({CNN}, {WIDE})", f"({CNN}, {CNN}, {GRU})"])
@pytest.mark.parametrize("method", FEATURES)
def test_a_fusion_of_features_starts_at_the_scale_of_a_sum(
    method: str, pair: str, target: TargetSpec
) -> None:
    spread, sizes = first_step(f"{method}{pair}", target)
    usual, others = first_step(f"sum{pair}", target)
    assert 0.5 < spread / usual < 3
    assert len(sizes) == 2
    for size, other in zip(sizes, others, strict=True):
        assert 0.4 < size / other < 4


@pytest.mark.parametrize("method", FEATURES)
def test_what_joins_features_is_not_the_sum_of_functions_of_each(method: str) -> None:
    model = build(resolve(parse(f"{method}({CNN}, {GRU})"), (SPEC,), TARGETS[0]), seed=3).eval()
    pooled = [step for step in model.steps if step.name == "pool"]
    at = [len(model.inputs) + model.steps.index(step) for step in pooled]
    a, b = torch.randn(2, 2, 9, 16, generator=torch.Generator().manual_seed(0)).unbind(0)

    def out(one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
        known = dict(zip(at, (one, other), strict=True))
        return model.values(known, (model.program.output,))[0]

    with torch.no_grad():
        mixed = out(a[0], b[0]) - out(a[1], b[0]) - out(a[0], b[1]) + out(a[1], b[1])
        usual = out(a[0], b[0]) - out(a[1], b[1])
    assert F.mse_loss(mixed, torch.zeros_like(mixed)) > 1e-3 * usual.square().mean()

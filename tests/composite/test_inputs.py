"""Composites over an image, a text and a table: each read by a part of its own, or in one line."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from autosynth.composite import FUSIONS, build, resolve
from autosynth.errors import StrategyError, UnknownNameError
from autosynth.spec import InputSpec, TargetSpec
from autosynth.strategy import parse

Raw = Callable[[InputSpec, int], Tensor]
APART = "cnn[width=4, depth=1, stages=1]:photo, gru[width=6, depth=1]:body, mlp[width=4]:table"
TEXTS = [
    *(f"{name}({APART})" for name in FUSIONS),
    *(f"{name}({APART}) > gru[width=4]" for name in ("sum", "concat", "attend", "bilinear")),
    "transformer[width=4, heads=2, patch=2]",
    "sum(gru[width=4]:photo+body, mlp[width=4]:table)",
    "cascade[0.5](mlp[width=4]:table, gru[width=4])",
    "sum(gru[width=4]:body, cnn[width=4]:body, mlp[width=4]:table) share=stem",
    "sum(gru[width=4, patch=2], mlp[width=4, patch=4]) share=stem",
    "sum(gru[width=4]:photo, cnn[width=4]:body, mlp[width=4]:table) share=layers",
    "sum(gru[width=4]:photo, gru[width=4]:body, gru[width=4]:table) share=full",
    f"mean({APART}) init=masked",
    "gru[width=4] init=masked",
    f"mean({APART}) train=subsets",
    f"concat({APART}) train=staged",
]


@pytest.fixture(name="inputs")
def _inputs(specs: dict[str, InputSpec]) -> tuple[InputSpec, ...]:
    names = {"photo": "image", "body": "text", "table": "table"}
    return tuple(replace(specs[kind], name=name) for name, kind in names.items())


@pytest.mark.parametrize("text", TEXTS)
def test_a_composite_of_several_kinds_keeps_the_contract(
    text: str, inputs: tuple[InputSpec, ...], target: TargetSpec, raw: Raw
) -> None:
    resolved = resolve(parse(text), inputs, target)
    assert resolve(resolved.strategy, inputs, target).strategy == resolved.strategy
    assert resolve(resolved.short_form, inputs, target).strategy == resolved.strategy
    model = build(resolved, seed=1, training=True)
    x = {spec.name: raw(spec, 9) for spec in resolved.reads}
    model.fit_inputs(x)
    out = model(x)
    assert out.shape == (9, 3)
    assert out.isfinite().all()
    learnt: set[str] = set()
    for phase in resolved.training_plan.phases:
        model.zero_grad()
        values = model.values(dict(enumerate(x.values())), phase.outputs)
        total = torch.stack([value.float().square().mean() for value in values]).sum()
        assert total.isfinite()
        total.backward()
        moved = {n for n, p in model.named_parameters() if p.grad is not None and p.grad.any()}
        assert any(name.split(".")[1] in phase.trains for name in moved)
        learnt |= moved
    stems = {n.split(".")[1] for n, _ in model.named_parameters() if "_stem_" in n or "stem_" in n}
    assert stems
    assert {name.split(".")[1] for name in learnt} >= stems
    model.eval()
    with torch.no_grad():
        together = model(x)
        alone = torch.cat([model({n: v[i : i + 1] for n, v in x.items()}) for i in range(4)])
    if "cascade" in text:  # goes by the rows of a batch until its thresholds are fitted
        return
    torch.testing.assert_close(alone, together[:4], rtol=1e-4, atol=1e-5)
    for name in x:  # every input has a say
        with torch.no_grad():
            other = model({**x, name: x[name].roll(1, 0)})
        assert not torch.allclose(other, together), name


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("sum(cnn:photo, gru:body) share=stem", "needs two parts that read one input"),
        ("sum(mlp:photo, mlp:body) share=full", "cannot be shared: it has .* the grids differ"),
        ("sum(gru:photo, cnn:body) share=full", "has no equal to share all its parameters"),
        ("gru > mlp:table", "stands inside a chain .* first part of a chain alone"),
        ("mlp[patch=2]:table", "a table is not cut in patches"),
        ("sum(gru[width=4]:photo, mlp[width=8]:table) share=layers", "needs one width"),
    ],
)
def test_what_cannot_be_composed_of_several_kinds_is_told(
    text: str, told: str, inputs: tuple[InputSpec, ...], target: TargetSpec
) -> None:
    with pytest.raises(StrategyError, match=told):
        resolve(parse(text), inputs, target)


def test_an_input_that_is_not_there_is_told_with_those_that_are(
    inputs: tuple[InputSpec, ...], target: TargetSpec
) -> None:
    with pytest.raises(UnknownNameError, match="'video' in cnn:video; valid: photo, body, table"):
        resolve(parse("sum(cnn:video, mlp:table)"), inputs, target)

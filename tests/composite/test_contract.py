"""One contract over every fusion in every place, and a few more composites."""

import re
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from autosynth.composite import FUSIONS, SHARING, build, resolve
from autosynth.spec import DATE, InputSpec, TargetSpec
from autosynth.strategy import parse

Raw = Callable[[InputSpec, int], Tensor]
DEAD = re.compile(r"(cnn\d+|t0)_.*(conv|linear)\.bias")
# Where every norm is of batches, whatever only moves the residual line.
MOVES = re.compile(
    r"(stem_x\.(conv|linear|halvings\.\d\.conv)|layer\d+_mlp\.down|mlp\d+_open\.linear|gru\d+_out)"
    r"\.bias"
)
PLACES = {
    "parallel": "{}(cnn[width=4, depth=1, stages=1], gru[width=6, depth=1])",
    "hybrid": "{}(cnn[width=4, depth=1, stages=1] > gru[width=6, depth=1], mlp[width=4, depth=1])",
    "before a tail": "{}(gru[width=4, depth=1], cnn[width=6, depth=1, stages=1]) > mlp[width=4]",
    "inside": "gru[width=4, depth=1] > {}(attention[width=4, heads=2], cnn[width=6, depth=2])",
    "nested": "mean(gru[width=4, depth=1], {}(cnn[width=4, depth=1, stages=1], mlp[width=6]))",
}
OTHERS = [
    "weighted[0.7, 0.3](gru[width=4], mlp[width=4])",
    "sum(cnn[width=4], transformer[width=6, heads=2]) share=stem",
    "mean(cnn[width=4], gru[width=4], mlp[width=4]) share=layers",
    "mean(cnn[width=4, norm=layer], gru[width=4, norm=layer]) share=layers",
    "gru[width=4] > gru[width=4] share=full",
    "cnn[width=4, stages=1] > cnn[width=4, stages=1] share=full",
    "gru[width=4] > lstm[width=4] share=layers",
]
INSIDE = [name for name, fusion in FUSIONS.items() if fusion.inside]
AT_ROOT = [PLACES["parallel"].format(name) for name in (*FUSIONS, "weighted[fit]")]
AT_ROOT += [PLACES["hybrid"].format(name) for name in FUSIONS]
TEXTS = [place.format(name) for place in PLACES.values() for name in INSIDE] + OTHERS
TEXTS = list(dict.fromkeys(AT_ROOT + TEXTS))


CASES = [("masked", text) for text in TEXTS]
CASES += [("unequal frames", text) for text in [*AT_ROOT[: len(FUSIONS)], *OTHERS]]
CASES += [("audio", text) for text in [*AT_ROOT[: len(FUSIONS)], *OTHERS]]
CASES += [
    (kind, text) for kind in ("image", "table") for text in [*AT_ROOT[: len(FUSIONS)], *OTHERS]
]


@pytest.mark.parametrize(("kind", "text"), CASES)
def test_a_composite_keeps_the_contract(
    kind: str, text: str, specs: dict[str, InputSpec], target: TargetSpec, raw: Raw
) -> None:
    spec = specs[kind]
    resolved = resolve(parse(text), (spec,), target)
    model = build(resolved, seed=1, training=True)
    x = raw(spec, 9)
    model.fit_inputs({"x": x})
    out = model({"x": x})
    assert out.shape == (9, 3)
    assert out.isfinite().all()
    (phase,) = resolved.training_plan.phases
    outs = model.values({0: x}, phase.outputs)
    assert all(each.shape == (9, 3) for each in outs)
    torch.stack(outs).square().sum().backward()
    # What is fitted learns afterwards, and batch normalisation takes biases before it out again.
    batched = "share=layers" in text and "norm=layer" not in text
    learnt = {
        n: p
        for n, p in model.named_parameters()
        if n.split(".")[1] in phase.trains
        and not DEAD.search(n)
        and not (batched and MOVES.search(n))
    }
    most = {n: 0.0 if p.grad is None else float(p.grad.abs().max()) for n, p in learnt.items()}
    assert [n for n, size in most.items() if size < 1e-6 * max(most.values())] == []
    model.eval()
    with torch.no_grad():
        together = model({"x": x})
        alone = torch.cat([model({"x": row.unsqueeze(0)}) for row in x[:4]])
    torch.testing.assert_close(alone, together[:4], rtol=1e-4, atol=1e-5)


def test_every_sharing_stands_above() -> None:
    assert {name for name in SHARING if any(f"share={name}" in text for text in TEXTS)} == set(
        SHARING
    ) - {"none"}


def test_the_same_seed_builds_the_same_network(
    specs: dict[str, InputSpec], target: TargetSpec
) -> None:
    resolved = resolve(parse("mean(cnn, gru)"), (specs["image"],), target)
    before = torch.get_rng_state()
    first, again, other = build(resolved, 5), build(resolved, 5), build(resolved, 6)
    assert torch.equal(before, torch.get_rng_state())
    pairs = list(zip(first.parameters(), again.parameters(), other.parameters(), strict=True))
    assert all(torch.equal(a, b) for a, b, _ in pairs)
    assert not all(torch.equal(a, c) for a, _, c in pairs)


def test_two_inputs_are_read_apart_together_and_with_one_set_of_parameters(raw: Raw) -> None:
    target = TargetSpec(name="y", task="classification", classes=("a", "b", "c"))
    left = InputSpec(name="left", kind="series", shape=(2, 10), masked=True)
    right = InputSpec(name="right", kind="series", shape=(2, 7))
    x = {"left": raw(left, 5), "right": raw(right, 5)}
    size = "[width=4, depth=1]"
    for text in (
        f"sum(gru{size}:left, mlp{size}:right)",
        f"transformer{size}:left+right",
        f"gru{size}",
        f"sum(gru@a{size}:left, gru@a{size}:right)".replace(f"@a{size}", f"{size}@a"),
        "concat(cnn[width=4, stages=1]:left, cnn[width=4, stages=1]:right) share=full",
    ):
        model = build(resolve(parse(text), (left, right), target))
        model.fit_inputs(x)
        out = model(x)
        assert out.shape == (5, 3)
        assert out.isfinite().all()


def test_statistics_of_inputs_are_those_of_the_rows_given(
    specs: dict[str, InputSpec], target: TargetSpec
) -> None:
    model = build(resolve(parse("mlp[width=4]"), (specs["masked"],), target))
    x = torch.randn(50, 2, 10) * torch.tensor([2.0, 30.0])[:, None] + 7
    x[:, :, 6:] = torch.nan
    model.fit_inputs({"x": x})
    (stem,) = [m for name, m in model.modules_by_name.items() if "stem" in name]
    known = x[:, :, :6].transpose(0, 1).flatten(1)
    torch.testing.assert_close(stem.mean.flatten(), known.mean(1))
    torch.testing.assert_close(stem.scale.flatten(), 1 / known.std(1, correction=0))


def test_numbers_of_a_table_are_encoded_by_quantiles(target: TargetSpec) -> None:
    spec = InputSpec(name="x", kind="table", shape=(2,), cardinalities=(0, 3))
    model = build(resolve(parse("mlp[width=4]"), (spec,), target))
    x = torch.stack([torch.arange(161.0) ** 2, torch.zeros(161)], 1)
    x[3, 0] = torch.nan
    model.fit_inputs({"x": x})
    (stem,) = [m for name, m in model.modules_by_name.items() if "stem" in name]
    ranks = [*range(0, 160, 10), 159]  # 160 known values, 16 bins
    known = [v for i, v in enumerate(x[:, 0].tolist()) if i != 3]
    assert stem.edges[0].tolist() == [known[r] for r in ranks]


def test_one_value_takes_two_bins_however_often_it_stands_there(target: TargetSpec) -> None:
    spec = InputSpec(name="x", kind="table", shape=(1,), cardinalities=(0,))
    model = build(resolve(parse("mlp[width=4]"), (spec,), target))
    model.fit_inputs({"x": torch.cat([torch.zeros(900), torch.arange(1.0, 101.0)]).unsqueeze(1)})
    (stem,) = [m for name, m in model.modules_by_name.items() if "stem" in name]
    edges = stem.edges[0]
    assert int((edges == 0).sum()) == 3  # by shares alone there would be fifteen
    assert edges[-1] == 100
    assert edges[3:].diff().max() <= 8


def test_a_date_has_the_phases_of_year_and_week_and_of_the_day_where_there_are_times(
    target: TargetSpec,
) -> None:
    spec = InputSpec(name="x", kind="table", shape=(2,), cardinalities=(DATE, DATE))
    model = build(resolve(parse("gru[width=6]"), (spec,), target))
    days = torch.arange(17_000.0, 17_160.0)
    x = torch.stack([days, days + 0.25], 1)
    model.fit_inputs({"x": x})
    (stem,) = [m for name, m in model.modules_by_name.items() if "stem" in name]
    with torch.no_grad():
        stem.weight.zero_()
        stem.phase[:] = torch.eye(6)
        found = stem(x)[0]
    turns = [2 * torch.pi * x.double() / period for period in (365.2425, 7, 1)]
    waves = torch.stack([wave for turn in turns for wave in (turn.sin(), turn.cos())], -1).float()
    torch.testing.assert_close(found[:, 1], waves[:, 1], rtol=0, atol=1e-3)
    torch.testing.assert_close(found[:, 0, :4], waves[:, 0, :4], rtol=0, atol=1e-3)
    assert (found[:, 0, 4:] == 0).all()


@pytest.mark.parametrize("cards", [(0, 0, 0), (3, 4, 2), (4, 0, 3), (DATE, 0, 3), (DATE,) * 3])
def test_a_table_may_lack_numbers_or_categories(
    cards: tuple[int, ...], target: TargetSpec, raw: Raw
) -> None:
    spec = InputSpec(name="x", kind="table", shape=(3,), cardinalities=cards)
    model = build(resolve(parse("gru[width=4]"), (spec,), target))
    x = raw(spec, 8)
    model.fit_inputs({"x": x})
    out = model({"x": x})
    assert out.isfinite().all()
    # Every column has a say.
    for column in range(3):
        changed = x.clone()
        changed[:, column] = (
            (x[:, column] + 1) % cards[column]
            if cards[column] > 0
            else x[:, column].nan_to_num() + 9
        )
        assert not torch.allclose(model({"x": changed}), out)

"""What is shared is one set of parameters: its gradient is the sum over unshared copies."""

import re
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from autosynth.composite import Composite, build, resolve
from autosynth.errors import StrategyError
from autosynth.spec import InputSpec, TargetSpec
from autosynth.strategy import parse, parts

Raw = Callable[[InputSpec, int], Tensor]
SIZE = "width=4, depth=2, expand=2, norm=layer"
RULES = {
    "stem": [(r"^[a-z]+\d+_stem_x$", "stem_x")],
    "layers": [
        (r"^[a-z]+\d+_stem_x$", "stem_x"),
        (r"^[a-z]+\d+_b(\d)_(n1|n2|mlp)$", r"layer\1_\2"),
    ],
    "full": [(r"^[a-z]+\d+_stem_x", "t0_stem_series"), (r"^[a-z]+\d+_", "t0_")],
}
CASES = [
    ("full", f"gru[{SIZE}] > gru[{SIZE}]"),
    ("full", f"cnn[{SIZE}, stages=1, patch=1] > cnn[{SIZE}, stages=1, patch=1]"),
    ("full", f"transformer[{SIZE}, patch=1] > transformer[{SIZE}, patch=1]"),
    ("layers", f"gru[{SIZE}, patch=1] > lstm[{SIZE}]"),
    ("layers", f"mean(cnn[{SIZE}, patch=1, stages=1], gru[{SIZE}, patch=1])"),
    (
        "layers",
        f"sum(gru[{SIZE}, patch=1], concat(lstm[{SIZE}, patch=1], transformer[{SIZE}, patch=1]))",
    ),
    ("stem", f"mean(cnn[{SIZE}, patch=1], gru[{SIZE}, patch=1])"),
    ("stem", f"attend(cnn[{SIZE}, patch=1] > lstm[{SIZE}], gru[{SIZE}, patch=1])"),
]


def twin(shared: Composite, text: str, share: str, spec: InputSpec) -> Composite:
    """The unshared composite with equal weights in every copy."""
    target = TargetSpec(name="y", task="classification", classes=("a", "b", "c"))
    copy = build(resolve(parse(text), (spec,), target), seed=99)
    for name, module in copy.modules_by_name.items():
        module.load_state_dict(shared.modules_by_name[owner(name, share, shared)].state_dict())
    return copy


def owner(name: str, share: str, shared: Composite) -> str:
    """The name in the shared composite of what is `name` in the unshared one."""
    for pattern, to in RULES[share]:
        found = re.sub(pattern, to, name)
        if found in shared.modules_by_name:
            return found
    return name


@pytest.mark.parametrize(("share", "text"), CASES)
def test_a_shared_gradient_is_the_sum_over_unshared_copies(
    share: str, text: str, specs: dict[str, InputSpec], target: TargetSpec, raw: Raw
) -> None:
    spec = specs["masked"]
    x = raw(spec, 7)
    one = build(resolve(parse(f"{text} share={share}"), (spec,), target), seed=2)
    one.fit_inputs({"x": x})
    many = twin(one, text, share, spec)
    assert len(list(one.parameters())) < len(list(many.parameters()))

    outs = one({"x": x}), many({"x": x})
    torch.testing.assert_close(outs[0], outs[1])
    weights = torch.randn(outs[0].shape, generator=torch.Generator().manual_seed(0))
    for out in outs:
        (out * weights).sum().backward()

    sums: dict[tuple[str, str], Tensor] = {}
    copies: dict[str, int] = {}
    for name, module in many.modules_by_name.items():
        at = owner(name, share, one)
        copies[at] = copies.get(at, 0) + 1
        for key, value in module.named_parameters():
            assert value.grad is not None
            sums[at, key] = sums.get((at, key), torch.zeros_like(value)) + value.grad
    assert max(copies.values()) >= 2
    for name, module in one.modules_by_name.items():
        for key, value in module.named_parameters():
            torch.testing.assert_close(value.grad, sums[name, key], rtol=1e-3, atol=1e-5)


def test_a_shared_parameter_is_there_once(specs: dict[str, InputSpec], target: TargetSpec) -> None:
    text = "gru[width=4] > gru[width=4] > gru[width=4] share=full"
    model = build(resolve(parse(text), (specs["series"],), target))
    once = build(resolve(parse("gru[width=4]"), (specs["series"],), target))
    count = [sum(p.numel() for p in m.parameters()) for m in (model, once)]
    assert count[0] == count[1]
    # Named once too, so that it is saved once.
    assert len(model.state_dict()) == len(once.state_dict())


def test_full_sharing_is_written_as_tags(specs: dict[str, InputSpec], target: TargetSpec) -> None:
    words = resolve(parse("gru > gru share=full"), (specs["series"],), target)
    tags = resolve(parse("gru@same > gru@same"), (specs["series"],), target)
    assert words.strategy == tags.strategy
    assert words.sharing == tags.sharing == "full"
    assert resolve(parse("gru@lonely"), (specs["series"],), target).sharing == "none"


def test_shared_layers_have_batch_norm_unless_told(
    specs: dict[str, InputSpec], target: TargetSpec
) -> None:
    for given, found in (("", "batch"), ("[norm=layer]", "layer")):
        text = f"mean(cnn{given}, gru{given}) share=layers"
        strategy = resolve(parse(text), (specs["series"],), target).strategy
        assert [part.get("norm") for part in parts(strategy.root)] == [found, found]


REFUSED = [
    ("gru share=full", "share=full needs two parts or more"),
    ("gru share=stem", "share=stem needs two parts or more"),
    ("mean(cnn, gru) share=full", "has no equal to share all its parameters with"),
    ("gru[width=4] > gru[width=8] share=full", "has no equal to share"),
    ("gru@a > gru share=full", "share=full and tags cannot both stand"),
    ("concat(gru, gru) share=full", "two parts with the same parameters on the same input"),
    ("mean(gru@a, gru@a)", "two parts with the same parameters on the same input"),
    ("sum(mean(gru@a, cnn@b), mean(gru@a, cnn@b))", "two parts with the same parameters"),
    ("sum(gru@a, gru@a) > mlp", "two parts with the same parameters on the same input"),
    ("mean(gru[width=4], cnn[width=8]) share=layers", r"needs one width in all parts, not 8, 4"),
    ("mean(gru[expand=1], cnn[expand=3]) share=layers", "needs one expand in all parts"),
    ("mean(gru[norm=layer], cnn) share=layers", "needs one norm in all parts"),
    ("mean(gru[patch=3], cnn[patch=2]) share=stem", "patch=2, of which patch=3 is no multiple"),
    ("gru[width=4]@a > gru[width=8]@a", "tagged @a are one set of parameters"),
    ("gru@a > lstm@a", "tagged @a are one set of parameters"),
    ("mlp > mlp share=full", "t0_open cannot be shared: it has .* because the grids differ"),
    ("attention > attention share=full", "t0_open cannot be shared: it has 320 parameters"),
]


@pytest.mark.parametrize(("text", "why"), REFUSED)
def test_what_cannot_be_shared_is_named_with_the_reason(
    text: str, why: str, specs: dict[str, InputSpec], target: TargetSpec
) -> None:
    with pytest.raises(StrategyError, match=why):
        resolve(parse(text), (specs["series"],), target)


def test_positions_of_other_grids_are_not_shared(target: TargetSpec) -> None:
    # Both have 12 rows of positions: 4 + 8 of an image, 12 of a series.
    image = InputSpec(name="image", kind="image", shape=(1, 4, 8))
    series = InputSpec(name="series", kind="series", shape=(1, 12))
    text = "sum(transformer[patch=1]@a:image, transformer[patch=1]@a:series)"
    with pytest.raises(StrategyError, match=r"made for \(4, 8\) in one place and for \(12,\)"):
        resolve(parse(text), (image, series), target)


def test_tables_of_other_columns_do_not_share_a_stem(target: TargetSpec) -> None:
    left = InputSpec(name="left", kind="table", shape=(2,), cardinalities=(0, 4))
    right = InputSpec(name="right", kind="table", shape=(2,), cardinalities=(4, 0))
    with pytest.raises(StrategyError, match=r"stem_table cannot be shared: it is made for"):
        resolve(parse("sum(gru@a:left, gru@a:right)"), (left, right), target)


BATCHED = "width=4, depth=2, norm=batch, patch=1"


@pytest.mark.parametrize(
    "text",
    [
        f"cnn[{BATCHED}] > cnn[{BATCHED}] > cnn[{BATCHED}] share=full",
        f"cnn[{BATCHED}] > cnn[{BATCHED}] share=full init=masked",
        f"mean(cnn[{BATCHED}, expand=2], gru[{BATCHED}, expand=2]) share=layers",
    ],
)
@pytest.mark.parametrize("name", ["series", "masked"])
def test_a_shared_batch_norm_has_statistics_of_each_place(
    name: str, text: str, specs: dict[str, InputSpec], target: TargetSpec, raw: Raw
) -> None:
    """In use it normalises as it did in training: what it meets differs from place to place."""
    spec = specs[name]
    resolved = resolve(parse(text), (spec,), target)
    model, inputs = build(resolved, seed=1, training=True), {"x": raw(spec, 512)}
    model.fit_inputs(inputs)
    with torch.no_grad():
        for _ in range(100):
            trained = model(inputs)
        torch.testing.assert_close(model.eval()(inputs), trained, atol=0.02, rtol=0.02)
    # What only training needs, such as hidden pieces of the input, adds no place.
    shapes = {key: value.shape for key, value in build(resolved).state_dict().items()}
    assert shapes.items() <= {k: v.shape for k, v in model.state_dict().items()}.items()

"""Cascades: which rows go on, what they get, what it costs, and that the others skip the work."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from autosynth.composite import Composite, build, cost, resolve
from autosynth.errors import StrategyError
from autosynth.modality.audio import LogMel
from autosynth.spec import InputSpec, TargetSpec
from autosynth.strategy import parse

Raw = Callable[[InputSpec, int], Tensor]
CHEAP, DEAR = "mlp[width=4, depth=1]", "gru[width=6, depth=2]"


def made(text: str, spec: InputSpec, target: TargetSpec) -> Composite:
    return build(resolve(parse(text), (spec,), target), seed=3).eval()


def alone(model: Composite, spec: InputSpec, target: TargetSpec, *texts: str) -> list[Composite]:
    """The parts by themselves, with the cascade's weights: its modules, in its order."""
    modules = [m for m in model.modules_by_name.values() if m.state_dict() and not gate(m)]
    parts = [made(text, spec, target) for text in texts]
    own = [m for part in parts for m in part.modules_by_name.values() if m.state_dict()]
    pictures = [m for m in modules if isinstance(m, LogMel)]  # one for all parts
    for copy in own:
        if isinstance(copy, LogMel):
            copy.load_state_dict(pictures[0].state_dict())
    rest = [[m for m in group if not isinstance(m, LogMel)] for group in (modules, own)]
    for module, copy in zip(*rest, strict=True):
        copy.load_state_dict(module.state_dict())
    return parts


def gate(module: nn.Module) -> bool:
    return hasattr(module, "threshold")


def gates(model: Composite) -> list[nn.Module]:
    return [m for m in model.modules_by_name.values() if gate(m)]


def confidence(outputs: Tensor) -> Tensor:
    return outputs.softmax(-1).amax(-1)


@pytest.mark.parametrize("going", ["none", "some", "all"])
def test_unsure_rows_get_the_next_parts_outputs_and_the_others_keep_theirs(
    going: str, spec: InputSpec, target: TargetSpec, raw: Raw
) -> None:
    x = raw(spec, 12)
    model = made(f"cascade({CHEAP}, {DEAR})", spec, target)
    cheap, dear = alone(model, spec, target, CHEAP, DEAR)
    with torch.no_grad():
        first, second = cheap({"x": x}), dear({"x": x})
        sure = confidence(first)
        threshold = {"none": 0.0, "some": float(sure.median()), "all": 1.1}[going]
        gates(model)[0].load_state_dict({"threshold": torch.tensor(threshold)})
        found = model({"x": x})
    unsure = sure < threshold
    assert int(unsure.sum()) == {"none": 0, "some": 5, "all": 12}[going]
    torch.testing.assert_close(found, torch.where(unsure.unsqueeze(1), second, first))


def test_only_unsure_rows_meet_the_next_part(
    specs: dict[str, InputSpec], target: TargetSpec, raw: Raw
) -> None:
    spec = specs["image"]
    x = raw(spec, 10)
    model = made(f"cascade({CHEAP}, {DEAR}, transformer[width=8])", spec, target)
    seen: dict[str, int] = {}
    for name, module in model.modules_by_name.items():
        if "stem" in name:
            module.register_forward_hook(
                lambda m, args, out, name=name: seen.update({name: len(args[0])})
            )
    with torch.no_grad():
        first = made(CHEAP, spec, target)
        del first
        gates(model)[0].load_state_dict({"threshold": torch.tensor(1.1)})
        gates(model)[1].load_state_dict({"threshold": torch.tensor(0.0)})
        model({"x": x})
    assert list(seen.values()) == [10, 10, 0]


def test_the_threshold_is_the_one_with_which_the_share_goes_on(
    specs: dict[str, InputSpec], target: TargetSpec
) -> None:
    model = made(f"cascade[0.25]({CHEAP}, {DEAR})", specs["image"], target)
    outputs = torch.randn(200, 3)
    (found,) = gates(model)
    found.fit_post_hoc([outputs], torch.zeros(200))
    assert len(found(outputs)) == 50
    assert (confidence(outputs)[found(outputs)] < found.threshold).all()


def test_flops_are_expected_ones_and_the_worst_stand_beside_them(
    specs: dict[str, InputSpec], target: TargetSpec
) -> None:
    spec = specs["series"]
    cheap, dear = (cost(resolve(parse(t), (spec,), target)) for t in (CHEAP, DEAR))
    both = cost(resolve(parse(f"cascade[0.25]({CHEAP}, {DEAR})"), (spec,), target))
    assert both.flops == round(cheap.flops + 0.25 * dear.flops)
    assert both.worst_flops == cheap.flops + dear.flops
    assert both.params == cheap.params + dear.params
    three = cost(resolve(parse(f"cascade[0.5]({CHEAP}, {DEAR}, {DEAR})"), (spec,), target))
    assert three.flops == round(cheap.flops + 0.5 * dear.flops + 0.25 * dear.flops)
    assert (dear.worst_flops, dear.flops) == (dear.flops, dear.worst_flops)


def test_the_parts_of_a_cascade_keep_their_order(
    specs: dict[str, InputSpec], target: TargetSpec
) -> None:
    spec = specs["series"]
    there = resolve(parse(f"cascade({DEAR}, {CHEAP})"), (spec,), target)
    back = resolve(parse(f"cascade({CHEAP}, {DEAR})"), (spec,), target)
    assert there.strategy != back.strategy
    again = resolve(there.strategy, (spec,), target)
    assert again.strategy == there.strategy


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"cascade[1.5]({CHEAP}, {DEAR})", "share of rows, between 0 and 1"),
        (f"cascade[0.1, 0.2]({CHEAP}, {DEAR})", "one for each of the 1 steps"),
        (f"cascade[fit]({CHEAP}, {DEAR})", "share of rows"),
        (f"cascade({CHEAP}, {DEAR}) > {CHEAP}", "stands at the root of a strategy alone"),
        (f"mean(cascade({CHEAP}, {DEAR}), {CHEAP})", "stands at the root of a strategy alone"),
    ],
)
def test_what_no_cascade_can_be_is_refused(
    text: str, message: str, specs: dict[str, InputSpec], target: TargetSpec
) -> None:
    with pytest.raises(StrategyError, match=message):
        resolve(parse(text), (specs["series"],), target)


def test_a_cascade_needs_classes(specs: dict[str, InputSpec]) -> None:
    price = TargetSpec(name="price", task="regression")
    with pytest.raises(StrategyError, match="needs one class a row"):
        resolve(parse(f"cascade({CHEAP}, {DEAR})"), (specs["series"],), price)

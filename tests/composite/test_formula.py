"""What composites compute, against the formulas written out with the same weights."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from autosynth.composite import Composite, build, resolve
from autosynth.data.spec import InputSpec, TargetSpec
from autosynth.strategy import parse

Raw = Callable[[InputSpec, int], Tensor]
GRU, MLP = "gru[width=4, depth=1]", "mlp[width=4, depth=1]"
PRICE = TargetSpec(name="price", task="regression")


def learnt(model: Composite) -> list[nn.Module]:
    """The modules with weights or statistics, in the order of the network."""
    return [m for m in model.modules_by_name.values() if m.state_dict()]


def composed(
    text: str, spec: InputSpec, target: TargetSpec, x: Tensor
) -> tuple[Composite, Tensor, Tensor]:
    """A fusion of a GRU and an MLP, and the outputs of the two alone with the same weights."""
    model = build(resolve(parse(text), (spec,), target), seed=4).eval()
    alone = [build(resolve(parse(part), (spec,), target), seed=5).eval() for part in (GRU, MLP)]
    copies = [module for part in alone for module in learnt(part)]
    for copy, module in zip(copies, learnt(model), strict=False):
        copy.load_state_dict(module.state_dict())
    with torch.no_grad():
        return model, alone[0]({"x": x}), alone[1]({"x": x})


@pytest.fixture
def spec(specs: dict[str, InputSpec]) -> InputSpec:
    return specs["masked"]


def test_sum_is_the_sum_of_logits(spec: InputSpec, target: TargetSpec, raw: Raw) -> None:
    x = raw(spec, 5)
    model, gru, mlp = composed(f"sum({GRU}, {MLP})", spec, target, x)
    torch.testing.assert_close(model({"x": x}), gru + mlp)


def test_mean_is_the_mean_of_probabilities(spec: InputSpec, target: TargetSpec, raw: Raw) -> None:
    x = raw(spec, 5)
    model, gru, mlp = composed(f"mean({GRU}, {MLP})", spec, target, x)
    expected = (gru.softmax(-1) + mlp.softmax(-1)) / 2
    torch.testing.assert_close(model({"x": x}).softmax(-1), expected)
    # Its logits are their logarithms: another mean would have them elsewhere.
    torch.testing.assert_close(model({"x": x}), expected.log())


def test_mean_of_a_regression_is_the_mean_of_values(spec: InputSpec, raw: Raw) -> None:
    x = raw(spec, 5)
    model, gru, mlp = composed(f"mean({GRU}, {MLP})", spec, PRICE, x)
    torch.testing.assert_close(model({"x": x}), (gru + mlp) / 2)


def test_given_weights_weigh_their_own_parts(
    spec: InputSpec, target: TargetSpec, raw: Raw
) -> None:
    x = raw(spec, 5)
    model, gru, mlp = composed(f"weighted[0.7, 0.3]({GRU}, {MLP})", spec, target, x)
    torch.testing.assert_close(model({"x": x}), 0.7 * gru + 0.3 * mlp)
    # The parts are sorted, and their weights with them.
    model, gru, mlp = composed(f"weighted[0.3, 0.7]({MLP}, {GRU})", spec, target, x)
    torch.testing.assert_close(model({"x": x}), 0.7 * gru + 0.3 * mlp)


def test_learned_weights_begin_as_the_mean(spec: InputSpec, target: TargetSpec, raw: Raw) -> None:
    x = raw(spec, 5)
    model, gru, mlp = composed(f"weighted({GRU}, {MLP})", spec, target, x)
    torch.testing.assert_close(model({"x": x}), (gru + mlp) / 2)
    (join,) = [m for n, m in model.modules_by_name.items() if n.startswith("join")]
    join.load_state_dict({"alpha": torch.tensor([2.0, -1.0])})
    torch.testing.assert_close(model({"x": x}), 2 * gru - mlp)


def test_attend_weighs_by_a_softmax_over_parts(
    spec: InputSpec, target: TargetSpec, raw: Raw
) -> None:
    x = raw(spec, 5)
    model, gru, mlp = composed(f"attend({GRU}, {MLP})", spec, target, x)
    (join,) = [m for n, m in model.modules_by_name.items() if n.startswith("join")]
    score, bias = torch.randn(2, 3), torch.tensor([0.5, -0.2])
    join.load_state_dict({"score": score, "bias": bias})
    first = (gru @ score[0] + 0.5).exp().unsqueeze(1)
    second = (mlp @ score[1] - 0.2).exp().unsqueeze(1)
    expected = (first * gru + second * mlp) / (first + second)
    torch.testing.assert_close(model({"x": x}), expected)


def features(text: str, spec: InputSpec, target: TargetSpec, x: Tensor) -> tuple[Composite, list]:
    """A composite and the pooled features of its parts."""
    model = build(resolve(parse(text), (spec,), target), seed=4).eval()
    found: list[Tensor] = []
    model.modules_by_name["pool"].register_forward_hook(lambda m, a, out: found.append(out))
    model({"x": x})
    return model, found


def test_concat_is_a_network_over_features(spec: InputSpec, target: TargetSpec, raw: Raw) -> None:
    x = raw(spec, 5)
    model, (gru, mlp) = features(f"concat({GRU}, {MLP})", spec, target, x)
    (head,) = [m for n, m in model.modules_by_name.items() if n.startswith("head")]
    up, out = head.up, head.out
    hidden = F.gelu(torch.cat([gru, mlp], 1) @ up.weight.T + up.bias)
    torch.testing.assert_close(model({"x": x}), hidden @ out.weight.T + out.bias)


def test_gated_multiplies_features_by_gates_that_read_all(
    spec: InputSpec, target: TargetSpec, raw: Raw
) -> None:
    x = raw(spec, 5)
    model, (gru, mlp) = features(f"gated({GRU}, {MLP})", spec, target, x)
    (head,) = [m for n, m in model.modules_by_name.items() if n.startswith("head")]
    (join,) = [m for n, m in model.modules_by_name.items() if n.startswith("join")]
    gates = (torch.cat([gru, mlp], 1) @ join.gate.weight.T + join.gate.bias).sigmoid()
    joined = gates[:, :4] * gru + gates[:, 4:] * mlp
    hidden = F.gelu(joined @ head.up.weight.T + head.up.bias)
    torch.testing.assert_close(model({"x": x}), hidden @ head.out.weight.T + head.out.bias)


def test_features_are_means_over_real_tokens(
    spec: InputSpec, target: TargetSpec, raw: Raw
) -> None:
    x = raw(spec, 5)
    model = build(resolve(parse("gru[width=4, depth=1, patch=1]"), (spec,), target)).eval()
    seen: dict[str, Tensor] = {}
    modules = model.modules_by_name
    (last,) = [name for name in modules if name.endswith("_out")]
    modules[last].register_forward_hook(lambda m, a, out: seen.update(tokens=out[0]))
    modules["pool"].register_forward_hook(lambda m, a, out: seen.update(pooled=out))
    model({"x": x})
    for row in range(5):
        real = ~x[row].isnan().all(0)
        torch.testing.assert_close(seen["pooled"][row], seen["tokens"][row][real].mean(0))


def test_a_chain_is_one_part_after_the_other(
    specs: dict[str, InputSpec], target: TargetSpec
) -> None:
    """Two MLPs in a row, written out layer by layer."""
    spec = specs["series"]
    text = "mlp[width=4, depth=1, embed=2, expand=2, patch=2] > mlp[width=6, depth=1, expand=1]"
    model = build(resolve(parse(text), (spec,), target), seed=8).eval()
    x = torch.randn(5, 2, 10) + 3
    model.fit_inputs({"x": x})
    stem, flat1, norm1, mlp1, out1, flat2, norm2, mlp2, out2, head = learnt(model)

    mean = x.transpose(0, 1).flatten(1).mean(1)[:, None]
    std = x.transpose(0, 1).flatten(1).std(1, correction=0)[:, None]
    weight = stem.conv.weight.squeeze(2)
    tokens = F.conv1d((x - mean) / std, weight, stem.conv.bias, stride=2, padding=2)
    h = F.linear(tokens.transpose(1, 2).flatten(1), flat1.linear.weight, flat1.linear.bias)
    for norm, mlp, out, flat in ((norm1, mlp1, out1, flat2), (norm2, mlp2, out2, head)):
        inner = F.layer_norm(h, h.shape[1:], norm.weight, norm.bias)
        up = F.gelu(F.linear(inner, mlp.up.weight, mlp.up.bias))
        h = h + F.linear(up, mlp.down.weight, mlp.down.bias)
        h = F.layer_norm(h, h.shape[1:], out.weight, out.bias)
        last = flat.out if flat is head else flat.linear
        h = F.linear(h, last.weight, last.bias)
    torch.testing.assert_close(model({"x": x}), h, rtol=1e-4, atol=1e-5)


def test_dropout_works_in_training_alone(specs: dict[str, InputSpec], target: TargetSpec) -> None:
    model = build(resolve(parse("gru[width=4] | dropout=0.5"), (specs["series"],), target))
    x = {"x": torch.randn(4, 2, 10)}
    assert not torch.equal(model(x), model(x))
    model.eval()
    assert torch.equal(model(x), model(x))

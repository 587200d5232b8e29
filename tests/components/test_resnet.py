"""ResNet-18: equal to the one of another library, costed exactly, trained and exported."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from autosynth.bundle import export, load, write_bundle
from autosynth.components.checkpoint import find_weights, load_checkpoint
from autosynth.components.imagemodel import IMAGE_NETWORKS, ImageModel
from autosynth.components.resnet import ResNet, ResNetClassifier, resnet_profile, torchvision_state
from autosynth.composite import Composite, Resolved, build, cost, resolve
from autosynth.data.encoder.modelfolder import MODELS_ENV
from autosynth.data.load import load_dataset
from autosynth.errors import StrategyError, TrialError
from autosynth.spec import Dataset, InputSpec, TargetSpec
from autosynth.strategy import parse
from autosynth.training.config import TrainerConfig
from autosynth.training.devicedataset import to_device
from autosynth.training.loop import TrainingRows, train

RESNET18 = IMAGE_NETWORKS["resnet18"]


def randomised(network: nn.Module, seed: int = 3) -> nn.Module:
    """Random weights, and statistics of norms that are not those of a fresh network."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, value in network.state_dict().items():
            if "running_var" in name:
                value.copy_(0.5 + torch.rand(value.shape, generator=generator))
            elif "running_mean" in name:
                value.copy_(0.1 * torch.randn(value.shape, generator=generator))
            elif value.is_floating_point() and value.dim() == 4:
                scale = (2 / value[0].numel()) ** 0.5
                value.copy_(scale * torch.randn(value.shape, generator=generator))
    return network.eval()


@pytest.fixture
def checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Random weights, as torchvision names their file, in the user's folder."""
    folder = tmp_path / "models"
    folder.mkdir()
    monkeypatch.setenv(MODELS_ENV, str(folder))
    path = folder / "resnet18-f37072fd.pth"
    torch.save(randomised(ResNetClassifier()).state_dict(), path)
    return path


def test_it_is_the_network_of_transformers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    transformers = pytest.importorskip("transformers", reason="needs autosynth[pretrained]")
    config = transformers.ResNetConfig(  # of microsoft/resnet-18
        embedding_size=64, hidden_sizes=[64, 128, 256, 512], depths=[2, 2, 2, 2],
        layer_type="basic", num_labels=1000,
    )  # fmt: skip
    theirs = randomised(transformers.ResNetForImageClassification(config))
    transformers.utils.logging.disable_progress_bar()
    theirs.save_pretrained(tmp_path / "resnet18")
    monkeypatch.setenv(MODELS_ENV, str(tmp_path))
    path = find_weights("resnet18")
    assert path == tmp_path / "resnet18" / "model.safetensors"
    ours = ResNetClassifier().eval()
    load_checkpoint(ours, path, torchvision_state)
    x = torch.randn(2, 3, 65, 65, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = theirs(x).logits
        torch.testing.assert_close(ours(x), expected, rtol=1e-4, atol=1e-4 * expected.abs().max())


def test_torchvisions_file_and_ones_own_are_loaded_strictly(checkpoint: Path) -> None:
    state = torch.load(checkpoint, weights_only=True)
    whole = ResNetClassifier()
    load_checkpoint(whole, find_weights("resnet18"), torchvision_state)
    assert all(torch.equal(value, state[key]) for key, value in whole.state_dict().items())
    own = {**state, "fc.bias": torch.ones(1000)}
    save_file(own, checkpoint.with_name("resnet18.safetensors"))
    assert find_weights("resnet18").suffix == ".safetensors"  # the name alone goes first
    save_file({**own, "more": torch.ones(1)}, find_weights("resnet18"))
    with pytest.raises(TrialError, match="(?s)was not used.*more"):
        load_checkpoint(whole, find_weights("resnet18"), torchvision_state)


def test_it_costs_what_is_published() -> None:
    """11,689,512 parameters and 1,814,073,344 multiply-adds of 224 pixels a side."""
    found = resnet_profile(224, 8)
    assert found.params + 512 * 1000 + 1000 == 11_689_512
    assert found.flops // 2 + 512 * 1000 == 1_814_073_344
    assert (found.side, found.width) == (7, 512)


@pytest.mark.parametrize("size", [32, 45, 96])
@pytest.mark.parametrize("stop", [1, 2, 3, 8])
def test_cost_is_what_pytorch_counts(size: int, stop: int) -> None:
    network, declared = ResNet(size, stop).eval(), resnet_profile(size, stop)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        maps = network(torch.rand(2, 3, size, size))
    assert maps.shape == (2, declared.width, declared.side, declared.side)
    assert declared.flops * 2 == counter.get_total_flops()
    assert declared.params == sum(value.numel() for value in network.parameters())


@pytest.mark.usefixtures("checkpoint")
def test_every_colour_is_standardised_as_it_was_trained() -> None:
    stem = ImageModel(RESNET18, 32, 1)
    raw = torch.randint(0, 256, (4, 3, 32, 32), dtype=torch.uint8)
    raw[0, 0, 0, :2] = torch.tensor([0, 255])
    stem.fit(raw)
    mean = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)
    scale = torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)
    with torch.no_grad():
        expected = stem.eval().network((raw / 255 - mean) / scale)
        torch.testing.assert_close(
            stem(raw)[0], expected.flatten(2).transpose(1, 2), rtol=1e-4, atol=1e-4
        )
        grey = raw[:, :1]
        torch.testing.assert_close(stem(grey)[0], stem(grey.expand(-1, 3, -1, -1))[0])


def test_without_weights_it_says_where_to_put_them(
    specs: dict[str, InputSpec], target: TargetSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(MODELS_ENV, raising=False)
    model = build(resolve(parse("resnet18[size=32]"), (specs["image"],), target))
    with pytest.raises(TrialError, match=r"resnet18-f37072fd\.pth.*which is not set"):
        model.fit_inputs({"x": torch.rand(2, *specs["image"].shape)})
    with pytest.raises(StrategyError, match="stop=9, but resnet18 has 8 stages"):
        resolve(parse("resnet18[stop=9]"), (specs["image"],), target)


class Trained(NamedTuple):
    """`resnet18 > transformer` after some steps, and its data."""

    data: Dataset
    resolved: Resolved
    model: Composite
    x: np.ndarray


@pytest.fixture
def trained(checkpoint: Path) -> Trained:
    rng = np.random.default_rng(0)
    x = rng.integers(0, 128, (60, 1, 12, 12), dtype=np.uint8)
    y = np.arange(60) % 2
    x[y == 1, :, :6] += 100  # a bright half
    data = load_dataset((x, y))
    text = "resnet18[size=32, stop=4] > transformer[width=8, depth=1, heads=2]"
    resolved = resolve(parse(text), data.inputs, data.target)
    plan = TrainerConfig(device="cpu", batch_size=16, steps=30)
    rows = TrainingRows(train=data.splits.train, calibration=data.splits.calibration)
    device = to_device(data, torch.device("cpu"), data.splits.train)
    model = train(resolved, device, rows, plan).model.eval()
    return Trained(data, resolved, model, x)


def test_resnet18_then_a_transformer_is_trained(trained: Trained, checkpoint: Path) -> None:
    assert trained.resolved.components == "pretrained+transformer"
    with torch.no_grad():
        out = trained.model({"image": torch.from_numpy(trained.x)}).argmax(1).numpy()
    assert (out == np.arange(60) % 2).mean() > 0.9
    (stem,) = [module for module in trained.model.modules() if isinstance(module, ImageModel)]
    own = torch.load(checkpoint, weights_only=True)
    assert torch.equal(stem.network.get_parameter("conv1.weight"), own["conv1.weight"])
    params = sum(each.numel() for each in trained.model.parameters())
    assert cost(trained.resolved).params == params


@pytest.mark.slow
def test_resnet18_then_a_transformer_is_exported_with_its_weights(
    trained: Trained, checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint.unlink()
    monkeypatch.delenv(MODELS_ENV)
    folder, sample = tmp_path / "bundle", {"image": torch.from_numpy(trained.x)}
    write_bundle(
        folder, resolved=trained.resolved, model=trained.model, encoders=trained.data.encoders
    )
    export(folder, tmp_path / "export", sample=sample)
    with torch.no_grad():
        expected = trained.model(sample).softmax(1).numpy()
    np.testing.assert_allclose(load(folder).outputs({"image": trained.x}), expected, atol=1e-5)
    program = torch.export.load(tmp_path / "export" / "model.pt2").module()
    for n in (1, 7):
        found = program(sample["image"][:n]).numpy(force=True)
        np.testing.assert_allclose(found, expected[:n], atol=1e-4)

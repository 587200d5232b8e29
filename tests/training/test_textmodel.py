"""A text model in a training: computed once where it is frozen, trained whole where it is not."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_pre_hook

from autosynth.budget import Deadline
from autosynth.components.textmodel import TextModel
from autosynth.composite import Composite, build, resolve
from autosynth.data.encoder.modelfolder import MODELS_ENV
from autosynth.spec import Dataset, InputSpec, Splits, TargetSpec
from autosynth.strategy import parse
from autosynth.training.config import TrainerConfig
from autosynth.training.devicedataset import DeviceDataset, to_device
from autosynth.training.loop import Outcome, TrainingRows, train
from autosynth.training.memory import Memory
from autosynth.training.output import outputs
from autosynth.training.store import ValueStore
from autosynth.training.work import remember

transformers = pytest.importorskip("transformers", reason="needs autosynth[pretrained]")

N = 20  # tokens of the vocabulary
TEXT = InputSpec(name="text", kind="text", shape=(9,), cardinalities=(N + 1,))
READING = InputSpec(name="text.tiny", kind="text", of="text", shape=(9,), cardinalities=(N + 1,))
TARGET = TargetSpec(name="y", task="classification", classes=("a", "b"))


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small network with random weights; texts come as codes here, and need no tokenizer."""
    monkeypatch.setenv(MODELS_ENV, str(tmp_path))
    config = transformers.BertConfig(
        vocab_size=N, hidden_size=16, num_hidden_layers=3, num_attention_heads=2,
        intermediate_size=24, max_position_embeddings=20,
    )  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(3)
        transformers.BertModel(config).save_pretrained(tmp_path / "tiny")
    (tmp_path / "tiny" / "tokenizer.json").write_text("{}")
    return tmp_path / "tiny"


def random_codes(rows: int, length: int) -> Tensor:
    """Texts of every length from 1 on."""
    generator = torch.Generator().manual_seed(1)
    found = torch.randint(2, N + 1, (rows, length), generator=generator)
    return (found * (torch.arange(length) <= torch.arange(rows)[:, None] % length)).int()


def fitted(folder: Path) -> TextModel:
    stem = TextModel(folder, 3)
    stem.fit(torch.ones(1, 1, dtype=torch.int32))
    return stem


def texts(rows: int = 240) -> Dataset:
    """Texts whose class is whether one token is in them."""
    raw = random_codes(rows, 9)
    y = (raw == 5).any(1).long()
    order = np.arange(rows)
    return Dataset(
        name="toy",
        source="toy",
        inputs=(TEXT, READING),
        target=TARGET,
        x={"text": raw.numpy(), "text.tiny": raw.numpy()},
        y=y.numpy(),
        splits=Splits(
            train=order[:160], calibration=order[:0], validation=order[160:], test=order[:0]
        ),
        encoders={},
        fingerprint="",
    )


def trained(strategy: str, steps: int) -> Outcome:
    data = texts()
    rows = TrainingRows(train=data.splits.train, calibration=data.splits.calibration)
    plan = TrainerConfig(device="cpu", batch_size=32, steps=steps)
    fed = to_device(data, torch.device("cpu"), data.splits.train)
    return train(resolve(parse(strategy), data.inputs, TARGET), fed, rows, plan)


@pytest.fixture
def seen() -> Iterator[list[tuple[int, bool]]]:
    """The rows of every call, and whether it was in training mode."""
    found: list[tuple[int, bool]] = []

    def look(module: nn.Module, args: tuple[Tensor, ...]) -> None:
        if isinstance(module, TextModel):
            found.append((len(args[0]), any(each.training for each in module.modules())))

    handle = register_module_forward_pre_hook(look)
    yield found
    handle.remove()


def test_frozen_it_is_computed_once_a_row_and_not_moved(
    tiny: Path, seen: list[tuple[int, bool]]
) -> None:
    outcome = trained("pretrained[model=tiny] | average=none augment=none", 20)
    assert sum(rows for rows, _ in seen) == 160 + 8
    assert not any(training for _, training in seen)
    (stem,) = [m for m in outcome.model.modules() if isinstance(m, TextModel)]
    expected = fitted(tiny).state_dict()
    assert all(value.equal(expected[name]) for name, value in stem.state_dict().items())


def test_tuned_it_is_trained_whole_with_its_own_dropout(
    tiny: Path, seen: list[tuple[int, bool]]
) -> None:
    strategy = "pretrained[model=tiny, tune=all, norm=layer]"
    outcome = trained(f"{strategy} | average=none augment=none lr=0.01", 5)
    assert seen == [(32, True)] * 5
    (stem,) = [m for m in outcome.model.modules() if isinstance(m, TextModel)]
    before = fitted(tiny).state_dict()
    now = {n: v for n, v in stem.state_dict().items() if not n.endswith("key.bias")}
    assert [name for name, value in now.items() if value.equal(before[name])] == []
    model = build(resolve(parse(strategy), (TEXT, READING), TARGET))
    model.fit_inputs({"text.tiny": random_codes(60, 9)})
    model.train()({"text.tiny": random_codes(60, 9)}).square().sum().backward()
    most = {name: value.grad for name, value in model.named_parameters()}
    # Softmax takes the biases of keys out again.
    still = [n for n, grad in most.items() if grad is None or not grad.abs().max() > 1e-7]
    assert all(name.endswith("key.bias") for name in still)
    raw = random_codes(60, 9)
    assert not model({"text.tiny": raw}).equal(model({"text.tiny": raw}))
    model.eval()
    assert model({"text.tiny": raw}).equal(model({"text.tiny": raw}))


def fresh(strategy: str = "pretrained[model=tiny]") -> tuple[Composite, DeviceDataset]:
    """A fitted composite, and a feed whose memory is empty."""
    data = texts()
    model = build(resolve(parse(strategy), data.inputs, TARGET))
    model.fit_inputs({"text.tiny": torch.ones(1, 9, dtype=torch.int32)})
    return model, to_device(data, torch.device("cpu"), data.splits.train)


def test_what_is_remembered_is_computed_in_no_training_and_no_look(
    tiny: Path, seen: list[tuple[int, bool]]
) -> None:
    model, data = fresh()
    everything = torch.arange(240)
    expected = outputs(model, data, np.arange(240))
    seen.clear()
    assert remember(model, data, everything)[0]
    assert sum(rows for rows, _ in seen) == 240
    np.testing.assert_array_equal(outputs(model, data, np.arange(240)), expected)
    plan = TrainerConfig(device="cpu", batch_size=32, steps=9)
    rows, found = TrainingRows(train=np.arange(160), calibration=np.arange(160, 200)), []
    for strategy in ("pretrained[model=tiny] > mlp[width=4]", "pretrained[model=tiny]"):
        resolved = resolve(parse(strategy), texts().inputs, TARGET)
        train(resolved, data, rows, plan, score=lambda y, p, w: found.append(p) or 0.0)
    assert len(found) == 2 * 5
    assert sum(rows for rows, _ in seen) == 240
    (other, _), (kept,) = fresh(), data.memory.kept.values()
    assert kept.flat.shape == (1 + int((texts().x["text.tiny"] > 0).sum()), 16)
    with torch.no_grad():
        (stem,) = [m for m in other.modules() if isinstance(m, TextModel)]
        next(stem.parameters()).add_(1)
    assert not data.memory.find(other, everything)  # other weights give other values


def test_another_process_takes_it_from_the_store(
    tiny: Path, seen: list[tuple[int, bool]], tmp_path: Path
) -> None:
    model, data = fresh()
    store = ValueStore(tmp_path / "store")
    data = replace(data, memory=Memory(240, store=store))
    everything, program = torch.arange(240), model.program
    remember(model, data, torch.arange(100))
    assert not store.folder.exists()  # not all rows are known as yet
    remember(model, data, everything)
    expected = outputs(model, data, np.arange(240))
    seen.clear()
    model, again = fresh()
    again = replace(again, memory=Memory(240, store=ValueStore(store.folder)))
    assert not any(again.memory.lacking(program).values())  # so that no trial has it computed
    np.testing.assert_array_equal(outputs(model, again, np.arange(240)), expected)
    assert not seen
    (stem,) = [m for m in model.modules() if isinstance(m, TextModel)]
    with torch.no_grad():
        next(stem.parameters()).add_(1)
    other = replace(again, memory=Memory(240, store=ValueStore(store.folder)))
    remember(model, other, everything)
    assert sum(rows for rows, _ in seen) == 240  # of other weights nothing is known


def test_a_memory_that_had_no_time_goes_on_where_it_ended(
    tiny: Path, seen: list[tuple[int, bool]]
) -> None:
    model, data = fresh()
    everything, program = torch.arange(240), model.program
    assert not remember(model, data, everything, deadline=Deadline.after(0.0), chunk=100)[0]
    assert list(data.memory.lacking(program).values()) == [140]
    assert not data.memory.find(model, everything)
    assert remember(model, data, everything, chunk=100)[0]
    assert [rows for rows, _ in seen] == [100, 100, 40]
    model, data = fresh()
    data = replace(data, memory=Memory(240, most_bytes=1000))
    assert remember(model, data, everything)[0]  # too large to keep: as if there were no memory
    assert not data.memory.kept
    assert not any(data.memory.lacking(program).values())

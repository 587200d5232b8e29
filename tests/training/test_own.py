"""Parts with settings of their own: each is what a strategy of its own with these would be."""

import pytest
import torch

from autosynth.composite import Resolved, resolve
from autosynth.data import load_dataset
from autosynth.errors import StrategyError, UnknownNameError
from autosynth.spec import Dataset
from autosynth.strategy import parse
from autosynth.training.config import TrainerConfig
from autosynth.training.devicedataset import to_device
from autosynth.training.loop import TrainingRows, train
from autosynth.training.weights import alone_of

CONFIG = TrainerConfig(device="cpu", batch_size=32, steps=8)
ALONE = "train=subsets rows=all"
MLP, CNN = "mlp[depth=1, width=16]", "cnn[depth=1, stages=0, width=8]"


@pytest.fixture(scope="module")
def wine() -> Dataset:
    return load_dataset("wine")


def resolved_of(text: str, data: Dataset) -> Resolved:
    return resolve(parse(text), data.inputs, data.target)


def trained(resolved: Resolved, data: Dataset) -> dict[str, torch.Tensor]:
    on_device = to_device(data, torch.device("cpu"), data.splits.train)
    rows = TrainingRows(train=data.splits.train, calibration=data.splits.calibration)
    return dict(train(resolved, on_device, rows, CONFIG, seed=3).model.state_dict())


def test_each_part_comes_to_what_it_would_alone(wine: Dataset) -> None:
    """What a part does not say of itself is the whole strategy's."""
    own = "lr=0.01 dropout=0.3 length=2.0 average=none"
    joined = resolved_of(f"mean({CNN} | {own}, {MLP}) {ALONE} | lr=0.003 augment=none", wine)
    ours = trained(joined, wine)
    for unit, settings in zip(joined.training_plan.alone, (own, "lr=0.003"), strict=True):
        alone = resolved_of(f"{unit.node} | {settings} augment=none", wine)
        theirs, program = trained(alone, wine), alone.program
        names = joined.training_plan.program.names([unit.output])
        for name, other in zip(names, program.names([program.output]), strict=True):
            start = f"modules_by_name.{other}."
            for key in [key for key in theirs if key.startswith(start)]:
                mine = ours[f"modules_by_name.{name}.{key.removeprefix(start)}"]
                torch.testing.assert_close(mine, theirs[key], rtol=0, atol=0)


def test_phases_have_the_parts_own_length_and_settings(wine: Dataset) -> None:
    resolved = resolved_of(f"mean({CNN} | length=2.0, {MLP} | lr=0.01) {ALONE} | length=0.5", wine)
    one, other = resolved.training_plan.phases
    assert (one.fraction, dict(one.settings)) == (4.0, {"length": 2.0})
    assert (other.fraction, dict(other.settings)) == (1.0, {"lr": 0.01})
    alone = alone_of(resolved, one)
    assert alone is not None
    assert alone.settings["length"] == 2.0
    assert alone.canonical == resolved_of(f"{CNN} | length=2.0", wine).canonical


def test_what_all_have_is_no_ones_own(wine: Dataset) -> None:
    texts = (
        f"mean({CNN} | lr=0.003, {MLP} | lr=0.003 dropout=0.1) {ALONE} | lr=0.003",
        f"mean({MLP} | dropout=0.1, {CNN}) {ALONE} | lr=0.003",
    )
    one, other = (resolved_of(text, wine).canonical for text in texts)
    assert one == other
    assert resolved_of(one, wine).canonical == one
    short = resolved_of(one, wine).short_form
    assert str(short) == f"mean({CNN}, {MLP} | dropout=0.1) {ALONE} | lr=0.003"


def test_equal_parts_of_other_settings_are_both_as_alone(wine: Dataset) -> None:
    plan = resolved_of(f"mean({MLP} | lr=0.01, {MLP}) {ALONE}", wine).training_plan
    assert [unit.repeat for unit in plan.alone] == [0, 0]


@pytest.mark.parametrize(
    ("text", "kind", "why"),
    [
        (f"mean({CNN} | lr=0.01, {MLP})", StrategyError, "write train=subsets"),
        (f"{CNN} > sum({MLP} | lr=0.01, {CNN})", StrategyError, "write train=subsets|at the root"),
        (f"mean(sum({MLP} | lr=0.1, {CNN}), {CNN}) {ALONE}", StrategyError, "at the root of a"),
        (f"mean(linear | lr=0.01, {MLP})", StrategyError, "linear is no network.*has no lr"),
        (f"mean({CNN} | rate=0.01, {MLP}) {ALONE}", UnknownNameError, "rate"),
        (f"mean({CNN} | lr=7.0, {MLP}) {ALONE}", StrategyError, "lr"),
    ],
)
def test_a_wrong_one_is_told(text: str, kind: type[Exception], why: str, wine: Dataset) -> None:
    with pytest.raises(kind, match=why):
        resolved_of(text, wine)


def test_weighted_parts_keep_their_settings_when_sorted(wine: Dataset) -> None:
    resolved = resolved_of(f"weighted[0.7, 0.3]({MLP} | lr=0.01, {CNN}) {ALONE}", wine)
    assert str(resolved.short_form) == (f"weighted[0.3, 0.7]({CNN}, {MLP} | lr=0.01) {ALONE}")

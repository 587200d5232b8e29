"""Every task is trained, scored and answered in its own way; several targets are balanced."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from autosynth.composite import build, resolve
from autosynth.data import load_dataset
from autosynth.scale import Scale
from autosynth.spec import Dataset, TargetSpec
from autosynth.strategy import parse
from autosynth.task.loss import loss_of
from autosynth.task.score import default_metric
from autosynth.training.config import TrainerConfig
from autosynth.training.devicedataset import to_device
from autosynth.training.loop import TrainingRows, train
from autosynth.training.output import outputs

PLAN = TrainerConfig(device="cpu", batch_size=32, steps=60)
FUSIONS = ("mean", "attend", "concat", "stack[mlp]", "weighted[fit]")


def made(task: str, n: int = 400) -> Dataset:
    """A table of four numbers whose target follows from two of them."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(n, 4)).astype(np.float32)
    up, labels = (x[:, 0] > 0).astype(float), (x[:, :2] > 0).astype(float)
    y = {"multilabel": labels, "multitask": np.column_stack([x[:, 0] * 500, x[:, 1]])}[task]
    dataset = load_dataset((x, y))
    if task == "multilabel":
        return dataset
    kinds = TargetSpec(name="kind", task="classification", classes=("down", "up"))
    parts = (kinds, dataset.target.parts[1])
    y = np.column_stack([up, 500 * x[:, 1]]).astype(np.float32)
    return replace(dataset, target=replace(dataset.target, parts=parts), y=y)


@pytest.mark.parametrize("task", ["multilabel", "multitask"])
@pytest.mark.parametrize("fusion", FUSIONS)
def test_every_fusion_learns_it(task: str, fusion: str) -> None:
    data = made(task)
    strategy = parse(
        f"{fusion}(mlp[width=16, depth=1], cnn[width=8, depth=1, stages=0]) | lr=0.02"
    )
    resolved, splits = resolve(strategy, data.inputs, data.target), data.splits
    ours = to_device(data, torch.device("cpu"), splits.train)
    plan = replace(PLAN, steps=30) if fusion == "stack[mlp]" else PLAN
    model = train(
        resolved, ours, TrainingRows(train=splits.train, calibration=splits.calibration), plan
    ).model
    found = outputs(model, ours, splits.test)
    assert found.shape == (len(splits.test), data.target.n_outputs)
    assert default_metric(data.target).score(data.y[splits.test], found) > 0.75


def test_targets_are_balanced_by_what_knowing_nothing_costs() -> None:
    data = made("multitask")
    ours = to_device(data, torch.device("cpu"), data.splits.train)
    shares = np.bincount(data.y[data.splits.train, 0].astype(int)) / len(data.splits.train)
    assert ours.scales[0] == Scale()
    assert ours.scales[1].spread == pytest.approx(data.y[data.splits.train, 1].std())
    nothing = torch.tensor([[*np.log(shares), 0.0]]).expand(len(data.splits.train), -1)
    y = ours.y[ours.rows(data.splits.train)]
    apart = [loss_of(data.target, nothing, y, 0.0, w) for w in ((1, 0), (0, 1))]
    assert float(apart[0] * ours.balance[0]) == pytest.approx(1, rel=1e-3)
    assert float(apart[1] * ours.balance[1]) == pytest.approx(1, rel=1e-3)
    # What is predicted does not depend on the unit of a target.
    other = replace(data, y=data.y * np.array([1, 1000], np.float32))
    again = to_device(other, torch.device("cpu"), data.splits.train)
    torch.testing.assert_close(again.y, ours.y)


def test_a_head_each() -> None:
    data = made("multitask")
    resolved = resolve(parse("concat(mlp, cnn)"), data.inputs, data.target)
    model = build(resolved)
    (head,) = [m for n, m in model.modules_by_name.items() if n.startswith("head")]
    assert [each.out.out_features for each in head.heads] == [2, 1]
    piece = resolved.program.pieces[next(n for n in resolved.program.pieces if "head" in n)]
    assert piece.params == sum(p.numel() for p in head.parameters())

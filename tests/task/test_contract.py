"""The contract of every task: shapes of outputs, losses that teach, scores and columns of them."""

import numpy as np
import pytest
import torch

from autosynth.composite.objective import class_indicators, finished, mean_of
from autosynth.plugin import MULTITASK, TASKS
from autosynth.scale import Scale
from autosynth.spec import TargetSpec
from autosynth.task.loss import loss_of
from autosynth.task.score import default_metric, score_all
from autosynth.task.task import Task, task_of

ROWS = 12
NAMES = ("a", "b", "c")
TARGETS = {
    "classification": TargetSpec(name="y", task="classification", classes=NAMES),
    "multilabel": TargetSpec(name="y", task="multilabel", classes=NAMES),
    "regression": TargetSpec(name="y", task="regression"),
    "forecasting": TargetSpec(name="y", task="forecasting", steps=4),
    "ranking": TargetSpec(name="y", task="ranking", classes=NAMES),
}
PARTS = (TARGETS["classification"], TARGETS["regression"])
TARGETS[MULTITASK] = TargetSpec(name="both", task=MULTITASK, parts=PARTS)


@pytest.fixture(params=TASKS)
def target(request: pytest.FixtureRequest) -> TargetSpec:
    return TARGETS[request.param]


def true_values(target: TargetSpec) -> np.ndarray:
    rng = np.random.default_rng(0)
    parts = [(part, (ROWS, part.n_columns)) for part, _, _ in target.fields]
    columns = [
        rng.integers(0, 2, shape) if part.classes else rng.normal(size=shape)
        for part, shape in parts
    ]
    y = np.concatenate(columns, axis=1)
    return y[:, 0] if target.is_coded or task_of(target).is_number else y


def test_a_task_is_named_as_the_registry_names_it(target: TargetSpec) -> None:
    task = task_of(target)
    assert isinstance(task, Task)
    assert task.name == target.task
    assert task.gives
    assert list(task.problems(target)) == []


def test_its_loss_teaches_and_its_outputs_are_scored_and_told(target: TargetSpec) -> None:
    y = true_values(target)
    out = torch.zeros(ROWS, target.n_outputs, requires_grad=True)
    loss_of(target, out, torch.from_numpy(y)).backward()  # type: ignore[no-untyped-call]
    assert out.grad is not None
    better = out.detach() - out.grad
    losses = [loss_of(target, each, torch.from_numpy(y)).item() for each in (out, better)]
    assert losses[1] < losses[0]
    given = finished(target, better, (Scale(),) * len(target.fields)).numpy()
    number = task_of(target).is_number
    assert given.shape == ((ROWS,) if number else (ROWS, target.n_outputs))
    scores = score_all(y, given, target)
    assert default_metric(target).name in scores
    assert np.isfinite(list(scores.values())).all()
    columns = task_of(target).columns(target, given, given)
    assert {len(values) for values in columns.values()} == {ROWS}


def test_one_part_is_its_own_mean_and_every_row_has_indicators(target: TargetSpec) -> None:
    out = torch.randn(ROWS, target.n_outputs, generator=torch.Generator().manual_seed(0))
    scales = (Scale(),) * len(target.fields)
    twice = finished(target, mean_of(target, (out, out)), scales)
    torch.testing.assert_close(twice, finished(target, out, scales))
    found = class_indicators(torch.from_numpy(true_values(target)).float(), target)
    assert len(found) == ROWS
    assert set(found.unique().tolist()) <= {0.0, 1.0}


def test_what_knows_the_target_alone_gives_a_value_an_output(target: TargetSpec) -> None:
    y = true_values(target).reshape(ROWS, -1)
    for part, _, columns in target.fields:
        assert task_of(part).trivial(y[:, columns], part).shape == (part.n_outputs,)


def test_labels_are_smoothed_towards_a_half() -> None:
    out, y = torch.tensor([[2.0, -1.0, 0.5]]), torch.tensor([[1.0, 0.0, 1.0]])
    soft = torch.tensor([[0.9, 0.1, 0.9]])
    wanted = torch.nn.functional.binary_cross_entropy_with_logits(out, soft)
    found = task_of(TARGETS["multilabel"]).loss(out, y, smoothing=0.2)
    torch.testing.assert_close(found, wanted)


@pytest.mark.parametrize(("task", "guess"), [("classification", "c"), ("multilabel", "b|c")])
def test_thresholds_move_the_guess_and_leave_the_probabilities(task: str, guess: str) -> None:
    target = TARGETS[task]
    output, moved = np.array([[0.7, 0.2, 0.1]]), np.array([[0.1, 0.5, 0.6]])
    columns = task_of(target).columns(target, output, moved)
    assert list(columns["prediction"]) == [guess]
    assert [float(columns[f"proba_{name}"][0]) for name in NAMES] == output[0].tolist()

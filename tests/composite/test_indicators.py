"""Outcomes: columns of 0 and 1 from the true values of every task."""

import torch

from autosynth.composite.objective import class_indicators
from autosynth.spec import TargetSpec
from autosynth.task.task import MOST_INDICATORS

CLASSES = TargetSpec(name="c", task="classification", classes=("a", "b", "c"))
LABELS = TargetSpec(name="l", task="multilabel", classes=("x", "y"))
VALUE = TargetSpec(name="v", task="regression")


def test_a_class_a_column() -> None:
    found = class_indicators(torch.tensor([2, 0]), CLASSES)
    assert found.tolist() == [[0, 0, 1], [1, 0, 0]]


def test_labels_as_they_are_and_values_above_their_median() -> None:
    labels = torch.tensor([[0.0, 1.0], [1.0, 1.0]])
    assert class_indicators(labels, LABELS).tolist() == labels.tolist()
    found = class_indicators(torch.tensor([-1.0, 5.0, 0.0, 2.0, 1.0]), VALUE)
    assert found.squeeze(1).tolist() == [0, 1, 0, 1, 0]


def test_several_targets_side_by_side() -> None:
    target = TargetSpec(name="both", task="multitask", parts=(CLASSES, VALUE))
    found = class_indicators(torch.tensor([[1.0, 0.1], [2.0, 0.2], [0.0, 0.3]]), target)
    assert found.tolist() == [[0, 1, 0, 0], [0, 0, 1, 0], [1, 0, 0, 1]]


def test_many_classes_share_columns() -> None:
    target = TargetSpec(name="c", task="classification", classes=tuple(map(str, range(1000))))
    found = class_indicators(torch.tensor([3, 3 + MOST_INDICATORS]), target)
    assert found.shape == (2, MOST_INDICATORS)
    assert found[0].equal(found[1])

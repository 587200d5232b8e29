"""Outputs as probabilities, or in the target's own unit."""

import numpy as np
import torch

from autosynth.composite import build, resolve
from autosynth.data.spec import Dataset, TargetSpec
from autosynth.strategy import parse
from autosynth.training.feed import feed
from autosynth.training.output import finish, outputs


def test_classes_get_probabilities_in_the_order_of_the_rows(digits: Dataset) -> None:
    data = feed(digits, torch.device("cpu"), digits.splits.train)
    model = build(resolve(parse("mean(cnn[width=4], mlp[width=4])"), digits.inputs, digits.target))
    numbers = np.array([40, 3, 900, 7, 7])
    proba = outputs(model, data, numbers, batch_size=2)
    assert proba.shape == (5, 10)
    assert proba.dtype == np.float64
    np.testing.assert_allclose(proba.sum(1), 1)
    np.testing.assert_allclose(proba[3], proba[4], rtol=1e-4)
    logits = model({"image": torch.from_numpy(digits.x["image"][numbers])})
    np.testing.assert_allclose(proba, logits.detach().softmax(-1), rtol=1e-4)


def test_outputs_are_those_of_evaluation(digits: Dataset) -> None:
    data = feed(digits, torch.device("cpu"), digits.splits.train)
    text = "cnn[width=4] | dropout=0.5"
    model = build(resolve(parse(text), digits.inputs, digits.target)).train()
    rows = digits.splits.select
    np.testing.assert_array_equal(outputs(model, data, rows), outputs(model, data, rows))


def test_a_regression_is_answered_in_its_own_unit() -> None:
    target = TargetSpec(name="price", task="regression")
    out = finish(torch.tensor([[0.0], [1.0], [-2.0]]), target, center=5000.0, spread=300.0)
    assert out.tolist() == [5000.0, 5300.0, 4400.0]


def test_probabilities_of_large_logits_are_finite() -> None:
    target = TargetSpec(name="y", task="classification", classes=("a", "b"))
    out = finish(torch.tensor([[1000.0, 0.0], [0.0, -1000.0]]), target, 0.0, 1.0)
    assert out.tolist() == [[1.0, 0.0], [1.0, 0.0]]

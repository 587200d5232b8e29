"""Outputs as probabilities, or in the target's own unit."""

import numpy as np
import torch

from autosynth.composite import build, resolve
from autosynth.composite.objective import base_of, finished
from autosynth.scale import Scale
from autosynth.spec import Dataset, TargetSpec
from autosynth.strategy import parse
from autosynth.training.devicedataset import to_device
from autosynth.training.output import outputs


def test_classes_get_probabilities_in_the_order_of_the_rows(digits: Dataset) -> None:
    data = to_device(digits, torch.device("cpu"), digits.splits.train)
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
    data = to_device(digits, torch.device("cpu"), digits.splits.train)
    text = "cnn[width=4] | dropout=0.5"
    model = build(resolve(parse(text), digits.inputs, digits.target)).train()
    rows = digits.splits.validation
    np.testing.assert_array_equal(outputs(model, data, rows), outputs(model, data, rows))


def test_a_regression_is_answered_in_its_own_unit() -> None:
    target = TargetSpec(name="price", task="regression")
    scale = Scale(center=5000.0, spread=300.0)
    out = finished(target, torch.tensor([[0.0], [1.0], [-2.0]]), (scale,))
    assert out.tolist() == [5000.0, 5300.0, 4400.0]


def test_probabilities_of_large_logits_are_finite() -> None:
    target = TargetSpec(name="y", task="classification", classes=("a", "b"))
    out = finished(target, torch.tensor([[1000.0, 0.0], [0.0, -1000.0]]), (Scale(),))
    assert out.tolist() == [[1.0, 0.0], [1.0, 0.0]]


def test_a_forecast_starts_at_the_last_value_that_is_known() -> None:
    target = TargetSpec(name="y", task="forecasting", steps=2, base="series")
    nan = float("nan")
    series = torch.tensor([[[1.0, 4.0, nan]], [[nan, nan, nan]], [[3.0, nan, 7.0]]])
    base = base_of(target, series)
    assert base is not None
    assert base.tolist() == [[4.0], [0.0], [7.0]]
    raw = torch.tensor([[1.0, -1.0]] * 3)
    out = finished(target, raw, (Scale(center=10.0, spread=2.0),), base)
    assert out.tolist() == [[16.0, 12.0], [12.0, 8.0], [19.0, 15.0]]
    scale = Scale(center=-9.0, spread=2.0, lowest=0.0)
    out = finished(target, torch.tensor([[1.0, 6.0]] * 3), (scale,), base)
    assert out.tolist() == [[0.0, 7.0], [0.0, 3.0], [0.0, 10.0]]


def test_several_targets_are_each_answered_in_their_own_way() -> None:
    kind = TargetSpec(name="kind", task="classification", classes=("a", "b"))
    marks = TargetSpec(name="marks", task="multilabel", classes=("x", "y"))
    price = TargetSpec(name="price", task="regression")
    both = TargetSpec(name="all", task="multitask", parts=(kind, marks, price))
    raw = torch.tensor([[0.0, 0.0, 0.0, 1000.0, -1.0]])
    out = finished(both, raw, (Scale(), Scale(), Scale(center=50.0, spread=10.0)))
    assert out.tolist() == [[0.5, 0.5, 0.5, 1.0, 40.0]]

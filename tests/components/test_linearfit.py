"""Linear maps by one solver for all penalties: those of scikit-learn, and in the time there is."""

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sklearn.linear_model import ElasticNet, LogisticRegression

from autosynth.budget import NEVER, Deadline
from autosynth.components.linear import L1, LinearModel
from autosynth.components.linearfit import LinearMap, fit_linear
from autosynth.composite import build, cost, resolve
from autosynth.spec import InputSpec, TargetSpec
from autosynth.strategy import parse
from autosynth.testing.fitted import fit_parts

ROWS, WIDTH = 1_200, 30
THREE = TargetSpec(name="y", task="classification", classes=("a", "b", "c"))
TWO = TargetSpec(name="y", task="classification", classes=("a", "b"))
LABELS = TargetSpec(name="y", task="multilabel", classes=("a", "b"))
VALUE = TargetSpec(name="y", task="regression")


def features(rows: int = ROWS) -> NDArray[np.float32]:
    """Standardised, neighbours alike."""
    x = np.random.default_rng(0).normal(size=(rows, WIDTH))
    x[:, 1:] += 0.7 * x[:, :-1]
    found: NDArray[np.float32] = ((x - x.mean(0)) / x.std(0)).astype(np.float32)
    return found


def scores_of(x: NDArray[np.float32], outputs: int) -> NDArray[np.float64]:
    """Of which a third of the features speak, with as much noise."""
    rng = np.random.default_rng(1)
    weight = rng.normal(size=(WIDTH, outputs)) * (np.arange(WIDTH) % 3 == 0)[:, None]
    found: NDArray[np.float64] = x @ weight + 4 * rng.normal(size=(len(x), outputs))
    return found


def fitted(x: NDArray[np.float32], y: NDArray[Any], target: TargetSpec, l1: float):  # type: ignore[no-untyped-def]
    wanted = torch.from_numpy(y) if target.is_coded else torch.from_numpy(y).float()
    found = fit_linear(x, wanted, target, seed=0, deadline=NEVER, l1=l1)
    return found, x @ found.weight + found.bias


def logistic(found: LinearMap, l1: float, scale: float = 1.0) -> LogisticRegression:
    """scikit-learn's, at the penalty that was chosen."""
    strength = found.penalty * scale
    return LogisticRegression(
        C=1 / strength, l1_ratio=l1, solver="saga", tol=1e-9, max_iter=20_000
    )


@pytest.mark.parametrize("l1", [L1["elastic"], L1["l1"]])
@pytest.mark.parametrize("target", [TWO, THREE], ids=["two classes", "three classes"])
def test_classes_have_the_probabilities_of_scikit_learn(target: TargetSpec, l1: float) -> None:
    x = features()
    y = scores_of(x, target.n_outputs).argmax(1)
    found, outputs = fitted(x, y, target, l1)
    library = logistic(found, l1)
    if target is TWO and l1 < 1:
        # Of one map where there are two here, whose squares are half as large.
        strength = found.penalty * (l1 + (1 - l1) / 2)
        library.set_params(C=1 / strength, l1_ratio=l1 * found.penalty / strength)
    expected = library.fit(x.astype(np.float64), y).predict_proba(x.astype(np.float64))
    proba = torch.from_numpy(outputs).softmax(1).numpy()
    np.testing.assert_allclose(proba, expected, atol=1e-5)
    assert 0 < (found.weight == 0).sum() < found.weight.size


@pytest.mark.parametrize("l1", [L1["elastic"], L1["l1"]])
def test_labels_have_the_probabilities_of_scikit_learn(l1: float) -> None:
    x = features()
    y = (scores_of(x, 2) > 0).astype(np.float64)
    found, outputs = fitted(x, y, LABELS, l1)
    for column in range(2):  # the loss is the mean over the labels, too
        library = logistic(found, l1, scale=2).fit(x.astype(np.float64), y[:, column])
        expected = library.predict_proba(x.astype(np.float64))[:, 1]
        found_here = torch.from_numpy(outputs[:, column]).sigmoid().numpy()
        np.testing.assert_allclose(found_here, expected, atol=1e-5)


@pytest.mark.parametrize("l1", [L1["elastic"], L1["l1"]])
def test_values_are_those_of_scikit_learn(l1: float) -> None:
    x = features()
    y = scores_of(x, 1)[:, 0]
    y = (y - y.mean()) / y.std()
    found, outputs = fitted(x, y, VALUE, l1)
    alpha = found.penalty / (2 * len(x))  # its loss is half the squared error
    library = ElasticNet(alpha=alpha, l1_ratio=l1, tol=1e-12, max_iter=100_000)
    # What a fit is given is float32.
    expected = library.fit(x.astype(np.float64), y.astype(np.float32)).predict(x)
    np.testing.assert_allclose(outputs[:, 0], expected, atol=1e-5)
    assert 0 < (found.weight == 0).sum() < found.weight.size


def test_a_penalty_under_which_all_weights_are_0_does_not_end_the_search() -> None:
    """Of few rows that is so at several of the strongest."""
    x = features(60)
    y = (x[:, 0] > 0).astype(np.int64)
    found, outputs = fitted(x, y, TWO, 1.0)
    assert (outputs.argmax(1) == y).mean() > 0.9
    assert found.penalty < 100


def test_the_default_penalty_leaves_no_weight_at_0() -> None:
    x = features()
    found, _ = fitted(x, scores_of(x, 3).argmax(1), THREE, L1["l2"])
    assert (found.weight != 0).all()


@pytest.mark.parametrize("l1", L1.values())
def test_a_fit_without_time_says_what_it_was_cut_of(l1: float) -> None:
    x = features()
    y = torch.from_numpy(scores_of(x, 3).argmax(1))
    found = fit_linear(x, y, THREE, seed=0, deadline=Deadline.after(0), l1=l1)
    assert found.cut == f"1 of {5000 if l1 else 200} iterations"
    assert np.isfinite(found.weight).all()


@pytest.mark.parametrize(("options", "some"), [("", False), ("[penalty=l1]", True)])
def test_the_option_of_the_family_says_which_penalty_it_is(options: str, some: bool) -> None:
    """Weights of columns without a say are 0, and cost what others do."""
    spec = InputSpec(name="x", kind="table", shape=(WIDTH,), cardinalities=(0,) * WIDTH)
    resolved = resolve(parse(f"linear{options}"), [spec], TWO)
    model, x = build(resolved), torch.from_numpy(features(300))
    fit_parts(model, {"x": x}, (x[:, 0] > 0).long())
    (module,) = model.modules_by_name.values()
    assert isinstance(module, LinearModel)
    assert bool((module.weight[:, :WIDTH] == 0).any()) is some
    assert cost(resolved, model) == cost(resolved)
    assert cost(resolved).flops == 2 * 2 * WIDTH * 2  # a weight a number and a gap, two classes

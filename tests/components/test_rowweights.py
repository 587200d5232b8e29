"""Fits to rows with weights: equal to repeated rows, or to those of the library."""

import numpy as np
import pytest
import torch
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.linear_model import Ridge
from torch.nn import functional as F

from autosynth.budget import NEVER
from autosynth.components import FAMILIES
from autosynth.components.fitted import FittedFamily
from autosynth.components.forestfitter import ForestRows, fit_boosted_forest, fit_extra_trees
from autosynth.components.linear import LinearModel
from autosynth.components.linearfit import fit_linear
from autosynth.components.ridge import class_factor, solve_ridge
from autosynth.composite import build
from autosynth.spec import InputSpec, TargetSpec
from autosynth.task.loss import loss_of
from autosynth.testing import FittedCase
from autosynth.testing.fitted import fit_parts

KIND = TargetSpec(name="y", task="classification", classes=("a", "b", "c"))
PRICE = TargetSpec(name="y", task="regression")
LABELS = TargetSpec(name="y", task="multilabel", classes=("a", "b"))


def problem(n: int = 1500, d: int = 4) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Features, what they make, and whole weights that go with a feature."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(n, d, generator=generator)
    value = x @ torch.linspace(-1, 1, d) + torch.where(x[:, 0] > 0, 1.5 * x[:, 1], 0)
    value += 0.3 * torch.randn(n, generator=generator)
    return x, value, torch.where(x[:, 0] > 0, 3, 1)


def values_of(target: TargetSpec, value: torch.Tensor) -> torch.Tensor:
    if target.is_coded:
        return (value > -0.5).long() + (value > 0.5).long()
    return torch.stack([value > 0, value > 1], 1).float() if target.classes else value


@pytest.mark.parametrize("target", [KIND, PRICE, LABELS], ids=lambda t: t.task)
def test_a_linear_map_takes_a_weight_of_three_as_three_rows(target: TargetSpec) -> None:
    """Where it ends, what repeated rows would lose has no slope, penalty and all."""
    x, value, weights = problem()
    y, rows = values_of(target, value), torch.repeat_interleave(torch.arange(len(x)), weights)
    slopes = []
    for heavy in (weights.float(), None):
        found = fit_linear(x.numpy(), y, target, seed=0, deadline=NEVER, weights=heavy)
        weight, bias = (torch.from_numpy(each).float() for each in (found.weight, found.bias))
        weight.requires_grad_()
        loss = loss_of(target, x[rows] @ weight + bias, y[rows])
        loss = loss + 0.5 * found.penalty / len(rows) * weight.square().sum()
        (slope,) = torch.autograd.grad(loss, weight)
        slopes.append(float(slope.abs().max()))
    assert slopes[0] < 2e-3
    assert slopes[1] > 2e-2


def test_what_rows_weigh_together_is_held_against_the_penalty() -> None:
    x, value, _ = problem(60)
    value = value + 3 * torch.randn(60, generator=torch.Generator().manual_seed(1))
    weights = torch.full((60,), 20.0)
    found = fit_linear(x.numpy(), value, PRICE, seed=0, deadline=NEVER, weights=weights)
    weight, bias = (torch.from_numpy(each).float() for each in (found.weight, found.bias))
    weight.requires_grad_()
    slopes = []
    for total in (60 * 20, 60):
        loss = loss_of(PRICE, x @ weight + bias, value)
        loss = loss + 0.5 * found.penalty / total * weight.square().sum()
        slopes.append(float(torch.autograd.grad(loss, weight)[0].abs().max()))
    assert slopes[0] < 1e-3
    assert slopes[1] > 1e-2


def test_columns_of_a_linear_model_are_standardised_by_weighted_rows() -> None:
    x, value, weights = problem()
    x[::7, 2] = torch.nan
    spec = InputSpec(name="x", kind="table", shape=(4,), cardinalities=(0,) * 4)
    case = FittedCase(family=FAMILIES["linear"], spec=spec, target=PRICE)  # type: ignore[arg-type]
    rows = torch.repeat_interleave(torch.arange(len(x)), weights)
    models = [build(case.resolved), build(case.resolved)]
    fit_parts(models[0], {"x": x}, value, weights.float())
    fit_parts(models[1], {"x": x[rows]}, value[rows])
    one, two = (
        next(m for m in model.modules_by_name.values() if isinstance(m, LinearModel))
        for model in models
    )
    torch.testing.assert_close(one.mean, two.mean, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(one.scale, two.scale, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("n", "d"), [(60, 200), (300, 40)])
def test_a_ridge_takes_a_weight_of_three_as_three_rows(n: int, d: int) -> None:
    x, value, weights = problem(n, d)
    x, weights[7] = x * torch.logspace(-1, 1, d) + 5, 60
    rows = torch.repeat_interleave(torch.arange(n), weights)
    targets = torch.stack([value, -value.abs()], 1)
    weighed = solve_ridge(x, targets, [3.0], weights.float())
    repeated = solve_ridge(x[rows], targets[rows], [3.0])
    torch.testing.assert_close(weighed.mean, repeated.mean, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(weighed.bias, repeated.bias, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(weighed.weight, repeated.weight, rtol=1e-3, atol=1e-4)
    # What a row is given by all others, as by scikit-learn's fit without it.
    others = torch.arange(n) != 7
    scale = (weights / weights.sum()) @ (x - weighed.mean).square()
    scaled = ((x - weighed.mean) / scale.sqrt()).double().numpy()
    model = Ridge(3.0).fit(scaled[others], targets[others], weights[others])
    np.testing.assert_allclose(weighed.scores[7], model.predict(scaled[7:8])[0], atol=2e-3)


def test_a_ridge_of_equal_weights_is_that_of_none() -> None:
    x, value, _ = problem(60, 10)
    one = solve_ridge(x, value[:, None])
    two = solve_ridge(x, value[:, None], weights=torch.ones(60))
    torch.testing.assert_close(one.weight, two.weight, rtol=1e-4, atol=1e-5)
    assert one.penalty == two.penalty


def test_the_factor_of_class_scores_has_the_least_weighted_loss() -> None:
    generator = torch.Generator().manual_seed(0)
    y = torch.randint(0, 3, (90,), generator=generator)
    scores = F.one_hot(y, 3) * 2.0 - 1 + torch.randn(90, 3, generator=generator)
    scores[:30] = scores[:30].roll(1, 1)  # these are guessed wrong
    heavy = torch.where(torch.arange(90) < 30, 5, 1)
    rows = torch.repeat_interleave(torch.arange(90), heavy)
    found = class_factor(scores, y, heavy.float())
    # But for the one row more, which is as much among rows that stand several times.
    assert found == pytest.approx(class_factor(scores[rows], y[rows]), rel=0.05, abs=0.01)
    assert found < 0.8 * class_factor(scores, y)


def forest_rows(weights: torch.Tensor | None, *, one_class: bool = False) -> ForestRows:
    x, value, _ = problem(400)
    y = values_of(KIND, value).numpy()
    return ForestRows(
        x=x.numpy(),
        cardinalities=np.zeros(4, np.int64),
        y=np.zeros_like(y) + 1 if one_class else y,
        task="classes",
        n_classes=3,
        weights=None if weights is None else weights.double().numpy(),
    )


def test_extra_trees_are_those_of_the_library_with_weights() -> None:
    _, _, weights = problem(400)
    rows = forest_rows(weights)
    library = ExtraTreesClassifier(5, min_samples_leaf=3, max_depth=4, random_state=0)
    library.fit(rows.x, rows.y, rows.weights)
    found = fit_extra_trees(rows, trees=5, depth=4).forest(torch.from_numpy(rows.x)).exp()
    votes = (library.predict_proba(rows.x) * 5 + 1 / 3) / 6
    np.testing.assert_allclose(found, votes, atol=1e-5)


@pytest.mark.parametrize("fit", [fit_boosted_forest, fit_extra_trees])
def test_a_forest_follows_the_heavy_rows(fit) -> None:  # type: ignore[no-untyped-def]
    rows = forest_rows(torch.where(problem(400)[2] > 1, 1.0, 1e-6))
    heavy = rows.weights > 0.5  # type: ignore[operator]
    wrong = ForestRows(**{**vars(rows), "y": np.where(heavy, rows.y, 2 - rows.y)})
    found = fit(wrong).forest(torch.from_numpy(rows.x)).argmax(1).numpy()
    assert (found == rows.y)[heavy].mean() > 0.9
    alone = fit_boosted_forest(forest_rows(torch.full((400,), 2.0), one_class=True)).forest
    np.testing.assert_allclose(  # half a row more a class, beside 400 that weigh 800
        alone(torch.zeros(1, 4)).softmax(1)[0], np.array([0.5, 800.5, 0.5]) / 801.5, rtol=1e-4
    )


def test_families_say_whether_they_take_weights() -> None:
    specs = {
        "table": InputSpec(name="x", kind="table", shape=(3,)),
        "text": InputSpec(name="x", kind="text", shape=(4,), cardinalities=(9,)),
        "series": InputSpec(name="x", kind="series", shape=(1, 24)),
    }
    taking = {}
    for name, family in FAMILIES.items():
        if isinstance(family, FittedFamily) and "classification" in family.tasks:
            kind = next(kind for kind in specs if kind in family.kinds)
            case = FittedCase(family=family, spec=specs[kind], target=KIND)
            modules = build(case.resolved).modules_by_name.values()
            taking[name] = any(getattr(m, "takes_weights", False) for m in modules)
    assert taking == dict.fromkeys(("linear", "boosting", "trees", "tfidf", "rocket"), True)

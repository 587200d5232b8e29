"""Ridge regression: equal to scikit-learn's, rows left out, and the factor of class scores."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import RidgeCV
from sklearn.preprocessing import StandardScaler
from torch import Tensor
from torch.nn import functional as F

from autosynth.budget import NEVER, Deadline
from autosynth.components.ridge import (
    PENALTIES,
    CentredLinear,
    class_factor,
    rows_in_time,
    solve_ridge,
)


def problem(n: int, d: int) -> tuple[Tensor, Tensor]:
    """Features of unlike scale, one of them constant, and the classes that some of them make."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(n, d, generator=generator)
    y = (x[:, :3] + 0.5 * torch.randn(n, 3, generator=generator)).argmax(1)
    x = x * torch.logspace(-1, 2, d) + 5
    x[:, -1] = 2.7
    return x, y


@pytest.mark.parametrize(("n", "d"), [(60, 400), (300, 40), (41, 41)])
def test_it_is_the_ridge_of_scikit_learn(n: int, d: int) -> None:
    x, y = problem(n, d)
    targets = F.one_hot(y, 3).float() * 2 - 1
    found = solve_ridge(x, targets)
    scaled = StandardScaler().fit_transform(x.double().numpy())[:, :-1]
    model = RidgeCV(PENALTIES, store_cv_results=True).fit(scaled, targets.double().numpy())
    assert found.penalty == model.alpha_
    layer = CentredLinear(d, 3)
    found.fill(layer)
    np.testing.assert_allclose(layer(x).numpy(), model.predict(scaled), atol=5e-5)
    errors = model.cv_results_[:, :, PENALTIES.index(found.penalty)]
    np.testing.assert_allclose(
        (targets - found.scores).square().numpy(), errors, rtol=1e-4, atol=5e-5
    )


def test_scores_are_those_of_a_fit_without_the_row() -> None:
    x, y = problem(30, 8)
    x = (x[:, :-1] - x[:, :-1].mean(0)) / x[:, :-1].std(0, correction=0)
    found = solve_ridge(x, y[:, None].float(), [3.0])
    others = torch.arange(30) != 11
    centre, middle = x[others].mean(0), y[others].float().mean()
    part = x[others] - centre
    matrix = part.T @ part + 3.0 * torch.eye(7)
    weight = torch.linalg.solve(matrix, part.T @ (y[others] - middle))
    torch.testing.assert_close(found.scores[11, 0], (x[11] - centre) @ weight + middle)


def test_a_feature_that_never_differs_has_no_say() -> None:
    x, y = problem(20, 50)
    found = solve_ridge(x, y[:, None].float())
    assert (found.weight[:, -1] == 0).all()
    assert found.weight[:, :-1].abs().min() > 0


def test_the_factor_has_the_least_log_loss() -> None:
    x, y = problem(200, 20)
    scores = solve_ridge(x, F.one_hot(y, 3).float() * 2 - 1).scores
    factor = class_factor(scores, y)

    def loss(of: float) -> float:
        return float(F.cross_entropy(scores * of, y))

    assert loss(factor) < min(loss(factor * 0.8), loss(factor * 1.25), loss(1.0))
    layer = CentredLinear(20, 3)
    solve_ridge(x, F.one_hot(y, 3).float() * 2 - 1).fill(layer, factor)
    assert float(F.cross_entropy(layer(x), y)) < loss(1.0)


def test_few_rows_guessed_right_leave_some_doubt() -> None:
    y = torch.arange(24) % 4
    scores = F.one_hot(y, 4).float() * 2 - 1
    chance = (scores * class_factor(scores, y)).softmax(1).amax(1)
    assert 0.95 < chance.min() < 0.99  # 1 less 3/4 of 1/25


def test_as_many_rows_are_solved_as_there_is_time_for() -> None:
    features = torch.randn(3000, 900, generator=torch.Generator().manual_seed(0))
    assert rows_in_time(features, NEVER) == 3000
    assert rows_in_time(features, Deadline.after(600.0)) == 3000
    assert rows_in_time(features, Deadline.after(-1.0)) == 512
    assert rows_in_time(features[:400], Deadline.after(-1.0)) == 400
    few = rows_in_time(torch.cat([features, features, features], 1), Deadline.after(0.3))
    assert 512 <= few < 3000

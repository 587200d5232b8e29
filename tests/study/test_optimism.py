"""How hopeful a score is for having been chosen."""

import numpy as np
import pytest

from autosynth.study.optimism import optimism
from autosynth.task.metric import Scorer, mean


def coins(rng: np.random.Generator, rows: int, candidates: int, right: float) -> list[Scorer]:
    """The accuracies of guesses that are each right by chance, equally often."""
    return [mean((rng.random(rows) < right).astype(float)) for _ in range(candidates)]


@pytest.mark.parametrize(("rows", "candidates"), [(80, 40), (400, 40), (80, 4)])
def test_the_best_of_equals_is_as_hopeful_as_it_is_lucky(rows: int, candidates: int) -> None:
    rng, found, true = np.random.default_rng(0), [], []
    for seed in range(40):
        scorers = coins(rng, rows, candidates, 0.7)
        best = max(scorer(np.ones(rows)) for scorer in scorers)
        true.append(best - 0.7)
        guess = optimism(scorers, rows, seed=seed)
        assert guess is not None
        found.append(guess)
    assert np.mean(found) == pytest.approx(np.mean(true), rel=0.35)


def test_what_is_far_better_than_all_others_is_hardly_hopeful() -> None:
    rng = np.random.default_rng(1)
    scorers = [*coins(rng, 1000, 1, 0.95), *coins(rng, 1000, 50, 0.6)]
    found = optimism(scorers, 1000, seed=0)
    assert found is not None
    assert found < 0.004


def test_where_no_score_is_defined_on_resamples_nothing_is_said() -> None:
    assert optimism([lambda weight: 1.0 if weight.all() else np.nan], 20, seed=0) is None

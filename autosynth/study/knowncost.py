"""A sampler for any Optuna study of two objectives: an error, which is learnt, and a known cost.

Most samplers model both objectives. Where the cost is arithmetic on what is chosen, only the
error needs a model: candidates are drawn with their exact costs, and the one is taken that is
expected to add most to the hypervolume. Candidates are random ones and mutations of the front's
members, as on spaces of architectures those win that change what is good (White, Neiswanger and
Savani, 2021, "BANANAS"; Real et al., 2019, "Regularized evolution").

It knows nothing of this package's data and networks. What may be chosen is said by a function that
asks a trial, so that a choice may depend on another one:

    def choose(trial):
        kind = trial.suggest_categorical("kind", ["narrow", "wide"])
        width = trial.suggest_int("width", 8, 64 if kind == "narrow" else 512, log=True)
        return kind, width

    sampler = KnownCostSampler(choose, cost=lambda params: 2.0 * params["width"] ** 2, seed=0)
    study = optuna.create_study(directions=["minimize", "minimize"], sampler=sampler)
"""

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import FrozenTrial

from autosynth.front import layers
from autosynth.study.chosen import AskAll, ChoosingSampler, KnownCost, on_line

# Complete trials, before anything is modelled: until then they are drawn at random.
N_RANDOM = 16
# Candidates a proposal, of each kind.
N_DRAWN, N_MUTATED = 150, 150
# One proposal in ten is drawn at random later on, too: what no model expects is found so.
RANDOM_SHARE = 0.1
# Trials that may end before the model is fitted anew, as a share of those it knows: with ten
# thousand a fit takes seconds, and one more says little.
STALE = 0.02
_TREES = 64


class KnownCostSampler(ChoosingSampler):
    """Proposes what is expected to add most hypervolume, at a cost that is computed.

    The study's first value is the error, its second the cost or its logarithm; both are made
    small. It proposes nothing twice, as long as there is something new.
    """

    def __init__(self, choose: AskAll, cost: KnownCost, *, seed: int | None = None) -> None:
        super().__init__(choose, cost, seed=seed)
        self._model: _ErrorModel | None = None

    def propose(self, trials: Sequence[FrozenTrial]) -> dict[str, Any]:
        """Answers by name for one more trial, given all there are."""
        known = self.ended(trials)
        if len(known) < N_RANDOM or self.rng.random() < RANDOM_SHARE:
            found = self.new([None] * 20, trials)
            return found[0].params if found else self.some()
        points = np.array([[each.values[0], self.log_cost(each.params)] for each in known])
        front = [known[at].params for at in np.flatnonzero(layers(points) == 1)]
        parents = [front[at] for at in self.rng.integers(len(front), size=N_MUTATED)]
        candidates = self.new([*[None] * N_DRAWN, *parents], trials)
        if not candidates:  # a small space is exhausted
            return self.some()
        if self._model is None or len(known) > (1 + STALE) * self._model.n_known:
            self._model = _ErrorModel(known, int(self.rng.integers(2**31)))
        errors = self._model.predict([(each.params, each.distributions) for each in candidates])
        costs = np.array([self.log_cost(each.params) for each in candidates])
        gains = hypervolume_gains(errors, costs, points)
        return candidates[int(gains.argmax())].params


def hypervolume_gains(
    errors: NDArray[np.float64],
    costs: NDArray[np.float64],
    points: NDArray[np.float64],
    *,
    reach: float = 0.0,
) -> NDArray[np.float64]:
    """The expected gain in hypervolume of each candidate, (n,).

    The reference point is the worst error and the largest cost among all points and candidates.

    Args:
        errors: (draws, n), what each candidate's error may be.
        costs: (n,), exact.
        points: (m, 2), error and cost of what is known.
        reach: how far beyond the largest cost the reference point lies: what is dearest gains
            nothing without.
    """
    worst = max(float(points[:, 0].max()), float(errors.max()))
    largest = max(float(points[:, 1].max()), float(costs.max())) + reach
    order = np.argsort(points[:, 1], kind="stable")
    steps, best = points[order, 1], np.minimum.accumulate(points[order, 0])
    # Between two costs the best error of what costs no more; before the first the worst there is.
    start = np.concatenate([[-np.inf], steps])
    end = np.concatenate([steps, [largest]])
    height = np.concatenate([[worst], best])
    width = np.clip(end - np.maximum(start, costs[:, None]), 0.0, None)
    above = np.clip(height - errors[:, :, None], 0.0, None)
    found: NDArray[np.float64] = (above * width).sum(2).mean(0)
    return found


class _ErrorModel:
    """Extra trees on what was answered, a column a question; what was not asked is -1."""

    def __init__(self, known: Sequence[FrozenTrial], seed: int) -> None:
        self.n_known = len(known)
        names = {name for each in known for name in each.params}
        self._names = sorted(names)
        # Late: it takes half a second, and a study of few trials has no model.
        forests: Any = import_module("sklearn.ensemble")
        self._forest = forests.ExtraTreesRegressor(
            _TREES, min_samples_leaf=2, random_state=seed, n_jobs=1
        )
        rows = self._rows([(each.params, each.distributions) for each in known])
        self._forest.fit(rows, [each.values[0] for each in known])

    def predict(
        self, asked: Sequence[tuple[Mapping[str, Any], Mapping[str, BaseDistribution]]]
    ) -> NDArray[np.float64]:
        """What each tree says of each, (trees, n)."""
        rows = self._rows(asked).astype(np.float32)
        return np.array([tree.predict(rows) for tree in self._forest.estimators_])

    def _rows(
        self, asked: Sequence[tuple[Mapping[str, Any], Mapping[str, BaseDistribution]]]
    ) -> NDArray[np.float64]:
        return np.array(
            [
                [_number(params, distributions, name) for name in self._names]
                for params, distributions in asked
            ]
        )


def _number(
    params: Mapping[str, Any], distributions: Mapping[str, BaseDistribution], name: str
) -> float:
    """An answer from 0 to 1, or the place of a category; -1 where nothing was asked."""
    if name not in params:
        return -1.0
    distribution = distributions[name]
    value: float = distribution.to_internal_repr(params[name])
    if isinstance(distribution, CategoricalDistribution):
        return value
    assert isinstance(distribution, IntDistribution | FloatDistribution)
    low, high = on_line(distribution, distribution.low), on_line(distribution, distribution.high)
    return (on_line(distribution, value) - low) / (high - low) if high > low else 0.0

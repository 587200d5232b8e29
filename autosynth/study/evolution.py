"""Regularised evolution as an Optuna sampler: one of the latest trials, changed a little."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from optuna.trial import FrozenTrial

from autosynth.front import layers
from autosynth.study.chosen import ChoosingSampler

# Of the latest complete trials parents are drawn: what is old dies, however good it was.
POPULATION = 50
# So many of them are drawn, and the best is the parent.
TOURNAMENT = 10


class EvolutionSampler(ChoosingSampler):
    """Mutates the best of a few that are drawn from the latest trials.

    Real, Aggarwal, Huang and Le (2019), "Regularized evolution for image classifier architecture
    search". Of two objectives the better one stands on the better layer of (error, log cost), and
    of the same layer either. Until there is a population, trials are drawn at random.
    """

    def propose(self, trials: Sequence[FrozenTrial]) -> dict[str, Any]:
        """Answers by name for one more trial, given all there are."""
        known = self.ended(trials)[-POPULATION:]
        parents: list[Any] = [None] * 20
        if len(known) >= min(POPULATION, TOURNAMENT):
            points = np.array([[each.values[0], self.log_cost(each.params)] for each in known])
            layer = layers(points)
            few = self.rng.permutation(len(known))[:TOURNAMENT]
            parents = [known[few[int(layer[few].argmin())]].params] * 20
        found = self.new(parents, trials) or self.new([None] * 20, trials)
        return found[0].params if found else self.some()

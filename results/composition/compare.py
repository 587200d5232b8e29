"""The runs of a set compared: means over seeds, paired differences with intervals, the front.

An interval is of a bootstrap that draws seeds and test rows, each with replacement and on its own,
the same for both strategies (pigeonhole bootstrap, Owen, 2007, doi:10.1214/07-AOAS122): it covers
other seeds and other rows. It is rather too wide for rows, and two or three seeds say little of
others.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from ledger import Run, by_strategy, unpack_bits, unpack_numbers
from numpy.typing import NDArray
from schedule import Schedule

from autosynth.plugin import TASKS
from autosynth.strategy import parse, topology

N_RESAMPLES = 2000
Numbers = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Difference:
    """A mean paired difference of test scores over `seeds` seeds, and its 95 % interval."""

    mean: float
    low: float
    high: float
    seeds: int


class Sheet:
    """All runs of a set, and what is asked of them; scores are those of the set's metric."""

    def __init__(self, schedule: Schedule, runs: Sequence[Run]) -> None:
        levels = {level.strategy for level in schedule.levels}
        self.schedule = schedule
        self.runs = by_strategy([run for run in runs if run.strategy in levels])
        self.n, self.metric = schedule.rows["test"], schedule.metric
        self._replicates: dict[tuple[str, int], Numbers] = {}

    def singles(self) -> list[str]:
        """The single components that were trained, whichever factor they stand for."""
        return [text for text in self.runs if topology(parse(text).root) == "single"]

    def composites(self) -> list[str]:
        """The composites that were trained on the schedule as it is: none for longer."""
        asked = {text: parse(text) for text in self.runs}
        return [
            text for text, strategy in asked.items()
            if topology(strategy.root) != "single" and strategy.setting("length", 1.0) == 1.0
        ]  # fmt: skip

    def one(self, strategy: str) -> Run:
        """Any run of a strategy: what it costs does not depend on the seed."""
        return next(iter(self.runs[strategy].values()))

    def seeds(self, *strategies: str) -> list[int]:
        """The seeds under which all of these were trained."""
        found = [set(self.runs.get(strategy, {})) for strategy in strategies]
        return sorted(set.intersection(*found))

    def test(self, strategy: str) -> float:
        """The mean test score over seeds."""
        return float(np.mean([r.test[self.metric] for r in self.runs[strategy].values()]))

    def select(self, strategy: str) -> float:
        """The mean score over seeds on the rows that choices are made on."""
        return float(np.mean([r.select[self.metric] for r in self.runs[strategy].values()]))

    def spread(self, strategy: str) -> float:
        """The standard deviation of the test score over seeds; 0 for one."""
        scores = [r.test[self.metric] for r in self.runs[strategy].values()]
        return float(np.std(scores, ddof=1)) if len(scores) > 1 else 0.0

    def seconds(self, strategy: str) -> float:
        """The least time that its training took: other work on the machine adds only."""
        return min(r.train_seconds for r in self.runs[strategy].values())

    def best(self, strategies: Sequence[str], most_flops: float = np.inf) -> str | None:
        """The best on `select` among those trained that cost at most so much; None without any."""
        there = [s for s in strategies if s in self.runs and self.one(s).flops <= most_flops]
        return max(there, key=lambda s: (self.select(s), -self.one(s).flops), default=None)

    def front(self, strategies: Sequence[str]) -> list[str]:
        """Those that none as cheap beats on `select`, from the cheapest."""
        there = sorted(
            {s for s in strategies if s in self.runs},
            key=lambda s: (self.one(s).flops, -self.select(s)),
        )
        found: list[str] = []
        for strategy in there:
            if not found or self.select(strategy) > self.select(found[-1]):
                found.append(strategy)
        return found

    def difference(self, one: str, other: str) -> Difference | None:
        """How much better `one` is on test than `other`, paired; None without a common seed."""
        seeds = self.seeds(one, other)
        if not seeds:
            return None
        deltas = [
            self.runs[one][seed].test[self.metric] - self.runs[other][seed].test[self.metric]
            for seed in seeds
        ]
        drawn = np.stack([self._scores(one, s) - self._scores(other, s) for s in seeds])
        rng = np.random.default_rng(1)
        picks = rng.integers(0, len(seeds), (N_RESAMPLES, len(seeds)))
        means = drawn[picks, np.arange(N_RESAMPLES)[:, None]].mean(axis=1)
        low, high = np.percentile(means, (2.5, 97.5))
        return Difference(
            mean=float(np.mean(deltas)), low=float(low), high=float(high), seeds=len(seeds)
        )

    @cached_property
    def _weights(self) -> NDArray[np.uint8]:
        """How often each test row is drawn, in every resample: `(N_RESAMPLES, rows)`."""
        rng = np.random.default_rng(0)
        return np.stack([
            np.bincount(rng.integers(0, self.n, self.n), minlength=self.n).astype(np.uint8)
            for _ in range(N_RESAMPLES)
        ])  # fmt: skip

    def _scores(self, strategy: str, seed: int) -> Numbers:
        """The test score under every resample of the rows."""
        key = strategy, seed
        if key not in self._replicates:
            run = self.runs[strategy][seed]
            if self.metric == "accuracy":
                rows = np.flatnonzero(unpack_bits(run.hits, self.n))
                scores = self._weights[:, rows].sum(axis=1) / self.n
            else:
                labels = unpack_bits(self.schedule.labels, self.n).astype(np.int64)
                share = 1 / (1 + np.exp(-unpack_numbers(run.odds)))
                score = (
                    TASKS["classification"]
                    .metrics[self.metric]
                    .prepare(labels, np.stack([1 - share, share], axis=1))
                )
                scores = np.array([score(w.astype(np.float64)) for w in self._weights])
            self._replicates[key] = scores
        return self._replicates[key]

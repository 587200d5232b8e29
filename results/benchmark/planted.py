"""Samplers by name on planted spaces: hypervolume after some trials, and the time of a proposal.

    python results/benchmark/planted.py --data data --seeds 3

What is chosen between is what a search of pictures has; errors and costs are planted, so that a
trial takes no time: each answer, and each pair of the topology with another answer, has an effect
that is drawn once, and what is dear is better. Every sampler has the same spaces and seeds.
"""

import argparse
import math
import time
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
import optuna
import pandas as pd
from optuna.trial import BaseTrial
from scipy.stats import wilcoxon
from sets import BenchmarkSet

from autosynth.study.samplers import SAMPLERS
from autosynth.study.space import Space
from autosynth.study.suggest import suggest

# Costs lie between these, as powers of ten.
CHEAPEST, DEAREST = 3.0, 8.0


@dataclass(frozen=True, kw_only=True)
class Planted:
    """A space whose errors and costs follow from the answers, and from a number."""

    space: Space
    number: int

    def choose(self, trial: BaseTrial) -> object:
        """All that is asked of a trial."""
        return suggest(trial, self.space)

    def cost(self, params: Mapping[str, Any]) -> float:
        """Larger sizes cost more; between a thousand and a hundred million."""
        sizes = [value for value in params.values() if isinstance(value, int)]
        effects = [self._effect("cost", name, value) for name, value in params.items()]
        found = 4.5 + 0.15 * sum(sizes) + 0.3 * sum(effects)
        return float(10 ** min(max(found, CHEAPEST), DEAREST))

    def error(self, params: Mapping[str, Any]) -> float:
        """Between 0 and 1: what is dear is better, and some answers are, some with others."""
        alone = [self._effect("alone", *pair) for pair in params.items()]
        joined = [self._effect(str(params.get("topology")), *pair) for pair in params.items()]
        tilt = (math.log10(self.cost(params)) - CHEAPEST) / (DEAREST - CHEAPEST)
        found = 0.35 * (sum(alone) + sum(joined)) / math.sqrt(len(params)) - 1.5 * tilt
        return 1.0 / (1.0 + math.exp(-found))

    def _effect(self, *of: object) -> float:
        """From -1 to 1, drawn once for what it is of."""
        return crc32(repr((self.number, *of)).encode()) / 2**31 - 1.0


@cache
def _space(data: Path) -> Space:
    return BenchmarkSet(name="digits", data=data).context.space


def searched(name: str, number: int, seed: int, trials: int, data: Path) -> dict[str, Any]:
    """A study by a sampler: its hypervolume, of which 1 is all, and milliseconds a proposal."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    planted = Planted(space=_space(data), number=number)
    sampler = SAMPLERS[name].make(planted.choose, planted.cost, seed)
    study = optuna.create_study(directions=["minimize", "minimize"], sampler=sampler)
    seconds = 0.0
    for _ in range(trials):
        began = time.process_time()
        trial = study.ask()
        planted.choose(trial)
        seconds += time.process_time() - began
        study.tell(trial, [planted.error(trial.params), math.log10(planted.cost(trial.params))])
    points = np.array([trial.values for trial in study.best_trials])
    points = points[np.lexsort(points.T)]
    best = np.minimum.accumulate(points[:, 0])
    volume = float(((1.0 - best) * np.diff(np.append(points[:, 1], DEAREST))).sum())
    return {
        "sampler": name,
        "space": number,
        "seed": seed,
        "hypervolume": volume / (DEAREST - CHEAPEST),
        "proposal_ms": 1e3 * seconds / trials,
    }


def main() -> None:
    """Compare the samplers, and print a table."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--data", type=Path, default=Path("data"))
    asked.add_argument("--spaces", type=int, default=3)
    asked.add_argument("--seeds", type=int, default=3)
    asked.add_argument("--trials", type=int, default=200)
    asked.add_argument("--workers", type=int, default=2)
    options = asked.parse_args()
    jobs = list(product(SAMPLERS, range(options.spaces), range(options.seeds)))
    with ProcessPoolExecutor(options.workers) as pool:
        rows = pool.map(searched, *zip(*jobs, strict=True), *[[options.trials] * len(jobs),
                        [options.data] * len(jobs)])  # fmt: skip
        found = pd.DataFrame(rows)
    table = found.pivot(index=["space", "seed"], columns="sampler", values="hypervolume")
    print("| sampler | hypervolume | over `random` | p | better in | CPU of a proposal |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    for name in SAMPLERS:
        gain = table[name] - table["random"]
        p = f"{wilcoxon(gain).pvalue:.3f}" if gain.any() and len(gain) > 4 else "-"
        spent = found.loc[found.sampler == name, "proposal_ms"].mean()
        more = f"{(gain > 0).sum()} of {len(gain)}"
        print(f"| `{name}` | {table[name].mean():.4f} | {gain.mean():+.4f} | {p} | {more} | "
              f"{spent:.0f} ms |")  # fmt: skip


if __name__ == "__main__":
    main()

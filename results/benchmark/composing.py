"""Fusions of single components' kept outputs: this package's way against others, on test rows.

    python results/benchmark/composing.py --data data

Means of outputs are scored on the first 500 validation rows, and the front of (error, log10 FLOPs)
that they make there on the first 500 of test, by its hypervolume:

- `singles`: the single components alone.
- `search`: what a search scores: all means of two and of three, and of each part the means that
  are grown from it, one by one, for as long as they gain.
- `greedy`: greedy selection with replacement (Caruana et al., 2004) of score minus a weight times
  the logarithm of the cost, for several weights, as Maier and Purucker (2026, arXiv:2603.10582)
  compare with.
- `hapens`: a population of ensembles on a grid of cost and diversity, each place with its best,
  that are changed and crossed: HAPEns as its authors' text describes it, with FLOPs for memory.
"""

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from sets import SETS, BenchmarkSet
from trainings import KEPT_ROWS

from autosynth.composite.objective import mean_of
from autosynth.front import ParetoFront
from autosynth.training.output import finished_rows

HERE = Path(__file__).parent
WEIGHTS = (0.0, 0.001, 0.003, 0.01, 0.03, 0.1)
ROUNDS = 25
EVALUATIONS = 3000
COST_BINS, DIVERSITY_BINS = 7, 7
Members = tuple[int, ...]
"""Parts by number, ascending; one that stands twice has twice the weight."""


class Bank:
    """The single components of a set: outputs and costs, and what means of them come to."""

    def __init__(self, where: BenchmarkSet, outputs: pd.DataFrame, flops: dict[str, int]) -> None:
        self.context = where.context
        splits = self.context.dataset.splits
        self.rows = {
            "validation": splits.validation[:KEPT_ROWS],
            "test": splits.test[:KEPT_ROWS],
        }
        wide = outputs.pivot_table(
            index="strategy", columns="part", values="outputs", aggfunc="first"
        )
        wide = wide[[name in flops for name in wide.index]].dropna()
        self.raw = {
            part: [_numbers(text, len(rows)) for text in wide[part]]
            for part, rows in self.rows.items()
        }
        self.costs = np.array([flops[name] for name in wide.index], dtype=float)
        self.validation = lru_cache(maxsize=None)(
            lambda members: self._error(members, "validation")
        )
        self.tested = lru_cache(maxsize=None)(lambda members: self._error(members, "test"))

    def __len__(self) -> int:
        return len(self.costs)

    def cost(self, members: Members) -> float:
        """log10 of the FLOPs of all of them, each once."""
        return float(np.log10(max(self.costs[list(set(members))].sum(), 1.0)))

    def _error(self, members: Members, part: str) -> float:
        raw = mean_of(self.context.dataset.target, [self.raw[part][at] for at in members])
        rows = self.rows[part]
        found = finished_rows(raw, self.context.device_dataset, rows).numpy()
        return self.context.error(self.context.score(rows, found))


def _numbers(text: bytes, n: int) -> torch.Tensor:
    return torch.from_numpy(np.frombuffer(text, "<f2").astype("f4").reshape(n, -1))


def singles(bank: Bank, rng: np.random.Generator) -> Iterator[Members]:
    """Each alone."""
    yield from ((at,) for at in range(len(bank)))


def search(bank: Bank, rng: np.random.Generator) -> Iterator[Members]:
    """All means of two and of three, and those that are grown from each."""
    yield from singles(bank, rng)
    for size in (2, 3):
        yield from combinations(range(len(bank)), size)
    for at in range(len(bank)):
        grown: Members = (at,)
        while len(grown) < 8:
            larger = [
                tuple(sorted((*grown, other))) for other in range(len(bank)) if other not in grown
            ]
            best = min(larger, key=bank.validation, default=grown)
            if bank.validation(best) >= bank.validation(grown):
                break
            grown = best
            yield grown


def greedy(bank: Bank, rng: np.random.Generator) -> Iterator[Members]:
    """With replacement, for several weights of the cost."""
    yield from singles(bank, rng)
    for weight in WEIGHTS:
        members: Members = ()
        for _ in range(ROUNDS):
            larger = [tuple(sorted((*members, at))) for at in range(len(bank))]
            members = min(
                larger, key=lambda each: bank.validation(each) + weight * bank.cost(each)
            )
            yield members


def hapens(bank: Bank, rng: np.random.Generator) -> Iterator[Members]:
    """A population on a grid of cost and diversity."""
    shares = np.stack([_flat(raw) for raw in bank.raw["validation"]])
    alike = np.nan_to_num(np.corrcoef(shares), nan=1.0)
    costs = [bank.cost((at,)) for at in range(len(bank))]
    lowest, width = min(costs), max(max(costs) - min(costs), 1e-9) + 0.5
    kept: dict[tuple[int, int], Members] = {}

    def put(members: Members) -> None:
        own = sorted(set(members))
        spread = 1.0 - float(np.mean([alike[a, b] for a, b in combinations(own, 2)] or [1.0]))
        place = (
            min(int(COST_BINS * (bank.cost(members) - lowest) / width), COST_BINS - 1),
            min(int(DIVERSITY_BINS * max(spread, 0.0)), DIVERSITY_BINS - 1),
        )
        if place not in kept or bank.validation(members) < bank.validation(kept[place]):
            kept[place] = members

    for members in singles(bank, rng):
        put(members)
        yield members
    for _ in range(EVALUATIONS):
        parents = list(kept.values())
        one = parents[rng.integers(len(parents))]
        if rng.random() < 0.5:
            other = parents[rng.integers(len(parents))]
            pool = [*one, *other]
            size = int(rng.integers(1, min(len(pool), ROUNDS) + 1))
            members = tuple(sorted(rng.choice(pool, size, replace=False).tolist()))
        elif len(one) > 1 and rng.random() < 0.4:
            members = tuple(np.delete(one, rng.integers(len(one))).tolist())
        else:
            members = tuple(sorted((*one, int(rng.integers(len(bank))))))
        put(members)
        yield members


def _flat(raw: torch.Tensor) -> np.ndarray:
    """Outputs as one row, classes as probabilities."""
    return (torch.softmax(raw, 1) if raw.shape[1] > 1 else raw).numpy().ravel()


METHODS: dict[str, Callable[[Bank, np.random.Generator], Iterator[Members]]] = {
    "singles": singles,
    "greedy": greedy,
    "hapens": hapens,
    "search": search,
}


def held(
    bank: Bank, found: Sequence[Members], worst: float, largest: float
) -> tuple[float, float]:
    """The hypervolume on test of the front on validation rows, and the error of its best."""
    chosen, front = ParetoFront(), ParetoFront()
    for number, members in enumerate(found):
        chosen.insert(number, bank.cost(members), bank.validation(members))
    for number in chosen:
        front.insert(number, bank.cost(found[number]), bank.tested(found[number]))
    best = min(found, key=bank.validation)
    return front.hypervolume(largest, worst), bank.tested(best)


def main() -> None:
    """Print a table, a set a row."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("sets", nargs="*", choices=[*SETS, []])
    parser.add_argument("--data", type=Path, default=Path("data"))
    parser.add_argument("--seeds", type=int, default=3)
    args = parser.parse_args()
    outputs = pd.read_parquet(HERE / "outputs.parquet")
    table = pd.read_parquet(HERE / "trainings.parquet")
    table = table[(table["seed"] == 0) & (table["length"] == 1) & (table["state"] == "complete")]
    sys.stdout.write(f"| set | parts | {' | '.join(METHODS)} |\n")
    sys.stdout.write(f"| --- | ---: |{' ---: |' * len(METHODS)}\n")
    for name, group in outputs.groupby("set"):
        if args.sets and name not in args.sets:
            continue
        known = table[table["set"] == name]
        flops = dict(zip(known["strategy"], known["flops"].astype(int), strict=True))
        bank = Bank(BenchmarkSet(name=str(name), data=args.data), group, flops)
        worst = bank.context.error(bank.context.trivial_score)  # that of knowing nothing
        largest = float(np.log10(bank.costs.sum())) + 0.1
        volumes: dict[str, list[tuple[float, float]]] = {}
        for method, make in METHODS.items():
            for seed in range(args.seeds if method == "hapens" else 1):
                found = list(dict.fromkeys(make(bank, np.random.default_rng(seed))))
                volumes.setdefault(method, []).append(held(bank, found, worst, largest))
        base = volumes["singles"][0][0]
        cells = [
            f"{np.mean([v for v, _ in found]) / base:.3f}, {np.mean([e for _, e in found]):.4f}"
            for found in volumes.values()
        ]
        sys.stdout.write(f"| {name} | {len(bank)} | {' | '.join(cells)} |\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()

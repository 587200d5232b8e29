"""What twice the budget brings, over what the second half of it has brought: by replays.

    python results/benchmark/outlook.py --orders 10

Searches are replayed and looked at when a part of the price of all is spent, and when twice as
much is. Of the factors between the two gains the quantiles of 5 and 95 % are what
`autosynth/leaderboard/outlook.py` holds; and each set is foreseen by those of all others.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from methods import METHODS
from pools import Pool, guessing, pools
from replay import replay

from autosynth.front import ParetoFront
from autosynth.leaderboard.outlook import LEAST_MOVED, Moved, outlook

HERE = Path(__file__).parent
SHARES = (0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5)
QUANTILES = (0.05, 0.95)


def looks(pool: Pool, orders: int, method: str) -> Iterator[tuple[float, float]]:
    """What the second half of a budget has added, and what as much again does, as shares."""
    for order in range(orders):
        steps: list[Moved] = []
        made = METHODS[method](pool, order)
        told = made.told

        def note(action, error, told=told, steps=steps):  # type: ignore[no-untyped-def]
            steps.append(
                Moved(
                    price=pool.costs[action.arm.key, action.level],
                    error=1.0 if error is None else error,
                    cost=float(np.log10(action.arm.cost)),
                )
            )
            told(action, error)

        made.told = note  # type: ignore[method-assign]
        replay(pool, made, 1, 1.1 * pool.whole_price)
        spent = np.cumsum([step.price for step in steps])
        for share in SHARES:
            prices = np.array([share, 2 * share]) * pool.whole_price
            half, whole = np.searchsorted(spent, prices, side="right").tolist()
            once, twice = steps[:half], steps[:whole]
            if (found := outlook(once, pool.trivial)) is not None:
                yield found.last_half, _gain(once, twice, pool.trivial)


def _gain(once: list[Moved], twice: list[Moved], worst: float) -> float:
    """What the later trainings add to the hypervolume, as a share of it."""
    largest = max(step.cost for step in once) + np.log10(2.0)

    def volume(steps: list[Moved]) -> float:
        front = ParetoFront()
        for number, step in enumerate(steps):
            front.insert(number, step.cost, step.error)
        return front.hypervolume(float(largest), worst)

    return volume(twice) / volume(once) - 1.0


def main() -> None:
    """Print the quantiles over all sets, and how often each set was within those of the others."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--orders", type=int, default=10)
    parser.add_argument("--method", default="experienced", choices=list(METHODS))
    parser.add_argument("--unit", default="seconds", choices=["train_flops", "seconds"])
    args = parser.parse_args()
    table = pd.read_parquet(HERE / "trainings.parquet")
    found = {
        name: np.array(list(looks(pool, args.orders, args.method)))
        for name, pool in guessing(pools(table, "wsd", args.unit), table).items()
    }
    found = {name: each for name, each in found.items() if len(each)}
    factors = {name: each[:, 1] / (each[:, 0] + LEAST_MOVED) for name, each in found.items()}
    whole = np.quantile(np.concatenate(list(factors.values())), QUANTILES)
    sys.stdout.write(f"of all sets: {whole[0]:.3f} to {whole[1]:.3f}\n\n")
    sys.stdout.write("| set, left out | looks | within | median gain | median width |\n")
    sys.stdout.write("| --- | ---: | ---: | ---: | ---: |\n")
    inside: list[bool] = []
    for name, ours in factors.items():
        others = np.concatenate([each for other, each in factors.items() if other != name])
        low, high = np.quantile(others, QUANTILES)
        is_in = (low <= ours) & (ours <= high)
        inside += is_in.tolist()
        widths = (high - low) * (found[name][:, 0] + LEAST_MOVED)
        sys.stdout.write(
            f"| {name} | {len(ours)} | {is_in.mean():.2f} | {np.median(found[name][:, 1]):.4f} | "
            f"{np.median(widths):.4f} |\n"
        )
    sys.stdout.write(f"\nwithin, of all: {np.mean(inside):.3f}\n")


if __name__ == "__main__":
    main()

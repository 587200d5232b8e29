"""Replays searches on the table of trainings: any method, any number of workers, in seconds.

    python results/benchmark/replay.py                           # all methods, all sets, 20 orders
    python results/benchmark/replay.py mnist1d --methods random auction --orders 5 --workers 4

A replay asks a method what to train next whenever a worker is free, and tells it the validation
error when that would have ended, on a clock of its own: training FLOPs, or seconds. What a search
has at a moment is the front of what ended by then, chosen on validation rows; it is worth the
hypervolume of (test error, log10 FLOPs) of its members, over that of the front of the whole table.
"""

import argparse
import heapq
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from methods import METHODS, Method
from pools import Pool, guessing, pools
from scipy.stats import wilcoxon

from autosynth.study.auction import Action, Arm

HERE = Path(__file__).parent
SHARES = (0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0)
"""Of the price of training everything to its end, at which searches are compared."""


def replay(pool: Pool, method: Method, workers: int, budget: float) -> list[tuple[float, float]]:
    """The worth of what a search has, after each training that ended: (price so far, worth).

    Args:
        pool: what there is to be trained.
        method: what comes next.
        workers: trainings at a time; the clock goes on in `workers` at once.
        budget: the price of all, at which it ends.
    """
    ahead: list[tuple[float, int, Action, float, float]] = []
    shown: list[tuple[Arm, int]] = []
    course: list[tuple[float, float]] = []
    now, spent, number = 0.0, 0.0, 0
    while True:
        while len(ahead) < workers and spent < budget:
            action = method.choose()
            if action is None:
                break
            price = action.arm.prices[action.level]
            stopped = method.stops(action)
            price = price if stopped is None else price * stopped
            spent += price
            number += 1
            heapq.heappush(ahead, (now + price, number, action, price, stopped or 0.0))
        if not ahead:
            return course
        now, _, action, price, stopped = heapq.heappop(ahead)
        if stopped:
            method.told(action, None)
        else:
            shown.append((action.arm, action.level))
            method.told(action, pool.val[action.arm.key, action.level])
        course.append((now * workers, pool.worth(shown)))


def at_shares(pool: Pool, course: Sequence[tuple[float, float]]) -> list[float]:
    """The worth at each share of the whole price, over that of everything."""
    prices = np.array([price for price, _ in course])
    worth = np.array([0.0, *(each for _, each in course)])
    places = np.searchsorted(prices, np.array(SHARES) * pool.whole_price, side="right")
    return [float(each) for each in worth[places] / pool.full]


def share_to(pool: Pool, course: Sequence[tuple[float, float]], worth: float) -> float:
    """The share of the whole price after which it is worth so much, and stays so; or infinity."""
    enough = [price for price, each in course if each >= worth * pool.full]
    return enough[0] / pool.whole_price if enough else np.inf


def main() -> None:
    """Print a table a set, and how the methods compare over all."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("sets", nargs="*")
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=list(METHODS))
    parser.add_argument("--orders", type=int, default=20)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--schedule", default="wsd")
    parser.add_argument("--goes-on", action="store_true", help="longer trainings go on")
    parser.add_argument("--unit", default="train_flops", choices=["train_flops", "seconds"])
    args = parser.parse_args()
    table = pd.read_parquet(HERE / "trainings.parquet")
    rows = []
    found = pools(table, args.schedule, args.unit, args.sets, goes_on=args.goes_on)
    for name, pool in guessing(found, table).items():
        for method in args.methods:
            for order in range(args.orders):
                course = replay(pool, METHODS[method](pool, order), args.workers,
                                1.5 * pool.whole_price)  # fmt: skip
                worth = at_shares(pool, course)
                shares: dict[object, float] = dict(zip(SHARES, worth, strict=True))
                rows.append(
                    {
                        "set": name,
                        "method": method,
                        "order": order,
                        **shares,
                        "to98": share_to(pool, course, 0.98),
                    }  # fmt: skip
                )
    _print(pd.DataFrame(rows), args.methods)


def _print(found: pd.DataFrame, methods: Sequence[str]) -> None:
    lines = [["set", "method", *map(str, SHARES), "to .98 (median)"]]
    for (name, method), group in found.groupby(["set", "method"], sort=False):
        means = [f"{group[share].mean():.3f}" for share in SHARES]
        lines.append([name, method, *means, f"{group['to98'].median():.3f}"])
    for method, group in found.groupby("method", sort=False):
        means = [f"{group[share].mean():.3f}" for share in SHARES]
        lines.append(["all", method, *means, f"{group['to98'].median():.3f}"])
    last = methods[-1]
    ours = found[found["method"] == last].set_index(["set", "order"])
    for method in methods[:-1]:
        other = found[found["method"] == method].set_index(["set", "order"])
        gains = (ours[0.2] - other[0.2]).to_numpy()
        p = wilcoxon(gains).pvalue if np.any(gains) else 1.0
        lines.append([f"{last} - {method} at .2", f"{gains.mean():+.4f}", f"p {p:.1e}"])
    for line in lines:
        sys.stdout.write("| " + " | ".join(line) + " |\n")


if __name__ == "__main__":
    main()

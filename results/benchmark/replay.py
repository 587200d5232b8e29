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
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
from methods import METHODS, Known, Method
from scipy.stats import wilcoxon

from autosynth.strategy import parse
from autosynth.study.auction import Action, Arm, hypervolume
from autosynth.study.encoding import answers_of

HERE = Path(__file__).parent
LEVELS = (0.11, 0.33, 1.0)
SHARES = (0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0)
"""Of the price of training everything to its end, at which searches are compared."""


@dataclass(frozen=True, kw_only=True)
class Pool:
    """All that was trained on a set on one schedule, as arms and what each comes to.

    `val` and `test` are errors by arm and level, `rung` validation errors within the longest
    training after a third of it.
    """

    name: str
    arms: list[Arm]
    val: dict[tuple[str, int], float]
    test: dict[tuple[str, int], float]
    rung: dict[str, float]
    trivial: float

    @cached_property
    def whole_price(self) -> float:
        """Of training every arm once at full length."""
        return sum(arm.prices[-1] for arm in self.arms)

    @cached_property
    def reference(self) -> tuple[float, float]:
        """The worst error that counts, and the largest cost, of hypervolumes."""
        return self.trivial, max(float(np.log10(arm.cost)) for arm in self.arms) + 0.1

    def worth(self, shown: Sequence[tuple[Arm, int]]) -> float:
        """The hypervolume on test of the front, chosen on validation, of what has ended."""
        if not shown:
            return 0.0
        points = np.array([[self.val[a.key, at], np.log10(a.cost)] for a, at in shown])
        order = np.lexsort((points[:, 1], points[:, 0]))
        order = order[np.argsort(points[order, 1], kind="stable")]
        best, front = np.inf, []
        for at in order:
            if points[at, 0] < best:
                best = points[at, 0]
                arm, level = shown[at]
                front.append([self.test[arm.key, level], points[at, 1]])
        return hypervolume(np.array(front), self.reference)

    @cached_property
    def full(self) -> float:
        """Of everything trained to its end."""
        return self.worth([(arm, len(arm.prices) - 1) for arm in self.arms])


def pools(
    table: pd.DataFrame,
    schedule: str,
    unit: str,
    names: Sequence[str] = (),
    *,
    goes_on: bool = False,
) -> dict[str, Pool]:
    """The sets of a table, each with the strategies that ended at all lengths of a schedule.

    `unit` is that of prices: `train_flops` or `seconds`. Each length is a training of its own; or
    one that `goes_on` where the one before began to come down, as those of `wsd` could.
    """
    table = table[(table["seed"] == 0) & (table["state"] == "complete")]
    found: dict[str, Pool] = {}
    for name, group in table.groupby("set", sort=False):
        if names and name not in names:
            continue
        arms, val, test, rung = [], {}, {}, {}
        for text, runs in group.groupby("strategy", sort=False):
            fitted = runs[(runs["steps"] == 0)]
            ours = fitted if len(fitted) else runs[runs["schedule"] == schedule]
            by_level = {LEVELS.index(row["length"]): row for _, row in ours.iterrows()}
            if not (len(fitted) or len(by_level) == len(LEVELS)):
                continue
            rows = [by_level[at] for at in sorted(by_level)]
            prices = [float(row[unit]) for row in rows]
            if goes_on and len(prices) == len(LEVELS):
                prices = [prices[0], prices[1] - 0.8 * prices[0], prices[2] - 0.8 * prices[1]]
            # What is fitted costs no FLOPs that are counted; nothing is free of charge.
            prices = [max(each, 1e8 if unit == "train_flops" else 0.01) for each in prices]
            arm = Arm(
                key=str(text),
                answers=answers_of(parse(str(text))),
                cost=float(max(rows[-1]["flops"], 1)),
                prices=tuple(prices),
                is_single=rows[-1]["topology"] == "single",
            )
            arms.append(arm)
            for at, row in enumerate(rows):
                val[arm.key, at], test[arm.key, at] = row["val_error"], row["test_error"]
            rungs = dict(zip(rows[-1]["rungs"], rows[-1]["rung_errors"], strict=True))
            rung[arm.key] = rungs.get(0.3333, np.nan)
        # An error of 1 is that of knowing nothing, where a metric says so; of classes the worst.
        trivial = 1.0 if max(val.values()) > 1 else max(v for (_, at), v in val.items())
        found[str(name)] = Pool(
            name=str(name), arms=arms, val=val, test=test, rung=rung, trivial=trivial
        )
    return found


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
            known = Known(pool=pool, rung=pool.rung)
            action = method.choose(known)
            if action is None:
                break
            price = action.arm.prices[action.level]
            stopped = method.stops(action, known)
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
    for name, pool in found.items():
        for method in args.methods:
            for order in range(args.orders):
                course = replay(pool, METHODS[method](pool.arms, order), args.workers,
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

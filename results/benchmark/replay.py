"""Replays searches on the table of trainings: any method, any number of workers, in seconds.

    python results/benchmark/replay.py                           # all methods, all sets, 20 orders
    python results/benchmark/replay.py mnist1d --methods random auction --orders 5 --workers 4

A replay asks a method what to train next whenever a worker is free, and tells it the validation
error when that would have ended, on a clock of its own: training FLOPs, or seconds. What a search
has at a moment is the front of what ended by then, chosen on validation rows; it is worth the
hypervolume of (test error, log10 FLOPs) of its members, over that of the front of the whole table;
and what it would hand over, the best on validation rows, has a test error, over that of the best
of the whole table.
"""

import argparse
import heapq
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from methods import METHODS, Method
from pools import Pool, guessing, pools
from scipy.stats import wilcoxon

from autosynth.study.auction import Action
from autosynth.study.foresight import Arm

HERE = Path(__file__).parent
SHARES = (0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0)
"""Of the price of training everything to its end, at which searches are compared."""
MINUTES = (1, 5, 20)
"""And minutes, where prices are seconds."""
COMPARED_AT = (0.05, 0.1, 0.2)
"""The shares at which they are held against each other by a test."""
MEASURES = {"worth": "hypervolume, of all", "error": "test error handed over, of the best"}


class Moment(NamedTuple):
    """What a search has: the price so far, its front's worth, the test error of its best."""

    price: float
    worth: float
    error: float


def replay(pool: Pool, method: Method, workers: int, budget: float) -> list[Moment]:
    """What a search has after each training that ended.

    Args:
        pool: what there is to be trained.
        method: what comes next.
        workers: trainings at a time; the clock goes on in `workers` at once.
        budget: the price of all, at which it ends.
    """
    ahead: list[tuple[float, int, Action, float, float]] = []
    shown: list[tuple[Arm, int]] = []
    course: list[Moment] = []
    trained: dict[str, int] = {}
    now, spent, number = 0.0, 0.0, 0
    while True:
        while len(ahead) < workers and spent < budget:
            action = method.choose()
            if action is None:
                break
            price = pool.price(action.arm, action.level, trained.get(action.arm.key))
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
            trained[action.arm.key] = action.level
            method.told(action, pool.val[action.arm.key, action.level])
        course.append(Moment(now * workers, pool.worth(shown), pool.error(shown)))


def at_prices(pool: Pool, course: Sequence[Moment], prices: Sequence[float]) -> list[Moment]:
    """What it has at each price, over what everything has."""
    passed = np.array([moment.price for moment in course])
    moments = [Moment(0.0, 0.0, pool.trivial), *course]
    places = np.searchsorted(passed, prices, side="right")
    return [
        Moment(price, moments[at].worth / pool.full, moments[at].error / pool.least)
        for price, at in zip(prices, places, strict=True)
    ]


def share_to(pool: Pool, course: Sequence[Moment], worth: float) -> float:
    """The share of the whole price after which it is first worth so much; or infinity."""
    enough = [moment.price for moment in course if moment.worth >= worth * pool.full]
    return enough[0] / pool.whole_price if enough else np.inf


def compared(found: dict[str, Pool], args: argparse.Namespace) -> Iterator[dict[str, object]]:
    """A row a set, method, order and share; or number of minutes."""
    in_minutes = [60.0 * each for each in MINUTES] if args.unit == "seconds" else []
    for name, pool in found.items():
        prices = [*(share * pool.whole_price for share in SHARES), *in_minutes]
        for method in args.methods:
            for order in range(args.orders):
                made = METHODS[method](pool, order)
                course = replay(pool, made, args.workers, 1.5 * pool.whole_price)
                to98 = share_to(pool, course, 0.98)
                moments = at_prices(pool, course, prices)
                marks = [(share, None) for share in SHARES] + [(None, m) for m in MINUTES]
                for (share, minutes), (_, worth, error) in zip(marks, moments, strict=False):
                    yield {
                        "set": name,
                        "method": method,
                        "order": order,
                        "share": share,
                        "minutes": minutes,
                        "worth": worth,
                        "error": error,
                        "to98": to98,
                    }
        print(name, file=sys.stderr, flush=True)


def main() -> None:
    """Print tables of methods, by set and over all, and draw them."""
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
    parser.add_argument("--picture", type=Path, help="draw the methods into a file")
    args = parser.parse_args()
    table = pd.read_parquet(HERE / "trainings.parquet")
    every = pools(table, args.schedule, args.unit, args.sets, goes_on=args.goes_on)
    found = pd.DataFrame(compared(guessing(every, table), args))
    for measure, title in MEASURES.items():
        _print([[title, *map(str, SHARES)], *_means(found, measure)])
    if args.unit == "seconds" and "written" in args.methods:
        _print([["minutes", "method", "better than `written`", "sure"], *_by_minutes(found)])
    _print([["method", "share to .98 of the hypervolume, by set (median)"], *_to98(found)])
    _print([["against", "share", "measure", "difference", "p"], *_tests(found, args.methods)])
    if args.picture:
        _draw(found, args.picture)


def _means(found: pd.DataFrame, measure: str) -> Iterator[list[str]]:
    """Means over orders, by set; and over sets."""
    means = found.groupby(["set", "method", "share"], sort=False)[measure].mean().unstack("share")
    for (name, method), row in means.iterrows():
        yield [f"{name}, {method}", *(f"{value:.3f}" for value in row)]
    for method, row in means.groupby("method", sort=False).mean().iterrows():
        yield [f"all, {method}", *(f"{value:.3f}" for value in row)]


def _by_minutes(found: pd.DataFrame) -> Iterator[list[str]]:
    """On how many sets a method has more than the written list, after some minutes."""
    for measure, sign in (("worth", 1.0), ("error", -1.0)):
        wide = found.groupby(["minutes", "set", "method"])[measure].mean().unstack("method")
        spread = found.groupby(["minutes", "set", "method"])[measure].sem().unstack("method")
        for minutes in MINUTES:
            means = wide.loc[minutes]
            for method in means.columns.drop("written"):
                gains = sign * (means[method] - means["written"])
                doubt = 1.96 * np.hypot(
                    spread.loc[minutes, method], spread.loc[minutes, "written"]
                )
                sure = f"{(gains > doubt).sum()} more, {(gains < -doubt).sum()} less"
                count = f"{(gains > 0).sum()} of {len(gains)} ({measure})"
                yield [f"{minutes:g}", str(method), count, sure]


def _to98(found: pd.DataFrame) -> Iterator[list[str]]:
    first = found[found["share"] == SHARES[0]]
    medians = first.groupby(["method", "set"], sort=False)["to98"].median().unstack("set")
    for method, row in medians.iterrows():
        yield [str(method), ", ".join(f"{name} {value:.2f}" for name, value in row.items())]


def _tests(found: pd.DataFrame, methods: Sequence[str]) -> Iterator[list[str]]:
    """The last method against each other one: paired over sets and orders, by Wilcoxon."""
    shares = found.dropna(subset="share")
    wide = shares.set_index(["method", "share", "set", "order"]).sort_index()
    for method in methods[:-1]:
        for share in COMPARED_AT:
            for measure in MEASURES:
                ours = wide.loc[methods[-1], share][measure]
                gains = (ours - wide.loc[method, share][measure]).to_numpy()
                p = wilcoxon(gains).pvalue if np.any(gains) else 1.0
                yield [method, str(share), measure, f"{gains.mean():+.4f}", f"{p:.1e}"]


def _draw(found: pd.DataFrame, path: Path) -> None:
    """A line a method, its mean over sets, with a band of the 95 % interval over orders."""
    mpl.use("Agg")
    figure, axes = plt.subplots(1, len(MEASURES), figsize=(11, 4.5), constrained_layout=True)
    for ax, (measure, title) in zip(axes, MEASURES.items(), strict=True):
        for method, group in found.groupby("method", sort=False):
            means = group.groupby(["order", "share"])[measure].mean().unstack("share")
            half = 1.96 * means.std() / np.sqrt(len(means))
            (line,) = ax.plot(means.columns, means.mean(), label=method, linewidth=1.5)
            ax.fill_between(
                means.columns,
                means.mean() - half,
                means.mean() + half,
                color=line.get_color(),
                alpha=0.2,
                linewidth=0,
            )
        ax.set_xscale("log")
        ax.set_xlabel("share of the price of all trainings")
        ax.set_title(title)
    axes[1].set_ylim(0.95, 2.0)
    axes[0].legend(frameon=False)
    figure.savefig(path, dpi=110)


def _print(lines: Sequence[Sequence[str]]) -> None:
    head, *rest = lines
    for line in (head, ["---"] * len(head), *rest):
        sys.stdout.write("| " + " | ".join(line) + " |\n")
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()

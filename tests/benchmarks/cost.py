"""The time of `cost`, of `resolve` and of `autosynth --help`.

Why: a search asks what a strategy costs before anything is built, thousands of times: `cost` of a
resolved strategy stays under 100 microseconds. `--help` answers within half a second.

How: `python tests/benchmarks/cost.py [--quick] [--out FILE]`

- 200 strategies that the image space suggests at random for 28x28 images (all topologies, fusions
  and sharings). Each call is timed several times, the least kept (the rest is other work of the
  machine); shown are the median and the 95th percentile over strategies. `build` makes the
  network, for comparison: costing is to be much cheaper than building.
- `autosynth --help` as a process of its own, in turn with `python -c pass` and, for scale, with
  `python -c "import torch"`. Wall clock, median (least-largest).
"""

import argparse
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
from _common import (
    interleave,
    machine,
    make_parser,
    parse,
    put,
    put_machine,
    put_table,
    ratio,
    save,
    spread,
)

from autosynth.composite import Resolved, build, cost, resolve
from autosynth.errors import StrategyError
from autosynth.spec import InputSpec, TargetSpec
from autosynth.strategy import Strategy
from autosynth.study.restrict import restrict
from autosynth.study.spacefile import load_space
from autosynth.study.suggest import suggest

IMAGE = InputSpec(name="image", kind="image", shape=(1, 28, 28))
TARGET = TargetSpec(name="digit", task="classification", classes=tuple("0123456789"))
N_STRATEGIES, TIMES = 200, 7
COST_MICROSECONDS, HELP_SECONDS = 100.0, 0.5


def suggested(n: int, seed: int) -> tuple[list[tuple[Strategy, Resolved]], list[float], int]:
    """Strategies that resolve, the seconds each suggestion took, and how many did not resolve."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    space = restrict(load_space("image"), (IMAGE,), TARGET.task)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed))
    found: list[tuple[Strategy, Resolved]] = []
    seconds, refused = [], 0
    while len(found) < n:
        start = time.perf_counter()
        strategy = suggest(study.ask(), space)
        seconds.append(time.perf_counter() - start)
        try:
            found.append((strategy, resolve(strategy, (IMAGE,), TARGET)))
        except StrategyError:
            refused += 1
    return found, seconds, refused


def least(call: Callable[[], object], times: int, inner: int = 1) -> float:
    """The least seconds of a call; of `inner` calls in a row where one is too short to time."""
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        for _ in range(inner):
            call()
        taken.append((time.perf_counter() - start) / inner)
    return min(taken)


def timed(found: list[tuple[Strategy, Resolved]], times: int) -> dict[str, list[float]]:
    """Seconds of each call, strategy by strategy."""
    taken: dict[str, list[float]] = {"cost": [], "resolve + cost": [], "build": []}
    for strategy, resolved in found:
        taken["cost"].append(least(lambda r=resolved: cost(r), times, 20))  # type: ignore[misc]
        taken["resolve + cost"].append(
            least(lambda s=strategy: cost(resolve(s, (IMAGE,), TARGET)), times)  # type: ignore[misc]
        )
        taken["build"].append(least(lambda r=resolved: build(r), min(2, times)))  # type: ignore[misc]
    return taken


def percentile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def of_cost(args: argparse.Namespace) -> dict[str, Any]:
    """Measure and show the calls."""
    n = 10 if args.quick else args.strategies
    found, suggesting, refused = suggested(n, args.seed)
    taken = timed(found, 2 if args.quick else TIMES)
    taken["suggest (random)"] = suggesting
    put(f"{n} strategies of the space `image` ({refused} more did not resolve), microseconds:")
    rows = [
        (name, *(f"{1e6 * v:,.1f}" for v in (
            statistics.median(values), percentile(values, 0.95), max(values))))
        for name, values in taken.items()
    ]  # fmt: skip
    put_table(("call", "median", "95 %", "largest"), rows)
    share = ratio(taken["cost"], taken["build"])
    slowest = 1e6 * max(taken["cost"])
    put(
        f"ratio     cost / build {share.median:.4f} (median over strategies)",
        f"target    cost under {COST_MICROSECONDS:.0f} microseconds: the median is "
        f"{1e6 * statistics.median(taken['cost']):.1f}, the largest {slowest:.1f}",
        "",
    )
    return {
        "n": n, "refused": refused, "cost_over_build": share,
        "microseconds": {
            name: spread([1e6 * v for v in values]) for name, values in taken.items()
        },
        "microseconds_95": {n: 1e6 * percentile(values, 0.95) for n, values in taken.items()},
    }  # fmt: skip


def process(*command: str) -> float:
    """Seconds from the start of a process to its end."""
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def of_help(args: argparse.Namespace) -> dict[str, Any]:
    """Measure and show `--help`."""
    script = shutil.which("autosynth", path=str(Path(sys.executable).parent))
    command = [script] if script else [sys.executable, "-m", "autosynth"]
    found = interleave(
        {
            "autosynth --help": lambda: process(*command, "--help"),
            "python -c pass": lambda: process(sys.executable, "-c", "pass"),
            "python -c 'import torch'": lambda: process(sys.executable, "-c", "import torch"),
        },
        args.repeats,
    )
    bare = found["python -c pass"]
    put("Processes, seconds:")
    rows = [(n, spread(v).text(3), ratio(v, bare).text(1)) for n, v in found.items()]
    put_table(("command", "wall clock", "to python -c pass"), rows)
    put(
        f"target    --help under {HELP_SECONDS} s: the median is "
        f"{spread(found['autosynth --help']).median:.3f}"
    )
    return {
        "seconds": {name: spread(values) for name, values in found.items()},
        "help_over_pass": ratio(found["autosynth --help"], bare),
    }


def main() -> None:
    parser = make_parser(__doc__ or "")
    parser.add_argument("--strategies", type=int, default=N_STRATEGIES, help="(200)")
    args = parse(parser)
    where = machine()
    put_machine(where)
    results = {"cost": of_cost(args), "help": of_help(args)}
    save(args, "cost", where, results)


if __name__ == "__main__":
    main()

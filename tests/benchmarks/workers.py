"""What two workers train in a time, as a ratio to one worker at its best thread count.

Why: `--workers 2` is worth having only where two processes of half the threads get more done than
one process of all of them.

How: `python tests/benchmarks/workers.py [--quick] [--budget 1m | --trials N] [--out FILE]`

Every arm is `autosynth search` as a process of its own, in a new folder, in turn: one worker with
1 thread, with 2, and with all cores where there are more; two workers with half of the cores each.
One seed is used for all arms of a repetition. Measured from the start of the first trial to the
end of the last (imports, data, baseline, probe and what comes after are the same for all).
Completed are trials that ended by themselves: complete or pruned, not cut off by the budget.

- with a budget: FLOPs of completed trainings a second. Large networks do more FLOPs a second than
  small ones, and arms may not train the same; so `work` weighs each training by the seconds that
  one plan, that of the first arm, foresees for it. Without a mix of sizes both are equal.
- with --trials: completed trials a second; the schedule is then the same in all arms.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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
from _trials import span

from autosynth.composite import resolve
from autosynth.data import load_dataset
from autosynth.record import Record, read_all
from autosynth.run.state import read_run
from autosynth.spec import Dataset
from autosynth.strategy import parse as parse_strategy
from autosynth.study.probe import flops_by_family
from autosynth.training.config import TrainerConfig


@dataclass(frozen=True, kw_only=True)
class Arm:
    """How a search is started. `threads` of the one worker; several set their own."""

    workers: int
    threads: int

    @property
    def name(self) -> str:
        s = "s" * (self.workers > 1), "s" * (self.threads > 1)
        return f"{self.workers} worker{s[0]}, {self.threads} thread{s[1]} each"


@dataclass(frozen=True, kw_only=True)
class Done:
    """What one search got done: seconds from its first trial to its last, and by them."""

    seconds: float
    trials: int
    flops: float
    work: float


class Bench:
    """Searches of one request, and what is needed to compare them."""

    def __init__(self, args: argparse.Namespace) -> None:
        self.args = args
        self.dataset: Dataset = load_dataset(args.data, target=args.target, seed=args.seed)
        self.plan: TrainerConfig | None = None
        self.found: dict[str, list[Done]] = {}

    def run(self, arm: Arm) -> float:
        """One search; its completed FLOPs, or trials, a second."""
        done_before = self.found.setdefault(arm.name, [])
        with tempfile.TemporaryDirectory(prefix="autosynth-workers-") as name:
            folder = Path(name) / "run"
            self._search(arm, folder, self.args.seed + len(done_before))
            done = self._done(folder)
        done_before.append(done)
        put(
            f"{arm.name}: {done.trials} trials, {done.flops / 1e9:,.1f} GFLOPs "
            f"in {done.seconds:.1f} s"
        )
        return (done.flops if self.args.trials is None else done.trials) / done.seconds

    def _search(self, arm: Arm, folder: Path, seed: int) -> None:
        args = self.args
        length = ["--budget", args.budget] if args.trials is None else ["--trials", args.trials]
        target = ["--target", args.target] if args.target else []
        command = [
            sys.executable, "-m", "autosynth", "search", args.data, *target, *length,
            "--workers", arm.workers, "--seed", seed, "--device", "cpu", "--no-refit",
            "--out", folder,
        ]  # fmt: skip
        threads = str(arm.threads * arm.workers)
        env = {**os.environ, "OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads}
        ended = subprocess.run(
            [str(word) for word in command], env=env, capture_output=True, text=True, check=False
        )
        if ended.returncode:
            raise RuntimeError(f"{arm.name}: exit code {ended.returncode}\n{ended.stderr[-2000:]}")

    def _done(self, folder: Path) -> Done:
        records = read_all(folder)
        self.plan = self.plan or TrainerConfig.from_dict(read_run(folder)["plan"])
        ended = [r for r in records if r.kind == "strategy" and r.state in ("complete", "pruned")]
        return Done(
            seconds=span(folder, records), trials=len(ended),
            flops=sum(r.train_flops or 0.0 for r in ended), work=self._work(ended),
        )  # fmt: skip

    def _work(self, records: Sequence[Record]) -> float:
        """The seconds the first arm's plan foresees for these trainings, 0 without a probe."""
        plan = self.plan
        assert plan is not None
        found = 0.0
        for record in records:
            strategy = parse_strategy(record.canonical)
            resolved = resolve(strategy, self.dataset.inputs, self.dataset.target)
            step = plan.seconds(flops_by_family(resolved)) / plan.steps
            found += step * (record.samples_seen or 0) / plan.batch_size
        return found


def arms_of() -> list[Arm]:
    """One worker at several thread counts, and two with half of the cores each."""
    cores = os.cpu_count() or 1
    one = [Arm(workers=1, threads=n) for n in sorted({1, min(2, cores), cores})]
    return [*one, Arm(workers=2, threads=max(1, cores // 2))]


def compared(context: Bench, rates: dict[str, list[float]], arms: list[Arm]) -> dict[str, Any]:
    """Show the arms, and two workers against the best of one."""
    alone = [arm.name for arm in arms if arm.workers == 1]
    two = arms[-1].name
    best = max(alone, key=lambda name: spread(rates[name]).median)
    budget = context.args.trials is None
    unit, scale = ("GFLOPs/s", 1e-9) if budget else ("trials/s", 1.0)
    works = {name: [d.work / d.seconds for d in done] for name, done in context.found.items()}
    by_work = budget and min(works[best]) > 0
    rows = [
        (name, spread(values).text(3, scale), ratio(values, rates[best]).text(),
         ratio(works[name], works[best]).text() if by_work else "-",
         f"{spread([d.trials for d in context.found[name]]).median:.0f}")
        for name, values in rates.items()
    ]  # fmt: skip
    put("", f"Completed a second of wall clock, median (range); the best of one: {best}")
    put_table(("search", unit, "to the best", "the same by work", "trials"), rows)
    result: dict[str, Any] = {
        "unit": unit, "best_of_one": best, "ratio": ratio(rates[two], rates[best]),
        "rate": {name: spread([v * scale for v in values]) for name, values in rates.items()},
        "searches": {name: [vars(d) for d in done] for name, done in context.found.items()},
    }  # fmt: skip
    if by_work:
        result["ratio_by_work"] = ratio(works[two], works[best])
    put(f"ratio     {two} over {best}: {result['ratio'].text()}")
    return result


def main() -> None:
    parser = make_parser(__doc__ or "")
    parser.add_argument("--budget", help="of each search (1m; quick: 40s)")
    parser.add_argument("--trials", type=int, help="so many trials, in place of a budget")
    parser.add_argument("--data", default="digits", help="(digits)")
    parser.add_argument("--target", help="column, for a table")
    args = parse(parser)
    args.budget = args.budget or ("40s" if args.quick else "1m")
    args.repeats = 1 if args.quick else args.repeats
    where = machine()
    put_machine(where)
    context, arms = Bench(args), arms_of()
    calls = {arm.name: lambda arm=arm: context.run(arm) for arm in arms}
    rates = interleave(calls, args.repeats, warm=False)
    save(args, "workers", where, compared(context, rates, arms))


if __name__ == "__main__":
    main()

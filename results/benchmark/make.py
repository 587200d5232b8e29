"""Trains the strategies of the benchmark on its sets, and packs what they came to into tables.

    python results/benchmark/make.py --data ../data                      # all that is missing
    python results/benchmark/make.py --data ../data --compare            # schedules, on four sets
    python results/benchmark/make.py --pack                              # the tables alone

What is trained is added to `work/SET.jsonl` beside this file at once. That, and what stands in the
tables, is not trained again: the command goes on where it was broken off. Each process has one
thread. Measure with nothing beside.
"""

import argparse
import json
import multiprocessing
import os
import sys
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import lru_cache
from pathlib import Path

import torch
from pack import pack, packed_keys
from sets import SETS, BenchmarkSet
from strategies import Entry, bare_text, benchmark_strategies
from trainings import Task, Training, append, read, trained

from autosynth.composite.fittedpart import has_fitted
from autosynth.study.facts import facts_of

HERE = Path(__file__).parent
WORK = HERE / "work"
SHORT, MIDDLE = 0.11, 0.33
"""A ninth and a third of a training, as settings have two digits."""
COMPARED = ("mnist1d", "CricketX", "adult", "trec")
"""The sets on which schedules are compared, of different kinds."""
SCHEDULES: dict[str, tuple[float, ...]] = {
    "onecycle": (SHORT, MIDDLE, 1.0),
    "wsd": (SHORT, MIDDLE, 1.0),
    "free": (SHORT, MIDDLE),
    "constant": (SHORT, MIDDLE),
}
"""The lengths of each; the others have to tell what `onecycle` comes to at its end."""
MAIN = "wsd"
"""The schedule of all that is not a comparison of schedules."""
STRATEGIES, COMPARED_STRATEGIES, REPEATED = 110, 60, 30


def tasks_of(where: BenchmarkSet, args: argparse.Namespace) -> Iterator[Task]:
    """What is to be trained on a set, in order."""
    found = benchmark_strategies(where.context, args.strategies)
    networks = [each for each in found if not has_fitted(each.resolved.strategy.root)]

    def task(each: Entry, schedule: str, length: float, seed: int = 0) -> Task:
        text = bare_text(each.resolved)
        return Task(
            set=where.name,
            strategy=text,
            schedule=schedule,
            length=length,
            seed=seed,
            place=each.place,
        )

    if args.compare:
        for each in networks[: args.compared]:
            for schedule, lengths in SCHEDULES.items():
                yield from (task(each, schedule, length) for length in lengths)
        return
    for each in found[args.after :]:
        lengths = (1.0,) if each not in networks else (SHORT, MIDDLE, 1.0)
        yield from (task(each, MAIN, length) for length in lengths)
    for each in networks[: args.repeated]:
        yield from (task(each, MAIN, length, seed=1) for length in (SHORT, 1.0))


@lru_cache(maxsize=1)
def _set(name: str, data: Path) -> BenchmarkSet:
    return BenchmarkSet(name=name, data=data)


def _work(task: Task, data: Path) -> Training:
    torch.set_num_threads(1)
    keep = (task.length, task.seed) == (1.0, 0) and task.schedule in (MAIN, "onecycle")
    return trained(_set(task.set, data), task, keep=keep)


def note_facts(name: str, data: Path) -> None:
    """Add what is known of a set before any training to `sets.json`."""
    path = HERE / "sets.json"
    known = json.loads(path.read_text()) if path.exists() else {}
    known[name] = facts_of(_set(name, data).dataset)
    path.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n")


def train_all(names: Iterable[str], args: argparse.Namespace) -> None:
    """Train what is missing, set by set."""
    until = time.monotonic() + args.minutes * 60
    context = multiprocessing.get_context("spawn")
    for name in names:
        path = WORK / f"{name}.jsonl"
        note_facts(name, args.data)
        known = {each.task.key for each in read(path)} | packed_keys(HERE, name)
        wanted = [task for task in tasks_of(_set(name, args.data), args) if task.key not in known]
        print(f"{name}: {len(wanted)} trainings, {len(known)} are there", flush=True)
        start, failed = time.monotonic(), 0
        with ProcessPoolExecutor(args.workers, mp_context=context) as pool:
            futures = [pool.submit(_work, task, args.data) for task in wanted]
            for number, future in enumerate(as_completed(futures), start=1):
                training = future.result()
                append(path, training)
                failed += training.state != "complete"
                if number % 50 == 0:
                    print(f"  {number} after {time.monotonic() - start:.0f} s", flush=True)
                if time.monotonic() > until:
                    pool.shutdown(cancel_futures=True)
                    print("out of time; the same command goes on from here", flush=True)
                    return
        print(f"  {time.monotonic() - start:.0f} s, {failed} not complete", flush=True)


def main() -> None:
    """Train what is missing, then pack."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("sets", nargs="*", help=f"all of {', '.join(SETS)}")
    parser.add_argument("--data", type=Path, default=Path("data"), help="the folder of the sets")
    parser.add_argument("--compare", action="store_true", help="schedules instead of strategies")
    parser.add_argument("--pack", action="store_true", help="train nothing")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--minutes", type=float, default=600.0, help="then it ends")
    parser.add_argument("--strategies", type=int, default=STRATEGIES, help="of each set")
    parser.add_argument("--after", type=int, default=0, help="so many are passed over")
    parser.add_argument("--compared", type=int, default=COMPARED_STRATEGIES, help="of each set")
    parser.add_argument("--repeated", type=int, default=REPEATED, help="on a second seed")
    args = parser.parse_args()
    WORK.mkdir(exist_ok=True)
    names = args.sets or (COMPARED if args.compare else SETS)
    if unknown := sorted({*names} - {*SETS}):
        parser.error(f"there is no set {unknown[0]!r}; the sets are {', '.join(SETS)}")
    if not args.pack:
        train_all(names, args)
    for written in pack(WORK, HERE):
        sys.stdout.write(f"written {written}\n")


if __name__ == "__main__":
    main()

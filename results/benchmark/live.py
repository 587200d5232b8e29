"""Whole searches beside those of plainer samplers, and beside shorter ones: no replay.

    python results/benchmark/live.py run --data data --lanes 2 CricketX:ours:0:5 mnist1d:tpe:2:5
    python results/benchmark/live.py tables

A job is a set, a method, a seed and minutes. `ours` is the search as it is. `random` draws each
strategy of the same space by chance, and `tpe` is Optuna's multivariate TPE on error and cost,
whose trials end where their error is above the median at that share of a training, the rule of
Optuna's `MedianPruner`, which takes no two objectives. Both train everything for as long as the
data ask for, join nothing that stands trained, and have all that comes before and after the trials
in common with ours. Each job has one core of its own and one worker; `live.jsonl` has a line a
job.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import numpy as np
import optuna
import pandas as pd

from autosynth.front import ParetoFront
from autosynth.study.driver import Driver
from autosynth.study.job import Rung

sys.path.append(str(Path(__file__).resolve().parents[1]))
from measure import ROWS
from prepared import PREPARED, prepared

HERE = Path(__file__).parent
OUT = HERE / "live.jsonl"
# Trials that a median is of, as Optuna's pruner has it.
STARTUP = 5
# Beyond the dearest strategy of all runs of a set, the reference point of hypervolumes.
BEYOND = 0.1


class Plain(Driver):
    """A search whose study proposes everything, and that joins nothing that stands trained."""

    sampler_of: Callable[[int], optuna.samplers.BaseSampler] | None = None
    prunes = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._shown: dict[float, list[float]] = {}
        # Numbers are asked for by their position: TPE is to know which values are neighbours.
        self.sampler.study.set_user_attr("by value", False)
        if made := type(self).sampler_of:
            self.sampler.study.sampler = made(self.context.seed)

    def _enqueue(self) -> bool:
        return True

    def _judge(self, each: Any, rung: Rung) -> bool:
        self.sampler.rung(each.proposal, rung.done, rung.error)
        known = self._shown.setdefault(rung.done, [])
        is_worse = len(known) >= STARTUP and rung.error > float(np.median(known))
        known.append(rung.error)
        if not (self.prunes and is_worse):
            return False
        if rung.part:
            each.assembly.give_up("pruned", "above the median")
        return True


class Random(Plain):
    """By chance."""

    sampler_of = staticmethod(lambda seed: optuna.samplers.RandomSampler(seed=seed))


class Tpe(Plain):
    """Optuna's TPE of two objectives, as `storage.open_study` makes it, and median pruning."""

    prunes = True


METHODS: dict[str, type[Driver]] = {"ours": Driver, "random": Random, "tpe": Tpe}


def search(method: str, arguments: Sequence[str]) -> None:
    """A search by a method, in this process: what a lane starts."""
    from autosynth.cli.entry import main as command  # noqa: PLC0415

    session: Any = import_module("autosynth.run.session")
    session.Driver = METHODS[method]
    if method != "ours":
        # What does not fit in the time that is left is drawn again, until something does.
        driver: Any = import_module("autosynth.study.driver")
        driver.MAX_REPEATS = 1000
        prepare = session.prepare_space

        def whole(*args: Any, **kwargs: Any) -> Any:
            """The space with one length, that which the data ask for."""
            space = prepare(*args, **kwargs)
            settings = dict(space.settings) | {"length": (1.0,)}
            defaults = dict(space.defaults) | {"length": 1.0}
            return replace(space, settings=settings, defaults=defaults, composites=())

        session.prepare_space = whole
    raise SystemExit(command(arguments))


def job(text: str, data: Path, core: int) -> dict[str, Any]:
    """Run a job on a core; gives what it gave."""
    row, method, seed, minutes = text.split(":")
    name, *options = ROWS[row]
    options[options.index("--budget") + 1] = f"{minutes}m"
    with tempfile.TemporaryDirectory(prefix="autosynth-live-") as folder:
        source = name if name == "digits" else str(data / name)
        if name in PREPARED:
            source = str(prepared(name, data, Path(folder)))
        run, start = Path(folder) / "run", time.monotonic()
        command = ["taskset", "-c", str(core), sys.executable, str(Path(__file__)), "search"]
        command += [method, "search", source, *options, "--seed", seed]
        told = subprocess.run(
            [*command, "--workers", "1", "--out", str(run)],
            check=False, capture_output=True, text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )  # fmt: skip
        if told.returncode:
            raise RuntimeError(f"{text}: {told.stderr[-2000:]}")
        seconds = time.monotonic() - start
        card = json.loads((run / "bundle/model.json").read_text())
        records = [json.loads(p.read_text()) for p in run.glob("trials/*/record.json")]
    metric = card["card"]["metric"]
    done = [r for r in records if r["kind"] == "strategy" and r["state"] == "complete"]
    trained = sum((r.get("train_seconds") or 0.0) for r in records if r["kind"] == "strategy")
    trained += sum((r.get("refit_seconds") or 0.0) for r in records)
    return {
        "set": row,
        "method": method,
        "seed": int(seed),
        "minutes": float(minutes),
        "metric": metric,
        "exported": round(card["card"]["test"][metric], 5),
        "search": round(card["card"]["search_test"][metric], 5),
        "flops": card["flops"],
        "strategy": card["short_form"],
        "front": list(_front(done, metric)),
        "trials": len(done),
        "share_trained": round(trained / seconds, 3),
        "seconds": round(seconds, 1),
        "commit": subprocess.run(["git", "rev-parse", "--short", "HEAD"], check=True,
                                 capture_output=True, text=True).stdout.strip(),
    }  # fmt: skip


def _front(done: Sequence[dict[str, Any]], metric: str) -> Iterator[tuple[float, float]]:
    """FLOPs and test score of the front, chosen on validation rows."""
    front = ParetoFront()
    for record in done:
        front.insert(record["trial"], float(record["flops"] or 1), -record["val"][metric])
    for record in done:
        if record["trial"] in set(front) and record.get("test"):
            yield float(record["flops"] or 1), record["test"][metric]


def run(jobs: Sequence[str], data: Path, lanes: int) -> None:
    """Run jobs, so many at a time, each on a core of its own; those that stand are passed over."""
    known = set() if not OUT.exists() else {_name(each) for each in _lines()}
    cores: SimpleQueue[int] = SimpleQueue()
    for core in range(lanes):
        cores.put(core)

    def one(text: str) -> None:
        core = cores.get()
        try:
            found = job(text, data, core)
        except RuntimeError as error:
            sys.stderr.write(f"{error}\n")
            return
        finally:
            cores.put(core)
        with OUT.open("a") as file:
            file.write(json.dumps(found) + "\n")
        sys.stdout.write(f"{text} {found['exported']} {found['trials']} {found['strategy']}\n")
        sys.stdout.flush()

    with ThreadPoolExecutor(lanes) as pool:
        list(pool.map(one, (each for each in jobs if each not in known)))


def _lines() -> list[dict[str, Any]]:
    return [json.loads(line) for line in OUT.read_text().splitlines()]


def _name(each: dict[str, Any]) -> str:
    return f"{each['set']}:{each['method']}:{each['seed']}:{each['minutes']:g}"


def tables() -> None:
    """Print what stands in the file."""
    found = pd.DataFrame(_lines())
    for _, group in found.groupby("set"):
        dearest = max(np.log10(flops) for front in group["front"] for flops, _ in front) + BEYOND
        least = min(np.log10(flops) for front in group["front"] for flops, _ in front)
        volumes = [_volume(front, dearest) / (dearest - least) for front in group["front"]]
        found.loc[group.index, "hypervolume"] = volumes
    sys.stdout.write(
        "| set | minutes | method | seeds | hypervolume | exported, test | in trainings |\n"
        "| --- | ---: | --- | ---: | --- | --- | ---: |\n"
    )
    for (name, minutes, method), group in found.groupby(["set", "minutes", "method"]):
        sys.stdout.write(
            f"| {name} | {minutes:g} | `{method}` | {len(group)} | "
            f"{_interval(group['hypervolume'])} | {_interval(group['exported'])} | "
            f"{group['share_trained'].mean():.2f} |\n"
        )


def _volume(front: Sequence[tuple[float, float]], dearest: float) -> float:
    """Of scores from 0 upwards, over decades of FLOPs."""
    made = ParetoFront()
    for number, (flops, score) in enumerate(front):
        made.insert(number, float(np.log10(flops)), -score)
    return made.hypervolume(dearest, 0.0)


def _interval(values: "pd.Series[float]") -> str:
    """The mean, and the least and the largest of a few seeds."""
    if len(values) == 1:
        return f"{values.mean():.4f}"
    return f"{values.mean():.4f} ({values.min():.4f} to {values.max():.4f})"


def main() -> None:
    """Run jobs or print tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    kinds = parser.add_subparsers(dest="what", required=True)
    kinds.add_parser("tables")
    asked = kinds.add_parser("run")
    asked.add_argument("jobs", nargs="+")
    asked.add_argument("--data", type=Path, default=Path("data"))
    asked.add_argument("--lanes", type=int, default=2)
    one = kinds.add_parser("search")
    one.add_argument("method", choices=list(METHODS))
    one.add_argument("arguments", nargs=argparse.REMAINDER)
    options = parser.parse_args()
    if options.what == "tables":
        tables()
    elif options.what == "search":
        search(options.method, [each for each in options.arguments if each != "--"])
    else:
        run(options.jobs, options.data, options.lanes)


if __name__ == "__main__":
    main()

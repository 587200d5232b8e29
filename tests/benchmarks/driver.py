"""How busy a driver is with many workers: a simulation, no training.

Why: one process decides for all workers. With 1,000 workers and trainings of a minute it has 60 ms
for each trial, and has to be idle for most of them.

How: `python tests/benchmarks/driver.py [--trials 10000] [--workers 1000] [--out FILE]`

Trials of 60 s, four events each, on a clock of their own. Counted are the CPU seconds of the
driver, records written to disk included, without those of the sampler (an optuna study in memory
that draws at random), and the peak of memory.
"""

import argparse
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import torch
from _common import put

from autosynth.budget import Deadline
from autosynth.composite import cost
from autosynth.data import load_dataset
from autosynth.plugin import TASKS
from autosynth.progress import Progress
from autosynth.record import Record
from autosynth.study.agenda import Limits
from autosynth.study.context import RunContext, trivial_score
from autosynth.study.driver import Driver
from autosynth.study.finalist import reserve_seconds
from autosynth.study.job import Job, Rung
from autosynth.study.probe import fixed_plan
from autosynth.study.restrict import restrict
from autosynth.study.sampler import Sampler
from autosynth.study.simulation import Replay, SimulatedPool
from autosynth.study.spacefile import load_space
from autosynth.study.trial import initial_record
from autosynth.training.devicedataset import to_device

SECONDS = 60.0


class TimedSampler(Sampler):
    """A sampler that counts its own CPU seconds."""

    seconds = 0.0

    def __getattribute__(self, name: str) -> Any:
        found = super().__getattribute__(name)
        if name.startswith("_") or not callable(found):
            return found

        def timed(*args: Any, **more: Any) -> Any:
            start = time.process_time()
            try:
                return found(*args, **more)
            finally:
                type(self).seconds += time.process_time() - start

        return timed


def bench(folder: Path) -> RunContext:
    """A run on mnist1d without a clock."""
    dataset = load_dataset("mnist1d")
    metric = TASKS["classification"].metrics["accuracy"]
    (folder / "trials").mkdir()
    return RunContext(
        dataset=dataset,
        device_dataset=to_device(dataset, torch.device("cpu"), dataset.splits.train),
        space=restrict(load_space("series"), dataset.inputs, "classification", 10**4),
        trainer_config=fixed_plan("cpu", len(dataset.splits.train), inputs=dataset.inputs),
        metric=metric,
        trivial_score=trivial_score(dataset, metric),
        folder=folder,
        seed=0,
    )


def replayed(context: RunContext) -> Callable[[Job], Replay]:
    """Scores that rise with the logarithm of cost, and noise."""
    rng = np.random.default_rng(0)
    shares = (1 / 9, 1 / 3)
    later: dict[int, tuple[float, ...]] = {}  # rungs that fall to parts of a trial to come

    def replay(job: Job) -> Replay:
        blank = initial_record(context, job, "complete")
        if job.given:  # its parts took the time
            return Replay(record=replace(blank, val={"accuracy": 0.7}), seconds=0.0)
        price = cost(context.resolved(job.strategy)).flops
        score = float(np.clip(0.5 + 0.06 * np.log10(price) + rng.normal(0, 0.03), 0.1, 1.0))
        seconds = SECONDS / 2 if job.part else SECONDS  # most have two
        # A rung is a share of the whole training: each falls into one part.
        mine = later.pop(job.number, shares)
        if job.part:
            mine, later[job.number] = mine[:1], mine[1:]
        rungs = tuple(
            (
                seconds * done,
                Rung(
                    number=job.number,
                    part=job.part,
                    done=done,
                    error=1.2 - score,
                    standard_error=0.01,
                ),
            )
            for done in mine
        )
        record = replace(
            blank, val={"accuracy": score}, train_seconds=SECONDS, eval_seconds=0.1, epochs=20.0,
            samples_seen=100, latency_ms=1.0, curve=((1 / 9, 1.2 - score), (1.0, 1 - score)),
            foreseen_seconds=SECONDS,
        )  # fmt: skip
        stopped: Record = replace(record, state="pruned", val={})
        return Replay(record=record, seconds=seconds, rungs=rungs, stopped=stopped)

    return replay


def main() -> None:
    args = arguments()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with tempfile.TemporaryDirectory(prefix="autosynth-driver-") as name:
        context = bench(Path(name))
        replay, workers = replayed(context), [0.0]

        def timed(job: Job) -> Replay:
            """What a job comes to is the workers' to find out, and no work of the driver's."""
            start = time.process_time()
            try:
                return replay(job)
            finally:
                workers[0] += time.process_time() - start

        pool = SimulatedPool(args.workers, timed)
        study = optuna.create_study(
            directions=["minimize", "minimize"], sampler=optuna.samplers.RandomSampler(seed=0)
        )
        sampler = TimedSampler(study, context.space)
        marks: list[tuple[int, float]] = []

        class Marking(Progress):
            def trial(self, **event: Any) -> None:
                seconds = time.process_time() - TimedSampler.seconds - workers[0]
                marks.append((len(marks), seconds))

        def reserve(last: list[Record], coming: float) -> float:
            return reserve_seconds(last, context, budget=1e6, refit=True, coming=coming)

        limits = Limits(
            deadline=Deadline.after(1e6, pool.clock), trials=args.trials, reserve=reserve
        )
        driver = Driver(context, limits, Marking(live=False), pool, sampler)
        start = time.process_time()
        driver.run()
        busy = time.process_time() - start - TimedSampler.seconds - workers[0]
        what = f"{len(marks):,} trials of {SECONDS:.0f} s by {args.workers:,} workers"
        put(f"{what}: {pool.now:.0f} s")
        put(f"driver busy {busy:.1f} s, {busy / pool.now:.1%} of them")
        put(f"sampler {TimedSampler.seconds:.1f} s")
        tail = marks[-max(2, len(marks) // 20) :]
        each = (tail[-1][1] - tail[0][1]) / (len(tail) - 1)
        put(f"at the end {1000 * each:.1f} ms a trial")
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        put(f"peak of memory {peak:.2f} GB")


def arguments() -> argparse.Namespace:
    made = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    made.add_argument("--trials", type=int, default=10_000)
    made.add_argument("--workers", type=int, default=1_000)
    return made.parse_args()


if __name__ == "__main__":
    main()
    sys.exit()

"""One process or several on one run: the parent watches, each worker is `python -m` this file.

Workers share nothing but the run's folder. Each has its own threads, never more than there are
cores: two processes whose threads wait spinning slow each other down twenty times.
"""

import json
import math
import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import torch

from autosynth.progress import Progress
from autosynth.record import Record
from autosynth.scratch import scratch
from autosynth.spec import Dataset
from autosynth.study import storage
from autosynth.study.context import RunContext
from autosynth.study.finalist import reserve_seconds
from autosynth.study.study import Limits, Study
from autosynth.task.score import find_metric
from autosynth.training.devicedataset import to_device

# A worker that was told to end finishes its step and its write; one that hangs is killed.
GRACE_SECONDS = 10.0


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """When the trials of a run end: `deadline` as `time.time()`, and what must be left after them.

    `budget` seconds of the whole run; `refit` whether the winner is trained again.
    """

    deadline: float
    budget: float
    trials: int | None
    refit: bool


def run_trials(context: RunContext, schedule: Schedule, workers: int, progress: Progress) -> bool:
    """Run trials until the schedule ends. False when the user broke off.

    A trial that was running when a worker died is failed in the study, so that the sampler
    forgets it, and leaves no record.
    """
    storage.mend(context.journal, progress.say)
    study = storage.open_study(
        context.journal, seed=context.seed, fingerprint=context.space.fingerprint
    )
    storage.reap(study)
    try:
        if workers == 1:
            _study(context, schedule, progress).run()
        else:
            _run_many(context, schedule, workers, progress)
    except KeyboardInterrupt:
        return False
    finally:
        storage.reap(study)
    return True


def _study(
    context: RunContext, schedule: Schedule, progress: Progress, worker: int = 0, workers: int = 1
) -> Study:
    def reserve(records: list[Record], coming: float) -> float:
        return reserve_seconds(
            records, context, budget=schedule.budget, refit=schedule.refit, coming=coming
        )

    limits = Limits(deadline=schedule.deadline, trials=schedule.trials, reserve=reserve)
    return Study(context, limits, progress, worker, workers)


def _run_many(context: RunContext, schedule: Schedule, workers: int, progress: Progress) -> None:
    with scratch("workers") as folder:
        parts = {
            k: v for k, v in context.__dict__.items() if k not in ("device_dataset", "dataset")
        }
        parts["metric"] = context.metric.name  # it holds functions, which do not travel
        with (folder / "context.pickle").open("wb") as file:
            pickle.dump((context.dataset, parts, asdict(schedule)), file, protocol=5)
        found = [_start(folder, number, workers) for number in range(workers)]
        try:
            _watch(folder, found, progress, schedule.deadline)
        except KeyboardInterrupt:
            for process in found:
                process.terminate()
            _wait(found)
            raise
        finally:
            for process in found:
                if process.poll() is None:
                    process.kill()
        broken = [p.returncode for p in found if p.returncode]
        if broken:
            said = "\n".join(path.read_text() for path in sorted(folder.glob("stderr*")))
            progress.say(f"{len(broken)} of {workers} workers ended early:\n{said[-2000:]}")


def _start(folder: Path, number: int, workers: int) -> "subprocess.Popen[bytes]":
    # Measured on digits, two workers of one thread against the best of one worker: 1.55 times the
    # work where waiting threads sleep, 1.08 where they spin, the default (results/README.md).
    threads = max(1, (os.cpu_count() or 1) // workers)
    env = {
        **os.environ,
        "OMP_NUM_THREADS": str(threads),
        "MKL_NUM_THREADS": str(threads),
        "OMP_WAIT_POLICY": "PASSIVE",
    }
    command = [sys.executable, "-m", "autosynth.study.workers", str(folder), str(number)]
    with (folder / f"stderr{number}").open("wb") as errors:
        return subprocess.Popen(
            [*command, str(workers)],
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            start_new_session=True,
        )


def _watch(
    folder: Path, found: list["subprocess.Popen[bytes]"], progress: Progress, deadline: float
) -> None:
    """Pass on what the workers tell until all have ended."""
    told = 0
    path = folder / "events"
    while True:
        alive = any(process.poll() is None for process in found)
        lines = path.read_text().splitlines() if path.exists() else []
        for line in lines[told:]:
            progress.trial(**json.loads(line))
        told = len(lines)
        progress.status(
            running=sum(p.poll() is None for p in found),
            seconds_left=None if deadline == math.inf else max(0.0, deadline - time.time()),
        )
        if not alive:
            return
        time.sleep(0.2)


def _wait(found: list["subprocess.Popen[bytes]"]) -> None:
    end = time.monotonic() + GRACE_SECONDS
    for process in found:
        try:
            process.wait(max(0.1, end - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()


class _Teller(Progress):
    """What a worker tells, as lines of a file that the parent reads."""

    def __init__(self, path: Path) -> None:
        super().__init__(live=False)
        self._path = path

    def say(self, text: str) -> None:
        """Workers have nothing to say but their trials."""

    def status(self, **event: Any) -> None:
        """The parent sees for itself how things stand."""

    def trial(self, **event: Any) -> None:
        """One line, written at once: short appends of several processes do not mix."""
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(event) + "\n")


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _main(folder: Path, number: int, workers: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _interrupt)
    torch.set_num_threads(max(1, (os.cpu_count() or 1) // workers))
    with (folder / "context.pickle").open("rb") as file:
        dataset, parts, schedule = pickle.load(file)
    context = _context(dataset, parts)
    try:
        _study(context, Schedule(**schedule), _Teller(folder / "events"), number, workers).run()
    except KeyboardInterrupt:
        return


def _context(dataset: Dataset, parts: Mapping[str, Any]) -> RunContext:
    data = to_device(dataset, torch.device(parts["trainer_config"].device), dataset.splits.train)
    known = {**parts, "metric": find_metric(parts["metric"], dataset.target)}
    return RunContext(dataset=dataset, device_dataset=data, **known)


if __name__ == "__main__":
    _main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))

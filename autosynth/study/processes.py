"""A pool of processes of this machine, each with its own threads and, of several GPUs, its own.

The parent writes jobs to a worker's standard input and reads events from its standard output, one
thread a worker. A worker that is no more, or that does not answer long after its job should have
ended, is told as lost, and another takes its place. All are ended with the driver, however that
ends: each watches its pipe.
"""

import os
import queue
import subprocess
import sys
import tempfile
import threading
from contextlib import suppress
from dataclasses import dataclass, field, fields
from typing import IO, Any

import torch

from autosynth.budget import NEVER, POLICY, Deadline
from autosynth.errors import RunError, lacking
from autosynth.study.context import RunContext
from autosynth.study.job import Done, Event, Failed, Job, Lost, Ready, Rung, Setting, Stop
from autosynth.study.pool import Handle, LocalPool, WorkerPool
from autosynth.study.transport import receive, send, share
from autosynth.training.store import STORE

# Workers that end before they are ready, in a row: so many are no accident.
_STILLBORN = 3
_SAID = 2000


class NoWorkersError(RunError):
    """Processes that were to train end before they begin."""


@dataclass(eq=False)
class _Worker:
    """One process: its number, and its job if it has one."""

    number: int
    process: "subprocess.Popen[bytes]"
    errors: IO[bytes]
    is_ready: bool = False
    job: Job | None = None
    deadline: Deadline = field(default=NEVER)

    def said(self) -> str:
        """The end of what it wrote to its errors."""
        self.errors.seek(0, os.SEEK_END)
        self.errors.seek(max(0, self.errors.tell() - _SAID))
        return self.errors.read().decode(errors="replace").strip()


class ProcessPool(WorkerPool):
    """Workers that are processes of this machine."""

    def __init__(self, context: RunContext, size: int) -> None:
        """Write the data down for the workers, and start them.

        Args:
            context: of the run; the workers map its arrays from a file in the run's folder.
            size: how many processes.

        Raises:
            RunError: the file cannot be written.
        """
        self._context, self.size, self._stillborn = context, size, 0
        self._told: queue.SimpleQueue[tuple[_Worker, Any]] = queue.SimpleQueue()
        self._path = context.folder / STORE / f"{context.dataset.fingerprint[:16]}.arrays"
        names = [each.name for each in fields(context)]
        parts = {name: getattr(context, name) for name in names if name != "device_dataset"}
        # A metric holds functions, which do not travel; a worker puts the data on its own device.
        self._head = share({**parts, "metric": context.metric.name}, self._path)
        self._workers: list[_Worker] = []
        try:
            self._workers += [self._spawn(number) for number in range(size)]
        except OSError as problem:
            self.close()
            why = lacking(problem) or f"no process can be started: {problem}"
            raise NoWorkersError(why) from problem
        except BaseException:
            self.close()
            raise

    @property
    def free(self) -> int:
        """Workers that are up and have no job."""
        return sum(worker.is_ready and worker.job is None for worker in self._workers)

    def start(self, job: Job) -> None:
        """Send the job to a worker."""
        for worker in self._workers:
            if worker.is_ready and worker.job is None:
                worker.job = job
                worker.deadline = job.deadline
                self._send(worker, job)
                return
        raise ValueError("no worker is free")

    def stop(self, number: int) -> None:
        """Tell the workers, who look at every step."""
        for worker in self._workers:
            if worker.job and worker.job.number == number:
                self._send(worker, Stop(number=number))

    def wait(self, handle: Handle, seconds: float) -> None:
        """Hand on what the workers tell."""
        self._end_the_late()
        try:
            worker, message = self._told.get(timeout=seconds)
        except queue.Empty:
            return
        if worker not in self._workers:
            return  # of one that was ended
        if isinstance(message, Ready):
            worker.is_ready, self._stillborn = True, 0
        elif isinstance(message, Event):
            if isinstance(message, Done | Failed):
                worker.job = None
            answer = handle(message)
            if isinstance(message, Rung):
                self._send(worker, answer)
        else:
            self._replace(worker, handle)

    def close(self) -> None:
        """Kill all workers, who have nothing to save, and remove their data."""
        for worker in self._workers:
            worker.process.kill()
        for worker in self._workers:
            self._bury(worker)
            worker.errors.close()
        self._workers = []
        with suppress(OSError):  # of a folder or a disk that went away: why, is told by others
            self._path.unlink(missing_ok=True)
            if self._path.parent.is_dir() and not any(self._path.parent.iterdir()):
                self._path.parent.rmdir()

    def _spawn(self, number: int) -> _Worker:
        # Measured on digits, two workers of one thread against the best of one worker: 1.55 times
        # the work where waiting threads sleep, 1.08 where they spin, the default
        # (results/README.md).
        plan = self._context.trainer_config
        threads = plan.threads or max(1, (os.cpu_count() or 1) // self.size)
        env = {
            **os.environ,
            "OMP_NUM_THREADS": str(threads),
            "MKL_NUM_THREADS": str(threads),
            "OMP_WAIT_POLICY": "PASSIVE",
        }
        errors = tempfile.TemporaryFile()  # noqa: SIM115 - as long as the worker; without a name
        try:
            process = subprocess.Popen(
                [sys.executable, "-m", "autosynth.study.worker"],
                env=env,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                start_new_session=True,
            )
        except OSError:
            errors.close()
            raise
        worker = _Worker(number, process, errors)
        threading.Thread(target=self._read, args=(worker,), daemon=True).start()
        setting = Setting(
            context=self._head,
            device=_device(plan.device, number),
            threads=threads,
            deterministic=plan.deterministic,
        )
        self._send(worker, setting)
        return worker

    def _send(self, worker: _Worker, message: object) -> None:
        """Send; where nobody reads, the end of the worker's answers will say so."""
        assert worker.process.stdin is not None
        try:
            send(message, worker.process.stdin)
        except OSError:
            return

    def _read(self, worker: _Worker) -> None:
        """In a thread of its own: put what a worker tells in the queue, and then None."""
        assert worker.process.stdout is not None
        while True:
            try:
                message = receive(worker.process.stdout)
            except Exception:  # its end, also in the middle of a message
                self._told.put((worker, None))
                return
            self._told.put((worker, message))

    def _replace(self, worker: _Worker, handle: Handle) -> None:
        """Start another worker in the place of one that is no more, and tell of its job."""
        worker.process.kill()  # it may only have said what nobody understands
        self._bury(worker)
        code = worker.process.returncode
        why = f"killed by signal {-code}" if code < 0 else f"it ended with {code}"
        why += f": {said.splitlines()[-1]}" if (said := worker.said()) else ""
        worker.errors.close()
        if not worker.is_ready:
            self._stillborn += 1
            if self._stillborn >= _STILLBORN:
                raise NoWorkersError(
                    f"workers end before they begin ({why}); try --workers 1, which trains in "
                    f"this process"
                )
        try:
            self._workers[self._workers.index(worker)] = self._spawn(worker.number)
        except OSError as problem:
            raise NoWorkersError(
                f"a worker was lost ({why}), and no process can be started in its place: {problem}"
            ) from problem
        if worker.job:
            handle(Lost(number=worker.job.number, part=worker.job.part, reason=why))

    def _end_the_late(self) -> None:
        for worker in self._workers:
            if worker.job and worker.deadline.left < -POLICY.grace_seconds:
                worker.process.kill()  # the end of its answers is told next

    def _bury(self, worker: _Worker) -> None:
        worker.process.wait()
        for pipe in (worker.process.stdin, worker.process.stdout):
            assert pipe is not None
            try:
                pipe.close()
            except OSError:
                continue  # what was not written yet is for nobody


def pool_of(context: RunContext, workers: int) -> WorkerPool:
    """The pool of a run: this process, or several of their own."""
    return LocalPool(context) if workers == 1 else ProcessPool(context, workers)


def _device(name: str, number: int) -> str:
    """The device of a worker: of several GPUs one after another."""
    if name != "cuda":
        return name
    return f"cuda:{number % max(1, torch.cuda.device_count())}"

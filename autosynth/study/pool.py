"""Who trains: jobs in, events out. The driver knows no more of its workers than this.

A pool has some workers. `start` gives a job to one that is free; `wait` hands on what they tell;
`stop` has them give up a trial.
Here is the interface, and the pool whose one worker is this process itself; `processes.py` has the
pool of processes, `simulation.py` one that replays what was recorded on a clock of its own.
"""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Self

from autosynth.budget import ClockFunction
from autosynth.study.context import RunContext
from autosynth.study.job import Event, Job
from autosynth.study.trial import run_trial

Handle = Callable[[Event], bool]
"""Takes an event; of a rung gives whether that training is to be stopped."""


class WorkerPool(ABC):
    """Some workers, each with one job at a time, on a clock that they share with the driver."""

    clock: ClockFunction = time.monotonic
    size = 1
    """How many workers there are, or are coming up."""

    @property
    @abstractmethod
    def free(self) -> int:
        """How many workers could begin a job now; those that are not up yet do not count."""

    @abstractmethod
    def start(self, job: Job) -> None:
        """Have a free worker begin a job. Raises ValueError where none is free."""

    @abstractmethod
    def stop(self, number: int) -> None:
        """Have all jobs of the trial of that number end soon, as at a rung that is answered so.

        Each still has its last event, in which it may have ended already.
        """

    @abstractmethod
    def wait(self, handle: Handle, seconds: float) -> None:
        """Hand on the next events, or none after so many seconds or where a worker came up.

        Of every job there is one `Done`, `Failed` or `Lost`, its last event.

        Raises:
            RunError: workers do not come up.
        """

    def close(self) -> None:  # noqa: B027 - a pool may have nothing to end
        """End all workers, whatever they do; their jobs are given up."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *problem: object) -> None:
        self.close()


class LocalPool(WorkerPool):
    """One worker: this process, which trains while the driver waits."""

    def __init__(self, context: RunContext) -> None:
        self._context = context
        self._job: Job | None = None
        self._stopped = False

    @property
    def free(self) -> int:
        """One, but while a job waits to be trained."""
        return 0 if self._job else 1

    def start(self, job: Job) -> None:
        """Keep the job, to be trained when the driver waits."""
        if self._job:
            raise ValueError("the worker is not free")
        self._job, self._stopped = job, False

    def stop(self, number: int) -> None:
        """Have the job end at its next step, from inside of an event of its own or before."""
        self._stopped = self._stopped or (self._job is not None and self._job.number == number)

    def wait(self, handle: Handle, seconds: float) -> None:
        """Train the job to its end, however long that takes."""
        job = self._job
        if job is None:
            return
        try:
            ended = run_trial(self._context, job, handle, lambda: self._stopped)
        finally:
            self._job = None
        handle(ended)

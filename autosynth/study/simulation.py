"""A pool that trains nothing: jobs take the time, and give the records, that somebody foretells.

Its clock stands still but while the driver waits, and then jumps to the next event: a day of a
thousand workers is over in seconds. It says how busy the driver is, and what a way to search would
come to, without a training.
"""

import heapq
import itertools
from collections.abc import Callable
from dataclasses import dataclass

from autosynth.budget import ClockFunction
from autosynth.record import Record
from autosynth.study.job import Done, Event, Failed, Job, Rung, Started
from autosynth.study.pool import Handle, WorkerPool

_Key = tuple[int, str]  # a job's number, and its part


@dataclass(frozen=True, kw_only=True)
class Replay:
    """How a job goes: its record, how long it takes, and its rungs.

    Of a rung stand the seconds from the beginning, and what is told there.
    """

    record: Record
    seconds: float
    rungs: tuple[tuple[float, Rung], ...] = ()
    stopped: Record | None = None
    """Its record where it is stopped; the whole one if left out."""


class SimulatedPool(WorkerPool):
    """Workers that replay, `size` of them; `now` are the seconds that went by in their time."""

    def __init__(self, size: int, replay: Callable[[Job], Replay]) -> None:
        self.size, self.replay, self.now = size, replay, 0.0
        self.clock: ClockFunction = lambda: self.now
        self._busy: set[_Key] = set()
        self._ahead: list[tuple[float, int, Event]] = []
        self._replays: dict[_Key, Replay] = {}
        self._order = itertools.count()

    @property
    def free(self) -> int:
        """Workers without a job."""
        return self.size - len(self._busy)

    def start(self, job: Job) -> None:
        """Foretell the job, and put its events in the order of their time."""
        if not self.free:
            raise ValueError("no worker is free")
        key = job.number, job.part
        replay = self._replays[key] = self.replay(job)
        self._busy.add(key)
        self._put(self.now, Started(number=job.number, part=job.part))
        for seconds, rung in replay.rungs:
            self._put(self.now + seconds, rung)
        ended = Failed if replay.record.state == "failed" else Done
        last = ended(number=job.number, part=job.part, record=replay.record)
        self._put(self.now + replay.seconds, last)

    def stop(self, number: int) -> None:
        """Have the jobs of the trial end now, when the driver waits again."""
        for key in [key for key in self._busy if key[0] == number]:
            self._put(self.now, self._stopped(key))

    def wait(self, handle: Handle, seconds: float) -> None:
        """Go on to the next event."""
        while self._ahead:
            at, _, event = heapq.heappop(self._ahead)
            if (event.number, event.part) not in self._busy:
                continue  # of a job that was stopped
            self.now = at
            if isinstance(event, Done | Failed):
                self._end(event, handle)
            elif handle(event):
                self._end(self._stopped((event.number, event.part)), handle)
            return
        self.now += seconds

    def _put(self, at: float, event: Event) -> None:
        heapq.heappush(self._ahead, (at, next(self._order), event))

    def _stopped(self, key: _Key) -> Done:
        replay = self._replays[key]
        return Done(number=key[0], part=key[1], record=replay.stopped or replay.record)

    def _end(self, event: Event, handle: Handle) -> None:
        key = event.number, event.part
        self._busy.discard(key)
        del self._replays[key]
        handle(event)

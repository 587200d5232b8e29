"""What a worker is asked to train, and what it answers: plain data that can travel.

A job names its strategy in the notation, so that whoever has the data can train it. Answers are
events: `Started`, `Rung` by rung, then `Done` or `Failed`; or `Lost`, which the pool says of a
worker that is no more. A worker writes nothing: its weights come with `Done`.
"""

import math
from dataclasses import dataclass
from pathlib import Path

from autosynth.budget import NEVER, POLICY, Deadline
from autosynth.record import Record


@dataclass(frozen=True, kw_only=True)
class TrainedPart:
    """A strategy that stands trained, for a part of a composite that asks for the same training.

    `strategy` is canonical, `samples` are those it saw, `share` (0 to 1) the fraction of its
    schedule after which it was best.
    """

    strategy: str
    weights: Path
    samples: int
    share: float


@dataclass(frozen=True, kw_only=True)
class Job:
    """One training of a strategy, in canonical form: its number, its seed, when it must end.

    `foreseen_seconds` are what it is foreseen to take; 0 where nothing is known of it. What does
    not come near the score `bar` is not scored on further folds. `begin` are parts that need not
    be trained again.
    """

    number: int
    strategy: str
    origin: str = "given"
    seed: int = 0
    deadline: Deadline = NEVER
    foreseen_seconds: float = 0.0
    bar: float = -math.inf
    begin: tuple[TrainedPart, ...] = ()

    def ends_by(self, ceiling: float) -> Deadline:
        """When a training that starts now must have ended; a `ceiling` in seconds, 0 for none.

        Somewhat over the ceiling, which is far over what most are foreseen to take: other work on
        the machine may have come after the probe, and then a search that stops all has nothing to
        show.
        """
        return self.deadline.within(POLICY.over_ceiling * ceiling) if ceiling else self.deadline


@dataclass(frozen=True, kw_only=True)
class Event:
    """What a worker tells of the job with that number."""

    number: int


@dataclass(frozen=True, kw_only=True)
class Started(Event):
    """The worker has begun."""


@dataclass(frozen=True, kw_only=True)
class Rung(Event):
    """The validation error, and its standard error, with a share (0 to 1) of the schedule done.

    The worker waits for the answer, whether to stop.
    """

    done: float
    error: float
    standard_error: float


@dataclass(frozen=True, kw_only=True)
class Done(Event):
    """A training that ran, whole or in part, as its record says; `weights` where it is whole.

    They are the bytes of a safetensors file.
    """

    record: Record
    weights: bytes | None = None


@dataclass(frozen=True, kw_only=True)
class Failed(Event):
    """A strategy that cannot be trained: its record says why."""

    record: Record


@dataclass(frozen=True, kw_only=True)
class Lost(Event):
    """The worker is no more, and why; what it trained is lost."""

    reason: str


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What a worker works with: `context` as `transport.share` gave it, its device and threads."""

    context: bytes
    device: str
    threads: int
    deterministic: bool = False


@dataclass(frozen=True)
class Ready:
    """The worker has its data, and waits for jobs."""

"""What a worker is asked to train, and what it answers: plain data that can travel.

A job names its strategy in the notation, so that whoever has the data can train it; or one part
of it, which its trial's last job is then given. Answers are events: `Started`, `Rung` by rung,
then `Done` or `Failed`; or `Lost`, which the pool says of a worker that is no more. A worker
writes nothing: its weights come with `Done`.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from autosynth.budget import NEVER, POLICY, Deadline
from autosynth.record import Record

CUT = "cut short: "
"""How the reason begins of a complete trial a part of which had no time for all of its fit."""


@dataclass(frozen=True, kw_only=True)
class TrainedPart:
    """A strategy that stands trained, for a part of a composite that asks for the same training.

    `strategy` is canonical, `samples` are those it saw, `share` (0 to 1) the fraction of its
    schedule after which it was best, and `seconds` what it took; `cut` is what it was cut short
    of, if anything.
    """

    strategy: str
    weights: Path
    samples: int
    share: float
    seconds: float = 0.0
    cut: str = ""

    def is_of(self, strategy: str, rows: str, samples: int) -> bool:
        """Whether it was trained so: every trial was trained on `all` rows."""
        return (self.strategy, "all", self.samples) == (strategy, rows, samples)


@dataclass(frozen=True, kw_only=True)
class Event:
    """What a worker tells of the job with that number, and of that part."""

    number: int
    part: str = ""


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
    """A training that ran, to its end or not, as its record says; `weights` where it ended.

    They are the bytes of a safetensors file, and so are `outputs`, of what may be a part of
    others: raw ones on `validation` and `calibration` rows. Of a part, the record says what that
    took alone.
    """

    record: Record
    weights: bytes | None = None
    outputs: bytes | None = None


@dataclass(frozen=True, kw_only=True)
class Failed(Event):
    """A strategy that cannot be trained: its record says why."""

    record: Record


@dataclass(frozen=True, kw_only=True)
class Lost(Event):
    """The worker is no more, and why; what it trained is lost."""

    reason: str


@dataclass(frozen=True)
class Stop:
    """Tells a worker to stop what it trains of the trial of that number."""

    number: int


@dataclass(frozen=True, kw_only=True)
class Job:
    """One training of a strategy, in canonical form: its number, its seed, when it must end.

    `why` it has its turn. `foreseen_seconds` are what it was foreseen to take, as steps were
    measured; 0 where nothing is known of it, and left out where nobody has asked. What does not
    come near the score `bar` is not scored on further folds. `begin` are parts that need not be
    trained again.

    A trial may be several jobs of one number. Where `part` names a phase of the training plan, or
    a training out of fold, that alone is trained, and nothing scored. The job without one trains
    and scores the whole, and takes what other jobs have trained of it, `given` in the order of the
    plan, as if it had done so itself. `begun` says when the first of them was handed out, by the
    deadline's clock. Where `until` says when each phase has to end, it is a part of the last
    training, on everything but test.
    """

    number: int
    strategy: str
    origin: str = "given"
    why: str = ""
    seed: int = 0
    deadline: Deadline = NEVER
    foreseen_seconds: float | None = None
    bar: float = -math.inf
    begin: tuple[TrainedPart, ...] = ()
    part: str = ""
    given: tuple[Done, ...] = ()
    begun: float | None = None
    until: Mapping[str, float] | None = None

    def ends_by(self, ceiling: float) -> Deadline:
        """When a training that starts now must have ended; a `ceiling` in seconds, 0 for none.

        Somewhat over the ceiling, which is far over what most are foreseen to take: other work on
        the machine may have come after the probe, and then a search that stops all has nothing to
        show. All jobs of a trial must end by the same moment: trained side by side, or one after
        another where no other worker is free, they take no longer than all of it in one.
        """
        if not ceiling:
            return self.deadline
        begun = self.deadline.clock() if self.begun is None else self.begun
        seconds = POLICY.over_ceiling * ceiling
        return Deadline(min(self.deadline.at, begun + seconds), self.deadline.clock)


def with_parts(record: Record, parts: Sequence[Record], n_rows: int) -> Record:
    """The record of a trial, with what other jobs took that trained parts of it on `n_rows`."""
    if not parts:
        return record
    everyone = [*parts, record]
    samples = [each.samples_seen for each in everyone if each.samples_seen is not None]
    flops = [each.train_flops for each in everyone if each.train_flops is not None]
    seconds = [each.train_seconds for each in everyone if each.train_seconds is not None]
    once = [each.once_seconds for each in everyone if each.once_seconds is not None]
    latencies = [each.latency_ms for each in everyone if each.latency_ms is not None]
    return replace(
        record,
        latency_ms=max(latencies, default=None),
        once_seconds=round(sum(once), 2) if once else None,
        train_seconds=sum(seconds) if seconds else None,
        samples_seen=sum(samples) if samples else None,
        epochs=sum(samples) / n_rows if samples else None,
        train_flops=sum(flops) if flops else None,
        best_fractions={k: v for each in everyone for k, v in each.best_fractions.items()},
        curve=tuple(sorted({point for each in everyone for point in each.curve})),
    )


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

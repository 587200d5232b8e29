"""One trial as the jobs it is made of: handed out side by side, and put together at the end.

Where a strategy is trained part by part, each part that needs nothing of the others can be a job
of its own. When all of them stand, a last job takes them as given, fits what is fitted afterwards,
and scores; its model is the one that a single job would have come to. What ends one part early
ends the trial.
"""

from collections import Counter, deque
from dataclasses import replace

from autosynth.composite import Resolved
from autosynth.record import Record, RecordState
from autosynth.study.context import RunContext
from autosynth.study.history import RunHistory
from autosynth.study.job import Done, Failed, Job, Lost, TrainedPart, with_parts
from autosynth.study.pool import WorkerPool
from autosynth.study.trial import initial_record
from autosynth.training.settle import fold_name, folds_of

# Times that a job is begun: one whose worker was lost is tried once more, for the worker may have
# been ended by another's doing; what ends two of them would end a third.
TRIES = 2


class Assembly:
    """The jobs of a trial, and what has come of them so far."""

    def __init__(self, context: RunContext, job: Job, parts: tuple[str, ...] = ()) -> None:
        """Make the jobs of a trial.

        Args:
            context: of the run.
            job: the whole training.
            parts: what is to be trained by jobs of their own, as `trial_parts` gives it; none for
                one job.
        """
        parts = parts if len(parts) > 1 else ()  # one alone gains nothing
        self.context, self.job, self.parts = context, job, parts
        self._waiting = deque([replace(job, part=part) for part in parts] or [job])
        self._out: dict[str, Job] = {}
        self._tries: Counter[str] = Counter()
        self._given: dict[str, Done] = {}
        self._spent: list[Record] = []  # of parts that did not end
        self._end: tuple[RecordState, str] | None = None

    @property
    def is_ending(self) -> bool:
        """Whether it has been given up, and waits for what its workers still say."""
        return self._end is not None

    def next(self) -> Job | None:
        """The next job to hand out; None where there is none, or none yet."""
        if not self._waiting:
            return None
        job = self._waiting.popleft()
        if self.parts and self.job.begun is None:
            self.job = replace(self.job, begun=job.deadline.clock())
        job = replace(job, begun=self.job.begun)
        self._out[job.part] = job
        self._tries[job.part] += 1
        return job

    def give_up(self, state: RecordState, reason: str) -> None:
        """Have nothing more of it handed out; the first reason is that of its record."""
        self._end = self._end or (state, reason)
        self._waiting.clear()

    def take(self, event: Done | Failed | Lost) -> Done | Failed | None:
        """Take in the last event of a job; gives that of the whole trial, once it has ended.

        Until then either a further job waits, or others have still to end.
        """
        job = self._out.pop(event.part)
        if isinstance(event, Lost):
            if job.deadline.over:  # another try would have no time
                self.give_up("stopped", f"it did not end before the budget ({event.reason})")
            elif self._tries[job.part] < TRIES:
                if not self.is_ending:
                    self._waiting.append(job)
            else:
                self.give_up("failed", f"its worker was lost, {TRIES} times: {event.reason}")
        elif not event.part:
            return event
        elif isinstance(event, Done) and event.record.state == "complete":
            self._given[event.part] = event
        else:
            self._spent.append(event.record)
            self.give_up(event.record.state, event.record.reason)
        if len(self._given) == len(self.parts) and not (self._waiting or self.is_ending):
            given = tuple(self._given[part] for part in self.parts)
            self._waiting.append(replace(self.job, given=given))
        return self._ended()

    def _ended(self) -> Done | Failed | None:
        """The last event of a trial that was given up, when nothing of it is trained any more."""
        if self._end is None or self._out:
            return None
        state, reason = self._end
        parts = [each.record for each in self._given.values()] + self._spent
        n_rows = len(self.context.dataset.splits.train)
        blank = initial_record(self.context, self.job, state, reason)
        record = with_parts(blank, parts, n_rows)
        kind = Failed if state == "failed" else Done
        return kind(number=self.job.number, record=record)


def has_room(pool: WorkerPool, to_come: float) -> bool:
    """Whether the parts of a trial are to be jobs of their own, for workers would idle without.

    So it is where more than one is free, or where the trials `to_come`, this one included, are too
    few to fill the pool. Else every worker has a trial of its own: parts side by side would gain
    no time over all, cost the making of the composite once a part, and have done more in vain when
    a rung ends them. They never wait long: what is begun comes before anything new.
    """
    return pool.size > 1 and (pool.free > 1 or to_come < pool.size)


def trial_parts(
    context: RunContext, history: RunHistory, resolved: Resolved
) -> tuple[tuple[TrainedPart, ...], tuple[str, ...]]:
    """The parts of a strategy that stand trained, and those to be trained that could be jobs.

    The latter need nothing of each other: phases of its training plan, in order, and trainings out
    of fold. The phases come first, for they alone have rungs: what is pruned there has done less.
    """
    standing: list[TrainedPart] = []
    apart: list[str] = []
    phases = resolved.training_plan.phases
    for phase, known in history.standing(resolved):
        standing += known
        may_be_apart = len(phases) == 1 or bool(history.alone(resolved, phase))
        if not known and may_be_apart:
            apart.append(phase.name)
    has_fit = bool(len(context.dataset.splits.calibration))
    plan = resolved.training_plan
    apart += map(fold_name, range(folds_of(plan.program, plan.post_hoc, has_fit=has_fit)))
    return tuple(standing), tuple(apart)

"""The one driver of a run: it asks, resolves, hands out jobs, and decides on what workers tell.

It owns the study, the records and the clock. Workers only train: the driver alone says what comes
next, whether a training goes on, and what is kept. What comes next is the offers' to say.
"""

import math
from collections import deque
from dataclasses import dataclass, replace

from autosynth.budget import POLICY
from autosynth.composite import Resolved, cost, resolve
from autosynth.errors import StrategyError
from autosynth.front import CHEAP_SHARE
from autosynth.progress import Progress
from autosynth.record import Record, read_all
from autosynth.study.agenda import COMPOSED, SPARED, Agenda, Limits, candidates, ladder
from autosynth.study.assembly import Assembly, has_room, trial_parts
from autosynth.study.context import RunContext
from autosynth.study.history import RunHistory
from autosynth.study.job import Done, Event, Failed, Job, Lost, Rung
from autosynth.study.offers import Offers
from autosynth.study.pool import WorkerPool
from autosynth.study.pruner import Curve, Decision, RungBook, doubt, is_spared
from autosynth.study.restrict import is_forbidden
from autosynth.study.sampler import Proposal, Sampler
from autosynth.study.trial import initial_record, over_limit

# Suggestions in a row that bring nothing new, before a search gives up: a small space is soon
# exhausted, and a suggestion costs far less than a training.
MAX_REPEATS = 30
# The constraint of what was not worth training: far over most errors, so that the sampler ranks it
# behind all that was pruned by its curve.
FAR_BEHIND = 10.0
# Seconds that the driver waits for workers at a time, before it looks at the clock again.
WAIT_SECONDS = 1.0


@dataclass(kw_only=True)
class _Running:
    """A trial at work: what it was proposed by, and the jobs it is made of."""

    assembly: Assembly
    proposal: Proposal
    resolved: Resolved
    curve: Curve
    pruned: Decision | None = None


class Driver:
    """Runs a search on a pool of workers, until time or trials run out or nothing new is found."""

    def __init__(
        self,
        context: RunContext,
        limits: Limits,
        progress: Progress,
        pool: WorkerPool,
        sampler: Sampler,
        book: RungBook | None = None,
    ) -> None:
        self.context, self.limits, self.progress = context, limits, progress
        self.pool, self.sampler, self.book = pool, sampler, book or RungBook()
        self.history = RunHistory(context, read_all(context.folder))
        singles = ladder(context.dataset, context.space)
        self.agenda = Agenda(
            singles=sorted(singles, key=lambda pair: self._seconds(pair[1])),
            composites=candidates(context.dataset, context.space, context.space.composites),
        )
        self.floor = 0.0
        if context.cost != "latency_ms":
            self.floor = CHEAP_SHARE * max(getattr(cost(r), context.cost) for _, r in singles)
        self.offers = Offers(self.history, self.agenda, floor=self.floor)
        self.repeats, self.hopeful = 0, False
        self.running: dict[int, _Running] = {}
        self.waiting: deque[Assembly] = deque()
        self.begun: set[str] = set()
        self.families = set(self.history.families)  # that stand alone in one that was begun
        for number, curve in sampler.curves().items():
            self.book.write(number, curve)
        # What takes longer than that comes first of nothing.
        self.quick = POLICY.quick_share * limits.deadline.left

    def run(self) -> None:
        """Hand out jobs and decide on what is told, until there is nothing left to do.

        Whatever ends it, no trial of the study is left as if it ran.
        """
        try:
            while True:
                self._fill()
                if not self.running and (self.pool.free or self._left() <= 0):
                    return
                self.pool.wait(self._handle, WAIT_SECONDS)
        finally:
            for each in self.running.values():
                self.sampler.fail(each.proposal, "broken off")

    def _fill(self) -> None:
        """Give every free worker a job, as far as there are any.

        Where nothing new is found it is hoped, once, that the machine is as quick as at first.
        """
        self._hand_out()
        while self.pool.free and not self.limits.stop() and self._to_come() > 0:
            left = self._left()
            if left <= 0:
                return
            if self.repeats >= MAX_REPEATS:
                if self.hopeful or self.running:
                    return
                self.hopeful, self.repeats = True, 0
            self._show(left)
            if not self._next():
                self.repeats = MAX_REPEATS

    def _hand_out(self) -> None:
        """Give free workers what waits of trials that are begun, the earliest of them first."""
        while self.pool.free and self.waiting:
            if job := self.waiting[0].next():
                self.pool.start(job)
            else:
                self.waiting.popleft()

    def _seconds(self, resolved: Resolved, pace: float = 1.0) -> float:
        """The time foreseen for a trial, with what its frozen networks have still to compute."""
        once = self.context.once_seconds(resolved)
        return pace * self.history.foreseen_seconds(resolved) * self.context.folds + once

    def _left(self, seconds: float = 0.0) -> float:
        """The time for trials, if the next one takes so many seconds."""
        return self.limits.deadline.left - self.limits.reserve(
            self.history.standings.finalists(), seconds
        )

    def _pace(self) -> float:
        return 1.0 if self.hopeful else self.history.pace

    def _fits(self, resolved: Resolved) -> bool:
        """Whether a trial would end in time, and what comes after it, were it the best."""
        pace = self._pace()
        left = self._left(pace * self.history.last_seconds(resolved, self.pool.size))
        return self._seconds(resolved, pace) <= left and not self.history.hurries(resolved, left)

    def _show(self, left: float) -> None:
        """Tell how the search stands, before a trial starts."""
        self.progress.status(
            running=len(self.running) + 1,
            front=len(self.history.standings.front()),
            seconds_left=None if left == math.inf else left,
        )

    def _to_come(self) -> float:
        """How many trials may still be begun."""
        most = math.inf if self.limits.trials is None else self.limits.trials
        return most - self.history.n_trained - len(self.running)

    def _next(self) -> bool:
        """Ask for one strategy, and do with it what is to be done; false where there is none."""
        if not self._enqueue():
            return False
        proposal = self.sampler.propose()
        data, space = self.context.dataset, self.context.space
        try:
            strategy = self.sampler.strategy(proposal)
            resolved = resolve(strategy, data.inputs, data.target)
        except StrategyError as error:
            self._pass_over(proposal, str(error))
            return True
        if is_forbidden(resolved, space):
            self._pass_over(proposal, "the space forbids it")
            return True
        canonical = resolved.canonical
        self.sampler.begin(proposal, cost=cost(resolved).flops, canonical=canonical)
        if canonical in self.history.done:
            self.repeats += 1
            self._learn(proposal, self.history.done[canonical])
        elif canonical in self.begun:
            self._pass_over(proposal, "an equal one is being trained")
        elif not self._fits(resolved):
            self._pass_over(proposal, "too long for the time that is left")
        else:
            self.repeats = 0
            self._begin(proposal, resolved)
        return True

    def _begin(self, proposal: Proposal, resolved: Resolved) -> None:
        """Hand out a job; or keep a record where it is over a limit."""
        if resolved.topology == "single":
            self.families.add(resolved.components)
        foreseen = self._pace() * self.history.foreseen_seconds(resolved)
        whole = self._pace() * self.history.last_seconds(resolved, self.pool.size)
        after = self.limits.reserve(self.history.standings.finalists(), whole)
        begin, parts = trial_parts(self.context, self.history, resolved)
        job = Job(
            number=self.history.number(),
            strategy=resolved.canonical,
            origin=proposal.origin,
            why=self.offers.why(resolved.canonical),
            seed=self.context.seed,
            deadline=self.limits.deadline.earlier(after),
            foreseen_seconds=self.history.foreseen_seconds(resolved),
            bar=self.history.bar,
            begin=begin,
        )
        if reason := over_limit(self.context, cost(resolved), foreseen):
            record = initial_record(self.context, job, "infeasible", reason)
            self.sampler.prune(proposal, constraint=FAR_BEHIND, why=reason)
            self.history.add(record)
            self._tell(record)
            return
        curve = Curve(cost=cost(resolved).flops)
        parts = parts if has_room(self.pool, self._to_come()) else ()
        assembly = Assembly(self.context, job, parts)
        self.running[job.number] = _Running(
            assembly=assembly, proposal=proposal, resolved=resolved, curve=curve
        )
        self.begun.add(job.strategy)
        self.offers.start(resolved, job.origin)
        self.waiting.append(assembly)
        self._hand_out()

    def _enqueue(self) -> bool:
        """Have the sampler propose what has its turn; false where nothing has."""
        done, begun = self.history.done, self.begun

        def able(resolved: Resolved) -> bool:
            canonical = resolved.canonical
            return canonical not in done and canonical not in begun and self._fits(resolved)

        def quick(resolved: Resolved) -> bool:
            return able(resolved) and self._seconds(resolved) <= self.quick

        origin, resolved = "ladder", self.agenda.fresh(self.families, quick)
        if not (resolved or done):  # in a budget too short for that there is to be a model, too
            resolved = self.agenda.quickest(able)
        if not resolved:
            origin, resolved = COMPOSED, self.history.composer.propose(able)
        if not resolved and (offer := self.offers.next(able)):
            origin, resolved = offer.origin, offer.resolved
        if resolved:
            self.sampler.ask_for(resolved, origin)
        return resolved is not None

    def _pass_over(self, proposal: Proposal, why: str) -> None:
        self.repeats += 1
        self.sampler.prune(proposal, constraint=FAR_BEHIND, why=why)

    def _learn(self, proposal: Proposal, record: Record, constraint: float = FAR_BEHIND) -> None:
        """Tell the sampler what came of a strategy, and how far it is behind if it did not end.

        Below the floor cheaper is not better, only more accurate.
        """
        if record.state == "complete":
            error = self.context.error(record.val[self.context.metric.name])
            price = max(float(getattr(record, self.context.cost)), self.floor)
            self.sampler.finish(proposal, error=error, cost=price)
        else:
            self.sampler.prune(proposal, constraint=constraint, why=record.reason)

    def _handle(self, event: Event) -> bool:
        """Decide on what a worker tells: whether its training is to be stopped."""
        each = self.running[event.number]
        if isinstance(event, Rung):
            return each.assembly.is_ending or self._judge(each, event)
        if not isinstance(event, Done | Failed | Lost):
            return False
        if ended := each.assembly.take(event):
            record = ended.record
            if record.state == "pruned" and each.pruned:
                record = replace(record, reason=each.pruned.why)
            kept = (ended.weights, ended.outputs) if isinstance(ended, Done) else (None, None)
            self._end(each, record, *kept)
        elif each.assembly.is_ending:
            self.pool.stop(event.number)
        else:
            self.waiting.append(each.assembly)
            if isinstance(event, Lost):
                what = f"{event.part} of trial {event.number}".removeprefix(" of ")
                self.progress.say(f"{what} begins again: its worker was lost ({event.reason})")
        return False

    def _judge(self, each: _Running, rung: Rung) -> bool:
        """Whether a training ends at a rung, by the pruner; all parts of it end with one."""
        trial = each.proposal.trial.number
        self.sampler.rung(each.proposal, rung.done, rung.error)
        each.curve = replace(each.curve, errors={**each.curve.errors, rung.done: rung.error})
        curve = each.curve.until(rung.done)
        verdict = self.book.decide(
            trial,
            curve,
            e_ref=self.context.error(self.context.trivial_score),
            standard_error=doubt(rung.done, rung.error, rung.standard_error),
        )
        self.book.write(trial, curve)
        # A longer one is there because a shorter one was among the best; and where a trial is
        # scored on several folds, the rows of the first are too few to end it.
        spared = each.assembly.job.origin in SPARED or self.context.folds > 1
        spared = spared or self.offers.may_go_on(each.resolved)
        if spared or is_spared(trial, self.context.seed) or not verdict.prune:
            return False
        each.pruned = verdict
        if rung.part:
            each.assembly.give_up("pruned", verdict.why)
        return True

    def _end(
        self, each: _Running, record: Record, weights: bytes | None, outputs: bytes | None
    ) -> None:
        """Keep a trial that ended, and learn from it."""
        self.hopeful = False
        self.history.add(record, weights, outputs)
        job = each.assembly.job
        del self.running[job.number]
        self.begun.discard(job.strategy)
        self.repeats = 0 if self.running else self.repeats
        self.offers.put(record)
        if record.state == "failed":
            self.sampler.fail(each.proposal, record.reason)
        else:
            behind = each.pruned.constraint if each.pruned else FAR_BEHIND
            self._learn(each.proposal, record, behind)
        self._tell(record)

    def _tell(self, record: Record) -> None:
        metric = self.context.metric
        score = record.val.get(metric.name)
        if score is None and record.curve and not metric.relative:
            score = 1.0 - record.curve[-1][1]
        shown = " | ".join(filter(None, (record.strategy, record.settings)))
        self.progress.trial(
            number=record.trial,
            strategy=shown,
            state=record.state,
            score=score,
            flops=record.flops,
            seconds=record.train_seconds,
            reason=record.reason,
        )

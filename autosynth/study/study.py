"""The search of one process: ask, resolve, train, tell, until time or trials run out.

What comes next is the agenda's to say. Several processes may run this on one folder: they meet in
the study's journal and in the records alone.
"""

import math
import shutil
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import optuna

from autosynth.composite import Resolved, cost, resolve
from autosynth.composite.layout import readers
from autosynth.errors import StrategyError
from autosynth.progress import Progress
from autosynth.record import Record, claim, read_all, trial_dir, write_record
from autosynth.spec import Dataset
from autosynth.strategy import Strategy, parse
from autosynth.study import storage
from autosynth.study.agenda import (
    LENGTH,
    LONGER,
    Agenda,
    Candidate,
    Turn,
    first_length,
    worth_longer,
)
from autosynth.study.context import RunContext
from autosynth.study.finalist import a_training, expect, finalists, front_of
from autosynth.study.params import complete_strategy, params_for
from autosynth.study.pruner import Decision, decide, is_spared
from autosynth.study.shelf import Shelf
from autosynth.study.space import FORBID_KEYS, Space
from autosynth.study.suggest import suggest
from autosynth.study.trial import Job, initial_record, over_limit, run_trial

# Suggestions in a row that bring nothing new, before a search gives up: a small space is soon
# exhausted, and a suggestion costs far less than a training.
MAX_REPEATS = 30
# What a trial is given the benefit of at a rung: standard errors, and the part of an error that
# may still fall over a whole schedule, whose learning rate is high until late. Measured on adult,
# trec, CricketX and mnist1d: the rank correlation of a rung with the end is -.29 to .89 at 1/27 of
# the schedule and .88 to .96 at 1/3. So much slack saves 0 to 3 % of the compute and kills no
# member of the front; without it 9 to 36 % are saved, and .3 to .95 of two to five members killed.
DOUBT = 2.0
STILL_TO_FALL = 0.3
# Of the dearest single component: what is as cheap need not be cheaper. On a log scale of cost the
# sampler would else go after ever smaller networks, which nobody wants.
CHEAP_SHARE = 0.01
# The constraint of what was not worth training: far over most errors, so that the sampler ranks it
# behind all that was pruned by its curve.
FAR_BEHIND = 10.0
# Of the time that is left, that a dear single component may take, which has its turn early: the
# composites need the rest.
BOLD_SHARE = 1 / 4
# Of the time for trials, that the first size of a family may take: with six families, the first
# round of all of them ends within half of it.
QUICK_SHARE = 1 / 12
# Last trials, whose median says how a training's time compares with the foreseen: one that was
# slow had set the pace of all, and a search on a busy machine then found nothing that fitted.
PACE_TRIALS = 9
_ORIGIN = "origin"


@dataclass(frozen=True, kw_only=True)
class Limits:
    """When a search ends: `deadline` as `time.time()`, `trials` trained, or `stop()` is true.

    `reserve(records, seconds)` is the time, in seconds, that what comes after the trials will
    take, if one more trial of so many comes before, which may be the best.
    """

    deadline: float = math.inf
    trials: int | None = None
    stop: Callable[[], bool] = field(default=lambda: False)
    reserve: Callable[[list[Record], float], float] = field(default=lambda records, seconds: 0.0)


def ladder(dataset: Dataset, space: Space) -> list[Candidate]:
    """The single components that are always in, cheapest first."""
    found = _resolved(dataset, space, [s for steps in space.ladder.values() for s in steps])
    return sorted(found, key=lambda pair: cost(pair[1]).flops)


def _resolved(dataset: Dataset, space: Space, written: Sequence[Strategy]) -> list[Candidate]:
    return [
        (strategy, resolve(complete_strategy(strategy, space), dataset.inputs, dataset.target))
        for strategy in written
    ]


class Study:
    """One process's part in a search."""

    def __init__(
        self,
        context: RunContext,
        limits: Limits,
        progress: Progress,
        worker: int = 0,
        workers: int = 1,
        pruner: Callable[..., Decision] = decide,
    ) -> None:
        self.pruner = pruner
        self.context, self.limits, self.progress = context, limits, progress
        self.study = storage.open_study(
            context.journal,
            seed=context.seed,
            worker=worker,
            fingerprint=context.space.fingerprint,
        )
        singles = ladder(context.dataset, context.space)
        portfolio = _resolved(context.dataset, context.space, context.space.composites)
        self.agenda = Agenda(
            singles=sorted(singles, key=lambda pair: self._seconds(pair[1]))[worker::workers],
            composites=portfolio[worker::workers],
        )
        self.floor = 0.0
        if context.cost != "latency_ms":
            self.floor = CHEAP_SHARE * max(getattr(cost(r), context.cost) for _, r in singles)
        self.turn = 0
        self.repeats = 0
        self.hopeful = False
        self.shelf = Shelf(context.folder)
        self.judged: tuple[frozenset[int], dict[int, float | None]] = frozenset(), {}
        # What takes longer than that comes first of nothing.
        self.quick = QUICK_SHARE * (limits.deadline - time.time())

    def _seconds(self, resolved: Resolved, pace: float = 1.0) -> float:
        """The time foreseen for a trial, with what its frozen networks have still to compute."""
        return pace * self.context.trial_seconds(resolved) + self.context.once_seconds(resolved)

    def run(self) -> None:
        """Trials until a limit is met, or nothing new is found twice in a row.

        The second time it is hoped that the machine is as quick again as when it was measured.
        """
        while not self.limits.stop():
            if self.repeats >= MAX_REPEATS:
                if self.hopeful:
                    return
                self.hopeful, self.repeats = True, 0
            records = self._records()
            if self._enough(records):
                return
            left = self._left(records)
            if left <= 0:
                return
            self._show(records, left)
            self.shelf.drop(records, self._finalists, self.context.metric.name)
            self._next(records)

    def _finalists(self, records: list[Record]) -> set[int]:
        return {record.trial for record in finalists(records, self.context)}

    def _records(self) -> list[Record]:
        """The records so far, with what is to be expected of strategies where rows are few."""
        records = read_all(self.context.folder)
        if not self.context.is_few:
            return records
        done = frozenset(r.trial for r in records if r.state == "complete")
        if done != self.judged[0]:
            name, floor = self.context.metric.name, self.context.trivial_score
            self.judged = done, {r.trial: r.expected for r in expect(records, name, floor)}
        return [replace(r, expected=self.judged[1].get(r.trial, r.expected)) for r in records]

    def _left(self, records: list[Record], seconds: float = 0.0) -> float:
        """The time for trials, if the next one takes so many seconds."""
        return self.limits.deadline - time.time() - self.limits.reserve(records, seconds)

    def _pace(self, records: list[Record]) -> float:
        return 1.0 if self.hopeful else _pace(records)

    def _fits(self, records: list[Record], resolved: Resolved) -> bool:
        """Whether a trial would end in time, and what comes after it, were it the best."""
        pace = self._pace(records)
        left = self._left(records, pace * self.context.foreseen_seconds(resolved))
        return self._seconds(resolved, pace) <= left

    def _show(self, records: list[Record], left: float) -> None:
        """Tell how the search stands, before a trial starts."""
        front = [r for r in finalists(records, self.context) if r.topology != "baseline"]
        self.progress.status(
            running=1, front=len(front), seconds_left=None if left == math.inf else left
        )

    def _enough(self, records: list[Record]) -> bool:
        trained = [r for r in records if r.kind == "strategy" and r.state != "not_run"]
        return self.limits.trials is not None and len(trained) >= self.limits.trials

    def _next(self, records: list[Record]) -> None:
        """Ask for one strategy, and do with it what is to be done."""
        done = {r.canonical: r for r in records if _counts(r)}
        self._enqueue(records, done)
        trial = self.study.ask()
        origin = str(trial.user_attrs.get(_ORIGIN, "sampler"))
        data = self.context.dataset
        try:
            resolved = resolve(suggest(trial, self.context.space), data.inputs, data.target)
        except StrategyError as error:
            self._pass_over(trial, str(error))
            return
        columns = {key: str(getattr(resolved, key)) for key in FORBID_KEYS}
        columns["components"] += f"+{_readers(resolved)}"
        if self.context.space.forbids(columns):
            self._pass_over(trial, "the space forbids it")
            return
        storage.start(trial, cost=cost(resolved).flops, strategy=str(resolved.strategy))
        if str(resolved.strategy) in done:
            self._repeat(trial, done[str(resolved.strategy)])
            return
        if not self._fits(records, resolved):
            self._pass_over(trial, "too long for the time that is left")
            return
        self.repeats = 0
        foreseen = self._pace(records) * self.context.foreseen_seconds(resolved)
        job = Job(
            number=claim(self.context.folder),
            resolved=resolved,
            origin=origin,
            deadline=time.perf_counter() + self._left(records, foreseen),
            seconds=foreseen,
        )
        reason = over_limit(self.context, job)
        if reason:
            record = initial_record(self.context, job, "infeasible", reason)
            write_record(record, self.context.folder)
            storage.prune(self.study, trial, constraint=FAR_BEHIND, why=reason)
            self._tell(record)
            return
        self._train(trial, job)

    def _enqueue(self, records: list[Record], done: dict[str, Record]) -> None:
        """Have the study ask for what comes next by the agenda, or for a choice of its own."""

        def able(resolved: Resolved) -> bool:
            return str(resolved.strategy) not in done and self._fits(records, resolved)

        def quick(resolved: Resolved) -> bool:
            return able(resolved) and self._seconds(resolved) <= self.quick

        def bold(resolved: Resolved) -> bool:
            seconds = self._seconds(resolved, self._pace(records))
            return able(resolved) and seconds <= BOLD_SHARE * self._left(records)

        if fresh := self.agenda.fresh(records, quick):
            self._ask(fresh, "ladder")
            return
        topologies = self.context.space.topologies
        for turn in self.agenda.turns(len(done), len(self.context.space.families)):
            if turn == "longer":
                if self._lengthen(records, able):
                    return
                continue
            if turn == "single":
                written = self.agenda.single(records, able, bold, self.context.metric.name)
            else:
                written = self.agenda.composite(able)
            if written:
                self._ask(written, "ladder" if turn == "single" else "portfolio")
                return
            kinds = [each for each in topologies if (each == "single") == (turn == "single")]
            if kinds:
                self.turn += 1
                topology = {"topology": kinds[self.turn % len(kinds)]} if topologies[1:] else {}
                params = topology | first_length(self.context.space)
                self.study.enqueue_trial(params, user_attrs={_ORIGIN: "sampler"})
                return

    def _ask(self, written: Strategy, origin: str) -> None:
        params = params_for(written, self.context.space)
        self.study.enqueue_trial(params, user_attrs={_ORIGIN: origin})

    def _lengthen(self, records: list[Record], able: Callable[[Resolved], bool]) -> bool:
        """Have the study ask for the longer training that promises most, if there is one."""
        data, begun = self.context.dataset, storage.trials_by_strategy(self.study)
        front = front_of(records, self.context)
        for each in worth_longer(records, front, self.context.space, self.context.metric.name):
            resolved = resolve(parse(each.resolved), data.inputs, data.target)
            if each.trained in begun and each.resolved not in begun and able(resolved):
                params = {**begun[each.trained].params, LENGTH: each.param}
                self.study.enqueue_trial(params, user_attrs={_ORIGIN: LONGER})
                return True
        return False

    def _pass_over(self, trial: optuna.Trial, why: str) -> None:
        self.repeats += 1
        storage.prune(self.study, trial, constraint=FAR_BEHIND, why=why)

    def _repeat(self, trial: optuna.Trial, record: Record) -> None:
        """Tell the sampler what is known of an equal strategy, and train nothing."""
        self.repeats += 1
        self._learn(trial, record)

    def _learn(self, trial: optuna.Trial, record: Record, constraint: float = FAR_BEHIND) -> None:
        """Tell the sampler what came of a strategy, and how far it is behind if it did not end.

        Below the floor cheaper is not better, only more accurate.
        """
        if record.state == "complete":
            error = self.context.error(record.val[self.context.metric.name])
            price = max(float(getattr(record, self.context.cost)), self.floor)
            storage.finish(self.study, trial, error=error, cost=price)
        else:
            storage.prune(self.study, trial, constraint=constraint, why=record.reason)

    def _train(self, trial: optuna.Trial, job: Job) -> None:
        def on_rung(done: float, error: float, standard_error: float) -> Decision | None:
            storage.write_rung(trial, done, error)
            curves = storage.curves(self.study)
            mine = curves.pop(trial.number)
            verdict = self.pruner(
                mine,
                curves.values(),
                e_ref=self.context.error(self.context.trivial_score),
                standard_error=DOUBT * standard_error + STILL_TO_FALL * (1 - done) * error,
            )
            # A longer one is there because a shorter one was among the best; and where a trial is
            # scored on several folds, the rows of the first are too few to end it.
            spared = job.origin == LONGER or self.context.folds > 1
            spared = spared or is_spared(trial.number, self.context.seed)
            return verdict if verdict.prune and not spared else None

        try:
            result = run_trial(self.context, job, on_rung)
        except KeyboardInterrupt:
            storage.fail(self.study, trial, why="broken off")
            shutil.rmtree(trial_dir(self.context.folder, job.number))
            raise
        self.hopeful, record = False, result.record
        # Counted without a clock: the same seed gives the same trials.
        turn: Turn = "single" if record.topology == "single" else "composite"
        turn = "longer" if job.origin == LONGER else turn
        self.agenda.spent[turn] += 1.0 if self.limits.trials else record.train_seconds or 0.0
        if record.state == "failed":
            storage.fail(self.study, trial, why=record.reason)
        else:
            behind = result.pruned.constraint if result.pruned else FAR_BEHIND
            self._learn(trial, record, behind)
        self._tell(record)

    def _tell(self, record: Record) -> None:
        metric = self.context.metric
        last = record.curve[-1][1] if record.curve else None
        score = record.val.get(metric.name)
        if score is None and last is not None and not metric.relative:
            score = 1.0 - last
        shown = f"{record.strategy} | {record.settings}" if record.settings else record.strategy
        self.progress.trial(
            number=record.trial,
            strategy=shown,
            state=record.state,
            score=score,
            flops=record.flops,
            seconds=record.train_seconds,
            reason=record.reason,
        )


def _pace(records: list[Record]) -> float:
    """How long trainings take over what was foreseen: the machine may be busier than it was.

    One that took longer says little: something else may have run for a moment.
    """
    known = [1.0] + [
        a_training(r) / r.foreseen_seconds
        for r in records
        if r.state == "complete" and r.foreseen_seconds
    ]
    return statistics.median_low(known[-PACE_TRIALS:])


def _readers(resolved: Resolved) -> str:
    """The families that read inputs, each with the kinds of them: `cnn:text+mlp:table`."""
    kinds = {spec.name: spec.kind for spec in resolved.inputs if not spec.of}
    found = {
        f"{part.family}:{kinds[name]}"
        for part in readers(resolved.strategy.root)
        for name in part.inputs or kinds
        if name in kinds
    }
    return "+".join(sorted(found))


def _counts(record: Record) -> bool:
    """Whether a strategy need not be trained again."""
    return record.kind == "strategy" and record.state not in ("not_run", "stopped")

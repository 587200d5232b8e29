"""The search of one process: ask, resolve, train, tell, until time or trials run out.

Single components of the ladder and composites take turns, so that both get as much tuning. Several
processes may run this on one folder: they meet in the study's journal and in the records alone.
"""

import math
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import optuna

from autosynth.composite import Resolved, cost, resolve
from autosynth.composite.reading import readers
from autosynth.data.spec import Dataset
from autosynth.errors import StrategyError
from autosynth.progress import Progress
from autosynth.record import Record, read_all, trial_dir, write
from autosynth.strategy import Strategy
from autosynth.study import storage
from autosynth.study.bench import Bench
from autosynth.study.params import complete, params_for
from autosynth.study.pruner import Decision, decide, is_spared
from autosynth.study.reserve import finalists
from autosynth.study.space import FORBID_KEYS, Space
from autosynth.study.suggest import suggest
from autosynth.study.trial import Job, describe, over_limit, run_trial

MAX_REPEATS = 30  # suggestions in a row that bring nothing new, before a search gives up
DOUBT = 2.0  # standard errors that a trial is given the benefit of
STILL_TO_FALL = 0.3  # of an error, over a whole schedule: at a high learning rate it says little
CHEAP_SHARE = 0.01  # of the dearest single component: what is as cheap need not be cheaper
FAR_BEHIND = 10.0  # the constraint of what was not worth training
_ORIGIN = "origin"
_Candidate = tuple[Strategy, Resolved]


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


def ladder(dataset: Dataset, space: Space) -> list[_Candidate]:
    """The single components that are always in, cheapest first."""
    found = _resolved(dataset, space, [s for steps in space.ladder.values() for s in steps])
    return sorted(found, key=lambda pair: cost(pair[1]).flops)


def _resolved(dataset: Dataset, space: Space, written: Sequence[Strategy]) -> list[_Candidate]:
    return [
        (strategy, resolve(complete(strategy, space), dataset.inputs, dataset.target))
        for strategy in written
    ]


class Study:
    """One process's part in a search."""

    def __init__(
        self, bench: Bench, limits: Limits, progress: Progress, worker: int = 0, workers: int = 1
    ) -> None:
        self.bench, self.limits, self.progress, self.worker = bench, limits, progress, worker
        self.study = storage.open_study(
            bench.journal, seed=bench.seed, worker=worker, fingerprint=bench.space.fingerprint
        )
        singles = ladder(bench.dataset, bench.space)
        portfolio = _resolved(bench.dataset, bench.space, bench.space.composites)
        self.singles = self._quickest_first(singles)[worker::workers]
        self.composites = portfolio[worker::workers]
        self.floor = 0.0
        if bench.cost != "latency_ms":
            self.floor = CHEAP_SHARE * max(getattr(cost(r), bench.cost) for _, r in singles)
        self.turn = 0
        self.spent = [0.0, 0.0]  # seconds or trials, of single components and of composites
        self.repeats = 0

    def _quickest_first(self, found: list[_Candidate]) -> list[_Candidate]:
        """By the training time that is foreseen; as they were, by FLOPs, where none was probed."""
        return sorted(found, key=lambda pair: self._seconds(pair[1]))

    def _seconds(self, resolved: Resolved) -> float:
        """The time foreseen for a trial, with what its frozen networks have still to compute."""
        return self.bench.foreseen_seconds(resolved) + self.bench.once_seconds(resolved)

    def run(self) -> None:
        """Trials until a limit is met."""
        while self.repeats < MAX_REPEATS and not self.limits.stop():
            records = read_all(self.bench.folder)
            if self._enough(records):
                return
            left = self._left(records)
            if left <= 0:
                return
            self._show(records, left)
            self._next(records)

    def _left(self, records: list[Record], seconds: float = 0.0) -> float:
        """The time for trials, if the next one takes so many seconds."""
        return self.limits.deadline - time.time() - self.limits.reserve(records, seconds)

    def _fits(self, records: list[Record], resolved: Resolved) -> bool:
        """Whether a trial would end in time, and what comes after it, were it the best."""
        left = self._left(records, self.bench.foreseen_seconds(resolved))
        return self._seconds(resolved) <= left

    def _show(self, records: list[Record], left: float) -> None:
        """Tell how the search stands, before a trial starts."""
        front = [r for r in finalists(records, self.bench) if r.topology != "baseline"]
        self.progress.status(
            running=1, front=len(front), seconds_left=None if left == math.inf else left
        )

    def _enough(self, records: list[Record]) -> bool:
        trained = [r for r in records if r.kind == "strategy" and r.state != "not_run"]
        return self.limits.trials is not None and len(trained) >= self.limits.trials

    def _next(self, records: list[Record]) -> None:
        """Ask for one strategy, and do with it what is to be done."""
        done = {r.notes["resolved"]: r for r in records if _counts(r)}
        self._enqueue(records, done)
        trial = self.study.ask()
        origin = str(trial.user_attrs.get(_ORIGIN, "sampler"))
        data = self.bench.dataset
        try:
            resolved = resolve(suggest(trial, self.bench.space), data.inputs, data.target)
        except StrategyError as error:
            self._pass_over(trial, str(error))
            return
        columns = {key: str(getattr(resolved, key)) for key in FORBID_KEYS}
        columns["components"] += f"+{_readers(resolved)}"
        if self.bench.space.forbids(columns):
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
        left = self._left(records, self.bench.foreseen_seconds(resolved))
        job = Job(
            number=claim(self.bench.folder), resolved=resolved, origin=origin,
            deadline=time.perf_counter() + left,
        )  # fmt: skip
        reason = over_limit(self.bench, job)
        if reason:
            record = describe(self.bench, job, "infeasible", reason)
            write(record, self.bench.folder)
            storage.prune(self.study, trial, constraint=FAR_BEHIND, why=reason)
            self._tell(record)
            return
        self._train(trial, job)

    def _enqueue(self, records: list[Record], done: dict[str, Record]) -> None:
        """A single or a composite, whichever has had less; the written ones first."""
        names = ("ladder", "portfolio")
        composite = int(self.spent[1] < self.spent[0])
        queue = (self.singles, self.composites)[composite]
        self.turn += 1
        while queue:
            strategy, resolved = queue.pop(0)
            if str(resolved.strategy) not in done and self._fits(records, resolved):
                params = params_for(strategy, self.bench.space)
                self.study.enqueue_trial(params, user_attrs={_ORIGIN: names[composite]})
                return
        kinds = [t for t in self.bench.space.topologies if (t != "single") == bool(composite)]
        if kinds and len(self.bench.space.topologies) > 1:
            kind = kinds[self.turn % len(kinds)]
            self.study.enqueue_trial({"topology": kind}, user_attrs={_ORIGIN: "sampler"})

    def _pass_over(self, trial: optuna.Trial, why: str) -> None:
        self.repeats += 1
        storage.prune(self.study, trial, constraint=FAR_BEHIND, why=why)

    def _repeat(self, trial: optuna.Trial, record: Record) -> None:
        """Tell the sampler what is known of an equal strategy, and train nothing."""
        self.repeats += 1
        if record.state == "complete":
            error = self.bench.error(record.val[self.bench.metric.name])
            storage.finish(self.study, trial, error=error, cost=self._cost(record))
        else:
            storage.prune(self.study, trial, constraint=FAR_BEHIND, why=record.reason)

    def _cost(self, record: Record) -> float:
        """What the sampler is told: below the floor cheaper is not better, only more accurate."""
        return max(float(getattr(record, self.bench.cost)), self.floor)

    def _train(self, trial: optuna.Trial, job: Job) -> None:
        decision: list[Decision] = []

        def on_rung(done: float, error: float, standard_error: float) -> str | None:
            storage.write_rung(trial, done, error)
            curves = storage.curves(self.study)
            mine = curves.pop(trial.number)
            verdict = decide(
                mine, curves.values(), n_val=len(self.bench.dataset.splits.select),
                e_ref=self.bench.error(self.bench.trivial_score),
                standard_error=DOUBT * standard_error + STILL_TO_FALL * (1 - done) * error,
            )  # fmt: skip
            if not verdict.prune or is_spared(trial.number, self.bench.seed):
                return None
            decision.append(verdict)
            return verdict.why

        try:
            record = run_trial(self.bench, job, on_rung)
        except KeyboardInterrupt:
            storage.fail(self.study, trial, why="broken off")
            shutil.rmtree(trial_dir(self.bench.folder, job.number))
            raise
        # Counted without a clock: the same seed gives the same trials.
        seconds = record.train_seconds or 0.0
        self.spent[record.topology != "single"] += 1.0 if self.limits.trials else seconds
        if record.state == "complete":
            error = self.bench.error(record.val[self.bench.metric.name])
            storage.finish(self.study, trial, error=error, cost=self._cost(record))
        elif record.state == "pruned":
            behind = decision[0].constraint
            storage.prune(self.study, trial, constraint=behind, why=record.reason)
        elif record.state == "failed":
            storage.fail(self.study, trial, why=record.reason)
        else:
            storage.prune(self.study, trial, constraint=FAR_BEHIND, why=record.reason)
        self._tell(record)

    def _tell(self, record: Record) -> None:
        metric = self.bench.metric
        last = record.curve[-1][1] if record.curve else None
        score = record.val.get(metric.name)
        if score is None and last is not None and not metric.relative:
            score = 1.0 - last
        shown = f"{record.strategy} | {record.settings}" if record.settings else record.strategy
        self.progress.trial(
            number=record.trial, strategy=shown,
            state=record.state, score=score, flops=record.flops, seconds=record.train_seconds,
            reason=record.reason,
        )  # fmt: skip


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


def claim(folder: Path) -> int:
    """The next free trial number of a run, made ours by making its folder."""
    number = 0
    taken = [int(path.name) for path in (folder / "trials").glob("[0-9]*")]
    number = max(taken, default=-1) + 1
    while True:
        try:
            trial_dir(folder, number).mkdir(parents=True)
        except FileExistsError:
            number += 1
        else:
            return number

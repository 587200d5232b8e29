"""A trial of several jobs: parts that are trained side by side, and what becomes of them."""

from collections import deque
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autosynth.budget import Deadline
from autosynth.composite import cost
from autosynth.data import load_dataset
from autosynth.progress import Progress
from autosynth.record import Record, read_all, weights_path
from autosynth.spec import Dataset
from autosynth.strategy import Strategy, parse
from autosynth.study.agenda import Limits
from autosynth.study.assembly import Assembly, trial_parts
from autosynth.study.context import RunContext
from autosynth.study.driver import Driver
from autosynth.study.history import RunHistory
from autosynth.study.job import Job, Lost, Rung
from autosynth.study.pool import Handle, LocalPool, WorkerPool
from autosynth.study.processes import ProcessPool
from autosynth.study.pruner import Curve, RungBook
from autosynth.study.sampler import Proposal, Sampler
from autosynth.study.simulation import Replay, SimulatedPool
from autosynth.study.trial import initial_record, run_trial

MakeContext = Callable[..., RunContext]
A, B, C, D = (f"mlp[width={width}, depth=1]" for width in (8, 12, 16, 24))
TWO = f"mean({A}, {B}) train=subsets rows=all"
FOLDS = ["fold 1", "fold 2", "fold 3"]
FOUR = f"mean({A}, {B}, {C}, {D}) train=subsets rows=all | length=.1"


class Writing(Sampler):
    """Proposes what is written down, one after another."""

    texts: deque[str]

    def strategy(self, proposal: Proposal) -> Strategy:
        """The next that is written."""
        super().strategy(proposal)
        return parse(self.texts.popleft())


def search(
    context: RunContext, pool: WorkerPool, *texts: str, book: RungBook | None = None, **limits: Any
) -> list[Record]:
    """All records of the run, after a search that trains these strategies and no others."""
    sampler = Writing.of_run(context)
    sampler.texts = deque(texts)  # type: ignore[attr-defined]
    asked = Limits(trials=len(read_all(context.folder)) + len(texts), **limits)
    Driver(context, asked, Progress(live=False), pool, sampler, book).run()
    return read_all(context.folder)


class Noted(WorkerPool):
    """Another pool, and the parts that it was given."""

    def __init__(self, pool: WorkerPool) -> None:
        self.pool, self.size, self.clock = pool, pool.size, pool.clock
        self.parts: list[str] = []

    @property
    def free(self) -> int:
        """Of the other."""
        return self.pool.free

    def start(self, job: Job) -> None:
        """Note the part."""
        self.parts.append(job.part)
        self.pool.start(job)

    def stop(self, number: int) -> None:
        """Hand it on."""
        self.pool.stop(number)

    def wait(self, handle: Handle, seconds: float) -> None:
        """Hand it on."""
        self.pool.wait(handle, seconds)


class Turns(WorkerPool):
    """Workers that train in this process, in turns; each loses the first job of some parts."""

    def __init__(self, context: RunContext, size: int, lost: tuple[str, ...] = ()) -> None:
        self.context, self.size, self.lost = context, size, list(lost)
        self.jobs: list[Job] = []
        self.parts: list[str] = []
        self.begun: list[float | None] = []
        self.stopped: set[int] = set()
        self.seconds: list[float] = []  # that the records of jobs say

    @property
    def free(self) -> int:
        """Those without a job."""
        return self.size - len(self.jobs)

    def start(self, job: Job) -> None:
        """Put it behind the others."""
        self.jobs.append(job)
        self.parts.append(job.part)
        self.begun.append(job.begun)

    def stop(self, number: int) -> None:
        """At the next step."""
        self.stopped.add(number)

    def wait(self, handle: Handle, seconds: float) -> None:
        """Train the first."""
        if not self.jobs:
            return
        job = self.jobs.pop(0)
        if job.part in self.lost:
            self.lost.remove(job.part)
            handle(Lost(number=job.number, part=job.part, reason="killed by signal 9"))
        else:
            ended = run_trial(self.context, job, handle, lambda: job.number in self.stopped)
            self.seconds.append(ended.record.train_seconds or 0.0)
            handle(ended)


@pytest.fixture(scope="module")
def wine() -> Dataset:
    return replace(load_dataset("wine"), independent=False)  # a trial is one training


@pytest.fixture
def context(wine_context: RunContext, tmp_path: Path) -> RunContext:
    """The same run in a folder of its own."""
    (tmp_path / "trials").mkdir()
    return replace(wine_context, folder=tmp_path)


MEASURED = {
    "train_seconds": None, "eval_seconds": None, "latency_ms": None, "once_seconds": None,
    "foreseen_seconds": None,
}  # fmt: skip


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        (TWO, ["part 1", "part 2"]),
        (f"stack[linear]({A}, {B}) train=subsets | length=.1", ["part 1", "part 2", *FOLDS]),
        (
            f"weighted[fit]({A}, {B}) train=subsets rows=bootstrap | length=.1",
            ["part 1", "part 2", *FOLDS],  # of few rows none are held back to fit on
        ),
        (f"stack[linear]({A}, {B}) | length=.1", ["together", *FOLDS]),
        (f"concat({A}, {B}, {C}) init=parts | length=.1", ["part 1", "part 2", "part 3"]),
    ],
)
def test_parts_on_two_workers_come_to_what_one_worker_comes_to(
    text: str,
    parts: list[str],
    context: RunContext,
    processes: ProcessPool,
    tmp_path: Path,
) -> None:
    other = replace(context, folder=tmp_path / "other")
    (other.folder / "trials").mkdir(parents=True)
    (alone,) = search(context, LocalPool(context), text)
    pool = Noted(processes)
    (record,) = search(other, pool, text)
    assert pool.parts == [*parts, ""]
    assert alone.state == "complete"
    assert replace(record, **MEASURED) == replace(alone, **MEASURED)  # type: ignore[arg-type]
    files = [weights_path(each.folder, 0).read_bytes() for each in (context, other)]
    assert files[0] == files[1]
    assert [done for done, _ in record.curve] == [1 / 3, 1.0]  # the first is what a part has told


def test_the_seconds_of_a_trial_are_those_of_all_its_jobs(
    context: RunContext, tmp_path: Path
) -> None:
    pool = Turns(context, 2)
    (record,) = search(context, pool, FOUR)
    last = run_trial(context, Job(number=5, strategy=record.canonical, part="part 2"))
    assert pool.parts == ["part 1", "part 2", "part 3", "part 4", ""]
    (begun,) = set(pool.begun)  # of all of them, the last too
    assert begun is not None
    samples = last.record.samples_seen
    assert samples is not None
    assert record.samples_seen == 4 * samples
    assert record.epochs == pytest.approx(4 * samples / len(context.dataset.splits.train))
    assert record.train_flops == sum(
        3 * cost(context.resolved(part)).flops * samples for part in (A, B, C, D)
    )
    # What the last job says is that of the whole.
    assert record.train_seconds == pool.seconds[-1] > sum(pool.seconds[:-1]) > 0


def test_a_part_that_stands_is_not_trained_again(context: RunContext) -> None:
    pool, settings = Turns(context, 2), "| length=.1"
    text = f"mean({A}, {B}, {C}) init=parts {settings}"
    search(context, pool, f"{B} {settings}")
    records = search(context, pool, text)
    assert pool.parts == ["", "part 2", "part 3", ""]
    single, whole = records
    assert whole.epochs == pytest.approx(3 * (single.epochs or 0.0))
    history = RunHistory(context, records)
    standing, apart = trial_parts(context, history, context.resolved(text))
    assert [part.strategy for part in standing] == [single.canonical]
    assert apart == ("part 2", "part 3")


@pytest.mark.parametrize(
    ("text", "size", "parts"),
    [
        (FOUR, 1, [""]),
        (f"mean({A}, {B}) | length=.1", 2, [""]),  # trained as one
        (f"{A} > {B} train=subsets rows=all | length=.1", 2, [""]),  # one stands on the other
    ],
)
def test_what_cannot_be_trained_side_by_side_is_one_job(
    text: str, size: int, parts: list[str], context: RunContext
) -> None:
    pool = Turns(context, size)
    (record,) = search(context, pool, text)
    assert record.state == "complete"
    assert pool.parts == parts


@pytest.mark.parametrize(
    ("lost", "state"),
    [
        (("part 2",), "complete"),
        (("part 1", "part 2", ""), "complete"),
        (("part 3", "part 3"), "failed"),
        (("", ""), "failed"),
    ],
)
def test_a_lost_part_is_tried_once_more(
    lost: tuple[str, ...], state: str, context: RunContext
) -> None:
    pool = Turns(context, 2, lost)
    (record,) = search(context, pool, FOUR)
    assert record.state == state
    assert ("2 times: killed by signal 9" in record.reason) == (state == "failed")
    assert pool.parts.count(lost[-1]) == 2
    assert (record.train_seconds or 0.0) > 0.0  # of the parts that were trained
    if state == "complete":
        alone = run_trial(context, Job(number=9, strategy=record.canonical))
        assert record.val == alone.record.val


def test_what_was_lost_after_its_time_is_not_tried_again(context: RunContext) -> None:
    """A fit that looks at no clock is ended by the pool; once more it would take the last time."""
    job = Job(number=0, strategy=context.resolved(A).canonical, deadline=Deadline.after(-1.0))
    assembly = Assembly(context, job)
    assert assembly.next() is not None
    ended = assembly.take(Lost(number=0, reason="killed by signal 9"))
    assert ended is not None
    assert ended.record.state == "stopped"
    assert ended.record.reason == "it did not end before the budget (killed by signal 9)"
    assert assembly.next() is None


def test_a_part_that_fails_fails_its_trial(
    context_of: MakeContext, wine: Dataset, tmp_path: Path
) -> None:
    x = wine.x["table"].copy()
    x[:, 0] = np.inf
    context = context_of(replace(wine, x={"table": x}), tmp_path, steps=360)
    pool = Turns(context, 2)
    (record,) = search(context, pool, FOUR)
    assert record.state == "failed"
    assert "not finite" in record.reason
    assert record.train_seconds is not None
    assert pool.parts == ["part 1", "part 2"]  # the others were never begun
    assert not weights_path(tmp_path, 0).exists()


def test_all_parts_end_by_one_moment(
    context_of: MakeContext, wine: Dataset, tmp_path: Path
) -> None:
    context = context_of(wine, tmp_path, steps=10**6)
    slow = replace(context.trainer_config, ceiling_seconds=0.1)
    context = replace(context, trainer_config=slow)
    pool = Turns(context, 2)
    (record,) = search(context, pool, FOUR)
    assert record.state == "stopped"
    assert "too slow" in record.reason
    assert pool.parts == ["part 1", "part 2"]
    job = Job(number=0, strategy=A, deadline=Deadline(65.0, lambda: 9.0), begun=5.0)
    assert job.ends_by(10.0).at == 5 + 15  # not from now on
    assert job.ends_by(100.0).at == 65


PEERS = 8


def rival_book() -> RungBook:
    """Others that were all cheaper, and better than can be, at the first rung."""
    book = RungBook()
    for number in range(100, 100 + PEERS):
        book.write(number, Curve(cost=1.0, errors={1 / 3: -1.0}))
    return book


Told = tuple[str, float, float]  # a part, the second of its rung, and what it is the rung of


def replayed(context: RunContext, *rungs: Told) -> Callable[[Job], Replay]:
    """A minute in all; a part takes its share of it, and what is given is there at once."""

    def replay(job: Job) -> Replay:
        done = replace(
            initial_record(context, job, "complete"), val={"accuracy": 0.9}, train_seconds=60.0
        )
        seconds = 15.0 if job.part else 0.0 if job.given else 60.0
        told = tuple(
            (at, Rung(number=job.number, part=part, done=share, error=0.9, standard_error=0.0))
            for part, at, share in rungs
            if part == job.part
        )
        stopped = replace(done, state="pruned", val={}, train_seconds=5.0)
        return Replay(record=done, seconds=seconds, rungs=told, stopped=stopped)

    return replay


@pytest.mark.parametrize(("size", "seconds"), [(1, 60.0), (2, 30.0), (3, 30.0), (4, 15.0)])
def test_four_workers_take_a_quarter_of_the_time(
    size: int, seconds: float, context: RunContext
) -> None:
    pool = SimulatedPool(size, replayed(context))
    (record,) = search(context, pool, FOUR)
    assert record.state == "complete"
    assert pool.now == seconds


def test_workers_that_have_trials_of_their_own_train_them_whole(context: RunContext) -> None:
    """While there are more trials than workers; the last is for both of them."""
    pool = SimulatedPool(2, replayed(context))
    search(context, pool, A, B, *(f"mean({A}, {x}) train=subsets rows=all" for x in (B, C, D)))
    assert pool.now == 60.0 * 2 + 15.0


def test_a_rung_of_one_part_ends_all(context: RunContext) -> None:
    pool = SimulatedPool(3, replayed(context, ("part 2", 5.0, 1 / 3)))
    (record,) = search(context, pool, FOUR, book=rival_book())
    assert record.state == "pruned"
    assert "of trials stand on a better layer" in record.reason
    assert record.curve == ()  # the replay keeps none
    assert record.train_seconds == 3 * 5.0  # the fourth had no worker yet
    assert pool.now == 5.0
    assert pool.free == 3


def test_a_rung_is_judged_by_itself_when_a_later_one_was_told_before(context: RunContext) -> None:
    """There are rivals at the earlier one alone."""
    book = RungBook()
    for number in range(100, 100 + PEERS):
        book.write(number, Curve(cost=1.0, errors={1 / 9: -1.0}))
    rungs = ("part 2", 3.0, 1 / 3), ("part 1", 5.0, 1 / 9)
    pool = SimulatedPool(4, replayed(context, *rungs))
    (record,) = search(context, pool, FOUR, book=book)
    assert record.state == "pruned"
    assert "at 0.111 of the schedule" in record.reason
    assert pool.now == 5.0


@pytest.mark.parametrize(("limit", "state"), [(1e-6, "infeasible"), (1e6, "complete")])
def test_parts_are_held_against_the_limit_of_latency_before_they_are_trained(
    limit: float, state: str, context: RunContext
) -> None:
    context = replace(context, max_latency_ms=limit)
    pool = Turns(context, 2)
    (record,) = search(context, pool, FOUR)
    assert record.state == state
    assert ((record.latency_ms or 0.0) > limit) == (state == "infeasible")
    assert (record.train_seconds is None) == (state == "infeasible")
    assert len(pool.parts) == (2 if state == "infeasible" else 5)


def test_processes_end_their_parts_where_one_is_pruned(
    context: RunContext, processes: ProcessPool
) -> None:
    (record,) = search(context, processes, TWO, book=rival_book())
    assert record.state == "pruned"
    assert [done for done, _ in record.curve] == [1 / 3]
    whole = 2 * context.trainer_config.steps * context.trainer_config.batch_size
    assert 0 < (record.samples_seen or 0) < whole
    assert processes.free == 2


class Breaking(SimulatedPool):
    """Is interrupted when the second part has ended."""

    def wait(self, handle: Handle, seconds: float) -> None:
        """As by Ctrl-C."""
        super().wait(handle, seconds)
        if self.now >= 15.0:
            raise KeyboardInterrupt


def test_a_run_that_is_broken_off_leaves_nothing_of_parts(context: RunContext) -> None:
    with pytest.raises(KeyboardInterrupt):
        search(context, Breaking(2, replayed(context)), FOUR)
    assert read_all(context.folder) == []
    assert list((context.folder / "trials").iterdir()) == []
    (record,) = search(context, SimulatedPool(4, replayed(context)), FOUR)
    assert (record.trial, record.state) == (0, "complete")

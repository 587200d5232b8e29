"""The last training: its parts, by workers, come to what one process comes to."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from autosynth.budget import NEVER, Deadline
from autosynth.record import Record
from autosynth.study.context import RunContext
from autosynth.study.job import Done, Failed, Job
from autosynth.study.lasttraining import (
    last_form,
    last_rows,
    parts_apart,
    seconds_side_by_side,
    train_last,
    train_last_part,
    whole_length,
)
from autosynth.study.pool import Handle, WorkerPool
from autosynth.study.processes import ProcessPool
from autosynth.training.config import TrainerConfig

TWO = "mean(mlp[width=8], mlp[width=12]) train=subsets rows=all"


@pytest.fixture(scope="module")
def context(wine_context: RunContext) -> RunContext:
    return wine_context


def record_of(context: RunContext, text: str, until: float = 1.0) -> Record:
    resolved = context.resolved(text)
    fractions = {phase.name: until for phase in resolved.training_plan.phases}
    return Record(
        trial=3,
        seed=0,
        strategy=text,
        state="complete",
        canonical=resolved.canonical,
        best_fractions=fractions,
    )


def lengths(context: RunContext, *values: float) -> RunContext:
    space = context.space
    settings = {**space.settings, "length": values}
    return replace(context, space=replace(
        space, settings=settings, defaults={**space.defaults, "length": values[0]}
    ))  # fmt: skip


def test_nothing_is_trained_last_for_the_shortest_length(context: RunContext) -> None:
    short = lengths(context, 0.33, 1.0, 2.0)
    text = "mean(mlp[width=8] | length=2, mlp[width=12] | lr=0.002) train=subsets | length=0.33"
    whole = whole_length(context.resolved(text).canonical, short.space)
    shown = str(context.resolved(whole).short_form)
    assert "mlp[width=8] | length=2.0" in shown
    assert "0.33" not in shown
    record = record_of(context, text, until=0.5)
    last = last_form(short, record)
    assert last.canonical == context.resolved(whole).canonical
    assert last.best_fractions == {}  # of another schedule than the trial's
    # One that was longer, and a space without a shorter one, are as they are.
    long = record_of(context, "mlp[width=8] | length=2", until=0.5)
    assert last_form(short, long) is long
    assert last_form(lengths(context, 1.0, 2.0), record) is record


def test_the_time_for_it_is_that_of_the_longer_one(context: RunContext) -> None:
    timed = replace(
        context,
        trainer_config=replace(context.trainer_config, step_seconds={"mlp": (1e-3, 0.0)}),
        folder=context.folder,
    )
    short = lengths(timed, 0.25, 1.0)
    canonical = context.resolved("mlp[width=8] | length=0.25").canonical
    assert seconds_side_by_side(short, canonical, 1, 3.0) == pytest.approx(12.0)
    assert seconds_side_by_side(lengths(timed, 1.0, 2.0), canonical, 1, 3.0) == pytest.approx(3.0)


class Two(WorkerPool):
    """Two workers that train when they are waited for; `spoil` may take what they tell."""

    size = 2

    def __init__(
        self,
        context: RunContext,
        spoil: Callable[[Done | Failed], Done | Failed] = lambda event: event,
    ) -> None:
        self.context, self.spoil = context, spoil
        self.jobs: list[Job] = []
        self.begun: list[str] = []

    @property
    def free(self) -> int:
        return 2 - len(self.jobs)

    def start(self, job: Job) -> None:
        self.begun.append(job.part)
        self.jobs.append(job)

    def stop(self, number: int) -> None:
        self.jobs = []

    def wait(self, handle: Handle, seconds: float) -> None:
        handle(self.spoil(train_last_part(self.context, self.jobs.pop(0))))


def weights(context: RunContext, record: Record, pool: WorkerPool | None = None) -> torch.Tensor:
    model = train_last(context, record, NEVER, pool).model
    return torch.cat([p.detach().flatten() for p in model.parameters()])


@pytest.mark.parametrize("until", [1.0, 0.5])
def test_parts_side_by_side_come_to_the_same(context: RunContext, until: float) -> None:
    record, pool = record_of(context, TWO, until), Two(context)
    alone = weights(context, record)
    assert torch.equal(weights(context, record, pool), alone)
    assert sorted(pool.begun) == ["part 1", "part 2"]
    assert not torch.equal(weights(context, record_of(context, TWO, 0.25)), alone)


def test_processes_train_them_so(context: RunContext, processes: ProcessPool) -> None:
    record = record_of(context, TWO)
    assert torch.equal(weights(context, record, processes), weights(context, record))


def test_a_part_that_fails_is_trained_with_the_whole(context: RunContext) -> None:
    def spoil(event: Done | Failed) -> Done | Failed:
        if event.part == "part 1":
            return Failed(number=event.number, part=event.part, record=event.record)
        return event

    record = record_of(context, TWO)
    assert torch.equal(weights(context, record, Two(context, spoil)), weights(context, record))


@pytest.mark.parametrize("text", ["mlp[width=8]", "mean(mlp[width=8], mlp[width=12])"])
def test_what_is_trained_in_one_goes_to_no_worker(context: RunContext, text: str) -> None:
    pool = Two(context)
    weights(context, record_of(context, text), pool)
    assert pool.begun == []
    assert parts_apart(context.resolved(text)) == []


def test_there_is_no_waiting_beyond_the_deadline(context: RunContext) -> None:
    pool = Two(context)
    outcome = train_last(context, record_of(context, TWO), Deadline.after(-1.0), pool)
    assert outcome.stopped == "out of time"
    assert pool.begun == []


def test_it_learns_from_all_but_test(context: RunContext) -> None:
    rows = last_rows(context, context.resolved(TWO))
    assert len(rows.train) == len(context.learnable)
    assert len(rows.calibration) == 0
    assert not set(rows.train) & set(context.dataset.splits.test)


def test_the_time_it_takes_is_that_of_the_longest_part(context: RunContext) -> None:
    def share(text: str, workers: int, context: RunContext) -> float:
        return seconds_side_by_side(context, context.resolved(text).canonical, workers, 1.0)

    plan = TrainerConfig(device="cpu", batch_size=16, steps=100, step_seconds={"mlp": (0.01, 0)})
    context = replace(context, trainer_config=plan)
    assert share(TWO, 1, context) == 1.0
    assert share(TWO, 2, context) == pytest.approx(0.5 / 0.75)
    assert share(TWO.replace("mean(", "mean(mlp[width=16], "), 2, context) == pytest.approx(
        2 / 3 / 0.75
    )
    assert share("mlp[width=8]", 2, context) == 1.0
    # Of 8 seconds two networks take 1 each, so that the fit takes 6.
    fit = TWO.replace("mean(", "mean(boosting, ")
    taken = seconds_side_by_side(context, context.resolved(fit).canonical, 2, 8.0)
    assert taken == pytest.approx(6.0 / 0.75)
    unknown = replace(context, trainer_config=replace(plan, step_seconds={}))
    assert share(TWO, 2, unknown) == 1.0

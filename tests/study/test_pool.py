"""What every pool promises; and what the pool of processes and its transport add."""

import os
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from autosynth.budget import Deadline
from autosynth.data import load_dataset
from autosynth.record import Record, read_all
from autosynth.spec import Dataset
from autosynth.study import pool as pools
from autosynth.study.context import RunContext
from autosynth.study.driver import Driver
from autosynth.study.job import Done, Event, Failed, Job, Lost, Rung
from autosynth.study.pool import LocalPool, WorkerPool
from autosynth.study.processes import NoWorkersError, ProcessPool
from autosynth.study.simulation import Replay, SimulatedPool
from autosynth.study.transport import attach, share

MakeBench = Callable[..., RunContext]


@pytest.fixture(scope="module")
def wine() -> Dataset:
    return replace(load_dataset("wine"), independent=False)  # a trial is one training


@pytest.fixture(scope="module")
def context(wine_context: RunContext) -> RunContext:
    return wine_context


def job(context: RunContext, number: int, text: str = "mlp[width=8]", part: str = "") -> Job:
    return Job(number=number, strategy=str(context.resolved(text).strategy), part=part)


def replay(job: Job) -> Replay:
    rung = Rung(number=job.number, part=job.part, done=1 / 3, error=0.5, standard_error=0.1)
    record = Record(trial=job.number, seed=0, strategy="mlp", state="complete")
    stopped = replace(record, state="pruned")
    return Replay(record=record, seconds=60.0, rungs=((20.0, rung),), stopped=stopped)


@pytest.fixture(params=["local", "processes", "simulated"])
def pool(request: pytest.FixtureRequest, context: RunContext) -> WorkerPool:
    if request.param == "processes":
        found: WorkerPool = request.getfixturevalue("processes")
    else:
        found = LocalPool(context) if request.param == "local" else SimulatedPool(2, replay)
    wait_until(found, lambda: found.free == found.size)
    return found


def wait_until(pool: WorkerPool, done: Callable[[], bool], stop: bool = False) -> list[Event]:
    """What a pool tells until then; every rung is answered with `stop`."""
    told: list[Event] = []

    def handle(event: Event) -> bool:
        told.append(event)
        return stop

    end = time.monotonic() + 120
    while not done():
        assert time.monotonic() < end, told
        pool.wait(handle, 0.05)
    return told


def ends(told: list[Event]) -> list[Event]:
    return [each for each in told if isinstance(each, Done | Failed | Lost)]


def test_a_job_ends_once_and_its_worker_is_free_again(
    pool: WorkerPool, context: RunContext
) -> None:
    free = pool.free
    pool.start(job(context, 7))
    assert pool.free == free - 1
    told = wait_until(pool, lambda: pool.free == free)
    assert {event.number for event in told} == {7}
    (last,) = ends(told)
    assert told[-1] is last
    assert isinstance(last, Done)
    assert (last.record.trial, last.record.state) == (7, "complete")
    assert [type(event).__name__ for event in told] == ["Started", "Rung", "Done"]


def test_a_training_is_stopped_where_its_rung_is_answered_so(
    pool: WorkerPool, context: RunContext
) -> None:
    free = pool.free
    pool.start(job(context, 8))
    (last,) = ends(wait_until(pool, lambda: pool.free == free, stop=True))
    assert isinstance(last, Done)
    assert last.record.state == "pruned"
    assert last.weights is None


TWO = "mean(mlp[width=8], mlp[width=12]) train=subsets rows=all"


def test_a_part_of_a_trial_is_told_by_its_name(pool: WorkerPool, context: RunContext) -> None:
    free = pool.free
    pool.start(job(context, 10, TWO, "part 1"))
    told = wait_until(pool, lambda: pool.free == free)
    assert {(event.number, event.part) for event in told} == {(10, "part 1")}
    assert [type(event).__name__ for event in told] == ["Started", "Rung", "Done"]
    (last,) = ends(told)
    assert isinstance(last, Done)
    assert last.record.state == "complete"


def test_all_parts_of_a_trial_stop_where_it_is_asked_for(
    pool: WorkerPool, context: RunContext
) -> None:
    free = pool.free
    parts = ["part 1", "part 2"][:free]
    for part in parts:
        pool.start(job(context, 11, TWO, part))
    pool.stop(12)  # another
    pool.stop(11)
    told = ends(wait_until(pool, lambda: pool.free == free))
    assert sorted((event.number, event.part) for event in told) == [(11, part) for part in parts]
    assert {event.record.state for event in told if isinstance(event, Done)} == {"pruned"}
    pool.start(job(context, 13))  # what is asked of one trial is not asked of the next
    (last,) = ends(wait_until(pool, lambda: pool.free == free))
    assert isinstance(last, Done)
    assert last.record.state == "complete"


def test_a_trial_is_stopped_from_within_its_own_event(
    pool: WorkerPool, context: RunContext
) -> None:
    free = pool.free
    pool.start(job(context, 14))
    told: list[Event] = []

    def handle(event: Event) -> bool:
        told.append(event)
        if isinstance(event, Rung):
            pool.stop(14)
        return False

    end = time.monotonic() + 120
    while pool.free < free:
        assert time.monotonic() < end, told
        pool.wait(handle, 0.05)
    (last,) = ends(told)
    assert isinstance(last, Done)
    assert last.record.state == "pruned"


def test_no_job_is_given_to_who_has_one(pool: WorkerPool, context: RunContext) -> None:
    free = pool.free
    for number in range(free):
        pool.start(job(context, 20 + number))
    with pytest.raises(ValueError, match="free"):
        pool.start(job(context, 29))
    told = wait_until(pool, lambda: pool.free == free)
    assert sorted(event.number for event in ends(told)) == list(range(20, 20 + free))


def test_a_process_trains_what_this_process_trains(
    processes: ProcessPool, context: RunContext
) -> None:
    """The data are the same, and so is every byte of the weights."""
    asked, found = job(context, 40, "mean(mlp[width=8], cnn[width=8])"), []
    for pool in (LocalPool(context), processes):
        wait_until(pool, lambda pool=pool: pool.free > 0)  # type: ignore[misc]
        free = pool.free
        pool.start(asked)
        (last,) = ends(wait_until(pool, lambda pool=pool, free=free: pool.free == free))  # type: ignore[misc]
        assert isinstance(last, Done)
        found.append(last)
    assert found[0].weights == found[1].weights
    assert found[0].record.val == found[1].record.val


def test_what_ends_a_worker_is_in_the_reason(processes: ProcessPool) -> None:
    wait_until(processes, lambda: processes.free == 2)
    processes.start(Job(number=41, strategy="nosuchfamily"))
    (last,) = ends(wait_until(processes, lambda: processes.free == 2))
    assert isinstance(last, Lost)
    assert "nosuchfamily" in last.reason


def children() -> list[int]:
    """Processes of this one that are workers."""
    listed = subprocess.run(
        ["ps", "-o", "pid=,args=", "--ppid", str(os.getpid())],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return [int(line.split()[0]) for line in listed.stdout.splitlines() if "study.worker" in line]


def test_a_lost_worker_is_told_and_another_takes_its_place(
    context_of: MakeBench, wine: Dataset, tmp_path: Path
) -> None:
    context = context_of(wine, tmp_path, steps=10**6)
    before = set(children())
    with ProcessPool(context, 1) as pool:
        wait_until(pool, lambda: pool.free == 1)
        (worker,) = set(children()) - before
        pool.start(job(context, 5, TWO, "part 1"))
        pool.wait(lambda event: False, 60)  # it has begun
        os.kill(worker, signal.SIGKILL)
        (last,) = ends(wait_until(pool, lambda: pool.free == 1))
        assert isinstance(last, Lost)
        assert "signal 9" in last.reason
        assert (last.number, last.part) == (5, "part 1")
        assert next((tmp_path / "store").iterdir()).suffix == ".arrays"
        pool.start(job(context, 6))  # it is left with a job, and ended with it
    assert set(children()) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["trials"]


def test_a_worker_in_whose_place_none_can_be_started_ends_the_pool(
    context_of: MakeBench, wine: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = context_of(wine, tmp_path)
    before = set(children())
    with ProcessPool(context, 1) as pool:
        wait_until(pool, lambda: pool.free == 1)
        (worker,) = set(children()) - before

        def refused(number: int) -> None:
            raise OSError("Cannot allocate memory")

        monkeypatch.setattr(pool, "_spawn", refused)
        os.kill(worker, signal.SIGKILL)
        with pytest.raises(NoWorkersError, match="signal 9.*Cannot allocate memory"):
            wait_until(pool, lambda: False)


class Losing(pools.LocalPool):
    """Loses the worker of every job so many times."""

    def __init__(self, context: RunContext, times: int) -> None:
        super().__init__(context)
        self.times, self.lost = times, dict[int, int]()

    def wait(self, handle: pools.Handle, seconds: float) -> None:
        job = self._job
        if job and self.lost.setdefault(job.number, 0) < self.times:
            self._job = None
            self.lost[job.number] += 1
            handle(Lost(number=job.number, reason="killed by signal 9"))
            return
        super().wait(handle, seconds)


@pytest.mark.parametrize(("times", "state"), [(1, "complete"), (2, "failed")])
def test_a_lost_job_is_tried_once_more(
    times: int,
    state: str,
    context_of: MakeBench,
    driver_of: Callable[..., Driver],
    wine: Dataset,
    tmp_path: Path,
) -> None:
    context = context_of(wine, tmp_path)
    driver = driver_of(context, trials=1)
    driver.pool = Losing(context, times)
    driver.run()
    (record,) = read_all(tmp_path)
    assert record.state == state
    assert ("signal 9" in record.reason) == (state == "failed")
    assert driver.sampler.study.get_trials()[0].state.name == state[:4].upper().replace(
        "COMP", "COMPLETE"
    )


def test_a_pool_whose_clock_is_simulated_takes_no_time(
    context_of: MakeBench, driver_of: Callable[..., Driver], wine: Dataset, tmp_path: Path
) -> None:
    """A hundred minutes of ten workers are over at once, and end at their deadline."""
    context = context_of(wine, tmp_path)

    def minute(job: Job) -> Replay:
        done = Record(
            trial=job.number, seed=0, strategy=job.strategy, canonical=job.strategy,
            state="complete", topology="single", components="mlp", flops=100, params=1,
            val={"accuracy": 0.5 + job.number / 1000}, train_seconds=60.0,
        )  # fmt: skip
        return Replay(record=done, seconds=60.0)

    pool = SimulatedPool(10, minute)
    driver = driver_of(context, deadline=Deadline.after(300.0, pool.clock))
    driver.pool = pool
    driver.run()
    records = read_all(tmp_path)
    assert 40 <= len(records) <= 60
    assert len({r.canonical for r in records}) == len(records)
    assert pool.now <= 360.0


def test_arrays_are_mapped_and_not_copied(tmp_path: Path) -> None:
    large = np.memmap(tmp_path / "large", dtype=np.float32, mode="w+", shape=(1000, 8))
    large[:] = np.arange(8000).reshape(1000, 8)
    large.flush()
    value = {
        "x": np.arange(5000.0),
        "y": np.array([], dtype=np.int64),
        "t": np.asfortranarray(np.ones((3, 4))),
        "large": np.memmap(tmp_path / "large", dtype=np.float32, mode="r", shape=(1000, 8)),
        "part": large[5:7],
        "words": np.array(["a", None], dtype=object),
    }
    head = share(value, tmp_path / "shared.arrays")
    found = attach(head)
    for name, array in value.items():
        assert found[name].dtype == array.dtype
        assert found[name].tolist() == array.tolist()
    assert found["large"].filename == str(tmp_path / "large")
    assert (tmp_path / "shared.arrays").stat().st_size < 5000 * 8 + 2000  # the map stayed
    found["x"][0] = 7.0  # ours alone
    assert attach(head)["x"][0] == 0.0
    assert attach(share([np.array([])], tmp_path / "nothing"))[0].size == 0

"""The driver of a run: turns, repeats, failures, reserves, and the plan it keeps to."""

import math
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from autosynth.budget import Deadline
from autosynth.composite import cost, resolve
from autosynth.data import load_dataset
from autosynth.record import Record, read_all, write_record
from autosynth.spec import Dataset
from autosynth.strategy import parse
from autosynth.study.agenda import ladder
from autosynth.study.context import RunContext
from autosynth.study.driver import Driver
from autosynth.study.finalist import finalists, reserve_seconds
from autosynth.study.job import Failed, Job
from autosynth.study.probe import StepTimer, fixed_plan, flops_by_family, probe, seconds_line
from autosynth.study.trial import over_limit, run_trial
from autosynth.training.config import TrainerConfig
from autosynth.training.devicedataset import to_device
from autosynth.training.loop import TrainingRows

MakeBench = Callable[..., RunContext]
MakeTrial = Callable[..., Record]
MakeDriver = Callable[..., Driver]


@pytest.fixture(scope="module")
def wine() -> Dataset:
    return load_dataset("wine")


def job_of(context: RunContext, text: str) -> Job:
    return Job(number=0, strategy=str(context.resolved(text).strategy))


def test_a_search_trains_singles_and_composites(
    context_of: MakeBench, driver_of: MakeDriver, wine: Dataset, tmp_path: Path
) -> None:
    driver_of(context_of(replace(wine, independent=False), tmp_path), trials=6).run()
    records = [r for r in read_all(tmp_path) if r.kind == "strategy"]
    assert len(records) == 6
    assert {r.topology == "single" for r in records} == {True, False}
    assert [r.origin for r in records].count("ladder") >= 2
    assert len({r.canonical for r in records}) == 6
    for record in records:
        if record.state == "complete":
            assert (tmp_path / "trials" / f"{record.trial:06d}" / "weights.safetensors").exists()
            assert record.train_flops == 3 * (record.flops or 0) * (record.samples_seen or 0)
            assert record.curve[-1][0] == 1.0
            assert record.curve[-1][1] == pytest.approx(1 - record.val["accuracy"])


def test_what_was_trained_is_not_trained_again(
    context_of: MakeBench, driver_of: MakeDriver, wine: Dataset, tmp_path: Path
) -> None:
    context = context_of(replace(wine, independent=False), tmp_path)
    driver_of(context, trials=2).run()
    before = {r.canonical for r in read_all(tmp_path)}
    driver_of(context, trials=4).run()
    after = [r.canonical for r in read_all(tmp_path)]
    assert before < set(after)
    assert len(after) == len(set(after)) == 4


def test_what_the_sampler_suggests_again_is_told_and_not_trained(
    context_of: MakeBench, driver_of: MakeDriver, wine: Dataset, tmp_path: Path
) -> None:
    """The sampler learns the same error and cost from a repeat, and no time is spent on it."""
    context = context_of(replace(wine, independent=False), tmp_path)
    driver_of(context, trials=1).run()
    again = driver_of(context, trials=2)
    (first,) = again.sampler.study.get_trials()
    again.sampler.enqueue(first.params, "sampler")
    again.run()
    one, two = read_all(tmp_path)
    assert one.canonical != two.canonical
    repeat = again.sampler.study.get_trials()[1]
    assert repeat.params == first.params
    assert (repeat.state, repeat.values) == (first.state, first.values)


def test_below_a_hundredth_of_the_dearest_cheaper_is_no_better_to_the_sampler(
    context_of: MakeBench, driver_of: MakeDriver, wine: Dataset, tmp_path: Path
) -> None:
    context = context_of(replace(wine, independent=False), tmp_path)
    driver = driver_of(context, trials=1)
    dearest = max(cost(resolved).flops for _, resolved in ladder(wine, context.space))
    assert driver.floor == pytest.approx(dearest / 100)
    driver.floor = 1e6  # as if a thousand times as dear a one were there
    driver.run()
    (trial,) = driver.sampler.study.get_trials()
    assert trial.values[1] == pytest.approx(6)


def test_a_loss_that_is_not_finite_is_a_failed_record(
    context_of: MakeBench, wine: Dataset, tmp_path: Path
) -> None:
    x = wine.x["table"].copy()
    x[:, 0] = np.inf
    broken = replace(wine, x={"table": x})
    context = context_of(broken, tmp_path)
    ended = run_trial(context, job_of(context, "mlp[width=8]"))
    assert isinstance(ended, Failed)
    assert "not finite" in ended.record.reason
    assert read_all(tmp_path) == []  # a worker writes nothing


def test_a_limit_is_kept_before_training(
    context_of: MakeBench, wine: Dataset, tmp_path: Path
) -> None:
    context = context_of(wine, tmp_path, max_flops=1000, max_params=10**9)
    price = cost(context.resolved("mlp[width=64]"))
    assert "over --max-flops 1,000" in over_limit(context, price, 0.0)
    assert over_limit(context_of(wine, tmp_path), price, 0.0) == ""


def test_what_is_too_slow_for_a_row_is_not_trained(
    context_of: MakeBench, driver_of: MakeDriver, wine: Dataset, tmp_path: Path
) -> None:
    """Measured once it is built; nothing is as quick as that, and the sampler is told."""
    context = context_of(wine, tmp_path, max_latency_ms=1e-6)
    driver = driver_of(context, trials=2)
    driver.run()
    records = read_all(tmp_path)
    assert {r.state for r in records} == {"infeasible"}
    for record in records:
        assert (record.latency_ms or 0) > 1e-6
        assert record.reason.endswith("ms for a row, over --max-latency 1e-06")
        assert record.train_seconds is None
    told = driver.sampler.study.get_trials()
    assert [each.user_attrs["reason"] for each in told] == [r.reason for r in records]


def test_what_is_within_the_limit_is_trained(
    context_of: MakeBench, wine: Dataset, tmp_path: Path
) -> None:
    context = context_of(wine, tmp_path, max_latency_ms=1e6)
    ended = run_trial(context, job_of(context, "mlp[width=8]"))
    assert ended.record.state == "complete"
    assert 0 < (ended.record.latency_ms or 0) < 1e6


def test_a_training_that_cannot_end_in_time_is_stopped(
    context_of: MakeBench, wine: Dataset, tmp_path: Path
) -> None:
    plan = TrainerConfig(device="cpu", batch_size=8, steps=100_000, ceiling_seconds=0.15)
    context = context_of(wine, tmp_path, trainer_config=plan)
    record = run_trial(context, job_of(context, "mlp[width=8]")).record
    assert record.state == "stopped"
    assert "too slow" in record.reason
    assert (record.train_seconds or math.inf) < 5


def test_a_plan_counts_no_folds_where_rows_are_held_back(
    context_of: MakeBench, wine: Dataset, tmp_path: Path
) -> None:
    rows = wine.splits.train
    splits = replace(wine.splits, train=rows[20:], calibration=rows[:20])
    held: list[int] = []

    def clock(
        resolved: Any, data: Any, rows: TrainingRows, plan: TrainerConfig, **_: int
    ) -> float:
        held.append(len(rows.calibration))
        return 0.01

    context = context_of(replace(wine, splits=splits), tmp_path)
    data, space = context.device_dataset, context.space
    probe(
        context.dataset,
        data,
        space,
        device="cpu",
        deadline=Deadline.after(50),
        budget=50,
        clock=clock,
    )
    assert set(held) == {20}


@pytest.mark.parametrize(
    ("gain", "budget", "workers", "free", "planned"),
    [
        (1.0, 300.0, None, 64.0, (1, 4)),  # threads gain nothing: a worker a core
        (2.9, 300.0, None, 64.0, (1, 4)),  # less than workers would
        (3.1, 300.0, None, 64.0, (4, 1)),
        (1.0, 300.0, None, 3.2, (1, 2)),  # memory for two
        (1.0, 300.0, None, 0.5, (1, 1)),
        (0.9, 20.0, None, 64.0, (1, 1)),  # no time for them to come up
        (1.2, 20.0, None, 64.0, (4, 1)),
        (0.9, 300.0, 1, 64.0, (1, 1)),  # as the user says
        (1.2, 300.0, 1, 64.0, (4, 1)),
    ],
)
def test_cores_have_a_worker_each_where_that_does_most(
    gain: float,
    budget: float,
    workers: int | None,
    free: float,
    planned: tuple[int, int],
    context_of: MakeBench,
    wine: Dataset,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    threads = [4]  # as many cores
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads[0])
    monkeypatch.setattr(torch, "set_num_threads", lambda n: threads.__setitem__(0, n))
    monkeypatch.setattr("autosynth.study.probe.free_gigabytes", lambda: free)

    def clock(*args: Any, **known: Any) -> float:
        return 0.01 / (gain if threads[0] > 1 else 1.0)

    context = context_of(wine, tmp_path)
    plan = probe(
        wine,
        context.device_dataset,
        context.space,
        device="cpu",
        deadline=Deadline.after(budget),
        budget=budget,
        workers=workers,
        clock=clock,
    )
    assert (plan.threads, plan.workers) == planned


def test_no_clock_shortens_a_training(
    context_of: MakeBench, wine: Dataset, tmp_path: Path
) -> None:
    context = context_of(wine, tmp_path)
    own = fixed_plan("cpu", len(wine.splits.train), inputs=wine.inputs, target=wine.target)
    for budget in (60.0, 6000.0):
        plan = probe(
            wine,
            context.device_dataset,
            context.space,
            device="cpu",
            deadline=Deadline.after(budget),
            budget=budget,
        )
        assert (plan.steps, plan.batch_size) == (own.steps, own.batch_size)
        assert plan.ceiling_seconds == pytest.approx(0.3 * budget)
        times = [plan.seconds(flops_by_family(r)) for _, r in ladder(wine, context.space)]
        assert 0 < min(times) < plan.ceiling_seconds


def test_a_budget_too_short_for_one_training_shortens_it(
    context_of: MakeBench, wine: Dataset, tmp_path: Path
) -> None:
    context = context_of(wine, tmp_path)
    own = fixed_plan("cpu", len(wine.splits.train), inputs=wine.inputs, target=wine.target)
    deadline = Deadline.after(0.2)
    plan = probe(
        wine,
        context.device_dataset,
        context.space,
        device="cpu",
        deadline=deadline,
        budget=0.2,
    )
    assert 1 <= plan.steps < own.steps


@pytest.mark.parametrize("workers", [1, 4])
def test_a_training_is_planned_for_the_time_that_is_left(
    workers: int, context_of: MakeBench, wine: Dataset, tmp_path: Path
) -> None:
    context = context_of(wine, tmp_path)

    def planned(left: float, budget: float) -> TrainerConfig:
        return probe(
            wine,
            context.device_dataset,
            context.space,
            device="cpu",
            deadline=Deadline.after(left),
            budget=budget,
            workers=workers,
            clock=lambda *_, **__: 0.01,
        )

    late, own = planned(6.0, 30.0), planned(6000.0, 6000.0)
    spent = planned(0.0, 30.0)  # a longer budget may go on with this plan
    assert 10 < spent.steps <= late.steps < own.steps
    times = [late.seconds(flops_by_family(r)) for _, r in ladder(wine, context.space)]
    assert min(times) < 0.5 * 6.0


def test_measuring_ends_in_its_time(context_of: MakeBench, wine: Dataset, tmp_path: Path) -> None:
    timed: list[str] = []

    def clock(
        resolved: Any, data: Any, rows: TrainingRows, plan: TrainerConfig, **_: float
    ) -> float:
        timed.append(resolved.components)
        time.sleep(0.05)
        return 0.05

    context = context_of(wine, tmp_path)
    plan = probe(
        wine,
        context.device_dataset,
        context.space,
        device="cpu",
        deadline=Deadline.after(2.5),  # of which .2 seconds are for measuring
        budget=2.5,
        workers=2,
        clock=clock,
    )
    assert set(plan.step_seconds) == set(context.space.ladder)  # what was not timed is foreseen
    assert len(set(timed)) < len(context.space.ladder) or len(timed) <= 5


def test_a_processor_need_not_know_every_family_in_bfloat16(wine: Dataset) -> None:
    data = to_device(wine, torch.device("cpu"), wine.splits.train)
    timer = StepTimer(
        data, TrainingRows(train=wine.splits.train, calibration=wine.splits.train[:0])
    )
    sizes = [
        resolve(parse(f"lstm[width={width}]"), wine.inputs, wine.target) for width in (4, 16, 32)
    ]
    low, (seconds, slope) = seconds_line("lstm", sizes, timer, fixed_plan("cpu", 64))
    assert low in (True, False)
    assert 0 < seconds < 10
    assert 0 <= slope < 1e-3


def test_the_ladder_stands_cheapest_first(
    context_of: MakeBench, wine: Dataset, tmp_path: Path
) -> None:
    flops = [
        sum(flops_by_family(r).values()) for _, r in ladder(wine, context_of(wine, tmp_path).space)
    ]
    assert flops == sorted(flops)
    assert len(flops) >= 15


def record_of(trial: int, score: float, flops: int, topology: str = "single") -> Record:
    return Record(
        trial=trial, seed=0, strategy="cnn", topology=topology, state="complete",
        val={"accuracy": score}, flops=flops, params=flops, train_seconds=2.0,
        eval_seconds=0.1,
    )  # fmt: skip


def test_finalists_are_both_fronts(context_of: MakeBench, wine: Dataset, tmp_path: Path) -> None:
    context = context_of(wine, tmp_path)
    records = [
        record_of(0, 0.9, 100), record_of(1, 0.95, 200, "parallel"), record_of(2, 0.94, 300),
        record_of(3, 0.93, 400), record_of(4, 0.1, 1),
    ]  # fmt: skip
    assert [r.trial for r in finalists(records, context)] == [0, 1, 2]
    beaten = [record_of(0, 0.9, 100), record_of(5, 0.7, 900, "parallel")]
    assert [r.trial for r in finalists(beaten, context)] == [0, 5]  # whether composing paid
    with_refit = reserve_seconds(finalists(records, context), context, budget=1000, refit=True)
    assert (
        with_refit
        > reserve_seconds(finalists(records, context), context, budget=1000, refit=False) + 2.0
    )
    with_dearer = reserve_seconds(
        finalists(records, context), context, budget=1000, refit=True, coming=12.0
    )
    assert with_dearer > with_refit + 10.0  # it may be the one to train again
    assert reserve_seconds([], context, budget=1000, refit=True) < 10


def test_one_finalist_alone_keeps_no_time_for_a_race(
    context_of: MakeBench, tmp_path: Path
) -> None:
    context = context_of(load_dataset("digits"), tmp_path)
    assert context.is_small
    one, two = record_of(0, 0.9, 100), record_of(1, 0.95, 200)

    def kept(last: list[Record], coming: float = 0.0) -> float:
        reserved = reserve_seconds(last, context, budget=40, refit=False, coming=coming)
        return reserved - reserve_seconds(last, context, budget=0, refit=False)

    assert kept([one]) == 0
    assert kept([one], coming=2.0) == pytest.approx(6.0)  # a share of 40
    assert kept([one, two]) == pytest.approx(6.0)
    assert kept([one], coming=9.0) == 0  # a race of these two is longer than its share


def test_a_training_may_take_half_as_long_again_as_the_ceiling(
    context_of: MakeBench, wine: Dataset, tmp_path: Path
) -> None:
    job = Job(number=0, strategy="mlp", deadline=Deadline(65.0, lambda: 5.0))
    assert job.ends_by(10.0).at == 5 + 15
    assert job.ends_by(100.0).at == 65
    assert job.ends_by(0.0).at == 65


def test_a_busy_spell_does_not_end_a_search(
    context_of: MakeBench, driver_of: MakeDriver, wine: Dataset, tmp_path: Path
) -> None:
    context = context_of(replace(wine, independent=False), tmp_path)
    steps = dict.fromkeys(("mlp", "cnn", "gru", "attention", "transformer", "lstm"), (1e-4, 0.0))
    context = replace(context, trainer_config=replace(context.trainer_config, step_seconds=steps))
    for trial in range(3):  # what took ten thousand times as long as was foreseen
        slow = replace(
            record_of(trial, 0.9, 100),
            canonical=context.resolved(f"mlp[width={99 + trial}]").canonical,
            train_seconds=100.0,
            foreseen_seconds=0.01,
        )
        write_record(slow, tmp_path)

    def trained() -> list[Record]:
        return [r for r in read_all(tmp_path) if r.trial > 2 and r.state == "complete"]

    deadline = Deadline.after(30)
    driver_of(context, deadline=deadline, stop=lambda: bool(trained())).run()
    assert trained()


def test_a_budget_too_short_for_a_first_round_begins_with_the_quickest(
    context_of: MakeBench, driver_of: MakeDriver, wine: Dataset, tmp_path: Path
) -> None:
    """Nothing is quick in it, and a composite would be the next: there is to be a model."""
    context = context_of(replace(wine, independent=False), tmp_path)
    steps = dict.fromkeys(context.space.ladder, (0.05, 0.0))  # two seconds a training
    context = replace(context, trainer_config=replace(context.trainer_config, step_seconds=steps))
    limits = {"deadline": Deadline.after(12.0), "stop": lambda: bool(read_all(tmp_path))}
    driver_of(context, **limits).run()
    (record,) = read_all(tmp_path)
    assert (record.topology, record.state) == ("single", "complete")


def test_whose_turn_brings_nothing_lets_the_next_one_try(
    context_of: MakeBench, driver_of: MakeDriver, wine: Dataset, tmp_path: Path
) -> None:
    context = context_of(replace(wine, independent=False), tmp_path)
    kinds = ("parallel", "sequential", "hybrid")
    space = replace(context.space, forbidden=tuple({"topology": kind} for kind in kinds))
    driver_of(replace(context, space=space), trials=8).run()
    assert [r.topology for r in read_all(tmp_path)] == ["single"] * 8


def test_a_hurried_measure_of_one_small_size_foresees_no_hours(wine: Dataset) -> None:
    """What else ran just then made a step of the smallest size take a fifth of a second."""
    resolved = resolve(parse("mlp[width=8]"), wine.inputs, wine.target)
    rows = TrainingRows(train=wine.splits.train, calibration=wine.splits.train[:0])
    data = to_device(wine, torch.device("cpu"), wine.splits.train)
    timer = StepTimer(data, rows, Deadline(0.0), clock=lambda *_, **__: 0.2)
    _, (seconds, slope) = seconds_line("mlp", [resolved], timer, fixed_plan("cpu", 64))
    flops = flops_by_family(resolved)["mlp"]
    assert seconds + slope * flops == pytest.approx(0.2)
    assert seconds + slope * 1_000 * flops < 1


@pytest.mark.parametrize(("device", "low"), [("cuda", False), ("cpu", True)])
def test_no_precision_is_chosen_by_the_clock_of_a_deterministic_run_on_a_gpu(
    device: str, low: bool, wine: Dataset
) -> None:
    sizes = [resolve(parse(f"mlp[width={n}]"), wine.inputs, wine.target) for n in (8, 16, 32)]
    rows = TrainingRows(train=wine.splits.train, calibration=wine.splits.train[:0])
    data = to_device(wine, torch.device("cpu"), wine.splits.train)
    # In bfloat16 each step takes half the time.
    timer = StepTimer(data, rows, clock=lambda _r, _d, _t, plan, **_: 0.1 if plan.bf16 else 0.2)
    plan = replace(fixed_plan(device, 64), deterministic=True)
    assert seconds_line("mlp", sizes, timer, plan)[0] == low


def test_a_fault_of_ours_costs_its_trial_and_says_where(
    context_of: MakeBench,
    trial_of: MakeTrial,
    wine: Dataset,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(*_: object) -> None:
        raise KeyError("table")

    monkeypatch.setattr("autosynth.study.trial.scored_outputs", broken)
    record = trial_of(context_of(wine, tmp_path), "mlp[width=8]")
    assert record.state == "failed"
    assert "a fault of AutoSynth (KeyError: 'table', test_driver.py line" in record.reason

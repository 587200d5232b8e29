"""The bank: what a run has trained serves a part of a later trial, if it is the same training."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from autosynth.composite import resolve
from autosynth.data import load_dataset
from autosynth.record import Record, read_all
from autosynth.strategy import parse
from autosynth.study import trial as trials
from autosynth.study.context import RunContext
from autosynth.study.history import RunHistory
from autosynth.study.job import Done, Failed, Job
from autosynth.study.trial import run_trial
from autosynth.training.loop import TrainingRows, train
from autosynth.training.weights import alone_of

MakeBench = Callable[..., RunContext]
WIDE, DEEP = "mlp[depth=1, width=32]", "mlp[depth=2, width=16]"
STEPS = 40


@pytest.fixture(scope="module")
def begun(context_of: MakeBench, tmp_path_factory: pytest.TempPathFactory) -> RunContext:
    """A run in which one part stands trained, and one was trained with another learning rate.

    Its rows lie together, so that a trial is one training.
    """
    wine = replace(load_dataset("wine"), independent=False)
    found = context_of(wine, tmp_path_factory.mktemp("bank"), steps=STEPS)
    trial(found, WIDE, 0)
    trial(found, f"{DEEP} | lr=0.01", 1)
    return found


@pytest.fixture
def context(begun: RunContext, tmp_path: Path) -> RunContext:
    """The same run in a folder of its own."""
    shutil.copytree(begun.folder, tmp_path, dirs_exist_ok=True)
    return replace(begun, folder=tmp_path)


def trial(context: RunContext, text: str, number: int = 9) -> Record:
    history = RunHistory(context, read_all(context.folder))
    resolved = context.resolved(text)
    phases = [alone_of(resolved, phase) for phase in resolved.training_plan.phases]
    begin = tuple(each for p in phases if p for each in history.part(str(p.strategy)))
    ended = run_trial(context, Job(number=number, strategy=str(resolved.strategy), begin=begin))
    assert isinstance(ended, Done), ended.record.reason
    history.add(ended.record, ended.weights)
    return ended.record


def phases_trained(context: RunContext, text: str) -> float:
    """How many whole schedules a trial took."""
    record = trial(context, text)
    assert record.epochs is not None
    samples = record.epochs * len(context.dataset.splits.train)
    return samples / (context.trainer_config.steps * context.trainer_config.batch_size)


@pytest.mark.parametrize(
    ("text", "schedules"),
    [
        (f"mean({WIDE}, {DEEP}) init=parts", 2),
        (f"mean({WIDE}, {DEEP}) init=parts | lr=0.01", 2),  # the other part
        (f"mean({WIDE}, {DEEP}) train=subsets rows=all", 1),
        (f"{WIDE} > {DEEP} init=parts", 1),
        # Nothing of these was trained so before.
        (f"mean({WIDE}, {DEEP}) train=subsets", 2),
        (f"mean({WIDE}, {DEEP}) train=subsets rows=bootstrap", 2),
        (f"mean({WIDE}, {DEEP}) train=staged", 1),
        (f"mean({WIDE}, {DEEP}) init=parts | lr=0.02", 3),
        (f"mean({WIDE}, {DEEP}) init=parts | length=2", 6),
        (f"mean({WIDE}, {DEEP}) train=subsets rows=all init=masked", 2.5),
    ],
)
def test_a_part_is_taken_where_its_training_is_the_same(
    text: str, schedules: float, context: RunContext
) -> None:
    assert phases_trained(context, text) == pytest.approx(schedules, abs=0.05)


def test_what_was_trained_for_another_time_is_not_taken(context: RunContext) -> None:
    longer = replace(context, trainer_config=replace(context.trainer_config, steps=2 * STEPS))
    assert phases_trained(longer, f"mean({WIDE}, {DEEP}) init=parts") == 3


def test_the_last_training_is_the_one_that_was_scored(context: RunContext) -> None:
    """It takes nothing from the bank: a part is trained in it as long as it was when it stood."""
    text = f"mean({WIDE}, {DEEP}) init=parts"
    single = read_all(context.folder)[0]
    record = trial(context, text)
    share = min(single.best_fractions.values(), default=1.0)
    assert record.best_fractions.get("part 1", 1.0) == share
    resolved = resolve(parse(text), context.dataset.inputs, context.dataset.target)
    rows = TrainingRows(train=context.dataset.splits.train, calibration=np.array([], np.int64))
    last = train(
        resolved, context.device_dataset, rows, context.trainer_config, until=record.best_fractions
    )
    shares = [
        record.best_fractions.get(phase.name, 1.0) for phase in resolved.training_plan.phases
    ]
    assert last.steps == sum(round(STEPS * share) for share in shares)
    # The trial itself took two schedules: the third is that of the part it took.
    assert single.epochs is not None
    assert record.epochs == pytest.approx(2 * single.epochs)


def test_a_part_whose_weights_made_room_for_others_is_trained_again(context: RunContext) -> None:
    resolved = context.resolved(f"mean({WIDE}, {DEEP}) train=subsets rows=all")
    history = RunHistory(context, read_all(context.folder))
    (part,) = history.part(context.resolved(WIDE).canonical)
    part.weights.unlink()
    ended = run_trial(context, Job(number=9, strategy=resolved.canonical, begin=(part,)))
    assert ended.record.state == "complete"
    samples = ended.record.samples_seen
    config = context.trainer_config
    assert samples == 2 * config.steps * config.batch_size


def test_what_cannot_even_be_timed_costs_its_trial(
    context: RunContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*given: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(trials, "untrained_latency_ms", full)
    limited = replace(context, max_latency_ms=5.0)
    ended = run_trial(limited, Job(number=9, strategy=context.resolved(DEEP).canonical))
    assert (type(ended), ended.record.state) == (Failed, "failed")
    assert "memory" in ended.record.reason


def test_what_is_staged_lacks_no_part_that_is_trained_alone(context: RunContext) -> None:
    history = RunHistory(context, [])
    assert history.lacking(context.resolved(f"concat({WIDE}, {DEEP}) train=staged")) == []
    apart = context.resolved(f"mean({WIDE}, {DEEP}, boosting, {DEEP}) train=subsets rows=all")
    found = [str(each.strategy.root) for each in history.lacking(apart)]
    assert len(found) == 3
    assert [text.split("[")[0] for text in found] == ["boosting", "mlp", "mlp"]

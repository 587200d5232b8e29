"""A trial of a part that is no network: exact cost, what it was cut of, weights for others."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from autosynth.budget import Deadline
from autosynth.composite import cost
from autosynth.data import load_dataset
from autosynth.study.context import RunContext
from autosynth.study.job import Done, Job
from autosynth.study.trial import load_trained, run_trial

MakeBench = Callable[..., RunContext]


@pytest.fixture
def context(context_of: MakeBench, tmp_path: Path) -> RunContext:
    return context_of(replace(load_dataset("wine"), independent=False), tmp_path)


def test_its_record_has_the_cost_as_fitted(context: RunContext) -> None:
    resolved = context.resolved("boosting")
    ended = run_trial(context, Job(number=0, strategy=resolved.canonical))
    assert isinstance(ended, Done)
    record = ended.record
    assert (record.state, record.reason, record.samples_seen) == ("complete", "", 0)
    assert 0 < (record.flops or 0) < cost(resolved).flops
    assert ended.outputs is not None  # it may be a part of others
    (context.folder / "trials/000000").mkdir()
    (context.folder / "trials/000000/weights.safetensors").write_bytes(ended.weights or b"")
    assert cost(resolved, load_trained(context, record, resolved)).flops == record.flops


def test_one_that_had_no_time_says_so_and_is_there_all_the_same(context: RunContext) -> None:
    strategy = context.resolved("boosting[rounds=5000]").canonical
    ended = run_trial(context, Job(number=0, strategy=strategy, deadline=Deadline.after(4.0)))
    assert ended.record.state == "complete"
    assert ended.record.reason.startswith("cut short: ")
    assert ended.record.reason.endswith(" of 5000 rounds")

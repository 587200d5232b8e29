"""Standings that are kept up say of any records what the functions over all of them say."""

import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autosynth.data import load_dataset
from autosynth.leaderboard.rank import chosen
from autosynth.record import Record
from autosynth.study.context import RunContext
from autosynth.study.finalist import expect, finalists, front_of
from autosynth.study.standings import Standings

MakeContext = Callable[..., RunContext]


@pytest.fixture(scope="module", params=["wine", "digits", "mnist1d"])
def context(
    request: pytest.FixtureRequest,
    context_of: MakeContext,
    tmp_path_factory: pytest.TempPathFactory,
) -> RunContext:
    """Few rows and several folds; few rows and a choice by folds; many rows."""
    return context_of(load_dataset(request.param), tmp_path_factory.mktemp(request.param))


def test_the_contexts_differ_in_what_they_ask(context_of: MakeContext, tmp_path: Path) -> None:
    asked = [
        (each.is_few, each.is_small)
        for each in (context_of(load_dataset(n), tmp_path) for n in ("wine", "digits", "mnist1d"))
    ]
    assert asked == [(True, False), (True, True), (False, False)]


names = st.sampled_from(["cnn", "mlp", "gru > cnn", "mean(cnn, mlp)", "cascade(cnn, mlp)"])
scores = st.sampled_from([0.0, 0.2, 0.5, 0.6, 0.7, 0.71, 0.9, float("nan")])


@st.composite
def trials(draw: st.DrawFn, last: int = 15) -> Record:
    """A trial as any run may have it; few values, so that many are equal."""
    name, length = draw(names), draw(st.sampled_from([1.0, 2.0, 4.0]))
    state = draw(st.sampled_from(["complete", "complete", "complete", "pruned", "failed"]))
    val = {"accuracy": draw(scores), "neg_log_loss": draw(st.sampled_from([-0.5, -0.4]))}
    return Record(
        trial=draw(st.integers(0, last)), seed=0, strategy=name, state=state,  # type: ignore[arg-type]
        kind="baseline" if draw(st.integers(0, 7)) == 0 else "strategy",
        canonical=f"{name} | lr=0.002 length={length}", components=name, epochs=length,
        topology="single" if name in ("cnn", "mlp") else "parallel",
        val=val if state == "complete" else {}, standard_error=0.02,
        cv=draw(st.none() | st.sampled_from([0.6, 0.65])),
        flops=draw(st.sampled_from([100, 200, 300])), train_seconds=2.0, eval_seconds=0.1,
        best_fractions=draw(st.sampled_from([{}, {"together": 0.5}])),
        fusion=name.partition("(")[0] if "(" in name else "",
    )  # fmt: skip


def agree(standings: Standings, records: Sequence[Record], context: RunContext) -> None:
    """Whether all answers are those of the functions."""
    metric = context.metric.name
    known = sorted(records, key=lambda r: r.trial)
    if context.is_few:
        known = expect(known, metric, context.trivial_score)
    last, front = finalists(known, context), front_of(known, context)
    assert [repr(r) for r in standings] == [repr(r) for r in known]  # equal with NaN, too
    assert standings.finalists() == last
    assert standings.front() == front


@settings(max_examples=25)
@given(records=st.lists(trials(), max_size=20))
def test_standings_are_those_of_all_records(context: RunContext, records: list[Record]) -> None:
    """As records come, are put again as they were, and are replaced by others."""
    standings, known = Standings(context), {}
    for n, record in enumerate(records):
        standings.put(record)
        known[record.trial] = record
        if n % 7 == 3:
            agree(standings, list(known.values()), context)
    agree(standings, list(known.values()), context)
    assert len(standings) == len(known)


@settings(max_examples=100)
@given(records=st.lists(trials(), max_size=20, unique_by=lambda r: r.trial))
def test_what_is_handed_over_was_scored_on_test(
    context: RunContext, records: list[Record]
) -> None:
    """A cascade may lead by its score, and what is handed over in its place be on no front."""
    metric = context.metric.name
    records = [replace(record, cv=None) for record in records]
    if context.is_few:
        records = expect(records, metric, context.trivial_score)
    trivial = Record(
        trial=99, seed=0, strategy="majority", kind="baseline", state="complete", flops=0,
        val={metric: context.trivial_score},
    )  # fmt: skip
    if best := chosen([*records, trivial], metric=metric, cost=context.cost):
        assert best.trial in [r.trial for r in finalists(records, context)]


def test_more_strategies_than_expectations_are_made_of(context: RunContext) -> None:
    """The best hundred change as records come; of those that leave the score counts again."""
    rng, standings, records = random.Random(0), Standings(context), []
    for trial in range(140):
        name = rng.choice(["cnn", "mlp", "mean(cnn, mlp)"])
        record = Record(
            trial=trial, seed=0, strategy=name, canonical=f"{name} | lr=0.002 length=1.0",
            components=name, topology="single", state="complete", standard_error=0.02,
            val={"accuracy": round(0.5 + 0.3 * rng.random(), 3)}, flops=rng.randrange(100, 10_000),
        )  # fmt: skip
        records.append(record)
        standings.put(record)
        if trial in (20, 99, 100, 139):
            agree(standings, records, context)
    standings.put(replace(records[0], test={"accuracy": 0.5}))
    agree(standings, [replace(records[0], test={"accuracy": 0.5}), *records[1:]], context)

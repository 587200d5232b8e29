"""What a search offers to its auction: what is written, what is drawn, and longer trainings."""

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from autosynth.composite import Resolved
from autosynth.data import load_dataset
from autosynth.record import Record, read_all
from autosynth.study.agenda import COMPOSED, LONGER, Agenda, candidates, ladder, without_length
from autosynth.study.context import RunContext
from autosynth.study.driver import Driver
from autosynth.study.history import RunHistory
from autosynth.study.offers import Offers
from autosynth.study.restrict import restrict
from autosynth.study.spacefile import load_space

MakeContext = Callable[..., RunContext]


@pytest.fixture
def context(context_of: MakeContext, tmp_path: Path) -> RunContext:
    wine = replace(load_dataset("wine"), independent=False)  # a trial is one training
    space = restrict(load_space("table"), wine.inputs, wine.target.task)
    return context_of(wine, tmp_path, space=space, steps=20)


def offers_of(context: RunContext, *records: Record) -> Offers:
    history = RunHistory(context, records)
    agenda = Agenda(
        singles=ladder(context.dataset, context.space),
        composites=candidates(context.dataset, context.space, context.space.composites),
    )
    return Offers(history, agenda, floor=0.0)


def everything(resolved: Resolved) -> bool:
    return True


def trained(context: RunContext, number: int, text: str, score: float, origin: str) -> Record:
    resolved = context.resolved(text)
    return Record(
        trial=number, seed=0, strategy=text, state="complete", canonical=resolved.canonical,
        val={"accuracy": score}, flops=1000, topology=resolved.topology, origin=origin,
        train_seconds=1.0, samples_seen=100, epochs=1.0,
    )  # fmt: skip


def test_what_is_begun_is_begun_at_the_shortest_length(context: RunContext) -> None:
    offers = offers_of(context)
    found = [offers.next(everything) for _ in range(30)]
    assert {each.origin for each in found if each} <= {
        "ladder",
        "portfolio",
        "known",
        "sampler",
        "part",
    }
    for each in found:
        assert each is not None
        shortest = float(each.resolved.settings["length"])
        assert shortest == offers.lengths[0] or not each.arm.takes_steps


def test_the_best_is_offered_a_longer_training(context: RunContext) -> None:
    texts = [f"mlp[width={width}] | length=0.33" for width in (8, 16, 32, 64)]
    records = [trained(context, i, text, 0.5, "ladder") for i, text in enumerate(texts)]
    records[2] = replace(records[2], val={"accuracy": 0.95})
    offers = offers_of(context, *records)
    fresh = set(map(without_length, (r.canonical for r in records)))

    def only_longer(resolved: Resolved) -> bool:
        return without_length(resolved.canonical) in fresh

    found = [offers.next(only_longer) for _ in range(12)]
    longer = [each for each in found if each and each.origin == LONGER]
    assert longer
    texts = [str(each.resolved.strategy) for each in longer]
    best = max(texts, key=texts.count)
    assert "width=32" in best
    assert "length=1.0" in best


def test_of_few_rows_the_luckiest_counts_as_what_is_to_be_expected(
    context: RunContext,
) -> None:
    assert context.is_few
    texts = [f"mlp[width={width}, depth={depth}]" for width in (16, 32, 64) for depth in (1, 2, 3)]
    records = [
        replace(trained(context, i, text, 0.99 if i == 4 else 0.7, "ladder"), standard_error=0.1)
        for i, text in enumerate(texts)
    ]
    offers = offers_of(context, *records)
    offers.next(everything)
    errors = [each.error for each in offers.auction._begun.values()]
    assert 0.01 < math.exp(min(errors)) < 0.2  # of 36 rows 1 % of errors is luck


def test_what_was_composed_is_no_rival_of_its_parts(context: RunContext) -> None:
    text = "mean(mlp[width=8], mlp[width=16]) train=subsets rows=all | length=0.33"
    offers = offers_of(context, trained(context, 0, text, 0.9, COMPOSED))
    assert offers.auction.known == 0


def test_what_was_stopped_is_not_offered_again(context: RunContext) -> None:
    offers = offers_of(context)
    first = offers.next(everything)
    assert first is not None
    offers.start(first.resolved, first.origin)
    stopped = trained(context, 0, str(first.resolved.strategy), 0.5, first.origin)
    offers.put(replace(stopped, state="stopped", val={}))
    keys = {each.arm.key for _ in range(40) if (each := offers.next(everything))}
    assert first.arm.key not in keys


def test_a_composite_has_its_turn_once_its_parts_stand(context: RunContext) -> None:
    text = "mean(mlp[width=8], mlp[width=16]) train=subsets rows=all | length=0.33"
    offers = offers_of(context)
    whole = context.resolved(text)
    offers._owed.append(offers._offer(whole, "portfolio"))
    done = {}
    for number in range(2):
        offer = offers.next(everything)
        assert offer is not None
        assert offer.origin == "part"
        offers.start(offer.resolved, offer.origin)
        record = trained(context, number, str(offer.resolved.strategy), 0.5, "part")
        offers.history.done[record.canonical] = record
        offers.put(record)
        done[record.canonical] = number
    last = offers.next(everything)
    assert last is not None
    assert last.resolved.canonical == whole.canonical
    assert offers.auction.spent[True] == 0.0  # its parts are on the composite's account


def test_what_is_staged_has_no_part_trained_alone(context: RunContext) -> None:
    history = RunHistory(context, [])
    whole = context.resolved("concat(mlp[width=8], mlp[width=16]) train=staged")
    assert history.lacking(whole) == []
    apart = context.resolved("mean(mlp[width=8], mlp[width=16]) train=subsets rows=all")
    assert len(history.lacking(apart)) == 2


def test_a_search_goes_on_where_it_was(
    context: RunContext, driver_of: Callable[..., Driver], tmp_path: Path
) -> None:
    driver_of(context, trials=12).run()
    again = driver_of(context, trials=0)
    records = [r for r in read_all(tmp_path) if r.kind == "strategy" and r.origin != COMPOSED]
    assert records
    assert all(again.offers.auction.is_begun(without_length(r.canonical)) for r in records)
    assert again.offers.auction.known == len({without_length(r.canonical) for r in records})
    assert sum(again.offers.auction.spent.values()) > 0

"""Longer trainings: which strategies they are of, when they pay, and that a search makes them."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from autosynth.data import load_dataset
from autosynth.record import Record, read_all
from autosynth.spec import Dataset
from autosynth.study.agenda import (
    by_strategy,
    length_of,
    still_gains,
    why_longer,
)
from autosynth.study.context import RunContext
from autosynth.study.driver import Driver
from autosynth.study.restrict import restrict
from autosynth.study.space import Space
from autosynth.study.spacefile import load_space


@pytest.fixture(scope="module")
def wine() -> Dataset:
    return load_dataset("wine")


@pytest.fixture(scope="module")
def space(wine: Dataset) -> Space:
    return restrict(load_space("table"), wine.inputs, wine.target.task)


def trained(
    trial: int, score: float, name: str = "mlp", length: float = 1.0, **more: object
) -> Record:
    known = {
        "trial": trial, "seed": 0, "strategy": name, "state": "complete", "topology": "single",
        "val": {"accuracy": score}, "flops": 100 + trial, "epochs": 20.0 * length,
        "canonical": f"{name} | lr=0.002 length={length}", **more,
    }  # fmt: skip
    return Record(**known)  # type: ignore[arg-type]


def test_what_was_pruned_or_stopped_is_no_training_of_that_length() -> None:
    records = [trained(0, 0.8), trained(1, 0.9, length=2.0, state="pruned")]
    records.append(trained(2, 0.9, length=4.0, state="stopped"))
    assert [[r.trial for r in group] for group in by_strategy(records).values()] == [[0]]


def test_why_a_strategy_may_gain_by_more(space: Space) -> None:
    short, long = trained(0, 0.8), trained(1, 0.84, length=2.0)
    assert why_longer([short], short, "accuracy") == "no longer one was tried"
    assert why_longer([short, long], long, "accuracy") == "from 20 to 40 epochs it gained +0.0400"
    assert why_longer([short, long], short, "accuracy") == ""
    worse = trained(1, 0.7, length=2.0)
    assert why_longer([short, worse], short, "accuracy") == ""
    assert [length_of(r) for r in next(iter(by_strategy([long, short]).values()))] == [1.0, 2.0]
    assert still_gains([short, long], "accuracy")
    assert not still_gains([short, worse], "accuracy")


def test_a_search_lengthens_what_is_good(
    context_of: Callable[..., RunContext],
    driver_of: Callable[..., Driver],
    wine: Dataset,
    space: Space,
    tmp_path: Path,
) -> None:
    few = replace(
        space, families=("mlp",), topologies=("single",), ladder={"mlp": space.ladder["mlp"][:2]}
    )
    wine = replace(wine, independent=False)  # a trial is one training
    context = context_of(wine, tmp_path, space=replace(few, composites=()), steps=100)
    driver_of(context, trials=14).run()
    records = [r for r in read_all(tmp_path) if r.state == "complete"]
    longer = [r for r in records if r.origin == "longer"]
    assert longer
    assert {length_of(r) for r in records if r.origin != "longer"} <= {0.33, 1.0}
    for record in longer:
        (group,) = [g for g in by_strategy(records).values() if record in g]
        lengths = [length_of(r) for r in group]
        first = [0.33, 1.0, 2.0, 4.0].index(lengths[0])
        assert lengths == [0.33, 1.0, 2.0, 4.0][first : first + len(group)]
        ratio = length_of(record) / length_of(group[0])
        assert record.epochs == pytest.approx((group[0].epochs or 0) * ratio, rel=0.1)

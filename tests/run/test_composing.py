"""Whether composing paid is said where it can be known."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from autosynth.data import load_dataset
from autosynth.leaderboard import composing_sentence
from autosynth.plugin import TASKS
from autosynth.record import Record, write_record
from autosynth.run.finish import compare
from autosynth.study import spacefile
from autosynth.study.context import RunContext, trivial_score
from autosynth.study.probe import fixed_plan
from autosynth.study.restrict import restrict
from autosynth.training.devicedataset import to_device


@pytest.fixture
def context(tmp_path: Path) -> RunContext:
    digits, metric = load_dataset("digits"), TASKS["classification"].metrics["accuracy"]
    (tmp_path / "trials").mkdir()
    return RunContext(
        dataset=digits, device_dataset=to_device(digits, torch.device("cpu"), digits.splits.train),
        space=restrict(spacefile.load_space("small"), digits.inputs, "classification"),
        trainer_config=fixed_plan("cpu", len(digits.splits.train), 40), metric=metric,
        trivial_score=trivial_score(digits, metric), folder=tmp_path, seed=0,
    )  # fmt: skip


def outputs(context: RunContext, right: float) -> np.ndarray[Any, Any]:
    """Class probabilities on test, of which so large a share is right: the first rows."""
    y = context.dataset.y[context.dataset.splits.test]
    guess = np.where(np.arange(len(y)) < right * len(y), y, (y + 1) % 10)
    return np.eye(10, dtype=np.float32)[guess]


def add(context: RunContext, number: int, val: float, **more: Any) -> None:
    known = {
        "trial": number, "seed": 0, "strategy": f"s{number}", "canonical": f"s{number}",
        "state": "complete",
        "val": {"accuracy": val} if val else {}, "topology": "single", "flops": 100,
        "origin": "ladder", **more,
    }  # fmt: skip
    write_record(Record(**known), context.folder)


def said(context: RunContext, found: dict[int, float]) -> tuple[dict[str, Any], str]:
    compare(context, {number: outputs(context, right) for number, right in found.items()})
    content = json.loads((context.folder / "composing.json").read_text())
    return content, composing_sentence(content)


def test_a_composite_has_to_beat_what_is_no_network_too(context: RunContext) -> None:
    add(context, 0, 0.7)
    add(context, 1, 0.9, topology="parallel", flops=200, origin="portfolio")
    content, sentence = said(context, {0: 0.7, 1: 0.9})
    assert content["difference"] == pytest.approx(0.2, abs=0.01)
    assert sentence.startswith("Composing paid in this run")
    add(context, 3, 0.95, strategy="boosting")
    _, sentence = said(context, {0: 0.7, 1: 0.9, 3: 0.95})
    assert sentence.startswith("Composing did not pay in this run")


def test_the_difference_and_its_interval_are_of_weighted_rows(context: RunContext) -> None:
    add(context, 0, 0.7)
    add(context, 1, 0.9, topology="parallel", flops=200, origin="portfolio")
    plain, _ = said(context, {0: 0.7, 1: 0.9})
    assert plain["low"] < plain["difference"] < plain["high"]
    test = context.dataset.splits.test
    weights = np.ones(len(context.dataset.y))
    weights[test[int(0.7 * len(test)) :]] = 1e-9  # of the others both have all right
    weighted = replace(context, dataset=replace(context.dataset, weights=weights))
    content, _ = said(weighted, {0: 0.7, 1: 0.9})
    known = [content[name] for name in ("difference", "low", "high")]
    assert known == pytest.approx([0.0, 0.0, 0.0], abs=0.01)


def test_nothing_is_said_where_a_fit_was_cut(context: RunContext) -> None:
    add(context, 0, 0.7)
    add(context, 1, 0.9, topology="parallel", flops=200, origin="portfolio")
    add(context, 2, 0.5, strategy="boosting", reason="cut short: 3 of 100 rounds")
    _, sentence = said(context, {0: 0.7, 1: 0.9, 2: 0.5})
    assert "cannot be said of this run: boosting was cut short: 3 of 100 rounds" in sentence


def test_nothing_is_said_where_single_components_were_trained_for_less(
    context: RunContext,
) -> None:
    add(context, 0, 0.7, train_flops=1e9)
    add(context, 1, 0.9, topology="parallel", flops=200, origin="portfolio", train_flops=2e9)
    # One that was trained as a part of a composite is on the composite's account.
    add(context, 2, 0.6, origin="part", train_flops=2e9)
    _, sentence = said(context, {0: 0.7, 1: 0.9})
    assert "single components had 20% of the operations of all trainings, and need 30%" in sentence
    add(context, 3, 0.5, train_flops=1e9)
    _, sentence = said(context, {0: 0.7, 1: 0.9})
    assert sentence.startswith("Composing paid in this run")

"""Whether composing paid is said where it can be known, and of baselines too."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from autosynth.data import load_dataset
from autosynth.leaderboard import composing_sentence
from autosynth.plugin import TASKS
from autosynth.record import Record, trial_dir, write_record
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
        "trial": number, "seed": 0, "strategy": f"s{number}", "state": "complete",
        "val": {"accuracy": val} if val else {}, "topology": "single", "flops": 100,
        "origin": "ladder", **more,
    }  # fmt: skip
    write_record(Record(**known), context.folder)


def add_baseline(
    context: RunContext, number: int, name: str, right: float, state: str = "complete"
) -> None:
    add(context, number, right, kind="baseline", strategy=name, topology="baseline", state=state)
    folder = trial_dir(context.folder, number)
    np.savez_compressed(folder / "outputs.npz", test=outputs(context, right))


def said(context: RunContext, found: dict[int, float]) -> tuple[dict[str, Any], str]:
    compare(context, {number: outputs(context, right) for number, right in found.items()})
    content = json.loads((context.folder / "composing.json").read_text())
    return content, composing_sentence(content)


def test_a_composite_has_to_beat_the_baselines_too(context: RunContext) -> None:
    add(context, 0, 0.7)
    add(context, 1, 0.9, topology="parallel", flops=200, origin="portfolio")
    add_baseline(context, 2, "logistic", 0.6)
    content, sentence = said(context, {0: 0.7, 1: 0.9})
    assert content["difference"] == pytest.approx(0.2, abs=0.01)
    assert sentence.startswith("Composing paid in this run")
    assert "against the baseline logistic +0.3" in sentence
    add_baseline(context, 3, "hgb", 0.95)
    _, sentence = said(context, {0: 0.7, 1: 0.9})
    assert sentence.startswith("Composing did not pay in this run")
    assert "against the baseline hgb -0.05" in sentence


def test_nothing_is_said_where_every_baseline_was_cut(context: RunContext) -> None:
    add(context, 0, 0.7)
    add(context, 1, 0.9, topology="parallel", flops=200, origin="portfolio")
    add_baseline(context, 2, "majority", 0.1)
    add_baseline(context, 3, "hgb", 0.5, state="cut")
    content, sentence = said(context, {0: 0.7, 1: 0.9})
    assert "baseline" not in content
    assert "cannot be said of this run: no baseline that learns" in sentence


def test_nothing_is_said_where_most_single_components_as_cheap_had_no_turn(
    context: RunContext,
) -> None:
    add(context, 0, 0.7)
    add(context, 1, 0.9, topology="parallel", flops=200, origin="portfolio")
    add_baseline(context, 2, "logistic", 0.6)
    for number in range(3, 5):
        add(context, number, 0.0, state="not_run", flops=150)
    add(context, 5, 0.0, state="not_run", flops=9_000)  # dearer: it does not count
    _, sentence = said(context, {0: 0.7, 1: 0.9})
    assert "of 3 single components that cost no more than the best composite, only 1" in sentence
    add(context, 3, 0.5, flops=150)
    _, sentence = said(context, {0: 0.7, 1: 0.9})
    assert sentence.startswith("Composing paid in this run")

"""Whether composing paid is said where it can be known, and of baselines too."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from autosynth.data import load
from autosynth.leaderboard import composing_sentence
from autosynth.record import Record, trial_dir, write
from autosynth.run.composing import compare
from autosynth.study import spacefile
from autosynth.study.bench import Bench, trivial_score
from autosynth.study.narrow import narrow
from autosynth.study.probe import fixed_plan
from autosynth.training.feed import feed
from autosynth.training.metrics import METRICS


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    digits, metric = load("digits"), METRICS["classification"]["accuracy"]
    (tmp_path / "trials").mkdir()
    return Bench(
        dataset=digits, feed=feed(digits, torch.device("cpu"), digits.splits.train),
        space=narrow(spacefile.load("small"), digits.inputs, "classification"),
        plan=fixed_plan("cpu", len(digits.splits.train), 40), metric=metric,
        trivial_score=trivial_score(digits, metric), folder=tmp_path, seed=0,
    )  # fmt: skip


def outputs(bench: Bench, right: float) -> np.ndarray[Any, Any]:
    """Class probabilities on test, of which so large a share is right: the first rows."""
    y = bench.dataset.y[bench.dataset.splits.test]
    guess = np.where(np.arange(len(y)) < right * len(y), y, (y + 1) % 10)
    return np.eye(10, dtype=np.float32)[guess]


def add(bench: Bench, number: int, val: float, **more: Any) -> None:
    known = {
        "trial": number, "seed": 0, "strategy": f"s{number}", "state": "complete",
        "val": {"accuracy": val} if val else {}, "topology": "single", "flops": 100,
        "origin": "ladder", **more,
    }  # fmt: skip
    write(Record(**known), bench.folder)


def add_baseline(
    bench: Bench, number: int, name: str, right: float, state: str = "complete"
) -> None:
    add(bench, number, right, kind="baseline", strategy=name, topology="baseline", state=state)
    folder = trial_dir(bench.folder, number)
    np.savez_compressed(folder / "outputs.npz", test=outputs(bench, right))


def said(bench: Bench, found: dict[int, float]) -> tuple[dict[str, Any], str]:
    compare(bench, {number: outputs(bench, right) for number, right in found.items()})
    content = json.loads((bench.folder / "composing.json").read_text())
    return content, composing_sentence(content)


def test_a_composite_has_to_beat_the_baselines_too(bench: Bench) -> None:
    add(bench, 0, 0.7)
    add(bench, 1, 0.9, topology="parallel", flops=200, origin="portfolio")
    add_baseline(bench, 2, "logistic", 0.6)
    content, sentence = said(bench, {0: 0.7, 1: 0.9})
    assert content["difference"] == pytest.approx(0.2, abs=0.01)
    assert sentence.startswith("Composing paid in this run")
    assert "against the baseline logistic +0.3" in sentence
    add_baseline(bench, 3, "hgb", 0.95)
    _, sentence = said(bench, {0: 0.7, 1: 0.9})
    assert sentence.startswith("Composing did not pay in this run")
    assert "against the baseline hgb -0.05" in sentence


def test_nothing_is_said_where_every_baseline_was_cut(bench: Bench) -> None:
    add(bench, 0, 0.7)
    add(bench, 1, 0.9, topology="parallel", flops=200, origin="portfolio")
    add_baseline(bench, 2, "majority", 0.1)
    add_baseline(bench, 3, "hgb", 0.5, state="cut")
    content, sentence = said(bench, {0: 0.7, 1: 0.9})
    assert "baseline" not in content
    assert "cannot be said of this run: no baseline that learns" in sentence


def test_nothing_is_said_where_most_single_components_as_cheap_had_no_turn(bench: Bench) -> None:
    add(bench, 0, 0.7)
    add(bench, 1, 0.9, topology="parallel", flops=200, origin="portfolio")
    add_baseline(bench, 2, "logistic", 0.6)
    for number in range(3, 5):
        add(bench, number, 0.0, state="not_run", flops=150)
    add(bench, 5, 0.0, state="not_run", flops=9_000)  # dearer: it does not count
    _, sentence = said(bench, {0: 0.7, 1: 0.9})
    assert "of 3 single components that cost no more than the best composite, only 1" in sentence
    add(bench, 3, 0.5, flops=150)
    _, sentence = said(bench, {0: 0.7, 1: 0.9})
    assert sentence.startswith("Composing paid in this run")

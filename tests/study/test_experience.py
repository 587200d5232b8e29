"""What other data say of a strategy: learnt from trainings that ended, by facts of the data."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autosynth.data import load_dataset
from autosynth.errors import RunError
from autosynth.plugin import TASKS
from autosynth.record import Record
from autosynth.strategy import parse
from autosynth.study.encoding import Answers, costed_answers
from autosynth.study.experience import (
    BEST_OF_A_SET,
    Ended,
    Experience,
    experience_of,
    known_elsewhere,
    plain_experience,
)
from autosynth.study.facts import facts_of
from autosynth.study.foresight import DRAWS


def ended(scale: float, best: int) -> list[Ended]:
    return [
        Ended(costed_answers(parse(f"mlp[width={width}]"), 100.0 * width), scale * error)
        for width in (8, 16, 32, 64, 128)
        for error in (0.1 + 0.1 * abs(math.log2(width) - math.log2(best)),)
    ]


def factors(known: dict[str, tuple[Answers, list[Ended]]], facts: Answers) -> dict[int, float]:
    widths = (8, 16, 32, 64, 128)
    asked = [costed_answers(parse(f"mlp[width={w}]"), 100.0 * w) for w in widths]
    found = Experience(known).factors(facts, asked)
    assert found.shape[1] == len(widths)
    return dict(zip(widths, found.mean(axis=0).tolist(), strict=True))


def test_errors_count_in_relation_to_those_of_their_set() -> None:
    facts: Answers = {"data.rows": 10.0}
    known = {f"set {i}": (facts, ended(scale, 64)) for i, scale in enumerate((1.0, 0.01, 0.2))}
    found = factors(known, facts)
    assert min(found, key=found.__getitem__) == 64
    assert abs(np.median(list(found.values()))) < 0.3


def test_data_that_are_alike_count_most() -> None:
    small: Answers = {"data.rows": 8.0}
    large: Answers = {"data.rows": 16.0}
    known = {f"small {i}": (small, ended(1.0, 8)) for i in range(4)}
    known |= {f"large {i}": (large, ended(1.0, 128)) for i in range(4)}
    least = {name: factors(known, facts) for name, facts in (("s", small), ("l", large))}
    assert min(least["s"], key=least["s"].__getitem__) < 32
    assert min(least["l"], key=least["l"].__getitem__) > 32


def test_of_each_set_those_nearest_to_its_front_are_offered() -> None:
    good = {f"mlp[width={8 * i}]": (i, 1.0 / i) for i in range(1, BEST_OF_A_SET + 1)}
    bad = {f"mlp[width={8 * i}, depth=3]": (2 * i, 2.0 / i) for i in range(1, 41)}
    sets = [
        {"facts": {}, "strategies": bad | good},
        {"facts": {}, "strategies": {"linear": (1, 1)}},
    ]
    offered = set(map(str, experience_of(sets).strategies))
    assert offered == {*map(str, map(parse, good)), "linear"}
    assert not tuple(experience_of([{"facts": {}, "strategies": {}}, *sets[1:]]).strategies)[1:]


def test_facts_of_data_are_known_before_any_training() -> None:
    facts = facts_of(load_dataset("wine"))
    assert (facts["data.kinds"], facts["data.task"]) == ("table", "classification")
    assert facts["data.outputs"] == math.log2(3)
    assert facts["data.size"] == math.log2(13)


def test_what_ships_leaves_out_the_data_that_is_searched(tmp_path: Path) -> None:
    digits = facts_of(load_dataset("digits"))
    asked = [costed_answers(parse("cnn[depth=3]"), 5e5), costed_answers(parse("linear"), 1e3)]
    known = known_elsewhere({"data.kinds": "none"}, tmp_path / "no such file")
    blind = known_elsewhere(digits, tmp_path / "no such file")
    assert known.factors(digits, asked).shape == (DRAWS, 2)
    cnn, linear = known.factors(digits, asked).mean(axis=0)
    assert cnn < linear
    assert not np.array_equal(known.factors(digits, asked), blind.factors(digits, asked))
    assert len(blind.strategies) < len(known.strategies)


def test_a_run_is_experience_of_its_longest_trainings(tmp_path: Path) -> None:
    def record(trial: int, text: str, score: float, **more: Any) -> Record:
        known = {"state": "complete", "val": {"accuracy": score}, "flops": 1000, **more}
        return Record(trial=trial, seed=0, strategy=text, canonical=text, **known)

    records = [
        record(0, "majority", 0.3, kind="baseline"),
        record(1, "mlp[width=8] | length=0.33", 0.6),
        record(2, "mlp[width=8] | length=1.0", 0.8),
        record(3, "mlp[width=16] | length=0.33", 0.7, state="failed", val={}),
    ]
    accuracy = TASKS["classification"].metrics["accuracy"]
    facts = facts_of(load_dataset("wine"))
    plain = plain_experience(facts, records, accuracy)
    (key,) = plain["strategies"]
    assert plain["strategies"][key] == (1000, pytest.approx(0.2))
    (tmp_path / "earlier.json").write_text(json.dumps([plain]))
    found = known_elsewhere(facts, tmp_path / "earlier.json")
    assert parse(key) in found.strategies
    assert experience_of([plain]).strategies == (parse(key),)


@pytest.mark.parametrize("text", ["{", "[1]", '[{"facts": {}, "strategies": {"cnn(": [1, 0.1]}}]'])
def test_a_damaged_file_of_runs_is_named(text: str, tmp_path: Path) -> None:
    (tmp_path / "earlier.json").write_text(text)
    with pytest.raises(RunError, match=r"(?s)earlier\.json is damaged .* remove it"):
        known_elsewhere({}, tmp_path / "earlier.json")

"""What other data say of a strategy: learnt from trainings that ended, by facts of the data."""

import math

import numpy as np

from autosynth.data import load_dataset
from autosynth.strategy import parse
from autosynth.study.auction import DRAWS
from autosynth.study.encoding import Answers, costed_answers
from autosynth.study.experience import Ended, Experience, facts_of, shipped


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


def test_facts_of_data_are_known_before_any_training() -> None:
    facts = facts_of(load_dataset("wine"))
    assert (facts["data.kinds"], facts["data.task"]) == ("table", "classification")
    assert facts["data.outputs"] == math.log2(3)
    assert facts["data.size"] == math.log2(13)


def test_what_ships_leaves_out_the_data_that_is_searched() -> None:
    digits = facts_of(load_dataset("digits"))
    asked = [costed_answers(parse("cnn[depth=3]"), 5e5), costed_answers(parse("linear"), 1e3)]
    known, blind = shipped(), shipped(tuple(sorted(digits.items())))
    assert known.factors(digits, asked).shape == (DRAWS, 2)
    cnn, linear = known.factors(digits, asked).mean(axis=0)
    assert cnn < linear
    assert not np.array_equal(known.factors(digits, asked), blind.factors(digits, asked))

"""Saved dataclasses come back as they went, and what is none is named."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autosynth.bundle import ModelCard
from autosynth.jsonfields import field_problems, from_fields, json_ready


@dataclass(frozen=True, kw_only=True)
class Inner:
    sizes: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Saved:
    name: str
    kind: Literal["a", "b"] = "a"
    on: bool = False
    inner: Inner | None = None
    pair: tuple[float, str] = (0.0, "")
    scores: Mapping[str, float] = field(default_factory=dict)


numbers = st.floats(allow_nan=False, allow_infinity=False)
scores = st.dictionaries(st.text(), numbers, max_size=3)
saved = st.builds(
    Saved,
    name=st.text(),
    kind=st.sampled_from(["a", "b"]),
    on=st.booleans(),
    inner=st.none() | st.builds(Inner, sizes=st.lists(st.integers(), max_size=3).map(tuple)),
    pair=st.tuples(numbers, st.text()),
    scores=scores,
)
cards = st.builds(
    ModelCard,
    dataset=st.text(),
    trial=st.none() | st.integers(0, 99),
    val=scores,
    n_calibration=st.none() | st.integers(0, 99),
    refit=st.booleans(),
    latency_ms=st.none() | numbers,
)


@given(saved | cards)
def test_any_value_comes_back(value: Saved | ModelCard) -> None:
    assert from_fields(type(value), json.loads(json.dumps(json_ready(value)))) == value


def test_numbers_of_numpy_and_those_that_json_lacks() -> None:
    value = Saved(
        name="x", scores={"f1": np.float32(0.5), "r2": float("nan")}, pair=(np.float64(2), "")
    )
    assert json_ready(value)["scores"] == {"f1": 0.5}
    assert json.dumps(json_ready(value)["pair"]) == '[2.0, ""]'


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"nam": 1}, "unknown key 'nam'"),
        ({"name": 3}, "name = 3"),
        ({"kind": "c"}, "kind 'c' is none of a, b"),
        ({"on": 1}, "on = 1"),
        ({"inner": {"sizes": [1, True]}}, "inner = {'sizes': [1, True]}"),
        ({"inner": {"size": []}}, "inner = {'size': []}"),
        ({"pair": [1.0]}, "pair = [1.0]"),
        ({"scores": {"f1": "good"}}, "scores = {'f1': 'good'}"),
    ],
)
def test_a_problem_is_named(changes: dict[str, object], problem: str) -> None:
    assert field_problems(Saved, {"name": "x", **changes}) == [problem]
    with pytest.raises(ValueError, match=f"^{re.escape(problem)}$"):
        from_fields(Saved, {"name": "x", **changes})


def test_all_problems_are_named_at_once() -> None:
    assert field_problems(Saved, {"on": 1, "nam": ""}) == [
        "no 'name'",
        "unknown key 'nam'",
        "on = 1",
    ]
    with pytest.raises(ValueError, match="no 'name'; unknown key 'nam'"):
        from_fields(Saved, {"nam": ""})
    with pytest.raises(ValueError, match=r"a JSON object, not \[\]"):
        from_fields(Saved, json.loads("[]"))

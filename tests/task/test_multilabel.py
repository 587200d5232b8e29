"""Labels in cells: as lists, as texts of lists, between marks."""

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest

from autosynth.data import load_dataset
from autosynth.task.read import infer_target, true_values_of

LABELS = [["drama"], [], ["sci-fi, old", "drama"], ["été"], ["drama", "été"]] * 4
NAMES = ("drama", "sci-fi, old", "été")
HELD = [[(name in row) * 1.0 for name in NAMES] for row in LABELS]


def quoted(row: list[str]) -> str:
    return "{" + ",".join(f'"{label}"' for label in row) + "}"


FORMS: dict[str, list[Any]] = {
    "lists": LABELS,
    "tuples": [tuple(row) for row in LABELS],
    "arrays": [np.array(row, dtype=object) for row in LABELS],
    "sets": [set(row) for row in LABELS],
    "JSON": [json.dumps(row) for row in LABELS],
    "Python": [repr(row) for row in LABELS],
    "numpy": [str(np.array(row, dtype=object)) for row in LABELS],
    "PostgreSQL": [quoted(row) for row in LABELS],
    "nothing for none": [row or None for row in LABELS],
    "blank for none": [json.dumps(row) if row else " " for row in LABELS],
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("task", [None, "multilabel"])
def test_lists_of_labels_are_labels(form: str, task: str | None) -> None:
    values = pd.Series(FORMS[form])
    target = infer_target(values, "genre", task=task, in_test=np.zeros(20, bool))
    assert (target.spec.task, target.spec.classes) == ("multilabel", NAMES)
    assert target.y.tolist() == HELD
    assert "cells are lists" in target.assumed[0]
    scored = true_values_of(values, target.spec, "new")
    assert scored.y.tolist() == HELD


def test_items_without_quotes_and_with_escapes() -> None:
    values = pd.Series(["[drama, sci fi]", "['it\\'s', 'drama']", "[]", "[ drama ]"] * 3)
    target = infer_target(values, "genre", in_test=np.zeros(12, bool))
    assert target.spec.classes == ("drama", "it's", "sci fi")


def test_brackets_in_some_cells_are_text() -> None:
    values = pd.Series(["[deleted]", "good", "bad", "good"] * 5)
    target = infer_target(values, "y", in_test=np.zeros(20, bool))
    assert target.spec.task == "classification"


def test_a_frame_with_lists_is_read_whole() -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"x": rng.normal(size=20), "genre": LABELS})
    dataset = load_dataset(frame, target="genre")
    assert dataset.y.tolist() == HELD
    assert len(dataset.splits.unlabelled) == 0

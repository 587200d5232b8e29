"""Labels in cells: as lists, as texts of lists, between marks."""

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from autosynth.data import load_dataset, read_labelled
from autosynth.plugin import TASKS
from autosynth.spec import TargetSpec
from autosynth.task.read import infer_target, true_values_of
from autosynth.task.score import score_all

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


@pytest.fixture(scope="module")
def gaps() -> pd.DataFrame:
    """Three labels, of which one in ten is not known, and some rows have none."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 3))
    frame = pd.DataFrame(x, columns=list("abc"))
    for place, name in enumerate(("drama", "action", "comedy")):
        frame[name] = np.where(rng.random(300) < 0.1, np.nan, x[:, place] > 0)
    frame.loc[:4, ["drama", "action", "comedy"]] = np.nan
    return frame


NAMES_OF = ["drama", "action", "comedy"]


def test_rows_that_lack_a_label_are_used_and_told(gaps: pd.DataFrame) -> None:
    dataset = load_dataset(gaps, target=NAMES_OF, task="multilabel")
    assert len(dataset.y) - len(dataset.splits.unlabelled) == 295
    lacking = int(gaps[NAMES_OF].isna().any(axis=1).sum()) - 5
    assert any("5 rows without any label" in text for text in dataset.warnings)
    assert any(f"{lacking} rows lack some of their labels" in text for text in dataset.warnings)
    y = gaps[NAMES_OF].iloc[5:].to_numpy(dtype=float)
    np.testing.assert_array_equal(dataset.y[:295], y.astype(np.float32))


def test_a_label_that_is_not_known_has_no_part_in_scores_and_loss(gaps: pd.DataFrame) -> None:
    rng = np.random.default_rng(1)
    y = gaps[NAMES_OF].iloc[5:].to_numpy(dtype=float)
    proba = rng.random(y.shape)
    task = TASKS["multilabel"]
    target = TargetSpec(name="y", task="multilabel", classes=tuple(NAMES_OF))
    for value in (0.0, 1.0):  # what is guessed where nothing is known makes no difference
        one, other = (np.where(np.isnan(y), guess, proba) for guess in (value, 0.5))
        assert score_all(y, one, target) == score_all(y, other, target)
    for name in ("f1", "roc_auc", "neg_log_loss"):
        whole = ~np.isnan(y).any(axis=1)
        known = score_all(y[whole], proba[whole], target)[name]
        assert known == pytest.approx(score_all(y, proba, target)[name], abs=0.1)
    out, true = torch.tensor(proba, requires_grad=True), torch.tensor(y)
    task.loss(out, true, 0.0).backward()
    assert out.grad is not None
    assert (out.grad == 0).numpy().tolist() == np.isnan(y).tolist()


def test_labels_to_score_may_be_missing_too(gaps: pd.DataFrame) -> None:
    dataset = load_dataset(gaps, target=NAMES_OF, task="multilabel")
    found = read_labelled(gaps, dataset.encoders, dataset.target, columns=NAMES_OF)
    assert len(found) == 295
    assert [each.rows for each in found.left_out] == [5]

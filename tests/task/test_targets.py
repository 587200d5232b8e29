"""Several targets at once, and labels of which any number may hold."""

import numpy as np
import pandas as pd
import pytest

from autosynth.data import load_dataset
from autosynth.errors import DataError
from autosynth.task.read import infer_target


def understood(values, task=None, in_test=None, coded=False):
    mask = np.zeros(len(values), np.bool_) if in_test is None else np.asarray(in_test)
    return infer_target(values, "goal", task=task, in_test=mask, coded=coded)


def test_each_of_several_targets_is_understood_by_itself():
    frame = pd.DataFrame(
        {
            "kind": ["a", "b", "a", None, "b", "a"],
            "price": [1.5, 2.5, np.nan, 4.5, 5.5, 6.5],
        }
    )
    found = understood(frame)
    assert [part.task for part in found.spec.parts] == ["classification", "regression"]
    assert (found.spec.task, found.spec.n_outputs, found.spec.n_columns) == ("multitask", 3, 2)
    assert found.keep.tolist() == [0, 1, 4, 5]
    assert found.missing.tolist() == [2, 3]
    assert found.y.tolist() == [[0, 1.5], [1, 2.5], [1, 5.5], [0, 6.5]]


@pytest.mark.parametrize("mark", ["|", ";", ", "])
def test_labels_of_a_cell(mark):
    cells = pd.Series([f"sad{mark}wet", "wet", None, f"wet{mark}new{mark}sad", "odd"])
    found = understood(cells, "multilabel", in_test=[False] * 4 + [True])
    assert found.spec.classes == ("new", "sad", "wet")
    assert found.y.tolist() == [[0, 1, 1], [0, 0, 1], [0, 0, 0], [1, 1, 1], [0, 0, 0]]
    assert "only test rows have: odd" in found.warnings[0]


def test_a_label_a_column_and_arrays_of_zeros_and_ones():
    frame = pd.DataFrame({"a": [True, False, True], "b": ["1", "0", ""]})
    found = understood(frame, "multilabel")
    assert found.y[:2].tolist() == [[1, 1], [0, 0]]
    assert found.y[2, 0] == 1
    assert np.isnan(found.y[2, 1])
    y = np.array([[0, 1, 1], [1, 1, 0], [0, 0, 0]])
    assert understood(pd.DataFrame(y), coded=True).spec.task == "multilabel"
    assert understood(pd.DataFrame(y / 3 + [[0], [1], [2]]), coded=True).spec.task == "multitask"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (pd.DataFrame({"a": [0, 1], "b": [0, 2]}), r"label 'b' is 0 or 1.*'0', '2'"),
        (pd.DataFrame({"a": [0, 0], "b": [1, 1]}), "every label is the same"),
        (pd.Series(["", None]), "holds 0 labels; from 1 to 1000"),
    ],
)
def test_labels_that_are_none(values, message):
    with pytest.raises(DataError, match=message):
        understood(values, "multilabel")


def test_no_row_with_all_targets():
    frame = pd.DataFrame({"a": ["x", "y", "x", "y", None, None], "b": [None] * 4 + [1.5, 2.0]})
    frame = pd.concat([frame, frame], ignore_index=True)
    with pytest.raises(DataError, match="no row has a value of every target"):
        understood(frame)


def test_a_table_with_two_targets_and_arrays_with_many():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"x": rng.normal(size=60), "w": rng.normal(size=60)})
    frame["kind"] = np.where(frame["x"] > 0, "up", "down")
    frame["size"] = frame["x"] * 3 + 0.1
    data = load_dataset(frame, target=["kind", "size"])
    assert [column for fitted in data.encoders["inputs"] for column in fitted["columns"]]
    assert {c["name"] for c in data.encoders["inputs"][0]["columns"]} == {"x", "w"}
    assert data.y.shape == (60, 2)
    arrays = load_dataset((rng.normal(size=(40, 5)), rng.normal(size=(40, 3))))
    assert [part.name for part in arrays.target.parts] == ["y0", "y1", "y2"]

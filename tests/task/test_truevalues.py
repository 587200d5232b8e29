"""True values of new rows, matched to the target of a model by text."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from autosynth.errors import DataError
from autosynth.spec import TargetSpec
from autosynth.task.read import true_values_of
from autosynth.task.target import LeftOut

KIND = TargetSpec(name="kind", task="classification", classes=("1", "2", "10"))
PRICE = TargetSpec(name="price", task="regression")
TAGS = TargetSpec(name="tags", task="multilabel", classes=("x", "y"))


@pytest.mark.parametrize(
    ("values", "codes", "keep"),
    [
        ([1, 10, 2], [0, 2, 1], [0, 1, 2]),
        ([1.0, np.nan, 2.0], [0, 1], [0, 2]),
        (["10", " 1 ", "2"], [2, 0, 1], [0, 1, 2]),
        (["1.", "2.", "7."], [0, 1], [0, 1]),  # as UCI's test files end their labels
    ],
)
def test_classes_are_matched_by_text(values: list[Any], codes: list[int], keep: list[int]) -> None:
    found = true_values_of(pd.Series(values), KIND, "new.csv")
    assert (found.y.tolist(), found.keep.tolist()) == (codes, keep)
    assert found.y.dtype == np.int64


def test_what_cannot_be_scored_is_counted_with_its_reason() -> None:
    found = true_values_of(pd.Series(["1", "3", None, "4", "3"]), KIND, "new.csv")
    assert found.left_out == (
        LeftOut(reason="without a value of 'kind'", rows=1),
        LeftOut(reason="of a class of 'kind' that the model never saw ('3', '4')", rows=3),
    )
    found = true_values_of(pd.Series(["1.5", "cheap", "", "3"]), PRICE, "new.csv")
    assert found.y.tolist() == [1.5, 3.0]
    assert [each.rows for each in found.left_out] == [1, 1]
    assert "'cheap'" in found.left_out[1].reason
    with pytest.raises(DataError, match=r"no row of new.csv.*'7'.*knows '1', '2', '10'.*--target"):
        true_values_of(pd.Series(["7", "7"]), KIND, "new.csv")


def test_labels_are_read_from_cells_or_columns() -> None:
    found = true_values_of(pd.Series(["y;x", "", "x; odd", None]), TAGS, "new.csv")
    assert found.y.tolist() == [[1, 1], [0, 0], [1, 0], [0, 0]]
    assert found.warnings == ("labels that the model never saw are not scored: 'odd' (1 rows)",)
    found = true_values_of(pd.DataFrame({"x": [1, 0, 2], "y": [0, 1, 1]}), TAGS, "new.csv")
    assert (found.y.tolist(), found.keep.tolist()) == ([[1, 0], [0, 1]], [0, 1])
    assert found.left_out == (LeftOut(reason="with no label, or one that is not 0 or 1", rows=1),)
    with pytest.raises(DataError, match="labels that the model never saw"):
        true_values_of(pd.Series(["a;b", "c"]), TAGS, "new.csv")


def test_several_columns_are_joined_on_rows_that_have_all() -> None:
    both = TargetSpec(name="kind + price", task="multitask", parts=(KIND, PRICE))
    frame = pd.DataFrame({"kind": ["2", "3", "1"], "price": [1.0, 2.0, np.nan]})
    found = true_values_of(frame, both, "new.csv")
    assert (found.y.tolist(), found.keep.tolist()) == ([[1.0, 1.0]], [0])
    assert [each.rows for each in found.left_out] == [1, 1]
    with pytest.raises(DataError, match="has 2 columns, and new.csv gives 1"):
        true_values_of(frame["kind"], both, "new.csv")
    steps = TargetSpec(name="load", task="forecasting", steps=2)
    found = true_values_of(pd.DataFrame({"a": [1.0, 2.0], "b": [3.0, np.inf]}), steps, "new.csv")
    assert found.y.tolist() == [[1.0, 3.0]]

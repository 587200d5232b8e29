"""The target: which task its values ask for, the user's own class names, rows that have none."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from autosynth.errors import DataError
from autosynth.task.read import infer_target
from autosynth.task.target import Target


def understand(values: Any, test: int = 0, **options: Any) -> Target:
    series = values if isinstance(values, pd.Series) else pd.Series(values)
    in_test = np.arange(len(series)) >= len(series) - test
    return infer_target(series, "goal", in_test=in_test, **options)


@pytest.mark.parametrize(
    ("values", "task", "classes"),
    [
        (["b", "a"] * 20, "classification", ("a", "b")),
        ([True, False] * 20, "classification", ("False", "True")),
        ([10.0, 9.0, 1.0] * 20, "classification", ("1", "9", "10")),
        (["10", "9", "01"] * 20, "classification", ("01", "9", "10")),
        (["1.0", "2.0"] * 20, "classification", ("1.0", "2.0")),
        ([0.5, 1.5] * 20, "classification", ("0.5", "1.5")),
        (pd.Series([3, 1] * 20, dtype="category"), "classification", ("1", "3")),
        (np.array([b"no", b"yes"] * 20).astype(str), "classification", ("no", "yes")),
        ([0.5, 1.5, 2.5] * 20, "regression", ()),
        (list(range(20)) * 3, "classification", tuple(str(i) for i in range(20))),
        (list(range(21)) * 3, "regression", ()),
        (np.linspace(0, 1, 50), "regression", ()),
    ],
)
def test_task_and_classes_by_content(values: Any, task: str, classes: tuple[str, ...]) -> None:
    target = understand(values)
    assert target.spec.task == task
    assert target.spec.classes == classes
    assert len(target.y) == len(values)


def test_codes_point_at_names() -> None:
    target = understand(["cat", "dog", "ant", "cat", "dog", "ant"])
    assert [target.spec.classes[code] for code in target.y[:3]] == ["cat", "dog", "ant"]
    assert target.y.dtype == np.int64


def test_class_codes_of_arrays_may_be_many() -> None:
    codes = np.arange(100).repeat(6)
    assert understand(codes, coded=True).spec.n_outputs == 100
    assert understand(codes, labels=True).spec.n_outputs == 100
    assert understand(codes + 5, coded=True).spec.task == "regression"


def test_task_overrides() -> None:
    assert understand([1, 2, 3] * 9, task="regression").y.dtype == np.float64
    assert understand([0.5, 1.5, 2.5] * 9, task="classification").spec.classes[0] == "0.5"


def test_rows_without_a_target_are_left_out() -> None:
    target = understand(["a", None, "b", " ", "a", "b"])
    assert target.keep.tolist() == [0, 2, 4, 5]
    assert "2 rows without a value" in target.warnings[0]
    numbers = understand([1.5, np.nan, 2.5, np.inf, 3.5])
    assert numbers.y.tolist() == [1.5, 2.5, 3.5]


def test_a_class_of_one_row_is_left_out_and_named() -> None:
    target = understand(["a", "b", "a", "b", "owl"])
    assert target.spec.classes == ("a", "b")
    assert target.keep.tolist() == [0, 1, 2, 3]
    assert "class 'owl' with one row left out" in target.warnings[0]


def test_a_class_that_only_test_rows_have_is_left_out() -> None:
    target = understand(["a", "b", "a", "b", "c", "c", "a"], test=3)
    assert target.spec.classes == ("a", "b")
    assert "class 'c' left out; only test rows have it" in target.warnings[0]


@pytest.mark.parametrize(
    ("values", "options", "message"),
    [
        (["a"] * 9, {}, "target 'goal' has one class, 'a', in 9 rows"),
        ([3] * 9, {}, "target 'goal' has one class, '3'"),
        ([3.5] * 9, {"task": "regression"}, "is 3.5 in every row: nothing to learn"),
        (
            ["a", "b"],
            {"task": "regression"},
            "regression predicts numbers; target 'goal' holds 'a'",
        ),
        ([None, None], {}, "target 'goal' has no values in 2 rows"),
        (["a", "a", "b"], {}, r"has 1 classes of two rows or more \(2 in all\)"),
        (["u", "v", "w"], {}, r"has 0 classes of two rows or more \(3 in all\)"),
    ],
)
def test_a_target_with_nothing_to_learn(values: Any, options: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        understand(values, **options)

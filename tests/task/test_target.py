"""The target: which task its values ask for, the user's own class names, rows that have none."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from autosynth.errors import DataError
from autosynth.task.read import infer_target, true_values_of
from autosynth.task.target import Target, settle_words


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


@pytest.mark.parametrize("task", [None, "regression"])
def test_a_few_words_in_a_target_of_numbers_are_named_and_left_out(task: str | None) -> None:
    values = [f"{i / 7:.3f}" for i in range(200)]
    for row, word in ((5, "TBD"), (6, "TBD"), (90, "n/k"), (150, "x")):
        values[row] = word
    target = understand(values, task=task)
    assert target.spec.task == "regression"
    assert target.warnings == (
        "target 'goal': 196 of 200 are numbers; rows 5, 6, 90, 150 hold 'TBD', 'n/k', 'x', left "
        "out",
    )
    assert set(target.keep) == set(range(200)) - {5, 6, 90, 150}
    assert len(target.missing) == 0
    assert target.y.tolist() == [float(values[row]) for row in target.keep]
    asked = understand([*values[:60], *["word"] * 40], task="regression")
    assert len(asked.y) == 58
    names = understand([*map(str, range(1, 9)), "other"] * 9)
    assert names.spec.classes == ("1", "2", "3", "4", "5", "6", "7", "8", "other")


def test_a_target_of_written_numbers_keeps_its_form() -> None:
    written = [f"{i * 7.25 + 999:,.2f} €".translate(str.maketrans(",.", ".,")) for i in range(60)]
    target = understand(written)
    assert (target.spec.task, target.spec.form) == ("regression", "1.234,50")
    assert target.y[1] == pytest.approx(1006.25)
    assert (
        "goal: numbers written like 1.234,50 (a comma before decimals), with €" in target.assumed
    )
    later = true_values_of(pd.Series(["1.234", "5,5 €", "NA", "none"]), target.spec, "x")
    assert later.y.tolist() == [1234, 5.5]
    assert [each.rows for each in later.left_out] == [1, 1]
    few = understand(["$5", "$10", "$5"] * 9)
    assert few.spec.classes == ("$5", "$10")


@pytest.mark.parametrize(
    ("words", "classes"),
    [
        (["NA", "EU", "AS"] * 20, ("AS", "EU", "NA")),
        (["None", "mild", "severe", "mild"] * 20, ("None", "mild", "severe")),
        (["null", "nan", "?", "-"] * 20, ("-", "?", "nan", "null")),
        (["a", "b"] * 20 + ["NA"] * 3, ("a", "b")),
        (["a", "b"] * 20 + ["NA"] * 3 + [None] * 5, ("NA", "a", "b")),
    ],
)
def test_a_word_that_may_mean_no_value_is_named(words: Any, classes: tuple[str, ...]) -> None:
    values, told = settle_words(pd.Series(words, dtype=object), "goal", keep=False)
    assert understand(values).spec.classes == classes
    mentioned = [word for word in ("NA", "None", "null", "nan", "?") if word in words]
    assert all(any(f"'{word}'" in text for text in told) for word in mentioned)
    kept, told = settle_words(pd.Series(words, dtype=object), "goal", keep=True)
    assert set(understand(kept).spec.classes) == {w for w in words if w}
    assert told == ()


def test_classes_are_found_in_another_spelling() -> None:
    target = understand(["01", "007", "10"] * 9)
    found = true_values_of(pd.Series([1, 7, 10, 3]), target.spec, "x")
    assert [target.spec.classes[code] for code in found.y] == ["01", "007", "10"]
    truths = understand([True, False] * 20)
    found = true_values_of(pd.Series(["yes", "no", "1", "maybe"]), truths.spec, "x")
    assert found.y.tolist() == [1, 0, 1]


def test_a_target_that_is_too_large_is_told() -> None:
    with pytest.raises(DataError, match=r"goes to 9e\+300; .* at most 1e\+60"):
        understand(np.linspace(0.5, 9, 50) * 1e300)

"""What a user may say of weights: one form of each option, and one sentence for what is wrong."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

import autosynth
from autosynth.errors import ConfigError
from autosynth.options import DataConfig, Options
from autosynth.weight import class_weight_form, class_weights_told, weight_form, weight_text


def test_weights_are_a_column_or_a_number_a_row() -> None:
    assert weight_form(None) is None
    assert weight_form("w") == "w"
    for numbers in ([1, 2.5], np.array([1, 2.5]), pd.Series([1, 2.5])):
        assert weight_form(numbers) == (1.0, 2.5)
    found = DataConfig(weight=np.array([1, 2.5]))
    assert found == DataConfig(weight=(1.0, 2.5))
    assert found.column_options == []
    assert DataConfig(weight="w").column_options == ["--weight"]


def test_run_toml_tells_numbers_from_others() -> None:
    one, same, other = (DataConfig(weight=w) for w in ([1, 2], [1.0, 2.0], [2, 1]))
    assert one.data_section() == same.data_section() != other.data_section()
    assert one.data_section()["weight"].startswith("2 numbers (")
    assert weight_text("w") == "w"
    assert DataConfig(weight="w", class_weight="balanced").data_section() == {
        "weight": "w",
        "class_weight": ["balanced"],
    }


@pytest.mark.parametrize(
    ("given", "form"),
    [
        (None, ()),
        ([], ()),
        ("balanced", ("balanced",)),
        (["balanced"], ("balanced",)),
        (("yes=5", "no=0.5"), ("yes=5", "no=0.5")),
        ({"yes": 5, "a=b": 0.5}, ("yes=5", "a=b=0.5")),
        ({np.int64(1): np.float32(2.5), 0.0: 1}, ("1=2.5", "0=1")),
    ],
)
def test_class_weights_have_one_form(given: Any, form: tuple[str, ...]) -> None:
    assert class_weight_form(given) == form
    assert class_weight_form(form) == form
    assert Options(class_weight=given).class_weight == form


def test_a_pair_is_cut_at_its_last_sign() -> None:
    assert class_weights_told(("a=b=0.5", "yes=5")) == {"a=b": 0.5, "yes": 5.0}
    assert class_weights_told(("balanced",)) == {}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"class_weight": "yes"}, r"--class-weight is balanced, or pairs .* not 'yes'"),
        ({"class_weight": ["yes=0"]}, "finite number above 0.* not 'yes=0'; to leave a class out"),
        ({"class_weight": {"yes": -1}}, "finite number above 0.* not 'yes=-1'"),
        ({"class_weight": {"yes": float("nan")}}, "not 'yes=nan'"),
        ({"class_weight": {"yes": float("inf")}}, "not 'yes=inf'"),
        ({"class_weight": ["=3"]}, "not '=3'"),
        ({"class_weight": 3}, "--class-weight is balanced.* not 3"),
        ({"class_weight": ["a=1", "a=2"]}, "names the class 'a' twice"),
        ({"class_weight": ["balanced", "a=2"]}, "stands alone, not beside a=2"),
        ({"weight": 3}, "--weight names a column by a text, or in Python .* not 3"),
        ({"weight": ["a", "b"]}, r"one number a row, not \['a', 'b'\]"),
    ],
    ids=str,
)
def test_what_is_wrong_is_told_with_the_rule(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        DataConfig(**given)
    with pytest.raises(ConfigError, match=rf"(?s){message}.*--trials"):
        autosynth.search("digits", trials=0, **given)

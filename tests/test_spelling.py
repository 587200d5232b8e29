"""Spellings: which texts are one name, and which say true or false."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from autosynth.data import encode, load_dataset, read_labelled
from autosynth.errors import DataError
from autosynth.spec import Dataset
from autosynth.spelling import NameMatch, booleans_of, spellings_of
from autosynth.task.read import infer_target, true_values_of

N = 120
RNG = np.random.default_rng(0)
IS = RNG.random(N) < 0.5


def test_names_are_found_in_other_spellings() -> None:
    towns = NameMatch.of(["Paris", "New York", "NEW  YORK"])
    assert [towns.place(t) for t in ("Paris", " paris ", "new york", "Rome")] == [0, 0, None, None]
    codes = NameMatch.of(["01", "007", "10"])
    assert [codes.place(t) for t in ("01", "1", "7", "10.0", "2")] == [0, 0, 1, 2, None]
    assert NameMatch.of(["1", "01"]).place("1.0") is None  # of two it is neither


@pytest.mark.parametrize("pair", [("False", "True"), ("N", "Y"), ("no", "yes"), ("off", "on")])
def test_booleans_are_the_same_in_any_spelling(pair: tuple[str, str]) -> None:
    match = NameMatch.of(pair)
    for no, yes in (("false", "TRUE"), ("0", "1"), ("n", "y"), ("f", "t"), ("No", "Yes")):
        assert (match.place(no), match.place(yes)) == (0, 1)
    assert match.place("maybe") is None
    assert NameMatch.of([*pair, "maybe"]).place("1") is None


@pytest.mark.parametrize(
    "texts",
    [
        ("Yes", "yes", "YES", "N"),
        ("Y", "N", "1", "0"),
        ("true", "True", "0"),
        ("on", "Off", "ON"),
        ("T", "F", "yes"),
    ],
)
def test_texts_that_are_all_spellings_of_booleans_are_two_names(texts: tuple[str, ...]) -> None:
    said = booleans_of(texts)
    assert set(said) == set(texts)
    found = spellings_of({text: 10 - place for place, text in enumerate(texts)})
    names = {found.name_of.get(text, text) for text in texts}
    assert len(names) == 2
    assert texts[0] in names  # the most frequent spelling
    assert found.assumed.startswith("all are spellings of two booleans: ")


@pytest.mark.parametrize(
    "texts",
    [
        ("yes", "Yes"),  # of one alone nothing is said
        ("yes", "no", "maybe"),
        ("on", "no"),  # Ontario and Norway
        ("T", "F", "N"),  # letters of two pairs: codes
    ],
)
def test_other_texts_are_no_booleans(texts: tuple[str, ...]) -> None:
    assert booleans_of(texts) == {}


def test_names_that_differ_in_case_or_blanks_are_one() -> None:
    found = spellings_of({"Male": 9, "male": 4, "MALE": 1, "new  york": 3, "New York": 2, "x": 1})
    assert found.name_of == {"male": "Male", "MALE": "Male", "New York": "new  york"}
    assert not found.doubt
    composed = spellings_of({"caf\u00e9": 3, "cafe\u0301": 1})
    assert composed.name_of == {"cafe\u0301": "caf\u00e9"}
    assert not spellings_of({"01": 4, "1": 5}).name_of  # labels with leading zeros are their own


def test_letters_of_two_cases_are_a_doubt_unless_one_is_a_slip() -> None:
    codes = spellings_of({"m": 50, "M": 40, "k": 9})
    assert not codes.name_of
    assert codes.doubt.startswith("'M' and 'm' are letters of two cases")
    slip = spellings_of({"m": 100, "M": 3})
    assert (slip.name_of, slip.doubt) == ({"M": "m"}, "")


# The first spelling of each is the most frequent one.
BOOLEANS = [
    (["Yes", "Yes", "yes", "YES", "Y"], ["No", "No", "no", "N"], ("No", "Yes")),
    (["1", "1", "true", "True"], ["0", "0", "false"], ("0", "1")),
    ([True, True, "t", 1], [False, False, "f", 0], ("False", "True")),
    (["on", "on", "On "], ["off", "off", "OFF"], ("off", "on")),
]


def mixed(true: list[Any], false: list[Any]) -> list[Any]:
    counts = {True: 0, False: 0}
    cells = []
    for is_true in IS.tolist():
        some = true if is_true else false
        cells.append(some[counts[is_true] % len(some)])
        counts[is_true] += 1
    return cells


def table(**columns: Any) -> pd.DataFrame:
    goal = np.where(RNG.random(N) < 0.5, "a", "b")
    return pd.DataFrame({"x": RNG.normal(size=N), **columns, "y": goal})


@pytest.mark.parametrize(("true", "false", "names"), BOOLEANS)
def test_a_column_of_mixed_booleans_is_one(true: Any, false: Any, names: Any) -> None:
    frame = table(ok=pd.Series(mixed(true, false), dtype=object))
    data = load_dataset(frame, target="y")
    column = data.encoders["inputs"][0]["columns"][1]
    assert tuple(column["categories"]) == names
    np.testing.assert_array_equal(data.x["table"][:, 1], 2 + IS)
    assert "assumed     ok: all are spellings of two booleans" in "\n".join(data.summary)
    assert not data.warnings
    for yes, no in (("yes", "no"), (1, 0), (true[-1], false[-1])):
        later = encode(
            frame.assign(ok=pd.Series(np.where(IS, yes, no), dtype=object)), data.encoders
        )
        np.testing.assert_array_equal(later.x["table"], data.x["table"])
        assert not later.warnings
    asked = load_dataset(frame, target="y", columns={"ok": "category"})
    apart = asked.encoders["inputs"][0]["columns"][1]["categories"]
    assert len(apart) > 2


@pytest.mark.parametrize(("true", "false", "names"), BOOLEANS)
def test_a_target_of_mixed_booleans_has_two_classes(true: Any, false: Any, names: Any) -> None:
    frame = pd.DataFrame(
        {"x": RNG.normal(size=N), "y": pd.Series(mixed(true, false), dtype=object)}
    )
    data = load_dataset(frame, target="y")
    assert data.target.classes == names
    np.testing.assert_array_equal(data.y, IS)
    assert "assumed     y: all are spellings of two booleans" in "\n".join(data.summary)
    assert not data.warnings
    np.testing.assert_array_equal(read_labelled(frame, data.encoders, data.target).y, IS)
    later = pd.Series(np.where(IS, "TRUE", "n"))
    np.testing.assert_array_equal(true_values_of(later, data.target, "new").y, IS)
    apart = load_dataset(frame, target="y", columns={"y": "category"})
    assert len(apart.target.classes) > 2


def test_classes_that_differ_in_case_are_one_and_told() -> None:
    values = pd.Series(["Cat", "cat ", "Cat", "dog", "DOG", "dog", "owl"] * 9)
    target = infer_target(values, "kind", in_test=np.zeros(len(values), bool))
    assert target.spec.classes == ("Cat", "dog", "owl")
    assert target.assumed == (
        "kind: spellings that differ in case or blanks are one name: 'cat' for 'Cat'; 'DOG' for "
        "'dog'. --column kind=category keeps them apart",
    )
    assert not target.warnings
    letters = pd.Series(["m", "M", "k"] * 9)
    doubtful = infer_target(letters, "unit", in_test=np.zeros(len(letters), bool))
    assert doubtful.spec.classes == ("M", "k", "m")
    assert "letters of two cases" in doubtful.warnings[0]
    told = {"in_test": np.zeros(len(letters), bool), "kinds": {"unit": "category"}}
    assert not infer_target(letters, "unit", **told).warnings


def categories(data: Dataset) -> dict[str, list[str]]:
    columns = data.encoders["inputs"][0]["columns"]
    return {each["name"]: each["categories"] for each in columns if each["categories"]}


def test_categories_that_differ_in_case_are_one_and_told() -> None:
    town = ["Bern", "BERN", "Bern", "Chur", "Chur", "Basel"] * (N // 6)
    frame = table(town=town, sex=["m", "M", "f", "F"] * (N // 4))
    data = load_dataset(frame, target="y")
    assert categories(data) == {"town": ["Basel", "Bern", "Chur"], "sex": ["F", "M", "f", "m"]}
    names = [each["name"] for each in data.encoders["inputs"][0]["columns"]]
    assert len(set(data.x["table"][:3, names.index("town")])) == 1
    assert [text for text in data.warnings if "two cases" in text] == list(data.warnings)
    assert not encode(frame, data.encoders).warnings
    apart = load_dataset(frame, target="y", columns={"town": "category", "sex": "category"})
    assert categories(apart)["town"] == ["BERN", "Basel", "Bern", "Chur"]
    assert not apart.warnings


def test_labels_may_be_booleans_in_any_spelling() -> None:
    frame = pd.DataFrame(
        {
            "x": RNG.normal(size=N),
            "red": mixed(["Y", "yes"], ["N", "no"]),
            "round": mixed(["1", "true"], ["0", ""]),
        }
    )
    data = load_dataset(frame, target=["red", "round"], task="multilabel")
    assert data.target.classes == ("red", "round")
    np.testing.assert_array_equal(data.y[:, 0], IS)
    assert np.isnan(data.y[:, 1]).sum() == (~IS).sum() // 2
    scored = read_labelled(frame, data.encoders, data.target)
    np.testing.assert_array_equal(scored.y, data.y)
    with pytest.raises(DataError, match="label 'red' is 0 or 1 in every row, or no and yes"):
        load_dataset(frame.replace("no", "perhaps"), target=["red", "round"], task="multilabel")


def test_a_target_is_no_picture() -> None:
    with pytest.raises(DataError, match="target 'y' cannot be read as 'image': a target is one"):
        load_dataset(table(), target="y", columns={"y": "image"})

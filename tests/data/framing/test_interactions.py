"""Interactions: histories, splits, features, what is left out, and what is refused."""

import json
import string
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from autosynth.data import Dataset, encode, load_dataset, read_labelled
from autosynth.data.encoder.ids import FIRST_ITEM, MOST_PLACES
from autosynth.errors import DataError

# Four users, out of order in time; ann's two at 30 stand in the order of the file.
BOUGHT = {
    "ann": "abcdef", "bob": "ebcda", "eve": "cade", "pim": "dab", "una": "a",
}  # fmt: skip


def table(bought: dict[str, str] = BOUGHT) -> pd.DataFrame:
    rows = [
        {"who": user, "what": item, "when": 10 * min(place, 3), "stars": place % 5}
        for user, items in bought.items()
        for place, item in enumerate(items)
    ]
    mixed = pd.DataFrame(rows)
    later = mixed["when"] >= 20
    return pd.concat([mixed[later], mixed[~later]], ignore_index=True)


def read(frame: pd.DataFrame, **options: object) -> Dataset:
    asked = {"target": "what", "user": "who", "time": "when", "task": "ranking"}
    return load_dataset(frame, **{**asked, **options})


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("autosynth.data.framing.interactions._MIN_ROWS", 3)


@pytest.fixture
def bought(small: None) -> Dataset:
    return read(table(), drop=["stars"])


def names(data: Dataset, codes: np.ndarray, shift: int = 0) -> str:
    return "".join(data.target.classes[code - shift] for code in codes if code >= shift)


def test_a_row_is_an_interaction_with_a_history_before_it(bought: Dataset) -> None:
    (spec,) = bought.inputs
    assert (spec.kind, spec.masked) == ("ids", True)
    assert spec.cardinalities == (len(bought.target.classes) + FIRST_ITEM,)
    rows = {
        (names(bought, x, FIRST_ITEM), names(bought, [y]))
        for x, y in zip(bought.x["history"], bought.y, strict=True)
    }
    wanted = [(items[:at][::-1], items[at]) for items in BOUGHT.values()
              for at in range(1, len(items)) if items[at] != "f"]  # fmt: skip
    assert rows == set(wanted)
    assert len(bought.y) == len(wanted)
    longest = bought.x["history"][(bought.x["history"] > 0).sum(1).argmax()]
    assert longest.dtype == np.int32
    assert (np.diff((longest > 0).astype(int)) <= 0).all()  # 0 after the oldest alone


def test_the_last_ones_of_a_user_are_held_out_and_one_is_left_to_learn_from(
    bought: Dataset,
) -> None:
    whole = [
        names(bought, x, FIRST_ITEM)[::-1] + names(bought, [y])
        for x, y in zip(bought.x["history"], bought.y, strict=True)
    ]
    held = {
        name: {whole[row] for row in getattr(bought.splits, name)}
        for name in ("train", "calibration", "validation", "test")
    }
    # ann's last is f, which nobody had in training: there is nothing to rank it by.
    assert held["test"] == {"ebcda", "cade", "dab"}
    assert held["validation"] == {"abcde", "ebcd", "cad"}
    assert held["calibration"] == {"abcd", "ebc"}
    assert held["train"] == {"ab", "abc", "eb", "ca", "da"}
    assert any("1 items that only held-out" in text and "f" in text for text in bought.warnings)
    assert any("1 users have one interaction" in text for text in bought.warnings)


def test_items_count_from_the_most_frequent_in_training(bought: Dataset) -> None:
    # abc, eb, ca, da and a: what is held out does not count.
    assert bought.target.classes == ("a", "b", "c", "d", "e")
    again = read(table({**BOUGHT, "kim": "ecb"}), drop=["stars"])
    assert again.target.classes == ("a", "c", "b", "e", "d")


def test_what_a_user_had_before_is_seen_whole_where_the_history_is_cut() -> None:
    items = string.ascii_letters[:MOST_PLACES] + string.digits
    data = read(table({f"u{i}": items[i:] + items[:i] for i in range(6)}))
    assert data.inputs[0].shape == (MOST_PLACES,)
    assert (data.seen.stop - data.seen.start).max() == len(items) - 1
    for row, y in enumerate(data.y):
        _, codes = data.seen.only(np.array([row])).pairs()
        had = set(codes.tolist())
        assert y not in had
        assert {code - FIRST_ITEM for code in data.x["history"][row] if code} <= had
    scores = np.ones((len(data.y), len(data.target.classes)))
    left = data.seen.without(scores)
    rows, codes = data.seen.pairs()
    assert (left[rows, codes] == 0).all()
    assert np.allclose(left.sum(1), 1)


def test_other_columns_say_something_of_the_last_and_of_all_before(small: None) -> None:
    ages = pd.DataFrame({"who": ["ann", "bob", "eve"], "age": [20.0, 30.0, 40.0]})
    prices = pd.DataFrame({"what": list("abcdef"), "price": [1.0, 2, 4, 8, 16, 32]})
    data = read(table(), features=[ages, prices])
    spec = data.inputs[1]
    fitted = data.encoders["inputs"][1]
    place = {column["name"]: at for at, column in enumerate(fitted["columns"])}
    assert (spec.kind, spec.shape) == ("table", (len(place),))
    cost = dict(zip(prices["what"], prices["price"], strict=True))
    for row, x in enumerate(data.x["table"]):
        had = names(data, data.x["history"][row], FIRST_ITEM)
        assert x[place["last.item.price"]] == cost[had[0]]
        assert x[place["mean.item.price"]] == pytest.approx(np.mean([cost[n] for n in had]))
        assert x[place["last.stars"]] == (len(had) - 1) % 5
    known = data.x["table"][:, place["user.age"]]
    assert set(known[~np.isnan(known)]) == {20, 30, 40}
    assert np.isnan(known).any()


def test_a_key_without_a_name_is_found_by_its_values(tmp_path: Path, small: None) -> None:
    rng = np.random.default_rng(0)
    rows = [f"{u}\t{i}\t{t}" for u in range(1, 31) for t, i in enumerate(rng.permutation(90)[:8])]
    (tmp_path / "events.data").write_text("\n".join(rows))
    (tmp_path / "things.item").write_text(
        "\n".join(f"{i}|Thing {i}|{'red' if i % 3 else 'blue'}|{i % 7}" for i in range(90))
    )
    data = load_dataset(
        tmp_path / "events.data", target="column2", user="column1", time="column3",
        features=[tmp_path / "things.item"],
    )  # fmt: skip
    columns = {column["name"] for column in data.encoders["inputs"][1]["columns"]}
    assert {"last.item.column3", "last.item.column4", "mean.item.column4"} <= columns
    assert "set aside   item.column2: an id: every item has its own" in data.summary


def test_a_prediction_is_for_a_user_after_all_interactions(bought: Dataset) -> None:
    encoders = json.loads(json.dumps(bought.encoders))
    new = pd.DataFrame({"who": ["x", "x", "y", "z", "x"], "what": ["a", "c", "q", "d", "q"],
                        "when": [2, 1, 3, 4, 5], "more": 1})  # fmt: skip
    found = encode(new, encoders)
    assert (list(found.index), found.called) == (["x", "z"], "who")
    assert [names(bought, x, FIRST_ITEM) for x in found.x["history"]] == ["ac", "d"]
    rows, codes = found.seen.pairs()
    assert [(r, names(bought, [c])) for r, c in zip(rows, codes, strict=True)] == [
        (0, "c"), (0, "a"), (1, "d"),
    ]  # fmt: skip
    assert any("1 items that the model does not know were skipped: q" in w for w in found.warnings)
    assert any("1 users without an item" in w and "y" in w for w in found.warnings)


def test_scored_are_the_interactions_that_the_search_held_out(bought: Dataset) -> None:
    frame = pd.concat([table(), table({"kit": "cq", "lea": "qd"})], ignore_index=True)
    found = read_labelled(frame, json.loads(json.dumps(bought.encoders)), bought.target)
    test = bought.splits.test
    assert np.array_equal(found.x["history"], bought.x["history"][test])
    assert np.array_equal(found.y, bought.y[test])
    was = bought.seen.only(test)
    assert (found.seen.stop - found.seen.start).tolist() == (was.stop - was.start).tolist()
    # ann's f and kit's q are unknown; una and lea have no other item that the model knows.
    assert {(each.reason, each.rows) for each in found.left_out} == {
        ("whose last item the model does not know", 2),
        ("without another item that the model knows", 2),
    }
    with pytest.raises(DataError, match="each needs a last item that the model knows"):
        read_labelled(table({"lea": "qd"}), bought.encoders, bought.target)


def test_features_of_the_training_stand_beside_new_users(small: None) -> None:
    prices = pd.DataFrame({"what": list("abcdef"), "price": [1.0, 2, 4, 8, 16, None]})
    data = read(table(), features=[prices], drop=["stars"])
    columns = [column["name"] for column in data.encoders["inputs"][1]["columns"]]
    new = pd.DataFrame({"who": [1, 1], "what": ["a", "b"], "when": [1, 2]})
    found = encode(new, json.loads(json.dumps(data.encoders)))
    row = dict(zip(columns, found.x["table"][0], strict=True))
    assert row == {"last.item.price": 2.0, "mean.item.price": 1.5}


def test_inspect_says_who_what_and_how_much(bought: Dataset) -> None:
    text = "\n".join(bought.summary)
    assert "interactions 18 of 5 users and 5 items, 72.00% of all pairs" in text
    assert "input       history: ids, 1 ... 4 of them" in text
    assert "(the last interactions of each user)" in text


def test_repeats_and_gaps_are_left_out_and_said(small: None) -> None:
    frame = table()
    more = pd.DataFrame({"who": ["ann", None], "what": ["a", "b"], "when": [99, 99], "stars": 1})
    data = read(pd.concat([frame, more], ignore_index=True))
    assert any("1 interactions are with what the user had before" in w for w in data.warnings)
    assert any("1 of 21 interactions lack who or what or when" in w for w in data.warnings)
    assert any("Fill them in to have them read" in w for w in data.warnings)


@pytest.mark.parametrize("gone", [None, "", "later"])
def test_a_time_that_is_none_is_left_out_and_said(small: None, gone: str | None) -> None:
    frame = table()
    days = pd.Timestamp("2024-01-01") + pd.to_timedelta(40 * frame["when"] + frame.index, unit="D")
    frame["when"] = days.dt.strftime("%Y-%m-%d").astype(object)
    more = pd.DataFrame({"who": ["ann"], "what": ["zzz"], "when": [gone], "stars": 1})
    data = read(pd.concat([frame, more], ignore_index=True))
    assert any(f"1 of {len(frame) + 1} interactions lack" in w for w in data.warnings)
    assert "zzz" not in data.target.classes
    assert len(data.y) == len(read(frame).y)


def test_dates_are_times_and_the_order_of_rows_does_without(small: None) -> None:
    frame = table()
    dated = frame.assign(when=pd.Timestamp("2020-01-01") + pd.to_timedelta(frame["when"], "h"))
    assert np.array_equal(read(dated).x["history"], read(frame).x["history"])
    ordered = frame.sort_values("when", kind="stable").drop(columns="when")
    without = read(ordered, time=None)
    assert np.array_equal(without.x["history"], read(frame).x["history"])
    assert any("no column of time is named" in w for w in without.warnings)


def test_the_name_of_the_data_changes_with_what_is_read(small: None) -> None:
    frame = table()
    marks = {read(frame).fingerprint, read(frame, drop=["stars"]).fingerprint,
             read(frame, time=None).fingerprint}  # fmt: skip
    assert len(marks) == 3
    assert read(frame).fingerprint in marks


WRONG = [
    ({"user": None}, r"no column says who.*--user"),
    ({"user": "whom"}, r"users \(--user\): 'whom' is no column.*did you mean 'who'\?"),
    ({"target": "item", "time": "hour"}, r"items \(--target\).*times \(--time\): 'hour'"),
    ({"target": None}, r"one target, the column of items, and 0 are named"),
    ({"target": "who"}, r"users, items and times are columns of their own"),
    ({"time": "what"}, r"column 'what'.*|columns of their own"),
    ({"time": "note"}, r"column 'note' of frame says when.*row 0 holds 'soon'"),
    (
        {"test": "more.csv"},
        r"leave --test and --validation out",
    ),
    ({"task": "regression"}, r"belong to the task ranking, not regression"),
    ({"drop": ["colour"]}, r"column 'colour', to be dropped.*those are: stars"),
]


@pytest.mark.parametrize(("options", "message"), WRONG)
def test_what_is_asked_wrongly_is_told(options: dict, message: str, small: None) -> None:
    frame = table().assign(note="soon")
    options = {"drop": [], **options} if options.get("time") == "note" else options
    with pytest.raises(DataError, match=message):
        read(frame if options.get("time") == "note" else table(), **options)


@pytest.mark.parametrize(
    ("bought", "message"),
    [
        ({"ann": "a", "bob": "a", "eve": "a"}, r"two items or more; column 'what'.*holds 1, 'a'"),
        ({"ann": "a", "bob": "b"}, r"every user of frame has one interaction.*--user"),
        ({"ann": "abc", "bob": "bca"}, r"leaves 2 interactions to learn from, 0 to select"),
    ],
)
def test_what_cannot_be_learnt_from_is_told(bought: dict, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read(table(bought))


def test_features_that_fit_nobody_are_told(small: None) -> None:
    with pytest.raises(DataError, match=r"a column called 'who' or 'what' names them"):
        read(table(), features=[pd.DataFrame({"name": ["ann"], "age": [3]})])
    twice = pd.DataFrame({"who": ["ann", "ann", "bob"], "age": [3, 4, 5]})
    with pytest.raises(DataError, match=r"one row for each user; who 'ann' has several"):
        read(table(), features=[twice])
    with pytest.raises(DataError, match=r"columns of one name: user age stands in two tables"):
        read(table(), features=[twice[1:], twice[1:]])


def test_new_interactions_must_be_of_the_same_form(bought: Dataset, small: None) -> None:
    new = pd.DataFrame({"who": ["x"], "what": ["q"], "when": [1]})
    with pytest.raises(DataError, match=r"no user in frame had an item that the model knows"):
        encode(new, bought.encoders)
    with pytest.raises(DataError, match=r"lacks 1 columns.*stars"):
        encode(new.assign(what="a"), read(table()).encoders)
    with pytest.raises(DataError, match=r"column of items \(--target\): 'what' is no column"):
        encode(new.drop(columns="what"), bought.encoders)

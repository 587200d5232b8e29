"""What is said of a name that nobody knows, and how long a message may be."""

import pytest

from autosynth.errors import AutosynthError, DataNotFoundError, UnknownNameError, lookup, nearest
from autosynth.number import brief_repr, shorten_middle

METRICS = ("accuracy", "balanced_accuracy", "f1", "f1_micro", "roc_auc", "neg_log_loss")


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("auc_roc", "roc_auc"),
        ("AUC-ROC", "roc_auc"),
        ("micro f1", "f1_micro"),
        ("accuracy_balanced", "balanced_accuracy"),
        ("acuracy", "accuracy"),
        ("Accuracy", "accuracy"),
        ("log_loss_neg", "neg_log_loss"),
    ],
)
def test_the_nearest_name_is_found_in_any_order_of_its_words(written: str, meant: str) -> None:
    assert nearest(written, METRICS) == [meant]
    with pytest.raises(UnknownNameError, match=rf"unknown metric .*Did you mean '{meant}'\?$"):
        lookup(dict.fromkeys(METRICS), written, "metric")


def test_what_is_like_nothing_has_no_nearest_name() -> None:
    assert nearest("xyz", METRICS) == []
    assert nearest("", METRICS) == []
    assert nearest("---", METRICS) == []


def test_of_many_names_few_are_listed_and_the_nearest_is_found() -> None:
    columns = {f"column_{i}": i for i in range(5_000)}
    with pytest.raises(UnknownNameError, match="and 4,960 more. Did you mean") as caught:
        lookup(columns, "colum_4999", "column")
    assert len(str(caught.value)) < 1_000
    assert "'column_4999'" in str(caught.value)


def test_a_message_is_cut_line_by_line_and_keeps_both_ends() -> None:
    long = "a" * 300_000
    with pytest.raises(UnknownNameError, match="unknown metric 'a+…'.*valid: accuracy") as caught:
        lookup(dict.fromkeys(METRICS), long, "metric", f"in {long}, here")
    assert len(str(caught.value)) < 500
    assert ", here; valid" in str(caught.value)
    told = str(DataNotFoundError(f"the rule\n{long}, the cure"))
    assert told.startswith("the rule\naaa")
    assert told.endswith("aaa, the cure")
    assert len(told) < 3_000
    assert str(AutosynthError("short")) == "short"
    assert str(AutosynthError()) == ""


def test_the_middle_of_a_text_is_left_out() -> None:
    assert shorten_middle("abcdefghij", 10) == "abcdefghij"
    assert shorten_middle("abcdefghij", 5) == "ab…ij"
    assert shorten_middle("abcdefghij", 4) == "ab…j"
    assert brief_repr("a" * 9, 7) == "'aa…aa'"

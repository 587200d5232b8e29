"""What is said of a name that nobody knows, and how long a message may be."""

import errno
import os

import pytest

from autosynth.errors import (
    AutosynthError,
    DataNotFoundError,
    RunError,
    UnknownNameError,
    lacking,
    lookup,
    nearest,
)
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


@pytest.mark.parametrize(
    ("problem", "cure"),
    [
        (MemoryError("Unable to allocate 8.00 GiB"), "the memory does not suffice"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried 9"), "the memory"),
        (ImportError("libtorch_cpu.so: failed to map segment from shared object"), "the memory"),
        (OSError(errno.ENOMEM, os.strerror(errno.ENOMEM)), "the memory does not suffice"),
        (OSError(errno.EMFILE, os.strerror(errno.EMFILE), "x.csv"), "ulimit -n"),
        (RuntimeError("can't start new thread"), "ulimit -u"),
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), "a disk is full"),
        (OSError(errno.EROFS, os.strerror(errno.EROFS), "x.csv"), "a disk cannot be written"),
        (RuntimeError("x.png: Read-only file system"), "one for temporary files as TMPDIR"),
    ],
)
def test_what_a_machine_lacks_is_told_with_a_cure(problem: Exception, cure: str) -> None:
    told = lacking(problem)
    assert cure in told
    assert type(problem).__name__ in told
    outer = ValueError("of another kind")
    outer.__context__ = problem
    assert lacking(outer) == told


def test_what_is_no_lack_is_not_told_as_one() -> None:
    assert lacking(ValueError("out of memory")) == ""
    assert lacking(RuntimeError("shapes differ")) == ""
    assert lacking(FileNotFoundError(errno.ENOENT, "gone")) == ""
    assert lacking(RunError("cannot write 'x': No space left on device; free some space")) == ""

"""Which texts a composite may be given without what lies behind their ends."""

import pytest

from autosynth.composite import build, resolve
from autosynth.spec import InputSpec, TargetSpec
from autosynth.strategy import parse

TEXT = InputSpec(name="text", kind="text", shape=(20,), cardinalities=(50,), masked=True)
TABLE = InputSpec(name="table", kind="table", shape=(3,), cardinalities=(0, 0, 0))
TARGET = TargetSpec(name="y", task="classification", classes=("a", "b"))


@pytest.mark.parametrize(
    ("strategy", "cuts"),
    [
        ("mean(cnn:text, mlp:table)", ("text",)),
        ("cascade[0.3](boosting:table, cnn:text)", ("text",)),  # a table says which rows go on
        ("cascade[0.3](mlp:table, cnn:text)", ("text",)),
        ("mean(boosting:table, tfidf:text)", ()),
    ],
)
def test_a_text_alone_is_cut(strategy: str, cuts: tuple[str, ...]) -> None:
    assert build(resolve(parse(strategy), [TEXT, TABLE], TARGET)).cuts == cuts

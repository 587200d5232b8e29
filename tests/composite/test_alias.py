"""A name that stands for a component with options is that component."""

import pytest

from autosynth.components import FAMILIES
from autosynth.composite import resolve
from autosynth.errors import StrategyError, UnknownNameError
from autosynth.spec import InputSpec, TargetSpec
from autosynth.strategy import parse

IMAGE = InputSpec(name="x", kind="image", shape=(1, 6, 8))
AUDIO = InputSpec(name="x", kind="audio", shape=(16_000,), rate=16_000)
TARGET = TargetSpec(name="y", task="classification", classes=("a", "b", "c"))
LITE0 = "pretrained[model=efficientnet_lite0]"


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("resnet18 > transformer", "pretrained[model=resnet18] > transformer"),
        ("resnet18[size=64] > linear", "pretrained[model=resnet18, size=64] > linear"),
        ("mean(cnn, efficientnet_lite0)", f"mean(cnn, {LITE0})"),
        (
            "cascade[0.2](efficientnet_lite0 > linear, efficientnet_lite2 > linear)",
            f"cascade[0.2]({LITE0} > linear, pretrained[model=efficientnet_lite2] > linear)",
        ),
        (
            "concat(resnet18:x > mean(gru, mlp), cnn) | lr=0.002",
            "concat(pretrained[model=resnet18]:x > mean(gru, mlp), cnn) | lr=0.002",
        ),
    ],
)
def test_an_alias_is_what_it_stands_for(written: str, meant: str) -> None:
    ours, theirs = (resolve(parse(text), (IMAGE,), TARGET) for text in (written, meant))
    assert ours.canonical == theirs.canonical
    assert str(ours.short_form) == str(theirs.short_form)
    assert resolve(parse(ours.canonical), (IMAGE,), TARGET).canonical == ours.canonical


def test_a_sound_has_one_of_its_own() -> None:
    assert "model=resemblyzer" in resolve(parse("resemblyzer"), (AUDIO,), TARGET).canonical


def test_no_alias_is_a_familys_name_or_says_what_is_no_option() -> None:
    for family in FAMILIES.values():
        assert not family.aliases.keys() & FAMILIES.keys()
        for name, meant in family.aliases.items():
            assert not [key for key, v in meant.items() if family.options[key].check(v)], name


def test_what_an_alias_says_is_not_said_twice() -> None:
    with pytest.raises(StrategyError, match=r"resnet18 says model already.*pretrained\[model=b\]"):
        resolve(parse("resnet18[model=b] > mlp"), (IMAGE,), TARGET)
    with pytest.raises(UnknownNameError, match="resnet19"):
        resolve(parse("resnet19 > mlp"), (IMAGE,), TARGET)
    with pytest.raises(StrategyError, match="reads image, and 'x' is of kind audio"):
        resolve(parse("resnet18 > mlp"), (AUDIO,), TARGET)

"""The canonical form of a strategy, and what does not resolve."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autosynth.composite import SETTINGS, cost, resolve
from autosynth.errors import StrategyError, UnknownNameError
from autosynth.spec import InputSpec, TargetSpec
from autosynth.strategy import parse

TARGET = TargetSpec(name="y", task="classification", classes=("a", "b", "c"))
SPECS = {
    "image": InputSpec(name="x", kind="image", shape=(1, 6, 8)),
    "series": InputSpec(name="x", kind="series", shape=(2, 10)),
    "table": InputSpec(name="x", kind="table", shape=(5,), cardinalities=(0, 0, 4, 0, 3)),
    "wide": InputSpec(name="x", kind="table", shape=(300,), cardinalities=(0,) * 300),
}


def canonical(text: str, kind: str = "series") -> str:
    return str(resolve(parse(text), (SPECS[kind],), TARGET).strategy)


def test_every_option_and_setting_is_written_out() -> None:
    found = resolve(parse("mlp[width=8] | lr=0.01"), (SPECS["series"],), TARGET).strategy
    assert str(found.root).startswith("mlp[depth=")
    assert dict(found.root.config) == {  # type: ignore[union-attr]
        "depth": 2, "embed": 8, "expand": 2, "norm": "layer", "patch": 1, "width": 8,
    }  # fmt: skip
    assert dict(found.settings) == {name: s.default for name, s in SETTINGS.items()} | {"lr": 0.01}


EQUAL = [
    ("mean(gru, cnn)", "mean(cnn, gru)"),
    ("weighted[0.3, 0.7](gru, cnn)", "weighted[0.7, 0.3](cnn, gru)"),
    ("weighted[1, 2](cnn, gru)", "weighted[1.0, 2.0](cnn, gru)"),
    ("concat(mlp, gru, cnn)", "concat(cnn, gru, mlp)"),
    ("sum(gru, cnn > mlp)", "sum(cnn > mlp, gru)"),
    ("sum(sum(gru, cnn), mlp)", "sum(mlp, cnn, gru)"),
    ("mean(gru[width=32], cnn)", "mean(cnn, gru)"),
    (f"cnn | lr={SETTINGS['lr'].default}", "cnn"),
    ("cnn share=none train=joint init=random", "cnn"),
    ("gru@a", "gru"),
    ("gru@b > gru@b > lstm", "gru@z > gru@z > lstm"),
    ("gru:x", "gru"),
    # Inside a chain the first gives the grid; the rest do not matter.
    ("sum(gru, mlp, cnn) > mlp", "sum(gru, cnn, mlp) > mlp"),
]


@pytest.mark.parametrize(("one", "other"), EQUAL)
def test_what_means_the_same_is_written_the_same(one: str, other: str) -> None:
    assert canonical(one) == canonical(other)


DIFFERENT = [
    ("gru > cnn", "cnn > gru"),
    ("weighted[0.3, 0.7](gru, cnn)", "weighted[0.7, 0.3](gru, cnn)"),
    ("sum(gru, cnn[stages=1]) > mlp", "sum(cnn[stages=1], gru) > mlp"),
    # Below features tokens are joined as well.
    ("concat(sum(gru, cnn[stages=1]), mlp)", "concat(sum(cnn[stages=1], gru), mlp)"),
    ("mean(mean(cnn, gru), mlp)", "mean(cnn, gru, mlp)"),
    ("mean(cnn, gru)", "mean(cnn, gru) share=stem"),
    ("gru > gru", "gru@a > gru@a"),
]


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_what_differs_is_written_differently(one: str, other: str) -> None:
    assert canonical(one) != canonical(other)


RESOLVED = [text for pair in EQUAL + DIFFERENT for text in pair]


@pytest.mark.parametrize("kind", SPECS)
@pytest.mark.parametrize("text", sorted(set(RESOLVED)))
def test_resolving_again_changes_nothing(text: str, kind: str) -> None:
    once = resolve(parse(text), (SPECS[kind],), TARGET)
    again = resolve(parse(str(once.strategy)), (SPECS[kind],), TARGET)
    assert again.strategy == once.strategy
    assert cost(again) == cost(once)


LEAVES = ("gru@a", "gru@b", "gru@c", "cnn", "cnn > gru@a", "gru@b > gru@b", "cnn > gru@c")


@given(st.lists(st.sampled_from(LEAVES), min_size=2, max_size=4, unique=True))
def test_tags_are_named_the_same_every_time(leaves: list[str]) -> None:
    text = f"sum({', '.join(leaves)})"
    once = resolve(parse(text), (SPECS["series"],), TARGET).strategy
    assert resolve(once, (SPECS["series"],), TARGET).strategy == once


def test_what_a_strategy_is_shows() -> None:
    resolved = resolve(parse("concat(cnn > gru, mean(gru, mlp))"), (SPECS["image"],), TARGET)
    assert resolved.topology == "hybrid"
    assert resolved.components == "cnn+gru+gru+mlp"
    assert resolved.fusion == "concat+mean"
    assert (resolved.sharing, resolved.training, resolved.init) == ("none", "joint", "random")
    assert resolve(parse("cnn"), (SPECS["image"],), TARGET).fusion == "-"


def test_the_brief_form_leaves_out_what_is_default() -> None:
    long = canonical("mean(gru[width=8], cnn[patch=1]) | dropout=0.1")
    brief = resolve(parse(long), (SPECS["series"],), TARGET).short_form
    assert str(brief) == "mean(cnn, gru[width=8]) | dropout=0.1"


@pytest.mark.parametrize("kind", SPECS)
@pytest.mark.parametrize("text", sorted(set(RESOLVED)))
def test_the_brief_form_means_the_same(text: str, kind: str) -> None:
    resolved = resolve(parse(text), (SPECS[kind],), TARGET)
    again = resolve(parse(str(resolved.short_form)), (SPECS[kind],), TARGET)
    assert again.strategy == resolved.strategy


UNKNOWN = [
    ("cnm", "unknown component 'cnm' in cnm; valid: cnn, .* Did you mean 'cnn'?"),
    ("summ(cnn, gru)", "unknown fusion 'summ' in .* Did you mean 'sum'?"),
    ("cnn[widht=4]", r"unknown option 'widht' of cnn in cnn\[widht=4\]; .* Did you mean 'width'?"),
    ("gru[kernel=3]", "unknown option 'kernel' of gru"),
    ("cnn | lrr=0.1", "unknown setting 'lrr' after the bar; .* Did you mean 'lr'?"),
    ("mean(cnn, gru) shar=stem", "unknown word 'shar' in .* Did you mean 'share'?"),
    ("mean(cnn, gru) share=layer", "unknown share= 'layer' in .* Did you mean 'layers'?"),
    ("cnn train=alone", "unknown train= 'alone'"),
    ("cnn:y", "unknown input 'y' in cnn:y; valid: x"),
]


@pytest.mark.parametrize(("text", "why"), UNKNOWN)
def test_an_unknown_name_is_answered_with_the_nearest(text: str, why: str) -> None:
    with pytest.raises(UnknownNameError, match=why):
        resolve(parse(text), (SPECS["series"],), TARGET)


WRONG = [
    ("series", "transformer[width=6, heads=4]", "width=6 must be a multiple of heads=4"),
    ("series", "attention[width=6, heads=4]", "width=6 must be a multiple of heads=4"),
    ("series", "cnn[kernel=4]", "kernel=4 must be odd"),
    ("series", "cnn[depth=2, stages=3]", "stages=3 needs as many blocks, but depth=2"),
    ("series", "gru[width=5]", "width=5 must be even"),
    ("series", "lstm[width=5]", "width=5 must be even"),
    ("series", "mlp[expand=0]", "expand=0 leaves an mlp without layers"),
    ("series", "gru[width=4.0]", r"gru\[width=4.0\]: width must be a whole number, not 4.0"),
    ("series", "gru[depth=true]", "depth must be a whole number, not True"),
    ("series", "gru[depth=0]", "depth must be from 1 to 64, not 0"),
    ("series", "gru[width=9999]", "width must be from 2 to 4096, not 9999"),
    ("series", "gru[norm=group]", "norm must be one of batch, layer, none, not 'group'"),
    ("series", "gru[width=1, depth=0]", "width must be from 2 .*; depth must be from 1"),
    ("table", "gru[patch=2]", "a table is not cut in patches; leave patch out"),
    ("series", "cnn > gru:x", "gru:x stands inside a chain .* first part of a chain alone"),
    ("series", "weighted[0.5](cnn, gru)", "one number a part: 2 parts, 1 arguments"),
    ("series", "weighted[0.5, 0.2, 0.3](cnn, gru)", "one number a part: 2 parts, 3 arguments"),
    ("series", "weighted[a, b](cnn, gru)", "one number a part"),
    ("series", "weighted[true, 1](cnn, gru)", "one number a part"),
    ("series", "weighted[x=1, y=2](cnn, gru)", "one number a part"),
    ("series", "sum[0.5, 0.5](cnn, gru)", "sum takes no arguments in brackets"),
    ("series", "cnn | lr=2.0", "lr must be from 1e-06 to 1.0, not 2.0"),
    ("series", "cnn | lr=high", "lr must be a number, not 'high'"),
    ("series", "cnn | average=swa", "average must be one of none, ema, not 'swa'"),
    ("series", "cnn | lr=2.0 dropout=1.5", "lr must be .*; dropout must be from 0.0 to 0.9"),
]


@pytest.mark.parametrize(("kind", "text", "why"), WRONG)
def test_what_does_not_fit_is_refused_with_the_reason(kind: str, text: str, why: str) -> None:
    with pytest.raises(StrategyError, match=why):
        resolve(parse(text), (SPECS[kind],), TARGET)


def test_parts_cut_an_image_finely_or_to_at_most_64_tokens() -> None:
    spec = (InputSpec(name="x", kind="image", shape=(3, 96, 96)),)
    patches: dict[str, Any] = {}
    for family in ("cnn", "gru", "transformer", "mlp"):
        patches[family] = dict(resolve(parse(family), spec, TARGET).strategy.root.config)["patch"]  # type: ignore[union-attr]
    assert patches == {"cnn": 8, "gru": 16, "transformer": 16, "mlp": 16}


def test_settings_have_defaults_within_their_own_bounds() -> None:
    assert {name: s.check(s.default) for name, s in SETTINGS.items()} == dict.fromkeys(SETTINGS)

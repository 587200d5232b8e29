"""Which arrays a strategy reads, where inputs have several readings or are not read at all."""

import pytest

from autosynth.composite import build, cost, resolve
from autosynth.composite.canonical import canonicalise
from autosynth.composite.layout import readers, sources, used
from autosynth.errors import StrategyError, UnknownNameError
from autosynth.spec import InputSpec, TargetSpec
from autosynth.strategy import parse

TARGET = TargetSpec(name="y", task="classification", classes=("a", "b"))
TABLE = InputSpec(name="table", kind="table", shape=(3,), cardinalities=(0, 0, 4))
LEFT = InputSpec(name="left", kind="image", shape=(1, 6, 8))
RIGHT = InputSpec(name="right", kind="series", shape=(2, 9))
OTHER = InputSpec(name="left.big", kind="image", of="left", shape=(1, 12, 16))


def named(*specs: InputSpec) -> dict[str, InputSpec]:
    return {spec.name: spec for spec in specs}


def test_a_reading_counts_as_what_it_is_of() -> None:
    assert sources(named(TABLE, LEFT, OTHER)) == {"table": TABLE, "left": LEFT}
    assert sources(named(OTHER, LEFT)) == {"left": LEFT}
    assert sources(named(OTHER, TABLE)) == {"left": OTHER, "table": TABLE}


def test_a_part_without_names_reads_every_input_and_no_reading() -> None:
    joined = resolve(parse("mlp"), (TABLE, LEFT, OTHER), TARGET)
    assert str(joined.short_form) == "mlp"
    assert ":table+left" in str(joined.strategy)
    assert joined.program.inputs == ("table", "left")
    alone = resolve(parse("mlp"), (LEFT, OTHER), TARGET)
    assert str(alone.strategy) == str(resolve(parse("mlp"), (LEFT,), TARGET).strategy)
    assert cost(alone) == cost(resolve(parse("mlp"), (LEFT,), TARGET))


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("mlp:right", ("right",)),
        ("mean(cnn:left, mlp:table)", ("table", "left")),
        ("mlp:right > gru", ("right",)),
        ("cascade(mlp:table, cnn:left > gru)", ("table", "left")),
        ("mlp:right init=masked", ("right",)),
        ("sum(mlp:right, cnn:right) share=stem", ("right",)),
    ],
)
def test_a_program_has_the_inputs_that_it_reads_in_their_order(
    text: str, read: tuple[str, ...]
) -> None:
    resolved = resolve(parse(text), (TABLE, LEFT, RIGHT), TARGET)
    assert resolved.program.inputs == resolved.training_plan.program.inputs == read
    assert tuple(spec.name for spec in resolved.reads) == read
    assert all(arg < len(read) + i for i, s in enumerate(resolved.program.steps) for arg in s.args)
    assert build(resolved, training=True).inputs == read
    few = resolve(resolved.strategy, resolved.reads, TARGET)
    assert few.program.steps == resolved.program.steps


def test_readers_are_the_first_parts_of_chains() -> None:
    root = canonicalise(parse("mean(cnn:left > gru, mlp:table)"), named(TABLE, LEFT, RIGHT)).root
    assert [part.family for part in readers(root)] == ["cnn", "mlp"]
    assert list(used(root, named(TABLE, LEFT, RIGHT))) == ["table", "left"]


def test_a_strategy_names_inputs_and_not_their_readings() -> None:
    with pytest.raises(StrategyError, match=r"names the input alone.*pretrained\[model=big\]:lef"):
        parse("mlp:left.big")
    with pytest.raises(StrategyError, match="'left', which is here as left.big alone"):
        resolve(parse("mlp"), (OTHER,), TARGET)
    with pytest.raises(UnknownNameError, match="valid: table, left"):
        resolve(parse("mlp:right"), (TABLE, LEFT, OTHER), TARGET)

"""Parts that are no networks, in a strategy: where they stand, how it is trained, what it is."""

import pytest

from autosynth.composite import cost, resolve
from autosynth.errors import StrategyError, UnknownNameError
from autosynth.spec import InputSpec, TargetSpec
from autosynth.strategy import parse

TABLE = InputSpec(name="record", kind="table", shape=(3,), cardinalities=(0, 0, 4))
TEXT = InputSpec(name="note", kind="text", shape=(8,), cardinalities=(50,))
KIND = TargetSpec(name="y", task="classification", classes=("a", "b", "c"))


def short(text: str, *inputs: InputSpec) -> str:
    return str(resolve(parse(text), inputs or (TABLE,), KIND).short_form)


@pytest.mark.parametrize(
    ("written", "short_form"),
    [
        ("linear", "linear"),
        ("linear train=joint", "linear"),
        ("boosting[rounds=100, leaves=7]", "boosting[leaves=7]"),
        ("mean(mlp, boosting)", "mean(boosting, mlp) train=subsets rows=all"),
        (
            "mean(mlp, boosting) train=subsets rows=all",
            "mean(boosting, mlp) train=subsets rows=all",
        ),
        ("stack[linear](trees, linear)", "stack[linear](linear, trees) train=subsets rows=all"),
        ("weighted[fit](mlp > gru, trees)", None),
        ("weighted[0.3, 0.7](mlp, trees)", None),
        ("cascade[0.2](linear, mlp)", "cascade[0.2](linear, mlp) train=subsets rows=all"),
    ],
)
def test_a_strategy_with_one_is_trained_part_by_part(written: str, short_form: str | None) -> None:
    found = short(written)
    assert short_form is None or found == short_form
    assert short(found) == found  # it parses back to the same
    if "(" in written:
        assert found.endswith(" train=subsets rows=all")


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("linear > mlp", "linear is no network and gives outputs, no tokens: it stands alone, "),
        ("mlp > linear", "linear is no network and gives outputs, no tokens"),
        ("mean(linear, mlp) > gru", "linear is no network and gives outputs, no tokens"),
        ("mean(mlp, sum(gru, trees))", "trees is no network and gives outputs, no tokens"),
        ("concat(mlp, trees)", "concat learns by gradient how to join .* Join them by mean"),
        ("attend(mlp, trees)", "attend learns by gradient"),
        ("weighted(mlp, trees)", "weighted learns by gradient"),
        ("mean(mlp, trees) train=staged", "train=staged says otherwise.*; write train=subsets"),
        ("mean(mlp, trees) train=subsets rows=disjoint", "rows=disjoint says .*write rows=all"),
        ("mean(mlp, trees) init=masked", "init=masked says otherwise.*; write init=random"),
        ("mean(mlp, trees) share=stem", "share=stem says otherwise.*; write share=none"),
        ("linear init=masked", "init=masked says otherwise"),
        ("mean(mlp, trees@a)", "has nothing to share; leave the @ out"),
        ("mean(trees, linear) | lr=0.01", "takes no steps, so that it has no lr"),
        ("trees | lr=0.01", "trees.* takes no steps, so that it has no lr; leave out what stands"),
        ("boosting[rounds=0]", "rounds must be from 1 to 5000, not 0"),
        ("rocket[groups=3]", "rocket.* reads inputs of kind series, audio, and all here are of"),
        ("linear:nothing", "nothing"),
    ],
)
def test_what_cannot_be_is_told_with_its_cure(written: str, message: str) -> None:
    with pytest.raises((StrategyError, UnknownNameError), match=message):
        short(written)


def test_of_several_inputs_it_reads_those_that_it_can() -> None:
    assert short("linear", TABLE, TEXT) == "linear"
    resolved = resolve(parse("mean(linear, tfidf, mlp)"), (TABLE, TEXT), KIND)
    assert str(resolved.strategy.root).startswith("mean(linear[penalty=l2]:record, mlp[")
    assert "tfidf[grams=2]:note" in str(resolved.strategy)
    with pytest.raises(StrategyError, match="'note' is of kind text; name others after a colon"):
        short("linear:note", TABLE, TEXT)


def test_each_part_is_a_phase_of_its_own() -> None:
    plan = resolve(parse("mean(mlp, boosting)"), (TABLE,), KIND).training_plan
    assert [(phase.is_fit, phase.fraction) for phase in plan.phases] == [(True, 0.0), (False, 1.0)]
    (only,) = resolve(parse("trees"), (TABLE,), KIND).training_plan.phases
    assert only.is_fit
    assert only.trains == {"trees0"}


def test_its_cost_is_arithmetic() -> None:
    """A weight a number and one for its being missing, one a category; for three classes each."""
    assert cost(resolve(parse("linear"), (TABLE,), KIND)).flops == 2 * (2 + 2 + 1) * 3
    assert cost(resolve(parse("linear"), (TABLE,), KIND)).params == (2 + 2 + 4 + 1) * 3
    boosting = cost(resolve(parse("boosting[rounds=10, leaves=4]"), (TABLE,), KIND))
    assert boosting.flops == 10 * 3 * 3  # rounds, classes, comparisons on the longest way
    assert cost(resolve(parse("trees[trees=7, depth=5]"), (TABLE,), KIND)).flops == 7 * 5

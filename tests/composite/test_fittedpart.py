"""Parts that are no networks, in a strategy: where they stand, how it is trained, what it is."""

import pytest

from autosynth.composite import cost, resolve
from autosynth.composite.fittedpart import has_equal_fits
from autosynth.errors import StrategyError, UnknownNameError
from autosynth.spec import InputSpec, TargetSpec
from autosynth.strategy import parse

TABLE = InputSpec(name="record", kind="table", shape=(3,), cardinalities=(0, 0, 4))
TEXT = InputSpec(name="note", kind="text", shape=(8,), cardinalities=(50,))
SERIES = InputSpec(name="past", kind="series", shape=(2, 40))
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
    ("written", "kind", "equal"),
    [
        ("mean(linear, mlp, linear[penalty=l2])", TABLE, True),
        ("cascade[0.3](linear, linear)", TABLE, True),
        ("mean(linear, linear[penalty=l1])", TABLE, False),
        ("mean(trees, trees)", TABLE, False),  # each draws its own
        ("mean(mlp, mlp) train=subsets", TABLE, False),
        ("mean(rocket > linear, rocket > linear)", SERIES, False),
        ("linear", TABLE, False),
    ],
)
def test_two_fits_come_to_the_same_where_nothing_is_drawn(
    written: str, kind: InputSpec, equal: bool
) -> None:
    resolved = resolve(parse(written), (kind,), KIND)
    assert has_equal_fits(resolved.strategy.root) == equal


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


@pytest.mark.parametrize(
    ("written", "short_form"),
    [
        ("rocket > linear", "rocket > linear"),
        (
            "rocket[groups=64, features=2000] > linear[penalty=l2]",
            "rocket[features=2000] > linear",
        ),
        ("rocket[groups=0] > boosting[rounds=9]", "rocket[groups=0] > boosting[rounds=9]"),
        ("rocket > trees", "rocket > trees"),
        (
            "mean(rocket > linear, cnn)",
            "mean(cnn, rocket > linear) train=subsets rows=all",
        ),
        (
            "cascade[0.2](rocket[features=2000] > linear, cnn)",
            "cascade[0.2](rocket[features=2000] > linear, cnn) train=subsets rows=all",
        ),
    ],
)
def test_features_of_one_go_into_another(written: str, short_form: str) -> None:
    assert short(written, SERIES) == short_form
    resolved = resolve(parse(written), [SERIES], KIND)
    assert resolve(parse(resolved.canonical), [SERIES], KIND).canonical == resolved.canonical
    assert all(phase.is_fit for phase in resolved.training_plan.phases) == ("cnn" not in written)


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("rocket > cnn", "gives features, no tokens: one part that is none either .*, trees. may"),
        ("cnn > rocket > linear", "rocket is no network and gives outputs, no tokens"),
        (
            "rocket > linear > mlp",
            "rocket is no network and gives features, no tokens.* not as in",
        ),
        ("rocket > mean(linear, trees)", "gives features, no tokens: one part that is none"),
        ("mean(rocket, rocket) > linear", "rocket is no network and gives outputs, no tokens"),
        ("rocket > rocket", "reads inputs of kind series, audio, and no features, as linear, "),
        ("rocket > tfidf", "reads inputs of kind text, and no features, as linear, boosting, "),
        ("rocket > linear:past", "name inputs on the first part of a chain alone"),
        ("linear > rocket", "linear is no network and gives outputs, no tokens"),
        ("concat(rocket > linear, cnn)", "concat learns by gradient how to join"),
        ("rocket > linear | lr=0.01", "takes no steps, so that it has no lr"),
        ("rocket > linear train=staged", "train=staged says otherwise.*; write train=joint"),
        ("rocket > linear init=masked", "init=masked says otherwise.*; write init=random"),
        ("rocket@a > linear", "has nothing to share; leave the @ out"),
        ("rocket[groups=3] > linear", "groups must be even, not 3"),
    ],
)
def test_features_go_nowhere_else(written: str, message: str) -> None:
    with pytest.raises(StrategyError, match=message):
        short(written, SERIES)


def test_features_are_for_some_tasks_and_inputs() -> None:
    labels = TargetSpec(name="y", task="multilabel", classes=("a", "b", "c"))
    assert resolve(parse("rocket > linear"), [SERIES], labels).components == "rocket+linear"
    with pytest.raises(StrategyError, match="rocket.* is fitted to classification, regression, "):
        resolve(parse("rocket"), [SERIES], labels)
    past = InputSpec(name="past", kind="series", shape=(2, 40), anchored=True)
    forecast = TargetSpec(name="y", task="forecasting", steps=3, base="past")
    with pytest.raises(
        StrategyError, match="rocket.* gives features for classification, .* is fo"
    ):
        resolve(parse("rocket > linear"), [past], forecast)
    with pytest.raises(StrategyError, match="rocket reads inputs of kind series, audio, and all"):
        short("rocket > linear", TABLE)
    assert short("rocket > linear", TABLE, SERIES) == "rocket > linear"
    resolved = resolve(parse("rocket > linear"), [TABLE, SERIES], KIND)
    assert "]:past > linear[" in resolved.canonical
    assert resolved.program.inputs == ("past",)


def test_the_cost_of_features_is_added_to_that_of_what_reads_them() -> None:
    """A linear map of them costs what the regression does that `rocket` alone ends with."""
    alone, into = (cost(resolve(parse(t), [SERIES], KIND)) for t in ("rocket", "rocket > linear"))
    assert alone == into
    few = "rocket[features=336, groups=0, pools=one]"
    features = cost(resolve(parse(few), [SERIES], KIND)).flops - 2 * 336 * 3
    boosted = cost(resolve(parse(f"{few} > boosting[rounds=10, leaves=4]"), [SERIES], KIND))
    assert boosted.flops == features + 10 * 3 * 3


def test_of_several_inputs_it_reads_those_that_it_can() -> None:
    assert short("linear", TABLE, TEXT) == "linear"
    resolved = resolve(parse("mean(linear, tfidf, mlp)"), (TABLE, TEXT), KIND)
    assert str(resolved.strategy.root).startswith("mean(linear[penalty=l2]:record, mlp[")
    assert "tfidf[chars=0, grams=2]:note" in str(resolved.strategy)
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

"""What the shipped spaces suggest, the way back, and how they are narrowed to data."""

import math
from dataclasses import replace
from itertools import chain
from typing import Any

import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.distributions import CategoricalDistribution
from optuna.trial import FixedTrial

from autosynth.composite import cost, resolve
from autosynth.composite.fittedpart import takes_steps
from autosynth.errors import ConfigError
from autosynth.spec import InputSpec, Kind, TargetSpec
from autosynth.strategy import parse, parts, topology
from autosynth.study.params import answers_for, complete_strategy, params_for
from autosynth.study.restrict import default_space, restrict
from autosynth.study.space import Space, StrategyShape, networks
from autosynth.study.spacefile import load_space
from autosynth.study.suggest import by_values, suggest

SHIPPED = (
    "audio", "everything", "forecast", "frames", "image", "multimodal", "pretrained",
    "recommend", "series", "small", "table", "text",
)  # fmt: skip


def an_input(kind: Kind, *shape: int, name: str = "x") -> InputSpec:
    return InputSpec(name=name, kind=kind, shape=shape)


INPUTS = {
    "digits": an_input("image", 1, 8, 8),
    "mnist": an_input("image", 1, 28, 28),
    "mnist1d": an_input("series", 1, 40),
    "CricketX": an_input("series", 1, 300),
    "fsdd": replace(an_input("audio", 8000), masked=True, rate=8000),
    "film": replace(an_input("frames", 1, 12, 32, 32), masked=True),
    "iris": replace(an_input("table", 4), cardinalities=(0, 0, 0, 3)),
    "visits": replace(an_input("ids", 50), cardinalities=(90,), masked=True),
}
TARGET = TargetSpec(name="y", task="classification", classes=("a", "b", "c"))


numbers = st.lists(
    st.floats(min_value=0, max_value=1, exclude_max=True), min_size=1, max_size=40
).map(lambda drawn: [*drawn, 0.0])


def space_for(space: str, data: str) -> Space:
    return restrict(load_space(space), [INPUTS[data]], "classification")


@pytest.fixture(name="spaces", scope="module")
def _spaces() -> dict[tuple[str, str], Space]:
    """Every shipped space, narrowed to data of its kinds."""
    return {
        (space, data): space_for(space, data)
        for space in SHIPPED
        for data, each in INPUTS.items()
        if each.kind in load_space(space).kinds
    }


def test_single_components_come_in_five_sizes_a_family_smallest_first(spaces):
    for (name, data), space in spaces.items():
        if name in ("multimodal", "forecast"):  # a few sizes for each kind of input, or below
            continue
        for family in networks(space.families):
            steps = [complete_strategy(each, space) for each in space.ladder[family]]
            assert len(set(steps)) >= 5, (name, data, family)
            assert {topology(each.root) for each in steps} == {"single"}
            sizes = [parts(each.root)[0] for each in steps]
            size = "stop" if family == "pretrained" else "width"
            assert sizes[0].get(size) < sizes[-1].get(size)


def test_a_forecast_has_sizes_that_read_the_targets_own_past_alone():
    inputs = [an_input("series", 1, 96, name="past"), an_input("series", 6, 96, name="beside")]
    space = restrict(load_space("forecast"), inputs, "forecasting")
    for family in networks(space.families):
        reads = [
            parts(complete_strategy(each, space).root)[0].inputs for each in space.ladder[family]
        ]
        assert len(reads) >= 5
        assert reads[0] == ("past",)
        assert reads[-1] == ()  # everything
    assert "smoothing" not in space.settings


def test_ladders_and_portfolios_are_what_the_space_would_suggest(spaces):
    for space in spaces.values():
        for strategy in [*chain(*space.ladder.values()), *space.composites]:
            params = params_for(strategy, space)
            suggested = suggest(FixedTrial(params), space)
            assert suggested == complete_strategy(strategy, space)
            assert topology(suggested.root) == topology(strategy.root)
            for written, full in zip(parts(strategy.root), parts(suggested.root), strict=True):
                assert written.family == full.family
                assert set(written.config) <= set(full.config)
            settings = list(space.settings) if takes_steps(strategy.root) else []
            assert [name for name, _ in suggested.settings] == settings


def test_answers_by_value_make_the_same_strategies(spaces):
    for space in spaces.values():
        for strategy in chain(*space.ladder.values()):
            params = params_for(strategy, space)
            named = by_values(params, space)
            assert named.keys() == params.keys()
            again = suggest(FixedTrial(named), space, by_value=True)
            assert again == suggest(FixedTrial(params), space)
            assert named.get("length", 0.33) == dict(again.settings).get("length", 0.33)


def test_enqueued_strategies_reach_the_study_as_they_are():
    space = space_for("image", "mnist")
    study = optuna.create_study(directions=["minimize", "minimize"])
    for strategy in space.composites:
        study.enqueue_trial(params_for(strategy, space))
    for strategy in space.composites:
        assert suggest(study.ask(), space) == complete_strategy(strategy, space)


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(SHIPPED), st.sampled_from(sorted(INPUTS)), numbers)
def test_a_suggestion_prints_reads_back_and_has_its_own_parameters(scripted, name, data, drawn):
    if INPUTS[data].kind not in load_space(name).kinds:
        name = default_space([INPUTS[data]])
    space = space_for(name, data)
    trial = scripted({}, drawn)
    strategy = suggest(trial, space)
    assert parse(str(strategy)) == strategy
    assert params_for(strategy, space) == trial.params
    assert complete_strategy(strategy, space) == strategy
    assert len(parts(strategy.root)) <= space.max_parts
    assert topology(strategy.root) == trial.params["topology"]
    resolved = resolve(strategy, [INPUTS[data]], TARGET)
    assert resolved.topology == trial.params["topology"]
    assert resolved.sharing == strategy.flag("share", "none")
    assert cost(resolved).flops > 0
    assert answers_for(resolved, space) is not None


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(["image", "series", "table"]), numbers)
def test_every_choice_changes_what_is_built_or_how_it_is_trained(scripted, kind, drawn):
    data = {"image": "mnist", "series": "mnist1d", "table": "iris"}[kind]
    space = space_for(kind, data)
    trial = scripted({}, drawn)
    strategy = suggest(trial, space)
    for name, distribution in trial.distributions.items():
        if isinstance(distribution, CategoricalDistribution):
            values = list(distribution.choices)
        else:
            values = list(range(distribution.low, distribution.high + 1))
        made = {strategy}
        for value in values:
            if value != trial.params[name]:
                other = scripted({**trial.params, name: value}, drawn)
                made.add(suggest(other, space))
        resolved = {str(resolve(each, [INPUTS[data]], TARGET).strategy) for each in made}
        assert len(resolved) == len(values), name


def test_choices_are_the_same_in_every_trial():
    space = space_for("image", "mnist")
    study = optuna.create_study(
        sampler=optuna.samplers.RandomSampler(seed=0), directions=["minimize", "minimize"]
    )
    seen: dict[str, Any] = {}
    kinds = set()
    for _ in range(150):
        trial = study.ask()
        strategy = suggest(trial, space)
        kinds.add((topology(strategy.root), strategy.flag("share", "none")))
        for name, distribution in trial.distributions.items():
            assert seen.setdefault(name, distribution) == distribution
    assert kinds == {
        ("single", "none"),
        *(("parallel", share) for share in ("none", "stem", "layers")),
        *(("sequential", share) for share in ("none", "layers", "full")),
        *(("hybrid", share) for share in ("none", "stem", "layers")),
    }


def test_sharing_layers_gives_every_part_one_width_and_channel_mlp(scripted):
    space = space_for("image", "mnist")
    script = {"topology": "parallel", "parallel.sharing": "layers", "layers.width": 2}
    for at in (0.0, 0.3, 0.6, 0.9):
        found = parts(suggest(scripted(script, [at, 0.5, 0.1]), space).root)
        assert {part.get("width") for part in found} == {48}
        assert len({part.get("expand") for part in found}) == 1


def test_full_sharing_repeats_one_part(scripted):
    space = space_for("series", "mnist1d")
    script = {"topology": "sequential", "sequential.sharing": "full", "n_parts": 3}
    strategy = suggest(scripted({**script, "full.family": "gru"}, [0.5]), space)
    first, *rest = parts(strategy.root)
    assert first.family == "gru"
    assert rest == [first, first]


def test_only_the_part_that_reads_the_input_has_a_patch(scripted):
    space = space_for("image", "mnist")
    script = {"topology": "hybrid", "hybrid.shape": "1+1>1", "hybrid.sharing": "none"}
    for at in (0.0, 0.3, 0.6, 0.9):
        found = parts(suggest(scripted(script, [at]), space).root)
        assert [part.get("patch") is not None for part in found] == [True, True, False]


def test_defaults_of_a_family_come_before_those_of_the_space():
    space = space_for("image", "mnist")
    assert complete_strategy(parse("cnn"), space).setting("lr", 0.0) == 0.004
    assert complete_strategy(parse("transformer"), space).setting("lr", 0.0) == 0.002
    assert complete_strategy(parse("mean(cnn, transformer)"), space).setting("lr", 0.0) == 0.002
    assert (
        complete_strategy(parse("mean(cnn, transformer) | lr=0.008"), space).setting("lr", 0.0)
        == 0.008
    )


def test_the_longer_branch_comes_first_when_branches_are_joined_last():
    space = space_for("image", "mnist")
    short_first = complete_strategy(parse("mean(gru, cnn > transformer)"), space)
    assert short_first == complete_strategy(parse("mean(cnn > transformer, gru)"), space)
    assert str(StrategyShape(branches=(1, 2))) == "2+1"
    assert str(StrategyShape(branches=(1, 2), tail=1)) == "1+2>1"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("cnn[width=10]", r"width=10 is not one of 8, 16, 24"),
        ("cnn[dilation=2]", r"dilation is not searched at branch1\.step1"),
        ("lstm", r"family lstm is not one of cnn, gru"),
        ("cnn > gru[patch=2]", r"patch is not searched at branch1\.step2"),
        ("mean(cnn, gru, mlp, cnn)", r"4 parts are more than max_parts=3"),
        ("mean(cnn, sum(gru, mlp))", r"tree is deeper than branches of parts"),
        ("cnn > mean(gru, mlp)", r"tree is deeper than branches of parts"),
        ("mean(cnn > gru, cnn > gru)", r"hybrid shape 2\+2 is not one of 2\+1, 1\+1>1"),
        ("weighted[0.5, 0.5](cnn, gru)", r"fusion=weighted\[0.5, 0.5\] is not one of"),
        ("mean(cnn@a, cnn@a)", r"tags are not suggested"),
        ("mean(cnn, gru) train=staged earlier=free", r"training=staged earlier=free is not one"),
        ("mean(cnn, gru) order=last", r"order=last is not suggested"),
        ("mean(cnn, gru) share=full", r"parallel\.sharing=full is not one of none, stem, layers"),
        ("mean(cnn, gru) share=layers", r"write width in one of its parts"),
        (
            "mean(cnn[width=16, expand=2], gru[width=32]) share=layers",
            r"would make gru\[width=32\] at branch2\.step1 the same as gru\[width=16",
        ),
        ("cnn > gru share=full", r"would make gru at branch1\.step2 the same as cnn"),
        ("stack[linear](cnn, gru)", r"fusion=stack\[linear\] is not one of sum, mean"),
        ("cnn | lr=0.003", r"lr=0\.003 is not one of 0\.0005, 0\.001"),
        ("cnn | momentum=0.9", r"momentum is not a setting that is searched"),
    ],
)
def test_a_strategy_outside_the_space_is_refused_with_what_it_is(text, told):
    with pytest.raises(ConfigError, match=told) as caught:
        params_for(parse(text), space_for("image", "mnist"))
    assert str(caught.value).startswith(f"{text} is not in the space 'image': ")


def test_all_that_is_outside_is_told_at_once():
    with pytest.raises(ConfigError, match=r"width=9 .*; kernel=4 .*; lr=7 is not one of"):
        params_for(parse("cnn[width=9, kernel=4] | lr=7"), space_for("image", "mnist"))


def test_narrow_leaves_patches_that_cut_an_input_into_four_or_more():
    wide, small = space_for("image", "mnist"), space_for("image", "digits")
    assert wide.options["gru"]["patch"] == (2, 4, 8)  # 28 pixels: 8, 8, 8 and 4
    assert small.options["gru"]["patch"] == (2,)
    assert small.options["cnn"]["patch"] == (1, 2)
    assert small.family_defaults["gru"]["patch"] == 2
    assert all(each.root.get("patch", 2) == 2 for each in small.ladder["gru"])
    assert wide.fingerprint != small.fingerprint


def test_narrow_leaves_no_patch_for_tables_and_no_smoothing_for_regressions():
    space = restrict(load_space("small"), [INPUTS["iris"]], "classification")
    assert not any("patch" in table for table in space.options.values())
    assert not any("patch" in str(each) for each in chain(*space.ladder.values()))
    regression = restrict(load_space("image"), [INPUTS["mnist"]], "regression")
    assert "smoothing" not in regression.settings
    assert "smoothing" not in str(complete_strategy(parse("cnn"), regression))


def test_many_rows_are_not_augmented_unless_a_strategy_says_so():
    """Few passes are made over so many rows; fewer rows need what augmentation adds."""
    image = load_space("image")

    def augmented(n_train: int, written: str = "cnn") -> object:
        space = restrict(image, [INPUTS["mnist"]], "classification", n_train)
        return complete_strategy(parse(written), space).setting("augment", "")

    assert [augmented(n) for n in (0, 1_000, 29_999, 30_000)] == ["light"] * 3 + ["none"]
    assert augmented(30_000, "cnn | augment=strong") == "strong"


def test_narrow_refuses_an_input_of_another_kind():
    with pytest.raises(ConfigError, match=r"'table' is for table; the input 'x' is of kind image"):
        restrict(load_space("table"), [INPUTS["mnist"]], "classification")


def test_the_default_space_is_that_of_the_kind_of_input_or_of_several():
    assert default_space([INPUTS["iris"]]) == "table"
    assert default_space([INPUTS["iris"], INPUTS["visits"]]) == "recommend"
    assert default_space([INPUTS["mnist"], INPUTS["digits"]]) == "image"
    assert default_space([INPUTS["fsdd"]]) == "audio"
    assert default_space([INPUTS["film"]]) == "frames"
    assert default_space([INPUTS["iris"], an_input("text", 9)]) == "multimodal"
    assert default_space([INPUTS["iris"], INPUTS["film"]]) == "multimodal"
    assert default_space([INPUTS["iris"], INPUTS["mnist"], INPUTS["mnist1d"]]) == "multimodal"


def test_a_space_is_not_changed_by_narrowing():
    space = load_space("image")
    before = space.fingerprint
    restrict(space, [INPUTS["digits"]], "regression")
    assert space.fingerprint == before
    assert replace(space, name="other", about="").fingerprint == before
    assert math.prod(map(len, space.options["cnn"].values())) > 100


def test_a_space_forbids_what_its_tables_say_together():
    space = replace(
        space_for("image", "mnist"),
        forbidden=({"components": "gru", "fusion": "gated"}, {"training": "staged"}),
    )
    columns = {"components": "cnn+gru", "fusion": "gated", "training": "joint"}
    assert space.forbids(columns)
    assert not space.forbids({**columns, "fusion": "gated2"})
    assert not space.forbids({**columns, "components": "cnn"})
    assert space.forbids({**columns, "components": "cnn", "training": "staged"})


def test_trainings_and_initialisations_are_suggested_where_they_mean_something():
    space = space_for("everything", "mnist1d")
    study = optuna.create_study(
        sampler=optuna.samplers.RandomSampler(seed=0), directions=["minimize", "minimize"]
    )
    found = [suggest(study.ask(), space) for _ in range(300)]
    single = [s for s in found if topology(s.root) == "single"]
    assert {s.flag("train", "joint") for s in single} == {"joint"}
    assert {s.flag("init", "random") for s in single} == {"random", "masked"}
    words = {(s.flag("train", "joint"), s.flag("init", "random")) for s in found}
    assert words == {
        *(("joint", init) for init in ("random", "parts", "masked")),
        *((train, init) for train in ("staged", "subsets") for init in ("random", "masked")),
    }
    assert {s.flag("rows", "disjoint") for s in found} == {"disjoint", "bootstrap", "all"}
    assert {s.flag("earlier", "frozen") for s in found} == {"frozen", "free"}


def test_a_regression_is_offered_no_cascade():
    space = load_space("table")
    assert any(name.startswith("cascade") for name in space.fusions)
    narrowed = restrict(space, [INPUTS["iris"]], "regression")
    assert not any(name.startswith("cascade") for name in narrowed.fusions)


def test_pictures_in_a_row_have_a_place_beside_other_inputs():
    inputs = [replace(INPUTS["film"], name="scan"), replace(INPUTS["iris"], name="person")]
    space = restrict(load_space("multimodal"), inputs, "classification")
    written = [str(each) for each in space.composites]
    assert "concat(cnn:scan > gru, mlp:person)" in written
    for strategy in space.composites:
        cost(resolve(complete_strategy(strategy, space), inputs, TARGET))

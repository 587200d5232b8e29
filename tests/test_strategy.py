"""The notation: what it reads, how it prints, and where it points when it cannot read."""

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autosynth.errors import StrategyError
from autosynth.number import shorten
from autosynth.strategy import (
    MAX_DEPTH,
    Chain,
    Fusion,
    Part,
    Strategy,
    from_dict,
    parse,
    parts,
    to_dict,
    topology,
    walk,
)

CNN, GRU = Part(family="cnn"), Part(family="gru")

EXAMPLES = {
    "cnn": "single",
    "cnn[width=32]@a:photo": "single",
    "cnn > gru": "sequential",
    "cnn[width=32, depth=3] > lstm[width=64] > mlp": "sequential",
    "mean(cnn, transformer)": "parallel",
    "concat(cnn:photo, mlp:record)": "parallel",
    "sum(gru@a:left, gru@a:right+both)": "parallel",
    "weighted[0.7, 0.3](cnn, gru)": "parallel",
    "stack[mlp](cnn, gru)": "parallel",
    "stack[mlp, depth=2, bias=false](cnn, gru)": "parallel",
    "mean(cnn, gru) share=layers train=subsets init=random": "parallel",
    "attend(cnn > gru, transformer)": "hybrid",
    "cascade(cnn[width=8], attend(cnn, gru))": "hybrid",
    "mean(cnn, sum(gru, lstm))": "hybrid",
    "mean(cnn, gru) > mlp": "hybrid",
    "cnn > mean(gru, cnn > mlp) share=stem | lr=0.003 epochs=1e-05 n=-4 on=true": "hybrid",
}


@pytest.mark.parametrize("text", EXAMPLES)
def test_an_example_reads_and_prints_as_itself(text: str) -> None:
    strategy = parse(text)
    assert str(strategy) == text
    assert from_dict(json.loads(json.dumps(to_dict(strategy)))) == strategy


@pytest.mark.parametrize(("text", "expected"), EXAMPLES.items())
def test_topology(text: str, expected: str) -> None:
    assert topology(parse(text).root) == expected


def test_the_tree_of_a_strategy() -> None:
    text = "w[0.5, k=x](cnn[d=2]@a:left+right > gru, mlp) share=full | lr=1e-3"
    chain = Chain(
        steps=(Part(family="cnn", config=(("d", 2),), tag="a", inputs=("left", "right")), GRU)
    )
    root = Fusion(method="w", args=((None, 0.5), ("k", "x")), parts=(chain, Part(family="mlp")))
    assert parse(text) == Strategy(
        root=root, flags=(("share", "full"),), settings=(("lr", 0.001),)
    )


def test_walk_goes_depth_first_and_parts_left_to_right() -> None:
    root = parse("mean(cnn > gru, mlp)").root
    assert "; ".join(map(str, walk(root))) == "mean(cnn > gru, mlp); cnn > gru; cnn; gru; mlp"
    assert [part.family for part in parts(root)] == ["cnn", "gru", "mlp"]


def test_any_white_space_reads_the_same() -> None:
    text = "\n mean [ 0.5 ] ( cnn\t[ width = 8 ] @ a : x + y>gru,\n mlp ) share = stem|lr=0.1\n"
    assert str(parse(text)) == "mean[0.5](cnn[width=8]@a:x+y > gru, mlp) share=stem | lr=0.1"


def test_look_ups_and_settings() -> None:
    strategy = parse("cnn[width=8] share=stem | lr=0.003 dropout=0.1")
    assert isinstance(strategy.root, Part)
    assert (strategy.root.get("width"), strategy.root.get("depth", 3)) == (8, 3)
    assert (strategy.flag("share", "none"), strategy.flag("train", "joint")) == ("stem", "joint")
    assert (strategy.setting("lr", 1.0), strategy.setting("seed", 7)) == (0.003, 7)
    assert strategy.settings_text() == "lr=0.003 dropout=0.1"
    assert str(strategy.without_settings()) == "cnn[width=8] share=stem"


def test_parts_have_settings_of_their_own_after_a_bar() -> None:
    text = "mean(cnn | lr=0.01 average=none, gru > mlp | length=2.0, tfidf) train=subsets | lr=0.5"
    strategy = parse(text)
    assert isinstance(strategy.root, Fusion)
    assert [str(part) for part in strategy.root.parts] == ["cnn", "gru > mlp", "tfidf"]
    own = ((("lr", 0.01), ("average", "none")), (("length", 2.0),), ())
    assert strategy.root.settings == own
    assert [settings for _, settings in strategy.root.branches] == list(own)
    assert strategy.settings == (("lr", 0.5),)
    assert str(strategy) == text
    plain = json.loads(json.dumps(to_dict(strategy)))
    assert from_dict(plain) == strategy
    assert "settings" not in to_dict(parse("mean(cnn, gru)"))["root"]


def test_types_of_values_survive() -> None:
    text = "cnn[a=1, b=1.0, c=true, d=yes, e=1e+20, f=-0.5, g=false]"
    root = parse(text).root
    assert isinstance(root, Part)
    assert [type(value) for _, value in root.config] == [int, float, bool, str, float, float, bool]
    assert str(root) == "cnn[a=1, b=1.0, c=true, d=yes, e=1e+20, f=-0.5, g=false]"


MALFORMED = [
    ("", 1, "a strategy is empty; write a component or a fusion"),
    ("   ", 4, "a strategy is empty"),
    ("(cnn)", 1, "parentheses need a fusion before them"),
    ("cnn > (gru > mlp)", 7, "a chain inside a chain is written without any"),
    ("cnn > > gru", 7, "expected a component or a fusion, such as cnn .*; found '>'"),
    ("cnn >", 6, "expected a component or a fusion, .*; found the end"),
    ("mean(cnn)", 9, "the fusion 'mean' joins 2 or more parts"),
    ("mean()", 6, "expected a component or a fusion, .*; found '\\)'"),
    ("mean(cnn,)", 10, "expected a component or a fusion, .*; found '\\)'"),
    ("mean(cnn gru)", 10, "expected '>', '|', ',' or '\\)'; found 'gru'$"),
    ("mean(cnn, gru", 14, "expected '>', '|', ',' or '\\)'; found the end"),
    ("mean(cnn, gru share=x)", 15, "found 'share'; words stand after the whole strategy"),
    ("mean(cnn | , gru)", 12, "expected a setting, such as lr=0.003; found ','"),
    ("mean(cnn | lr=1 > gru, mlp)", 17, "such as lr=0.003, or ',' or '\\)'; found '>'"),
    ("mean(cnn | lr=1 lr=2, mlp)", 17, "'lr' is given twice"),
    ("cnn | lr=1, gru", 11, "such as lr=0.003, or the end; found ','"),
    ("cnn)", 4, "expected '>', a word such as share=layers, .* or the end; found '\\)'"),
    ("cnn gru", 5, "expected '>', a word .*; found 'gru'"),
    ("cnn -> gru", 5, "expected '>', .*; found '-'"),
    ("cnn > gru ✗", 11, "expected '>', .*; found '✗'"),
    ("cnn\n> gru\n> 7", 13, "expected a component or a fusion, .*; found '7'"),
    ("cnn[]", 5, "expected a value: a number, true, false or a name; found ']'"),
    ("cnn[width]", 4, "'cnn' has a value without a key"),
    ("cnn[width=]", 11, "expected a value"),
    ("cnn[width=3x]", 11, "expected a value: .*; found '3x'"),
    ("cnn[width=1 depth=2]", 13, "expected ',' or '\\]'; found 'depth'"),
    ("cnn[width=1, width=2]", 14, "'width' is given twice; give it once"),
    ("w[a=1, 2](cnn, gru)", 8, "expected key=value, for values without a key come first"),
    ("cnn@1", 5, "expected a tag, such as a in gru@a; found '1'"),
    ("cnn@a[width=3]", 6, "expected the end of the component, .* found '\\['"),
    ("cnn:x@a", 6, "written name\\[key=value\\]@tag:input"),
    ("cnn:x+", 7, "expected the name of an input; found the end"),
    ("cnn:x+x", 7, "the input 'x' is named twice"),
    ("mean(cnn, gru):x", 15, "expected the end of the fusion; give .* to its parts"),
    ("cnn share=3", 11, "expected a name, such as layers in share=layers; found '3'"),
    ("cnn share=a share=b", 13, "'share' is given twice"),
    ("cnn |", 6, "expected a setting, such as lr=0.003; found the end"),
    ("cnn | lr 3", 10, "expected '=' and the value of 'lr'; found '3'"),
    ("cnn | lr=1, n=2", 11, "expected a setting, such as lr=0.003, or the end; found ','"),
    ("cnn | lr=1 lr=2", 12, "'lr' is given twice"),
    ("cnn | lr=1e999", 10, "a number is finite"),
    ("cnn | n=9223372036854775808", 9, "an integer is below 2\\*\\*63"),
    ("cnn | n=" + "9" * 5000, 9, "an integer is below 2\\*\\*63"),
    ("m(" * 33 + "cnn", 67, "fusions nest at most 32 deep"),
]


@pytest.mark.parametrize(("text", "column", "message"), MALFORMED, ids=lambda v: str(v)[:24])
def test_a_syntax_error_points_at_its_column(text: str, column: int, message: str) -> None:
    with pytest.raises(StrategyError, match=rf"^strategy, column {column}: ") as caught:
        parse(text)
    first, shown, mark = str(caught.value).split("\n")
    assert re.search(message, first)
    assert shown == "    " + shorten(text.replace("\n", " "), column - 1 + 100)
    assert mark == " " * (4 + column - 1) + "^"


MANY = 20_000
LONG = [
    ("cnn[" + ", ".join(f"k{i}={i}" for i in range(MANY)) + ", k7=1]", "'k7' is given twice"),
    ("cnn | " + " ".join(f"k{i}={i}" for i in range(MANY)) + " k7=1", "'k7' is given twice"),
    ("cnn " + " ".join(f"k{i}=a" for i in range(MANY)) + " k7=a", "'k7' is given twice"),
    ("cnn:" + "+".join(f"i{i}" for i in range(MANY)) + "+i7", "the input 'i7' is named twice"),
    (" > ".join(["cnn"] * MANY), "at most 256 parts"),
    ("mean(" + ", ".join(["cnn"] * MANY) + ")", "at most 256 parts"),
    ("m(" * MANY, "fusions nest at most 32 deep"),
    ("cnn" + "[" * MANY, "expected a value.*; found '\\['"),
    ("(" * MANY, "parentheses need a fusion"),
    ("cnn > " + "-" * MANY, "expected a component .*; found '-+…-+'"),
    ("w[" + "a" * MANY + "](cnn, gru", "expected '>', '|', ',' or '\\)'"),
]


@pytest.mark.parametrize(("text", "message"), LONG, ids=lambda v: str(v)[:12])
def test_an_error_of_a_long_strategy_is_short_and_marks_its_place(text: str, message: str) -> None:
    with pytest.raises(StrategyError, match=message) as caught:
        parse(text)
    assert len(str(caught.value)) < 700
    first, shown, mark = str(caught.value).split("\n")
    column = int(re.findall(r"column (\d+)", first)[0])
    under = len(mark) - 1
    assert mark.strip() == "^"
    assert shown[under : under + 5] == text[column - 1 : column + 4]


def test_the_deepest_strategy_allowed_reads() -> None:
    text = "m(cnn, " * MAX_DEPTH + "cnn" + ")" * MAX_DEPTH
    assert str(parse(text)) == text


def deep() -> Fusion:
    root = Fusion(method="m", parts=(CNN, GRU))
    for _ in range(MAX_DEPTH):
        root = Fusion(method="m", parts=(CNN, root))
    return root


UNPRINTABLE = [
    (lambda: Part(family="no-hyphens"), "a name in a strategy is letters, digits and _"),
    (lambda: Part(family="cnn", tag=""), "not ''"),
    (lambda: Part(family="cnn", inputs=("a b",)), "not 'a b'"),
    (lambda: Part(family="cnn", inputs=("a", "a")), "'a' is given twice as input of cnn"),
    (lambda: Part(family="cnn", config=(("w", 1), ("w", 2))), "'w' is given twice as a key"),
    (lambda: Part(family="cnn", config=(("w", float("nan")),)), "finite float.*got nan"),
    (lambda: Part(family="cnn", config=(("w", float("inf")),)), "finite float.*got inf"),
    (lambda: Part(family="cnn", config=(("w", 2**63),)), "int below 2\\*\\*63"),
    (lambda: Part(family="cnn", config=(("w", "true"),)), "bool or a name; got 'true'"),
    (lambda: Part(family="cnn", config=(("w", "two words"),)), "not 'two words'"),
    (lambda: Chain(steps=(CNN,)), "a chain has 2 or more steps, not 1"),
    (lambda: Chain(steps=(CNN, Chain(steps=(CNN, GRU)))), "a step of a chain is not itself"),
    (lambda: Fusion(method="m", parts=(CNN,)), "the fusion 'm' has 2 or more parts, not 1"),
    (
        lambda: Fusion(method="m", parts=(CNN, GRU), settings=((("lr", 1.0),),)),
        "settings for every part, some of which may be empty, or for none",
    ),
    (
        lambda: Fusion(method="m", parts=(CNN, GRU), settings=((), ())),
        "settings for every part, some of which may be empty, or for none",
    ),
    (
        lambda: Fusion(method="m", args=(("k", 1), (None, 2)), parts=(CNN, GRU)),
        "named arguments come after the others",
    ),
    (lambda: Strategy(root="cnn"), "is made of Part, Chain and Fusion, not 'cnn'"),
    (lambda: Strategy(root=CNN, flags=(("a", "x"), ("a", "y"))), "'a' is given twice as word"),
    (lambda: Strategy(root=CNN, settings=(("a", 1), ("a", 2))), "'a' is given twice as a key"),
    (lambda: Strategy(root=deep()), "nested more than 32 deep"),
]


def nested(levels: int) -> dict:
    node: dict = {"part": "cnn"}
    for _ in range(levels):
        node = {"fusion": "m", "parts": [{"part": "gru"}, node]}
    return {"root": node}


def endless(levels: int) -> Fusion:
    root = Fusion(method="m", parts=(CNN, GRU))
    for _ in range(levels):
        root = Fusion(method="m", parts=(CNN, root))
    return root


def test_what_is_nested_without_end_is_refused_however_it_is_given() -> None:
    with pytest.raises(StrategyError, match="nested more than 32 deep"):
        from_dict(nested(5_000))
    with pytest.raises(StrategyError, match="nested more than 32 deep"):
        Strategy(root=endless(5_000))
    with pytest.raises(StrategyError, match="at most 256 parts"):
        Strategy(root=Fusion(method="m", parts=(CNN,) * 257))
    assert from_dict(to_dict(Strategy(root=Fusion(method="m", parts=(CNN,) * 256))))


@pytest.mark.parametrize("value", [5, None, ["cnn"], b"cnn"])
def test_what_is_no_text_is_no_strategy(value: object) -> None:
    with pytest.raises(StrategyError, match="a strategy is a text, such as 'cnn > gru', not"):
        parse(value)  # type: ignore[arg-type]


@pytest.mark.parametrize(("make", "message"), UNPRINTABLE, ids=lambda v: str(v)[:24])
def test_what_could_not_be_printed_cannot_be_made(make, message: str) -> None:
    with pytest.raises(StrategyError, match=message):
        make()


BAD_DATA = [
    ([], "a strategy is an object of root, settings, words; got \\[\\]"),
    ({}, "a strategy has no 'root'"),
    ({"root": {"part": "cnn"}, "extra": 1}, "a strategy has no key 'extra'"),
    ({"root": "cnn"}, "a node has one of the keys part, chain, fusion; got 'cnn'"),
    ({"root": {"part": "cnn", "sizes": []}}, "a part has no key 'sizes'"),
    ({"root": {"part": "cnn", "config": {"w": 1}}}, "'config' is a list"),
    ({"root": {"part": "cnn", "config": [["w"]]}}, "'config' is a list of \\[key, value\\]"),
    ({"root": {"part": "cnn", "config": [["w", None]]}}, "a value in cnn.* got None"),
    ({"root": {"part": None}}, "a name in a strategy is .* not None"),
    ({"root": {"chain": [{"part": "cnn"}]}}, "a chain has 2 or more steps"),
]


@pytest.mark.parametrize(("data", "message"), BAD_DATA, ids=lambda v: str(v)[:24])
def test_data_that_is_no_strategy(data, message: str) -> None:
    with pytest.raises(StrategyError, match=message):
        from_dict(data)


names = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,7}", fullmatch=True)
values = st.one_of(
    st.integers(min_value=1 - 2**63, max_value=2**63 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.booleans(),
    names.filter(lambda name: name not in ("true", "false")),
)
configs = st.dictionaries(names, values, max_size=3).map(lambda found: tuple(found.items()))
arguments = st.tuples(st.lists(values, max_size=2), configs).map(
    lambda both: (*((None, value) for value in both[0]), *both[1])
)
components = st.builds(
    Part,
    family=names,
    config=configs,
    tag=st.none() | names,
    inputs=st.lists(names, max_size=2, unique=True).map(tuple),
)


def grow(children: st.SearchStrategy) -> st.SearchStrategy:
    several = st.lists(children, min_size=2, max_size=3)
    steps = several.map(
        lambda found: tuple(s for node in found for s in getattr(node, "steps", (node,)))
    )

    @st.composite
    def fusion(draw: st.DrawFn) -> Fusion:
        joined = tuple(draw(several))
        own = draw(st.just(()) | st.tuples(*(configs for _ in joined)))
        settings = own if any(own) else ()
        return Fusion(method=draw(names), args=draw(arguments), parts=joined, settings=settings)

    return st.builds(Chain, steps=steps) | fusion()


strategies = st.builds(
    Strategy,
    root=st.recursive(components, grow, max_leaves=8),
    flags=st.dictionaries(names, names, max_size=3).map(lambda found: tuple(found.items())),
    settings=configs,
)


def exactly(strategy: Strategy) -> str:
    """With the types of the values told apart: 1 == 1.0 == True in Python, but not here."""
    return repr(strategy)


@given(strategies)
def test_every_strategy_prints_and_reads_back(strategy: Strategy) -> None:
    again = parse(str(strategy))
    assert again == strategy
    assert exactly(again) == exactly(strategy)
    assert "\n" not in str(strategy)


@given(strategies)
def test_every_strategy_goes_through_json_and_back(strategy: Strategy) -> None:
    again = from_dict(json.loads(json.dumps(to_dict(strategy), allow_nan=False)))
    assert again == strategy
    assert exactly(again) == exactly(strategy)


@given(st.text(alphabet="cng01.e-[](),=>@:+| \t✗", max_size=30))
def test_any_text_reads_or_fails_as_a_strategy_error(text: str) -> None:
    try:
        strategy = parse(text)
    except StrategyError as error:
        assert str(error).startswith("strategy, column ")  # noqa: PT017 - both ends are right
    else:
        assert parse(str(strategy)) == strategy


@given(strategies)
def test_topology_follows_from_the_tree(strategy: Strategy) -> None:
    fusions = sum(isinstance(node, Fusion) for node in walk(strategy.root))
    chains = sum(isinstance(node, Chain) for node in walk(strategy.root))
    flat = {(0, 0): "single", (1, 0): "parallel", (0, 1): "sequential"}
    assert topology(strategy.root) == flat.get((fusions, chains), "hybrid")

"""What a strategy is: a frozen tree of parts, chains and fusions, how it prints and is saved.

Takes names and plain values, and refuses whatever the notation could not print and read back, so
that `parse(str(strategy)) == strategy` holds for every strategy that can be made.

As JSON, for records and bundles, a part is `{"part": "cnn", ...}`, a chain `{"chain": [...]}`, a
fusion `{"fusion": "mean", ...}`. Pairs are lists of `[key, value]`, not objects, so that their
order outlives any JSON writer.
"""

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

from autosynth.errors import StrategyError
from autosynth.number import brief_repr

Scalar: TypeAlias = int | float | bool | str
Topology: TypeAlias = Literal["single", "parallel", "sequential", "hybrid"]
Node: TypeAlias = "Part | Chain | Fusion"
Settings: TypeAlias = tuple[tuple[str, Scalar], ...]

BOOLS = {"true": True, "false": False}
# What a 64-bit integer holds: JSON readers and optuna take no more.
INT_LIMIT = 2**63
# Of fusions inside fusions: beyond any use, and well inside Python's own limit of recursion.
MAX_DEPTH = 32
# Of a whole strategy: beyond any use too. A cascade of a thousand meets Python's limit.
MOST_PARTS = 256
# Of nodes, where it is saved: a chain stands in every fusion, or none.
_MOST_LEVELS = 2 * MAX_DEPTH + 2
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

_KINDS = {
    "part": {"part", "config", "tag", "inputs"},
    "chain": {"chain"},
    "fusion": {"fusion", "args", "parts", "settings"},
}


@dataclass(frozen=True, kw_only=True)
class Part:
    """One component: `family[key=value, ...]@tag:input+input`.

    Parts with one tag are one set of parameters. A part without `inputs` reads all of them joined.
    """

    family: str
    config: tuple[tuple[str, Scalar], ...] = ()
    tag: str | None = None
    inputs: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _check_names([self.family, *self.inputs, *([] if self.tag is None else [self.tag])])
        _check_pairs(self.config, f"in {self.family}[...]")
        _check_unique(self.inputs, f"input of {self.family}")

    def __str__(self) -> str:
        tag = "" if self.tag is None else f"@{self.tag}"
        inputs = f":{'+'.join(self.inputs)}" if self.inputs else ""
        return f"{self.family}{_brackets(self.config)}{tag}{inputs}"

    def get(self, name: str, default: Scalar | None = None) -> Scalar | None:
        """The configured value of `name`, or `default`."""
        return dict(self.config).get(name, default)


@dataclass(frozen=True, kw_only=True)
class Chain:
    """Two or more steps, each fed by the one before: `cnn > gru`. No step is itself a chain."""

    steps: tuple[Node, ...]

    def __post_init__(self) -> None:
        _check_nodes(self.steps, "a chain", "steps")
        if any(isinstance(step, Chain) for step in self.steps):
            raise StrategyError(
                "a step of a chain is not itself a chain; put all the steps in one chain"
            )

    def __str__(self) -> str:
        return " > ".join(map(str, self.steps))


@dataclass(frozen=True, kw_only=True)
class Fusion:
    """Two or more parts joined: `method[args](part, part, ...)`.

    An argument is `(None, value)` where it stands alone and `(key, value)` where it is named; the
    named ones come last. `settings` are those that parts have of their own, which are trained
    alone: `mean(cnn | lr=0.004, gru)`. For each part in their order, or none where none has any.
    """

    method: str
    args: tuple[tuple[str | None, Scalar], ...] = ()
    parts: tuple[Node, ...]
    settings: tuple[Settings, ...] = ()

    def __post_init__(self) -> None:
        _check_names([self.method])
        _check_pairs(self.args, f"in {self.method}[...]")
        keyed = [key is not None for key, _ in self.args]
        if keyed != sorted(keyed):
            raise StrategyError(f"in {self.method}[...] named arguments come after the others")
        _check_nodes(self.parts, f"the fusion {self.method!r}", "parts")
        if self.settings and (len(self.settings) != len(self.parts) or not any(self.settings)):
            raise StrategyError(
                f"the fusion {self.method!r} has settings for every part, some of which may be "
                "empty, or for none"
            )
        for own in self.settings:
            _check_pairs(own, f"after the bar of a part of {self.method!r}")

    def __str__(self) -> str:
        joined = (f"{part}{_after_bar(own)}" for part, own in self.branches)
        return f"{self.method}{_brackets(self.args)}({', '.join(joined)})"

    @property
    def branches(self) -> tuple[tuple[Node, Settings], ...]:
        """The parts, each with the settings that it has of its own."""
        return tuple(zip(self.parts, self.settings or ((),) * len(self.parts), strict=True))


@dataclass(frozen=True, kw_only=True)
class Strategy:
    """What is searched, trained, ranked and exported: a tree, words on the whole, settings.

    `flags` are such as `share=layers`; `settings`, after the bar, such as `lr=0.003`.
    """

    root: Node
    flags: tuple[tuple[str, str], ...] = ()
    settings: Settings = ()

    def __post_init__(self) -> None:
        _check_nodes((self.root,), "a strategy", "root", at_least=1)
        _check_names(name for pair in self.flags for name in pair)
        _check_unique([key for key, _ in self.flags], "word of a strategy")
        _check_pairs(self.settings, "after the bar")
        if _depth(self.root) > MAX_DEPTH:
            raise StrategyError(
                f"fusions are nested more than {MAX_DEPTH} deep; join parts side by side instead"
            )
        if len(parts(self.root)) > MOST_PARTS:
            raise StrategyError(too_many_parts())

    def __str__(self) -> str:
        words = "".join(f" {key}={value}" for key, value in self.flags)
        return f"{self.root}{words}{_after_bar(self.settings)}"

    def flag(self, name: str, default: str) -> str:
        """The value of the word `name`, or `default`."""
        return dict(self.flags).get(name, default)

    def setting(self, name: str, default: Scalar) -> Scalar:
        """The value of the setting `name`, or `default`."""
        return dict(self.settings).get(name, default)

    def settings_text(self) -> str:
        """The settings as they print after the bar: `lr=0.003 dropout=0.1`; empty without any."""
        return _after_bar(self.settings).removeprefix(" | ")

    def without_settings(self) -> "Strategy":
        """The same composition and words, without the settings of its training."""
        return replace(self, settings=())


def walk(node: Node) -> Iterator[Node]:
    """`node` and every node below it, depth first, each before its own, left to right."""
    yield node
    for child in _children(node):
        yield from walk(child)


def parts(node: Node) -> tuple[Part, ...]:
    """The parts of the tree, left to right."""
    return tuple(each for each in walk(node) if isinstance(each, Part))


def map_parts(node: Node, change: Callable[[Part], Part]) -> Node:
    """The same tree with every part changed, left to right."""
    if isinstance(node, Part):
        return change(node)
    if isinstance(node, Chain):
        return Chain(steps=tuple(map_parts(step, change) for step in node.steps))
    return replace(node, parts=tuple(map_parts(part, change) for part in node.parts))


def topology(node: Node) -> Topology:
    """The shape of a tree: a part alone, parts side by side, parts in a row, or a mixture."""
    if isinstance(node, Part):
        return "single"
    if not all(isinstance(child, Part) for child in _children(node)):
        return "hybrid"
    return "sequential" if isinstance(node, Chain) else "parallel"


def _children(node: Node) -> tuple[Node, ...]:
    if isinstance(node, Chain):
        return node.steps
    return node.parts if isinstance(node, Fusion) else ()


def too_many_parts() -> str:
    """What is wrong of a strategy of more than `MOST_PARTS`, and what to do."""
    return f"a strategy has at most {MOST_PARTS} parts; make larger ones, or fewer"


def _depth(node: Node) -> int:
    """Of fusions in fusions; level by level, since what is nested too deep has no end here."""
    depth, level = 0, [node]
    while fusions := [step for each in level for step in _steps(each) if isinstance(step, Fusion)]:
        depth, level = depth + 1, [part for fusion in fusions for part in fusion.parts]
    return depth


def _steps(node: Node) -> tuple[Node, ...]:
    return node.steps if isinstance(node, Chain) else (node,)


def _brackets(pairs: Iterable[tuple[str | None, Scalar]]) -> str:
    inside = [_text(value) if key is None else f"{key}={_text(value)}" for key, value in pairs]
    return f"[{', '.join(inside)}]" if inside else ""


def _after_bar(settings: Settings) -> str:
    inside = " ".join(f"{key}={_text(value)}" for key, value in settings)
    return f" | {inside}" if inside else ""


def _text(value: Scalar) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    # repr is the shortest text that reads back as the same float, and always has a point or an e.
    return value if isinstance(value, str) else repr(value)


def _check_names(names: Iterable[str]) -> None:
    for name in names:
        if not (isinstance(name, str) and _NAME.fullmatch(name)):
            raise StrategyError(
                f"a name in a strategy is letters, digits and _, not starting with a digit, "
                f"not {brief_repr(name)}"
            )


def _check_unique(names: Iterable[str], what: str) -> None:
    seen = set()
    for name in names:
        if name in seen:
            raise StrategyError(f"{brief_repr(name)} is given twice as {what}; give it once")
        seen.add(name)


def _check_pairs(pairs: Iterable[tuple[str | None, Scalar]], place: str) -> None:
    pairs = tuple(pairs)
    keys = [key for key, _ in pairs if key is not None]
    _check_names(keys)
    _check_unique(keys, f"a key {place}")
    for _, value in pairs:
        _check_value(value, place)


def _check_value(value: Scalar, place: str) -> None:
    # The exact type: a NumPy float is a float that prints as np.float64(0.1).
    kind = type(value)
    if kind is str and value not in BOOLS:
        _check_names([str(value)])
    elif not (
        kind is bool
        or (kind is int and abs(value) < INT_LIMIT)  # type: ignore[arg-type]
        or (kind is float and math.isfinite(value))  # type: ignore[arg-type]
    ):
        raise StrategyError(
            f"a value {place} is an int below 2**63, finite float, a bool or a name; got "
            f"{brief_repr(value)}"
        )


def _check_nodes(nodes: tuple[Node, ...], owner: str, what: str, at_least: int = 2) -> None:
    for node in nodes:
        if not isinstance(node, Part | Chain | Fusion):
            raise StrategyError(
                f"{owner} is made of Part, Chain and Fusion, not {brief_repr(node)}"
            )
    if len(nodes) < at_least:
        raise StrategyError(f"{owner} has {at_least} or more {what}, not {len(nodes)}")


def to_dict(strategy: Strategy) -> dict[str, Any]:
    """`strategy` as dicts, lists, strings, numbers and booleans; `from_dict` reads it back."""
    return {
        "root": _node_to_dict(strategy.root),
        "words": _lists(strategy.flags),
        "settings": _lists(strategy.settings),
    }


def from_dict(data: Mapping[str, Any]) -> Strategy:
    """Read what `to_dict` gave, before or after a trip through JSON.

    Raises:
        StrategyError: if a key is missing or unknown, or a value is not what the tree takes.
    """
    _check_keys(data, {"root", "words", "settings"}, "a strategy")
    if "root" not in data:
        raise StrategyError("a strategy has no 'root'; give it a part, a chain or a fusion")
    return Strategy(
        root=_node_from_dict(data["root"]),
        flags=_pairs(data.get("words", ()), "words"),
        settings=_pairs(data.get("settings", ()), "settings"),
    )


def _node_to_dict(node: Node) -> dict[str, Any]:
    if isinstance(node, Chain):
        return {"chain": [_node_to_dict(step) for step in node.steps]}
    if isinstance(node, Fusion):
        joined = [_node_to_dict(part) for part in node.parts]
        plain = {"fusion": node.method, "args": _lists(node.args), "parts": joined}
        own = [_lists(each) for each in node.settings]
        return {**plain, "settings": own} if own else plain
    return {
        "part": node.family,
        "config": _lists(node.config),
        "tag": node.tag,
        "inputs": list(node.inputs),
    }


def _node_from_dict(data: Any, depth: int = 0) -> Node:
    kinds = [kind for kind in _KINDS if isinstance(data, Mapping) and kind in data]
    if not kinds:
        shown = brief_repr(data)
        raise StrategyError(f"a node has one of the keys {', '.join(_KINDS)}; got {shown}")
    if depth > _MOST_LEVELS:
        raise StrategyError(
            f"fusions are nested more than {MAX_DEPTH} deep; join parts side by side instead"
        )
    kind = kinds[0]
    _check_keys(data, _KINDS[kind], f"a {kind}")
    if kind == "chain":
        return Chain(steps=_nodes(data["chain"], "chain", depth))
    if kind == "fusion":
        return Fusion(
            method=data["fusion"],
            args=_pairs(data.get("args", ()), "args"),
            parts=_nodes(data.get("parts", ()), "parts", depth),
            settings=tuple(
                _pairs(each, "settings") for each in _list(data.get("settings", ()), "settings")
            ),
        )
    return Part(
        family=data["part"],
        config=_pairs(data.get("config", ()), "config"),
        tag=data.get("tag"),
        inputs=tuple(_list(data.get("inputs", ()), "inputs")),
    )


def _nodes(items: Any, place: str, depth: int) -> tuple[Node, ...]:
    return tuple(_node_from_dict(item, depth + 1) for item in _list(items, place))


def _lists(pairs: Iterable[tuple[str | None, Scalar]]) -> list[list[str | Scalar | None]]:
    return [[key, value] for key, value in pairs]


def _pairs(items: Any, place: str) -> tuple[Any, ...]:
    pairs = [_list(item, place) for item in _list(items, place)]
    for pair in pairs:
        if len(pair) != 2:
            raise StrategyError(
                f"{place!r} is a list of [key, value]; got {brief_repr(pair)} in it"
            )
    return tuple((key, value) for key, value in pairs)


def _list(items: Any, place: str) -> list[Any]:
    if not isinstance(items, list | tuple):
        raise StrategyError(f"{place!r} is a list; got {brief_repr(items)}")
    return list(items)


def _check_keys(data: Any, known: set[str], what: str) -> None:
    if not isinstance(data, Mapping):
        shown = brief_repr(data)
        raise StrategyError(f"{what} is an object of {', '.join(sorted(known))}; got {shown}")
    if extra := sorted(set(data) - known):
        raise StrategyError(f"{what} has no key {extra[0]!r}; it has {', '.join(sorted(known))}")

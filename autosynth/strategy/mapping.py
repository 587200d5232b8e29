"""A strategy as plain JSON-able data and back, for records and bundles.

A part is `{"part": "cnn", ...}`, a chain `{"chain": [...]}`, a fusion `{"fusion": "mean", ...}`.
Pairs are lists of `[key, value]`, not objects, so that their order outlives any JSON writer.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from autosynth.errors import StrategyError
from autosynth.strategy.tree import Chain, Fusion, Node, Part, Scalar, Strategy

_KINDS = {
    "part": {"part", "config", "tag", "inputs"},
    "chain": {"chain"},
    "fusion": {"fusion", "args", "parts"},
}


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
        return {"fusion": node.method, "args": _lists(node.args), "parts": joined}
    return {
        "part": node.family,
        "config": _lists(node.config),
        "tag": node.tag,
        "inputs": list(node.inputs),
    }


def _node_from_dict(data: Any) -> Node:
    kinds = [kind for kind in _KINDS if isinstance(data, Mapping) and kind in data]
    if not kinds:
        raise StrategyError(f"a node has one of the keys {', '.join(_KINDS)}; got {data!r}")
    kind = kinds[0]
    _check_keys(data, _KINDS[kind], f"a {kind}")
    if kind == "chain":
        return Chain(steps=_nodes(data["chain"], "chain"))
    if kind == "fusion":
        return Fusion(
            method=data["fusion"],
            args=_pairs(data.get("args", ()), "args"),
            parts=_nodes(data.get("parts", ()), "parts"),
        )
    return Part(
        family=data["part"],
        config=_pairs(data.get("config", ()), "config"),
        tag=data.get("tag"),
        inputs=tuple(_list(data.get("inputs", ()), "inputs")),
    )


def _nodes(items: Any, place: str) -> tuple[Node, ...]:
    return tuple(_node_from_dict(item) for item in _list(items, place))


def _lists(pairs: Iterable[tuple[str | None, Scalar]]) -> list[list[str | Scalar | None]]:
    return [[key, value] for key, value in pairs]


def _pairs(items: Any, place: str) -> tuple[Any, ...]:
    pairs = [_list(item, place) for item in _list(items, place)]
    for pair in pairs:
        if len(pair) != 2:
            raise StrategyError(f"{place!r} is a list of [key, value]; got {pair!r} in it")
    return tuple((key, value) for key, value in pairs)


def _list(items: Any, place: str) -> list[Any]:
    if not isinstance(items, list | tuple):
        raise StrategyError(f"{place!r} is a list; got {items!r}")
    return list(items)


def _check_keys(data: Any, known: set[str], what: str) -> None:
    if not isinstance(data, Mapping):
        raise StrategyError(f"{what} is an object of {', '.join(sorted(known))}; got {data!r}")
    if extra := sorted(set(data) - known):
        raise StrategyError(f"{what} has no key {extra[0]!r}; it has {', '.join(sorted(known))}")

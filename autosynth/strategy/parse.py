"""Reads the notation: a line of text in, a `Strategy` out, or an error that points at the column.

A recursive descent over few tokens:

    strategy = node {name "=" name} ["|" {name "=" value}]
    node     = item {">" item}
    item     = name ["[" pairs "]"] ("(" branch {"," branch} ")" | ["@" name] [":" inputs])
    branch   = node ["|" {name "=" value}]
    inputs   = name {"+" name}
    value    = int | float | "true" | "false" | name
"""

import math
import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import NoReturn

from autosynth.errors import StrategyError
from autosynth.number import brief_repr, shorten
from autosynth.strategy.tree import (
    BOOLS,
    INT_LIMIT,
    MAX_DEPTH,
    MOST_PARTS,
    Chain,
    Fusion,
    Node,
    Part,
    Scalar,
    Settings,
    Strategy,
    too_many_parts,
)

_TOKEN = re.compile(
    r"\s*(?:(?P<name>[A-Za-z_][A-Za-z0-9_]*)"
    r"|(?P<number>-?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)(?![A-Za-z0-9_.])"
    r"|(?P<mark>[\[\](),=>@:+|])"
    r"|(?P<end>$)"
    r"|(?P<bad>[^\s\[\](),=>@:+|]+|.))"
)
_NODE = "a component or a fusion, such as cnn or mean(cnn, gru)"
_VALUE = "a value: a number, true, false or a name"
# Columns that an error shows to either side of its mark: what a person writes is shown whole.
_SHOWN = 100
# Signs of a name or a number, in an error.
_MOST_SIGNS = 60


@dataclass(frozen=True, kw_only=True)
class _Token:
    kind: str  # name, number, mark, end or bad: what the notation has no use for
    text: str
    start: int


def parse(text: str) -> Strategy:
    """Read one strategy.

    Args:
        text: the notation, as `str(strategy)` prints it; any white space between its words.

    Returns:
        The strategy, with `parse(str(strategy)) == strategy`.

    Raises:
        StrategyError: with the text, a mark under the column (counted from 1), and what was
            expected there; or it is no text.
    """
    if not isinstance(text, str):
        raise StrategyError(f"a strategy is a text, such as 'cnn > gru', not {brief_repr(text)}")
    return _Parser(text).strategy()


class _Parser:
    def __init__(self, text: str) -> None:
        # White space becomes blanks one for one, so that the mark stands under its column.
        self.text = re.sub(r"\s", " ", text)
        self.tokens = _scan(self.text)
        self.at = 0
        self.depth = 0
        self.parts = 0

    def strategy(self) -> Strategy:
        if self.token.kind == "end":
            self.fail(f"a strategy is empty; write {_NODE}")
        root = self.node()
        words = self.words()
        settings: list[tuple[str, Scalar]] = []
        if self.take("|"):
            settings = self.settings(("",), "the end")
        elif self.token.kind != "end":
            more = "" if words else "'>', "
            self.expected(f"{more}a word such as share=layers, '|' and settings, or the end")
        return Strategy(root=root, flags=tuple(words), settings=tuple(settings))

    def words(self) -> list[tuple[str, str]]:
        flags: dict[str, str] = {}
        while self.token.kind == "name" and self.following == "=":
            key = self.key(flags)
            flags[key] = self.name("a name, such as layers in share=layers")
        return list(flags.items())

    def settings(self, ends: Collection[str], what: str) -> list[tuple[str, Scalar]]:
        """Reads settings up to one of some tokens, which is what stands there."""
        pairs: dict[str, Scalar] = {}
        while not pairs or self.token.text not in ends:
            if self.token.kind != "name":
                self.expected("a setting, such as lr=0.003" + (f", or {what}" if pairs else ""))
            key = self.key(pairs)
            pairs[key] = self.value()
        return list(pairs.items())

    def node(self) -> Node:
        steps = [self.item()]
        while self.take(">"):
            steps.append(self.item())
        return steps[0] if len(steps) == 1 else Chain(steps=tuple(steps))

    def item(self) -> Node:
        if self.token.text == "(":
            self.fail(
                "parentheses need a fusion before them, as in mean(cnn, gru); "
                "a chain inside a chain is written without any: cnn > gru > mlp"
            )
        name = self.name(_NODE)
        bracket = self.token
        args = self.brackets()
        if self.take("("):
            return self.fusion(name, args)
        self.parts += 1
        if self.parts > MOST_PARTS:
            self.fail(too_many_parts(), bracket)
        config = tuple((key, value) for key, value in args if key is not None)
        if len(config) < len(args):
            shown = brief_repr(name, _MOST_SIGNS)
            self.fail(
                f"{shown} has a value without a key: a component takes [key=value, ...], "
                "and a fusion takes its parts in parentheses after the brackets",
                bracket,
            )
        tag = self.name("a tag, such as a in gru@a") if self.take("@") else None
        inputs = self.inputs() if self.take(":") else ()
        if self.token.text in ("[", "@", "("):
            self.expected("the end of the component, written name[key=value]@tag:input")
        return Part(family=name, config=config, tag=tag, inputs=inputs)

    def fusion(self, method: str, args: list[tuple[str | None, Scalar]]) -> Fusion:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            self.fail(f"fusions nest at most {MAX_DEPTH} deep; join parts side by side instead")
        joined = [self.branch()]
        while self.take(","):
            joined.append(self.branch())
        if self.token.text != ")":
            why = "; words stand after the whole strategy" if self.following == "=" else ""
            self.expected("'>', '|', ',' or ')'", why)
        if len(joined) < 2:
            shown = brief_repr(method, _MOST_SIGNS)
            self.fail(f"the fusion {shown} joins 2 or more parts; add ', ' and another part")
        self.take(")")
        self.depth -= 1
        if self.token.text in ("[", "@", ":"):
            self.expected("the end of the fusion; give brackets, tag and input to its parts")
        parts, settings = zip(*joined, strict=True)
        return Fusion(
            method=method,
            args=tuple(args),
            parts=parts,
            settings=settings if any(settings) else (),
        )

    def branch(self) -> tuple[Node, Settings]:
        """Reads a part of a fusion, and the settings that it has of its own."""
        node = self.node()
        return node, tuple(self.settings((",", ")"), "',' or ')'") if self.take("|") else ())

    def inputs(self) -> tuple[str, ...]:
        names: dict[str, None] = {}
        while not names or self.take("+"):
            if self.token.text in names:
                shown = brief_repr(self.token.text, _MOST_SIGNS)
                self.fail(f"the input {shown} is named twice; name it once")
            name = self.name("the name of an input")
            names[name] = None
            if self.token.text.startswith("."):
                model = self.token.text[1:] or "minilm"
                self.fail(
                    f"a strategy names the input alone, and the component says how it is read: "
                    f"pretrained[model={model}]:{name}"
                )
        return tuple(names)

    def brackets(self) -> list[tuple[str | None, Scalar]]:
        """Reads `[0.7, key=value]`, or nothing at all."""
        pairs: list[tuple[str | None, Scalar]] = []
        known: set[str] = set()
        if not self.take("["):
            return pairs
        while not pairs or self.take(","):
            key = None
            if self.token.kind == "name" and self.following == "=":
                key = self.key(known)
                known.add(key)
            elif pairs and pairs[-1][0] is not None:
                self.expected("key=value, for values without a key come first")
            pairs.append((key, self.value()))
        if not self.take("]"):
            self.expected("',' or ']'")
        return pairs

    def key(self, known: Collection[str]) -> str:
        """Reads `name =`."""
        if self.token.text in known:
            self.fail(f"{brief_repr(self.token.text, _MOST_SIGNS)} is given twice; give it once")
        name = self.name("a name")
        if not self.take("="):
            self.expected(f"'=' and the value of {brief_repr(name, _MOST_SIGNS)}")
        return name

    def value(self) -> Scalar:
        token = self.token
        if token.kind == "name":
            self.at += 1
            return BOOLS.get(token.text, token.text)
        if token.kind != "number":
            self.expected(_VALUE)
        self.at += 1
        if re.fullmatch("-?[0-9]+", token.text):
            # Python refuses to read very long integers: look at the length before the value.
            digits = token.text.lstrip("-").lstrip("0")
            if len(digits) > len(str(INT_LIMIT)) or abs(int(token.text)) >= INT_LIMIT:
                self.fail("an integer is below 2**63; write a smaller one", token)
            return int(token.text)
        if not math.isfinite(number := float(token.text)):
            self.fail("a number is finite; write a smaller one", token)
        return number

    def name(self, wanted: str) -> str:
        if self.token.kind != "name":
            self.expected(wanted)
        self.at += 1
        return self.tokens[self.at - 1].text

    def take(self, mark: str) -> bool:
        if self.token.kind == "mark" and self.token.text == mark:
            self.at += 1
            return True
        return False

    @property
    def token(self) -> _Token:
        return self.tokens[self.at]

    @property
    def following(self) -> str:
        """The text of the token after this one."""
        return self.tokens[min(self.at + 1, len(self.tokens) - 1)].text

    def expected(self, wanted: str, why: str = "") -> NoReturn:
        is_end = self.token.kind == "end"
        actual = "the end" if is_end else brief_repr(self.token.text, _MOST_SIGNS)
        self.fail(f"expected {wanted}; found {actual}{why}")

    def fail(self, message: str, token: _Token | None = None) -> NoReturn:
        start = (token or self.token).start
        text, mark = self.text, start
        if start > _SHOWN + 1:
            text, mark = f"…{text[start - _SHOWN :]}", _SHOWN + 1
        text = shorten(text, mark + _SHOWN)
        raise StrategyError(
            f"strategy, column {start + 1}: {message}\n    {text}\n    {' ' * mark}^"
        )


def _scan(text: str) -> list[_Token]:
    tokens: list[_Token] = []
    position = 0
    while not tokens or tokens[-1].kind != "end":
        match = _TOKEN.match(text, position)
        assert match is not None  # the pattern ends with "whatever else"
        kind = str(match.lastgroup)
        tokens.append(_Token(kind=kind, text=match[kind], start=match.start(kind)))
        position = match.end()
    return tokens

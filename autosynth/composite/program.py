"""A composite as a straight-line program: each step applies one named piece to earlier values.

Everything follows from this form. Cost is a sum over steps and over names. Sharing is two steps
with one name. A stem that several parts read is one step: an equal step is not made twice.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import NamedTuple

from autosynth.components import FAMILIES, Family, Grid, Piece
from autosynth.components.block import channel_mlp, norm, residual
from autosynth.components.piece import Narrow, Regrid, coarser, n_tokens, projection
from autosynth.composite.fill import config_of
from autosynth.composite.fusion import FUSIONS, Concat, Joint, JoinTokens, Pool, head
from autosynth.composite.stem import STEMS, raw_grid
from autosynth.data.spec import InputSpec, TargetSpec
from autosynth.errors import StrategyError
from autosynth.strategy import Chain, Fusion, Node, Part, Strategy, parts


class Step(NamedTuple):
    """One application of the piece `name` to the values at `args`.

    `flops` is its cost in this place: a shared layer may work on several grids, and is told its
    `place`. `family` is whose work it is, empty for none.
    """

    name: str
    args: tuple[int, ...]
    flops: int
    family: str
    place: tuple[Grid, ...] = ()


class Value(NamedTuple):
    """Where a step's result stands, and for tokens their grid and width."""

    at: int
    grid: Grid = ()
    width: int = 0


@dataclass(frozen=True, kw_only=True)
class Program:
    """Values 0 ... len(inputs) - 1 are raw inputs; step i gives value len(inputs) + i."""

    inputs: tuple[str, ...]
    steps: tuple[Step, ...]
    pieces: Mapping[str, Piece]


def compile_program(
    strategy: Strategy, inputs: Mapping[str, InputSpec], target: TargetSpec, dropout: float
) -> Program:
    """The program of a canonical strategy. Raises StrategyError where parts cannot share."""
    compiler = _Compiler(strategy, inputs, target, dropout)
    compiler.output(strategy.root)
    return Program(inputs=tuple(inputs), steps=tuple(compiler.steps), pieces=compiler.pieces)


class _Compiler:
    def __init__(
        self,
        strategy: Strategy,
        inputs: Mapping[str, InputSpec],
        target: TargetSpec,
        dropout: float,
    ) -> None:
        self.root, self.share = strategy.root, strategy.word("share", "none")
        self.inputs, self.target, self.dropout = inputs, target, dropout
        self.places = {name: i for i, name in enumerate(inputs)}
        self.steps: list[Step] = []
        self.pieces: dict[str, Piece] = {}
        self.made: dict[tuple[str, tuple[int, ...]], int] = {}
        self.numbers = count()
        if self.share == "layers":
            self._check_layers()
        if self.share == "stem" and all(len(self._readers(self.root, n)) < 2 for n in inputs):
            raise StrategyError(
                f"share=stem needs two parts that read one input, and {self.root} has one reader; "
                "leave it out"
            )

    def emit(self, name: str, piece: Piece, *args: Value | int, family: str = "") -> int:
        """The value of a step; an equal one that stands already is used again."""
        at = tuple(arg if isinstance(arg, int) else arg.at for arg in args)
        key = (name, at)
        if key in self.made:
            return self.made[key]
        known = self.pieces.setdefault(name, piece)
        if known.params != piece.params:
            raise StrategyError(
                f"{self.root}: {name} cannot be shared: it has {known.params} parameters in one "
                f"place and {piece.params} in another, because the grids differ"
            )
        if known.tied != piece.tied:
            raise StrategyError(
                f"{self.root}: {name} cannot be shared: it is made for {known.tied} in one place "
                f"and for {piece.tied} in another"
            )
        self.steps.append(Step(name, at, piece.flops, family, piece.place))
        self.made[key] = len(self.inputs) + len(self.steps) - 1
        return self.made[key]

    # Outputs: what stands at the root.

    def output(self, node: Node) -> int:
        """The value of a node's outputs, (batch, n_outputs)."""
        n_outputs, number = self.target.n_outputs, next(self.numbers)
        if not isinstance(node, Fusion):
            return self.head([self.pooled(node)], number, None)
        method = FUSIONS[node.method]
        alpha = method.check(node.args, len(node.parts))
        if method.joins == "outputs":
            outs = [self.output(part) for part in node.parts]
            # Each has a head of its own, so their values differ; their text does not.
            tagged = [part for part in node.parts if all(leaf.tag for leaf in parts(part))]
            self.refuse_repeats(node, tagged)
            classes = self.target.task == "classification"
            piece = method.piece(alpha, 1, n_outputs, len(outs), classes)
            return self.emit(f"join{number}", piece, *outs)
        pooled = [self.pooled(part) for part in node.parts]
        self.refuse_repeats(node, [value.at for value in pooled])
        width = max(value.width for value in pooled)
        if method.equal:
            pooled = [
                self.widen(value, width, f"join{number}_in{i}") for i, value in enumerate(pooled)
            ]
            piece = method.piece(alpha, 1, width, len(pooled), probabilities=False)
            joined = Value(self.emit(f"join{number}", piece, *pooled), (), width)
            return self.head([joined], number, width)
        return self.head(pooled, number, width)

    def head(self, features: list[Value], number: int, hidden: int | None) -> int:
        width = sum(value.width for value in features)
        joined = features[0].at
        if len(features) > 1:
            joined = self.emit(f"join{number}", Piece(Concat), *features)
        piece = head(width, self.target.n_outputs, hidden, self.dropout)
        return self.emit(f"head{number}", piece, joined)

    def pooled(self, node: Node) -> Value:
        tokens = self.tokens(node, None)
        return Value(self.emit("pool", Piece(Pool), tokens), (), tokens.width)

    def widen(self, value: Value, width: int, name: str) -> Value:
        """Features or tokens at a given width."""
        if value.width == width:
            return value
        if value.grid:
            piece = projection(value.grid, value.width, width)
        else:
            piece = head(value.width, width, None, 0.0)
        return Value(self.emit(name, piece, value), value.grid, width)

    def refuse_repeats(self, node: Node, values: Sequence[object]) -> None:
        if len(set(values)) < len(values):
            raise StrategyError(
                f"{node}: two parts with the same parameters on the same input are one part; "
                "leave one out, or do not share them"
            )

    def narrow(self, value: Value, width: int) -> Value:
        """The first channels of a shared stem: a narrower reader adds no parameters."""
        if value.width == width:
            return value
        piece = Piece(lambda: Narrow(width))
        return Value(self.emit(f"narrow_{width}", piece, value), value.grid, width)

    # Tokens: what stands inside a chain.

    def tokens(self, node: Node, before: Value | None) -> Value:
        """The tokens of a node that reads `before`, or the inputs."""
        if isinstance(node, Part):
            return self.part(node, before)
        if isinstance(node, Chain):
            for step in node.steps:
                before = self.tokens(step, before)
            assert before is not None
            return before
        number, method = next(self.numbers), FUSIONS[node.method]
        alpha = method.check(node.args, len(node.parts))
        values = [self.tokens(part, before) for part in node.parts]
        self.refuse_repeats(node, [value.at for value in values])
        grid, width = values[0].grid, values[0].width
        values = [self.regrid(value, grid) for value in values]
        if method.equal:
            values = [
                self.widen(value, width, f"join{number}_in{i}") for i, value in enumerate(values)
            ]
        else:
            width = sum(value.width for value in values)
        piece = method.piece(alpha, n_tokens(grid), width, len(values), probabilities=False)
        make = piece.make
        piece = piece._replace(make=lambda: Joint(make()))
        return Value(self.emit(f"join{number}", piece, *values), grid, width)

    def part(self, part: Part, before: Value | None) -> Value:
        family, config = FAMILIES[part.family], config_of(part)
        name = part.tag or f"{part.family}{next(self.numbers)}"
        return self.body(family, config, name, self.entry(part, family, config, name, before))

    def body(self, family: Family, config: dict[str, int | str], name: str, value: Value) -> Value:
        """Opening, blocks, ending and the last norm of a part, after its entry."""
        width, kind, expand = int(config["width"]), str(config["norm"]), int(config["expand"])
        opening = family.opening(config, value.grid, value.width)
        if opening:
            piece, grid = opening
            index = self.emit(f"{name}_open", piece, value, family=family.name)
            value = Value(index, grid, width)
        for i in range(int(config["depth"])):
            block = f"{name}_b{i}"
            shared = f"layer{i}" if self.share == "layers" else block
            mixer = family.mixer(config, i, value.grid)
            if mixer:
                piece, grid = mixer
                delta = self.emit(f"{shared}_n1", norm(kind, width), value, family=family.name)
                delta = self.emit(f"{block}_mix", piece, delta, family=family.name)
                value = self.add(f"{block}_add1", value, delta, grid, family)
            if expand:
                delta = self.emit(f"{shared}_n2", norm(kind, width), value, family=family.name)
                piece = channel_mlp(value.grid, width, expand)
                delta = self.emit(f"{shared}_mlp", piece, delta, family=family.name)
                value = self.add(f"{block}_add2", value, delta, value.grid, family)
        ending = family.ending(config, value.grid)
        if ending:
            piece, grid = ending
            normed = self.emit(f"{name}_endn", norm(kind, width), value, family=family.name)
            value = Value(self.emit(f"{name}_end", piece, normed, family=family.name), grid, width)
        index = self.emit(f"{name}_out", norm(kind, width), value, family=family.name)
        return Value(index, value.grid, width)

    def add(self, name: str, value: Value, delta: int, grid: Grid, family: Family) -> Value:
        piece = residual(value.grid, grid, self.dropout)
        index = self.emit(f"{name}_{_text(value.grid)}", piece, value, delta, family=family.name)
        return Value(index, grid, value.width)

    # Entries: from raw inputs or the step before to the part's grid and width.

    def entry(
        self, part: Part, family: Family, config: dict[str, int | str], name: str,
        before: Value | None,
    ) -> Value:  # fmt: skip
        patch = int(config["patch"])
        if before is not None:
            value = self.regrid(before, coarser(before.grid, patch), patch)
            return self.widen(value, family.entry_width(config, before.width), f"{name}_adapt")
        width = family.entry_width(config, None)
        values = [
            self.stem(self.inputs[source], part, patch, width, name, family.name)
            for source in part.inputs or self.inputs
        ]
        if len(values) == 1:
            return values[0]
        grid = (sum(n_tokens(value.grid) for value in values),)
        return Value(self.emit(f"{name}_join", Piece(JoinTokens), *values), grid, width)

    def stem(
        self, spec: InputSpec, part: Part, patch: int, width: int, name: str, family: str
    ) -> Value:
        """An input's tokens: of the part's own stem, or pooled from the one it shares."""
        raw = self.places[spec.name]
        if self.share not in ("stem", "layers"):
            # One tag is one stem on every input of a kind.
            title = f"{name}_stem_{spec.kind}" if part.tag else f"{name}_stem_{spec.name}"
            piece, grid = STEMS[spec.kind](spec, patch, width)
            return Value(self.emit(title, piece, raw, family=family), grid, width)
        finest, widest = self._shared_stem(spec.name)
        piece, grid = STEMS[spec.kind](spec, finest, widest)
        value = Value(self.emit(f"stem_{spec.name}", piece, raw), grid, widest)
        if patch % finest:
            raise StrategyError(
                f"{self.root}: share={self.share} pools one stem of patch={finest}, of which "
                f"patch={patch} is no multiple"
            )
        to = coarser(raw_grid(spec), patch) if patch > 1 else grid
        value = self.regrid(value, to, patch // finest)
        return self.narrow(value, width)

    def regrid(self, value: Value, grid: Grid, factor: int = 0) -> Value:
        """Tokens on another grid, cut by `factor` where that is known."""
        if value.grid == grid:
            return value
        start = value.grid
        name = f"regrid_{_text(start)}_{_text(grid)}" + (f"_{factor}" if factor else "")
        piece = Piece(lambda: Regrid(start, grid, factor))
        return Value(self.emit(name, piece, value), grid, value.width)

    # What sharing needs to know of the whole.

    def _readers(self, node: Node, name: str) -> list[Part]:
        """The parts that read an input: all but those after the first step of a chain."""
        if isinstance(node, Part):
            return [node] if not node.inputs or name in node.inputs else []
        children = node.steps[:1] if isinstance(node, Chain) else node.parts
        return [part for child in children for part in self._readers(child, name)]

    def _shared_stem(self, name: str) -> tuple[int, int]:
        """The finest patch and the largest width that the readers of an input ask of it."""
        configs = [
            (FAMILIES[part.family], config_of(part)) for part in self._readers(self.root, name)
        ]
        patch = min(int(config["patch"]) for _, config in configs)
        return patch, max(family.entry_width(config, None) for family, config in configs)

    def _check_layers(self) -> None:
        for name in ("width", "expand", "norm"):
            values = {str(part): part.get(name) for part in parts(self.root)}
            if len(set(values.values())) > 1:
                raise StrategyError(
                    f"share=layers needs one {name} in all parts, not "
                    f"{', '.join(str(v) for v in values.values())}, in {self.root}"
                )


def _text(grid: Grid) -> str:
    return "x".join(str(size) for size in grid)

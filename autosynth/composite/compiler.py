"""Compiles a canonical strategy to a program: a walk over its tree that emits steps.

Names follow from the place in the tree alone, so that a part may be compiled again, on other
values (the rows that go on in a cascade, an input with hidden patches), and is the same part.
"""

from collections.abc import Mapping

from autosynth.components import FAMILIES, Grid, Piece
from autosynth.components.block import channel_mlp, norm, residual
from autosynth.composite.fittedpart import features_spec, fitted_end, is_fitted, model_of
from autosynth.composite.fusion import FUSIONS, FusionInputs, weights_of
from autosynth.composite.head import JoinTokens, Pool, head, heads
from autosynth.composite.join import Concat, Gate, Gather, Joint, Scatter
from autosynth.composite.layout import (
    Layouts,
    check_sharing,
    config_of,
    fold,
    folded,
    read_by,
    readers,
    refuse_repeats,
    refuse_unlike,
    sources,
    used,
)
from autosynth.composite.program import Program, Step
from autosynth.composite.scope import PlacedPart, Scope, TreePath, Value
from autosynth.errors import StrategyError
from autosynth.modality import MODALITIES
from autosynth.piece import Plane, Regrid, Slice, coarser, n_tokens, projection
from autosynth.spec import InputSpec, TargetSpec
from autosynth.strategy import Chain, Fusion, Node, Part, Strategy, parts


class Compiler:
    """Emits the steps of one strategy."""

    def __init__(
        self,
        strategy: Strategy,
        inputs: Mapping[str, InputSpec],
        target: TargetSpec,
        dropout: float,
    ) -> None:
        self.strategy, self.root = strategy, strategy.root
        self.share = strategy.flag("share", "none")
        self.arrays, self.sources = inputs, tuple(sources(inputs))
        self.inputs, self.target = used(self.root, inputs), target
        self.layouts = Layouts(strategy.root, self.share, inputs)
        places = {name: i for i, name in enumerate(self.inputs)}
        self.scope = Scope(places=places, dropout=dropout)
        self.pictures = set[int]()  # values that are pictures of an input
        self.steps: list[Step] = []
        self.pieces: dict[str, Piece] = {}
        self.made: dict[tuple[str, tuple[int, ...]], int] = {}
        self.numbers: dict[tuple[str, TreePath], int] = {}
        self.stands: dict[str, list[TreePath]] = {}  # of norms: the parts that each stands in
        self.shares: dict[int, float] = {}  # of the rows, that a value has: all, or what goes on
        check_sharing(self.root, self.share, inputs)

    def program(self, output: int) -> Program:
        """The steps so far."""
        return Program(
            inputs=tuple(self.inputs),
            steps=tuple(self.steps),
            pieces=dict(self.pieces),
            output=output,
        )

    def number(self, what: str, path: TreePath) -> int:
        """A number for a place in the tree: the next one at its first visit, then the same."""
        return self.numbers.setdefault((what, path), len(self.numbers))

    def emit(
        self,
        name: str,
        piece: Piece,
        *args: Value | int,
        family: str = "",
        share: float | None = None,
    ) -> int:
        """The value of a step; an equal one that stands already is used again.

        It has as many rows as the first value that it reads, if its `share` is not said.
        """
        at = tuple(arg if isinstance(arg, int) else arg.at for arg in args)
        key = (name, at)
        if key in self.made:
            return self.made[key]
        refuse_unlike(self.root, name, self.pieces.setdefault(name, piece), piece)
        share = self.shares.get(at[0], 1.0) if share is None else share
        self.steps.append(Step(name, at, piece.flops, family, piece.place, share))
        made = self.made[key] = len(self.inputs) + len(self.steps) - 1
        self.shares[made] = share
        return made

    # Outputs: what stands at the root.

    def output(self, node: Node, scope: Scope) -> int:
        """The value of a node's outputs, (batch, n_outputs)."""
        if end := fitted_end(node):
            return self.fitted(node, end, scope)
        number = self.number("output", scope.path)
        if not isinstance(node, Fusion):
            return self.head([self.pooled(node, scope)], f"head{number}", None, scope)
        method, name = FUSIONS[node.method], f"join{number}"
        # Each has a head of its own, so their values differ; their text does not.
        tagged = [part for part in node.parts if all(leaf.tag for leaf in parts(part))]
        if method.joins == "outputs":
            refuse_repeats(node, tagged)
        if method.name == "cascade":
            return self.cascade(node, scope, name, 0)
        inside = [(part, self.inside(scope, i)) for i, part in enumerate(node.parts)]
        if method.joins == "outputs":
            outs = [self.output(part, own) for part, own in inside]
            joined = FusionInputs(
                n=len(outs),
                rows=1,
                width=self.target.n_outputs,
                args=node.args,
                target=self.target,
            )
            return self.emit(name, method.piece(joined), *outs)
        pooled = [self.pooled(part, own) for part, own in inside]
        refuse_repeats(node, [value.at for value in pooled])
        width = max(value.width for value in pooled)
        if not method.equal:
            return self.head(pooled, f"head{number}", width, scope, name)
        pooled = [self.widen(value, width, f"{name}_in{i}") for i, value in enumerate(pooled)]
        piece = method.piece(FusionInputs(n=len(pooled), rows=1, width=width, args=node.args))
        joint = Value(self.emit(name, piece, *pooled), (), width)
        return self.head([joint], f"head{number}", width, scope)

    def inside(self, scope: Scope, number: int) -> Scope:
        """The scope of a part of the node that a scope is of."""
        return scope.of_part(number, self.strategy)

    def fitted(self, node: Node, part: Part, scope: Scope) -> int:
        """The outputs of a part that is no network; in a chain it reads features of the first."""
        (first,) = readers(node)
        if is_fitted(first):
            specs = [self.inputs[source] for source in first.inputs or self.sources]
            read = [self.shown(spec, scope) for spec in specs]
        else:
            features = self.mean(self.own_stem(self.placed(first, self.inside(scope, 0))))
            specs, read = [features_spec(features.width)], [features.at]
        name = f"{part.family}{self.number('part', scope.path)}"
        return self.emit(name, model_of(node, specs, self.target), *read, family=part.family)

    def cascade(self, node: Fusion, scope: Scope, name: str, index: int) -> int:
        """The outputs of a cascade from one of its parts on."""
        if not self.target.is_coded:
            raise StrategyError(
                f"{node}: a cascade needs one class a row, whose probability says how sure it is "
                f"of it; the task of {self.target.name!r} is {self.target.task}"
            )
        outputs = self.output(node.parts[index], self.inside(scope, index))
        if index + 1 == len(node.parts):
            return outputs
        share = weights_of(node.args)[index]
        gate = Piece(lambda: Gate(share), learns="held out")
        rows = self.emit(f"{name}_gate{index}", gate, outputs)
        left = share * self.shares[outputs]
        rest = [part for each in node.parts[index + 1 :] for part in readers(each)]
        shown, raw = dict[str, int](), dict[str, int]()
        for source, spec in self.inputs.items():
            read = [part for part in rest if source in read_by(part, self.arrays)]
            for is_own in sorted({bool(FAMILIES[part.family].reads) for part in read}):
                at = scope.raw_place(source) if is_own else self.shown(spec, scope)
                found = self.emit("gather", Piece(Gather), at, rows, share=left)
                (raw if is_own else shown)[source] = found
        self.pictures.update(shown.values())
        better = self.cascade(node, scope.reading(shown, raw), name, index + 1)
        return self.emit("scatter", Piece(Scatter), outputs, rows, better)

    def head(
        self,
        features: list[Value],
        name: str,
        hidden: int | None,
        scope: Scope,
        joint: str = "",
    ) -> int:
        """Outputs from features, put side by side first where there are several."""
        width = sum(value.width for value in features)
        one = len(features) == 1
        joined = features[0].at if one else self.emit(joint, Piece(Concat), *features)
        return self.emit(name, heads(width, self.target, hidden, scope.dropout), joined)

    def pooled(self, node: Node, scope: Scope) -> Value:
        """The mean of a node's tokens."""
        return self.mean(self.tokens(node, None, scope))

    def mean(self, tokens: Value) -> Value:
        """Features: the mean of tokens."""
        return Value(self.emit("pool", Piece(Pool), tokens), (), tokens.width)

    def reads(self, node: Node, name: str) -> bool:
        """Whether a part of the node reads an input."""
        return any(name in read_by(part, self.arrays) for part in readers(node))

    def widen(self, value: Value, width: int, name: str) -> Value:
        """Features or tokens at a given width."""
        if value.width == width:
            return value
        if value.grid:
            piece = projection(value.grid, value.width, width)
        else:
            piece = head(value.width, width, None, 0.0)
        return Value(self.emit(name, piece, value), value.grid, width)

    def slice(self, value: Value, width: int) -> Value:
        """The first channels of a shared stem: a narrower reader adds no parameters."""
        if value.width == width:
            return value
        piece = Piece(lambda: Slice(width))
        return Value(self.emit(f"narrow_{width}", piece, value), value.grid, width)

    # Tokens: what stands inside a chain.

    def tokens(self, node: Node, before: Value | None, scope: Scope) -> Value:
        """The tokens of a node that reads `before`, or the inputs."""
        if isinstance(node, Part):
            return self.part(node, before, scope)
        if isinstance(node, Chain):
            for i, step in enumerate(node.steps):
                before = self.tokens(step, before, self.inside(scope, i))
            assert before is not None
            return before
        number, method = self.number("tokens", scope.path), FUSIONS[node.method]
        inside = [(part, self.inside(scope, i)) for i, part in enumerate(node.parts)]
        values = [self.tokens(part, before, own) for part, own in inside]
        refuse_repeats(node, [value.at for value in values])
        grid, width = values[0].grid, values[0].width
        values = [self.regrid(value, grid) for value in values]
        if method.equal:
            values = [
                self.widen(value, width, f"join{number}_in{i}") for i, value in enumerate(values)
            ]
        else:
            width = sum(value.width for value in values)
        joined = FusionInputs(n=len(values), rows=n_tokens(grid), width=width, args=node.args)
        piece = method.piece(joined)
        make = piece.make
        piece = piece._replace(make=lambda: Joint(make()))
        return Value(self.emit(f"join{number}", piece, *values), grid, width)

    def part(self, part: Part, before: Value | None, scope: Scope) -> Value:
        """The tokens of one component."""
        place = self.placed(part, scope)
        return self.body(place, self.entry(place, before))

    def placed(self, part: Part, scope: Scope) -> PlacedPart:
        """A part with all that its pieces are made of."""
        name = part.tag or f"{part.family}{self.number('part', scope.path)}"
        return PlacedPart(part, FAMILIES[part.family], config_of(part), name, scope)

    def body(self, place: PlacedPart, value: Value) -> Value:
        """Opening, blocks, ending and the last norm of a part, after its entry."""
        _, family, config, name, _ = place
        kind, expand = str(config.get("norm", "none")), int(config.get("expand", 0))
        opening = family.opening(config, value.grid, value.width)
        if opening:
            at = self.emit(f"{name}_open", opening[0], value, family=family.name)
            value = Value(at, opening[1], int(config["width"]))
        width = value.width
        for i in range(int(config.get("depth", 0))):
            block = f"{name}_b{i}"
            shared = f"layer{i}" if self.share == "layers" else block
            mixer = family.mixer(config, i, value.grid)
            if mixer:
                piece, grid = mixer
                delta = self.norm(f"{shared}_n1", kind, value, place)
                delta = self.emit(f"{block}_mix", piece, delta, family=family.name)
                value = self.add(f"{block}_add1", value, delta, grid, place)
            if expand:
                delta = self.norm(f"{shared}_n2", kind, value, place)
                piece = channel_mlp(value.grid, width, expand)
                delta = self.emit(f"{shared}_mlp", piece, delta, family=family.name)
                value = self.add(f"{block}_add2", value, delta, value.grid, place)
        ending = family.ending(config, value.grid)
        if ending:
            piece, grid = ending
            normed = self.norm(f"{name}_endn", kind, value, place)
            value = Value(self.emit(f"{name}_end", piece, normed, family=family.name), grid, width)
        return Value(self.norm(f"{name}_out", kind, value, place), value.grid, width)

    def norm(self, name: str, kind: str, value: Value, place: PlacedPart) -> int:
        """A norm, if any; where parts share it, it knows in which of them it stands."""
        if kind == "none":
            return value.at
        stands, path = self.stands.setdefault(name, []), place.scope.path
        if path not in stands and (name, (value.at,)) not in self.made:
            stands.append(path)
        number = stands.index(path) if path in stands else 0
        piece = norm(kind, value.width, number, stands)
        return self.emit(name, piece, value, family=place.family.name)

    def add(self, name: str, value: Value, delta: int, grid: Grid, place: PlacedPart) -> Value:
        """The residual sum of a block."""
        piece, family = residual(value.grid, grid, place.scope.dropout), place.family.name
        index = self.emit(f"{name}_{_text(value.grid)}", piece, value, delta, family=family)
        return Value(index, grid, value.width)

    def entry(self, place: PlacedPart, before: Value | None) -> Value:
        """What the blocks of a part start from."""
        part, family, config, name, _ = place
        if family.reads:
            return self.own_stem(place)
        if before is not None:
            patch, width = int(config["patch"]), family.entry_width(config, before.width)
            before = self.folded(part, before, width, name)
            value = self.regrid(before, coarser(before.grid, patch), patch)
            return self.widen(value, family.entry_width(config, before.width), f"{name}_adapt")
        width = family.entry_width(config, None)
        sources = part.inputs or self.sources
        values = [self.stem(self.inputs[source], width, place) for source in sources]
        if len(values) == 1:
            return values[0]
        grid = (sum(n_tokens(value.grid) for value in values),)
        return Value(self.emit(f"{name}_join", Piece(JoinTokens), *values), grid, width)

    def folded(self, part: Part, value: Value, width: int, name: str) -> Value:
        """Tokens of a plane or a film as one a frame, of all that it holds, where a part asks."""
        grid = folded(part, value.grid)
        if grid == value.grid:
            return value
        piece = fold(grid, n_tokens(value.grid) // grid[0] * value.width, width)
        return Value(self.emit(f"{name}_fold", piece, value), grid, width)

    def own_stem(self, place: PlacedPart) -> Value:
        """An input's tokens by the stem that the family brings."""
        part, family, config, name, scope = place
        (source,) = part.inputs or self.sources
        (read,) = read_by(part, self.arrays)
        title = f"{name}_stem" if part.tag else f"{name}_stem_{source}"
        piece, grid, width = family.stem(config, self.inputs[read])
        at = scope.raw_place(read)
        return Value(self.emit(title, piece, at, family=family.name), grid, width)

    def stem(self, spec: InputSpec, width: int, place: PlacedPart) -> Value:
        """An input's tokens: of the part's own stem, or pooled from the one it shares."""
        part, family, config, name, scope = place
        raw, patch = self.shown(spec, scope), int(config["patch"])
        stem = MODALITIES[spec.kind].stem
        uncut = self.layouts.grid(part, spec, alone=len(part.inputs or self.sources) == 1)
        if self.share not in ("stem", "layers"):
            # One tag is one stem on every input of a kind.
            title = f"{name}_stem_{spec.kind}" if part.tag else f"{name}_stem_{spec.name}"
            piece, grid = stem(spec, uncut, patch, width)
            return Value(self.emit(title, piece, raw, family=family.name), grid, width)
        finest, widest = self.layouts.shared_stem(spec.name)
        piece, grid = stem(spec, uncut, finest, widest)
        value = Value(self.emit(f"stem_{spec.name}", piece, raw), grid, widest)
        if patch % finest:
            raise StrategyError(
                f"{self.root}: share={self.share} pools one stem of patch={finest}, of which "
                f"patch={patch} is no multiple"
            )
        _, to = stem(spec, uncut, patch, width)  # a table is not cut
        value = self.regrid(value, to, patch // finest)
        return self.slice(value, width)

    def shown(self, spec: InputSpec, scope: Scope) -> int:
        """The values that stems read of an input: its picture where it has one, or as they are."""
        at, picture = scope.places[spec.name], MODALITIES[spec.kind].picture(spec)
        if picture and at not in self.pictures:
            name, piece = picture
            at = self.emit(f"{name}_{spec.name}", piece, at)
            self.pictures.add(at)
        return at

    def regrid(self, value: Value, grid: Grid, factor: int = 0) -> Value:
        """Tokens on another grid, cut by `factor` where that is known."""
        if value.grid == grid:
            return value
        start = value.grid
        for one, other in ((start, grid), (grid, start)):
            if isinstance(one, Plane) and len(other) == 1 and one[:1] != other:
                return self.regrid(self.regrid(value, one[:1]), grid)  # bands apart from frames
        name = f"regrid_{_text(start)}_{_text(grid)}" + (f"_{factor}" if factor else "")
        piece = Piece(lambda: Regrid(start, grid, factor))
        return Value(self.emit(name, piece, value), grid, value.width)


def _text(grid: Grid) -> str:
    return "x".join(str(size) for size in grid)

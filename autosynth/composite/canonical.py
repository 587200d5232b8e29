"""From a strategy as written to its canonical form: names checked, defaults filled, sharing named.

Works on the notation's trees and on grids alone; `program` makes pieces of the result.
"""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from itertools import count

from autosynth.components import FAMILIES, Family, Grid
from autosynth.components.family import checked_options
from autosynth.composite.fittedpart import (
    filled_end,
    filled_part,
    has_fitted,
    shortened_part,
    words_around,
)
from autosynth.composite.fusion import FUSIONS
from autosynth.composite.layout import (
    Layouts,
    config_of,
    folded,
    sources,
    tokenised_name,
    used,
)
from autosynth.errors import StrategyError, lookup, unknown
from autosynth.modality import MODALITIES
from autosynth.piece import coarser, n_tokens
from autosynth.spec import InputSpec
from autosynth.strategy import (
    Chain,
    Fusion,
    Node,
    Part,
    Scalar,
    Settings,
    Strategy,
    map_parts,
    parts,
)

SHARING = {
    "none": "every part has its own parameters",
    "stem": "parts that read one input share its stem, cut once as finely as any needs",
    "layers": "stem, channel MLPs and norms at equal depth are shared across families",
    "full": "all parameters: one part repeated in a chain, or on several inputs",
}
TRAINING = {
    "joint": "all parts at once, by one loss",
    "subsets": "every part alone, on rows=disjoint, bootstrap or all; then what joins them",
    "staged": "the parts in order, those before frozen (or earlier=free), then all together",
}
INITS = {
    "random": "random parameters",
    "parts": "each part as it was trained alone, in the same run or just before",
    "masked": "first trained to restore hidden pieces of the inputs, without targets",
}
FLAGS = {
    "share": tuple(SHARING),
    "train": tuple(TRAINING),
    "init": tuple(INITS),
    "rows": ("disjoint", "bootstrap", "all"),
    "earlier": ("frozen", "free"),
}
# Words that say more of another word, and mean nothing without it.
_NEEDS = {"rows": ("train", "subsets"), "earlier": ("train", "staged")}
# What parts that share layers have where they do not say: a norm and a channel MLP to share. A
# shared batch norm knows each place's statistics; convolutions behind layer norm learn far later:
# on mnist1d sharing cost 22 to 24 points with it, 2 to 5 with batch norm (results/composition).
_IN_LAYERS: Mapping[str, Scalar] = {"norm": "batch", "expand": 2}
# Fusions of fusions that mean the same without the brackets between them.
_ASSOCIATIVE = ("sum", "concat")


def canonicalise(strategy: Strategy, inputs: Mapping[str, InputSpec]) -> Strategy:
    """The canonical strategy without its settings. Raises StrategyError, UnknownNameError."""
    words = _check_words(strategy)
    share = words["share"]
    if has_fitted(strategy.root):
        words = words_around(strategy, words)
    if (
        isinstance(strategy.root, Fusion)
        and strategy.root.settings
        and words["train"] != "subsets"
    ):
        raise StrategyError(
            "settings of its own has a part that is trained alone: write train=subsets, or the "
            f"settings after the whole strategy, in {strategy.without_settings()}"
        )
    for name in ("share", "train", "init"):
        several = words[name] not in (FLAGS[name][0], "masked")
        if several and len(parts(strategy.root)) < 2:
            raise StrategyError(
                f"{name}={words[name]} needs two parts or more, in {strategy.root}"
            )
    root, _ = _Canonicaliser(inputs, share, strategy.root).node(strategy.root, None, top=True)
    if share == "full":
        root = _tag_all(root)
    root = _rename_tags(_sort(root, at_root=True))
    if words["init"] == "masked" and all(spec.of for spec in used(root, inputs).values()):
        raise StrategyError(
            f"init=masked hides pieces of an input, and {strategy.root} reads it by pretrained "
            "networks alone, whose vocabulary has none for what is hidden; leave it out"
        )
    kept = {k: v for k, v in words.items() if v != FLAGS[k][0] and (k, v) != ("share", "full")}
    return Strategy(root=root, flags=tuple(kept.items()))


def short_form(strategy: Strategy, inputs: Mapping[str, InputSpec]) -> Strategy:
    """A canonical strategy without the options that are defaults at their place: shorter to read.

    `canonicalise` gives the canonical strategy back.
    """
    share = strategy.flag("share", "none")
    root, _ = _ShortForm(inputs, share, strategy.root).node(strategy.root, None, top=True)
    return replace(strategy, root=root)


def _check_words(strategy: Strategy) -> dict[str, str]:
    words = {name: valid[0] for name, valid in FLAGS.items()}
    for name, value in strategy.flags:
        if name not in FLAGS:
            raise unknown("word", name, FLAGS, f"in {strategy.without_settings()}")
        if value not in FLAGS[name]:
            raise unknown(f"{name}=", value, FLAGS[name], f"in {strategy.without_settings()}")
        words[name] = value
    for name, (other, value) in _NEEDS.items():
        if name in dict(strategy.flags) and words[other] != value:
            raise StrategyError(
                f"{name}={words[name]} goes with {other}={value} alone, in "
                f"{strategy.without_settings()}; leave it out"
            )
    if words["init"] == "parts" and words["train"] != "joint":
        raise StrategyError(
            f"init=parts trains parts alone first, as train={words['train']} does; give one of "
            f"them, in {strategy.without_settings()}"
        )
    return words


class _Canonicaliser:
    """Fills parts with defaults, walking the tree with the grid that each place stands on.

    `arrays` are all inputs, `inputs` those that a strategy can name: no tokenisations of others.
    """

    def __init__(self, arrays: Mapping[str, InputSpec], share: str, root: Node) -> None:
        self.arrays, self.inputs, self.share = arrays, sources(arrays), share
        self.layouts = Layouts(root, share, arrays)

    def node(self, node: Node, grid: Grid | None, *, top: bool = False) -> tuple[Node, Grid]:
        """The filled node and the grid it leaves; `grid` None where it reads the inputs."""
        if isinstance(node, Part):
            return self.part(node, grid)
        if isinstance(node, Chain):
            steps: list[Node] = []
            for step in node.steps:
                step, grid = self.node(step, grid)
                steps.append(step)
            assert grid is not None
            return Chain(steps=tuple(steps)), grid
        return self.fusion(node, grid, top)

    def fusion(self, node: Fusion, grid: Grid | None, top: bool) -> tuple[Node, Grid]:
        """The filled fusion, and the grid of its first part."""
        method = lookup(FUSIONS, node.method, "fusion", f"in {node}")
        args = method.arguments(node.method, node.args, len(node.parts))
        if method.is_post_hoc(args) and not top:
            raise StrategyError(
                f"{node.method} is fitted when its parts are trained, and stands at the root of a "
                f"strategy alone, not inside another part, as in {node}"
            )
        if node.settings and not top:
            raise StrategyError(
                "settings of its own has a part that is trained alone, at the root of a "
                f"strategy, and no part of {node}; write them after the whole strategy"
            )
        found = [(*self.node(part, grid), own) for part, own in node.branches]
        children: list[tuple[Node, Settings]] = []
        for child, _, own in found:
            same = isinstance(child, Fusion) and child.method == node.method and not child.args
            flat = same and node.method in _ASSOCIATIVE
            inside = child.parts if flat and isinstance(child, Fusion) else (child,)
            children.extend((each, own) for each in inside)
        parts, settings = zip(*children, strict=True)
        settings = settings if node.settings else ()
        return replace(node, args=args, parts=parts, settings=settings), found[0][1]

    def part(self, part: Part, grid: Grid | None) -> tuple[Part, Grid]:
        family = lookup(FAMILIES, part.family, "component", f"in {part}")
        if family.is_fitted:
            return (filled_part(part, self.inputs) if grid is None else filled_end(part)), ()
        if family.reads:
            self.check_place(part, family, grid)
        given = checked_options(part, family)
        own = self.own_input(part, family) if family.reads else None
        first = own.grid if own else self.source(part, grid)
        if grid is None and self.reads_uncut(part):
            given["patch"] = 1
        options = self.options(family, given, first, own)
        named = part.inputs if grid is not None else part.inputs or tuple(self.inputs)
        if grid is None and len(self.inputs) == 1:
            named = ()
        whole = replace(part, config=tuple(sorted(options.items())), inputs=named)
        config = config_of(whole)
        if problem := family.problem(config):
            raise StrategyError(f"{part}: {problem}")
        first = family.stem_grid(config, own) if own else first
        return whole, family.leaves(config, coarser(first, int(config.get("patch", 1))))

    def check_place(self, part: Part, family: Family, grid: Grid | None) -> None:
        """Raise where a part whose family has a stem of its own cannot use it."""
        kinds = " or ".join(family.reads)
        if grid is not None:
            raise StrategyError(
                f"{part} reads a raw {kinds} by a network of its own, and cannot read another "
                "part; let it stand first in its chain"
            )
        if self.share == "layers":
            raise StrategyError(
                f"{part} has no layers that other parts have too; leave share=layers out"
            )
        names = part.inputs or tuple(self.inputs)
        found = [lookup(self.inputs, name, "input", f"in {part}").kind for name in names]
        if len(found) > 1 or found[0] not in family.reads:
            raise StrategyError(
                f"{part} reads one {kinds}, not {' and '.join(found)}; name an input of that kind "
                f"after a colon, or let another component read it"
            )

    def own_input(self, part: Part, family: Family) -> InputSpec:
        """What a part with a stem of its own reads: an input, or a tokenisation of it."""
        (source,) = [self.inputs[name] for name in part.inputs or self.inputs]
        for name in dict(part.config):
            kinds = family.options[name].kinds
            if kinds and source.kind not in kinds:
                raise StrategyError(
                    f"{part}: {name} is for an input of kind {' or '.join(kinds)}, and "
                    f"{source.of or source.name!r} is of kind {source.kind}; leave {name} out"
                )
        name = tokenised_name(family, config_of(part), source)
        if name not in self.arrays:
            tokenisation = name.partition(".")[2]
            raise StrategyError(
                f"{part}: {source.of or source.name!r} was not read as {name}: "
                f"{family.missing(tokenisation)}"
            )
        return self.arrays[name]

    def source(self, part: Part, grid: Grid | None) -> Grid:
        """The grid a part starts from: what stands before it in a chain, or its raw input."""
        if grid is not None:
            if part.inputs:
                raise StrategyError(
                    f"{part} stands inside a chain and reads the part before it; name inputs on "
                    "the first part of a chain alone"
                )
            return folded(part, grid)
        for name in part.inputs:
            lookup(self.inputs, name, "input", f"in {part}")
        specs = [self.inputs[name] for name in part.inputs or self.inputs]
        if others := [spec for spec in specs if spec.of]:
            raise StrategyError(
                f"{part} reads {others[0].of!r}, which is here as {others[0].name} alone: as "
                "one pretrained network reads it, and no other component"
            )
        if len(specs) > 1:
            grids = [self.layouts.grid(part, spec, alone=False) for spec in specs]
            return (sum(map(n_tokens, grids)),)
        if self.reads_uncut(part) and part.get("patch", 1) != 1:
            kind = specs[0].kind
            raise StrategyError(f"{part}: a {kind} is not cut in patches; leave patch out")
        return self.layouts.grid(part, specs[0])

    def reads_uncut(self, part: Part) -> bool:
        """Whether a part that reads the inputs reads one alone that is not cut in patches."""
        kinds = [self.inputs[name].kind for name in part.inputs or self.inputs]
        return len(kinds) == 1 and not MODALITIES[kinds[0]].most_a_side

    def options(
        self, family: Family, given: dict[str, Scalar], grid: Grid, own: InputSpec | None
    ) -> dict[str, Scalar]:
        """Every option of a family: given, or its default at this place, where it reads `own`."""
        found: dict[str, Scalar] = {}
        plain = {
            name: value for name, value in given.items() if isinstance(value, int | float | str)
        }
        follow = family.defaults(plain, own) if own else {}
        for name, option in family.options.items():
            if own and option.kinds and own.kind not in option.kinds:
                continue
            value = given.get(name, follow.get(name, option.default))
            if self.share == "layers" and name not in given:
                value = _IN_LAYERS.get(name, value)
            if value is None and name == "kernel":
                value = family.default_kernel(grid)
            if value is None and name == "patch":
                value = family.default_patch(grid)
            assert value is not None, f"{family.name}.{name} has no default"
            found[name] = value
        return found


class _ShortForm(_Canonicaliser):
    """Walks like a filler, and leaves out what it would fill in."""

    def part(self, part: Part, grid: Grid | None) -> tuple[Part, Grid]:
        whole, leaves = super().part(part, grid)
        family, config = FAMILIES[part.family], dict(whole.config)
        if family.is_fitted:
            return shortened_part(whole, self.inputs), leaves
        own = self.own_input(part, family) if family.reads else None
        first = own.grid if own else self.source(part, grid)

        def default(name: str) -> Scalar:
            """What would stand there, given the others."""
            rest = {other: value for other, value in config.items() if other != name}
            return self.options(family, rest, first, own)[name]

        kept = tuple((name, value) for name, value in whole.config if value != default(name))
        everything = set(whole.inputs) == set(self.inputs) and not family.reads
        named = () if everything else whole.inputs
        return replace(whole, config=kept, inputs=named), leaves


def _tag_all(root: Node) -> Node:
    """`share=full` as tags: equal parts are one; a part without an equal is refused."""
    if any(part.tag for part in parts(root)):
        raise StrategyError(f"share=full and tags cannot both stand in {root}; use one of them")
    groups = Counter(_parameters(part) for part in parts(root))
    for part in parts(root):
        if groups[_parameters(part)] < 2:
            raise StrategyError(
                f"share=full: {part} has no equal to share all its parameters with; full sharing "
                "is for one component repeated in a chain, or on several inputs"
            )
    names = {key: f"t{i}" for i, key in enumerate(groups)}
    return map_parts(root, lambda part: replace(part, tag=names[_parameters(part)]))


def _parameters(part: Part) -> tuple[str, tuple[tuple[str, Scalar], ...]]:
    """What two parts must have in common to be one set of parameters: all but where they cut."""
    return part.family, tuple((name, v) for name, v in part.config if name != "patch")


def _rename_tags(root: Node) -> Node:
    """Tags as a, b, c in the order they are met; a tag that only one part has is dropped."""
    uses = Counter(part.tag for part in parts(root) if part.tag)
    configs: dict[str, tuple[object, ...]] = {}
    for part in parts(root):
        if part.tag and configs.setdefault(part.tag, _parameters(part)) != _parameters(part):
            raise StrategyError(
                f"parts tagged @{part.tag} are one set of parameters and must have one family and "
                f"one size, in {root}"
            )
    fresh = count()
    names: dict[str, str] = {}
    for part in parts(root):
        if part.tag and uses[part.tag] > 1 and part.tag not in names:
            names[part.tag] = f"t{next(fresh)}"
    return map_parts(root, lambda part: replace(part, tag=names.get(part.tag or "")))


def _sort(node: Node, at_root: bool) -> Node:
    """Parts whose order does not matter in the order of their text, each with its weight.

    Where tokens are joined, inside a chain or below features, they are so on the first part's
    grid: it stays first. Tags are left out of the text: they are named by the order that it gives.
    """
    if isinstance(node, Part):
        return node
    if isinstance(node, Chain):
        return Chain(steps=tuple(_sort(step, at_root=False) for step in node.steps))
    method = FUSIONS[node.method]
    if method.ordered:
        return replace(node, parts=tuple(_sort(part, at_root) for part in node.parts))
    outputs = at_root and method.joins == "outputs"
    children = [_sort(part, outputs) for part in node.parts]
    keys = [
        re.sub(r"@\w+", "", f"{child} {own}")
        for child, (_, own) in zip(children, node.branches, strict=True)
    ]
    weighs = method.weighs(node.args)
    if weighs:
        keys = [f"{key} {weight}" for key, (_, weight) in zip(keys, node.args, strict=True)]
    fixed = 0 if at_root else 1
    order = [*range(fixed), *sorted(range(fixed, len(children)), key=keys.__getitem__)]
    return replace(
        node,
        args=tuple(node.args[i] for i in order) if weighs else node.args,
        parts=tuple(children[i] for i in order),
        settings=tuple(node.settings[i] for i in order) if node.settings else (),
    )

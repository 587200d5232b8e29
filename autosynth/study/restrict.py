"""A space and the inputs at hand in, the part of it that means something for them out.

A space file names kinds of input; here they become the user's own names, and what fits the sizes
of these inputs is left.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from autosynth.components import FAMILIES
from autosynth.composite import Resolved
from autosynth.composite.fittedpart import has_equal_fits
from autosynth.composite.layout import readers
from autosynth.errors import ConfigError
from autosynth.modality import MODALITIES
from autosynth.piece import sides
from autosynth.plugin import TASKS
from autosynth.spec import InputSpec, Kind
from autosynth.strategy import Chain, Fusion, Node, Part, Scalar, Strategy
from autosynth.study.params import is_suggested
from autosynth.study.space import FORBID_KEYS, Space, begins_end, fits_task, readable_kinds

# From so many rows on augmentation is off where a strategy is silent: on Fashion-MNIST shifts cost
# a point at so short a schedule (results/README.md).
UNAUGMENTED_ROWS = 30_000

_Change = Callable[[str, str, Scalar], Scalar | None]
"""Where a part's options stand (empty for a setting), option and value to another, or None."""


def default_space(inputs: Iterable[InputSpec]) -> str:
    """The name of the space for these inputs: that of their kind, or `multimodal` for several.

    A series to forecast has its own, and so have histories, also with a table beside them.

    Raises:
        ConfigError: the only kind has no space of its own.
    """
    inputs = tuple(inputs)
    if any(each.anchored for each in inputs):
        return "forecast"
    kinds = [MODALITIES[kind] for kind in dict.fromkeys(each.kind for each in inputs)]
    for kind in kinds:
        if kind.leads or len(kinds) == 1:
            if not kind.space:
                raise ConfigError(
                    f"there is no search space for inputs of kind {kind.name}: name one that is "
                    "for it with --space"
                )
            return kind.space
    return "multimodal"


def restrict(space: Space, inputs: Iterable[InputSpec], task: str, n_train: int = 0) -> Space:
    """The part of `space` that means something for these inputs and this task.

    A kind after a colon becomes the names of all inputs of that kind. A part of a fusion goes that
    reads a kind which is not there, and so does a strategy in which nothing is left to join, or
    that the space would then not suggest.

    Patches go that would leave an input with fewer than four of them a side, or with so many that
    time goes into moving numbers (all go for tables, where a column is a token), and label
    smoothing goes for a regression; strategies of the ladder and the portfolio take what is left.
    Kernels go that would reach over more than half of an input. All of that by the inputs that a
    part reads. From 30,000 training rows on, what is silent on augmentation means none: few passes
    are made over so many rows, and each is new enough as it is.

    Raises:
        ConfigError: if an input is of a kind the space is not for.
    """
    inputs = [each for each in inputs if not each.of]  # a tokenisation is its family's to choose
    for each in inputs:
        if each.kind not in space.kinds:
            raise ConfigError(
                f"search space {space.name!r} is for {', '.join(space.kinds)}; the input "
                f"{each.name!r} is of kind {each.kind}: choose another with --space"
            )
    space = _here(_by_kind(_named(space, {each.name: each.kind for each in inputs}, task)))
    kinds = tuple(dict.fromkeys(space.inputs.values()))
    space = _fitted(space, space.families, inputs)
    for kind in kinds if len(kinds) > 1 else ():
        keys = [f"{family}:{kind}" for family in space.families]
        space = _fitted(space, keys, [each for each in inputs if each.kind == kind])
    if n_train >= UNAUGMENTED_ROWS and "none" in space.settings.get("augment", ()):
        space = replace(space, defaults={**space.defaults, "augment": "none"})
    if not TASKS[task].few_classes:
        # A cascade goes by how sure a class is.
        fusions = tuple(name for name in space.fusions if not name.startswith("cascade"))
        space = _without_setting(replace(space, fusions=fusions), "smoothing")
    return _each(space, lambda strategy: strategy if is_suggested(strategy, space) else None)


# Kinds to names.


def _named(space: Space, inputs: Mapping[str, Kind], task: str) -> Space:
    """The space with the names of `inputs` in the place of their kinds, for one task."""
    names_by_kind: dict[str, list[str]] = {}
    for name, kind in inputs.items():
        names_by_kind.setdefault(kind, []).append(name)
    names_by_kind |= {
        name: [name] for name in space.inputs if name in inputs and name not in MODALITIES
    }
    kinds = set(inputs.values())
    families = tuple(
        f
        for f in space.families
        if fits_task(f, task) and (not readable_kinds(f) or kinds & set(readable_kinds(f)))
        if f not in space.optional or any(_is_here(space, f, kind) for kind in kinds)
    )

    def part(old: Part) -> Part | None:
        """A part that reads what is there, or None."""
        if old.family not in families:
            return None
        if not names_by_kind.keys() >= set(old.inputs):
            return None
        names = tuple(name for kind in old.inputs for name in names_by_kind[kind])
        return replace(old, inputs=() if len(names) == len(inputs) else names)

    def strategy(old: Strategy) -> Strategy | None:
        root = _mapped(old.root, part)
        return None if root is None else replace(old, root=root)

    return replace(
        _each(space, strategy),
        inputs=dict(inputs),
        families=families,
        ends=tuple(f for f in space.ends if fits_task(f, task)) * any(map(begins_end, families)),
        full_families=tuple(f for f in space.full_families if f in families),
    )


def _is_here(space: Space, family: str, kind: Kind) -> bool:
    """Whether the space says what a family is on a kind of input, and this machine has some."""
    own, table = FAMILIES[family].options, space.options.get(f"{family}:{kind}", {})
    return bool(table) and all(
        any(own[name].is_here(value) for value in values) for name, values in table.items()
    )


def _mapped(node: Node, change: Callable[[Part], Part | None]) -> "Node | None":
    """A tree whose readers are changed; those of a fusion that become None are left out of it."""
    if isinstance(node, Part):
        return change(node)
    if isinstance(node, Chain):
        first = _mapped(node.steps[0], change)
        return None if first is None else replace(node, steps=(first, *node.steps[1:]))
    left = [new for part in node.parts if (new := _mapped(part, change)) is not None]
    of_each = any(key is None and not isinstance(value, str) for key, value in node.args)
    if len(left) < 2 or (of_each and len(left) < len(node.parts)):
        return None
    return replace(node, parts=tuple(left))


def _by_kind(space: Space) -> Space:
    """Options and defaults of every family for each kind that is there.

    Where only one is there, they are the family's own.
    """
    kinds = set(space.inputs.values())
    options, defaults = {}, {}
    for family in dict.fromkeys((*space.families, *space.ends)):
        for key in (f"{family}:{kind}" for kind in sorted(kinds)):
            place = key if len(kinds) > 1 else family
            options[place] = space.options.get(key, space.options[family])
            defaults[place] = space.family_defaults.get(key, space.family_defaults[family])
        options.setdefault(family, space.options[family])
        defaults.setdefault(family, space.family_defaults[family])
    ladder = {family: space.ladder[family] for family in space.families}
    return replace(space, options=options, family_defaults=defaults, ladder=ladder)


def _here(space: Space) -> Space:
    """The space with what this machine has: pretrained networks whose weights are found.

    Where none of a choice is here all stay, and trials say what to install. A strategy that names
    what is not here is not suggested, and goes.
    """
    options = {}
    for key, table in space.options.items():
        own = FAMILIES[key.partition(":")[0]].options
        here = {n: tuple(v for v in values if own[n].is_here(v)) for n, values in table.items()}
        options[key] = {name: here[name] or values for name, values in table.items()}
    defaults = {
        key: {n: v if v in options[key].get(n, (v,)) else options[key][n][0] for n, v in t.items()}
        for key, t in space.family_defaults.items()
    }
    return replace(space, options=options, family_defaults=defaults)


# Sizes of inputs to values of options.


def _fitted(space: Space, keys: Collection[str], inputs: Sequence[InputSpec]) -> Space:
    """The space with patches and kernels at `keys` that fit what is read there."""
    kinds = [(MODALITIES[each.kind], each) for each in inputs]
    grids = [
        (k.most_a_side, sides(k.grid(each, plane=True))) for k, each in kinds if k.most_a_side
    ]
    if not grids:
        return _without(space, "patch", keys)
    # A patch at the end may be short: 28 pixels are four patches of 8.
    least = max(-(-max(grid) // most_a_side) for most_a_side, grid in grids)
    # At least four patches a side: fewer leave nothing for a mixer to mix.
    most = min((min(grid) - 1) // 3 for _, grid in grids)
    space = _within(space, "patch", keys, least, most)
    return _within(space, "kernel", keys, 1, min(min(grid) for _, grid in grids) // 2)


def _within(space: Space, option: str, keys: Collection[str], least: int, most: int) -> Space:
    """The space with the values of an option in a range, or the nearest; others move there."""
    options = {key: dict(table) for key, table in space.options.items()}
    for key in keys:
        if values := [int(value) for value in options[key].get(option, ())]:
            nearest = max((v for v in values if v <= most), default=min(values))
            options[key][option] = tuple(v for v in values if least <= v <= most) or (nearest,)

    def moved(key: str, name: str, value: Scalar) -> Scalar:
        if name != option or key not in keys or option not in options[key]:
            return value
        left = [int(choice) for choice in options[key][option]]
        return max((n for n in left if n <= int(value)), default=min(left))

    return _changed(replace(space, options=options), moved)


def _without(space: Space, option: str, keys: Collection[str]) -> Space:
    """The space without an option at `keys`."""
    options = {
        key: {n: values for n, values in table.items() if n != option or key not in keys}
        for key, table in space.options.items()
    }
    gone: _Change = lambda key, name, v: None if (name == option and key in keys) else v  # noqa: E731
    return _changed(replace(space, options=options), gone)


def _without_setting(space: Space, setting: str) -> Space:
    """The space without a setting."""
    space = replace(
        space,
        settings={name: values for name, values in space.settings.items() if name != setting},
        defaults={name: value for name, value in space.defaults.items() if name != setting},
    )
    return _changed(space, lambda key, name, value: None if name == setting else value)


def _changed(space: Space, change: _Change) -> Space:
    """The family defaults and written strategies with each of their values changed, or dropped."""

    def pairs(key: str, config: Iterable[tuple[str, Scalar]]) -> tuple[tuple[str, Scalar], ...]:
        changed = ((name, change(key, name, value)) for name, value in config)
        return tuple((name, value) for name, value in changed if value is not None)

    def node(old: Node, reads: Sequence[str] | None = None) -> Node:
        """`reads` is what the first part of the chain reads, for those after it."""
        if isinstance(old, Part):
            key = space.key(old.family, old.inputs if reads is None else reads)
            return replace(old, config=pairs(key, old.config))
        if isinstance(old, Fusion):
            return replace(old, parts=tuple(node(part, reads) for part in old.parts))
        first, *rest = old.steps
        inside = first.inputs if isinstance(first, Part) else ()
        return Chain(steps=(node(first, reads), *(node(step, inside) for step in rest)))

    space = _each(space, lambda s: replace(s, root=node(s.root), settings=pairs("", s.settings)))
    defaults = {key: dict(pairs(key, t.items())) for key, t in space.family_defaults.items()}
    return replace(space, family_defaults=defaults)


def _each(space: Space, change: Callable[[Strategy], Strategy | None]) -> Space:
    """The space with its written strategies changed, or dropped; equal ones are one."""

    def all_of(strategies: Iterable[Strategy]) -> tuple[Strategy, ...]:
        changed = (change(strategy) for strategy in strategies)
        return tuple(dict.fromkeys(new for new in changed if new is not None))

    return replace(
        space,
        ladder={family: all_of(steps) for family, steps in space.ladder.items()},
        composites=all_of(space.composites),
    )


def is_forbidden(resolved: Resolved, space: Space) -> bool:
    """Whether a space forbids a strategy, or two of its parts would come to the very same."""
    return space.forbids(forbid_columns(resolved)) or has_equal_fits(resolved.strategy.root)


def forbid_columns(resolved: Resolved) -> dict[str, str]:
    """What a space's `forbid` is held against: a strategy's columns on the board.

    Beside the families stand those that read inputs, each with the kinds of them:
    `cnn:text+mlp:table`.
    """
    kinds = {spec.name: spec.kind for spec in resolved.inputs if not spec.of}
    readings = {
        f"{part.family}:{kinds[name]}"
        for part in readers(resolved.strategy.root)
        for name in part.inputs or kinds
        if name in kinds
    }
    columns = {key: str(getattr(resolved, key)) for key in FORBID_KEYS}
    columns["components"] += f"+{'+'.join(sorted(readings))}"
    return columns

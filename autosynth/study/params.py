"""From a strategy back to the parameters with which a space suggests it.

So the strategies that are always in (the ladder, the portfolio) enter the sampler's model like any
other; and a space file whose strategies it could not suggest itself is found out when it is read.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from autosynth.composite import Resolved, resolve
from autosynth.errors import ConfigError, StrategyError
from autosynth.strategy import (
    Chain,
    Fusion,
    Node,
    Part,
    Scalar,
    Strategy,
    map_parts,
    parts,
    topology,
    walk,
)
from autosynth.study.space import Space, StrategyShape
from autosynth.study.suggest import (
    ends_at,
    family_choices,
    is_ordered,
    option_name,
    reads_choices,
    reads_input,
    reads_name,
    searched_options,
    takes_fitted,
    walk_space,
)


def params_for(strategy: Strategy, space: Space) -> dict[str, Scalar]:
    """The parameters with which `suggest` gives `strategy`, for `study.enqueue_trial`.

    Raises:
        ConfigError: with everything in the strategy that the space does not offer.
    """
    return _inverse(strategy, space)[0]


def is_suggested(strategy: Strategy, space: Space) -> bool:
    """Whether the space could suggest a strategy as it is written."""
    try:
        params_for(strategy, space)
    except ConfigError:
        return False
    return True


def answers_for(resolved: Resolved, space: Space) -> dict[str, Scalar] | None:
    """The parameters that make a strategy on its data; None where the space does not suggest it.

    What the space does not ask for has to be as it is by default.
    """
    form = _form(resolved.strategy)
    if form is None:
        return None
    # Full sharing is written by tags in the canonical form.
    is_full = resolved.sharing == "full"
    layers = {*space.layers} if resolved.sharing == "layers" else set()
    searched = {
        id(part): layers | {*searched_options(space, place, part.family, reads)}
        for place, part, reads in form.placed(resolved.sharing)
        if part.family in space.options
    }
    whole = iter(parts(resolved.strategy.root))

    def asked(short: Part) -> Part:
        part = next(whole)
        own = {key for key, _ in short.config} | searched.get(id(part), set())
        config = tuple(pair for pair in part.config if pair[0] in own)
        return replace(short, config=config, tag=None if is_full else short.tag)

    own = {*space.settings, *dict(resolved.short_form.settings)}
    strategy = replace(
        resolved.strategy,
        root=_as_offered(map_parts(resolved.short_form.root, asked), space),
        flags=resolved.strategy.flags + ((("share", "full"),) if is_full else ()),
        settings=tuple(pair for pair in resolved.strategy.settings if pair[0] in own),
    )
    try:
        params, rebuilt = _inverse(strategy, space)
        again = resolve(rebuilt, resolved.inputs, resolved.target)
    except (ConfigError, StrategyError):
        return None
    return params if again.canonical == resolved.canonical else None


def _as_offered(node: Node, space: Space) -> Node:
    """The same with fusions without what they take, where the space offers them so."""
    if isinstance(node, Chain):
        return Chain(steps=tuple(_as_offered(step, space) for step in node.steps))
    if isinstance(node, Fusion) and written_fusion(node) not in space.fusions:
        return replace(node, args=())
    return node


def complete_strategy(strategy: Strategy, space: Space) -> Strategy:
    """`strategy` as `suggest` writes it: what it does not say is filled from the space's defaults.

    Raises:
        ConfigError: with everything in the strategy that the space does not offer.
    """
    return _inverse(strategy, space)[1]


@dataclass(frozen=True, kw_only=True)
class _Form:
    """A strategy taken apart: its parts in the order of the shape's places."""

    shape: StrategyShape
    found: tuple[Part, ...]
    method: str | None

    @property
    def readers(self) -> list[Part]:
        """The parts that read inputs."""
        return [part for place, part, _ in self.placed() if reads_input(place)]

    def placed(self, shared: str = "none") -> list[tuple[str, Part, tuple[str, ...]]]:
        """Each part with its place, and the inputs that its branch reads (empty for all).

        Under full sharing all are the first one over again.
        """
        reads: tuple[str, ...] = ()
        rows = []
        for place, part in zip(self.shape.places(), self.found, strict=True):
            if not place.startswith("branch"):
                reads = ()
            elif reads_input(place):
                reads = part.inputs
            rows.append((place if shared != "full" else self.shape.places()[0], part, reads))
        return rows


def _form(strategy: Strategy) -> _Form | None:
    """The form of a strategy, or None for a tree that no space can suggest."""
    steps = strategy.root.steps if isinstance(strategy.root, Chain) else (strategy.root,)
    head, tail = steps[0], steps[1:]
    if isinstance(head, Part) and len(steps) > 1:
        head, tail = strategy.root, ()
    if not all(isinstance(step, Part) for step in tail):
        return None
    branches = list(head.parts) if isinstance(head, Fusion) else [head]
    flat = [list(b.steps) if isinstance(b, Chain) else [b] for b in branches]
    if not all(isinstance(step, Part) for branch in flat for step in branch):
        return None
    if not tail:  # as in a Shape
        flat.sort(key=len, reverse=True)
    ordered = [step for branch in [*flat, list(tail)] for step in branch if isinstance(step, Part)]
    return _Form(
        shape=StrategyShape(branches=tuple(map(len, flat)), tail=len(tail)),
        found=tuple(ordered),
        method=written_fusion(head) if isinstance(head, Fusion) else None,
    )


def _inverse(strategy: Strategy, space: Space) -> tuple[dict[str, Scalar], Strategy]:
    form = _form(strategy)
    problems = _misfits(strategy, space, form)
    if problems or form is None:
        raise _no_place(strategy, space, problems)
    wanted = _wanted(strategy, space, form)
    params: dict[str, Scalar] = {}

    def look(name: str, choices: Sequence[Scalar]) -> Scalar:
        if name not in wanted:  # the walk went elsewhere, after an answer that was refused
            assert problems
            return choices[0]
        value = wanted[name]
        if value not in choices:
            listed = ", ".join(map(str, choices))
            problems.append(f"{_label(name)}={value} is not one of {listed}")
            return choices[0]
        if len(choices) > 1:
            index = choices.index(value)
            params[name] = index if is_ordered(choices) else choices[index]
        return choices[choices.index(value)]

    rebuilt = walk_space(space, look)
    again = _form(rebuilt)
    assert again is not None
    for place, part, other in zip(form.shape.places(), form.found, again.found, strict=True):
        if not problems and not (part.family == other.family and _within(part, other, space)):
            shared = strategy.flag("share", "none")
            problems.append(f"share={shared} would make {part} at {place} the same as {other}")
    if problems:
        raise _no_place(strategy, space, problems)
    return params, rebuilt


def _no_place(strategy: Strategy, space: Space, problems: list[str]) -> ConfigError:
    return ConfigError(f"{strategy} is not in the space {space.name!r}: {'; '.join(problems)}")


def written_fusion(node: Fusion) -> str:
    """A fusion as a space writes it: without its parts."""
    return str(node).partition("(")[0]


def _written(form: _Form, option: str) -> Scalar | None:
    """The first value that a part gives to an option."""
    return next((v for part in form.found for key, v in part.config if key == option), None)


def _within(part: Part, other: Part, space: Space) -> bool:
    alike = _reads(part, space) == _reads(other, space)
    return alike and set(part.config) <= set(other.config)


def _reads(part: Part, space: Space) -> str:
    """What a part reads, as one of the choices."""
    return "+".join(part.inputs) or reads_choices(space, part.family)[0]


def _label(name: str) -> str:
    return name if name.endswith((".sharing", ".family")) else name.rsplit(".", maxsplit=1)[-1]


def _misfits(strategy: Strategy, space: Space, form: _Form | None) -> list[str]:
    """What keeps the walk over the space from meeting every part of the strategy."""
    if form is None:
        return ["its tree is deeper than branches of parts, joined once, and parts after them"]
    problems = []
    kind = topology(strategy.root)
    if kind not in space.topologies:
        problems.append(f"topology {kind} is not one of {', '.join(space.topologies)}")
    elif kind == "hybrid" and form.shape not in space.hybrids:
        offered = ", ".join(map(str, space.hybrids))
        problems.append(f"hybrid shape {form.shape} is not one of {offered}")
    elif form.shape.n_parts > space.most_parts:
        problems.append(f"{form.shape.n_parts} parts are more than max_parts={space.most_parts}")
    shared = strategy.flag("share", "none")
    if shared == "layers":
        missing = [key for key in space.layers if _written(form, key) is None]
        problems += [f"share=layers: write {key} in one of its parts" for key in missing]
    if shared == "stem":
        named = dict.fromkeys(_reads(part, space) for part in form.readers)
        if len(named) > 1:
            problems.append(f"share=stem: branches read the same, not {' and '.join(named)}")
    first = form.found[0].family
    for place, part, reads in form.placed(shared):
        if part.family not in (*space.families, *ends_at(space, form.shape, place, first)):
            problems.append(f"family {part.family} is not one of {', '.join(space.families)}")
        if part.tag:
            problems.append(f"{part}: tags are not suggested")
        if part.inputs and not reads_input(place):
            problems.append(f"{part}: inputs are named on the first part of a branch alone")
        offers = {*searched_options(space, place, part.family, reads)}
        offers |= {*space.layers} if shared == "layers" else set()
        strange = [key for key, _ in part.config if key not in offers]
        problems += [f"{part}: {key} is not searched at {place}" for key in strange]
    if any(isinstance(node, Fusion) and node.settings for node in walk(strategy.root)):
        problems.append("settings of a part's own are not suggested")
    known = ("share", "train", "init", "rows", "earlier")
    problems += [f"{k}={v} is not suggested" for k, v in strategy.flags if k not in known]
    strange = [key for key, _ in strategy.settings if key not in space.settings]
    return problems + [f"{key} is not a setting that is searched" for key in strange]


def _wanted(strategy: Strategy, space: Space, form: _Form) -> dict[str, Scalar]:
    """What the strategy, or else a default, answers to each parameter the walk can ask for."""
    kind = topology(strategy.root)
    wanted: dict[str, Scalar] = {
        "topology": kind,
        "n_parts": form.shape.n_parts,
        "hybrid.shape": str(form.shape),
        "fusion": form.method or "",
        "inner.fusion": form.method or "",
        "training": _training(strategy),
        "init": strategy.flag("init", "random"),
        "alone.init": strategy.flag("init", "random"),
        f"{kind}.sharing": strategy.flag("share", "none"),
    }
    for key in space.layers:
        if (value := _written(form, key)) is not None:
            wanted[f"layers.{key}"] = value
    wanted["full.family"] = form.found[0].family
    keys = []
    for place, part, reads in form.placed():
        sharing = strategy.flag("share", "none")
        mixed = takes_fitted(kind, form.method or "", sharing)
        first = form.found[0].family
        name, _ = family_choices(space, form.shape, place, sharing, mixed=mixed, first=first)
        wanted[name] = part.family
        if reads_input(place):
            name = reads_name(place, part.family, strategy.flag("share", "none"))
            wanted.setdefault(name, _reads(part, space))
        keys.append(key := space.key(part.family, reads))
        for option in searched_options(space, place, part.family, reads):
            own, default = part.get(option), space.family_defaults[key][option]
            wanted[option_name(space, place, key, option)] = default if own is None else own
    for name, values in space.settings.items():
        wanted[name] = strategy.setting(name, _default(space, keys, name, values))
    return wanted


def _training(strategy: Strategy) -> str:
    """The training as a space writes it."""
    more = [f"{key}={value}" for key, value in strategy.flags if key in ("rows", "earlier")]
    return " ".join([strategy.flag("train", "joint"), *more])


def _default(space: Space, keys: list[str], name: str, values: Sequence[Scalar]) -> Scalar:
    """A setting where a strategy is silent: of its parts' wishes the first in the list."""
    tables: list[Mapping[str, Scalar]] = [space.family_defaults.get(key, {}) for key in keys]
    wishes = [table.get(name, space.defaults[name]) for table in tables]
    return min(wishes, key=values.index)

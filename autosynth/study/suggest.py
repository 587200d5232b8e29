"""A space and a trial in, a strategy out.

A parameter is named by its place in the strategy (`branch1.step2.cnn.width`), so that its choices
are fixed for a study; what a part reads (`branch1.step1.reads`) is asked before its options, which
go by the kind of it. `walk_space` asks all the questions; `suggest` answers them from a trial,
and `params_for` from a strategy. Ascending numbers are asked for by their position, which tells a
sampler that neighbours are alike; the study of a run, which is told what to try and is there to be
looked at, by their values.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from optuna.trial import BaseTrial

from autosynth.composite import FUSIONS
from autosynth.composite.fittedpart import has_fitted, joins_fitted, takes_steps
from autosynth.spec import Kind
from autosynth.strategy import (
    Chain,
    Fusion,
    Node,
    Part,
    Scalar,
    Strategy,
    Topology,
    parts,
)
from autosynth.study.space import (
    Space,
    StrategyShape,
    begins_end,
    gives_features,
    has_layers,
    inner_fusions,
    is_fitted_family,
    networks,
    read_fusion,
    readable_kinds,
    stem_kinds,
)

Choose = Callable[[str, Sequence[Scalar]], Scalar]

# What only the stem of a part obeys: a part that follows another has none.
_OF_STEM = ("patch", "embed")
# With more inputs than these a part reads all of a kind: each single one would be a choice more,
# and most would never be tried.
_MANY_INPUTS = 6
# Words that say what holds anyway.
_PLAIN = (("share", "none"), ("train", "joint"), ("init", "random"))
_SHARINGS: dict[Topology, tuple[str, ...]] = {
    "single": ("none",),
    "parallel": ("none", "stem", "layers"),
    "sequential": ("none", "layers", "full"),
    "hybrid": ("none", "stem", "layers"),
}


def suggest(trial: BaseTrial, space: Space, *, by_value: bool = False) -> Strategy:
    """A strategy of the space, with all its options and settings written out.

    Args:
        trial: of an optuna study; what only one value is left for is not asked.
        space: restricted to the data (`restrict`), and the same for the whole study.
        by_value: numbers are asked for by what they are, not by their position.
    """

    def ask(name: str, choices: Sequence[Scalar]) -> Scalar:
        if len(choices) == 1:
            return choices[0]
        if is_ordered(choices) and not by_value:
            return choices[trial.suggest_int(name, 0, len(choices) - 1)]
        value = trial.suggest_categorical(name, list(choices))
        assert value is not None
        return value

    return walk_space(space, ask)


def by_values(params: Mapping[str, Scalar], space: Space) -> dict[str, Scalar]:
    """Answers that ask for numbers by their position, as those that ask by value."""
    found: dict[str, Scalar] = {}

    def answer(name: str, choices: Sequence[Scalar]) -> Scalar:
        if len(choices) == 1:
            return choices[0]
        value = params[name]
        found[name] = choices[int(value)] if is_ordered(choices) else value
        return found[name]

    walk_space(space, answer)
    return found


def walk_space(space: Space, choose: Choose) -> Strategy:
    """The strategy that the answers of `choose(name, choices)`, each one of its choices, make."""
    kind, shape = _shape(space, choose)
    method = ""
    if len(shape.branches) > 1:
        inside = bool(shape.tail)
        name = "inner.fusion" if inside else "fusion"
        method = str(choose(name, inner_fusions(space.fusions) if inside else space.fusions))
    sharing = str(choose(f"{kind}.sharing", _sharings(space, kind)))
    found = _parts(space, choose, shape, (sharing, takes_fitted(kind, method, sharing)))
    root = _tree(shape, found, method)
    # What is no network has nothing to say of its training, and no settings.
    words: tuple[tuple[str, str], ...] = (("share", sharing),)
    if not has_fitted(root):
        words += tuple(_training(space, choose, kind))
    asked = space.settings.items() if takes_steps(root) else ()
    settings = tuple((name, choose(name, values)) for name, values in asked)
    flags = tuple(pair for pair in words if pair not in _PLAIN)
    return Strategy(root=root, flags=flags, settings=settings)


def takes_fitted(kind: Topology, method: str, sharing: str) -> bool:
    """Whether parts that are no networks may stand in such a strategy."""
    if kind == "single":
        return True
    return kind == "parallel" and sharing == "none" and joins_fitted(*read_fusion(method))


def _training(space: Space, choose: Choose, kind: Topology) -> list[tuple[str, str]]:
    """The words for how it is trained, and what it begins from."""
    training = "joint" if kind == "single" else str(choose("training", space.trainings))
    name, inits = init_choices(space, kind, training)
    scheme, *more = training.split()
    words = [("train", scheme), ("init", str(choose(name, inits)))]
    return words + [(key, value) for key, _, value in (word.partition("=") for word in more)]


def init_choices(space: Space, kind: Topology, training: str) -> tuple[str, tuple[str, ...]]:
    """The parameter that says what a strategy begins from, and its values.

    Parts that were trained alone are for joint training of several: other trainings do so anyway.
    """
    if kind != "single" and training == "joint":
        return "init", space.inits
    rest = tuple(each for each in space.inits if each != "parts") or ("random",)
    return "alone.init", rest


def _shape(space: Space, choose: Choose) -> tuple[Topology, StrategyShape]:
    chosen = choose("topology", space.topologies)
    kind = next(each for each in space.topologies if each == chosen)
    if kind == "single":
        return kind, StrategyShape(branches=(1,))
    if kind == "hybrid":
        text = choose("hybrid.shape", [str(shape) for shape in space.hybrids])
        return kind, next(shape for shape in space.hybrids if str(shape) == text)
    n_parts = int(choose("n_parts", range(2, space.most_parts + 1)))
    return kind, StrategyShape(branches=(n_parts,) if kind == "sequential" else (1,) * n_parts)


def _sharings(space: Space, kind: Topology) -> list[str]:
    return [each for each in space.sharings if each in _SHARINGS[kind]] or ["none"]


def _parts(
    space: Space, choose: Choose, shape: StrategyShape, around: tuple[str, bool]
) -> list[Part]:
    """The parts at the places of a shape, given the sharing, and whether any may be no network."""
    places, (sharing, mixed) = shape.places(), around
    if sharing == "full":  # one set of parameters, used again and again
        family = str(choose("full.family", space.full_families))
        reads = _reads(space, choose, reads_name(places[0], family, sharing), family)
        first = _part(space, choose, (places[0], family, reads), {})
        return [replace(first, inputs=reads), *[first] * (len(places) - 1)]
    common: dict[str, Scalar] = {}
    if sharing == "layers":
        common = {key: choose(f"layers.{key}", values) for key, values in space.layers.items()}
    chosen: list[Part] = []
    reads = ()
    for place in places:
        before = chosen[0].family if chosen else ""
        name, families = family_choices(space, shape, place, sharing, mixed=mixed, first=before)
        family, is_reader = str(choose(name, families)), reads_input(place)
        if is_reader:
            reads = _reads(space, choose, reads_name(place, family, sharing), family)
        elif place.startswith("tail"):
            reads = ()
        part = _part(space, choose, (place, family, reads), common)
        chosen.append(replace(part, inputs=reads) if is_reader else part)
    return chosen


def _part(
    space: Space,
    choose: Choose,
    position: tuple[str, str, Sequence[str]],
    common: Mapping[str, Scalar],
) -> Part:
    """A part of a family at a place, in a branch that reads some inputs."""
    place, family, reads = position
    own = {
        option: choose(option_name(space, place, space.key(family, reads), option), values)
        for option, values in searched_options(space, place, family, reads).items()
        if option not in common
    }
    return Part(family=family, config=(*common.items(), *own.items()))


def _reads(space: Space, choose: Choose, name: str, family: str) -> tuple[str, ...]:
    """The inputs that a part is to read; empty for all."""
    chosen = str(choose(name, reads_choices(space, family)))
    return () if chosen == "+".join(space.inputs) else tuple(chosen.split("+"))


def reads_choices(space: Space, family: str) -> tuple[str, ...]:
    """What a part of a family may read, each as a strategy names it; the first where it is silent.

    All inputs, all of a kind, or one; a family that reads by a stem of its own, one of its kinds.
    """
    own = stem_kinds(family)
    if is_fitted_family(family):
        able = {n: kind for n, kind in space.inputs.items() if kind in readable_kinds(family)}
        return _joint_choices(able) or ("",)
    if own:
        return tuple(name for name, kind in space.inputs.items() if kind in own) or ("",)
    return _joint_choices(space.inputs)


def _joint_choices(inputs: Mapping[str, Kind]) -> tuple[str, ...]:
    """All of some inputs together, all of each kind, and each by itself."""
    kinds = [
        "+".join(name for name, other in inputs.items() if other == kind)
        for kind in dict.fromkeys(inputs.values())
    ]
    single = tuple(inputs) if len(inputs) <= _MANY_INPUTS else ()
    return tuple(dict.fromkeys(("+".join(inputs), *kinds, *single)))


def ends_at(space: Space, shape: StrategyShape, place: str, first: str) -> tuple[str, ...]:
    """The families that are no networks and may end a chain of two there, by its first family."""
    is_end = shape.branches == (2,) and not shape.tail and place == "branch1.step2"
    return space.ends if is_end and begins_end(first) else ()


def _starts_at(space: Space, shape: StrategyShape, place: str) -> tuple[str, ...]:
    """The families that are no networks and may give features there, to the end of a chain."""
    begins = shape.branches == (2,) and not shape.tail and place == "branch1.step1"
    return tuple(filter(gives_features, space.families)) if begins and space.ends else ()


def family_choices(
    space: Space, shape: StrategyShape, place: str, sharing: str, *, mixed: bool, first: str
) -> tuple[str, tuple[str, ...]]:
    """The parameter that says what stands at a place, and its values.

    A family with a stem of its own stands first in a chain, and shares nothing with others. Those
    that are no networks stand only where parts are `mixed`; or at the end of a chain of two, whose
    `first` family gives features, and such a family at its beginning.
    """
    sharers = tuple(each for each in space.families if has_layers(each))
    if ends := ends_at(space, shape, place, first):
        if gives_features(first):  # which no network reads
            return f"{place}.reader.family", ends
        return f"{place}.end.family", (*sharers, *ends)  # one that may be frozen
    if not reads_input(place):
        return f"{place}.family", sharers or space.families
    if sharing == "none" and (starts := _starts_at(space, shape, place)):
        return f"{place}.start.family", (*networks(space.families), *starts)
    able = space.families if mixed else networks(space.families)
    if sharing == "none" or sharers in ((), networks(space.families)):
        beside = able in ((), space.families)
        return (f"{place}.family" if beside else f"{place}.network.family"), able or space.families
    return f"{place}.sharer.family", sharers


def reads_name(place: str, family: str, sharing: str) -> str:
    """The parameter that says what a part reads: branches that share a stem read the same."""
    if readable_kinds(family):
        return f"{place}.{family}.reads"
    return "stem.reads" if sharing == "stem" else f"{place}.reads"


def reads_input(place: str) -> bool:
    """Whether a part at a place reads inputs, and not another part."""
    return place.startswith("branch") and place.endswith(".step1")


def option_name(space: Space, place: str, key: str, option: str) -> str:
    """The parameter of an option, given where its values stand: one for values that are equal."""
    family = key.partition(":")[0]
    same = space.options[key][option] == space.options[family].get(option)
    return f"{place}.{family if same else key}.{option}"


def searched_options(
    space: Space, place: str, family: str, reads: Sequence[str] = ()
) -> dict[str, tuple[Scalar, ...]]:
    """The options of a family that mean something at a place, in a branch that reads `reads`."""
    searched = space.options.get(space.key(family, reads), {})
    return {
        key: values
        for key, values in searched.items()
        if reads_input(place) or key not in _OF_STEM
    }


def _tree(shape: StrategyShape, steps: list[Part], method: str) -> Node:
    rest = iter(steps)
    branches = [_chain([next(rest) for _ in range(length)]) for length in shape.branches]
    joined = _fusion(method, branches) if len(branches) > 1 else branches[0]
    tail = list(rest)
    return Chain(steps=(joined, *tail)) if tail else joined


def _fusion(text: str, branches: Sequence[Node]) -> Fusion:
    """A fusion from how a space writes it: `weighted[fit]`."""
    method, args = read_fusion(text)
    if FUSIONS[method].ordered:  # a cascade begins with what is shorter
        branches = sorted(branches, key=lambda branch: len(parts(branch)))
    return Fusion(method=method, args=args, parts=tuple(branches))


def _chain(steps: Sequence[Part]) -> Node:
    return steps[0] if len(steps) == 1 else Chain(steps=tuple(steps))


def is_ordered(choices: Sequence[Scalar]) -> bool:
    """Whether choices are three or more ascending numbers, and so asked for by position."""
    if len(choices) < 3 or any(isinstance(each, bool | str) for each in choices):
        return False
    return list(choices) == sorted(set(choices))

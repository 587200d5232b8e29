"""Parts that are no networks, in a strategy: where they may stand, and what they are.

They are fitted alone and to all training rows, so that a strategy with one is trained part by
part; and they give outputs, no tokens, so that they stand alone, under one fusion of outputs, or
at the end of a chain after a frozen network, whose features they read. Some give features, too,
which another one may read in the same way: `rocket > linear`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from autosynth.components import FAMILIES, Piece
from autosynth.components.family import Family, checked_options
from autosynth.components.featuremodel import FeatureModel
from autosynth.components.fitted import FittedFamily, FittedModel
from autosynth.composite.fusion import FUSIONS, Args
from autosynth.composite.layout import config_of
from autosynth.errors import StrategyError, lookup
from autosynth.spec import InputSpec, TargetSpec
from autosynth.strategy import Chain, Fusion, Node, Part, Strategy, parts

# What a fusion learns by gradient beside such a part, it would learn of rows that this one may
# know by heart.
FEATURES = "table"
"""The kind of input that features of a network are as: numbers without order."""
_ALONE = {"share": "none", "train": "joint", "init": "random", "rows": "disjoint"}
_BESIDE = {"share": "none", "train": "subsets", "init": "random", "rows": "all"}


def is_fitted(node: Node) -> bool:
    """Whether a node is a part that is no network."""
    return isinstance(node, Part) and _family(node) is not None


def has_fitted(node: Node) -> bool:
    """Whether a part of it is no network."""
    return any(is_fitted(part) for part in parts(node))


def fitted_end(node: Node) -> Part | None:
    """The part that is no network and gives a node's outputs: itself, or the end of a chain."""
    last = node.steps[-1] if isinstance(node, Chain) else node
    return last if isinstance(last, Part) and is_fitted(last) else None


def takes_steps(node: Node) -> bool:
    """Whether a network of it is moved step by step by a training."""
    if isinstance(node, Fusion):
        return any(map(takes_steps, node.parts))
    return fitted_end(node) is None


def _gives_features(node: Node) -> bool:
    """Whether a node is a part that is no network, and gives features."""
    return isinstance(node, Part) and bool((found := _family(node)) and found.features_for)


def _stands_well(node: Node) -> bool:
    """Whether a part that is no network stands alone, or after what gives it features."""
    if not isinstance(node, Chain) or len(node.steps) > 2:
        return is_fitted(node)
    first, last = node.steps
    if _gives_features(first):
        return is_fitted(last)
    is_own = isinstance(first, Part) and first.family in FAMILIES and FAMILIES[first.family].reads
    frozen = isinstance(first, Part) and first.get("tune", "frozen") == "frozen"
    return is_fitted(last) and bool(is_own) and frozen


def _family(part: Part) -> FittedFamily | None:
    family: Family | None = FAMILIES.get(part.family)
    return family if isinstance(family, FittedFamily) else None


def words_around(strategy: Strategy, words: Mapping[str, str]) -> dict[str, str]:
    """The words of a strategy with such a part, which are what they have to be.

    Raises:
        StrategyError: a word says otherwise, or the part stands where none can.
    """
    root = strategy.root
    wanted = _BESIDE if isinstance(root, Fusion) else _ALONE
    (part, *_) = (each for each in parts(root) if is_fitted(each))
    for name, value in strategy.flags:
        if wanted.get(name) != value:
            cure = f"write {name}={wanted[name]}" if name in wanted else f"leave {name} out"
            raise StrategyError(
                f"{part.family} is no network: it is fitted alone, to all training rows, and "
                f"{name}={value} says otherwise, in {strategy.without_settings()}; {cure}"
            )
    branches = root.parts if isinstance(root, Fusion) else (root,)
    for each in branches:
        if has_fitted(each) and not _stands_well(each):
            raise _misplaced(part, each, root)
    if not isinstance(root, Fusion):
        return dict(words)
    method = lookup(FUSIONS, root.method, "fusion", f"in {root}")
    given = method.arguments(root.method, root.args, len(root.parts))
    if not joins_fitted(root.method, given):
        raise StrategyError(
            f"{root.method} learns by gradient how to join its parts, and {part} is fitted to the "
            "same rows: it would look better than it is. Join them by mean, sum, weighted[fit], "
            f"weighted[0.5, 0.5], stack or cascade, not as in {root}"
        )
    return {**words, **_BESIDE}


def has_equal_fits(root: Node) -> bool:
    """Whether two parts of a canonical fusion, fitted to the same rows, come to the very same."""
    branches = root.parts if isinstance(root, Fusion) else ()
    return any(
        fitted_end(branch) and branch in branches[:at] and not any(map(_draws, parts(branch)))
        for at, branch in enumerate(branches)
    )


def _draws(part: Part) -> bool:
    family = _family(part)
    return family is not None and family.draws


def _misplaced(part: Part, branch: Node, root: Node) -> StrategyError:
    """Why a part that is no network cannot stand where it does in a branch, and where it can."""
    first = branch.steps[0] if isinstance(branch, Chain) else None
    if isinstance(first, Part) and _gives_features(first):
        return StrategyError(
            f"{first} is no network and gives features, no tokens: one part that is none either "
            f"({', '.join(_readers_of_features())}) may read them, as in {first.family} > linear, "
            f"not as in {root}"
        )
    return StrategyError(
        f"{part} is no network and gives outputs, no tokens: it stands alone, beside other "
        "parts under one fusion of outputs such as mean, or after a frozen network, as in "
        f"pretrained > linear, not as in {root}"
    )


def _readers_of_features() -> list[str]:
    """The families that read features of a part before them."""
    own = [(name, each) for name, each in FAMILIES.items() if isinstance(each, FittedFamily)]
    return [name for name, family in own if FEATURES in family.kinds]


def joins_fitted(method: str, args: Args) -> bool:
    """Whether a fusion can join such parts: their outputs, with no weights that are trained."""
    learns = method == "attend" or (method == "weighted" and not args)
    return FUSIONS[method].joins == "outputs" and not learns


def filled_part(part: Part, inputs: Mapping[str, InputSpec]) -> Part:
    """Such a part with all its options and the inputs that it reads; none named where all are.

    Raises:
        StrategyError, UnknownNameError: an option or an input that is not its.
    """
    family = _family(part)
    assert family is not None
    for name in part.inputs:
        lookup(inputs, name, "input", f"in {part}")
    able = readable(family, inputs)
    named = part.inputs or able
    kinds = ", ".join(family.kinds)
    if strange := [inputs[name] for name in named if name not in able]:
        raise StrategyError(
            f"{part} reads inputs of kind {kinds}, and {strange[0].name!r} is of kind "
            f"{strange[0].kind}; name others after a colon"
        )
    if not named:
        found = ", ".join(dict.fromkeys(spec.kind for spec in inputs.values()))
        raise StrategyError(
            f"{part} reads inputs of kind {kinds}, and all here are of kind {found}; leave it out"
        )
    filled = _with_options(part, family)
    return replace(filled, inputs=named if len(inputs) > 1 else ())


def filled_end(part: Part) -> Part:
    """Such a part with all its options, where it reads what stands before it in a chain.

    Raises:
        StrategyError, UnknownNameError: an option is not its, or it names inputs.
    """
    family = _family(part)
    assert family is not None
    if part.inputs:
        raise StrategyError(
            f"{part} reads the part before it; name inputs on the first part of a chain alone"
        )
    if FEATURES not in family.kinds:
        raise StrategyError(
            f"{part} reads inputs of kind {', '.join(family.kinds)}, and no features, as "
            f"{', '.join(_readers_of_features())} do"
        )
    return _with_options(part, family)


def _with_options(part: Part, family: FittedFamily) -> Part:
    if part.tag:
        raise StrategyError(f"{part} is no network, and has nothing to share; leave the @ out")
    given = checked_options(part, family)
    config = {name: given.get(name, option.default) for name, option in family.options.items()}
    pairs = tuple(sorted((name, value) for name, value in config.items() if value is not None))
    filled = replace(part, config=pairs)
    if problem := family.problem(config_of(filled)):
        raise StrategyError(f"{part}: {problem}")
    return filled


def features_spec(width: int, *, gaps: bool = True) -> InputSpec:
    """What a part reads of one before it: that many numbers a row, of which some may be missing.

    Without `gaps` they stand on a line, of which a reader knows by its mask alone that it has any.
    """
    shape = (width,) if gaps else (1, width)
    return InputSpec(name="features", kind=FEATURES, shape=shape, cardinalities=(0,) * width)


def shortened_part(part: Part, inputs: Mapping[str, InputSpec]) -> Part:
    """A part that is `filled_part`, without what is default."""
    family = _family(part)
    assert family is not None
    kept = tuple((name, v) for name, v in part.config if v != family.options[name].default)
    whole = part.inputs == readable(family, inputs)
    return replace(part, config=kept, inputs=() if whole else part.inputs)


def readable(family: FittedFamily, inputs: Mapping[str, InputSpec]) -> tuple[str, ...]:
    """The names of the inputs that a family reads, in the dataset's order."""
    return tuple(name for name, spec in inputs.items() if spec.kind in family.kinds)


def model_of(node: Node, inputs: Sequence[InputSpec], target: TargetSpec) -> Piece:
    """The piece of a filled part that is no network, and of the features of another before it.

    Args:
        node: the part, or a chain that it ends.
        inputs: what is read: of a part after a network, its features.
        target: what it is fitted to.

    Raises:
        StrategyError: one of them is not for such a target.
    """
    part, first = fitted_end(node), node.steps[0] if isinstance(node, Chain) else None
    assert part is not None
    family = _family(part)
    assert family is not None
    _check_task(f"{part} is fitted to", family.tasks, target)
    if not isinstance(first, Part) or (before := _family(first)) is None:
        return family.model(config_of(part), inputs, target)
    _check_task(f"{first} gives features for", before.features_for, target)
    features = before.features(config_of(first), inputs)
    end = family.model(config_of(part), [features_spec(features.width, gaps=False)], target)

    def make() -> FeatureModel:
        model = end.make()
        assert isinstance(model, FittedModel)
        return FeatureModel(features.make(), model)

    return end._replace(make=make, flops=features.flops + end.flops)


def _check_task(does: str, tasks: Sequence[str], target: TargetSpec) -> None:
    if target.task not in tasks:
        raise StrategyError(
            f"{does} {', '.join(tasks)}, and the task of {target.name!r} is {target.task}; "
            "leave it out"
        )

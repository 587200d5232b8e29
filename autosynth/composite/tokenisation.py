"""Which arrays a part reads: strategies name inputs, families may ask for a tokenisation.

A dataset may have an input in several tokenisations: text as codes of its own vocabulary, and of
that of a pretrained network. A strategy names the input; the part's family says which reading it
wants. A bundle may hold a tokenisation alone: the input that it is of can be named there all the
same.
"""

from collections.abc import Mapping

from autosynth.components import FAMILIES, Config, Family
from autosynth.spec import InputSpec
from autosynth.strategy import Chain, Node, Part


def config_of(part: Part) -> dict[str, int | str]:
    """The options of a filled part: whole numbers and choices."""
    return {name: value for name, value in part.config if isinstance(value, int | str)}


def sources(inputs: Mapping[str, InputSpec]) -> dict[str, InputSpec]:
    """What a strategy can name; of an input in tokenisations alone, the spec is one of theirs."""
    found: dict[str, InputSpec] = {}
    for spec in inputs.values():
        if spec.of:
            found.setdefault(spec.of, spec)
        else:
            found[spec.name] = spec
    return found


def tokenised_name(family: Family, config: Config, source: InputSpec) -> str:
    """The name of the array that a part with a stem of its own reads, given what it names."""
    name, tokenisation = source.of or source.name, family.tokenisation(config, source)
    return f"{name}.{tokenisation}" if tokenisation else name


def read_by(part: Part, inputs: Mapping[str, InputSpec]) -> tuple[str, ...]:
    """The names of the arrays that a filled part reads, where it is the first of its chain."""
    there = sources(inputs)
    family, named = FAMILIES[part.family], part.inputs or tuple(there)
    if not family.reads:
        return named
    return tuple(tokenised_name(family, config_of(part), there[name]) for name in named)


def used(root: Node, inputs: Mapping[str, InputSpec]) -> dict[str, InputSpec]:
    """The inputs that a filled strategy reads, tokenisations too, in the dataset's order."""
    names = {name for part in readers(root) for name in read_by(part, inputs)}
    return {name: spec for name, spec in inputs.items() if name in names}


def readers(node: Node) -> list[Part]:
    """The parts that read inputs: all but those after the first step of a chain."""
    if isinstance(node, Part):
        return [node]
    children = node.steps[:1] if isinstance(node, Chain) else node.parts
    return [part for child in children for part in readers(child)]

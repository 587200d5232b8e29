"""What a part reads: the arrays of the inputs that it names, and the grids that they stand on.

Strategies name inputs, families may ask for a tokenisation. A dataset may have an input in several
of them: text as codes of its own vocabulary, and of that of a pretrained network. A strategy names
the input; the part's family says which tokenisation it wants. A bundle may hold a tokenisation
alone: the input that it is of can be named there all the same.

A part's stem stands on the input's grid, or on that of a picture of it. A sound is a plane of
frames and bands for a family that convolves over both, and a line of frames for the others. Parts
that share a stem read the line, unless all of them read the plane; so does a part that reads
several inputs, whose tokens stand in one line. After a plane in a chain, it reads the bands of
each frame side by side: `Fold`. Pictures in a row are a film for the first, each convolved by
itself with the same weights, and a line of whole pictures for the others: so `cnn > gru` is a
network of pictures, and one of their order after it. Which parts can share, and the one stem they
share, follow from what they read.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import nn

from autosynth.components import FAMILIES, Config, Family, Grid
from autosynth.errors import StrategyError
from autosynth.modality import MODALITIES
from autosynth.piece import Piece, Plane, Tokens, linear_piece, n_tokens, zeroed
from autosynth.spec import InputSpec
from autosynth.strategy import Chain, Node, Part, parts


def config_of(part: Part) -> dict[str, int | float | str]:
    """The options of a filled part: whole numbers and choices."""
    return {name: value for name, value in part.config if isinstance(value, int | float | str)}


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


class Layouts:
    """The grids of the inputs of one strategy, filled or not."""

    def __init__(self, root: Node, share: str, inputs: Mapping[str, InputSpec]) -> None:
        there = tuple(sources(inputs))
        self.root, self.inputs = root, inputs
        self.share, self.lines = share, set[str]()
        self.stems: dict[str, tuple[int, int]] = {}
        for part in readers(root):
            named = part.inputs or there
            if len(named) > 1 or not _plane(part):
                self.lines.update(named)

    def grid(self, part: Part, spec: InputSpec, *, alone: bool = True) -> Grid:
        """The uncut grid of an input that a part reads, `alone` or beside others."""
        shared = self.share in ("stem", "layers") and spec.name in self.lines
        return MODALITIES[spec.kind].grid(spec, plane=alone and _plane(part) and not shared)

    def shared_stem(self, name: str) -> tuple[int, int]:
        """The finest patch and largest width that the readers of an input ask of its stem."""
        if name not in self.stems:  # once, and not for each of them
            sharers = _sharers(self.root, name, self.inputs)
            configs = [(FAMILIES[part.family], config_of(part)) for part in sharers]
            widest = max(family.entry_width(config, None) for family, config in configs)
            self.stems[name] = min(int(config["patch"]) for _, config in configs), widest
        return self.stems[name]


def folded(part: Part, grid: Grid) -> Grid:
    """The grid that a part in a chain reads: a plane as a line, if its family takes no planes."""
    return grid[:1] if isinstance(grid, Plane) and not _plane(part) else grid


class Fold(nn.Module):
    """A linear map of all bands or cells of each frame to one token, from a plane to a line."""

    def __init__(self, frames: int, inputs: int, to: int) -> None:
        super().__init__()
        self.frames, self.linear = frames, nn.Linear(inputs, to)

    def forward(self, tokens: Tokens) -> Tokens:
        """A token a frame; one is masked where all its bands are, which enter as zeros."""
        x, mask = tokens
        x = zeroed(x, mask)
        if mask is not None:
            mask = torch.unflatten(mask, 1, (self.frames, -1)).any(2)
        return self.linear(torch.unflatten(x, 1, (self.frames, -1)).flatten(2)), mask


def fold(grid: Grid, inputs: int, to: int) -> Piece:
    """`Fold` to the line `grid`, of frames that have `inputs` values in all bands together."""
    return linear_piece(lambda: Fold(grid[0], inputs, to), n_tokens(grid), inputs, to)


def _plane(part: Part) -> bool:
    return part.family in FAMILIES and FAMILIES[part.family].plane


def check_sharing(root: Node, share: str, inputs: Mapping[str, InputSpec]) -> None:
    """Raise StrategyError where parts cannot share what they are asked to."""
    if share == "layers":
        unlike = [
            f"one {name} in all parts, not {', '.join(map(str, values))}"
            for name in ("width", "expand", "norm")
            if len(set(values := [part.get(name) for part in parts(root)])) > 1
        ]
        if unlike:
            raise StrategyError(f"share=layers needs {'; '.join(unlike)}, in {root}")
    if share == "stem" and all(len(_sharers(root, n, inputs)) < 2 for n in used(root, inputs)):
        raise StrategyError(
            f"share=stem needs two parts that read one input by the stem of its kind, and "
            f"{root} has no two; leave it out"
        )


def refuse_unlike(root: Node, name: str, known: Piece, piece: Piece) -> None:
    """Raise StrategyError where two pieces of one name cannot be one module."""
    if known.params != piece.params:
        raise StrategyError(
            f"{root}: {name} cannot be shared: it has {known.params} parameters in one "
            f"place and {piece.params} in another, because the grids differ"
        )
    if known.tied != piece.tied:
        raise StrategyError(
            f"{root}: {name} cannot be shared: it is made for {known.tied} in one place "
            f"and for {piece.tied} in another"
        )


def refuse_repeats(node: Node, values: Sequence[object]) -> None:
    """Raise where two of a fusion's parts are one and the same."""
    if len(set(values)) < len(values):
        raise StrategyError(
            f"{node}: two parts with the same parameters on the same input are one part; "
            "leave one out, or do not share them"
        )


def _sharers(root: Node, name: str, inputs: Mapping[str, InputSpec]) -> list[Part]:
    """The readers of an input that have no stem of their own."""
    found = [part for part in readers(root) if name in read_by(part, inputs)]
    return [part for part in found if not FAMILIES[part.family].reads]

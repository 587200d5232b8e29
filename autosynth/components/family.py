"""The contract of a component family: options, a mixer per block, what opens and what ends a part.

A family is a stack of residual blocks on one width. It states its pieces from its configuration
and the grid alone; `composite` puts stems, adapters, norms and channel MLPs around them.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import ClassVar

from autosynth.errors import StrategyError, unknown
from autosynth.piece import Grid, Largest, Piece
from autosynth.spec import InputSpec
from autosynth.strategy import Part, Scalar

Config = Mapping[str, int | float | str]


@dataclass(frozen=True, kw_only=True)
class Hyperparameter:
    """One option of a family: a number from `low` to `high`, or one of `choices`.

    It is a whole number, unless `whole` is False. `default` None means that it follows from the
    input and the place in the strategy. With `kinds`, it is there for inputs of these kinds alone.
    """

    about: str
    default: int | float | str | None
    low: float = 0
    high: float = 0
    choices: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    whole: bool = True

    def check(self, value: object) -> str | None:
        """What is wrong with a value, or None."""
        return problem_of(value, self.choices, self.low, self.high, whole=self.whole)

    def is_here(self, value: Scalar) -> bool:
        """Whether this machine has what a valid value needs: a search tries no other."""
        return True


def problem_of(
    value: object, choices: Sequence[str], low: float, high: float, *, whole: bool
) -> str | None:
    """What is wrong with a value that is one of `choices`, or a number in a range; or None."""
    if choices:
        return None if value in choices else f"must be one of {', '.join(choices)}, not {value!r}"
    if isinstance(value, bool) or not isinstance(value, int if whole else int | float):
        return f"must be a {'whole ' if whole else ''}number, not {value!r}"
    return None if low <= value <= high else f"must be from {low} to {high}, not {value}"


def checked_options(part: Part, family: "Family") -> dict[str, Scalar]:
    """The options that a part gives. Raises StrategyError with all that are wrong."""
    given = dict(part.config)
    for name in given:
        if name not in family.options:
            raise unknown("option", name, family.options, f"of {part.family} in {part}")
    problems = [
        f"{name} {problem}"
        for name, value in given.items()
        if (problem := family.options[name].check(value))
    ]
    if problems:
        raise StrategyError(f"{part}: {'; '.join(problems)}")
    return given


# Small: a search on two cores trains dozens of networks in minutes. Spaces name larger ones.
WIDTH = Hyperparameter(about="channels of every token", default=32, low=2, high=4096)
DEPTH = Hyperparameter(about="residual blocks", default=2, low=1, high=64)
PATCH = Hyperparameter(
    about="steps or pixels a token covers on each axis", default=None, low=1, high=256
)
NORM = Hyperparameter(about="normalisation", default="layer", choices=("batch", "layer", "none"))

POOL = Hyperparameter(
    about="what it leaves: every token, or one with the largest value of each channel",
    default="none",
    choices=("none", "max"),
)


def expand(default: int) -> Hyperparameter:
    """The option `expand`: hidden width of the channel MLP as a multiple of the width."""
    return Hyperparameter(
        about="hidden width of the channel MLP over the width; 0: none",
        default=default,
        low=0,
        high=8,
    )


def block_options(
    *, expand_by: int, norm: str = "layer", pooled: bool = True, **own: Hyperparameter
) -> dict[str, Hyperparameter]:
    """The options of a stack of blocks: what all have, and those that are a family's own.

    Args:
        expand_by: default of the option `expand`.
        norm: default of the option of that name.
        pooled: whether it may leave one token, the largest value of each channel.
        own: the others; a `depth` among them takes the place of the common one.
    """
    return {
        "width": WIDTH,
        "depth": DEPTH,
        **own,
        "expand": expand(expand_by),
        "patch": PATCH,
        **({"pool": POOL} if pooled else {}),
        "norm": replace(NORM, default=norm),
    }


class Family(ABC):
    """One component family. Stateless: everything follows from a filled-in configuration.

    `reads` are the kinds of input that it reads by a stem of its own, one input at a time. Such a
    part stands first in a chain, and shares no stem and no layers with others. Without an option
    `depth` it has no blocks.

    `aliases` are names that stand for a part of this family in a strategy, with options of it.

    One that `is_fitted` is no network (`FittedFamily`).

    `plane`: of a sound it reads frames and bands of frequency as a plane, and of pictures in a row
    each one as a plane; others read one token a frame, which holds all of it.
    """

    name: ClassVar[str]
    about: ClassVar[str]
    options: ClassVar[Mapping[str, Hyperparameter]]
    reads: ClassVar[tuple[str, ...]] = ()
    aliases: ClassVar[Mapping[str, Mapping[str, Scalar]]] = MappingProxyType({})
    plane: ClassVar[bool] = False
    is_fitted: ClassVar[bool] = False

    def problem(self, config: Config) -> str | None:
        """What is wrong with options that are each valid alone, or None."""
        return None

    def default_patch(self, grid: Grid) -> int:
        """How coarse a stem cuts, or a chain pools: to 64 tokens of an image, 256 elsewhere."""
        # Attention compares all pairs of tokens, and recurrences go through them one by one.
        limit = 64 if len(grid) == 2 else 256
        patch = 1
        while _cut(grid, patch) > limit:
            patch *= 2
        return patch

    def default_kernel(self, grid: Grid) -> int:
        """The default of an option `kernel` that is left open."""
        return 3 if len(grid) > 1 else 5

    def tokenisation(self, config: Config, spec: InputSpec) -> str:
        """Which other tokenisation of an input it reads, such as `minilm`; empty for the input.

        `config` may lack options that are left open. Raises StrategyError where it cannot read
        the input.
        """
        return ""

    def missing(self, tokenisation: str) -> str:
        """Why the data may not have a tokenisation, and what to do, as the end of a sentence."""
        return "read the data again"

    def defaults(self, config: Config, spec: InputSpec) -> Config:
        """Defaults that follow from what it reads itself, and from the options that are given."""
        return {}

    def stem_grid(self, config: Config, spec: InputSpec) -> Grid:
        """The grid that `leaves` is asked with, where it reads an input by its own stem."""
        return spec.grid

    def leaves(self, config: Config, grid: Grid) -> Grid:
        """The grid that a part of this family leaves, given the one it starts on."""
        return (1,) if config.get("pool") == "max" else grid

    def entry_width(self, config: Config, width: int | None) -> int:
        """The width it starts on, after tokens of `width`, or after a stem of its own (None)."""
        return int(config["width"])

    def stem(self, config: Config, spec: InputSpec) -> tuple[Piece, Grid, int]:
        """Its own stem for an input, a `Stem`, with the grid and the width of what it leaves."""
        raise NotImplementedError(f"{self.name} has no stem of its own, and reads none itself")

    def opening(self, config: Config, grid: Grid, width: int) -> tuple[Piece, Grid] | None:
        """A piece between entry and first block, and the grid it leaves."""
        return None

    @abstractmethod
    def mixer(self, config: Config, index: int, grid: Grid) -> tuple[Piece, Grid] | None:
        """The token mixer of block `index`, and the grid it leaves; None for channels alone."""

    def ending(self, config: Config, grid: Grid) -> tuple[Piece, Grid] | None:
        """A piece after the last block, and the grid it leaves."""
        return (Piece(Largest), (1,)) if config.get("pool") == "max" else None


def _cut(grid: Grid, patch: int) -> int:
    tokens = 1
    for size in grid:
        tokens *= -(-size // patch)
    return tokens

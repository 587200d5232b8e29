"""A composite as a straight-line program: each step applies one named piece to earlier values.

Everything follows from this form. Cost is a sum over steps and over names. Sharing is two steps
with one name. A stem that several parts read is one step: an equal step is not made twice. A
cascade is steps whose values have fewer rows. What a training leaves as it is and what it changes
are two sets of steps: the first can be computed once.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from autosynth.components import Grid, Piece


class Step(NamedTuple):
    """One application of the piece `name` to the values at `args`.

    `flops` is its cost in this place: a shared layer may work on several grids, and is told its
    `place`. `family` is whose work it is, empty for none. `row_fraction` is that of the rows that
    it is expected to work on.
    """

    name: str
    args: tuple[int, ...]
    flops: int
    family: str
    place: tuple[Grid, ...] = ()
    row_fraction: float = 1.0


@dataclass(frozen=True, kw_only=True)
class Program:
    """Values 0 ... len(inputs) - 1 are raw inputs; step i gives value len(inputs) + i.

    `inputs` are those that it reads of a dataset's, in that order. `output` is the value that the
    composite gives.
    """

    inputs: tuple[str, ...]
    steps: tuple[Step, ...]
    pieces: Mapping[str, Piece]
    output: int

    @cached_property
    def frozen(self) -> frozenset[str]:
        """The pieces that no training changes."""
        return frozenset(name for name, piece in self.pieces.items() if piece.frozen)

    def step(self, at: int) -> Step:
        """The step that gives the value `at`."""
        return self.steps[at - len(self.inputs)]

    def needed(self, wanted: Iterable[int], known: Iterable[int] = ()) -> tuple[int, ...]:
        """The values to compute, in order, for those wanted where some are known."""
        there, found, queue = set(known), set[int](), list(wanted)
        while queue:
            at = queue.pop()
            if at in there or at in found or at < len(self.inputs):
                continue
            found.add(at)
            queue.extend(self.step(at).args)
        return tuple(sorted(found))

    def names(self, wanted: Iterable[int]) -> tuple[str, ...]:
        """The pieces that the wanted values are made with, in order, each once."""
        return tuple(dict.fromkeys(self.step(at).name for at in self.needed(wanted)))

"""Where the compiler stands: what a node reads there, and what holds for it; never changed."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from autosynth.components import Config, Family, Grid
from autosynth.strategy import Fusion, Part, Strategy

TreePath = tuple[int, ...]


class Value(NamedTuple):
    """Where a step's result stands, and for tokens their grid and width."""

    at: int
    grid: Grid = ()
    width: int = 0


@dataclass(frozen=True, kw_only=True)
class Scope:
    """A place in the tree, the values of the inputs as they are read there, and its dropout.

    `raw` are those of inputs that are read as they are, where `places` has pictures of them.
    """

    path: TreePath = ()
    places: Mapping[str, int]
    raw: Mapping[str, int] = field(default_factory=dict)
    dropout: float

    def of_part(self, number: int, strategy: Strategy) -> "Scope":
        """That of a part: at the root of a strategy it may have a dropout of its own."""
        root, dropout = strategy.root, self.dropout
        if not self.path and isinstance(root, Fusion):
            dropout = float(dict(root.branches[number][1]).get("dropout", dropout))
        return replace(self, path=(*self.path, number), dropout=dropout)

    def reading(self, places: Mapping[str, int], raw: Mapping[str, int] | None = None) -> "Scope":
        """The same, where some inputs are read as other values."""
        return replace(self, places={**self.places, **places}, raw=raw or {})

    def raw_place(self, name: str) -> int:
        """The values of an input as it is."""
        return self.raw.get(name, self.places[name])


class PlacedPart(NamedTuple):
    """A part where it stands: its family, its options, the name of its pieces, and its scope."""

    part: Part
    family: Family
    config: Config
    name: str
    scope: Scope

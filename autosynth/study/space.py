"""What a search may choose from: frozen lists, and the strategies that are always in.

A `Space` is read from a commented file (`spacefile`), narrowed to the data at hand (`narrow`), and
turned into strategies by `suggest`. Its choices are fixed for a study, as optuna requires.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace

from autosynth.data.spec import InputSpec, Kind, Task
from autosynth.errors import ConfigError
from autosynth.strategy import Chain, Fusion, Node, Strategy, Topology, Value

KINDS: tuple[Kind, ...] = ("image", "text", "series", "ids", "table")  # the dearest to read first
TOPOLOGIES: tuple[Topology, ...] = ("single", "parallel", "sequential", "hybrid")
FORBID_KEYS = ("topology", "components", "fusion", "sharing", "training", "init")
MAX_PARTS = 8
MANY_ROWS = 30_000
MOST_A_SIDE = {"image": 20, "series": 256, "text": 256, "ids": 256}


@dataclass(frozen=True, kw_only=True)
class Shape:
    """How parts stand: the number of them in each branch, and after the branches are joined.

    `2+1>1` is two branches, of two parts and one, joined and followed by one part.
    """

    branches: tuple[int, ...]
    tail: int = 0

    def __post_init__(self) -> None:
        if not self.tail:  # the order of branches that are joined last does not matter
            object.__setattr__(self, "branches", tuple(sorted(self.branches, reverse=True)))

    def __str__(self) -> str:
        return "+".join(map(str, self.branches)) + (f">{self.tail}" if self.tail else "")

    @property
    def n_parts(self) -> int:
        """The number of parts in all."""
        return sum(self.branches) + self.tail

    def places(self) -> tuple[str, ...]:
        """A name for the place of each part, in the order they are written."""
        inside = [
            f"branch{branch}.step{step}"
            for branch, length in enumerate(self.branches, start=1)
            for step in range(1, length + 1)
        ]
        return (*inside, *(f"tail.step{step}" for step in range(1, self.tail + 1)))


@dataclass(frozen=True, kw_only=True)
class Space:
    """Everything a search may choose, each choice with its values.

    `options[family][option]` and `settings[setting]` are the values to choose from;
    `layers[option]` those that parts sharing layers have in common, and `full_families` what can
    share everything: a family whose parameters do not depend on the grid it runs on. `defaults`,
    and `family_defaults[family]` (options, and settings that suit the family better), say what a
    written strategy means where it is silent. A training is a word's value and what goes with it
    (`subsets rows=all`); `forbidden` are columns of the leaderboard whose values may not meet.
    `ladder[family]` are the sizes of the single component that every search trains, smallest
    first; `composites` is tried early.
    """

    name: str
    about: str
    kinds: tuple[Kind, ...]
    families: tuple[str, ...]
    max_parts: int
    topologies: tuple[Topology, ...]
    hybrids: tuple[Shape, ...] = ()
    fusions: tuple[str, ...] = ()
    sharings: tuple[str, ...] = ("none",)
    trainings: tuple[str, ...] = ("joint",)
    inits: tuple[str, ...] = ("random",)
    forbidden: tuple[Mapping[str, str], ...] = ()
    options: Mapping[str, Mapping[str, tuple[Value, ...]]] = field(default_factory=dict)
    layers: Mapping[str, tuple[Value, ...]] = field(default_factory=dict)
    full_families: tuple[str, ...] = ()
    settings: Mapping[str, tuple[Value, ...]] = field(default_factory=dict)
    defaults: Mapping[str, Value] = field(default_factory=dict)
    family_defaults: Mapping[str, Mapping[str, Value]] = field(default_factory=dict)
    ladder: Mapping[str, tuple[Strategy, ...]] = field(default_factory=dict)
    composites: tuple[Strategy, ...] = ()
    max_flops: int | None = None
    max_params: int | None = None

    def forbids(self, columns: Mapping[str, str]) -> bool:
        """Whether a strategy with these columns of the leaderboard is not to be tried.

        A column that lists several names, such as the components, has each of them.
        """
        return any(
            all(value in columns[key].split("+") for key, value in table.items())
            for table in self.forbidden
        )

    @property
    def fingerprint(self) -> str:
        """Sixteen hexadecimal digits of what can be chosen; `name` and `about` do not count."""
        content = asdict(self) | {
            "ladder": {family: [str(s) for s in steps] for family, steps in self.ladder.items()},
            "composites": [str(strategy) for strategy in self.composites],
            "name": None,
            "about": None,
        }
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def narrow(space: Space, inputs: Iterable[InputSpec], task: Task, n_train: int = 0) -> Space:
    """The part of `space` that means something for these inputs and this task.

    Patches go that would leave an input with fewer than four of them a side, or with so many that
    time goes into moving numbers (all go for tables, where a column is a token), and label
    smoothing goes for a regression; strategies of the ladder and the portfolio take what is left.
    Kernels go that would reach over more than half of an input. From 30,000 training rows on, what
    is silent on augmentation means none: few passes are made over so many rows, and each is new
    enough as it is.

    Raises:
        ConfigError: if an input is of a kind the space is not for.
    """
    inputs = tuple(inputs)
    for each in inputs:
        if each.kind not in space.kinds:
            raise ConfigError(
                f"search space {space.name!r} is for {', '.join(space.kinds)}; the input "
                f"{each.name!r} is of kind {each.kind}: choose another with --space"
            )
    grids = {each.kind: each.grid for each in inputs if each.kind != "table"}
    if grids:
        # A patch at the end may be short: 28 pixels are four patches of 8.
        least = max(-(-max(grid) // MOST_A_SIDE[kind]) for kind, grid in grids.items())
        most = min((min(grid) - 1) // 3 for grid in grids.values())
        space = _within(space, "patch", least, most)
        space = _within(space, "kernel", 1, min(map(min, grids.values())) // 2)
    else:
        space = _without(space, "patch")
    if n_train >= MANY_ROWS and "none" in space.settings.get("augment", ()):
        space = replace(space, defaults={**space.defaults, "augment": "none"})
    if task == "classification":
        return space
    # A cascade goes by how sure a class is.
    fusions = tuple(name for name in space.fusions if not name.startswith("cascade"))
    composites = tuple(s for s in space.composites if not _is_cascade(s))
    return _without(replace(space, fusions=fusions, composites=composites), "smoothing")


def _is_cascade(strategy: Strategy) -> bool:
    return isinstance(strategy.root, Fusion) and strategy.root.method == "cascade"


def default_space(inputs: Iterable[InputSpec]) -> str:
    """The name of the space for these inputs: that of their kind; if mixed, of the dearest."""
    kinds = {each.kind for each in inputs}
    kind = next((kind for kind in KINDS if kind in kinds), KINDS[-1])
    return "recommend" if kind == "ids" else kind


def _within(space: Space, option: str, least: int, most: int) -> Space:
    """The space with the values of an option in a range, or the nearest; others move there."""
    options = {family: dict(table) for family, table in space.options.items()}
    for table in options.values():
        if values := [int(value) for value in table.get(option, ())]:
            nearest = max((v for v in values if v <= most), default=min(values))
            table[option] = tuple(v for v in values if least <= v <= most) or (nearest,)

    def moved(family: str, key: str, value: Value) -> Value:
        if key != option:
            return value
        left = [int(choice) for choice in options[family][option]]
        return max((n for n in left if n <= int(value)), default=min(left))

    return _changed(replace(space, options=options), moved)


def _without(space: Space, name: str) -> Space:
    """The space without an option or a setting."""

    def rest(table: Mapping[str, tuple[Value, ...]]) -> dict[str, tuple[Value, ...]]:
        return {key: values for key, values in table.items() if key != name}

    space = replace(
        space,
        settings=rest(space.settings),
        options={family: rest(table) for family, table in space.options.items()},
        defaults={key: value for key, value in space.defaults.items() if key != name},
    )
    return _changed(space, lambda family, key, value: None if key == name else value)


def _changed(space: Space, change: Callable[[str, str, Value], Value | None]) -> Space:
    """Each `(family, key, value)` of family defaults and written strategies changed, or dropped.

    A setting of a strategy has no family: `change` sees an empty name.
    """

    def pairs(family: str, config: Iterable[tuple[str, Value]]) -> tuple[tuple[str, Value], ...]:
        found = ((key, change(family, key, value)) for key, value in config)
        return tuple((key, value) for key, value in found if value is not None)

    def node(old: Node) -> Node:
        if isinstance(old, Chain):
            return replace(old, steps=tuple(map(node, old.steps)))
        if isinstance(old, Fusion):
            return replace(old, parts=tuple(map(node, old.parts)))
        return replace(old, config=pairs(old.family, old.config))

    def all_of(strategies: Iterable[Strategy]) -> tuple[Strategy, ...]:
        new = (replace(s, root=node(s.root), settings=pairs("", s.settings)) for s in strategies)
        return tuple(dict.fromkeys(new))  # sizes that only differed in what went are one

    return replace(
        space,
        family_defaults={f: dict(pairs(f, t.items())) for f, t in space.family_defaults.items()},
        ladder={family: all_of(steps) for family, steps in space.ladder.items()},
        composites=all_of(space.composites),
    )

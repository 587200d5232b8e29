"""What a search may choose from: frozen lists, and the strategies that are always in.

A `Space` is read from a commented file (`spacefile`), restricted to the data at hand
(`restrict`), and turned into strategies by `suggest`. Its choices are fixed for a study, as
optuna requires. What a file may name is asked of the registries here: families and their options,
fusions, trainings, settings.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import cast

from autosynth.components import FAMILIES, Config
from autosynth.components.fitted import FittedFamily
from autosynth.composite import FUSIONS, SETTINGS
from autosynth.composite.canonical import canonicalise
from autosynth.composite.fittedpart import FEATURES
from autosynth.composite.fusion import Args
from autosynth.errors import StrategyError, UnknownNameError, lookup, unknown
from autosynth.spec import InputSpec, Kind
from autosynth.strategy import Fusion, Scalar, Strategy, Topology, parse

TOPOLOGIES: tuple[Topology, ...] = ("single", "parallel", "sequential", "hybrid")
FORBID_KEYS = ("topology", "components", "fusion", "sharing", "training", "init")
MAX_PARTS = 8

_SERIES = InputSpec(name="x", kind="series", shape=(1, 64))


@dataclass(frozen=True, kw_only=True)
class StrategyShape:
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

    `inputs` are the names and kinds of what a part can read; in a space that no data has
    restricted yet, a kind stands for the inputs of it. `options[family][option]` and
    `settings[setting]` are the values to choose from; `options` of `family:kind` hold where all
    that is read is of that kind. `layers[option]` are those that parts sharing layers have in
    common, and `full_families` what can share everything: a family whose parameters do not depend
    on the grid it runs on. `defaults`, and `family_defaults` of a family or of `family:kind`
    (options, and settings that suit the family better), say what a written strategy means where
    it is silent. A training is a word's value and what goes with it (`subsets rows=all`);
    `forbidden` are columns of the leaderboard whose values may not meet. `ladder[family]` are the
    sizes of the single component that are always in, and so are `composites`, which come first
    where `composites_first`: a user's own. `ends` are the families that are no networks and may
    read the features of a frozen one, or of another that is none. `optional` families are left
    out where this machine has nothing that they could be: no weights of a pretrained network.
    """

    name: str
    about: str
    kinds: tuple[Kind, ...]
    families: tuple[str, ...]
    inputs: Mapping[str, Kind] = field(default_factory=dict)
    max_parts: int
    topologies: tuple[Topology, ...]
    hybrids: tuple[StrategyShape, ...] = ()
    fusions: tuple[str, ...] = ()
    sharings: tuple[str, ...] = ("none",)
    trainings: tuple[str, ...] = ("joint",)
    inits: tuple[str, ...] = ("random",)
    forbidden: tuple[Mapping[str, str], ...] = ()
    options: Mapping[str, Mapping[str, tuple[Scalar, ...]]] = field(default_factory=dict)
    layers: Mapping[str, tuple[Scalar, ...]] = field(default_factory=dict)
    full_families: tuple[str, ...] = ()
    settings: Mapping[str, tuple[Scalar, ...]] = field(default_factory=dict)
    defaults: Mapping[str, Scalar] = field(default_factory=dict)
    family_defaults: Mapping[str, Mapping[str, Scalar]] = field(default_factory=dict)
    ladder: Mapping[str, tuple[Strategy, ...]] = field(default_factory=dict)
    composites: tuple[Strategy, ...] = ()
    composites_first: bool = False
    ends: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    max_flops: int | None = None
    max_params: int | None = None
    max_latency_ms: float | None = None

    @property
    def most_parts(self) -> int:
        """The number of parts that a strategy may have: at least one for each kind of input."""
        return max(self.max_parts, len(set(self.inputs.values())))

    def key(self, family: str, reads: Sequence[str] = ()) -> str:
        """Where the options and defaults of a part stand, given the inputs (all) that it reads.

        A part that follows another reads what that one does.
        """
        kinds = {self.inputs[name] for name in reads or self.inputs if name in self.inputs}
        key = f"{family}:{next(iter(kinds))}" if len(kinds) == 1 else family
        return key if key in self.options else family

    def forbids(self, columns: Mapping[str, str]) -> bool:
        """Whether a strategy with these columns of the leaderboard is not to be tried.

        A column that lists several names, such as the components, has each of them; among the
        components are those that read inputs once more with the kind of each: `cnn:text`.
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
        del content["ends"]  # which follows from the families
        del content["composites_first"]  # from where the file lies
        if self.max_latency_ms is None:  # runs from before it was there go on
            del content["max_latency_ms"]
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def has_layers(family: str) -> bool:
    """Whether a family has layers that it could share: not, where it brings a whole network."""
    return not stem_kinds(family) and not is_fitted_family(family)


def is_fitted_family(family: str) -> bool:
    """Whether the parts of a family are no networks."""
    return family in FAMILIES and FAMILIES[family].is_fitted


def networks(families: Sequence[str]) -> tuple[str, ...]:
    """Those of some families whose parts are networks."""
    return tuple(family for family in families if not is_fitted_family(family))


def readable_kinds(family: str) -> tuple[str, ...]:
    """The kinds of input that a family can read; none: it reads any."""
    found = FAMILIES.get(family)
    return found.kinds if isinstance(found, FittedFamily) else stem_kinds(family)


def reads_features(family: str) -> bool:
    """Whether the parts of a family are no networks, and can read the features of one."""
    found = FAMILIES.get(family)
    return isinstance(found, FittedFamily) and FEATURES in found.kinds


def gives_features(family: str) -> bool:
    """Whether the parts of a family are no networks, and others may read their features."""
    found = FAMILIES.get(family)
    return isinstance(found, FittedFamily) and bool(found.features_for)


def begins_end(family: str) -> bool:
    """Whether a part that is no network may end a chain of two that begins with this family."""
    return bool(stem_kinds(family)) or gives_features(family)


def fits_task(family: str, task: str) -> bool:
    """Whether a family can be trained for a task."""
    found = FAMILIES.get(family)
    return not isinstance(found, FittedFamily) or task in found.tasks


def stem_kinds(family: str) -> tuple[str, ...]:
    """The kinds of which a family reads one input by a stem of its own; none: it reads any."""
    return FAMILIES[family].reads if family in FAMILIES else ()


def read_fusion(text: str) -> tuple[str, Args]:
    """Method and arguments of a fusion as a space writes it: `sum`, `stack[linear]`.

    Raises:
        StrategyError: it is not written so.
        UnknownNameError: there is no such fusion.
    """
    root = parse(f"{text}(mlp, mlp)").root
    if not isinstance(root, Fusion):
        raise StrategyError(f"{text!r} is no fusion, such as sum or weighted[fit]")
    method = lookup(FUSIONS, root.method, "fusion")
    method.arguments(root.method, root.args, 2)
    return root.method, root.args


def inner_fusions(fusions: Sequence[str]) -> tuple[str, ...]:
    """Those of some fusions that can stand inside a chain."""
    read = [(text, *read_fusion(text)) for text in fusions]
    return tuple(text for text, method, args in read if not FUSIONS[method].is_post_hoc(args))


def check_training(text: str) -> str | None:
    """What is wrong with a training as a space writes it (`staged earlier=free`), or None."""
    try:
        canonicalise(parse(f"sum(mlp, mlp[depth=1]) train={text}"), {_SERIES.name: _SERIES})
    except (StrategyError, UnknownNameError) as problem:
        return str(problem)
    return None


def check_option(family: str, option: str, value: Scalar) -> str | None:
    """What is wrong with a value of an option of a family, or None."""
    options = FAMILIES[family].options
    if option not in options:
        return str(unknown("option", option, options, f"of {family}"))
    return options[option].check(value)


def check_config(family: str, config: Mapping[str, Scalar]) -> str | None:
    """What is wrong with options that are each valid alone, or None."""
    filled = {
        name: option.low if option.default is None else option.default
        for name, option in FAMILIES[family].options.items()
    }
    return FAMILIES[family].problem(cast("Config", {**filled, **config}))


def check_setting(name: str, value: Scalar) -> str | None:
    """What is wrong with a value of a setting of the training, or None."""
    if name not in SETTINGS:
        return str(unknown("setting", name, SETTINGS))
    return SETTINGS[name].check(value)

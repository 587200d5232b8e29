"""The tables of a space file in, a `Space` and a list of all that is wrong out."""

import math
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import replace
from functools import partial
from itertools import product
from typing import Any, TypeVar

from autosynth.components import FAMILIES
from autosynth.composite import INITS, SHARING
from autosynth.composite.alias import without_aliases
from autosynth.errors import AutosynthError, unknown
from autosynth.modality import MODALITIES
from autosynth.spec import Kind
from autosynth.strategy import Part, Scalar, Strategy, parse, parts
from autosynth.study.params import params_for
from autosynth.study.space import (
    FORBID_KEYS,
    MAX_PARTS,
    TOPOLOGIES,
    Space,
    StrategyShape,
    begins_end,
    check_config,
    check_option,
    check_setting,
    check_training,
    has_layers,
    read_fusion,
    reads_features,
)

_Name = TypeVar("_Name", bound=str)
_Choices = Mapping[str, tuple[Scalar, ...]]
OptionValues = dict[str, tuple[Scalar, ...]]
Check = Callable[[Scalar], str | None]

_KEYS = (
    *("name", "about", "kinds", "families", "max_parts", "topologies", "hybrids", "fusions"),
    *(
        "sharings",
        "trainings",
        "inits",
        "forbid",
        "full_families",
        *("optional", "max_flops", "max_params", "max_latency_ms"),
        "composites",
    ),
    *("family", "layers", "settings", "defaults", "ladder", "inputs"),
)
_COMMON = ("width", "expand")
_MANY = 10**18


class SpaceReader:
    """Reads key by key. What is wrong becomes one of `problems`, and reading goes on."""

    def __init__(self, content: Mapping[str, Any]) -> None:
        self.content = content
        self.problems: list[str] = []

    def space(self) -> Space:
        """The space, to be used only if there are no `problems`."""
        self._known(self.content, _KEYS, "key")
        kinds = self._names("kinds", tuple(MODALITIES), "kind")
        families = self._names("families", tuple(FAMILIES), "family")
        topologies = self._names("topologies", TOPOLOGIES, "topology")
        joins = "parallel" in topologies or "hybrid" in topologies
        settings = {
            name: self._values(f"settings.{name}", values, partial(check_setting, name))
            for name, values in self._table(self.content, "settings").items()
        }
        options = self._options(families)
        sharings = self._names("sharings", tuple(SHARING), "sharing", ("none",))
        defaults, family_defaults = self._defaults(options, settings)
        space = Space(
            name=self._text("name"),
            about=self._text("about"),
            kinds=kinds,
            inputs=self._inputs(kinds),
            families=families,
            optional=(
                self._names("optional", families, "family") if "optional" in self.content else ()
            ),
            ends=tuple(filter(reads_features, families)) * any(map(begins_end, families)),
            max_parts=self._number("max_parts", 2, MAX_PARTS) or 3,
            topologies=topologies,
            hybrids=self._hybrids() if "hybrid" in topologies else (),
            fusions=self._texts("fusions", read_fusion) if joins else (),
            sharings=sharings,
            trainings=self._texts("trainings", check_training, ("joint",)),
            inits=self._names("inits", tuple(INITS), "initialisation", ("random",)),
            forbidden=self._forbidden(),
            options=options,
            layers=self._layers(families) if "layers" in sharings else {},
            full_families=(
                self._names("full_families", families, "family") if "full" in sharings else ()
            ),
            settings=settings,
            defaults=defaults,
            family_defaults=family_defaults,
            ladder=self._ladder(families),
            composites=self._strategies("composites", self.content.get("composites", [])),
            max_flops=self._number("max_flops", 1, _MANY),
            max_params=self._number("max_params", 1, _MANY),
            max_latency_ms=self._above_zero("max_latency_ms"),
        )
        if not self.problems:  # only of a sound space can one ask what lies in it
            self._check_configs(options, space.layers)
            self._check_strategies(space)
        return space

    def _check_configs(self, options: Mapping[str, OptionValues], layers: _Choices) -> None:
        """Any values of a family can stand together: else trials would be spent on what fails."""
        for key, own in options.items():
            family = key.partition(":")[0]
            for place, table in ((_place("family", key), own), ("layers", {**own, **layers})):
                for values in product(*table.values()):
                    config = dict(zip(table, values, strict=True))
                    if problem := check_config(family, config):
                        text = f"values do not go together in a {family}: {problem}"
                        self._problem(place, text)
                        break

    def _check_strategies(self, space: Space) -> None:
        """Those that name kinds of input fit one of each; the others, any one input."""
        listed = {f"ladder.{family}": steps for family, steps in space.ladder.items()}
        single = replace(space, inputs={})
        for key, strategies in (listed | {"composites": space.composites}).items():
            for number, strategy in enumerate(strategies, start=1):
                names = any(part.inputs for part in parts(strategy.root))
                fits = partial(params_for, strategy, space if names else single)
                self._try(f"{key}[{number}]", fits)

    def _options(self, families: Collection[str]) -> dict[str, OptionValues]:
        """By family, and by `family:kind` where a table of a kind says what differs."""
        tables = self._table(self.content, "family")
        self._known(tables, families, "family", "family.")
        options = {}
        for family in families:
            own, by_kind = self._by_kind("family", family, self._table(tables, family, "family."))
            options[family] = self._choosable(family, f"family.{family}", own)
            for kind, table in by_kind.items():
                differs = self._choosable(family, f"family.{family}.{kind}", table)
                options[f"{family}:{kind}"] = options[family] | differs
        return options

    def _choosable(self, family: str, place: str, table: Mapping[str, Any]) -> OptionValues:
        return {
            option: self._values(
                f"{place}.{option}", values, partial(check_option, family, option)
            )
            for option, values in table.items()
        }

    def _by_kind(
        self, key: str, family: str, table: Mapping[str, Any]
    ) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
        """What a table of a family says, and the tables in it for what reads a kind of input."""
        own = {name: value for name, value in table.items() if not isinstance(value, dict)}
        by_kind = {name: value for name, value in table.items() if isinstance(value, dict)}
        self._known(by_kind, MODALITIES, "kind", f"{key}.{family}.")
        return own, by_kind

    def _layers(self, families: Collection[str]) -> OptionValues:
        """Width and channel MLP of parts that share layers: values that all with layers take."""
        table = self._table(self.content, "layers")
        self._known(table, _COMMON, "option", "layers.")

        layered = [family for family in families if has_layers(family)]

        def check(option: str, value: Scalar) -> str | None:
            problems = (check_option(family, option, value) for family in layered)
            return next((message for message in problems if message), None)

        return {
            option: self._values(f"layers.{option}", table.get(option), partial(check, option))
            for option in _COMMON
        }

    def _defaults(
        self, options: dict[str, OptionValues], settings: OptionValues
    ) -> tuple[dict[str, Scalar], dict[str, dict[str, Scalar]]]:
        table = self._table(self.content, "defaults")
        plain = {key: value for key, value in table.items() if not isinstance(value, dict)}
        tables = {key: value for key, value in table.items() if isinstance(value, dict)}
        families = [key for key in options if ":" not in key]
        self._known(tables, families, "family", "defaults.")
        self._choices("defaults.", plain, settings, settings)
        defaults = {}
        for family in families:
            own, by_kind = self._by_kind("defaults", family, tables.get(family, {}))
            defaults[family] = own
            for kind in MODALITIES:
                key = f"{family}:{kind}"
                if kind in by_kind or key in options:
                    options.setdefault(key, options[family])
                    defaults[key] = own | by_kind.get(kind, {})
        for key, table in defaults.items():
            searched = options[key]
            self._choices(f"{_place('defaults', key)}.", table, searched | settings, searched)
        return plain, defaults

    def _choices(
        self,
        place: str,
        given: Mapping[str, Scalar],
        offered: OptionValues,
        needed: Collection[str],
    ) -> None:
        """Each default is one of the values searched, and none is missing."""
        self._known(given, offered, "key", place)
        for key in needed:
            if key not in given:
                self._problem(f"{place}{key}", "missing; name one of the values that are searched")
        for key, value in given.items():
            if offered.get(key) and value not in offered[key]:
                listed = ", ".join(map(str, offered[key]))
                self._problem(f"{place}{key}", f"{value!r} is not one of {listed}")

    def _inputs(self, kinds: Collection[Kind]) -> dict[str, Kind]:
        """What may stand after a colon: names that the file gives a kind, and the other kinds."""
        inputs: dict[str, Kind] = {}
        for name, kind in self._table(self.content, "inputs").items():
            if kind in kinds:
                inputs[name] = kind
            else:
                self._problem(f"inputs.{name}", f"{kind!r} is not one of {', '.join(kinds)}")
        return inputs | {kind: kind for kind in kinds if kind not in inputs.values()}

    def _ladder(self, families: Collection[str]) -> dict[str, tuple[Strategy, ...]]:
        tables = self._table(self.content, "ladder")
        self._known(tables, families, "family", "ladder.")
        ladder = {}
        for family in families:
            key = f"ladder.{family}"
            ladder[family] = self._strategies(key, tables.get(family, []))
            if family not in tables or tables[family] == []:
                self._problem(key, f"missing; list the sizes of {family} that come first")
            for number, strategy in enumerate(ladder[family], start=1):
                if not (isinstance(strategy.root, Part) and strategy.root.family == family):
                    self._problem(f"{key}[{number}]", f"{strategy} is not a {family} alone")
        return ladder

    def _strategies(self, key: str, texts: Any) -> tuple[Strategy, ...]:
        if not (isinstance(texts, list) and all(isinstance(text, str) for text in texts)):
            self._problem(key, f"a list of strategies as text, not {texts!r}")
            return ()
        tried = [
            self._try(f"{key}[{number}]", partial(_strategy_of, text))
            for number, text in enumerate(texts, start=1)
        ]
        return tuple(strategy for strategy in tried if strategy is not None)

    def _hybrids(self) -> tuple[StrategyShape, ...]:
        texts = self.content.get("hybrids")
        if not isinstance(texts, list) or not texts:
            self._problem("hybrids", 'a list of shapes such as "2+1" or "1+1>1", for hybrids')
            return ()
        most = self.content.get("max_parts", 3)
        shapes = []
        for number, text in enumerate(texts, start=1):
            shape = _shape(text)
            if shape is None:
                self._problem(
                    f"hybrids[{number}]",
                    f'{text!r} is no hybrid: branches with a chain among them ("2+1"), or '
                    'branches and parts after them ("1+1>1")',
                )
            elif isinstance(most, int) and shape.n_parts > most:
                self._problem(f"hybrids[{number}]", f"{text} has more than max_parts={most}")
            else:
                shapes.append(shape)
        return tuple(dict.fromkeys(shapes))

    def _values(self, key: str, values: Any, check: Check) -> tuple[Scalar, ...]:
        if not isinstance(values, list) or not values:
            self._problem(key, f"a list of one or more values to choose from, not {values!r}")
            return ()
        plain = [value for value in values if isinstance(value, int | float | bool | str)]
        wrong = [f"{v!r} is no number, truth value or name" for v in values if v not in plain]
        wrong += [message for value in plain if (message := check(value))]
        wrong += [f"{value!r} stands in it twice" for value in _repeated(plain)]
        for message in dict.fromkeys(wrong):  # an unknown option is one problem, not one a value
            self._problem(key, message)
        return tuple(plain)

    def _names(
        self, key: str, valid: Collection[_Name], what: str, default: tuple[_Name, ...] = ()
    ) -> tuple[_Name, ...]:
        names = self.content.get(key, list(default))
        if not isinstance(names, list) or not names:
            self._problem(key, f"a list of one or more of {', '.join(valid)}, not {names!r}")
            return ()
        self._known([str(name) for name in names], valid, what, f"{key}: ")
        for name in _repeated(names):
            self._problem(key, f"{name!r} stands in it twice")
        return tuple(known for name in names for known in valid if known == name)

    def _texts(
        self, key: str, read: Callable[[str], Any], default: tuple[str, ...] = ()
    ) -> tuple[str, ...]:
        """A list of texts, each of which `read` takes without an error and says nothing of."""
        texts = self.content.get(key, list(default))
        if not isinstance(texts, list) or not texts or not all(isinstance(t, str) for t in texts):
            self._problem(key, f"a list of one or more texts, not {texts!r}")
            return ()
        for number, text in enumerate(texts, start=1):
            value = self._try(f"{key}[{number}]", partial(read, text))
            if isinstance(value, str):
                self._problem(f"{key}[{number}]", value)
        for text in _repeated(texts):
            self._problem(key, f"{text!r} stands in it twice")
        return tuple(texts)

    def _forbidden(self) -> tuple[Mapping[str, str], ...]:
        """Tables of columns and the values that may not meet."""
        tables = self.content.get("forbid", [])
        if not isinstance(tables, list) or not all(isinstance(each, dict) for each in tables):
            self._problem(
                "forbid", 'a list of tables: [[forbid]] and lines such as fusion = "sum"'
            )
            return ()
        for number, table in enumerate(tables, start=1):
            self._known(table, FORBID_KEYS, "column", f"forbid[{number}].")
            for key, value in table.items():
                if not isinstance(value, str):
                    self._problem(f"forbid[{number}].{key}", f"a text, not {value!r}")
        return tuple(tables)

    def _text(self, key: str) -> str:
        value = self.content.get(key)
        if not isinstance(value, str) or not value.strip():
            self._problem(key, "missing" if value is None else f"a line of text, not {value!r}")
        return str(value)

    def _number(self, key: str, low: int, high: int) -> int | None:
        value = self.content.get(key)
        right = isinstance(value, int) and not isinstance(value, bool) and low <= value <= high
        if value is not None and not right:
            self._problem(key, f"a whole number from {low} to {high}, not {value!r}")
        return value if right else None

    def _above_zero(self, key: str) -> float | None:
        value = self.content.get(key)
        if isinstance(value, int | float) and value is not True and 0 < value < math.inf:
            return float(value)
        if value is not None:
            self._problem(key, f"a number above 0, not {value!r}")
        return None

    def _table(self, parent: Mapping[str, Any], key: str, place: str = "") -> dict[str, Any]:
        value = parent.get(key, {})
        if isinstance(value, dict):
            return dict(value)
        self._problem(f"{place}{key}", f"a table, not {value!r}")
        return {}

    def _known(
        self, found: Collection[str], valid: Collection[str], what: str, place: str = ""
    ) -> None:
        for name in found:
            if name not in valid:
                self._problem(f"{place}{name}", str(unknown(what, name, valid)))

    def _try(self, key: str, make: Callable[[], _Name | Any]) -> Any:
        try:
            return make()
        except AutosynthError as error:
            self._problem(key, str(error))
            return None

    def _problem(self, key: str, text: str) -> None:
        self.problems.append(f"{key}: {text}")


def _place(table: str, key: str) -> str:
    """Where in a file stands what is kept at `family` or `family:kind`."""
    return f"{table}.{key.replace(':', '.')}"


def _shape(text: Any) -> StrategyShape | None:
    """The hybrid shape that `text` says, such as 2+1 or 1+1>1; None if it says none."""
    head, *tails = str(text).split(">")
    numbers = [*head.split("+"), *tails]
    if len(tails) > 1 or not all(number.isdecimal() and int(number) > 0 for number in numbers):
        return None
    branches, tail = tuple(map(int, head.split("+"))), int(tails[0]) if tails else 0
    is_hybrid = len(branches) > 1 and (tail > 0 or max(branches) > 1)
    return StrategyShape(branches=branches, tail=tail) if is_hybrid else None


def _repeated(values: list[Any]) -> Iterator[Any]:
    return (value for index, value in enumerate(values) if value in values[:index])


def _strategy_of(text: str) -> Strategy:
    return without_aliases(parse(text))

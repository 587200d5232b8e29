"""What there is of a noun by name, and what other packages add to it by entry points.

An entry point of the noun's group names a class, or a value made of it, whose `name` is its own.
In the package's pyproject.toml, for a `Family` in `my_package/mixer.py` and a `Task` beside it:

    [project.entry-points."autosynth.components"]
    mixer = "my_package.mixer:Mixer"

    [project.entry-points."autosynth.tasks"]
    count = "my_package.count:Count"

A kind of input has two entry points of its name: a class of `autosynth.encoders`, and a value of
`autosynth.modalities`. A registry loads what the entry points name when it is imported itself, so
that who imports both imports AutoSynth first.

`TASKS` stands here, before options and specifications, which ask for names alone; each task is
loaded when it is first used.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from importlib.metadata import EntryPoint, entry_points
from typing import Any, TypeVar

from autosynth.errors import ConfigError, lookup

Thing = TypeVar("Thing")


def with_plugins(own: Mapping[str, Thing], group: str, kind: type) -> dict[str, Thing]:
    """The things given and those that other packages bring.

    Args:
        own: by name.
        group: of the entry points.
        kind: that each of them is of, with a `name`.

    Raises:
        ConfigError: an entry point cannot be loaded or is of another kind, or its name is taken.
    """
    return _joined(own, group, lambda point: _loaded(point, kind))


def with_plugin_classes(own: Mapping[str, Thing], group: str, base: type) -> dict[str, Thing]:
    """As `with_plugins`, of classes derived from `base`, whose `kind` is their name.

    Raises:
        ConfigError: an entry point cannot be loaded or is no such class, or its name is taken.
    """

    def loaded(point: EntryPoint) -> Any:
        made = _load(point)
        is_one = isinstance(made, type) and issubclass(made, base)
        if not is_one or getattr(made, "kind", None) != point.name:
            raise _wrong(point, base, f"as a class whose kind is {point.name!r}", made)
        return made

    return _joined(own, group, loaded)


def _joined(
    own: Mapping[str, Thing], group: str, loaded: Callable[[EntryPoint], Thing]
) -> dict[str, Thing]:
    found = dict(own)
    for point in entry_points(group=group):
        thing = loaded(point)
        if point.name in found:
            raise _taken(point)
        found[point.name] = thing
    return found


class Registry(Mapping[str, Any]):
    """Things by name, ours and those of other packages, each loaded when it is first asked for.

    Ours are said as entry points say theirs, `module:name`, and so is the kind that all are of.
    Names cost nothing, and tell a user what there is before anything heavy is loaded.
    """

    def __init__(self, own: Mapping[str, str], group: str, kind: str) -> None:
        self._own, self._group, self._kind = own, group, kind
        self._found: dict[str, Any] = {}

    @cached_property
    def _names(self) -> list[str]:
        points = entry_points(group=self._group)
        return list(dict.fromkeys([*self._own, *(point.name for point in points)]))

    def __getitem__(self, name: str) -> Any:
        if name not in self._found:
            lookup(dict.fromkeys(self), name, _noun(self._group))
            at = self._own.get(name)
            ours = [EntryPoint(name, at, self._group)] if at else []
            point, *others = [*ours, *entry_points(group=self._group, name=name)]
            if others:
                raise _taken(others[0])
            self._found[name] = _loaded(point, EntryPoint(name, self._kind, self._group).load())
        return self._found[name]

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def _loaded(point: EntryPoint, kind: type) -> Any:
    loaded = _load(point)
    is_class = isinstance(loaded, type) and issubclass(loaded, kind)
    thing = loaded() if is_class else loaded
    if not isinstance(thing, kind) or getattr(thing, "name", None) != point.name:
        raise _wrong(point, kind, f"whose name is {point.name!r}", thing)
    return thing


def _load(point: EntryPoint) -> Any:
    try:
        return point.load()
    except (ImportError, AttributeError) as error:
        raise ConfigError(
            f"{_place(point)} cannot be loaded: {error}; import AutoSynth before it, mend the "
            "package that brings it, or uninstall it"
        ) from error


def _wrong(point: EntryPoint, kind: type, which: str, thing: object) -> ConfigError:
    public = f"{kind.__module__.rpartition('.')[0]}.{kind.__name__}"
    return ConfigError(
        f"{_place(point)} must give an {public} {which}, not {thing!r}; mend the package that "
        "brings it, or uninstall it"
    )


def _taken(point: EntryPoint) -> ConfigError:
    noun = _noun(point.group)
    return ConfigError(f"{_place(point)}: there is a {noun} of that name already; rename it")


def _place(point: EntryPoint) -> str:
    return f"the entry point {point.name!r} = {point.value!r} of {point.group}"


def _noun(group: str) -> str:
    """What one of a group is called: `component` of `autosynth.components`."""
    plural = group.rpartition(".")[2]
    return f"{plural[:-3]}y" if plural.endswith("ies") else plural.removesuffix("s")


MULTITASK = "multitask"
"""The task of several targets together, each of which has one of its own; nobody asks for it."""

TASKS = Registry(
    {
        "classification": "autosynth.task.classification:Classification",
        "multilabel": "autosynth.task.multilabel:Multilabel",
        "regression": "autosynth.task.regression:Regression",
        "forecasting": "autosynth.task.forecasting:Forecasting",
        "ranking": "autosynth.task.ranking:Ranking",
        MULTITASK: "autosynth.task.multitask:Multitask",
    },
    "autosynth.tasks",
    "autosynth.task.task:Task",
)
"""The tasks by name, one a file of `autosynth/task`; an entry's value says where it is."""

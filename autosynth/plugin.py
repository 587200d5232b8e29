"""What there is of a noun by name, and what other packages add to it by entry points.

An entry point of the noun's group names a class, or a value made of it, whose `name` is its own.
In the package's pyproject.toml, for a `Family` in `my_package/mixer.py`:

    [project.entry-points."autosynth.components"]
    mixer = "my_package.mixer:Mixer"

A kind of input has two entry points of its name: one in `autosynth.encoders`, of a class, and one
in `autosynth.modalities`. They are loaded when the registry is imported, so that who imports their
modules alone imports AutoSynth first.
"""

from collections.abc import Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Any, TypeVar

from autosynth.errors import ConfigError

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
    found = dict(own)
    for point in entry_points(group=group):
        thing = _loaded(point, kind)
        if point.name in found:
            raise _taken(point)
        found[point.name] = thing
    return found


def with_plugin_classes(own: Mapping[str, Thing], group: str, base: type) -> dict[str, Thing]:
    """As `with_plugins`, of classes derived from `base`, each with its name as its `kind`."""
    found = dict(own)
    for point in entry_points(group=group):
        loaded = _object(point)
        is_class = isinstance(loaded, type) and issubclass(loaded, base)
        if not is_class or getattr(loaded, "kind", None) != point.name:
            raise _wrong(point, base, f"as a class whose kind is {point.name!r}", loaded)
        if point.name in found:
            raise _taken(point)
        found[point.name] = loaded
    return found


def _object(point: EntryPoint) -> Any:
    try:
        return point.load()
    except (ImportError, AttributeError) as error:
        raise ConfigError(
            f"{_place(point)} cannot be loaded: {error}; import AutoSynth before it, mend the "
            "package that brings it, or uninstall it"
        ) from error


def _loaded(point: EntryPoint, kind: type) -> Any:
    loaded = _object(point)
    is_class = isinstance(loaded, type) and issubclass(loaded, kind)
    thing = loaded() if is_class else loaded
    if not isinstance(thing, kind) or getattr(thing, "name", None) != point.name:
        raise _wrong(point, kind, f"whose name is {point.name!r}", thing)
    return thing


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

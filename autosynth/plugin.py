"""What other packages bring: an entry point names a part of its own for one of our registries.

In the package's pyproject.toml, for a component family, a `Family` in `my_package/mixer.py`:

    [project.entry-points."autosynth.components"]
    mixer = "my_package.mixer:Mixer"

A kind of input has two entry points of its name: a class of `autosynth.encoders`, and a part of
`autosynth.modalities`. A registry loads what the entry points name when it is imported itself, so
that who imports both imports AutoSynth first.
"""

from collections.abc import Iterator, Mapping
from importlib.metadata import entry_points
from typing import Any, TypeVar

from autosynth.errors import ConfigError

_Part = TypeVar("_Part")


def with_plugins(own: Mapping[str, _Part], group: str, kind: type[_Part]) -> dict[str, _Part]:
    """The parts given and those that other packages bring, by name.

    Args:
        own: the parts of this package.
        group: of the entry points. One names a `kind`, or a class of them without arguments.
        kind: what each part is; it has a `name`.

    Raises:
        ConfigError: an entry point cannot be loaded or is no such part, or its name is taken.
    """
    found = dict(own)
    for name, place, loaded in _loaded(group):
        is_class = isinstance(loaded, type) and issubclass(loaded, kind)
        part = loaded() if is_class else loaded
        if not isinstance(part, kind) or getattr(part, "name", "") != name:
            raise _wrong(name, place, part, kind, f"whose name is {name!r}")
        _add(found, name, place, part, kind)
    return found


def with_plugin_classes(
    own: Mapping[str, type[_Part]], group: str, base: type[_Part]
) -> dict[str, type[_Part]]:
    """As `with_plugins`, of classes derived from `base`, whose `kind` is their name.

    Raises:
        ConfigError: an entry point cannot be loaded or is no such class, or its name is taken.
    """
    found = dict(own)
    for name, place, loaded in _loaded(group):
        is_one = isinstance(loaded, type) and issubclass(loaded, base)
        if not is_one or getattr(loaded, "kind", "") != name:
            raise _wrong(name, place, loaded, base, f"as a class, whose kind is {name!r}")
        _add(found, name, place, loaded, base)
    return found


def _loaded(group: str) -> Iterator[tuple[str, str, Any]]:
    """The name, the place for messages, and the object of each entry point."""
    for point in entry_points(group=group):
        place = f"the entry point {point.name!r} = {point.value!r} of {group}"
        try:
            loaded = point.load()
        except (ImportError, AttributeError) as error:
            raise ConfigError(
                f"{place} cannot be loaded: {error}; import AutoSynth before it, mend the package "
                "that brings it, or uninstall it"
            ) from error
        yield point.name, place, loaded


def _wrong(name: str, place: str, part: object, kind: type, which: str) -> ConfigError:
    package = kind.__module__.rpartition(".")[0]
    return ConfigError(
        f"{place} must give an {package}.{kind.__name__} {which}, not {part!r}; mend the package "
        "that brings it, or uninstall it"
    )


def _add(found: dict[str, Any], name: str, place: str, part: object, kind: type) -> None:
    if name in found:
        what = "component" if kind.__name__ == "Family" else kind.__name__.lower()
        raise ConfigError(f"{place}: there is a {what} of that name already; rename it")
    found[name] = part

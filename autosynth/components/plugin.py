"""Families of other packages: an entry point of the group `autosynth.components` names one.

In the package's pyproject.toml, for a `Family` in `my_package/mixer.py`:

    [project.entry-points."autosynth.components"]
    mixer = "my_package.mixer:Mixer"
"""

from collections.abc import Mapping
from importlib.metadata import entry_points

from autosynth.components.family import Family
from autosynth.errors import ConfigError

ENTRY_POINT_GROUP = "autosynth.components"


def with_plugins(own: Mapping[str, Family]) -> dict[str, Family]:
    """The families given and those that other packages bring.

    Raises:
        ConfigError: an entry point is no family, or its name is taken.
    """
    found = dict(own)
    for point in entry_points(group=ENTRY_POINT_GROUP):
        loaded = point.load()
        family = loaded() if isinstance(loaded, type) else loaded
        place = f"the entry point {point.name!r} = {point.value!r} of {ENTRY_POINT_GROUP}"
        if not isinstance(family, Family) or family.name != point.name:
            raise ConfigError(
                f"{place} must give an autosynth.components.Family whose name is {point.name!r}, "
                f"not {family!r}; mend the package that brings it, or uninstall it"
            )
        if point.name in found:
            raise ConfigError(f"{place}: there is a component of that name already; rename it")
        found[point.name] = family
    return found

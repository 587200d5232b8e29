"""What a space file may name: families and their options, fusions, sharings, settings.

The one place where the search asks the registries of what can be built and how it can be trained.
"""

from collections.abc import Mapping
from typing import cast

from autosynth.components import FAMILIES, Config
from autosynth.composite import FUSIONS, SETTINGS, SHARING
from autosynth.errors import unknown
from autosynth.strategy import Value


def families() -> tuple[str, ...]:
    """The names of the component families."""
    return tuple(FAMILIES)


def fusions() -> tuple[str, ...]:
    """The names of the fusions."""
    return tuple(FUSIONS)


def sharings() -> tuple[str, ...]:
    """The names of the sharing schemes."""
    return tuple(SHARING)


def check_option(family: str, option: str, value: Value) -> str | None:
    """What is wrong with a value of an option of a family, or None."""
    options = FAMILIES[family].options
    if option not in options:
        return str(unknown("option", option, options, f"of {family}"))
    return options[option].check(value)


def check_config(family: str, config: Mapping[str, Value]) -> str | None:
    """What is wrong with options that are each valid alone, or None."""
    filled = {
        name: option.low if option.default is None else option.default
        for name, option in FAMILIES[family].options.items()
    }
    return FAMILIES[family].problem(cast("Config", {**filled, **config}))


def check_setting(name: str, value: Value) -> str | None:
    """What is wrong with a value of a setting of the training, or None."""
    if name not in SETTINGS:
        return str(unknown("setting", name, SETTINGS))
    return SETTINGS[name].check(value)

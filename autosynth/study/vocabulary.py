"""What a space file may name: families and their options, fusions, sharings, settings.

The one place where the search asks the registries of what can be built and how it can be trained.
"""

from collections.abc import Mapping, Sequence
from typing import cast

from autosynth.components import FAMILIES, Config
from autosynth.composite import FUSIONS, INITS, SETTINGS, SHARING
from autosynth.composite.canonical import canonicalise
from autosynth.composite.fusion import Args
from autosynth.errors import StrategyError, UnknownNameError, lookup, unknown
from autosynth.spec import InputSpec
from autosynth.strategy import Fusion, Scalar, parse

_SERIES = InputSpec(name="x", kind="series", shape=(1, 64))


def families() -> tuple[str, ...]:
    """The names of the component families."""
    return tuple(FAMILIES)


def has_layers(family: str) -> bool:
    """Whether a family has layers that it could share: not, where it brings a whole network."""
    return not stem_kinds(family)


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


def is_ordered_fusion(method: str) -> bool:
    """Whether the order of a fusion's parts matters."""
    return FUSIONS[method].ordered


def inner(fusions: Sequence[str]) -> tuple[str, ...]:
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


def inits() -> tuple[str, ...]:
    """What a network can begin from."""
    return tuple(INITS)


def sharings() -> tuple[str, ...]:
    """The names of the sharing schemes."""
    return tuple(SHARING)


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

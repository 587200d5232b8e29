"""What functions take options by keywords: wrong ones are refused in our words, help tells each.

Takes a function with options among its parameters, or `**keywords` of `DataArguments`; gives one
with a signature and a docstring of all of them.
"""

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import Field, fields
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from autosynth.errors import ArgumentError, AutosynthError, ConfigError, together, unknown
from autosynth.number import brief_repr, is_above
from autosynth.options import (
    DATA_NAMES,
    DataArguments,
    DataConfig,
    Options,
    option_of,
    problems,
)

P = ParamSpec("P")
R = TypeVar("R")

_FIRST_NAMES = {"source": "data"}  # of arguments, in the first version of `search`


def takes_options(function: Callable[P, R]) -> Callable[P, R]:
    """`function`, which refuses a wrong keyword in our words, and whose `help` says each option.

    `**keywords` of `DataArguments` show in the signature as the fields of `DataConfig`.

    Raises:
        ArgumentError: when called with a keyword that it does not take, with the nearest name, and
            with what is wrong of the other options.
    """
    shown = _signature(function)
    names = [name for name in shown.parameters if name != "self"]

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        for old, new in _FIRST_NAMES.items():
            if new in names and old in kwargs:
                kwargs[new] = kwargs.pop(old)
        wrong = [name for name in kwargs if name not in names]
        found = [*_problems_of_call(kwargs)]
        if wrong:
            of = type(args[0]).__name__ if function.__name__ == "__init__" else function.__name__
            found = [*(unknown("argument", name, names, f"of {of}") for name in wrong), *found]
            raise ArgumentError(str(together([*found, *problems(Options, kwargs)])))
        if found:
            raise together([*found, *problems(Options, kwargs)])
        return function(*args, **kwargs)

    lines = [f"    {f.name}: {_about(f)}." for f in fields(Options) if f.name in names]
    text = "\n".join([inspect.cleandoc(function.__doc__ or ""), "", "Options:", *lines])
    call.__dict__["__signature__"], call.__doc__ = shown, text
    return call


_TELLS = ("say", "trial", "status")  # what a search asks of a `progress.Progress`


def _problems_of_call(given: Mapping[str, Any]) -> Iterator[AutosynthError]:
    """What is wrong with keywords that are no options of the command line."""
    progress, started, epochs = map(given.get, ("progress", "started", "epochs"))
    if progress is not None and not all(callable(getattr(progress, n, None)) for n in _TELLS):
        yield ConfigError(
            f"progress has the methods {', '.join(_TELLS)}, as autosynth.progress.Progress, not "
            f"{brief_repr(progress)}"
        )
    if started is not None and not is_above(started, 0.0):
        yield ConfigError(f"started is a time.monotonic(), not {brief_repr(started)}")
    if epochs is not None and not is_above(epochs, 0.0):
        yield ConfigError(f"epochs is a number above zero, not {brief_repr(epochs)} (--epochs)")


def _about(each: "Field[Any]") -> str:
    known = option_of(each)
    choices = f": {', '.join(known.choices)}" if known.choices else ""
    return f"{known.help}{choices}{'; one or several' if known.repeat else ''}"


def _signature(function: Callable[..., Any]) -> inspect.Signature:
    """The parameters, with the fields of `DataConfig` for any keywords."""
    plain = inspect.signature(function)
    own = [p for p in plain.parameters.values() if p.kind is not p.VAR_KEYWORD]
    if len(own) < len(plain.parameters):
        own += [
            inspect.Parameter(
                each.name,
                inspect.Parameter.KEYWORD_ONLY,
                default=each.default,
                annotation=DataArguments.__annotations__[each.name],
            )
            for each in fields(DataConfig)
            if each.name in DATA_NAMES
        ]
    return plain.replace(parameters=own)

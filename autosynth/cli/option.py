"""What can be asked: a parser whose errors are AutoSynth's own, and options commands share."""

import argparse
from collections.abc import Callable, Iterable
from dataclasses import Field, dataclass, fields
from typing import Any, NoReturn

from autosynth.errors import ConfigError, unknown
from autosynth.options import DataConfig, Options, flags_of, option_of

_THOUSANDS = {"k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}

Call = Callable[[argparse.Namespace], int | None]
"""Runs a command; gives its exit code where that is not 0."""


class Parser(argparse.ArgumentParser):
    """Bad usage is an error like any other."""

    @property
    def options(self) -> list[str]:
        """The long names of the options."""
        names = (name for action in self._actions for name in action.option_strings)
        return [name for name in names if name.startswith("--")]

    def error(self, message: str) -> NoReturn:
        """Raise ConfigError."""
        raise ConfigError(f"{message}; `{self.prog} --help` says what there is")


@dataclass(frozen=True, kw_only=True)
class Command:
    """One command: `add_arguments` gives its parser arguments, `call` runs it."""

    name: str
    about: str
    call: Call
    add_arguments: Callable[[Parser], None] = lambda parser: None

    def add_to(self, group: Any) -> Parser:
        """Its parser, in a group of subparsers."""
        parser = group.add_parser(self.name, description=f"{self.about}.", allow_abbrev=False)
        assert isinstance(parser, Parser)
        parser.set_defaults(call=self.call)
        self.add_arguments(parser)
        return parser


def one_of(what: str, names: Iterable[str]) -> Callable[[str], str]:
    """Reads a name in `names`, or raises UnknownNameError with the nearest."""

    def read(text: str) -> str:
        if text not in names:
            raise unknown(what, text, names, f"(--{what})")
        return text

    return read


def several_of(what: str, names: Iterable[str]) -> Callable[[str], tuple[str, ...]]:
    """Reads names of `names` with commas between, each once."""
    read_one = one_of(what, tuple(names))

    def read(text: str) -> tuple[str, ...]:
        return tuple(dict.fromkeys(read_one(name.strip()) for name in text.split(",")))

    return read


def whole(least: int) -> Callable[[str], int]:
    """Reads a whole number of `least` or more; 5M and 5e6 are understood."""

    def read(text: str) -> int:
        scaled = text[-1:] in _THOUSANDS
        try:
            number = float(text[:-1]) * _THOUSANDS[text[-1]] if scaled else float(text)
        except ValueError:
            number = float("nan")
        if not (least <= number < float("inf")) or not number.is_integer():
            raise argparse.ArgumentTypeError(
                f"must be a whole number of at least {least}, not {text!r}"
            )
        return int(number)

    return read


def above(low: float) -> Callable[[str], float]:
    """Reads a number over `low`."""

    def read(text: str) -> float:
        try:
            number = float(text)
        except ValueError:
            number = float("nan")
        if not low < number < float("inf"):
            raise argparse.ArgumentTypeError(f"must be a number above {low:g}, not {text!r}")
        return number

    return read


def _pair(text: str) -> tuple[str, str]:
    """NAME=KIND."""
    name, mark, kind = text.rpartition("=")
    if not (name and mark and kind):
        raise argparse.ArgumentTypeError(f"must be NAME=KIND, such as zip=category, not {text!r}")
    return name, kind


def data_argument(parser: Parser) -> None:
    """The data that a command learns from."""
    parser.add_argument("data", metavar="DATA", help="a path, or the name of a built-in set")


def add_options(parser: Parser, kind: type[DataConfig], *more: str) -> None:
    """A flag for each field of `kind`, and for those of `Options` that are named."""
    own = [each.name for each in fields(kind)]
    for each in fields(Options):
        if each.name in (*own, *more):
            _add(parser, each)


def _add(parser: Parser, each: "Field[Any]") -> None:
    known, flags = option_of(each), flags_of(each)
    if isinstance(each.default, bool):
        about = f"do not {known.help}" if each.default else known.help
        action = "store_false" if each.default else "store_true"
        parser.add_argument(*flags, dest=each.name, action=action, help=about)
        return
    several = known.repeat or known.pairs
    about = ", ".join(known.choices) or known.help
    about += "; repeat" if several else ""
    about += f" ({each.default})" if each.default not in (None, ()) else ""
    parser.add_argument(
        *flags,
        dest=each.name,
        metavar=known.metavar,
        help=about,
        type=_reader(each),
        **({"action": "append", "default": []} if several else {"default": each.default}),
    )


def _reader(each: "Field[Any]") -> Callable[[str], Any]:
    known = option_of(each)
    if known.choices:
        return one_of(each.name, known.choices)
    if known.least is not None:
        return whole(known.least)
    if known.above is not None:
        return above(known.above)
    return _pair if known.pairs else str


def options_of(args: argparse.Namespace) -> dict[str, Any]:
    """The arguments that are options, as `search` takes them."""
    return {each.name: getattr(args, each.name) for each in fields(Options) if each.name in args}


def format_argument(parser: Parser, *forms: str) -> None:
    """The form that a command shows what it found in; the first if none is named."""
    parser.add_argument(
        "--format",
        type=one_of("format", forms),
        default=forms[0],
        metavar="F",
        help=f"{', '.join(forms)} ({forms[0]})",
    )


def run_argument(parser: Parser) -> None:
    """Which run a command is about."""
    parser.add_argument("run", metavar="RUN", nargs="?", help="folder of a run (the latest)")

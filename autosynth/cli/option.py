"""What can be asked: a parser whose errors are AutoSynth's own, and options commands share."""

import argparse
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, NoReturn

from autosynth.errors import ConfigError, unknown

_TASKS = ("classification", "multilabel", "regression", "forecasting", "ranking")
_THOUSANDS = {"k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}

Call = Callable[[argparse.Namespace], None]


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


def _pair(text: str) -> tuple[str, str]:
    """NAME=KIND."""
    name, mark, kind = text.rpartition("=")
    if not (name and mark and kind):
        raise argparse.ArgumentTypeError(f"must be NAME=KIND, such as zip=category, not {text!r}")
    return name, kind


def data_options(parser: Parser) -> None:
    """What every command that reads data to learn from takes; `data_of` reads it."""
    add = parser.add_argument
    add("data", metavar="DATA", help="a path, or the name of a built-in set")
    add("--target", action="append", default=[], metavar="COL", help="column to predict; repeat")
    add("--test", metavar="DATA", help="data of the same form to test on")
    add("--validation", metavar="DATA", help="data of the same form to choose on")
    add("--task", type=one_of("task", _TASKS), metavar="T", help=" or ".join(_TASKS))
    add("--drop", action="append", default=[], metavar="COL", help="column to leave out; repeat")
    add("--keep", action="append", default=[], metavar="COL",
        help="column to use though it looks like an id; repeat")  # fmt: skip
    add("--column", action="append", default=[], metavar="NAME=KIND", type=_pair,
        help="read a column as number, category, text, date, image or audio; repeat")  # fmt: skip
    add("--group", metavar="COL", help="column of which no value stands in two splits")
    add("--time", metavar="COL", help="column by which later rows are held out")
    add("--horizon", type=whole(1), metavar="N", help="steps to forecast")
    add("--history", type=whole(1), metavar="N", help="steps a forecast reads (some periods)")
    # Of interactions, whose target is the item that a user has next.
    add("--user", metavar="COL", help="column of users, for the task ranking")
    add("--features", action="append", default=[], metavar="FILE",
        help="table about users or items; repeat")  # fmt: skip
    add("--seed", type=whole(0), default=0, metavar="N", help="of all randomness (0)")


def data_of(args: argparse.Namespace) -> dict[str, Any]:
    """The keyword arguments of `data.load`."""
    names = (
        *("target", "test", "validation", "task", "drop", "keep", "group", "time"),
        *("horizon", "history", "user", "features", "seed"),
    )
    return {"columns": dict(args.column), **{name: getattr(args, name) for name in names}}


def training_options(parser: Parser) -> None:
    """What every command that trains takes."""
    add = parser.add_argument
    add("--metric", metavar="M", help="what is maximised (accuracy, r2, ...)")
    add("--budget", metavar="TIME", help="wall clock, such as 90s, 10m or 1h30m")
    add("--device", default="auto", metavar="D", help="auto, cpu or cuda (auto)")
    add("-o", "--out", metavar="DIR", help="folder of what it leaves (a new one under results)")


def run_argument(parser: Parser) -> None:
    """Which run a command is about."""
    parser.add_argument("run", metavar="RUN", nargs="?", help="folder of a run (the latest)")

"""`autosynth`: arguments to one command, and how a process ends.

Arguments are checked before anything heavy is loaded: the commands import PyTorch, pandas and
optuna when they are called, so that `--help` and a mistyped option answer at once.
"""

import argparse
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Any

from autosynth import __version__
from autosynth.cli import listing, model, run
from autosynth.cli.option import Command, Parser
from autosynth.cli.text import columns, tell
from autosynth.errors import AutosynthError, lacking, unknown

COMMANDS: dict[str, Command] = {
    command.name: command
    for command in (
        run.SEARCH,
        run.LEADERBOARD,
        run.EXPORT,
        model.PREDICT,
        model.EVALUATE,
        model.VERIFY,
        run.TRAIN,
        listing.INSPECT,
        run.REPORT,
        listing.DATASETS,
        listing.SPACES,
        listing.COMPONENTS,
    )
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command, and say with what exit code the process should end.

    Args:
        argv: the arguments after the program's name; those of this process if left out.

    Returns:
        0; 2 for what the user can mend, with one message on standard error, also where the machine
        has too little memory, disk or files; 3 after a search that
        fitted nothing at all; 130 after Ctrl-C, and after a signal to end or that the terminal is
        gone, also of a search that then shows what is done; 141 where the reader of the output
        went away. Anything else that goes wrong is a bug: it is raised.
    """
    started = time.monotonic()  # a budget counts from here, and so takes in what is loaded late
    # Before PyTorch is loaded: threads that wait spinning, beside other work on a machine, have
    # made a training of a second take 46.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        args = _parse(list(sys.argv[1:] if argv is None else argv))
        args.started = started
        with interrupts():
            code = args.call(args) or 0
            sys.stdout.flush()
    except AutosynthError as problem:
        tell(f"autosynth: {problem}")
        return 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # as in `autosynth leaderboard | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for the flush at exit
        return 141
    except (OSError, RuntimeError, ImportError, MemoryError, SystemError) as problem:
        if not (lack := lacking(problem)):
            raise
        tell(f"autosynth: {lack}")
        return 2
    return code


@contextmanager
def interrupts() -> Iterator[None]:
    """Have the signals that end a process do what Ctrl-C does, while the block runs.

    What asks a process to end (a scheduler, a terminal that is closed) is to find its work kept
    and its children gone. A signal that is ignored, as by `nohup`, stays so.
    """

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before: dict[int, Any] = {}
    if threading.current_thread() is threading.main_thread():  # no other is given any
        for name in ("SIGTERM", "SIGHUP"):  # the second is not on Windows
            number = getattr(signal, name, None)
            if number is not None and signal.getsignal(number) is signal.SIG_DFL:
                before[number] = signal.signal(number, interrupt)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _parse(argv: list[str]) -> argparse.Namespace:
    parser = Parser(
        prog="autosynth",
        allow_abbrev=False,
        usage="autosynth COMMAND ... [--help]",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Searches compositions of neural networks, and shows what each pays for its "
        "cost.",
        epilog="\n".join(
            ["commands:", *columns([(f"  {c.name}", c.about) for c in COMMANDS.values()])]
        ),
    )
    parser.add_argument("--version", action="version", version=f"autosynth {__version__}")
    group: Any = parser.add_subparsers(prog=parser.prog, help=argparse.SUPPRESS, dest="command")
    parsers = {name: command.add_to(group) for name, command in COMMANDS.items()}
    if argv and not argv[0].startswith("-") and argv[0] not in COMMANDS:
        raise unknown("command", argv[0], COMMANDS)
    args, rest = parser.parse_known_args(argv)
    asked = parsers.get(args.command, parser)
    for word in rest:
        if word.startswith("-"):
            raise unknown("option", word.partition("=")[0], asked.options, f"of {asked.prog}")
    if rest:
        asked.error(f"unexpected argument {rest[0]!r}")
    if args.command is None:
        parser.error("name a command")
    return args

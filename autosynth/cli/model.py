"""The command that uses a model: `predict`."""

import argparse
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from autosynth.atomic import atomic_path
from autosynth.cli.option import Command, Parser
from autosynth.cli.text import put


def _predict(args: argparse.Namespace) -> None:
    from autosynth.bundle import load

    model, rows = load(args.model), 0
    with warnings.catch_warnings(record=True) as caught, _written(args.out) as file:
        warnings.simplefilter("always", UserWarning)
        for frame in model.predict_parts(args.data):
            _tell(caught)
            title = frame.index.name or "row"
            file.write(frame.to_csv(header=not rows, index_label=title, lineterminator="\n"))
            rows += len(frame)
        _tell(caught)
    if args.out is not None:
        put(f"{rows} predictions in {args.out}")


@contextmanager
def _written(out: str | None) -> Iterator[TextIO]:
    """A file that is there when all of it is, or standard output."""
    if out is None:
        yield sys.stdout
        return
    with atomic_path(Path(out)) as path, path.open("w", encoding="utf-8", newline="") as file:
        yield file


def _tell(caught: "list[warnings.WarningMessage]") -> None:
    for warning in caught:
        sys.stderr.write(f"warning: {warning.message}\n")
    caught.clear()


def _options(parser: Parser) -> None:
    add = parser.add_argument
    add("model", metavar="MODEL", help="folder of a bundle")
    add("data", metavar="DATA", help="in the form the search took; needs no target")
    add("-o", "--out", metavar="FILE", help="csv file (standard output)")


PREDICT = Command(
    name="predict", about="predict with a bundle", call=_predict, add_arguments=_options
)

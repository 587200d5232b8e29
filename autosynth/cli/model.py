"""The command that uses a model: `predict`."""

import argparse
import sys
import warnings
from pathlib import Path

from autosynth.cli.option import Command, Parser
from autosynth.cli.text import put
from autosynth.record import write_text_atomic


def _predict(args: argparse.Namespace) -> None:
    from autosynth.bundle import load

    model = load(args.model)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        frame = model.predict(args.data)
    for warning in caught:
        sys.stderr.write(f"warning: {warning.message}\n")
    text = frame.to_csv(index_label=frame.index.name or "row", lineterminator="\n")
    if args.out is None:
        sys.stdout.write(text)
    else:
        write_text_atomic(Path(args.out), text)
        put(f"{len(frame)} predictions in {args.out}")


def _options(parser: Parser) -> None:
    add = parser.add_argument
    add("model", metavar="MODEL", help="folder of a bundle")
    add("data", metavar="DATA", help="in the form the search took; needs no target")
    add("-o", "--out", metavar="FILE", help="csv file (standard output)")


PREDICT = Command(name="predict", about="predict with a bundle", call=_predict, fill=_options)

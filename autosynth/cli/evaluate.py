"""The command that scores a model on labelled data: `evaluate`."""

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from autosynth.atomic import write_text_atomic
from autosynth.cli.option import Command, Parser, format_argument, whole
from autosynth.cli.scores import lines_of
from autosynth.cli.text import put, width

if TYPE_CHECKING:
    from autosynth.bundle import Evaluation


def _evaluate(args: argparse.Namespace) -> None:
    from autosynth.bundle import evaluate

    found = evaluate(
        args.model, args.data, target=args.target, corrupt=args.corrupt, seed=args.seed
    )
    if args.format != "table" or args.out is not None:  # a table says it itself
        sys.stderr.writelines(f"warning: {text}\n" for text in found.warnings)
        sys.stderr.writelines(f"left out: {e.rows} rows {e.reason}\n" for e in found.left_out)
    text = _text(found, args.format, None if args.out else width())
    if args.out is None:
        sys.stdout.write(text)
    else:
        write_text_atomic(Path(args.out), text)
        score = found.scores.loc[found.metric, "score"]
        put(f"{found.metric} {score:.4f} on {found.rows} rows; all of it in {args.out}")


def _text(found: "Evaluation", form: str, limit: int | None) -> str:
    if form == "json":
        return json.dumps(found.to_plain(), indent=1, allow_nan=False) + "\n"
    if form == "csv":
        return str(found.tidy().to_csv(index=False, lineterminator="\n"))
    return "".join(f"{line}\n" for line in lines_of(found, limit))


def _options(parser: Parser) -> None:
    add = parser.add_argument
    add("model", metavar="MODEL", help="folder of a bundle, or of a run that holds one")
    add("data", metavar="DATA", help="labelled, in the form the search took")
    add(
        "--target",
        action="append",
        default=[],
        metavar="COL",
        help="column of the true values, if it is named otherwise now; repeat",
    )
    add("--corrupt", action="store_true", help="score damaged inputs too, by severity")
    add("--seed", type=whole(0), default=0, metavar="N", help="of all randomness (0)")
    format_argument(parser, "table", "csv", "json")
    add("-o", "--out", metavar="FILE", help="file (standard output)")


EVALUATE = Command(
    name="evaluate",
    about="score a bundle on labelled data, and on the same data damaged",
    call=_evaluate,
    add_arguments=_options,
)

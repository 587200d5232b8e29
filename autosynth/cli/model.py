"""The commands that use a model: `predict`, and `evaluate` on labelled data."""

import argparse
import json
import sys
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from autosynth.atomic import atomic_path, write_text_atomic
from autosynth.cli.option import Command, Parser, format_argument, whole
from autosynth.cli.text import lines_of, put, width

if TYPE_CHECKING:
    import pandas as pd

    from autosynth.bundle import Evaluation


def _predict(args: argparse.Namespace) -> None:
    from autosynth.bundle import load

    put_predictions(load(args.model).predict_parts(args.data), args.out)


def put_predictions(frames: "Iterable[pd.DataFrame]", out: str | None) -> None:
    """Write frames under one title, one after another, to a file or to standard output."""
    rows = 0
    with warnings.catch_warnings(record=True) as caught, _written(out) as file:
        warnings.simplefilter("always", UserWarning)
        for frame in frames:
            _tell(caught)
            title = frame.index.name or "row"
            file.write(frame.to_csv(header=not rows, index_label=title, lineterminator="\n"))
            rows += len(frame)
        _tell(caught)
    if out is not None:
        put(f"{rows} predictions in {out}")


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


def _predict_options(parser: Parser) -> None:
    add = parser.add_argument
    add("model", metavar="MODEL", help="folder of a bundle")
    add("data", metavar="DATA", help="in the form the search took; needs no target")
    add("-o", "--out", metavar="FILE", help="csv file (standard output)")


PREDICT = Command(
    name="predict", about="predict with a bundle", call=_predict, add_arguments=_predict_options
)


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


def _evaluate_options(parser: Parser) -> None:
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
    add_arguments=_evaluate_options,
)

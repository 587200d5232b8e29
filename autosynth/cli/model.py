"""The commands that use a model: `predict`, `evaluate` on labelled data, and `verify`."""

import argparse
import json
import os
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from autosynth.atomic import atomic_path, write_text_atomic
from autosynth.cli.option import Command, Parser, format_argument, whole
from autosynth.cli.text import lines_of, put, put_text, tell, width
from autosynth.loading import quick_imports

if TYPE_CHECKING:
    import pandas as pd

    from autosynth.bundle import Evaluation


# = + - @ begin a formula; a tab or the end of a line before them is passed over.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def _predict(args: argparse.Namespace) -> None:
    with quick_imports():
        from autosynth.bundle import load

    frames: Iterable[pd.DataFrame] = load(args.model).predict_parts(args.data)
    put_predictions(map(spreadsheet_safe, frames) if args.spreadsheet_safe else frames, args.out)


def spreadsheet_safe(frame: "pd.DataFrame") -> "pd.DataFrame":
    """A frame in whose cells, names of rows and titles a spreadsheet finds no formula."""
    safe = frame.rename(columns=_quoted)
    for name in safe.columns:
        if safe[name].dtype.kind not in "biuf":
            safe[name] = safe[name].map(_quoted)
    if safe.index.nlevels > 1:
        safe.index = safe.index.map(lambda names: tuple(map(_quoted, names)))
    else:
        safe.index = safe.index.map(_quoted)
    safe.index.names = [_quoted(name) for name in frame.index.names]
    return safe


def _quoted(value: Any) -> Any:
    """Text that a spreadsheet takes for a formula, with an apostrophe before it; else `value`."""
    if not isinstance(value, str) or not value.startswith(_FORMULA):
        return value
    try:
        float(value)
    except ValueError:
        return f"'{value}"
    return value  # -1 is a number there, too


def put_predictions(frames: "Iterable[pd.DataFrame]", out: str | None) -> None:
    """Write frames under one title, one after another, to a file or to standard output."""
    rows = 0
    out = None if _is_standard_output(out) else out
    with warnings.catch_warnings(record=True) as caught, _written(out) as file:
        warnings.simplefilter("always", UserWarning)
        for frame in frames:
            _tell(caught)
            title = frame.index.name or "row"
            text = frame.to_csv(header=not rows, index_label=title, lineterminator="\n")
            if file is None:
                put_text(text, is_data=True)
            else:
                file.write(text)
            rows += len(frame)
        _tell(caught)
    if out is not None:
        put(f"{rows} predictions in {out}")


@contextmanager
def _written(out: str | None) -> Iterator[TextIO | None]:
    """A file that is there when all of it is; None for standard output."""
    if out is None:
        yield None
        return
    with (
        atomic_path(Path(out)) as path,
        # Names of files are written back as the bytes that they are.
        path.open("w", encoding="utf-8", errors="surrogateescape", newline="") as file,
    ):
        yield file


def _is_standard_output(out: str | None) -> bool:
    """Whether a path, such as `/dev/stdout`, names what standard output goes to."""
    try:
        return out is not None and os.path.samestat(Path(out).stat(), os.fstat(1))
    except OSError:
        return False


def _tell(caught: "list[warnings.WarningMessage]") -> None:
    for warning in caught:
        tell(f"warning: {warning.message}")
    caught.clear()


def _predict_options(parser: Parser) -> None:
    add = parser.add_argument
    add("model", metavar="MODEL", help="folder of a bundle")
    add("data", metavar="DATA", help="in the form the search took; needs no target")
    add("-o", "--out", metavar="FILE", help="csv file (standard output)")
    add(
        "--spreadsheet-safe",
        action="store_true",
        help="put an apostrophe before texts that a spreadsheet takes for formulas",
    )


PREDICT = Command(
    name="predict", about="predict with a bundle", call=_predict, add_arguments=_predict_options
)


def _evaluate(args: argparse.Namespace) -> None:
    with quick_imports():
        from autosynth.bundle import evaluate

    found = evaluate(
        args.model, args.data, target=args.target, corrupt=args.corrupt, seed=args.seed
    )
    if args.format != "table" or args.out is not None:  # a table says it itself
        for line in (
            *(f"warning: {text}" for text in found.warnings),
            *(f"left out: {each.rows} rows {each.reason}" for each in found.left_out),
        ):
            tell(line)
    to_output = args.out is None or _is_standard_output(args.out)
    text = _text(found, args.format, width() if to_output else None)
    if to_output:
        put_text(text, is_data=args.format != "table")
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


def _verify(args: argparse.Namespace) -> None:
    with quick_imports():
        from autosynth.bundle import verify

    found = verify(args.model)
    if found.files:
        put(f"{found.folder} is as it was written: {', '.join(found.files)}")
    else:
        put(f"{found.folder} opens; its version of AutoSynth wrote no sums of its files")


def _verify_options(parser: Parser) -> None:
    parser.add_argument("model", metavar="MODEL", help="folder of a bundle")


VERIFY = Command(
    name="verify",
    about="compare the files of a bundle with those that were written, and open it",
    call=_verify,
    add_arguments=_verify_options,
)

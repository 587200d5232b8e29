"""The commands of runs: `search` and `train`, and those that read what a run left."""

import argparse
from typing import TYPE_CHECKING

from autosynth.cli.option import (
    Command,
    Parser,
    add_options,
    data_argument,
    format_argument,
    options_of,
    run_argument,
    several_of,
    whole,
)
from autosynth.cli.text import (
    columns,
    put,
    put_bundle,
    put_prose,
    put_text,
    quoted,
    tell,
    width,
)
from autosynth.loading import quick_imports
from autosynth.number import human
from autosynth.options import DataConfig, Options
from autosynth.progress import Progress
from autosynth.strategy import parse

if TYPE_CHECKING:
    import pandas as pd

    from autosynth.run import Run


NOTHING_FITTED = 3
"""The exit code of a search that has not even a model that knows the target alone."""
# Beside the front and the baseline: the whole board is a command away.
_BEST_OF_THE_REST = 5


def _opened(args: argparse.Namespace) -> "Run":
    """The run that a command reads; what of it is damaged is told."""
    with quick_imports():
        from autosynth.run import open_run

    run = open_run(args.run)
    for text in run.damage:
        tell(f"warning: {text}")
    return run


def _leaderboard(args: argparse.Namespace) -> None:
    with quick_imports():
        from autosynth.leaderboard import render

    run = _opened(args)
    if args.why:
        from autosynth.run.why import reasons_text

        put_text(reasons_text(run.reasons) + "\n")
        return
    text = render(
        run.leaderboard, args.format, pareto_only=args.pareto, sort=args.sort, width=width()
    )
    put_text(text, is_data=args.format in ("csv", "json"))
    if args.format == "table":
        put("")
        put_prose(run.sentence)


def _leaderboard_options(parser: Parser) -> None:
    run_argument(parser)
    add = parser.add_argument
    add("--sort", metavar="COL", help="order by a column")
    add("--pareto", action="store_true", help="the front alone")
    add("--why", action="store_true", help="what mattered, and what the time went into")
    format_argument(parser, "table", "csv", "json", "markdown")


def _export(args: argparse.Namespace) -> None:
    made = _opened(args).export(
        args.out,
        pick=args.pick,
        max_flops=args.max_flops,
        forms=args.format,
        force=args.force,
    )
    put_bundle(made)


def _export_options(parser: Parser) -> None:
    run_argument(parser)
    add = parser.add_argument
    which = "best, cheapest (within a standard error of it), knee, or a trial's number"
    add("--pick", default="best", metavar="WHICH", help=which)
    add("--max-flops", type=whole(1), metavar="N", help="pick among those of at most N")
    add("-o", "--out", metavar="DIR", help="folder of the bundle")
    forms = several_of("format", ("pt2", "onnx"))
    about = "files to add, with commas: pt2, onnx (pt2)"
    add("--format", type=forms, default=("pt2",), metavar="F", help=about)
    add("--force", action="store_true", help="replace the bundle of another model there")


def _report(args: argparse.Namespace) -> None:
    with quick_imports():
        from autosynth.report import report

    put(*map(str, report(_opened(args).folder)))


LEADERBOARD = Command(
    name="leaderboard",
    about="show the leaderboard of a run",
    call=_leaderboard,
    add_arguments=_leaderboard_options,
)
EXPORT = Command(
    name="export",
    about="make a checked bundle to deploy from one strategy of a run",
    call=_export,
    add_arguments=_export_options,
)
REPORT = Command(
    name="report",
    about="make the leaderboard's files and the picture of a run again",
    call=_report,
    add_arguments=run_argument,
)


def _search(args: argparse.Namespace) -> int:
    with quick_imports():
        from autosynth.run import search

    try:
        with Progress() as progress:
            found = search(args.data, **options_of(args), progress=progress, started=args.started)
    except KeyboardInterrupt:
        put("broken off: the same command goes on, with all trials that had ended")
        raise
    _put_run(found)
    if not found.finished:
        put("", "broken off: the same command goes on with this run")
        raise KeyboardInterrupt  # for the exit code that any command has after Ctrl-C
    if code := exit_code(found):
        put(
            "", f"nothing could be fitted; `autosynth leaderboard {quoted(found.folder)}` says why"
        )
    return code


def exit_code(run: "Run") -> int:
    """That of a search which came to its end: 3 where it fitted nothing at all, or 0."""
    fitted = any(record.state in ("complete", "cut") for record in run.records)
    return 0 if fitted else NOTHING_FITTED


def _put_run(run: "Run") -> None:
    """What a search found, where it is, and what to type next."""
    with quick_imports():
        from autosynth.leaderboard import render

    board = run.leaderboard
    put_text(render(_top(board), width=width()) + "\n")
    put_prose(run.sentence)
    if run.warning:
        put_prose(run.warning)
    put("", f"run      {run.folder}", f"picture  {run.folder / 'front.png'}")
    following = [(f"  autosynth leaderboard {quoted(run.folder)}", f"# all {len(board)} rows")]
    bundle = run.folder / "bundle"
    if not bundle.is_dir():
        put("bundle   none: no training came to its end. The same command with a longer --budget")
        put(f"         and --out {quoted(run.folder)} goes on with this run")
    else:
        put(f"bundle   {bundle}", f"         {run.exported}")
        following += [
            (f"  autosynth predict {quoted(bundle)} DATA -o preds.csv", "# predictions"),
            (f"  autosynth export {quoted(run.folder)} -o model", "# checked, to deploy"),
        ]
    put("next", *columns(following))


def _top(board: "pd.DataFrame") -> "pd.DataFrame":
    """The front, the best of the other strategies, and the baseline; in the board's order."""
    baseline = (board["topology"] == "baseline") & board["state"].isin(("complete", "cut"))
    front = board["pareto"] == 1
    rest = board[~front & ~baseline & board["rank"].notna()].index[:_BEST_OF_THE_REST]
    return board[front | baseline | board.index.isin(rest)]


def _search_options(parser: Parser) -> None:
    data_argument(parser)
    add_options(parser, Options)


def _train(args: argparse.Namespace) -> None:
    parse(args.strategy)  # for its syntax, before anything heavy is loaded
    with quick_imports():
        from autosynth.run import train_strategy

    with Progress() as progress:
        trained = train_strategy(
            args.data, args.strategy, **options_of(args), epochs=args.epochs, progress=progress
        )
    scores = [("metric", "val", "test")]
    scores += [
        (name, f"{score:.4f}", f"{trained.test[name]:.4f}" if name in trained.test else "-")
        for name, score in trained.val.items()
    ]
    cost = trained.cost
    put(*columns(scores), "", f"cost     {human(cost.flops)} FLOPs, {human(cost.params)} params")
    put(f"trained  {trained.seconds:.1f} s")
    put_bundle(trained.folder)


def _train_options(parser: Parser) -> None:
    data_argument(parser)
    add = parser.add_argument
    add("--strategy", required=True, metavar="TEXT", help='such as "cnn > gru | lr=0.004"')
    add_options(parser, DataConfig, "budget", "metric", "device", "deterministic", "out")
    add("--epochs", type=whole(1), metavar="N", help="passes over the rows")


SEARCH = Command(
    name="search",
    call=_search,
    add_arguments=_search_options,
    about="find strategies, train them, and rank them by score against cost",
)
TRAIN = Command(
    name="train",
    about="train one strategy, without a search",
    call=_train,
    add_arguments=_train_options,
)

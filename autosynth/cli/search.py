"""The commands that train: `search` many strategies, `train` one."""

import argparse
from typing import TYPE_CHECKING

from autosynth.cli.option import Command, Parser, add_options, data_argument, options_of, whole
from autosynth.cli.text import columns, put, put_bundle, put_prose, quoted, width
from autosynth.number import human
from autosynth.options import DataConfig, Options
from autosynth.progress import Progress
from autosynth.strategy import parse

if TYPE_CHECKING:
    import pandas as pd

    from autosynth.run import Run

_BEST_OF_THE_REST = 5


def _search(args: argparse.Namespace) -> None:
    from autosynth.run import search

    with Progress() as progress:
        found = search(args.data, **options_of(args), progress=progress, started=args.started)
    _put_run(found)
    if not found.finished:
        put("", "broken off: the same command goes on with this run")
        raise KeyboardInterrupt  # for the exit code that any command has after Ctrl-C


def _put_run(run: "Run") -> None:
    """What a search found, where it is, and what to type next."""
    from autosynth.leaderboard import render

    board = run.leaderboard
    put(render(_top(board), width=width()))
    put_prose(run.sentence)
    if run.warning:
        put_prose(run.warning)
    put("", f"run      {run.folder}", f"picture  {run.folder / 'front.png'}")
    following = [(f"  autosynth leaderboard {quoted(run.folder)}", f"# all {len(board)} rows")]
    bundle = run.folder / "bundle"
    if bundle.is_dir():
        put(f"bundle   {bundle}", f"         {run.exported}")
        following += [
            (f"  autosynth predict {quoted(bundle)} DATA -o preds.csv", "# predictions"),
            (f"  autosynth export {quoted(run.folder)} -o model", "# checked, to deploy"),
        ]
    put("next", *columns(following))


def _top(board: "pd.DataFrame") -> "pd.DataFrame":
    """The front, the best of the other strategies, and the baselines; in the board's order."""
    baseline = (board["topology"] == "baseline") & board["state"].isin(("complete", "cut"))
    front = board["pareto"] == 1
    rest = board[~front & ~baseline & board["rank"].notna()].index[:_BEST_OF_THE_REST]
    return board[front | baseline | board.index.isin(rest)]


def _search_options(parser: Parser) -> None:
    data_argument(parser)
    add_options(parser, Options)


def _train(args: argparse.Namespace) -> None:
    parse(args.strategy)  # for its syntax, before anything heavy is loaded
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
    add_options(parser, DataConfig, "budget", "metric", "device", "out")
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

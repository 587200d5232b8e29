"""The commands that read what a run left: `leaderboard`, `export`, `report`."""

import argparse

from autosynth.cli.option import Command, Parser, format_argument, run_argument, whole
from autosynth.cli.text import put, put_bundle, put_prose, width


def _leaderboard(args: argparse.Namespace) -> None:
    from autosynth.leaderboard import render
    from autosynth.run import open_run

    run = open_run(args.run)
    text = render(
        run.leaderboard, args.format, pareto_only=args.pareto, sort=args.sort, width=width()
    )
    put(text.rstrip("\n"))
    if args.format == "table":
        put("")
        put_prose(run.sentence)


def _leaderboard_options(parser: Parser) -> None:
    run_argument(parser)
    add = parser.add_argument
    add("--sort", metavar="COL", help="order by a column")
    add("--pareto", action="store_true", help="the front alone")
    format_argument(parser, "table", "csv", "json", "markdown")


def _export(args: argparse.Namespace) -> None:
    from autosynth.run import open_run

    made = open_run(args.run).export(
        args.out, pick=args.pick, max_flops=args.max_flops, force=args.force
    )
    put_bundle(made)


def _export_options(parser: Parser) -> None:
    run_argument(parser)
    add = parser.add_argument
    add("--pick", default="best", metavar="WHICH", help="best, knee or the number of a trial")
    add("--max-flops", type=whole(1), metavar="N", help="pick among those of at most N")
    add("-o", "--out", metavar="DIR", help="folder of the bundle")
    add("--force", action="store_true", help="replace the bundle of another model there")


def _report(args: argparse.Namespace) -> None:
    from autosynth.report import report
    from autosynth.run import open_run

    put(*map(str, report(open_run(args.run).folder)))


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

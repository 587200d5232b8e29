"""The time that a run's records cost: what a driver asks of them at every trial, and the end.

Why: a search of days has thousands of trials. What is asked before or in every trial takes a few
milliseconds at most whatever their number; the board of all of them appears in half a second.

How: `python tests/benchmarks/records.py [--quick] [--records N] [--repeats N] [--out FILE]`

Records are made without training (`_records.py`): real strategies of a space for `digits`, scores
around a law of cost. Shown are the median and range of CPU seconds of this process over
repetitions, in milliseconds; reading includes the files, which the system has at hand.
"""

import argparse
import math
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from _common import machine, make_parser, parse, put, put_machine, put_table, save, spread
from _records import synthetic_records

from autosynth.data import load_dataset
from autosynth.front import ParetoFront, layers
from autosynth.leaderboard import build_leaderboard, chosen, remarks, render
from autosynth.plugin import TASKS
from autosynth.record import Record, from_json, read_all, record_layers, to_json, write_record
from autosynth.report.front import picture
from autosynth.report.page import page
from autosynth.study import spacefile
from autosynth.study.agenda import by_strategy, why_longer
from autosynth.study.context import RunContext, trivial_score
from autosynth.study.finalist import expect, finalists, front_of, reserve_seconds
from autosynth.study.probe import fixed_plan
from autosynth.study.pruner import Curve, RungBook, decide
from autosynth.study.restrict import restrict
from autosynth.study.standings import Standings
from autosynth.training.devicedataset import to_device

METRIC, COST, RUNG = "accuracy", "flops", 0.333


def a_context(folder: Path) -> RunContext:
    """What finalists are chosen by: the data, the metric, the space."""
    dataset = load_dataset("digits")
    metric = TASKS["classification"].metrics[METRIC]
    return RunContext(
        dataset=dataset,
        device_dataset=to_device(dataset, torch.device("cpu"), dataset.splits.train),
        space=restrict(spacefile.load_space("image"), dataset.inputs, dataset.target.task),
        trainer_config=fixed_plan("cpu", len(dataset.splits.train), 40),
        metric=metric,
        trivial_score=trivial_score(dataset, metric),
        folder=folder,
        seed=0,
    )


Call = Callable[[], object]


def of_reading(records: list[Record], context: RunContext) -> dict[str, Call]:
    """Records as text and as files."""
    texts = [to_json(record) for record in records]
    for record in records:
        write_record(record, context.folder)
    return {
        "read all from the folder": lambda: read_all(context.folder),
        "read all from their text": lambda: [from_json(text) for text in texts],
    }


def of_turn(records: list[Record], context: RunContext) -> dict[str, Call]:
    """What is asked of all records before a trial, as pure functions of them."""
    last = finalists(records, context)
    floor = context.trivial_score
    return {
        "finalists": lambda: finalists(records, context),
        "reserve_seconds": lambda: reserve_seconds(last, context, budget=600, refit=True),
        "front_of": lambda: front_of(records, context),
        "expect": lambda: expect(records, METRIC, floor),
        "by_strategy": lambda: by_strategy(records),
    }


def of_standings(records: list[Record], context: RunContext) -> dict[str, Call]:
    """The same of records that are kept up: one more comes, and all is asked."""
    kept = Standings(context)
    for record in records:
        kept.put(record)
    best = kept.finalists()[-1]
    number = iter(range(len(records), 10 * len(records)))

    def come(score: float) -> None:
        kept.put(replace(best, trial=next(number), val={METRIC: score}, flops=10**15))

    def ask() -> None:
        last = kept.finalists()
        reserve_seconds(last, context, budget=600, refit=True)

    def come_and_ask(score: float) -> None:
        come(score)
        ask()

    return {
        "standings: one comes": lambda: come(0.5),
        "standings: all is asked": ask,
        "standings: one comes, all is asked": lambda: come_and_ask(0.5),
        "standings: one of the best comes": lambda: come_and_ask(1.0),
        "standings of all, from nothing": lambda: [
            (fresh := Standings(context)),
            *map(fresh.put, records),
            fresh.finalists(),
        ],
    }


def of_rung(records: list[Record]) -> dict[str, Call]:
    """A decision of the pruner that needs all layers."""
    curves = [Curve(cost=float(r.flops or 1), errors=dict(r.curve)) for r in records if r.curve]
    mine, *others = curves
    mine = replace(mine, errors={RUNG: 0.9 * max(c.errors[RUNG] for c in curves)})
    limits = {"e_ref": 0.9, "standard_error": 0.0, "q": 0.9}
    book = RungBook()
    for number, curve in enumerate(others):
        book.write(number, curve)
    numbers = iter(range(len(curves), 10 * len(curves)))

    def judge_and_write() -> None:
        new = next(numbers)
        book.decide(new, mine, **limits)
        book.write(new, mine)

    front = ParetoFront()
    points = iter(others * 10)

    def insert() -> None:
        point = next(points)
        front.insert(0, math.log(point.cost), point.errors[RUNG])

    return {
        f"decide at a rung of {len(curves):,}": lambda: decide(mine, others, **limits),
        "book of rungs: decide and write": judge_and_write,
        "front: insert": insert,
    }


def of_board(records: list[Record], path: Path) -> dict[str, Call]:
    """What the end of a run, and `leaderboard`, make of them."""
    able = [r for r in records if r.state == "complete" and r.flops is not None]
    points = [(-r.val[METRIC], math.log(r.flops or 1)) for r in able]
    best = chosen(records, metric=METRIC, cost=COST)
    assert best is not None
    frame = build_leaderboard(records, metric=METRIC, cost=COST)
    return {
        f"layers of {len(points):,} points": lambda: layers(points),
        f"record_layers of {len(able):,}": lambda: record_layers(able, metric=METRIC, cost=COST),
        "chosen": lambda: chosen(records, metric=METRIC, cost=COST),
        "build_leaderboard": lambda: build_leaderboard(records, metric=METRIC, cost=COST),
        "render csv": lambda: render(frame, "csv"),
        "render table": lambda: render(frame, "table", width=120),
        "render markdown": lambda: render(frame, "markdown"),
        "why_longer": lambda: why_longer(records, best, METRIC),
        "remarks": lambda: remarks(records, metric=METRIC, cost=COST),
        "page": lambda: page(records, metric=METRIC, cost=COST, title="digits"),
        "picture": lambda: picture(records, path, metric=METRIC, cost=COST, title="digits"),
    }


def cpu_seconds(call: Call) -> float:
    start = time.process_time()
    call()
    return time.process_time() - start


def measure(args: argparse.Namespace, folder: Path) -> dict[str, object]:
    n = 300 if args.quick else args.records
    context = a_context(folder)
    start = time.process_time()
    records = synthetic_records(context.dataset, context.space, n, seed=args.seed)
    put(f"{n:,} records, made in {time.process_time() - start:.0f} s; milliseconds of CPU:")
    calls = {
        **of_reading(records, context),
        **of_turn(records, context),
        **of_standings(records, context),
        **of_rung(records),
        **of_board(records, folder / "front.png"),
    }
    found = {
        name: [cpu_seconds(call) for _ in range(args.repeats)] for name, call in calls.items()
    }
    show(found)
    return {"n": n, "seconds": {name: spread(values) for name, values in found.items()}}


def show(found: Mapping[str, Sequence[float]]) -> None:
    rows = [
        (name, f"{1e3 * values[0]:,.2f}", spread(values).text(2, 1e3))
        for name, values in found.items()
    ]
    put_table(("call", "first", "median (least-largest)"), rows)


def main() -> None:
    parser = make_parser(__doc__ or "", repeats=3)
    parser.add_argument("--records", type=int, default=10_000, help="(10,000)")
    args = parse(parser)
    where = machine()
    put_machine(where)
    with tempfile.TemporaryDirectory() as folder:
        results = measure(args, Path(folder))
    save(args, "records", where, results)


if __name__ == "__main__":
    main()

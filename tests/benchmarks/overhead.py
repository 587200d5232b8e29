"""The share of a search's wall clock that is not training.

Why: a budget is for training strategies: sampling, storage and scoring may take 5 % of it.

How: `python tests/benchmarks/overhead.py [--quick] [--budget 1m] [--data digits] [--out FILE]`

Runs `autosynth.search` with one worker in this process, each repetition with another seed in a
folder of its own, and looks at the trials: from the start of the first one to the end of the last
that trained (study.journal, and the last file that a trial writes). Three shares of that span:

- by records: 1 - the sum of `train_seconds` / the span. A trial's `train_seconds` take in what the
  training loop calls: scoring at rungs (with its bootstrap and the pruner's look at the journal)
  and on `fit`. Outside are asking the sampler, resolving, building the network, the last score,
  the latency, weights and records.
- strict: everything but the loop's own work is outside, what it calls at rungs too. Building the
  network, the statistics of the inputs and scores on `fit` are the loop's.
- of all: of the whole run's wall clock, what no training of a strategy filled. Trainings are those
  of the trials, of the 5-fold choice and the refit; data, baseline, the probe, test scores,
  report and bundle are outside.

Where the time goes is measured by clocks around the functions named in PARTS; a function's time is
its own, without that of others in the list that it calls. Imports are not in it: the modules are
loaded before the clock starts.
"""

import argparse
import importlib
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import reduce, wraps
from pathlib import Path
from typing import Any

from _common import (
    machine,
    make_parser,
    parse,
    put,
    put_machine,
    put_table,
    save,
    spread,
)
from _trials import span, trained

from autosynth.record import read_all
from autosynth.run import search

TARGET = 0.05
RUN, PREPARE, FINISH, DRIVER, HISTORY, SAMPLER, TRIAL = (
    f"autosynth.{name}"
    for name in (
        *("run.session", "run.prepare", "run.finish"),
        *("study.driver", "study.history", "study.sampler", "study.trial"),
    )
)
# What it is, the module that calls it, and its name there.
PARTS: tuple[tuple[str, str, str], ...] = (
    ("reading the data", RUN, "read_dataset"),
    ("baseline", PREPARE, "keep_baseline"),
    ("probe", PREPARE, "probe"),
    ("trials: training", TRIAL, "train"),
    ("trials: scoring at rungs", TRIAL, "error_of"),
    ("trials: pruner", DRIVER, "RungBook.decide"),
    ("trials: last score", TRIAL, "scored_outputs"),
    ("trials: last score", TRIAL, "score_all"),
    ("trials: latency", TRIAL, "latency_ms"),
    ("trials: weights and records", HISTORY, "write_packed"),
    ("trials: weights and records", HISTORY, "write_record"),
    ("trials: weights and records", DRIVER, "read_all"),
    ("trials: sampler", "optuna.study", "Study.ask"),
    ("trials: sampler", SAMPLER, "suggest"),
    ("trials: resolve and cost", DRIVER, "resolve"),
    ("trials: resolve and cost", TRIAL, "initial_record"),
    ("trials: study's journal", SAMPLER, "storage.start"),
    ("trials: study's journal", SAMPLER, "storage.write_rung"),
    ("trials: study's journal", SAMPLER, "storage.finish"),
    ("trials: study's journal", SAMPLER, "storage.prune"),
    ("trials: the rest", DRIVER, "Driver.run"),
    ("5-fold choice", RUN, "cross_validate"),
    ("training after the trials", FINISH, "train"),
    ("refit, but for its training", RUN, "refit"),
    ("test scores and comparison", RUN, "score_test"),
    ("test scores and comparison", RUN, "compare"),
    ("report and bundle", RUN, "report"),
    ("report and bundle", RUN, "write_bundle"),
)


class Clock:
    """Seconds by part: what a part calls that has a clock of its own is not counted twice."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._inside = [0.0]  # of the parts that run now, the seconds that others in them took

    def around(self, part: str, call: Callable[..., Any]) -> Callable[..., Any]:
        """The same function, timed."""
        self.seconds.setdefault(part, 0.0)

        @wraps(call)
        def timed(*args: Any, **options: Any) -> Any:
            start = time.perf_counter()
            self._inside.append(0.0)
            try:
                return call(*args, **options)
            finally:
                whole = time.perf_counter() - start
                self.seconds[part] += whole - self._inside.pop()
                self._inside[-1] += whole

        return timed


@contextmanager
def clocks() -> Iterator[Clock]:
    """Clocks around every function of PARTS, taken away in the end."""
    clock, before = Clock(), []
    try:
        for part, module, path in PARTS:
            *owners, name = path.split(".")
            owner = reduce(getattr, owners, importlib.import_module(module))
            call = getattr(owner, name)
            before.append((owner, name, call))
            setattr(owner, name, clock.around(part, call))
        yield clock
    finally:
        for owner, name, call in reversed(before):
            setattr(owner, name, call)


def once(args: argparse.Namespace, seed: int) -> dict[str, Any]:
    """One search, and where its time went."""
    with tempfile.TemporaryDirectory(prefix="autosynth-overhead-") as name, clocks() as clock:
        folder = Path(name) / "run"
        start = time.perf_counter()
        search(
            args.data, target=args.target, budget=args.budget, seed=seed, out=folder,
            device=args.device,
        )  # fmt: skip
        wall = time.perf_counter() - start
        records = read_all(folder)
        trials = span(folder, records)
    done = trained(records)
    seconds = sum(r.train_seconds or 0.0 for r in done)
    inside, after = clock.seconds["trials: training"], clock.seconds["training after the trials"]
    clock.seconds["everything else"] = wall - sum(clock.seconds.values())
    states = [r.state for r in done]
    return {
        "seed": seed, "wall": wall, "trials_span": trials, "train_seconds": seconds,
        "trials": {state: states.count(state) for state in sorted(set(states))},
        "share_by_records": 1 - seconds / trials,
        "share_strict": 1 - inside / trials,
        "share_of_all": 1 - (inside + after) / wall,
        "seconds": clock.seconds,
    }  # fmt: skip


def put_parts(found: list[dict[str, Any]]) -> None:
    rows = []
    for part in found[0]["seconds"]:
        seconds = [each["seconds"][part] for each in found]
        shares = [each["seconds"][part] / each["wall"] for each in found]
        rows.append((part, spread(seconds).text(), f"{100 * spread(shares).median:.1f} %"))
    put_table(("where the time goes", "seconds", "of all"), rows)


def main() -> None:
    parser = make_parser(__doc__ or "")
    parser.add_argument("--budget", help="of each search (1m; quick: 20s)")
    parser.add_argument("--data", default="digits", help="(digits)")
    parser.add_argument("--target", help="column, for a table")
    parser.add_argument("--device", default="auto", help="(auto)")
    args = parse(parser)
    args.budget = args.budget or ("20s" if args.quick else "1m")
    args.repeats = 1 if args.quick else args.repeats
    where = machine()
    put_machine(where)
    found = []
    for number in range(args.repeats):
        each = once(args, args.seed + number)
        found.append(each)
        put(
            f"seed {each['seed']}: {each['wall']:.1f} s in all, trials {each['trials']} over "
            f"{each['trials_span']:.1f} s, training {each['train_seconds']:.1f} s by records"
        )
    put("")
    put_parts(found)
    shares = {
        name: spread([each[name] for each in found])
        for name in ("share_by_records", "share_strict", "share_of_all")
    }
    put("Outside training, median (range) over searches, per cent:")
    put_table(("share", "%"), [(name, each.text(1, 100)) for name, each in shares.items()])
    put(
        f"target    by records, under {100 * TARGET:.0f} %: "
        f"{100 * shares['share_by_records'].median:.1f} %"
    )
    save(args, "overhead", where, {"shares": shares, "searches": found})


if __name__ == "__main__":
    main()

"""How long a large table takes to be read, against the readers that are known to be fast.

Why: reading 1,000,000 rows of a CSV file is to take at most twice what pyarrow or polars takes.

How: `python tests/benchmarks/reading.py [--quick] [--rows N] [--repeats 5] [--out FILE]`

Writes a table of ten columns of every kind, and reads it in turn with `read_frame`, with
`pyarrow.csv.read_csv` and, where it is installed, with `polars.read_csv`. Ours is all that it
takes from a path to a pandas frame: encoding, separator and header are found first, and missing
words and text kept as they are. Then `load_dataset` as a whole, which is what `autosynth inspect`
waits for, against our read alone. Arrow takes as many threads as `OMP_NUM_THREADS` allows, for
both.
"""

import argparse
import importlib.util
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pac
from _common import (
    interleave,
    machine,
    make_parser,
    parse,
    put,
    put_machine,
    put_table,
    ratio,
    save,
    spread,
)

from autosynth.data import load_dataset
from autosynth.data.source.table import read_frame

ROWS, QUICK_ROWS = 1_000_000, 20_000
MOST = 2.0
OURS, WHOLE = "read_frame", "load"


def write(path: Path, rows: int, seed: int) -> None:
    """Numbers, whole and not, some missing; words, truths, dates, codes of 5,000 kinds."""
    rng = np.random.default_rng(seed)
    table = pa.table(
        {
            "id": np.arange(rows),
            "a": rng.normal(size=rows),
            "b": rng.normal(size=rows).round(3),
            "c": rng.integers(0, 1000, rows),
            "town": np.array(["Bern", "Basel", "Chur", "Zürich"])[rng.integers(0, 4, rows)],
            "flag": rng.random(rows) < 0.5,
            "when": np.datetime64("2020-01-01") + rng.integers(0, 1000, rows),
            "d": pa.array(rng.normal(size=rows), mask=rng.random(rows) < 0.05),
            "code": [f"K{i}" for i in rng.integers(0, 5000, rows)],
            "goal": np.array(["no", "yes"])[rng.integers(0, 2, rows)],
        }
    )
    pac.write_csv(table, path)


def timed(call: Callable[[], object]) -> Callable[[], float]:
    """The seconds of one call."""

    def once() -> float:
        start = time.perf_counter()
        call()
        return time.perf_counter() - start

    return once


def readers(path: Path) -> dict[str, Callable[[], float]]:
    """Ways to read the file, by name."""
    found: dict[str, Callable[[], object]] = {
        OURS: lambda: read_frame(path),
        "pyarrow": lambda: pac.read_csv(path),
    }
    if importlib.util.find_spec("polars"):
        polars = importlib.import_module("polars")
        found["polars"] = lambda: polars.read_csv(path)
    found[WHOLE] = lambda: load_dataset(path, target="goal")
    return {name: timed(call) for name, call in found.items()}


def run(args: argparse.Namespace, path: Path) -> dict[str, list[float]]:
    """Every reader in turn, and what came of it."""
    write(path, args.rows or (QUICK_ROWS if args.quick else ROWS), args.seed)
    put(f"written   {path.stat().st_size / 1e6:.0f} MB", "")
    found = interleave(readers(path), args.repeats)
    put_table(
        ("reader", "seconds", "our read / it"),
        [
            (name, spread(taken).text(), ratio(found[OURS], taken).text())
            for name, taken in found.items()
        ],
    )
    return found


def main() -> None:
    parser = make_parser(__doc__ or "")
    parser.add_argument("--rows", type=int, help=f"({ROWS:,}; quick: {QUICK_ROWS:,})")
    args = parse(parser)
    where = machine()
    put_machine(where)
    with tempfile.TemporaryDirectory(prefix="autosynth-reading-") as name:
        found = run(args, Path(name) / "table.csv")
    others = [taken for name, taken in found.items() if name not in (OURS, WHOLE)]
    ratios = [f"{ratio(found[OURS], taken).median:.2f}" for taken in others]
    put(f"target    at most {MOST:g} times pyarrow or polars: {', '.join(ratios)}")
    put(f"load      {ratio(found[WHOLE], found[OURS]).text()} times our read alone")
    save(args, "reading", where, {name: spread(taken) for name, taken in found.items()})


if __name__ == "__main__":
    main()

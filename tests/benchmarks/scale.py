"""A search of a table that is larger than the memory it may use.

Why: data larger than a quarter of memory is to be read through memory maps and never loaded whole.

How: `python tests/benchmarks/scale.py [--quick] [--rows N] [--form parquet|csv] [--limit GB]
[--trials 2] [--folder DIR] [--table FILE] [--out FILE]`

Writes a table of 50 columns of float64 and a class, a few hundred thousand rows at a time, and
searches it in a process of its own under a limit of memory: of its data, and of all it holds.

The first is RLIMIT_DATA, which counts what a process may write, and no map of a file that is only
read. (Arrow's own allocator sets a gigabyte of addresses aside at once, which it counts too: the
child uses the system's.) RLIMIT_AS does not work: it counts address space, of which a map takes as
much as its file is long, in memory or not. The second is a control group (Linux, root; where none
can be made it is left out): it counts pages of files too, which the system takes back when they
are wanted. The child's memory is read from smaps_rollup every half second: what is anonymous, and
all that is in memory, pages of files among it.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pac
import pyarrow.parquet as pq
from _common import machine, make_parser, parse, put, put_machine, put_table, save

COLUMNS, CLASSES, BATCH = 50, 3, 200_000
ROWS, QUICK_ROWS = 10_800_000, 40_000
GROUP = Path("/sys/fs/cgroup/memory")
CHILD = """
import json, sys, time
from autosynth.data import read_dataset
from autosynth.run import search
path, out, trials = sys.argv[1], sys.argv[2], int(sys.argv[3])
from autosynth.run import session
from functools import wraps
took = {}
def timed(*a, **k):
    start = time.time(); found = read_dataset(*a, **k); took["load"] = time.time() - start
    took["maps"] = [type(x).__name__ for x in found.x.values()]
    took["rows"], took["train"] = len(found.y), len(found.splits.train)
    return found
session.read_dataset = timed
start = time.time()
run = search(path, target="goal", trials=trials, refit=False, out=out, device="cpu")
took["search"] = time.time() - start
took["best"] = {"strategy": str(run.best.strategy), **run.best.test}
print(json.dumps(took))
"""


def write(path: Path, rows: int, seed: int) -> None:
    """A table of which no more than a batch is in memory."""
    rng = np.random.default_rng(seed)
    weights = rng.normal(size=(COLUMNS, CLASSES))
    writer: Any = None
    for start in range(0, rows, BATCH):
        x = rng.normal(size=(min(BATCH, rows - start), COLUMNS))
        y = (np.tanh(x) @ weights + rng.gumbel(size=(len(x), CLASSES))).argmax(1)
        columns: dict[str, Any] = {f"x{i}": x[:, i] for i in range(COLUMNS)}
        table = pa.table({**columns, "goal": np.array(["a", "b", "c"])[y]})
        if writer is None:
            kind = pq.ParquetWriter if path.suffix == ".parquet" else pac.CSVWriter
            writer = kind(path, table.schema)
        writer.write_table(table)
    writer.close()


@contextmanager
def group(limit: int) -> Iterator[Path | None]:
    """A control group with this limit, or None where none can be made."""
    folder = GROUP / f"autosynth-{os.getpid()}"
    try:
        folder.mkdir()
    except OSError:
        yield None
        return
    try:
        (folder / "memory.limit_in_bytes").write_text(str(limit))
        yield folder
    finally:
        folder.rmdir()


class Watch:
    """The largest that a process and its children held, in bytes."""

    def __init__(self, pid: int) -> None:
        self.pid, self.anonymous, self.resident, self.others = pid, 0, 0, 0
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def _look(self) -> None:
        folder = Path(f"/proc/{self.pid}")
        while folder.exists():
            with suppress(OSError, ValueError):  # one of them has just begun or ended
                lines = (folder / "smaps_rollup").read_text().splitlines()
                found = dict(line.split(":", 1) for line in lines[1:])
                self.anonymous = max(self.anonymous, _bytes(found["Anonymous"]))
                self.resident = max(self.resident, _bytes(found["Rss"]))
                children = (folder / f"task/{self.pid}/children").read_text().split()
                self.others = max(self.others, sum(map(_anonymous, children)))
            time.sleep(0.5)


def _bytes(text: str) -> int:
    return 1024 * int(text.split()[0])


def _anonymous(pid: str) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return sum(_bytes(line.split(":")[1]) for line in lines if line.startswith("RssAnon:"))


def once(args: argparse.Namespace, path: Path, folder: Path, limit: int) -> dict[str, Any]:
    """One search under the limit."""

    def held() -> None:
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))

    with group(limit) as place, (folder / "errors").open("wb+") as errors:
        start = time.time()
        command = [sys.executable, "-c", CHILD, str(path), str(folder / "run"), str(args.trials)]
        if place:
            inside = f'echo $$ > {place}/cgroup.procs; exec "$@"'
            command = ["sh", "-c", inside, "sh", *command]
        child = subprocess.Popen(
            command, preexec_fn=held, stdout=subprocess.PIPE, stderr=errors, text=True,
            env={**os.environ, "TMPDIR": str(folder), "ARROW_DEFAULT_MEMORY_POOL": "system"},
        )  # fmt: skip
        watch = Watch(child.pid)
        said, _ = child.communicate()
        errors.seek(0)
        if child.returncode:
            raise SystemExit(f"ended with {child.returncode}: {errors.read().decode()[-3000:]}")
        peak = int((place / "memory.max_usage_in_bytes").read_text()) if place else 0
    return {
        **json.loads(said.splitlines()[-1]), "seconds": time.time() - start, "group_peak": peak,
        "anonymous_peak": watch.anonymous, "resident_peak": watch.resident,
        "children_peak": watch.others,
    }  # fmt: skip


def main() -> None:
    parser = make_parser(__doc__ or "", repeats=1)
    parser.add_argument("--rows", type=int, help=f"({ROWS:,}; quick: {QUICK_ROWS:,})")
    parser.add_argument("--form", choices=("parquet", "csv"), default="parquet", help="(parquet)")
    parser.add_argument("--limit", type=float, default=2.0, help="GB of memory (2)")
    parser.add_argument("--trials", type=int, default=2, help="(2)")
    parser.add_argument("--table", type=Path, help="one that stands; it is kept")
    parser.add_argument("--folder", type=Path, help="where the table is written (temporary)")
    args = parse(parser)
    rows = args.rows or (QUICK_ROWS if args.quick else ROWS)
    where = machine()
    put_machine(where)
    with tempfile.TemporaryDirectory(prefix="autosynth-scale-", dir=args.folder) as name:
        folder = Path(name)
        path = args.table or folder / f"table.{args.form}"
        start = time.time()
        if not args.table:
            write(path, rows, args.seed)
        size = path.stat().st_size
        put(f"table     {size / 1e9:.2f} GB, there after {time.time() - start:.0f} s", "")
        found = once(args, path, folder, int(args.limit * 2**30))
    put_table(
        ("", "value"),
        [
            ("reading and encoding, s", f"{found['load']:.0f}"),
            ("rows read a second", f"{found['rows'] / found['load']:,.0f}"),
            ("MB read a second", f"{size / found['load'] / 1e6:,.0f}"),
            ("all of the search, s", f"{found['search']:.0f}"),
            ("peak, anonymous, GB", f"{found['anonymous_peak'] / 1e9:.2f}"),
            ("peak, with pages of files, GB", f"{found['resident_peak'] / 1e9:.2f}"),
            ("peak, anonymous, other processes, GB", f"{found['children_peak'] / 1e9:.2f}"),
            ("peak of the control group, GB", f"{found['group_peak'] / 1e9:.2f}"),
        ],
    )
    put(f"inputs    {', '.join(found['maps'])}")
    put(f"rows      {found['rows']:,}, of which {found['train']:,} to train on")
    put(f"best      {found['best']}")
    save(args, "scale", where, {"bytes": size, **found})


if __name__ == "__main__":
    main()

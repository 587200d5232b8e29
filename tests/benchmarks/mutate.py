"""Damages good files of every form and counts what reading them does: `mutate.py [FORM...]`.

Right is a dataset, or an error of ours. Wrong are a foreign error, the end of the process, more
than 20 s, and more than 2 GB. Every mutant is read whole and piece by piece, in a child process
with limits. A form is added to `FORMS`: what writes a good file, and what reads it.

    python tests/benchmarks/mutate.py --mutants 100 --seed 0 csv xlsx
"""

import argparse
import bz2
import gzip
import io
import json
import lzma
import os
import random
import selectors
import sqlite3
import subprocess
import sys
import tempfile
import zipfile
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from autosynth.data import read_dataset
from autosynth.data.source.memory import BY_SIZE, Batching
from autosynth.errors import AutosynthError
from autosynth.options import DataConfig

try:
    import resource
except ImportError:  # Windows has no such limits
    resource = None  # type: ignore[assignment]

SECONDS = 20.0
MEGABYTES = 2048
_SPACE = 8192  # megabytes of address space, of which libraries reserve much and use little
_PIECES = Batching(most_bytes=1_000, rows=30)
_ROWS = 60
_MOST_EDITS = 3
GOOD = ("read", "own error")


@dataclass(frozen=True, kw_only=True)
class Form:
    """A form of data: the name of its file, what a good one holds, and what reads it.

    What is damaged is `data`; `pack` makes the file of it, so that damage may lie inside a shell
    that is whole.
    """

    name: str
    data: Callable[[], bytes]
    read: Callable[[Path], object]
    pack: Callable[[bytes], bytes] = bytes


def frame() -> pd.DataFrame:
    """60 rows of numbers, words, texts and dates with a target of two classes."""
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "height": rng.normal(size=_ROWS).round(4),
            "count": rng.integers(0, 100, _ROWS),
            "town": np.array(["Bern", "Basel", "Zürich"])[rng.integers(0, 3, _ROWS)],
            "note": [f'it was "so, {i}"\nof {i * i % 17}' for i in range(_ROWS)],
            "when": pd.date_range("2024-01-01", periods=_ROWS).astype(str),
            "goal": np.array(["no", "yes"])[rng.integers(0, 2, _ROWS)],
        }
    )


def read_table_file(path: Path) -> None:
    """Read as a user does, whole and piece by piece."""
    config = DataConfig.from_arguments({"target": "goal", "seed": 0})
    for batching in (BY_SIZE, _PIECES):
        read_dataset(path, config, batching)


def _text(separator: str = ",") -> bytes:
    return str(frame().to_csv(index=False, sep=separator)).encode()


def _records() -> list[dict[str, object]]:
    found: list[dict[str, object]] = json.loads(frame().to_json(orient="records"))
    return found


def _written(name: str, write: Callable[[Path], object]) -> bytes:
    """What a writer of files writes."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, name)
        write(path)
        return path.read_bytes()


def _arrow(path: Path) -> None:
    table = pa.Table.from_pandas(frame())
    kind = pa.ipc.new_stream if path.suffix == ".ipc" else pa.ipc.new_file
    with kind(str(path), table.schema) as writer:
        writer.write_table(table, max_chunksize=25)


def _plain_parquet(path: Path) -> None:
    """Without compression, whose checks would hide what is damaged inside."""
    frame().to_parquet(path, row_group_size=25, compression=None)


def _database(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        frame().to_sql("rows", connection, index=False)


def _book(path: Path) -> None:
    frame().to_excel(path, index=False)


_SHEET = "xl/worksheets/sheet1.xml"


def _sheet() -> bytes:
    with zipfile.ZipFile(io.BytesIO(_written("t.xlsx", _book))) as book:
        return book.read(_SHEET)


def _booked(sheet: bytes) -> bytes:
    """A workbook with this sheet."""
    out = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(_written("t.xlsx", _book))) as book,
        zipfile.ZipFile(out, "w") as made,
    ):
        for name in book.namelist():
            made.writestr(name, sheet if name == _SHEET else book.read(name))
    return out.getvalue()


def _zip(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("rows.csv", _text())
        archive.writestr("README.txt", b"rows of towns")


def _table(name: str, data: Callable[[], bytes], pack: Callable[[bytes], bytes] = bytes) -> Form:
    return Form(name=name, data=data, read=read_table_file, pack=pack)


def _file(name: str, write: Callable[[Path], object]) -> Form:
    return _table(name, lambda: _written(name, write))


FORMS: Mapping[str, Form] = {
    "csv": _table("t.csv", _text),
    "tsv": _table("t.tsv", lambda: _text("\t")),
    "jsonl": _table("t.jsonl", lambda: "\n".join(map(json.dumps, _records())).encode()),
    "json": _table("t.json", lambda: json.dumps(_records()).encode()),
    "parquet": _file("t.parquet", lambda path: frame().to_parquet(path, row_group_size=25)),
    "parquet, plain": _file("t.parquet", _plain_parquet),
    "arrow": _file("t.arrow", _arrow),
    "arrow stream": _file("t.ipc", _arrow),
    "feather": _file("t.feather", lambda path: frame().to_feather(path)),
    "xlsx": _file("t.xlsx", _book),
    "xlsx, inside": _table("t.xlsx", _sheet, _booked),
    "sqlite": _file("t.db", _database),
    "zip": _file("t.zip", _zip),
    "gz": _table("t.csv.gz", lambda: gzip.compress(_text())),
    "gz, inside": _table("t.csv.gz", _text, gzip.compress),
    "bz2": _table("t.csv.bz2", lambda: bz2.compress(_text())),
    "xz": _table("t.csv.xz", lambda: lzma.compress(_text())),
    "zst": _table("t.csv.zst", lambda: bytes(pa.compress(_text(), "zstd", asbytes=True))),
}
"""Forms of data by name."""


def mutant(data: bytes, seed: int) -> bytes:
    """A file with a few bytes flipped, set, cut out, put in or repeated, or its end cut off."""
    rng = random.Random(seed)
    found = bytearray(data)
    for _ in range(rng.randint(1, _MOST_EDITS)):
        at, length = rng.randrange(len(found)), min(1 << rng.randrange(9), len(found))
        match rng.choice(("flip", "set", "cut", "put", "repeat", "end")):
            case "flip":
                found[at] ^= 1 << rng.randrange(8)
            case "set":
                found[at] = rng.choice((0, 1, 0x7F, 0x80, 0xFF, ord('"'), ord(",")))
            case "cut" if length < len(found) // 2:
                del found[at : at + length]
            case "put":
                found[at:at] = rng.randbytes(rng.randint(1, 8))
            case "repeat":
                found[at:at] = found[at : at + length]
            case "end" if rng.random() < 0.2:  # otherwise half of all mutants are cut off
                del found[max(1, at) :]
    return bytes(found)


def child(name: str, seeds: range, folder: Path) -> None:
    """Read mutants one after another; say the number of each before, and what came of it after."""
    form = FORMS[name]
    data = form.data()
    path = folder / "mutant" / form.name
    path.parent.mkdir(exist_ok=True)
    if resource is not None:
        resource.setrlimit(resource.RLIMIT_AS, (_SPACE << 20, _SPACE << 20))
    path.write_bytes(form.pack(data))
    form.read(path)
    for seed in seeds:
        path.write_bytes(form.pack(mutant(data, seed)))
        print(f"begin {seed}", flush=True)
        print(f"{outcome(form, path)} {seed}", flush=True)


def outcome(form: Form, path: Path) -> str:
    """What reading a file does, in a word or two; a foreign error is named."""
    try:
        form.read(path)
        said = "read"
    except AutosynthError:
        said = "own error"
    except MemoryError:
        return "memory"
    except Exception as error:  # which is what is looked for
        text = " ".join(str(error).split())[:80]
        said = f"foreign error {type(error).__name__}: {text}"
    if resource is not None:
        used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
        if used > MEGABYTES:
            return f"memory {used} MB"
    return said


def count(name: str, seeds: range) -> dict[str, list[int]]:
    """The seeds of mutants of a form, by what reading them did."""
    found: dict[str, list[int]] = {}
    begin = seeds.start
    while begin < seeds.stop:
        with tempfile.TemporaryDirectory() as folder:
            begin = _run(name, range(begin, seeds.stop), folder, found)
    return found


def _run(name: str, seeds: range, folder: str, found: dict[str, list[int]]) -> int:
    """Run a child until it ends; the seed after the last one that it began."""
    env = {**os.environ, "AUTOSYNTH_CACHE": f"{folder}/cache"}
    command = [sys.executable, "-W", "ignore", __file__, "--child", folder, name]
    command += ["--seed", str(seeds.start), "--mutants", str(len(seeds))]
    last = seeds.start - 1
    with subprocess.Popen(
        command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        done, told = True, process.stdout
        with selectors.DefaultSelector() as selector:
            selector.register(told, selectors.EVENT_READ)
            wait = 10 * SECONDS  # until the libraries are loaded
            while selector.select(wait) and (line := told.readline()):
                word, _, seed = line.strip().rpartition(" ")
                last, done, wait = int(seed), word != "begin", SECONDS
                if done:
                    found.setdefault(word, []).append(last)
            hangs = process.poll() is None and bool(wait) and not _ended(process)
        process.kill()
        errors = process.stderr.read().strip().splitlines()
    if last < seeds.start:
        raise RuntimeError(f"{name}: the good file is not read: {' '.join(errors[-1:])}")
    if not done:
        what = "hang" if hangs else f"crash {process.returncode}"
        found.setdefault(what, []).append(last)
    return last + 1


def _ended(process: "subprocess.Popen[str]") -> bool:
    """Whether a process that has closed its output ends by itself."""
    try:
        process.wait(timeout=2)
    except subprocess.TimeoutExpired:
        return False
    return True


def main() -> int:
    """Count over the named forms, or all; 1 where any mutant did wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("forms", nargs="*", default=list(FORMS))
    parser.add_argument("--mutants", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    seeds = range(args.seed, args.seed + args.mutants)
    if args.child:
        child(args.forms[0], seeds, args.child)
        return 0
    wrong = 0
    for name in args.forms:
        found = count(name, seeds)
        total = Counter({word: len(each) for word, each in found.items()})
        bad = {word: each for word, each in found.items() if word not in GOOD}
        wrong += sum(map(len, bad.values()))
        good = ", ".join(f"{word} {total[word]}" for word in GOOD)
        print(f"{name:<14}{good}, wrong {sum(map(len, bad.values()))}", flush=True)
        for word, each in bad.items():
            print(f"    {word}: {each[:10]}", flush=True)
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())

"""Damages good files of every form and counts what reading them does: `mutate.py [FORM...]`.

Right is a dataset, or an error of ours. Wrong are a foreign error, the end of the process, more
than 20 s, and more than 2 GB. Every mutant is read to learn, whole and piece by piece, and to
predict, in a child process with limits. A form is added to `FORMS`: what writes a good file, and
what reads it.

    python tests/benchmarks/mutate.py --mutants 100 --seed 0 csv xlsx
    python tests/benchmarks/mutate.py --out results/hostile.md    # all of them, as a table
"""

import argparse
import os
import random
import selectors
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from _form import Form, Step
from _media import MEDIA
from _saved import SAVED
from _tables import TABLES

from autosynth.errors import AutosynthError

try:
    import resource
except ImportError:  # Windows has no such limits
    resource = None  # type: ignore[assignment]

SECONDS = 20.0
MEGABYTES = 2048
_SPACE = 8192  # megabytes of address space, of which libraries reserve much and use little
_MOST_EDITS = 3
GOOD = ("read", "own error")
FORMS: Mapping[str, Form] = {**TABLES, **MEDIA, **SAVED}
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
    place = folder / "mutant"
    path = place / form.name
    path.parent.mkdir(parents=True, exist_ok=True)
    form.prepare(place)
    if resource is not None:
        resource.setrlimit(resource.RLIMIT_AS, (_SPACE << 20, _SPACE << 20))
    path.write_bytes(form.pack(data))
    steps = form.steps(place)
    for step in steps:
        step()
    for seed in seeds:
        path.write_bytes(form.pack(mutant(data, seed)))
        print(f"begin {seed}", flush=True)
        print(f"{outcome(steps)} {seed}", flush=True)


def outcome(steps: Sequence[Step]) -> str:
    """What reading a file does, in a word or two; a foreign error is named."""
    said = "read"
    for step in steps:
        try:
            step()
        except AutosynthError:
            said = "own error"
        except MemoryError:
            return "memory"
        except Exception as error:  # which is what is looked for
            text = " ".join(str(error).split())[:80]
            return f"foreign error {type(error).__name__}: {text}"
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


KINDS = (*GOOD, "foreign error", "crash", "hang", "memory")


def _head(mutants: int, seed: int) -> str:
    return (
        "# Damaged files\n\nMade by `python tests/benchmarks/mutate.py --out results/hostile.md`: "
        f"{mutants} mutants of each form\n(seeds from {seed}), each read in a child process to "
        "learn of it, whole and piece by piece, and to predict. More\nthan "
        f"{SECONDS:.0f} s is a hang, more than {MEGABYTES} MB counts as memory. The last four "
        "columns are to be 0.\n\n"
        f"| form | {' | '.join(KINDS)} |\n| --- |{' ---: |' * len(KINDS)}\n"
    )


def _row(name: str, total: Counter[str]) -> str:
    """How many mutants did what."""
    counts = [sum(n for word, n in total.items() if word.startswith(kind)) for kind in KINDS]
    return f"| {name} | {' | '.join(map(str, counts))} |\n"


def main() -> int:
    """Count over the named forms, or all; 1 where any mutant did wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("forms", nargs="*", default=list(FORMS))
    parser.add_argument("--mutants", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="a table of Markdown")
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    seeds = range(args.seed, args.seed + args.mutants)
    if args.child:
        child(args.forms[0], seeds, args.child)
        return 0
    wrong = 0
    lines: list[str] = []
    for name in args.forms:
        found = count(name, seeds)
        total = Counter({word: len(each) for word, each in found.items()})
        bad = {word: each for word, each in found.items() if word not in GOOD}
        wrong += sum(map(len, bad.values()))
        lines.append(_row(name, total))
        if args.out:
            args.out.write_text(f"{_head(args.mutants, args.seed)}{''.join(lines)}")
        good = ", ".join(f"{word} {total[word]}" for word in GOOD)
        print(f"{name:<36}{good}, wrong {sum(map(len, bad.values()))}", flush=True)
        for word, each in bad.items():
            print(f"    {word}: {each[:10]}", flush=True)
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())

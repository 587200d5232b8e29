"""Damages the folders of runs and counts what the commands do with them: `runs.py [RUN...]`.

Right is an end by itself with exit code 0, or an error of ours with exit code 2. Wrong are a
foreign error, the end of the process, and more than 120 s. Two runs are made, a finished and an
unfinished one; of each mutant one file is damaged, and then the commands are given that a user
would give: the board, the report, every other time an export of the best or of another trial, an
evaluation of the bundle, the search again, and the board once more.

    python tests/benchmarks/runs.py --mutants 20
    python tests/benchmarks/runs.py --out results/run_folders.md    # 500 of each, as a table
"""

import argparse
import contextlib
import io
import json
import random
import selectors
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from mutate import mutant

from autosynth.cli import main as command
from autosynth.modality import MODALITIES
from autosynth.run.state import RunState, read_state, write_state

SECONDS = 120.0
SEARCH = ("wine", "--space", "small", "--no-refit")
Damage = Callable[[Path, random.Random], object]


def _folder(path: Path, rng: random.Random) -> None:
    path.unlink()
    path.mkdir()


def _swap(path: Path, rng: random.Random) -> None:
    """With another file of the run, of the same name where there is one."""
    run = next(parent for parent in path.parents if (parent / "trials").is_dir())
    files = [each for each in sorted(run.rglob("*")) if each.is_file() and each != path]
    other = rng.choice([each for each in files if each.name == path.name] or files)
    content = path.read_bytes()
    path.write_bytes(other.read_bytes())
    other.write_bytes(content)


def _retype(path: Path, rng: random.Random) -> None:
    """One value in a JSON file becomes one of another type; another file gets a line put in."""
    odd = rng.choice((None, True, -1, 1e300, "x", [], {}, [[1, "y"]], {"z": 0}))
    try:
        held = json.loads(path.read_text())
        places = list(_places(held))
        place, key = rng.choice(places)
    except (ValueError, IndexError):
        lines = path.read_bytes().splitlines(keepends=True)
        at = rng.randrange(len(lines) + 1)
        path.write_bytes(b"".join([*lines[:at], f"odd = {odd}\n".encode(), *lines[at:]]))
        return
    place[key] = odd  # type: ignore[index]
    path.write_text(json.dumps(held))


def _places(held: object) -> Iterable[tuple[dict | list, str | int]]:  # type: ignore[type-arg]
    if not isinstance(held, dict | list):
        return
    for key, value in held.items() if isinstance(held, dict) else enumerate(held):
        yield held, key
        yield from _places(value)


DAMAGES: Mapping[str, Damage] = {
    "bytes changed": lambda path, rng: path.write_bytes(
        mutant(path.read_bytes() or b"\0", rng.randrange(2**32))
    ),
    "cut off": lambda path, rng: path.write_bytes(
        path.read_bytes()[: rng.randrange(path.stat().st_size or 1)]
    ),
    "garbage": lambda path, rng: path.write_bytes(rng.randbytes(rng.randrange(1, 400))),
    "empty": lambda path, rng: path.write_bytes(b""),
    "deleted": lambda path, rng: path.unlink(),
    "a folder": _folder,
    "two swapped": _swap,
    "another type": _retype,
}


def commands(run: Path, pick: str | None) -> list[list[str]]:
    """What is typed of a run, one of whose trials is exported, or none: that takes longest."""
    where, model = str(run), str(run.parent / "model")
    return [
        ["leaderboard", where],
        ["report", where],
        *([["export", where, "--pick", pick, "-o", model]] if pick else []),
        *([["evaluate", where, SEARCH[0]]] if (run / "bundle").exists() else []),
        ["search", *SEARCH, "--trials", "2", "--out", where],
        ["evaluate", where, SEARCH[0]],
        ["leaderboard", where],
    ]


def outcome(asked: list[str]) -> str:
    """What a command does, in a word or two; a foreign error is named."""
    try:
        with (
            contextlib.redirect_stdout(io.StringIO()),
            contextlib.redirect_stderr(io.StringIO()) as told,
        ):
            code = command(asked)
    except Exception as error:  # which is what is looked for
        place = " ".join(str(error).split())[:80]
        return f"foreign error of {asked[0]}: {type(error).__name__}: {place}"
    if code == 0:
        return "done"
    ours = code == 2 and told.getvalue().startswith(("autosynth: ", "warning: "))
    return "own error" if ours else f"foreign error of {asked[0]}: code {code}"


def make(folder: Path) -> None:
    """A finished run and an unfinished one, of short trainings: what they leave is the same."""
    for name in ("finished", "unfinished"):
        asked = ["search", *SEARCH, "--trials", "2", "--out", str(folder / name)]
        if (found := outcome(asked)) != "done":
            raise RuntimeError(f"no run was made: {found}")
    run = folder / "unfinished"
    write_state(run, replace(read_state(run), finished=RunState().finished))
    for path in ("bundle", "composing.json", "leaderboard.csv", "leaderboard.md", "front.png"):
        each = run / path
        shutil.rmtree(each) if each.is_dir() else each.unlink()


def damaged(source: Path, target: Path, seed: int) -> str:
    """A copy of a run with one file damaged; gives which, and how."""
    rng = random.Random(seed)
    shutil.copytree(source, target)
    files = [path for path in sorted(target.rglob("*")) if path.is_file()]
    # A file of the run itself as often as one of its trials, of which there are many.
    inner = [path for path in files if "trials" in path.parts]
    path = rng.choice(rng.choice((inner, [path for path in files if path not in inner])))
    how = rng.choice(list(DAMAGES))
    name = path.name if "bundle" not in path.parts else f"bundle/{path.name}"
    DAMAGES[how](path, rng)
    return f"{name}|{how}"


def child(folder: Path, run: str, seeds: range) -> None:
    """Damage and use one copy after another; say which before, and what came of it after."""
    _shorten()
    weights = sorted((folder / run / "trials").glob("*/weights.safetensors"))
    for seed in seeds:
        place = folder / "mutant" / run
        shutil.rmtree(place.parent, ignore_errors=True)
        print(f"begin|{seed}|{damaged(folder / run, place, seed)}", flush=True)
        pick = ("best", None, str(int(weights[0].parent.name)), None)[seed % 4]
        found = [outcome(asked) for asked in commands(place, pick)]
        wrong = [each for each in found if each.startswith("foreign")]
        word = wrong[0] if wrong else "own error" if "own error" in found else "done"
        print(f"{word}|{seed}", flush=True)


def _shorten() -> None:
    """Trainings of 40 steps: how a damaged file is taken does not depend on their length."""
    for modality in MODALITIES.values():
        object.__setattr__(
            modality, "schedule", replace(modality.schedule, least_steps=40, most_steps=40)
        )


class Mutants(list[tuple[str, str, int]]):
    """What was damaged, what came of it, and the seed, of each mutant; kept in a file, if any."""

    def __init__(self, log: Path | None, run: str, seeds: range) -> None:
        self._log, self._run = log, run
        lines = log.read_text().splitlines() if log and log.exists() else []
        known = [
            (what, word, seed) for each, what, word, seed in map(json.loads, lines) if each == run
        ]
        super().__init__(each for each in known if each[2] in seeds)

    def add(self, what: str, word: str, seed: int) -> None:
        """One more."""
        self.append((what, word, seed))
        if self._log:
            with self._log.open("a") as file:
                file.write(json.dumps([self._run, what, word, seed]) + "\n")


def count(folder: Path, run: str, seeds: range, log: Path | None = None) -> Mutants:
    """Damage and use a run; with a log, those that it has are not made again."""
    found = Mutants(log, run, seeds)
    begin = max((seed + 1 for _, _, seed in found), default=seeds.start)
    while begin < seeds.stop:
        args = ["--child", str(folder), "--seed", str(begin), "--mutants", str(seeds.stop - begin)]
        with subprocess.Popen(
            [sys.executable, "-W", "ignore", __file__, run, *args],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        ) as process, selectors.DefaultSelector() as selector:  # fmt: skip
            assert process.stdout is not None
            assert process.stderr is not None
            selector.register(process.stdout, selectors.EVENT_READ)
            what, last = "", begin - 1
            wait = 10 * SECONDS  # until the libraries are loaded
            while selector.select(wait) and (line := process.stdout.readline().strip()):
                word, seed, *rest = line.split("|")
                last, wait = int(seed), SECONDS
                if word == "begin":
                    what = "|".join(rest)
                else:
                    found.add(what, word, last)
                    what = ""
            hangs = process.poll() is None and bool(what)
            process.kill()
            if last < begin:
                raise RuntimeError(f"{run}: nothing is read: {process.stderr.read()[-500:]}")
            if what:
                found.add(what, "hang" if hangs else f"crash {process.wait()}", last)
        begin = last + 1
    return found


GOOD = ("done", "own error")


def table(found: Mapping[str, Mutants]) -> str:
    """Rows of what was damaged, with how many mutants did what."""
    lines = ["| run | file | done | own error | wrong |", "| --- | --- | ---: | ---: | ---: |"]
    for run, mutants in found.items():
        by_file: dict[str, Counter[str]] = {}
        for what, word, _ in mutants:
            name = what.partition("|")[0]
            by_file.setdefault(name, Counter())[word if word in GOOD else "wrong"] += 1
        for name, counts in sorted(by_file.items()):
            cells = " | ".join(str(counts[word]) for word in (*GOOD, "wrong"))
            lines.append(f"| {run} | {name} | {cells} |")
    return "\n".join(lines) + "\n"


def _head(mutants: int, seed: int) -> str:
    return (
        "# Damaged run folders\n\nMade by `python tests/benchmarks/runs.py --out "
        f"results/run_folders.md`: {mutants} mutants of a\nfinished and of an unfinished run "
        f"(seeds from {seed}), each with one file damaged in one of these ways:\n"
        f"{', '.join(DAMAGES)}.\nThen the board, the report, two exports, an evaluation and the "
        "search again. `done`: all ended well; `own error`:\none of them or more told what is "
        "wrong and what to do. `wrong` are foreign errors, crashes and hangs, and is to be\n0.\n\n"
    )


def main() -> int:
    """Count over the named runs, or both; 1 where any mutant did wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", nargs="*", default=["finished", "unfinished"])
    parser.add_argument("--mutants", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="a table of Markdown")
    parser.add_argument("--log", type=Path, help="a file of lines, to go on after a break")
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    seeds = range(args.seed, args.seed + args.mutants)
    if args.child:
        child(args.child, args.runs[0], seeds)
        return 0
    _shorten()
    found: dict[str, Mutants] = {}
    with tempfile.TemporaryDirectory() as name:
        make(Path(name))
        for run in args.runs:
            found[run] = count(Path(name), run, seeds, args.log)
    wrong = [(run, *each) for run, all_ in found.items() for each in all_ if each[1] not in GOOD]
    for each in wrong:
        print(*each, flush=True)
    text = table(found)
    print(text)
    if args.out:
        args.out.write_text(_head(args.mutants, args.seed) + text)
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())

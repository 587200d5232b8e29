"""Kills searches at random moments, types the same command again, and looks at what is there.

A chain is one small search: it is begun, killed (`kill -9`) at a moment drawn evenly over the life
of such a search, typed again, killed again, and at last left to end. Killed are the driver, a
worker, or both at once. After each kill: whether all processes of the search were gone within two
seconds, whether a trial that had ended is lost, altered or there twice, and whether the journal
can be read; after the end also whether its exit code was 0 and no stray file is left.

A line of JSON is appended for each kill, and what the file has is not done again: the script may
be broken off, and goes on.

    python tests/benchmarks/kills.py --kills 5 --log kills.jsonl
    python tests/benchmarks/kills.py --log kills.jsonl --jobs 2 --out results/kills.md   # 200
"""

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

from _small import (
    COMMAND,
    MARK,
    SEARCH,
    Trial,
    problems,
    processes,
    strays,
    trials_of,
    workers_of,
    write_flowers,
)

# Seconds in which all processes of a search are to be gone, and that any end is waited for.
_GONE, _PATIENCE = 2.0, 600.0


@dataclass(frozen=True, kw_only=True)
class Kind:
    """What is killed, of a search by how many workers, that ends by what."""

    victim: str
    workers: int
    limit: tuple[str, ...]

    def __str__(self) -> str:
        workers = f"{self.workers} worker" + ("s" if self.workers > 1 else "")
        return f"{self.victim}, {workers}, {' '.join(self.limit)}"


TRIALS, BUDGET = ("--trials", "5"), ("--budget", "20")
# One worker is the driver itself: there is no other to kill.
KINDS = tuple(
    Kind(victim=victim, workers=workers, limit=limit)
    for limit in (TRIALS, BUDGET)
    for victim, workers in (("driver", 1), ("driver", 2), ("worker", 2), ("both", 2))
)


@dataclass(kw_only=True)
class Kill:
    """What one kill left: the line of it."""

    kind: str
    chain: str
    phase: str
    after_seconds: float
    gone_seconds: float = 0.0
    trials: int = 0
    wrong: list[str] = field(default_factory=list)


def _phase(run: Path, driver: int) -> str:
    """What a search was doing, as far as its folder tells."""
    with suppress(OSError, ValueError):
        if json.loads((run / "driver.json").read_text())["pid"] == driver:
            if (run / "bundle").exists() or (run / "composing.json").exists():
                return "end"
            if not (run / "data.json").exists():
                return "baseline, plan"
            return "trials"
    with suppress(OSError, ValueError):
        if json.loads((run / "state.json").read_text())["finished"]:
            return "end"  # of the process, which has told what it found
    return "start"


class Chain:
    """One search, killed some times, and then left to end."""

    def __init__(self, place: Path, kind: Kind, rng: random.Random) -> None:
        self.place, self.kind, self.rng = place, kind, rng
        self.run, self.mark = place / "run", uuid.uuid4().hex
        self.known: dict[str, Trial] = {}
        self.kills: list[Kill] = []
        (place / "tmp").mkdir()
        write_flowers(place)

    def begin(self) -> "subprocess.Popen[bytes]":
        """Type the command."""
        more = (*self.kind.limit, "--workers", str(self.kind.workers), "--out", "run")
        root = str(Path(__file__).parents[2])
        with (self.place / "said").open("ab") as said:
            return subprocess.Popen(
                [sys.executable, "-c", COMMAND, *SEARCH, *more],
                cwd=self.place,
                env={
                    **os.environ,
                    "PYTHONPATH": root,
                    "TMPDIR": str(self.place / "tmp"),
                    MARK: self.mark,
                },
                stdout=said,
                stderr=said,
                start_new_session=True,
            )

    def kill(self, life: float, kills: int) -> int:
        """Kill a search at a moment of its life; gives how often, 0 where it ended before.

        A driver whose worker is killed goes on: of such a search two are.
        """
        began, search = time.monotonic(), self.begin()
        moments, most = [began + self.rng.random() * life], 1
        if self.kind.victim == "worker":
            while search.poll() is None and not workers_of(search.pid):
                time.sleep(0.02)
            left, most = max(1.0, began + life - time.monotonic()), min(2, kills)
            moments = sorted(time.monotonic() + self.rng.random() * left for _ in range(most))
        found: list[tuple[Kill, dict[str, Trial]]] = []
        for moment in moments:
            while search.poll() is None and (left := moment - time.monotonic()) > 0:
                with suppress(subprocess.TimeoutExpired):
                    search.wait(left)
            before, phase = trials_of(self.run), _phase(self.run, search.pid)
            if search.poll() is None and self._strike(search):
                seconds = round(time.monotonic() - began, 2)
                kill = Kill(
                    kind=str(self.kind), chain=self.mark[:8], phase=phase, after_seconds=seconds
                )
                found.append((kill, before))
        search.wait(_PATIENCE)
        for kill, before in found:
            if self.kind.victim == "worker" and search.returncode:
                kill.wrong.append(f"the driver of a worker ended with {search.returncode}")
            self._look(kill, before)
        return len(found)

    def _strike(self, search: "subprocess.Popen[bytes]") -> bool:
        """Kill who is to be killed; False where there is none any more."""
        workers = workers_of(search.pid)
        victims = {
            "driver": [search.pid],
            "worker": self.rng.sample(workers, min(1, len(workers))),
            "both": self.rng.sample([search.pid, *workers], 1 + len(workers)),
        }[self.kind.victim]
        for victim in victims:
            with suppress(ProcessLookupError):
                os.kill(victim, signal.SIGKILL)
        return bool(victims)

    def _look(self, kill: Kill, before: Mapping[str, Trial]) -> None:
        """Wait until all processes are gone, and see what is there."""
        began = time.monotonic()
        while (left := processes(self.mark)) and time.monotonic() - began < _GONE:
            time.sleep(0.02)
        kill.gone_seconds = round(time.monotonic() - began, 2)
        if left:
            kill.wrong.append(f"{len(left)} processes are left after {_GONE:g} s: {_names(left)}")
            while processes(self.mark) and time.monotonic() - began < _PATIENCE:
                time.sleep(0.1)
            kill.gone_seconds = round(time.monotonic() - began, 2)
        kill.wrong += problems(self.run, {**self.known, **before})
        self.known = trials_of(self.run)
        kill.trials = sum(r.get("kind") == "strategy" for r, _ in self.known.values())
        self.kills.append(kill)

    def end(self) -> float:
        """Type the command a last time, leave it to end, and see what is there; its seconds."""
        began = time.monotonic()
        search = self.begin()
        try:
            code: int | None = search.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            os.killpg(search.pid, signal.SIGKILL)
            code = None
        seconds = time.monotonic() - began
        said = (self.place / "said").read_text(errors="replace")
        wrong = problems(self.run, self.known, ended=True) + strays(self.run)
        wrong += [f"stray: {path.name}" for path in (self.place / "tmp").glob("autosynth-*")]
        wrong += [] if code == 0 else [f"it ended with {code}: {said[-300:]}"]
        wrong += [f"said: {word}" for word in ("Traceback", "warning: trial") if word in said]
        states = Counter(
            record["state"]
            for record, _ in trials_of(self.run).values()
            if record["kind"] == "strategy"
        )
        n_trained = sum(n for state, n in states.items() if state != "not_run")
        if self.kind.limit == TRIALS and n_trained != int(TRIALS[1]):
            wrong.append(f"{n_trained} trials, not {TRIALS[1]}")
        if not (self.run / "bundle" / "model.json").exists() and states["complete"]:
            wrong.append("there is no bundle")
        for kill in self.kills:
            kill.wrong += wrong
        return seconds


def _names(processes: Sequence[int]) -> str:
    found = []
    for number in processes:
        with suppress(OSError):
            words = Path(f"/proc/{number}/cmdline").read_bytes().decode().split("\0")
            found.append(" ".join(" ".join(words[1:4]).split())[:80])
    return "; ".join(found)


class Campaign:
    """All chains, some at a time, and the file of their kills."""

    def __init__(self, log: Path, chain: int, seed: int) -> None:
        self.log, self.length, self.seed = log, chain, seed
        # Seconds of a whole life, to draw moments of: of a search by trials, and by a budget.
        self.lives: dict[tuple[str, ...], float] = {}
        self._lock = threading.Lock()

    def done(self) -> list[Kill]:
        """The kills that the file has."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        return [Kill(**json.loads(line)) for line in lines]

    def plan(self, kinds: Sequence[Kind], kills: int) -> Iterator[tuple[Kind, int]]:
        """Chains that are lacking: the kinds in turn, each to have an equal part."""
        had = Counter(kill.kind for kill in self.done())
        lacking = {
            kind: kills // len(kinds) + (i < kills % len(kinds)) - had[str(kind)]
            for i, kind in enumerate(kinds)
        }
        while any(n > 0 for n in lacking.values()):
            for kind in kinds:
                if (n := min(self.length, lacking[kind])) > 0:
                    lacking[kind] -= n
                    yield kind, n

    def run(self, kind: Kind, kills: int) -> None:
        """One chain after another until there are so many kills, and their lines."""
        rng = random.Random(self.seed + uuid.uuid4().int)
        while kills > 0:
            place = Path(tempfile.mkdtemp(prefix="kills-"))
            chain = Chain(place, kind, rng)
            with self._lock:
                if kind.limit not in self.lives:
                    self.lives[kind.limit] = chain.end()
                    shutil.rmtree(chain.run)
            wanted = min(kills, self.length)
            # What goes on has less before it.
            while (had := len(chain.kills)) < wanted:
                if not chain.kill(self.lives[kind.limit] * 0.9**had, wanted - had):
                    break
                if kind.victim == "worker":
                    break  # that search has ended
            last = chain.end()
            self.lives[kind.limit] = max(self.lives[kind.limit] * 0.95, last)
            kills -= len(chain.kills)
            with self._lock, self.log.open("a") as file:
                for kill in chain.kills:
                    file.write(json.dumps(asdict(kill)) + "\n")
            bad = [kill for kill in chain.kills if kill.wrong]
            for kill in bad:
                print(kill, flush=True)
            if bad:
                print(f"kept: {place}", flush=True)
            else:
                shutil.rmtree(place, ignore_errors=True)


PHASES = ("start", "baseline, plan", "trials", "end")


def table(kills: Sequence[Kill]) -> str:
    """Rows of the kinds: when they were killed, how long any process was left, what is wrong."""
    lines = [
        f"| killed, of a search by | kills | {' | '.join(PHASES)} | gone after, s | wrong |",
        f"| --- |{' ---: |' * (len(PHASES) + 3)}",
    ]
    kinds = {kind: [k for k in kills if k.kind == kind] for kind in map(str, KINDS)}
    for kind, own in {**kinds, "all": kills}.items():
        phases = Counter(kill.phase for kill in own)
        longest = max((kill.gone_seconds for kill in own), default=0.0)
        wrong = sum(bool(kill.wrong) for kill in own)
        cells = [len(own), *(phases[each] for each in PHASES), f"{longest:.2f}", wrong]
        lines.append(f"| {kind} | {' | '.join(map(str, cells))} |")
    return "\n".join(lines) + "\n"


_HEAD = """# Searches killed at random moments

Made by `python tests/benchmarks/kills.py --log kills.jsonl --jobs 2 --out results/kills.md`: {n}
kills (`kill -9`) at moments drawn evenly over the life of a small search, of its driver, of one of
its workers, or of all at once; then the same command again. `start` are imports, reading and a run
that goes on, `end` the choice, the report and the end of the process. `gone after` is the longest
that any process of a search was left, of two seconds at most. `wrong`, which is to be 0, is a kill
after which a process was left, a trial that had ended was lost, altered or there twice, a file was
left that should not, the journal could not be read, or the search did not end with 0.

"""


def main() -> int:
    """Kill until there are so many; 1 where anything is wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--chain", type=int, default=6, help="kills of one search (6)")
    parser.add_argument("--kind", type=int, action="append", help="the number of a kind")
    parser.add_argument("--jobs", type=int, default=1, help="searches side by side (1)")
    parser.add_argument("--life", type=float, help="seconds that one is taken to live (measured)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--log", type=Path, required=True, help="the file of lines, one a kill")
    parser.add_argument("--out", type=Path, help="a table of Markdown")
    args = parser.parse_args()
    kinds = [KINDS[number] for number in args.kind or range(len(KINDS))]
    campaign = Campaign(args.log, args.chain, args.seed)
    if args.life:
        campaign.lives = dict.fromkeys((TRIALS, BUDGET), args.life)
    with ThreadPoolExecutor(args.jobs) as pool:
        for done in [pool.submit(campaign.run, *job) for job in campaign.plan(kinds, args.kills)]:
            done.result()
    kills = campaign.done()
    print(table(kills))
    if args.out:
        args.out.write_text(_HEAD.format(n=len(kills)) + table(kills))
    return int(any(kill.wrong for kill in kills))


if __name__ == "__main__":
    sys.exit(main())

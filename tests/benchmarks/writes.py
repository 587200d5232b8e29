"""Searches of whose writes each in turn is refused, once, or with all that follow it.

Between Python and the system stands a small library (`refuse.c`, compiled here, so a C compiler is
needed, and Linux), which counts every file made, byte written, rename, flush and folder made below
the run's folder and the temporary one, in the driver and its workers. One
search counts them; then, for each write, a search in which that one is refused, and the same
command again without. Right are exit codes 0, 2 (with a message of ours) and 3, no traceback, no
process left, no temporary file left where the disk allows to remove it, 0 of the second, and no
trial lost that had ended.

A line of JSON is appended for each, and what the file has is not done again.

    python tests/benchmarks/writes.py --log writes.jsonl --each 1 --only "full once, 1 worker"
    python tests/benchmarks/writes.py --log writes.jsonl --out writes.md   # all: hours
"""

import argparse
import atexit
import errno
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import uuid
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path

from _small import COMMAND, MARK, SEARCH, problems, processes, strays, trials_of, write_flowers

_PATIENCE = 300.0
_TEMPORARY = re.compile(r"\.?[0-9a-f]{32}")


@dataclass(frozen=True, kw_only=True)
class Disk:
    """How a disk refuses, and how many workers the search has."""

    number: int
    goes_on: bool
    workers: int

    def __str__(self) -> str:
        what = "full" if self.number == errno.ENOSPC else "read-only"
        long = "from then on" if self.goes_on else "once"
        return f"{what} {long}, {self.workers} worker{'s'[: self.workers - 1]}"


DISKS = tuple(
    Disk(number=number, goes_on=goes_on, workers=workers)
    for number, goes_on, workers in (
        (errno.ENOSPC, False, 1),
        (errno.ENOSPC, True, 2),
        (errno.EROFS, True, 1),
        (errno.ENOSPC, True, 1),
        (errno.ENOSPC, False, 2),
        (errno.EROFS, True, 2),
    )
)


@dataclass(frozen=True, kw_only=True)
class Write:
    """One write of a search: which, and what it does to what."""

    number: int
    call: str
    what: str


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """What came of one that was refused: the line of it."""

    disk: str
    number: int
    call: str
    what: str
    code: int
    told: str
    again: int
    trials: int
    wrong: list[str]


def library() -> Path:
    """What stands between, compiled."""
    made = Path(tempfile.mkdtemp(prefix="writes-")) / "refuse.so"
    source = Path(__file__).with_name("refuse.c")
    compiler = shutil.which("cc") or sys.exit("a C compiler is needed: there is no `cc`")
    subprocess.run([compiler, "-O1", "-shared", "-fPIC", "-o", made, source, "-ldl"], check=True)
    return made


def search(place: Path, disk: Disk, *, at: int, mark: str = "") -> int:
    """Type the command, and wait for its exit code: the write at a place is refused (0: none).

    It is this process, forked: what it has loaded, no search has to load.

    Args:
        place: a folder of its own; output goes to `said`, writes to `log`.
        disk: how it refuses.
        at: the write, from 1.
        mark: of its processes.
    """
    (place / "count").write_bytes(bytes(8))
    env = {
        MARK: mark,
        "PYTHONPATH": str(Path(__file__).parents[2]),
        "TMPDIR": str(place / "scratch"),
        "REFUSE_UNDER": f"{place / 'run'}:{place / 'scratch'}",
        "REFUSE_COUNT": str(place / "count"),
        "REFUSE_LOG": str(place / "log"),
        "REFUSE_AT": str(at),
        "REFUSE_ON": str(int(disk.goes_on)),
        "REFUSE_ERRNO": str(disk.number),
    }
    more = ("--trials", "2", "--workers", str(disk.workers), "--out", "run")
    sys.stdout.flush()
    if child := os.fork():
        return _waited(child)
    code = 1
    try:
        os.setsid()
        os.chdir(place)
        said = os.open("said", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        for number in (sys.stdout.fileno(), sys.stderr.fileno()):
            os.dup2(said, number)
        os.environ.update(env)
        tempfile.tempdir = None
        sys.argv = ["autosynth", *SEARCH, *more]
        try:
            exec(COMMAND, {"__name__": "search"})
        except SystemExit as ended:
            code = int(ended.code or 0)
        (place / "modules").write_text("\n".join(sys.modules))
    except BaseException:
        traceback.print_exc()
    finally:
        atexit._run_exitfuncs()
        sys.stdout.flush()
        os._exit(code)


def _waited(child: int) -> int:
    """The exit code of a process that is waited for."""
    end = time.monotonic() + _PATIENCE
    while time.monotonic() < end:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.05)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return -signal.SIGKILL


def _place() -> Path:
    place = Path(tempfile.mkdtemp(prefix="writes-")).resolve()
    (place / "scratch").mkdir()
    write_flowers(place)
    return place


def writes(place: Path) -> list[Write]:
    """The writes that a search has done, of what is in its log."""
    lines = [line.split("\t") for line in (place / "log").read_text().splitlines()]
    # A file is written under another name, and then renamed: the name it gets says what it is.
    later = {old: path for _, call, path, old in lines if call == "rename"}
    found = []
    for number, call, path, _ in lines:
        for old, new in later.items():
            if path == old or path.startswith(f"{old}/"):
                path = new + path.removeprefix(old)
        found.append(Write(number=int(number), call=call, what=_what(Path(path), place)))
    return sorted(found, key=lambda write: write.number)


def _what(path: Path, place: Path) -> str:
    """What a file is, for a table."""
    parts = path.relative_to(place).parts
    if parts[0] == "scratch":
        kind = "-".join(parts[1].split("-")[:2]) if len(parts) > 1 else ""
        return f"temporary: {kind or 'any'}" if kind.startswith("autosynth-") else "temporary: any"
    if parts[:2] == ("run", "trials"):
        return f"trials/…/{parts[3]}" if len(parts) > 3 else "trials/…"
    if len(parts) == 2 and _TEMPORARY.match(parts[1]):
        return "bundle"  # the one folder that gets its name later, if it ever does
    return "/".join(parts[1:2]) or "the run's folder"


def count(disk: Disk) -> list[Write]:
    """The writes of a search that nothing is refused."""
    place = _place()
    if search(place, disk, at=0):
        sys.exit((place / "said").read_text())
    found = writes(place)
    shutil.rmtree(place)
    return found


def load() -> None:
    """Load what a search loads: some of it writes when it is first imported."""
    place = _place()
    search(place, DISKS[0], at=0)
    for name in (place / "modules").read_text().splitlines():
        with suppress(ImportError):
            import_module(name)
    shutil.rmtree(place)


def outcome(disk: Disk, write: Write) -> Refusal:
    """Refuse a write, see what is there, and type the command again."""
    place, mark = _place(), uuid.uuid4().hex
    run = place / "run"
    code = search(place, disk, at=write.number, mark=mark)
    said = (place / "said").read_text(errors="replace")
    wrong = [] if code in (0, 2, 3) else [f"exit code {code}: {said[-300:]}"]
    wrong += ["a traceback"] if "Traceback" in said else []
    line = next((x for x in said.splitlines() if x.startswith("autosynth: ")), "")
    wrong += ["no message"] if code == 2 and not line else []
    end = time.monotonic() + 2
    while processes(mark) and time.monotonic() < end:
        time.sleep(0.05)
    wrong += [f"{len(left)} processes left" for left in [processes(mark)] if left]
    if not (disk.goes_on and disk.number == errno.EROFS):  # which removes nothing, either
        wrong += _temporary(place)
    known = trials_of(run)
    again = search(place, disk, at=0, mark=mark)
    more = (place / "said").read_text(errors="replace")
    wrong += [] if again == 0 else [f"again: {again}: {more[-300:]}"]
    wrong += ["again: a traceback"] if "Traceback" in more else []
    wrong += [f"again: {text}" for text in _temporary(place)]
    wrong += problems(run, known, ended=True) + strays(run)
    if wrong:
        (place / "first").write_text(said)
        print(f"kept: {place}", flush=True)
    else:
        shutil.rmtree(place)
    told = " ".join(line.replace(str(place), "…").split()).removeprefix("autosynth: ")
    return Refusal(
        disk=str(disk), number=write.number, call=write.call, what=write.what, code=code,
        told=told[:160], again=again, trials=len(known), wrong=wrong,
    )  # fmt: skip


def _temporary(place: Path) -> list[str]:
    found = [*(place / "run").rglob(".[0-9a-f]*"), *(place / "scratch").glob("autosynth-*")]
    return [f"left: {path.relative_to(place)}" for path in found]


def chosen(found: Sequence[Write], each: int) -> list[Write]:
    """Of all writes alike so many, spread evenly from the first to the last; 0 means all."""
    alike: dict[tuple[str, str], list[Write]] = defaultdict(list)
    for write in found:
        alike[write.call, write.what].append(write)
    taken: list[Write] = []
    for group in alike.values():
        n = min(each, len(group)) if each else len(group)
        taken += [group[round(i * (len(group) - 1) / max(1, n - 1))] for i in range(n)]
    return sorted(taken, key=lambda write: write.number)


def table(found: Sequence[Refusal]) -> str:
    """Rows of what was written: how many were refused, how those searches ended, what is wrong."""
    lines = ["| written | refused | done | exit code 2 or 3 | ended when typed again | wrong |"]
    lines += ["| --- | ---: | ---: | ---: | ---: | ---: |"]
    groups = {
        what: [x for x in found if x.what == what] for what in sorted({x.what for x in found})
    }
    for what, own in {**groups, "all": list(found)}.items():
        codes = Counter(x.code for x in own)
        ended, wrong = sum(x.again == 0 for x in own), sum(bool(x.wrong) for x in own)
        cells = (len(own), codes[0], codes[2] + codes[3], ended, wrong)
        lines.append(f"| {what} | {' | '.join(map(str, cells))} |")
    return "\n".join(lines) + "\n"


def done(log: Path) -> list[Refusal]:
    """What the file has."""
    lines = log.read_text().splitlines() if log.exists() else []
    return [Refusal(**json.loads(line)) for line in lines]


def plan(log: Path, only: str, each: int, most: int) -> Iterator[tuple[Disk, Write]]:
    """What is lacking."""
    had = {(x.disk, x.number) for x in done(log)}
    for disk in DISKS:
        if only in str(disk):
            found = chosen(count(disk), each)
            step = max(1, -(-len(found) // most)) if most else 1
            for write in found[::step]:
                if (str(disk), write.number) not in had:
                    yield disk, write


def main() -> int:
    """Refuse all that is lacking; 1 where anything is wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--log", type=Path, required=True, help="the file of lines, one a write")
    parser.add_argument("--only", default="", help="disks whose names hold that")
    parser.add_argument("--each", type=int, default=0, help="of writes alike, how many (all)")
    parser.add_argument("--most", type=int, default=0, help="of each disk, how many (all)")
    parser.add_argument("--out", type=Path, help="a table of Markdown")
    args = parser.parse_args()
    if "REFUSE_LIBRARY" not in os.environ:  # again, with it in between
        made = str(library())
        os.environ |= {"LD_PRELOAD": made, "REFUSE_LIBRARY": made}
        os.execv(sys.executable, [sys.executable, *sys.argv])
    load()
    for disk, write in plan(args.log, args.only, args.each, args.most):
        found = outcome(disk, write)
        with args.log.open("a") as file:
            file.write(json.dumps(asdict(found)) + "\n")
        if found.wrong:
            print(found, flush=True)
    text = table(done(args.log))
    print(text)
    if args.out:
        args.out.write_text(text)
    return int(any(x.wrong for x in done(args.log)))


if __name__ == "__main__":
    sys.exit(main())

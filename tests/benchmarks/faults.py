"""Searches on a machine that refuses: a full disk, no memory, no files, a folder that goes away.

Each fault is put on one small search; then it is taken away, and the same command typed again.
Told is what the first said and its exit code, and that of the second. Right are exit codes 0, 2
(with a message of ours) and 3, no traceback, no process left, no temporary file left, and 0 of the
second. Disks of their own need a user who may mount one (root), and are passed over for others.

    python tests/benchmarks/faults.py --only "full disk"
    python tests/benchmarks/faults.py --out faults.md
"""

import argparse
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from _small import COMMAND, MARK, SEARCH, processes, strays, write_flowers

_MIB = 2**20
_PATIENCE = 300.0
Strike = Callable[[Path], None]


@dataclass(frozen=True, kw_only=True)
class Fault:
    """What the machine refuses, of a search by how many workers."""

    what: str
    degree: str
    workers: int = 1
    limits: tuple[tuple[int, int], ...] = ()
    """Of the process and its children: which limit, and how low."""
    disk_kib: int | None = None
    """The run's folder lies on a disk of this size."""
    scratch_kib: int | None = None
    """And the temporary folder."""
    fixed: bool = False
    """The disk cannot be written."""
    strike: Strike | None = None
    when: Callable[[Path], bool] | None = None
    """What is done to the run's folder, and the moment."""

    def __str__(self) -> str:
        return f"{self.what}: {self.degree}, {self.workers} worker{'s'[: self.workers - 1]}"


def _rename(run: Path) -> None:
    run.rename(run.with_name("elsewhere"))


def _remove(run: Path) -> None:
    shutil.rmtree(run, ignore_errors=True)


def _lost_trials(run: Path) -> None:
    shutil.rmtree(run / "trials", ignore_errors=True)


def _a_file(run: Path) -> None:
    _rename(run)
    run.write_text("something else")


MOMENTS: dict[str, Callable[[Path], bool]] = {
    "begins": lambda run: (run / "driver.json").exists(),
    "has a baseline": lambda run: bool(list(run.glob("trials/*/record.json"))),
    "has a journal": lambda run: (run / "study.journal").exists(),
    "has a trial": lambda run: bool(list(run.glob("trials/*/weights.safetensors"))),
    "compares": lambda run: (run / "composing.json").exists(),
}


STRIKES: tuple[tuple[str, Strike, str, int], ...] = (
    ("renamed", _rename, "begins", 1),
    ("renamed", _rename, "has a baseline", 2),
    ("renamed", _rename, "has a journal", 2),
    ("renamed", _rename, "has a trial", 1),
    ("renamed", _rename, "compares", 1),
    ("removed", _remove, "has a baseline", 1),
    ("removed", _remove, "has a journal", 1),
    ("removed", _remove, "has a trial", 2),
    ("of its trials removed", _lost_trials, "has a trial", 2),
    ("of its trials removed", _lost_trials, "compares", 1),
    ("made a file", _a_file, "has a trial", 2),
)
# Of what, how little (of bytes, kB, files, MiB), with how many workers.
LARGEST = (
    *((0, 1), (100, 1), (500, 1), (1_500, 1), (4_000, 2), (10_000, 1), (20_000, 2)),
    *((40_000, 2), (80_000, 1)),
)
DISKS = ((4, 1), (12, 1), (24, 1), (40, 2), (60, 1), (80, 2), (120, 1), (180, 2), (240, 1))
SCRATCH = ((4, 1), (12, 2), (24, 1))
FILES = ((5, 1), (8, 1), (12, 1), (16, 1), (16, 2), (24, 2))
MEMORY = ((60, 1), (200, 1), (400, 1), (700, 1), (1_000, 1), (1_000, 2), (1_500, 2))


def faults() -> list[Fault]:
    """All of them."""

    def limited(what: str, unit: str, which: int, by: int, few: Iterable[tuple[int, int]]) -> None:
        for n, workers in few:
            degree, limits = f"{n:,} {unit}", ((which, n * by),)
            found.append(Fault(what=what, degree=degree, workers=workers, limits=limits))

    found: list[Fault] = []
    limited("largest file", "bytes", resource.RLIMIT_FSIZE, 1, LARGEST)
    for n, w in DISKS:
        found.append(Fault(what="full disk", degree=f"{n} kB", workers=w, disk_kib=n))
    for n, w in SCRATCH:
        what = "full temporary disk"
        found.append(Fault(what=what, degree=f"{n} kB", workers=w, scratch_kib=n))
    found += [Fault(what="read-only disk", degree="from the start", disk_kib=4_096, fixed=True)]
    limited("open files", "at most", resource.RLIMIT_NOFILE, 1, FILES)
    limited("memory", "MiB", resource.RLIMIT_AS, _MIB, MEMORY)
    for what, strike, name, w in STRIKES:
        what, degree = f"folder {what}", f"when it {name}"
        found.append(Fault(what=what, degree=degree, workers=w, strike=strike, when=MOMENTS[name]))
    return found


@contextmanager
def disk(place: Path, kib: int | None) -> Iterator[bool]:
    """A folder, on a disk of its own of a size where one is given; False where none may be."""
    place.mkdir()
    if kib is None:
        yield True
        return
    mount = ["mount", "-t", "tmpfs", "-o", f"size={kib}k", "none", str(place)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        yield False
        return
    try:
        yield True
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def remount(place: Path, options: str) -> None:
    """Change a disk of ours."""
    subprocess.run(["mount", "-o", f"remount,{options}", str(place)], check=True)


def _search(place: Path, fault: Fault, mark: str, *, refused: bool) -> "subprocess.Popen[str]":
    def limit() -> None:
        for which, most in fault.limits if refused else ():
            resource.setrlimit(which, (most, most))

    # What shortens trainings loads libraries by itself, before a command could say what lacks.
    plain = refused and bool(fault.limits)
    with (place / ("first" if refused else "again")).open("w") as said:
        begin = ["-m", "autosynth"] if plain else ["-c", COMMAND]
        more = ["--workers", str(fault.workers), "--out", str(place / "disk" / "run")]
        return subprocess.Popen(
            [sys.executable, *begin, *SEARCH, "--trials", "2", *more],
            cwd=place, text=True, stdout=said, stderr=subprocess.STDOUT, preexec_fn=limit,
            start_new_session=True,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]),
                 "TMPDIR": str(place / "scratch"), MARK: mark},
        )  # fmt: skip


def outcome(fault: Fault) -> tuple[str, str]:
    """What a fault did, as cells of a table, and what of it is wrong."""
    place, mark = Path(tempfile.mkdtemp(prefix="faults-")), uuid.uuid4().hex
    write_flowers(place)
    run = place / "disk" / "run"
    with (
        disk(place / "disk", fault.disk_kib) as one,
        disk(place / "scratch", fault.scratch_kib) as other,
    ):
        if not (one and other):
            return "no disk may be mounted", ""
        if fault.fixed:
            remount(place / "disk", "ro")
        search = _search(place, fault, mark, refused=True)
        while fault.when and fault.strike and search.poll() is None:
            if fault.when(run):
                fault.strike(run)
                break
            time.sleep(0.002)
        code = search.wait(_PATIENCE)
        said = (place / "first").read_text(errors="replace")
        wrong = [] if code in (0, 2, 3) else [f"exit code {code}"]
        wrong += ["a traceback"] if "Traceback" in said else []
        end = time.monotonic() + 2
        while processes(mark) and time.monotonic() < end:
            time.sleep(0.05)
        wrong += [f"{len(left)} processes left"] if (left := processes(mark)) else []
        wrong += [f"temporary file {p.name}" for p in place.rglob(".[0-9a-f]*") if p.exists()]
        for name, size in (("disk", fault.disk_kib), ("scratch", fault.scratch_kib)):
            if size:
                remount(place / name, "rw,size=50m")
        if run.is_file():
            run.unlink()
        if (place / "disk" / "elsewhere").exists():
            shutil.rmtree(run, ignore_errors=True)
            (place / "disk" / "elsewhere").rename(run)
        again = _search(place, fault, mark, refused=False).wait(_PATIENCE)
        more = (place / "again").read_text(errors="replace")
        wrong += [] if again == 0 else [f"again: {again}: {more[-300:]}"]
        wrong += ["again: a traceback"] if "Traceback" in more else []
        wrong += strays(run)
    if not wrong:
        shutil.rmtree(place)
    else:
        print(f"kept: {place}", flush=True)
    line = next((x for x in said.splitlines() if x.startswith("autosynth: ")), "")
    line = " ".join((line or (said.strip().splitlines() or [""])[-1]).split())
    told = line.replace(str(place), "…").replace("|", "/")
    return f"{code} | {told[:110] if code else 'done'} | {again}", "; ".join(wrong)


def main() -> int:
    """Tell what each fault did; 1 where any did wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="faults whose names hold that")
    parser.add_argument("--out", type=Path, help="a table of Markdown")
    args = parser.parse_args()
    lines = ["| refused | exit code | told | again | wrong |", "| --- | ---: | --- | ---: | --- |"]
    bad = 0
    for fault in faults():
        if args.only not in str(fault):
            continue
        cells, wrong = outcome(fault)
        bad += bool(wrong)
        lines.append(f"| {fault} | {cells} | {wrong[:300]} |")
        print(lines[-1], flush=True)
        if args.out:
            with suppress(OSError):
                args.out.write_text("\n".join(lines) + "\n")
    return int(bool(bad))


if __name__ == "__main__":
    sys.exit(main())

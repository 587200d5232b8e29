"""A small search to be broken: its command, its processes, and what it should not leave."""

from contextlib import suppress
from pathlib import Path

# Trainings of 40 steps: what a kill leaves does not depend on how long they are.
COMMAND = """
import sys
from dataclasses import replace
from autosynth.cli import main
from autosynth.modality import MODALITIES
for each in MODALITIES.values():
    object.__setattr__(each, "schedule", replace(each.schedule, least_steps=40, most_steps=40))
sys.exit(main())
"""
SEARCH = ("search", "flowers.csv", "--target", "kind", "--space", "small", "--no-refit")
MARK = "AUTOSYNTH_KILLS"


def processes(mark: str) -> list[int]:
    """The processes that were started with a mark in their environment, but those that ended."""
    sought, found = f"{MARK}={mark}".encode(), []
    for path in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):
            if sought in path.read_bytes().split(b"\0"):
                found.append(int(path.parent.name))
    return found


def workers_of(driver: int) -> list[int]:
    """The workers among the children of a driver."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            parent = path.read_text().rpartition(")")[2].split()[1]
            if parent == str(driver) and b"study.worker" in (path.parent / "cmdline").read_bytes():
                found.append(int(path.parent.name))
    return found


def strays(run: Path) -> list[str]:
    """What a run that came to its end should not hold."""
    found = [path for path in run.rglob("*") if path.name.startswith(".")]
    found += [path for path in run.rglob("*") if ".damaged" in path.name]
    found += [run / name for name in ("store", "driver.json", "study.journal.lock")]
    found += [path for path in run.glob("trials/*") if not (path / "record.json").exists()]
    return [f"stray: {path.relative_to(run)}" for path in found if path.exists()]


def write_flowers(place: Path) -> None:
    """A small table that is soon learnt."""
    rows = [f"{i % 7 / 10 + 3 * (i % 2)},{i % 11 / 3},{'rt'[i % 2]}" for i in range(200)]
    (place / "flowers.csv").write_text("\n".join(["petal,leaf,kind", *rows, ""]))

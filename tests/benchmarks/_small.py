"""A small search to be broken: its command, its processes, and what it should not leave."""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

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
# What the end of a run adds to the record of a trial that has ended.
_LATER = frozenset(
    (
        *("test", "test_interval", "cv", "expected", "n_folds", "standard_error"),
        *("refit_test", "refit_seconds", "still_gaining"),
    )
)
Trial = tuple[dict[str, Any], str]
"""A record's JSON without what comes later, and the digest of its weights."""


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
    found += [run / name for name in ("driver.json", "study.journal.lock")]
    found += [*run.glob("store/*.arrays")]
    found += [path for path in run.glob("trials/*") if not (path / "record.json").exists()]
    return [f"stray: {path.relative_to(run)}" for path in found if path.exists()]


def write_flowers(place: Path) -> None:
    """A small table that is soon learnt."""
    rows = [f"{i % 7 / 10 + 3 * (i % 2)},{i % 11 / 3},{'rt'[i % 2]}" for i in range(200)]
    (place / "flowers.csv").write_text("\n".join(["petal,leaf,kind", *rows, ""]))


def trials_of(run: Path) -> dict[str, Trial]:
    """The trials of a run that have ended; a record that cannot be read is told as such."""
    found: dict[str, Trial] = {}
    for path in sorted(run.glob("trials/[0-9]*/record.json")):
        try:
            record = json.loads(path.read_text())
        except ValueError as problem:
            record = {"damaged": str(problem)}
        weights = path.with_name("weights.safetensors")
        digest = hashlib.sha256(weights.read_bytes()).hexdigest() if weights.exists() else ""
        kept = {key: value for key, value in record.items() if key not in _LATER}
        found[path.parent.name] = (kept, digest)
    return found


def _journal_problem(run: Path, *, ended: bool) -> str:
    """What is wrong with the journal: the last line of one that was killed may be half a line."""
    if not (journal := run / "study.journal").exists():
        return "there is no journal" if ended else ""
    lines = journal.read_bytes().split(b"\n")
    if ended and lines[-1]:
        return "the journal ends in half a line"
    try:
        _ = [json.loads(line) for line in lines[:-1]]
    except ValueError as problem:
        return f"the journal cannot be read: {problem}"
    return ""


def problems(run: Path, known: Mapping[str, Trial], *, ended: bool = False) -> list[str]:
    """What is wrong with the trials and the journal of a run, of whom some are known."""
    now = trials_of(run)
    wrong = [f"trial {name} is lost" for name in known if name not in now]
    wrong += [
        f"trial {name} is altered" for name, trial in known.items() if now.get(name) != trial
    ]
    wrong += [f"the record of {name} is damaged" for name in now if "damaged" in now[name][0]]
    had = [
        record for record, _ in now.values() if record.get("state") not in ("not_run", "stopped")
    ]
    names = Counter(record.get("canonical") or record.get("strategy") for record in had)
    wrong += [f"{name} is there {n} times" for name, n in names.items() if n > 1]
    wrong += [
        f"trial {name} has no weights"
        for name, (record, digest) in now.items()
        if record.get("state") == "complete" and record["kind"] == "strategy" and not digest
    ]
    wrong += [
        f"trial {name} failed: {record['reason']}"
        for name, (record, _) in now.items()
        if record.get("state") == "failed" and "killed by signal" not in record["reason"]
    ]
    problem = _journal_problem(run, ended=ended)
    return [*wrong, *([problem] if problem else [])]

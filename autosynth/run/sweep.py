"""A run's folder made whole again: what a killed process left is removed, damage is put aside.

A damaged file costs its trial, never the run: the folder of the trial is renamed, so that nothing
is lost that might be mended by hand, and its strategy may be trained again.
"""

import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from autosynth.atomic import is_temporary, unwritable
from autosynth.errors import AutosynthError
from autosynth.record import Record, read_records, trial_dir, weights_path
from autosynth.strategy import parse
from autosynth.training.store import STORE
from autosynth.training.weights import check_tensors

Say = Callable[[str], None]


def sweep(folder: Path, metric: str, cost: str, say: Say) -> None:
    """Remove leftovers and put damaged trials aside, while the lock of the run is held.

    What an earlier sitting had no time to begin is a leftover, too: it may have its turn now.

    Args:
        folder: the run's.
        metric: that a complete record must have a score of.
        cost: that a complete record of a strategy must know.
        say: is told of each trial that is put aside.

    Raises:
        RunError: something cannot be removed or renamed; it is named.
    """
    try:
        _restore_bundle(folder)
        for path in [*_temporaries(folder), *_recordless(folder)]:
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
    except OSError as problem:
        raise unwritable(Path(problem.filename or folder), problem) from problem
    records, damage = read_records(folder)
    records = list(_with_turns(folder, records))
    problems = {each.folder: each.problem for each in damage}
    for record in records:
        if found := _problem(folder, record, metric, cost):
            problems[trial_dir(folder, record.trial)] = found
    for trial, text in problems.items():
        put_aside(trial, text, say)


def _with_turns(folder: Path, records: Iterable[Record]) -> Iterator[Record]:
    """The records of trials; those of what was never begun are removed."""
    for record in records:
        if record.state != "not_run":
            yield record
            continue
        place = trial_dir(folder, record.trial)
        try:
            shutil.rmtree(place)
        except OSError as problem:
            raise unwritable(place, problem) from problem


def put_aside(trial: Path, problem: str, say: Say) -> None:
    """Rename the folder of a trial that is damaged, and tell why."""
    say(
        f"warning: trial {int(trial.name)} is damaged and left out ({problem}); its folder is "
        f"kept as {aside(trial).name}"
    )


def aside(path: Path) -> Path:
    """Rename a file or folder to the next free name that says it is damaged; gives that.

    Raises:
        RunError: it cannot be renamed.
    """
    names = (f"{path.name}.damaged{suffix}" for suffix in ("", *(f"-{n}" for n in range(2, 1000))))
    target = next(new for name in names if not (new := path.with_name(name)).exists())
    try:
        return path.rename(target)
    except OSError as problem:
        raise unwritable(target, problem) from problem


def _restore_bundle(folder: Path) -> None:
    """A process was killed between taking the old bundle away and putting the new one there."""
    for old in folder.glob(".*.old"):
        if is_temporary(old.name) and not (folder / "bundle").exists():
            old.rename(folder / "bundle")


def _temporaries(folder: Path) -> Iterator[Path]:
    for place in (folder, *(path for path in (folder / "trials").iterdir() if path.is_dir())):
        yield from [path for path in place.iterdir() if is_temporary(path.name)]
    yield from folder.glob(".writable")
    store = folder / STORE
    yield from store.glob("*.arrays")  # the next workers may be none, and write none
    yield from [path for path in store.glob("*/*") if is_temporary(path.name)]


def _recordless(folder: Path) -> list[Path]:
    """The folders of trials that were broken off: a record is what is written last."""
    trials = [path for path in (folder / "trials").iterdir() if path.name.isdecimal()]
    return [path for path in trials if path.is_dir() and not (path / "record.json").exists()]


def _problem(folder: Path, record: Record, metric: str, cost: str) -> str:
    """What is damaged of a trial whose record can be read, or nothing."""
    if record.state != "complete" or record.kind == "baseline":
        return ""
    if metric not in record.val:
        return f"its record has no score {metric}"
    if getattr(record, cost) is None:
        return f"its record has no {cost}"
    weights = weights_path(folder, record.trial)
    try:
        parse(record.canonical)
        if record.weights_dropped:  # and perhaps killed before the file was gone
            weights.unlink(missing_ok=True)
        else:
            check_tensors(weights)
    except AutosynthError as problem:
        return str(problem)
    return ""

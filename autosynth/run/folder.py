"""A run's folder: which one a request goes to, and taking it: locked, swept, and known."""

import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from autosynth.atomic import is_temporary, unwritable
from autosynth.errors import RunError, RunningError
from autosynth.options import Options
from autosynth.record import check_there, read_all, read_records
from autosynth.run.earlier import begin_from
from autosynth.run.lock import DRIVER_FILE, LOCK_FILE, is_locked, lock
from autosynth.run.state import (
    RUN_FILE,
    STATE_FILE,
    RunState,
    json_object,
    read_run,
    read_state,
    reading,
    write_run,
)
from autosynth.run.sweep import aside, sweep
from autosynth.scratch import sweep_scratch
from autosynth.spec import Dataset
from autosynth.study.context import EARLIER_FILE

RESULTS = Path("results")
# What may differ between a run and a request that goes on with it.
_FREE = ("budget_seconds", "trials", "workers", "refit", "repeats", "device")
# What a run's folder may hold before run.toml does, and where that was lost.
_OURS = frozenset(
    (
        *(
            "trials",
            "store",
            LOCK_FILE,
            DRIVER_FILE,
            STATE_FILE,
            "data.json",
            "sample.safetensors",
            EARLIER_FILE,
        ),
        *("study.journal", "study.journal.lock", "composing.json", "importance.json", "bundle"),
        *("leaderboard.csv", "leaderboard.md", "front.png", ".writable"),
    )
)
# Until a search that has begun in a folder says there what it was asked, which takes a moment.
_UNTIL_KNOWN = 5.0


def latest() -> Path:
    """The run that was worked on last. Raises RunError where there is none."""
    runs = [path.parent for path in RESULTS.glob(f"*/{RUN_FILE}")]
    if not runs:
        raise RunError(
            f"there is no run under {str(RESULTS)!r}; name a run's folder, or make one with "
            "`autosynth search`"
        )
    return max(runs, key=_touched)


def _touched(run: Path) -> float:
    """When a run was written to last. A search may be writing, whose temporary files go."""
    times = [run.stat().st_mtime]
    for path in run.iterdir():
        with suppress(FileNotFoundError):
            times.append(path.stat().st_mtime)
    return max(times)


def numbered_folders(stem: str) -> dict[int, Path]:
    """The folders under `results` that are called `<stem>-<n>`, by their number."""
    pattern = re.compile(rf"{re.escape(stem)}-(\d+)")
    there = RESULTS.iterdir() if RESULTS.is_dir() else ()
    return {int(match[1]): path for path in there if (match := pattern.fullmatch(path.name))}


def free_folder(stem: str) -> Path:
    """The folder under `results` with the number after the last."""
    return RESULTS / f"{stem}-{max(numbered_folders(stem), default=0) + 1}"


@contextmanager
def place(
    dataset: Dataset,
    options: Options,
    out: str | os.PathLike[str] | None,
    say: Callable[[str], None],
) -> Iterator[tuple[Path, RunState]]:
    """The folder of a request, locked while the block runs, and how far a run in it got.

    Without `out`, an unfinished run of the same request on the same data goes on, and otherwise
    the next number is taken. A finished run named by `out` goes on with the new budget. What was
    asked is written before anything else; what is damaged is put aside, and told.

    Raises:
        RunningError: another process works on that run.
        RunError: the folder cannot be written, or belongs to other data or another request.
    """
    sweep_scratch()
    with ExitStack() as held:
        if out is None:
            folder = _numbered(dataset, options, held)
        else:
            folder = Path(out)
            _check_same(folder, dataset, options)
            _make(folder)
            held.enter_context(lock(folder))
        _check_same(folder, dataset, options)  # again: no other process changes it from here on
        check_there(folder)  # what holds the lock is not to be made again without it
        _make(folder / "trials")
        if not _is_known(folder):
            begin_from(folder, dataset, options, say)
        sweep(folder, options.metric or "", options.cost, say)
        state = read_state(folder)
        if not _is_known(folder):
            if (folder / RUN_FILE).exists():
                said = f"warning: {folder / RUN_FILE} is damaged: it is written anew from this "
                say(f"{said}command, and the old one kept as {aside(folder / RUN_FILE).name}")
            write_run(folder, dataset, options)
        yield folder, state.anew()


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise unwritable(folder, problem) from problem


def _numbered(dataset: Dataset, options: Options, held: ExitStack) -> Path:
    while True:
        for _, folder in sorted(numbered_folders(dataset.name).items(), reverse=True):
            if _is_another(folder, dataset, options):
                continue
            try:
                held.enter_context(lock(folder))
            except RunningError:
                if _is_known(folder):
                    raise
                continue  # another has just begun in it, and is as yet to say what
            return folder
        folder = free_folder(dataset.name)
        try:
            folder.mkdir(parents=True)
            held.enter_context(lock(folder))
        except (FileExistsError, RunningError):
            if not folder.is_dir():
                raise
            continue  # another was quicker
        except OSError as problem:
            raise unwritable(folder, problem) from problem
        return folder


def _is_another(folder: Path, dataset: Dataset, options: Options) -> bool:
    """Whether a folder is no run, one of another request, or a finished one."""
    end = time.monotonic() + _UNTIL_KNOWN
    while not _is_known(folder) and is_locked(folder) and time.monotonic() < end:
        time.sleep(0.05)
    if not _is_known(folder):
        # What can be gone on with is one that was broken off before it said what it is.
        return bool(_foreign(folder) or (folder / RUN_FILE).exists() or read_all(folder))
    if _difference(folder, dataset, options):
        return True
    return read_state(folder).finished and not is_locked(folder)


def _is_known(folder: Path) -> bool:
    """Whether a folder says what was asked."""
    try:
        read_run(folder)
    except RunError:
        return False
    return True


def _foreign(folder: Path) -> list[str]:
    """What no run has in its folder."""
    names = [path.name for path in folder.iterdir()] if folder.is_dir() else []
    return sorted(
        name
        for name in names
        if name not in _OURS and not is_temporary(name) and ".damaged" not in name
    )


def _check_same(folder: Path, dataset: Dataset, options: Options) -> None:
    if not folder.is_dir():
        return
    if _is_known(folder):
        difference = _difference(folder, dataset, options)
    elif (folder / RUN_FILE).exists() or not _foreign(folder):
        difference = _lost_difference(folder, dataset, options)
    else:
        read_run(folder)  # which says that it is no run
        return
    if difference:
        raise RunError(
            f"the run in {str(folder)!r} belongs to another request: {difference}; name another "
            "folder with --out"
        )


def _difference(folder: Path, dataset: Dataset, options: Options) -> str:
    """In what a run and a request differ, or nothing."""
    run = read_run(folder)
    if run["data"]["fingerprint"] != dataset.fingerprint:
        return f"its data is {run['data']['source']!r} with other content or another target"
    asked = options.data_section()
    for name in ("weight", "class_weight"):
        if run["data"].get(name) != asked.get(name):
            return f"its {name} is {run['data'].get(name)!r}, not {asked.get(name)!r}"
    now = options.search_section()
    for name in sorted({*run["search"], *now} - {*_FREE}):
        if run["search"].get(name) != now.get(name):
            return f"its {name} is {run['search'].get(name)!r}, not {now.get(name)!r}"
    return ""


def _lost_difference(folder: Path, dataset: Dataset, options: Options) -> str:
    """The same, as far as other files tell it where run.toml is lost.

    Raises:
        RunError: there are trials, and nothing tells of what data they are.
    """
    records, _ = read_records(folder) if folder.is_dir() else ([], [])
    if not records:
        return ""
    path, cure = folder / "data.json", f"copy {RUN_FILE} or data.json from another copy of the run"
    with reading(path, f"and {RUN_FILE} is lost: {cure}, or name another folder with --out"):
        if str(json_object(path)["fingerprint"]) != dataset.fingerprint:
            return "its data has other content or another target"
    seeds = {record.seed for record in records} - {options.seed}
    return f"its seed is {min(seeds)}, not {options.seed}" if seeds else ""

"""Baselines in a process that can be ended: a dataset and a time in, what got finished out.

It and its parent talk through files in a temporary folder. The time begins when the child is
ready: its imports and its reading of the dataset have a time of their own.
"""

import json
import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np

from autosynth.baselines.model import MAX_ROWS, BaselineResult, check, fitting
from autosynth.data.source.mappedarray import MappedArray
from autosynth.scratch import scratch
from autosynth.spec import Dataset, Splits

START_SECONDS = 60.0
"""A child that is not ready by then will not be: imports take 3 s, 10 on a busy machine."""
# The most that the simple ones may take, which are fitted to their end whatever the budget.
LIMIT_SECONDS = 300.0
# It ends with its parent from its first moment on, also while it still imports: as long as that
# lives, it holds the other end of the pipe. Read without Python's buffer, whose lock a thread that
# waits would keep from the end of the interpreter.
_CHILD = """
import os
import sys
import threading
from pathlib import Path

def end_with_parent():
    os.read(0, 1)
    os._exit(1)

threading.Thread(target=end_with_parent, daemon=True).start()
from autosynth.loading import quick_imports
with quick_imports():
    from autosynth.baselines.child import fit_in
fit_in(Path(sys.argv[1]))
"""
_ALARM = int(getattr(signal, "SIGALRM", 0))


def run_in_process(
    dataset: Dataset,
    names: Sequence[str] | None = None,
    *,
    seconds: float,
    limit: float | None = None,
    seed: int = 0,
    threads: int = 1,
    start_seconds: float = START_SECONDS,
) -> tuple[BaselineResult, ...]:
    """Fit baselines one after another in one child process, and wait for it.

    The simple ones come first and are fitted whole; the others have the rest of the time.

    Args:
        dataset: up to 100,000 of its training rows are handed over.
        names: as in `run`; all that can read the dataset if left out.
        seconds: for all of them, but that the simple ones end, and leave the others a quarter.
        limit: seconds after which the child is ended, at least `seconds`; 300 if left out.
        seed: which rows, and the models' own chance.
        threads: what the child may use.
        start_seconds: for its imports and its reading, before either of those counts.

    Returns:
        One result for each name, in order, whether it ran or not.

    Raises:
        UnknownNameError: the dataset has no baseline of one of the names.
    """
    names = fitting(dataset) if names is None else tuple(names)
    for name in names:
        check(name, dataset)
    limit = max(seconds, LIMIT_SECONDS if limit is None else limit)
    with scratch("baselines") as folder:
        with (folder / "dataset.pickle").open("wb") as file:
            pickle.dump(_handed_over(dataset, seed), file, protocol=5)
        spec = {
            "names": names,
            "seconds": seconds,
            "limit": limit,
            "seed": seed,
            "of": len(dataset.splits.train) + len(dataset.splits.calibration),
        }
        (folder / "spec.json").write_text(json.dumps(spec))
        child = _child(folder, threads)
        try:
            _wait(child, folder / "ready", limit, start_seconds)
            late = child.poll() is None
        finally:  # Ctrl-C ends it too
            child.kill()
            child.communicate()
        reason = "no time was left for it" if child.returncode == -_ALARM else ""
        if late:
            reason = f"ended after {limit:g} s"
            if not (folder / "ready").exists():
                reason = f"its process was not ready after {start_seconds:g} s"
        return tuple(
            _read(folder / f"{i}.npz") or _missing(name, folder, reason, child.returncode)
            for i, name in enumerate(names)
        )


def _wait(child: "subprocess.Popen[bytes]", ready: Path, limit: float, start: float) -> None:
    """Until the child has ended, or its time to start or to work is over."""
    deadline, started = time.monotonic() + start, False
    while (left := deadline - time.monotonic()) > 0:
        if not started and ready.exists():
            deadline, started = time.monotonic() + limit, True
            continue
        with suppress(subprocess.TimeoutExpired):
            child.wait(left if started else min(left, 0.05))
            return


def _read(path: Path) -> BaselineResult | None:
    if not path.is_file():
        return None
    with np.load(path) as stored:
        said = json.loads(str(stored["said"]))
        arrays = {key: stored[key] for key in ("validation", "test") if key in stored}
    return BaselineResult(**said, **arrays)


def _missing(name: str, folder: Path, late: str, code: int) -> BaselineResult:
    if late:
        return BaselineResult(name=name, state="not_run", reason=late)
    said = (folder / "stderr").read_text(errors="replace").strip().splitlines()
    reason = said[-1] if said else f"its process ended with code {code}"
    return BaselineResult(name=name, state="failed", reason=reason)


def _child(folder: Path, threads: int) -> "subprocess.Popen[bytes]":
    # A new interpreter, and no fork or spawn of this one: torch's threads do not survive a fork,
    # and a spawned child would run a user's script without a main guard a second time.
    home = str(Path(__file__).parents[2])
    paths = [home, *filter(None, [os.environ.get("PYTHONPATH")])]
    limits = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    env = {
        **os.environ,
        **dict.fromkeys(limits, str(threads)),
        "OMP_WAIT_POLICY": "PASSIVE",  # waiting threads leave the cores to the search
        "PYTHONPATH": os.pathsep.join(paths),
    }
    with (folder / "stderr").open("wb") as stderr:
        return subprocess.Popen(
            [sys.executable, "-P", "-c", _CHILD, str(folder)],
            stdin=subprocess.PIPE,
            stdout=stderr,
            stderr=stderr,
            env=env,
            start_new_session=True,  # Ctrl-C is the parent's to answer
        )


def _handed_over(dataset: Dataset, seed: int) -> Dataset:
    """The dataset cut to the rows a child needs, which become its own numbers 0, 1, 2, ..."""
    pool = np.concatenate([dataset.splits.train, dataset.splits.calibration])
    if len(pool) > MAX_ROWS:
        pool = np.sort(np.random.default_rng(seed).permutation(pool)[:MAX_ROWS])
    if any(isinstance(values, MappedArray) for values in dataset.x.values()):
        # Rows on disk are named, not copied: the child reads what it needs of them.
        splits = replace(
            dataset.splits,
            train=pool,
            calibration=pool[:0],
            unlabelled=dataset.splits.unlabelled[:0],
        )
        return replace(dataset, splits=splits, encoders={})
    groups = (pool, pool[:0], dataset.splits.validation, dataset.splits.test)
    ends = np.cumsum([0, *map(len, groups)])
    numbers = [np.arange(a, b) for a, b in zip(ends[:-1], ends[1:], strict=True)]
    rows = np.concatenate(groups)
    return replace(
        dataset,
        x={spec.name: np.asarray(dataset.x[spec.name][rows]) for spec in dataset.inputs},
        y=dataset.y[rows],
        splits=Splits(
            **dict(zip(("train", "calibration", "validation", "test"), numbers, strict=True))
        ),
        encoders={},  # baselines need none, and a vocabulary is large
        seen=dataset.seen.only(rows) if dataset.seen else None,
    )

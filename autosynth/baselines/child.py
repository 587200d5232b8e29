"""The child that fits baselines: the folder its parent made in, one file a finished baseline out.

`python -m autosynth.baselines.child FOLDER`; only `process.py` starts it.
"""

import json
import math
import os
import pickle
import signal
import sys
import threading
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np

from autosynth.baselines.model import BASELINES, BaselineResult, run
from autosynth.data.spec import Dataset

FIRST_ROWS = 2_000
"""So many rows give the first answer, and the estimate of what more of them would take."""


def _main(folder: Path) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    spec = json.loads((folder / "spec.json").read_text())
    deadline = time.monotonic() + spec["seconds"]
    if hasattr(signal, "alarm"):  # ends it inside compiled code too, should the parent be gone
        signal.alarm(math.ceil(spec["seconds"]) + 1)
    threading.Thread(target=_end_with_parent, args=(spec["parent"],), daemon=True).start()
    with (folder / "dataset.pickle").open("rb") as file:
        dataset = pickle.load(file)
    for i, name in enumerate(spec["names"]):
        left = deadline - time.monotonic()
        try:
            _grow(folder, name, dataset, spec["seed"], left / (len(spec["names"]) - i))
        except Exception as problem:  # a fault of one baseline must not take the others with it
            reason = f"{type(problem).__name__}: {problem}"
            if not (folder / f"{name}.npz").exists():
                _send(folder, BaselineResult(name=name, state="failed", reason=reason))


def _grow(folder: Path, name: str, dataset: Dataset, seed: int, seconds: float) -> None:
    """Fit on few rows, then on as many as the time allows; each answer replaces the last one."""
    deadline = time.monotonic() + seconds
    pool = len(dataset.splits.train)
    trivial = name in (next(iter(group)) for group in BASELINES.values())
    rows, target, share = 0, pool if trivial else min(pool, FIRST_ROWS), 0.25
    while not rows or target >= min(pool, 1.5 * rows) > rows:  # else not enough to gain
        rows = target
        begin = time.monotonic()
        _send(folder, run(name, dataset, seed=seed, rows=rows, seconds=share * seconds))
        spent = time.monotonic() - begin
        share = 0.6 * max(0.0, deadline - time.monotonic()) / seconds  # of what was given
        target = min(pool, rows * 16, int(rows * share * seconds / spent))


def _send(folder: Path, result: BaselineResult) -> None:
    said = {key: value for key, value in asdict(result).items() if key not in ("select", "test")}
    arrays = {
        key: array for key in ("select", "test") if (array := getattr(result, key)) is not None
    }
    temporary = folder / f"{result.name}.tmp.npz"
    np.savez(temporary, said=np.asarray(json.dumps(said)), **arrays)
    temporary.replace(folder / f"{result.name}.npz")


def _end_with_parent(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


if __name__ == "__main__":
    _main(Path(sys.argv[1]))

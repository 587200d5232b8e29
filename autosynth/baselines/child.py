"""The child that fits baselines: the folder its parent made in, one file a finished baseline out.

Only `process.py` starts it. Its time begins when it has imported what it needs and has read the
dataset, which it tells by a file `ready`. The simple
baselines are fitted on all rows at once; the others on few, and then on as many as there is time
for. The last answer of each one stands.
"""

import _thread
import json
import math
import os
import pickle
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType

import numpy as np

from autosynth.baselines.model import (
    ALONE,
    GROWING,
    MAX_ROWS,
    ROCKET,
    BaselineResult,
    load_fit,
    run,
)
from autosynth.baselines.rocket import warm
from autosynth.loading import quick_imports
from autosynth.spec import Dataset

# Of more than `MANY_ROWS`, so many give a first answer, and tell what all of them would take:
# boosting takes 0.3 s for them (adult, 14 columns, one thread).
FIRST_ROWS = 2_000
# Fewer are fitted at once: a first answer of a part would only add to their time.
MANY_ROWS = 16_000
# Of their time, that the others have for sure, whatever the simple ones took.
_OTHERS_SHARE = 0.5


class _TimeUp(BaseException):
    """Ends a fit from outside; no library's `except Exception` may take it for a fault."""


class _Watch:
    """Ends a block of code when its time is over."""

    def __init__(self) -> None:
        self._deadline = math.inf
        self._over = False
        signal.signal(signal.SIGINT, self._raise)  # Ctrl-C is the parent's to answer
        threading.Thread(target=self._look, daemon=True).start()

    @contextmanager
    def until(self, deadline: float) -> Iterator[None]:
        """Raise `_TimeUp` in the block once the time is over.

        Compiled code goes on until it comes back to Python; the parent and an alarm end that.
        """
        self._deadline, self._over = deadline, False
        try:
            yield
        except Exception as error:
            # Compiled code may make a fault of its own of what ends it: numpy, that was reading
            # the format of a buffer of boosting, a ValueError.
            if self._over:
                raise _TimeUp from error
            raise
        finally:
            self._deadline = math.inf

    def _raise(self, number: int, frame: FrameType | None) -> None:
        if time.monotonic() >= self._deadline:
            self._deadline, self._over = math.inf, True  # once
            raise _TimeUp

    def _look(self) -> None:
        while True:
            if time.monotonic() >= self._deadline:
                _thread.interrupt_main()
            time.sleep(0.1)


@dataclass(frozen=True, kw_only=True)
class _Task:
    """One baseline to fit, and where its answers go."""

    name: str
    path: Path
    dataset: Dataset
    seed: int
    of: int

    def fit(self, rows: int | None = None, seconds: float = math.inf) -> None:
        """Fit it, and put the answer in the place of the last one."""
        name, dataset = self.name, self.dataset
        _send(
            self.path, run(name, dataset, seed=self.seed, rows=rows, seconds=seconds, of=self.of)
        )


def fit_in(folder: Path) -> None:
    """Fit what `spec.json` of the folder names."""
    spec = json.loads((folder / "spec.json").read_text())
    watch = _Watch()
    with (folder / "dataset.pickle").open("rb") as file:
        dataset = pickle.load(file)
    with quick_imports():
        for name in spec["names"]:
            load_fit(name, dataset)
    (folder / "ready").write_text(str(os.getpid()))
    begin, seconds, limit = time.monotonic(), spec["seconds"], spec["limit"]
    _end_after(limit)
    tasks = [
        _Task(
            name=name, path=folder / f"{i}.npz", dataset=dataset, seed=spec["seed"], of=spec["of"]
        )
        for i, name in enumerate(spec["names"])
    ]
    # What reads the table alone is quick, and leaves the rest of its time to what reads all.
    ordered = sorted(tasks, key=lambda task: not task.name.endswith(ALONE))
    others = [task for task in ordered if task.name.removesuffix(ALONE) in GROWING]
    simple = [task for task in tasks if task.name.removesuffix(ALONE) not in GROWING]
    sure = _OTHERS_SHARE * seconds if others else 0.0
    for task in simple:
        _attempt(watch, task, _whole, begin + limit - sure, f"ended after {limit - sure:.3g} s")
    end = max(begin + seconds, time.monotonic() + sure)
    if any(task.name == ROCKET for task in others):
        end = min(begin + limit, end + _warmed(watch, begin + limit - sure))
    _end_after(end - time.monotonic())
    for i, task in enumerate(others):
        share = (end - time.monotonic()) / (len(others) - i)
        deadline = time.monotonic() + share
        _attempt(watch, task, _grow, deadline, f"ended after {share:.3g} s")


def _warmed(watch: _Watch, deadline: float) -> float:
    """Seconds that it took to compile, which count as little as the imports; most are once."""
    begin = time.monotonic()
    with suppress(_TimeUp, Exception), watch.until(deadline):  # its fit says what is wrong
        warm()
    return time.monotonic() - begin


def _end_after(seconds: float) -> None:
    """End the process inside compiled code too, also should the parent be gone."""
    if hasattr(signal, "alarm"):
        signal.alarm(math.ceil(seconds) + 1)


def _attempt(
    watch: _Watch, task: _Task, fit: Callable[[_Task, float], None], deadline: float, late: str
) -> None:
    """One baseline, whose fault must not take the others with it."""
    try:
        with watch.until(deadline):
            fit(task, deadline)
    except _TimeUp:
        result = BaselineResult(name=task.name, state="not_run", reason=late)
    except Exception as problem:
        reason = f"{type(problem).__name__}: {problem}"
        result = BaselineResult(name=task.name, state="failed", reason=reason)
    else:
        return
    if not task.path.exists():
        _send(task.path, result)


def _whole(task: _Task, deadline: float) -> None:
    """All rows at once, whatever the time; of many rows few first, to have an answer at all."""
    if _pool(task) > MANY_ROWS:
        task.fit(FIRST_ROWS)
    task.fit()


def _grow(task: _Task, deadline: float) -> None:
    """All rows; of many rows few first, and then as many as the time allows."""
    pool = _pool(task)
    rows, target = 0, pool if pool <= MANY_ROWS else FIRST_ROWS
    while not rows or target >= min(pool, 1.5 * rows) > rows:  # else not enough to gain
        rows, begin = target, time.monotonic()
        # Where there are more, the first answer is there to be replaced.
        task.fit(rows, (deadline - begin) * (1.0 if rows == pool else 0.25))
        left, spent = deadline - time.monotonic(), time.monotonic() - begin
        # The time is not in proportion to the rows: boosting takes 0.8 s for 29,000 rows of 14
        # columns where 2,000 take 0.3 (adult, one thread), and a part goes into the outputs. All
        # rows are worth trying where four times the time would be enough by that count.
        able = int(rows * left / max(spent, 1e-9))
        target = pool if 4 * able >= pool else able // 2


def _pool(task: _Task) -> int:
    splits = task.dataset.splits
    return min(MAX_ROWS, len(splits.train) + len(splits.calibration))


def _send(path: Path, result: BaselineResult) -> None:
    said = {
        key: value for key, value in asdict(result).items() if key not in ("validation", "test")
    }
    arrays = {
        key: array for key in ("validation", "test") if (array := getattr(result, key)) is not None
    }
    temporary = path.with_suffix(".tmp.npz")
    np.savez(temporary, said=np.asarray(json.dumps(said)), **arrays)
    temporary.replace(path)

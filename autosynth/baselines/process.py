"""Baselines in a process that can be ended: a dataset and a time in, what got finished out.

The child answers with a model of a share of the rows first, and with models of more rows for as
long as its time lasts. It and its parent talk through files in a temporary folder.
"""

import json
import os
import pickle
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np

from autosynth.baselines.model import BASELINES, MAX_ROWS, BaselineResult, fitting
from autosynth.data.kept import Kept
from autosynth.data.spec import Dataset, Splits
from autosynth.errors import lookup

_ALARM = int(getattr(signal, "SIGALRM", 0))


class BaselineRun:
    """Baselines being fitted in a child process; `start` makes one. Also a context manager."""

    def __init__(self, names: Sequence[str], seconds: float, folder: Path, scale: float) -> None:
        self.names = tuple(names)
        self.seconds = seconds
        self._folder = folder
        self._scale = scale
        self._deadline = time.monotonic() + seconds
        self._child: subprocess.Popen[bytes] | None = None
        self._final: tuple[BaselineResult, ...] | None = None

    @property
    def done(self) -> bool:
        """Whether nothing more will come: the child has ended, or its time is over."""
        ended = self._child is None or self._child.poll() is not None
        return ended or time.monotonic() >= self._deadline

    def results(self) -> tuple[BaselineResult, ...]:
        """The baselines finished so far, without waiting; a later call may know better ones."""
        if self._final is not None:
            return tuple(result for result in self._final if result.state == "complete")
        found = (self._read(name) for name in self.names)
        return tuple(result for result in found if result is not None)

    def wait(self) -> tuple[BaselineResult, ...]:
        """Wait for the child, at most until its deadline; then as `close`."""
        if self._child is not None:
            with suppress(subprocess.TimeoutExpired):  # `close` ends it then
                self._child.wait(max(0.0, self._deadline - time.monotonic()))
        return self.close()

    def close(self) -> tuple[BaselineResult, ...]:
        """End the child now; one result for each name, in order, whether it ran or not."""
        if self._final is not None:
            return self._final
        code: int | None = None
        if self._child is not None:
            code = self._child.poll()
            if code is None:
                self._child.kill()
                self._child.wait()
        self._final = tuple(self._read(name) or self._missing(name, code) for name in self.names)
        shutil.rmtree(self._folder, ignore_errors=True)
        return self._final

    def __enter__(self) -> "BaselineRun":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _read(self, name: str) -> BaselineResult | None:
        path = self._folder / f"{name}.npz"
        if not path.is_file():
            return None
        with np.load(path) as stored:
            said = json.loads(str(stored["said"]))
            arrays = {key: stored[key] for key in ("select", "test") if key in stored}
        result = BaselineResult(**said, **arrays)
        # Shares are of all rows, and the child was given `scale` of them.
        return replace(result, row_share=result.row_share * self._scale)

    def _missing(self, name: str, code: int | None) -> BaselineResult:
        if code is None or code == -_ALARM:
            reason = f"ended after {self.seconds:g} s"
            return BaselineResult(name=name, state="not_run", reason=reason)
        said = (self._folder / "stderr").read_text(errors="replace").strip().splitlines()
        reason = said[-1] if said else f"its process ended with code {code}"
        return BaselineResult(name=name, state="failed", reason=reason)


def start(
    dataset: Dataset, names: Sequence[str] | None = None, *, seconds: float, seed: int = 0,
    threads: int = 1,
) -> BaselineRun:  # fmt: skip
    """Fit baselines one after another in one child process, and do not wait for it.

    Args:
        dataset: up to 100,000 of its training rows are handed over.
        names: of `BASELINES`; all that can read the dataset if left out.
        seconds: from now until the child is ended, its start included.
        seed: which rows, and the models' own chance.
        threads: what the child may use.

    Raises:
        UnknownNameError: the task has no baseline of one of the names.
    """
    registry = BASELINES[dataset.target.task]
    names = fitting(dataset) if names is None else tuple(names)
    for name in names:
        lookup(registry, name, "baseline")
    folder = Path(tempfile.mkdtemp(prefix="autosynth-baselines-"))
    small = _handed_over(dataset, seed)
    pool = len(dataset.splits.train) + len(dataset.splits.fit)
    running = BaselineRun(names, seconds, folder, len(small.splits.train) / pool)
    with (folder / "dataset.pickle").open("wb") as file:
        pickle.dump(small, file, protocol=5)
    left = running._deadline - time.monotonic()
    if not names or left <= 0:
        return running
    spec = {"names": names, "seconds": left, "seed": seed, "parent": os.getpid()}
    (folder / "spec.json").write_text(json.dumps(spec))
    running._child = _child(folder, threads)
    return running


def run_in_process(
    dataset: Dataset, names: Sequence[str] | None = None, *, seconds: float, seed: int = 0,
    threads: int = 1,
) -> tuple[BaselineResult, ...]:  # fmt: skip
    """As `start`, and wait: one result for each name when all are done or the time is over."""
    with start(dataset, names, seconds=seconds, seed=seed, threads=threads) as running:
        return running.wait()


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
            [sys.executable, "-P", "-m", "autosynth.baselines.child", str(folder)],
            stdin=subprocess.DEVNULL, stdout=stderr, stderr=stderr, env=env,
            start_new_session=True,  # Ctrl-C is the parent's to answer
        )  # fmt: skip


def _handed_over(dataset: Dataset, seed: int) -> Dataset:
    """The dataset cut to the rows a child needs, which become its own numbers 0, 1, 2, ..."""
    pool = np.concatenate([dataset.splits.train, dataset.splits.fit])
    if len(pool) > MAX_ROWS:
        pool = np.sort(np.random.default_rng(seed).permutation(pool)[:MAX_ROWS])
    if any(isinstance(values, Kept) for values in dataset.x.values()):
        # Rows on disk are named, not copied: the child reads what it needs of them.
        splits = replace(
            dataset.splits, train=pool, fit=pool[:0], unlabelled=dataset.splits.unlabelled[:0]
        )
        return replace(dataset, splits=splits, encoders={})
    groups = (pool, pool[:0], dataset.splits.select, dataset.splits.test)
    ends = np.cumsum([0, *map(len, groups)])
    numbers = [np.arange(a, b) for a, b in zip(ends[:-1], ends[1:], strict=True)]
    rows = np.concatenate(groups)
    return replace(
        dataset,
        x={spec.name: np.asarray(dataset.x[spec.name][rows]) for spec in dataset.inputs},
        y=dataset.y[rows],
        splits=Splits(**dict(zip(("train", "fit", "select", "test"), numbers, strict=True))),
        # Forecasts need the period; others nothing, and a vocabulary is large.
        encoders={k: v for k, v in dataset.encoders.items() if k == "windows"},
        seen=dataset.seen.only(rows) if dataset.seen else None,
    )

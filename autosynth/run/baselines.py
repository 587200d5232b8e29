"""Baselines of a run: a dataset in, their records and what they gave on held-back rows out.

Simple models stand on the board beside the strategies. Their outputs are kept as `outputs.npz` in
the folders of their trials, so that a strategy can be held against them row by row, also in a run
that goes on.
"""

import zipfile
from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from autosynth.atomic import atomic_path
from autosynth.baselines import START_SECONDS, BaselineResult, fitting, run, run_in_process
from autosynth.leaderboard import TRIVIAL
from autosynth.progress import Progress
from autosynth.record import Record, claim, read_all, trial_dir, write_record
from autosynth.spec import Dataset, TargetSpec
from autosynth.task.metric import Metric
from autosynth.task.score import score_all

SIMPLE_SHARE = 1 / 4
"""Of a budget: the simple baselines, which are fitted whole, are ended after so much of it."""
OUTPUTS = "outputs.npz"
"""In the folder of a baseline's trial: what it gave on held-back rows."""
_MAX_KEPT = 2**24
"""More outputs of one baseline are not kept: 64 MiB, of rankings of thousands of items."""


def run_baselines(
    dataset: Dataset,
    metric: Metric,
    folder: Path,
    seed: int,
    seconds: float,
    progress: Progress,
    budget: float | None,
    fit: Callable[..., Iterable[BaselineResult]] = run_in_process,
    names: Collection[str] | None = None,
) -> None:
    """Fit the baselines that a run lacks, and write their records.

    Those that read the inputs have a process of their own.

    Args:
        dataset: what they are fitted on and scored on.
        metric: what the run is ranked by.
        folder: the run's.
        seed: the run's.
        seconds: for them all, counted from where the first is about to be fitted.
        progress: is told each score.
        budget: seconds the whole run may take, of which the simple ones take a quarter at most.
        fit: fits them; takes what `run_in_process` takes.
        names: which; all that can read the dataset if left out.
    """
    had = {record.strategy for record in read_all(folder) if record.kind == "baseline"}
    names = [name for name in (names or fitting(dataset)) if name not in had]
    if not names:
        return
    if set(names) <= set(TRIVIAL):
        for name in names:
            _keep_record(dataset, metric, run(name, dataset, seed=seed), folder, seed, progress)
        return
    limit = None if budget is None else budget * SIMPLE_SHARE
    threads = torch.get_num_threads()  # what the user allows this process
    for result in fit(
        dataset,
        names=names,
        seconds=seconds,
        seed=seed,
        threads=threads,
        limit=limit,
        start_seconds=min(START_SECONDS, limit or START_SECONDS),
    ):
        if result.name in TRIVIAL and result.state != "complete":
            result = run(result.name, dataset, seed=seed)  # takes no time: always there
        _keep_record(dataset, metric, result, folder, seed, progress)


def _keep_record(
    dataset: Dataset,
    metric: Metric,
    result: BaselineResult,
    folder: Path,
    seed: int,
    progress: Progress,
) -> None:
    """Write the record of a baseline, and tell its score."""
    record = _baseline_record(dataset, metric, result, claim(folder), seed)
    if record.state == "complete":
        _keep(result, trial_dir(folder, record.trial) / OUTPUTS)
    write_record(record, folder)
    score = record.val.get(metric.name)
    said = record.reason if score is None else f"{metric.name} {score:.4f}"
    if record.state == "cut":
        said += f", cut: {record.reason}"
    progress.say(f"baseline    {record.strategy}: {said}")


def baseline_outputs(folder: Path, trial: int) -> NDArray[np.floating] | None:
    """What a complete baseline gave on the test rows, in the order of `splits.test`.

    Args:
        folder: the run's.
        trial: the baseline's number.

    Returns:
        Class probabilities `(n, k)` or predictions `(n,)`; None where none are kept, or where
        they were damaged while the run went on: what its folder holds is checked at its start.
    """
    path = trial_dir(folder, trial) / OUTPUTS
    if not path.is_file():
        return None
    try:
        with np.load(path) as stored:
            return np.asarray(stored["test"]) if "test" in stored else None
    except (OSError, ValueError, zipfile.BadZipFile):
        return None


def _keep(result: BaselineResult, path: Path) -> None:
    found = {"select": result.validation, "test": result.test}
    # Values are float64 and stay so: of some float32 would lose the differences.
    kept: dict[str, Any] = {
        name: array
        for name, array in found.items()
        if array is not None and array.size <= _MAX_KEPT
    }
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, **kept)


def _scores(
    metric: Metric, target: TargetSpec, y: NDArray[Any], output: NDArray[Any]
) -> dict[str, float]:
    """All metrics of the target, and the one that ranks."""
    found, score = score_all(y, output, target), metric.score(y, output)
    return found if np.isnan(score) else {**found, metric.name: score}


def _baseline_record(
    dataset: Dataset, metric: Metric, result: BaselineResult, number: int, seed: int
) -> Record:
    target, y, splits = dataset.target, dataset.y, dataset.splits
    val, test = (
        {} if found is None else _scores(metric, target, y[rows], found)
        for rows, found in ((splits.validation, result.validation), (splits.test, result.test))
    )
    return Record(
        trial=number,
        seed=seed,
        kind="baseline",
        strategy=result.name,
        topology="baseline",
        state=result.state,
        reason=result.reason,
        val=val,
        test=test,
        flops=result.flops,
        params=result.params,
        train_seconds=result.train_seconds,
        origin="baseline",
        note=result.note,
    )

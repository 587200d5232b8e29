"""The baseline of a run: what knows the target alone, on the board beside the strategies.

All else that one would hold a network against, such as a linear model or a forest, is a component
(`autosynth components`): it is searched, joined and exported like any other.
"""

from pathlib import Path

import numpy as np

from autosynth.progress import Progress
from autosynth.record import Record, claim, read_all, write_record
from autosynth.spec import Dataset, RowNumbers
from autosynth.task.metric import Metric
from autosynth.task.score import score_all
from autosynth.task.task import task_of
from autosynth.task.trivial import trivial_outputs


def keep_baseline(
    dataset: Dataset, metric: Metric, folder: Path, seed: int, progress: Progress
) -> None:
    """Write the record of the baseline, and tell its score; nothing where the run has it."""
    name = task_of(dataset.target).baseline
    if any(each.kind == "baseline" and each.strategy == name for each in read_all(folder)):
        return
    record = Record(
        trial=claim(folder),
        seed=seed,
        kind="baseline",
        strategy=name,
        topology="baseline",
        state="complete",
        val=_scores(dataset, metric, dataset.splits.validation),
        test=_scores(dataset, metric, dataset.splits.test),
        flops=0,
        params=0,
        train_seconds=0.0,
        origin="baseline",
    )
    write_record(record, folder)
    progress.say(f"baseline    {name}: {metric.name} {record.val[metric.name]:.4f}")


def _scores(dataset: Dataset, metric: Metric, rows: RowNumbers) -> dict[str, float]:
    """All metrics of the target, and the one that ranks."""
    y, output, weights = dataset.y[rows], trivial_outputs(dataset, rows), dataset.weights_of(rows)
    found = score_all(y, output, dataset.target, weights)
    score = metric.score(y, output, weights)
    return found if np.isnan(score) else {**found, metric.name: score}

"""Out-of-fold outputs: a strategy trained without some rows, and what it gives for them.

The search's own `validation` is the first fold; the rows that it trains on are dealt to the
others.
"""

import time
import warnings
from collections.abc import Iterator

import numpy as np
from sklearn.model_selection import KFold, StratifiedKFold

from autosynth.composite import Resolved
from autosynth.spec import Array
from autosynth.study.context import RunContext
from autosynth.task.task import task_of
from autosynth.training.loop import Outcome, TrainingRows, train
from autosynth.training.output import outputs


class OutOfTime(Exception):
    """A fold would not have ended in its time."""


def other_folds(context: RunContext) -> Iterator[tuple[Array, Array]]:
    """The rows inside and outside of the folds that `validation` leaves to be made."""
    rows = context.dataset.splits.train
    kind = StratifiedKFold if task_of(context.dataset.target).few_classes else KFold
    n_folds = max(2, min(context.all_folds - 1, len(rows)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of classes with fewer rows than folds
        folds = list(
            kind(n_folds, shuffle=True, random_state=context.seed).split(
                rows, context.dataset.y[rows]
            )
        )
    for _, held in folds:
        yield np.setdiff1d(context.learnable, rows[held]), rows[held]


def fold_outputs(
    context: RunContext, resolved: Resolved, inside: Array, outside: Array, deadline: float
) -> tuple[Array, Outcome]:
    """A strategy's outputs on held-out rows, and its training on the others.

    Args:
        context: of the run.
        resolved: the strategy.
        inside: the rows to train on.
        outside: the rows to give outputs for.
        deadline: as `time.perf_counter()`.

    Raises:
        OutOfTime: it would not have ended by the deadline.
        TrialError: it cannot be trained.
    """
    rows = TrainingRows(
        train=inside, calibration=inside[:0], unlabelled=context.dataset.splits.unlabelled
    )
    outcome = train(
        resolved,
        context.device_dataset,
        rows,
        context.trainer_config,
        seed=context.seed,
        deadline=max(deadline, time.perf_counter()),
    )
    if outcome.stopped:
        raise OutOfTime("a fold would not have ended in its time")
    return outputs(outcome.model, context.device_dataset, outside), outcome

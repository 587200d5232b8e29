"""Further folds of a strategy: trained on other rows, its outputs on those that are held out.

Few rows say little: what is good on the first fold, which is `validation`, is scored on more.
"""

from dataclasses import replace
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autosynth.budget import Deadline
from autosynth.composite import Resolved
from autosynth.record import Record
from autosynth.spec import Array
from autosynth.study.context import RunContext
from autosynth.study.job import Job
from autosynth.task.score import standard_error
from autosynth.training.loop import Outcome, TrainingRows, train
from autosynth.training.output import outputs

# Standard errors that a trial may be behind the best, and is still scored on further folds.
PROMISING = 2.0


class OutOfTime(Exception):
    """A fold would not have ended in its time."""


def fold_outputs(
    context: RunContext, resolved: Resolved, inside: Array, outside: Array, deadline: Deadline
) -> tuple[Array, Outcome]:
    """A strategy's outputs on held-out rows, and its training on the others.

    Args:
        context: of the run.
        resolved: the strategy.
        inside: the rows to train on.
        outside: the rows to give outputs for.
        deadline: by which the training must have ended.

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
        deadline=deadline,
    )
    if outcome.stopped:
        raise OutOfTime("a fold would not have ended in its time")
    return outputs(outcome.model, context.device_dataset, outside), outcome


def more_folds(
    context: RunContext,
    job: Job,
    record: Record,
    rows: NDArray[np.int64],
    fold_scores: NDArray[Any],
) -> tuple[Record, NDArray[np.int64], NDArray[Any]]:
    """The record with what further folds took, all rows that were held out, and their outputs.

    As many folds as the run asks for, or as there is time for. Of the first one the rows and
    outputs are known. Raises TrialError where a fold cannot be trained.
    """
    numbers, parts, resolved = [rows], [fold_scores], context.resolved(job.strategy)
    for inside, outside in islice(context.other_folds(), context.folds - 1):
        try:
            part, outcome = fold_outputs(context, resolved, inside, outside, job.deadline)
        except OutOfTime:
            break
        numbers.append(outside)
        parts.append(part)
        record = replace(
            record,
            train_seconds=(record.train_seconds or 0.0) + outcome.seconds,
            samples_seen=(record.samples_seen or 0) + outcome.samples_seen,
            train_flops=(record.train_flops or 0.0) + outcome.train_flops,
            n_folds=len(parts),
        )
    return record, np.concatenate(numbers), np.concatenate(parts)


def promises(context: RunContext, job: Job, y: NDArray[Any], predictions: NDArray[Any]) -> bool:
    """Whether a trial may be the best, by its outputs on the rows of the first fold."""
    slack = PROMISING * standard_error(context.metric, y, predictions)
    return context.metric.score(y, predictions) + slack >= job.bar

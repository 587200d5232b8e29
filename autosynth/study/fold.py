"""Further folds of a strategy: trained on other rows, its outputs on those that are held out.

Few rows say little: what is good on the first fold, which is `validation`, is scored on more. A
part's outputs on each fold are kept, so that a mean of some is scored without training them again.
"""

from collections.abc import Mapping
from dataclasses import replace
from itertools import islice

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from autosynth.budget import Deadline
from autosynth.composite import Resolved
from autosynth.composite.objective import mean_of
from autosynth.record import Record
from autosynth.spec import Array, RowNumbers
from autosynth.strategy import Fusion
from autosynth.study.context import RunContext
from autosynth.study.job import Job
from autosynth.training.loop import Outcome, TrainingRows, train
from autosynth.training.output import raw_outputs
from autosynth.training.store import ValueKey
from autosynth.training.weights import alone_of

# Standard errors that a trial may be behind the best, and is still scored on further folds.
PROMISING = 2.0
VALIDATION, CALIBRATION = "validation", "calibration"
"""Under which outputs for the rows of these splits are kept; others by the name of their fold."""


class OutOfTime(Exception):
    """A fold would not have ended in its time."""


def fold_outputs(
    context: RunContext,
    resolved: Resolved,
    inside: Array,
    outside: Array,
    deadline: Deadline,
    seed: int | None = None,
) -> tuple[Tensor, Outcome]:
    """A strategy's raw outputs on held-out rows, and its training on the others.

    Args:
        context: of the run.
        resolved: the strategy.
        inside: the rows to train on.
        outside: the rows to give raw outputs for.
        deadline: by which the training must have ended.
        seed: of the training; the run's own if left out.

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
        seed=context.seed if seed is None else seed,
        deadline=deadline,
    )
    if outcome.stopped or outcome.cut:
        raise OutOfTime("a fold would not have ended in its time")
    return raw_outputs(outcome.model, context.device_dataset, outside), outcome


def outputs_key(context: RunContext, strategy: str, samples: int) -> ValueKey:
    """What the outputs of a trained strategy for the rows held back are known by."""
    return ValueKey(program=strategy, rows=context.held_digest, seed=context.seed, samples=samples)


def held_rows(context: RunContext) -> dict[str, NDArray[np.int64]]:
    """The rows that a trial is scored on, by the name that its outputs for them are kept under."""
    others = (outside for _, outside in islice(context.other_folds(), context.folds - 1))
    return {VALIDATION: context.dataset.splits.validation} | {
        f"fold {number}": rows for number, rows in enumerate(others, start=1)
    }


def more_folds(context: RunContext, job: Job, record: Record) -> tuple[Record, dict[str, Tensor]]:
    """The record with what further folds took, and raw outputs for each by its name.

    As many folds as the run asks for, or as there is time for; the first one is `validation`.
    Raises TrialError where a fold cannot be trained.
    """
    resolved, found = context.resolved(job.strategy), dict[str, Tensor]()
    known = _joined(context, job, resolved)
    names = list(held_rows(context))[1:]
    for name, (inside, outside) in zip(names, context.other_folds(), strict=False):
        if name in known:
            found[name] = known[name]
            record = replace(record, n_folds=record.n_folds + 1)
            continue
        try:
            raw, outcome = fold_outputs(context, resolved, inside, outside, job.deadline)
        except OutOfTime:
            break
        found[name] = raw
        record = replace(
            record,
            train_seconds=(record.train_seconds or 0.0) + outcome.seconds,
            samples_seen=(record.samples_seen or 0) + outcome.samples_seen,
            train_flops=(record.train_flops or 0.0) + outcome.train_flops,
            n_folds=record.n_folds + 1,
        )
    return record, found


def _joined(context: RunContext, job: Job, resolved: Resolved) -> dict[str, Tensor]:
    """Outputs on folds of a mean of parts that were all scored there; none of anything else."""
    root, standing = resolved.strategy.root, {part.strategy: part for part in job.begin}
    if not isinstance(root, Fusion) or root.method != "mean":
        return {}
    kept: list[Mapping[str, Tensor]] = []
    for phase in resolved.training_plan.phases:
        alone = alone_of(resolved, phase)
        part = standing.get(alone.canonical) if alone else None
        if part is None:
            return {}
        kept.append(context.store.find(outputs_key(context, part.strategy, part.samples)))
    if len(kept) < len(root.parts):
        return {}
    names = set[str].intersection(*(set(each) for each in kept))
    target = context.dataset.target
    return {name: mean_of(target, [each[name] for each in kept]) for name in names}


def promises(context: RunContext, job: Job, rows: RowNumbers, predictions: Array) -> bool:
    """Whether a trial may be the best, by its outputs on the rows of the first fold."""
    slack = PROMISING * context.standard_error(rows, predictions)
    return context.score(rows, predictions) + slack >= job.bar

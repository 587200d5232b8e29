"""One trial: a job in, a record and weights out. A bad strategy is a record, too.

This is all that a worker does. It decides nothing, and writes nothing.
"""

import math
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from autosynth.budget import Deadline
from autosynth.composite import Composite, Resolved, build, cost
from autosynth.errors import TrialError, lacking
from autosynth.record import Record, weights_path
from autosynth.spec import Array
from autosynth.study.context import RunContext
from autosynth.study.job import Done, Event, Failed, Job, Rung, Started
from autosynth.study.latency import latency_ms, untrained_latency_ms
from autosynth.study.space import FORBID_KEYS
from autosynth.task.calibration import Calibration, calibrate
from autosynth.task.score import bootstrap_interval, score_all, standard_error
from autosynth.task.task import task_of
from autosynth.training.devicedataset import sample
from autosynth.training.loop import Outcome, TrainingRows, train
from autosynth.training.output import outputs
from autosynth.training.weights import (
    Bank,
    Recipe,
    Weights,
    load_tensors,
    load_weights,
    packed,
)
from autosynth.training.work import remember

# Standard errors that a trial may be behind the best, and is still scored on further folds.
PROMISING = 2.0
_LATE = "it would not have ended before the budget"
Tell = Callable[[Event], bool]
"""Takes an event; of a rung gives whether the training is to be stopped."""


class OutOfTime(Exception):
    """A fold would not have ended in its time."""


class _Rungs:
    """Follows a training from rung to rung: its curve, and whether it was ended there."""

    def __init__(self, context: RunContext, number: int, tell: Tell) -> None:
        self.context, self.number, self.tell = context, number, tell
        self.curve: tuple[tuple[float, float], ...] = ()

    def __call__(self, done: float, model: nn.Module) -> bool:
        """Whether the training is to be stopped here."""
        error, standard_error = error_of(self.context, model)
        self.curve = (*self.curve, (done, error))
        rung = Rung(number=self.number, done=done, error=error, standard_error=standard_error)
        return self.tell(rung)


def initial_record(context: RunContext, job: Job, state: str, reason: str = "") -> Record:
    """The record of a trial as far as it is known before training."""
    resolved = context.resolved(job.strategy)
    price = cost(resolved)
    return Record(
        trial=job.number,
        seed=job.seed,
        strategy=str(resolved.short_form.without_settings()),
        settings=resolved.short_form.settings_text(),
        **{name: getattr(resolved, name) for name in FORBID_KEYS},
        state=state,  # type: ignore[arg-type]
        reason=reason,
        flops=price.flops,
        params=price.params,
        worst_flops=price.worst_flops,
        origin=job.origin,
        canonical=str(resolved.strategy),
        foreseen_seconds=round(context.foreseen_seconds(resolved), 3),
    )


def over_limit(context: RunContext, job: Job) -> str:
    """Why a strategy is not to be trained, or nothing."""
    price = cost(context.resolved(job.strategy))
    for name, amount, limit in (
        ("flops", price.flops, context.max_flops),
        ("params", price.params, context.max_params),
    ):
        if limit is not None and amount > limit:
            return f"{name}={amount:,} is over --max-{name} {limit:,}"
    ceiling = context.trainer_config.ceiling_seconds
    if ceiling and job.foreseen_seconds > ceiling:
        foreseen = f"about {job.foreseen_seconds:.0f} s"
        return f"would train for {foreseen}, over the {ceiling:.0f} s one may take"
    return ""


def run_trial(context: RunContext, job: Job, tell: Tell = lambda event: False) -> Done | Failed:
    """Train a job and score it on validation rows; gives its record, and its weights.

    Never raises for what is wrong with the strategy: the record says it. `tell` is told of every
    rung.
    """
    tell(Started(number=job.number))
    resolved, splits = context.resolved(job.strategy), context.dataset.splits
    blank = initial_record(context, job, "failed")
    rungs = _Rungs(context, job.number, tell)
    blank = _timed(context, resolved, blank)
    if blank.state == "infeasible":
        return _told(blank)
    blank, ended = _remembered(context, job, resolved, blank)
    if not ended:
        return _told(blank)
    start = time.monotonic()
    deadline = job.ends_by(context.trainer_config.ceiling_seconds)
    try:
        outcome = train(
            resolved,
            context.device_dataset,
            TrainingRows(
                train=splits.train, calibration=splits.calibration, unlabelled=splits.unlabelled
            ),
            context.trainer_config,
            seed=job.seed,
            score=context.metric.score,
            on_rung=rungs,
            deadline=deadline,
            bank=_bank(job),
        )
        record = _finished(context, job, blank, outcome, rungs, deadline)
    except (TrialError, RuntimeError, MemoryError) as error:
        reason = str(error) if isinstance(error, TrialError) else lacking(error)
        if not reason:
            raise
        record = replace(blank, reason=reason, curve=rungs.curve)
        return _told(replace(record, train_seconds=time.monotonic() - start))
    whole = record.state == "complete"
    return _told(record, packed(outcome.model.state_dict()) if whole else None)


def _told(record: Record, weights: bytes | None = None) -> Done | Failed:
    if record.state == "failed":
        return Failed(number=record.trial, record=record)
    return Done(number=record.trial, record=record, weights=weights)


def _bank(job: Job) -> Bank:
    """What the job may begin from: the same part and settings, on all rows, for as long."""

    def find(recipe: Recipe) -> tuple[Weights, float] | None:
        if recipe.rows != "all":  # every trial was trained on all of them
            return None
        for part in job.begin:
            if part.strategy == str(recipe.strategy) and part.samples == recipe.samples:
                return load_tensors(part.weights), part.share
        return None

    return find


def _timed(context: RunContext, resolved: Resolved, blank: Record) -> Record:
    """The record with the latency of the strategy, infeasible where that is over the run's limit.

    Where the run has no such limit nothing is measured before a training; nor of what cannot be
    built, whose trial says so.
    """
    limit, splits = context.max_latency_ms, context.dataset.splits
    if limit is None:
        return blank
    try:
        found = untrained_latency_ms(resolved, context.device_dataset, splits, limit)
    except TrialError:
        return blank
    record = replace(blank, latency_ms=found)
    if found <= limit:
        return record
    over = f"takes {found:.3g} ms for a row, over --max-latency {limit:g}"
    return replace(record, state="infeasible", reason=over)


def _remembered(
    context: RunContext, job: Job, resolved: Resolved, blank: Record
) -> tuple[Record, bool]:
    """Have the frozen networks of a trial run over all rows, of test too: no trial pays it again.

    Not a part of the time that one training may take. Gives the record with the seconds of it, and
    whether it ended before the budget; where it did not, the record of a trial that was stopped.
    """
    memory = context.device_dataset.memory
    if not any(memory.lacking(resolved.program, len(context.dataset.y)).values()):
        return blank, True
    try:
        model = build(resolved, job.seed)
        model.fit_inputs(*sample(context.device_dataset, context.dataset.splits.train))
    except TrialError as error:
        return replace(blank, reason=str(error)), False
    model = model.to(context.device_dataset.device)
    rows = context.device_dataset.rows(np.arange(len(context.dataset.y)))
    ended, seconds = remember(model, context.device_dataset, rows, job.deadline)
    record = replace(blank, once_seconds=round(seconds, 2))
    if not ended:
        reason = "what its frozen network gives would not have been computed before the budget"
        return replace(record, state="stopped", reason=reason, train_seconds=seconds), False
    return record, True


def _finished(
    context: RunContext,
    job: Job,
    blank: Record,
    outcome: Outcome,
    rungs: _Rungs,
    deadline: Deadline,
) -> Record:
    """The record of a training that ran, whole or in part."""
    record = replace(
        blank,
        train_seconds=outcome.seconds,
        samples_seen=outcome.samples_seen,
        epochs=outcome.samples_seen / len(context.dataset.splits.train),
        train_flops=outcome.train_flops,
        best_fractions=outcome.best_fractions,
        curve=rungs.curve,
    )
    if outcome.stopped == "pruned":
        return replace(record, state="pruned", reason="told to stop")
    if outcome.stopped:
        ceiling = context.trainer_config.ceiling_seconds
        reason = f"too slow for the {ceiling:.0f} s that one training may take"
        if job.deadline.at <= deadline.at:
            reason = _LATE
        return replace(record, state="stopped", reason=reason)
    start = time.monotonic()
    rows, found, calibration = scored_outputs(context, outcome.model)
    eval_seconds = round(time.monotonic() - start, 3)
    if context.folds > 1 and _promises(context, job, context.dataset.y[rows], found):
        record, rows, found = _more_folds(context, job, record, rows, found)
    y = context.dataset.y[rows]
    val = score_all(y, found, context.dataset.target)
    val.setdefault(context.metric.name, context.metric.score(y, found))
    return replace(
        record,
        state="complete",
        val=val,
        standard_error=standard_error(context.metric, y, found),
        calibration=calibration,
        eval_seconds=eval_seconds,
        # That which was held against the limit, so that none on the board is over it.
        latency_ms=record.latency_ms
        or latency_ms(outcome.model, context.device_dataset, context.dataset.splits),
        curve=(*rungs.curve, (1.0, context.error(val[context.metric.name]))),
    )


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


def _more_folds(
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


def _promises(context: RunContext, job: Job, y: NDArray[Any], predictions: NDArray[Any]) -> bool:
    """Whether a trial may be the best, by its outputs on the rows of the first fold."""
    slack = PROMISING * standard_error(context.metric, y, predictions)
    return context.metric.score(y, predictions) + slack >= job.bar


def error_of(context: RunContext, model: nn.Module) -> tuple[float, float]:
    """The validation error and the standard error of a difference of two such errors."""
    select = context.dataset.splits.validation
    y, predictions = context.dataset.y[select], outputs(model, context.device_dataset, select)
    score = context.metric.score(y, predictions)
    if not math.isfinite(score):
        raise TrialError("the outputs on held-back rows are not finite; a lower lr may help")
    # Forty resamples say enough of a width, and are drawn at every rung. A 95 % interval is 3.92
    # standard errors wide.
    low, high = bootstrap_interval(context.metric, y, predictions, n=40)
    spread = abs(context.error(low) - context.error(high)) / 3.92
    return context.error(score), spread


def scored_outputs(
    context: RunContext, model: Composite
) -> tuple[NDArray[np.int64], NDArray[Any], Calibration]:
    """`validation` rows, and outputs at a temperature and thresholds fitted on `calibration`."""
    splits, target, calibration = context.dataset.splits, context.dataset.target, Calibration()
    predictions = outputs(model, context.device_dataset, splits.validation)
    if len(splits.calibration) and task_of(target).is_calibrated:
        calibration_outputs = outputs(model, context.device_dataset, splits.calibration)
        calibration = calibrate(
            context.dataset.y[splits.calibration], calibration_outputs, context.metric, target
        )
    return splits.validation, calibration.scores(predictions, target), calibration


def load_trained(context: RunContext, record: Record, resolved: Resolved) -> Composite:
    """The composite of a complete trial, from its kept weights."""
    model = build(resolved, context.seed)
    load_weights(model, weights_path(context.folder, record.trial))
    return model.to(context.device_dataset.device)

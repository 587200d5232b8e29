"""One trial: a strategy in, a record and kept weights out. A bad strategy is a record, too."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from autosynth.composite import Composite, Resolved, build, cost
from autosynth.errors import TrialError
from autosynth.record import Record, read_all, weights_path, write_record
from autosynth.spec import Array
from autosynth.study.context import RunContext
from autosynth.study.latency import latency_ms, untrained_latency_ms
from autosynth.study.pruner import Decision
from autosynth.study.space import FORBID_KEYS
from autosynth.task.calibration import Calibration, calibrate
from autosynth.task.score import bootstrap_interval, score_all, standard_error
from autosynth.task.task import task_of
from autosynth.training.loop import Outcome, TrainingRows, sample, train
from autosynth.training.output import outputs
from autosynth.training.weights import load_weights, save_weights
from autosynth.training.work import remember

# Times the ceiling, that a training may take. Other work on the machine can come after the probe:
# without this, a search on a busy machine stopped every composite as too slow, and had none.
OVER = 1.5
# Standard errors that a trial may be behind the best, and is still scored on further folds.
PROMISING = 2.0
_LATE = "it would not have ended before the budget"
PrunerCallback = Callable[[float, float, float], Decision | None]
"""Fraction of the schedule, validation error, its standard error in; to prune, the decision."""


class OutOfTime(Exception):
    """A fold would not have ended in its time."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """What a trial is to do: number, resolved strategy, who asked for it, when it must end.

    `seconds` is what its training is foreseen to take; 0 where nothing is known of it.
    `latency_ms` is measured before it is trained where the run limits that.
    """

    number: int
    resolved: Resolved
    origin: str
    deadline: float = math.inf
    seconds: float = 0.0
    latency_ms: float | None = None

    def ends_by(self, start: float, ceiling: float) -> float:
        """When a training that starts then must have ended, in seconds of `time.perf_counter()`.

        Somewhat over the ceiling, which is far over what most are foreseen to take: other work on
        the machine may have come after the probe, and then a search that stops all has nothing to
        show.
        """
        return min(self.deadline, start + OVER * ceiling) if ceiling else self.deadline


@dataclass(frozen=True, kw_only=True)
class TrialResult:
    """What a trial came to: its record, and the decision that it was pruned by, where it was."""

    record: Record
    pruned: Decision | None = None


class _Rungs:
    """Follows a training from rung to rung: its curve, and the decision that ended it, if any."""

    def __init__(self, context: RunContext, on_rung: PrunerCallback | None) -> None:
        self.context, self.on_rung = context, on_rung
        self.curve: tuple[tuple[float, float], ...] = ()
        self.pruned: Decision | None = None

    def __call__(self, done: float, model: nn.Module) -> bool:
        """Whether the training is to be stopped here."""
        error, standard_error = error_of(self.context, model)
        self.curve = (*self.curve, (done, error))
        self.pruned = self.on_rung(done, error, standard_error) if self.on_rung else None
        return self.pruned is not None


def initial_record(context: RunContext, job: Job, state: str, reason: str = "") -> Record:
    """The record of a trial as far as it is known before training."""
    resolved, price = job.resolved, cost(job.resolved)
    return Record(
        trial=job.number,
        seed=context.seed,
        strategy=str(resolved.short_form.without_settings()),
        settings=resolved.short_form.settings_text(),
        **{name: getattr(resolved, name) for name in FORBID_KEYS},
        state=state,  # type: ignore[arg-type]
        reason=reason,
        flops=price.flops,
        params=price.params,
        worst_flops=price.worst_flops,
        latency_ms=job.latency_ms,
        origin=job.origin,
        canonical=str(resolved.strategy),
        foreseen_seconds=round(context.foreseen_seconds(resolved), 3),
    )


def over_limit(context: RunContext, job: Job) -> str:
    """Why a strategy is not to be trained, or nothing."""
    price = cost(job.resolved)
    for name, amount, limit in (
        ("flops", price.flops, context.max_flops),
        ("params", price.params, context.max_params),
    ):
        if limit is not None and amount > limit:
            return f"{name}={amount:,} is over --max-{name} {limit:,}"
    ceiling = context.trainer_config.ceiling_seconds
    if ceiling and job.seconds > ceiling:
        return f"would train for about {job.seconds:.0f} s, over the {ceiling:.0f} s one may take"
    return ""


def timed(context: RunContext, job: Job) -> tuple[Job, str]:
    """The job with the latency of its strategy, and why that is too long, or nothing.

    Where the run has no such limit nothing is measured; nor of what cannot be built, whose trial
    says so.
    """
    limit, splits = context.max_latency_ms, context.dataset.splits
    if limit is None:
        return job, ""
    try:
        found = untrained_latency_ms(job.resolved, context.device_dataset, splits, limit)
    except TrialError:
        return job, ""
    over = f"takes {found:.3g} ms for a row, over --max-latency {limit:g}"
    return replace(job, latency_ms=found), over if found > limit else ""


def run_trial(context: RunContext, job: Job, on_rung: PrunerCallback | None = None) -> TrialResult:
    """Train, score on validation rows, keep the weights, write the record.

    Never raises for what is wrong with the strategy: the record says it.
    """
    blank = initial_record(context, job, "failed")
    rungs, splits = _Rungs(context, on_rung), context.dataset.splits
    blank, ended = _remembered(context, job, blank)
    if not ended:
        write_record(blank, context.folder)
        return TrialResult(record=blank)
    start = time.perf_counter()
    deadline = job.ends_by(start, context.trainer_config.ceiling_seconds)
    try:
        outcome = train(
            job.resolved,
            context.device_dataset,
            TrainingRows(
                train=splits.train, calibration=splits.calibration, unlabelled=splits.unlabelled
            ),
            context.trainer_config,
            seed=context.seed,
            score=context.metric.score,
            on_rung=rungs,
            deadline=deadline,
            bank=context.trained,
        )
        record = _finished(context, job, blank, outcome, rungs, deadline)
    except TrialError as error:
        record = replace(blank, reason=str(error), curve=rungs.curve)
        record = replace(record, train_seconds=time.perf_counter() - start)
    write_record(record, context.folder)
    return TrialResult(record=record, pruned=rungs.pruned if record.state == "pruned" else None)


def _remembered(context: RunContext, job: Job, blank: Record) -> tuple[Record, bool]:
    """Have the frozen networks of a trial run over all rows, of test too: no trial pays it again.

    Not a part of the time that one training may take. Gives the record with the seconds of it, and
    whether it ended before the budget; where it did not, the record of a trial that was stopped.
    """
    if not any(
        context.device_dataset.memory.lacking(
            job.resolved.program, len(context.dataset.y)
        ).values()
    ):
        return blank, True
    try:
        model = build(job.resolved, context.seed)
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
    deadline: float,
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
        return replace(record, state="pruned", reason=rungs.pruned.why if rungs.pruned else "")
    if outcome.stopped:
        ceiling = context.trainer_config.ceiling_seconds
        reason = f"too slow for the {ceiling:.0f} s that one training may take"
        if job.deadline <= deadline:
            reason = _LATE
        return replace(record, state="stopped", reason=reason)
    start = time.perf_counter()
    rows, found, calibration = scored_outputs(context, outcome.model)
    eval_seconds = round(time.perf_counter() - start, 3)
    if context.folds > 1 and _promises(context, context.dataset.y[rows], found):
        record, rows, found = _more_folds(context, job, record, rows, found)
    y = context.dataset.y[rows]
    val = score_all(y, found, context.dataset.target)
    val.setdefault(context.metric.name, context.metric.score(y, found))
    record = replace(
        record,
        state="complete",
        val=val,
        standard_error=standard_error(context.metric, y, found),
        calibration=calibration,
        eval_seconds=eval_seconds,
        # That which was held against the limit, so that none on the board is over it.
        latency_ms=job.latency_ms
        or latency_ms(outcome.model, context.device_dataset, context.dataset.splits),
        curve=(*rungs.curve, (1.0, context.error(val[context.metric.name]))),
    )
    save_weights(outcome.model, weights_path(context.folder, job.number))
    return record


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
    numbers, parts = [rows], [fold_scores]
    for inside, outside in islice(context.other_folds(), context.folds - 1):
        try:
            part, outcome = fold_outputs(context, job.resolved, inside, outside, job.deadline)
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


def _promises(context: RunContext, y: NDArray[Any], predictions: NDArray[Any]) -> bool:
    """Whether a trial may be the best, by its outputs on the rows of the first fold.

    Baselines count as well: there is one to stand beside from the first trial on.
    """
    name = context.metric.name
    known = [r.val[name] for r in read_all(context.folder) if r.state == "complete"]
    slack = PROMISING * standard_error(context.metric, y, predictions)
    return context.metric.score(y, predictions) + slack >= max(known, default=-math.inf)


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

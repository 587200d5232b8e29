"""One trial: a job in, a record and weights out. A bad strategy is a record, too.

This is all that a worker does. It decides nothing, and writes nothing.
"""

import math
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from autosynth.budget import POLICY, Deadline
from autosynth.composite import Composite, Cost, Resolved, build, cost
from autosynth.composite.fittedpart import fitted_end
from autosynth.errors import AutosynthError, BundleError, TrialError, fault, lacking
from autosynth.record import Record, weights_path
from autosynth.study.composer import may_be_part
from autosynth.study.context import RunContext
from autosynth.study.fold import CALIBRATION, VALIDATION, held_rows, more_folds, promises
from autosynth.study.job import CUT, Done, Event, Failed, Job, Rung, Started, with_parts
from autosynth.study.latency import latency_ms, untrained_latency_ms
from autosynth.study.space import FORBID_KEYS
from autosynth.task.calibration import Calibration, calibrate
from autosynth.task.score import bootstrap_interval
from autosynth.task.task import task_of
from autosynth.training.devicedataset import sample
from autosynth.training.loop import Outcome, TrainingRows, train
from autosynth.training.output import finished_rows, outputs, raw_outputs
from autosynth.training.part import part_weights, phase_of, train_part
from autosynth.training.phase import Told
from autosynth.training.weights import (
    Bank,
    Recipe,
    Weights,
    alone_of,
    load_tensors,
    load_weights,
    packed,
)
from autosynth.training.work import remember

_LATE = "it would not have ended before the budget"
Tell = Callable[[Event], bool]
"""Takes an event; of a rung gives whether the training is to be stopped."""


class _Rungs:
    """Follows a training from rung to rung: its curve, and whether it was ended there."""

    def __init__(self, context: RunContext, job: Job, tell: Tell) -> None:
        self.context, self.job, self.tell = context, job, tell
        self.curve: tuple[tuple[float, float], ...] = ()

    def __call__(self, done: float, model: nn.Module) -> bool:
        """Whether the training is to be stopped here."""
        error, standard_error = error_of(self.context, model)
        self.curve = (*self.curve, (done, error))
        return self.tell(
            Rung(
                number=self.job.number,
                part=self.job.part,
                done=done,
                error=error,
                standard_error=standard_error,
            )
        )


def initial_record(context: RunContext, job: Job, state: str, reason: str = "") -> Record:
    """The record of a trial as far as it is known before training."""
    resolved = context.resolved(job.strategy)
    price, foreseen = cost(resolved), job.foreseen_seconds
    if foreseen is None:
        foreseen = context.foreseen_seconds(resolved)
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
        chosen=job.why,
        canonical=resolved.canonical,
        foreseen_seconds=round(foreseen, 3),
        known_seconds=round(sum(part.seconds for part in job.begin), 3) if job.begin else None,
    )


def over_limit(context: RunContext, price: Cost, foreseen_seconds: float) -> str:
    """Why a strategy of that cost and time is not to be trained, or nothing."""
    for name, amount, limit in (
        ("flops", price.flops, context.max_flops),
        ("params", price.params, context.max_params),
    ):
        if limit is not None and amount > limit:
            return f"{name}={amount:,} is over --max-{name} {limit:,}"
    ceiling = context.trainer_config.ceiling_seconds
    if ceiling and foreseen_seconds > ceiling:
        foreseen = f"about {foreseen_seconds:.0f} s"
        return f"would train for {foreseen}, over the {ceiling:.0f} s one may take"
    return ""


def run_trial(
    context: RunContext,
    job: Job,
    tell: Tell = lambda event: False,
    told: Told = lambda: False,
) -> Done | Failed:
    """Train a job, and score it on validation rows where it is no part; gives record and weights.

    Never raises for what is wrong with the strategy: the record says it. `tell` is told of every
    rung; `told` is asked at every step whether to stop.
    """
    tell(Started(number=job.number, part=job.part))
    resolved = context.resolved(job.strategy)
    phase = phase_of(resolved, job.part)
    alone = (phase and alone_of(resolved, phase)) or resolved
    rungs = _Rungs(context, job, tell)
    start, blank = time.monotonic(), initial_record(context, job, "failed")
    try:
        return _run(context, job, resolved, alone, blank, rungs, told)
    except Exception as error:  # whatever it is, it costs its trial, and not the run
        told_by = str(error) if isinstance(error, AutosynthError) else lacking(error)
        seconds = time.monotonic() - start
        record = replace(
            blank, reason=told_by or fault(error), curve=rungs.curve, train_seconds=seconds
        )
        given = [each.record for each in job.given]
        return _told(job, with_parts(record, given, len(context.dataset.splits.train)))


def _run(
    context: RunContext,
    job: Job,
    resolved: Resolved,
    alone: Resolved,
    blank: Record,
    rungs: _Rungs,
    told: Told,
) -> Done | Failed:
    """What `run_trial` does; `alone` is what the job trains, as a strategy of its own."""
    given, n = [each.record for each in job.given], len(context.dataset.splits.train)
    blank = blank if given else _timed(context, resolved, blank)
    if blank.state == "infeasible":
        return _told(job, blank)
    blank, ended = _remembered(context, job, alone, blank)
    if not ended:
        return _told(job, with_parts(blank, given, n))
    deadline = _ends_by(context, job, blank)
    outcome = _trained(context, job, rungs, deadline, told)
    record = _finished(context, job, blank, outcome, rungs, deadline)
    record = with_parts(record, given, n)
    cuts = [outcome.cut, *(part.cut for part in job.begin)]
    cuts += [each.reason.removeprefix(CUT) for each in given]
    if any(cuts) and record.state == "complete":
        record = replace(record, reason=CUT + "; ".join(dict.fromkeys(filter(None, cuts))))
    folds: dict[str, Tensor] = {}
    if not job.part and record.state == "complete":
        record, folds = _scored(context, job, record, outcome.model)
    if record.state != "complete":
        return _told(job, record)
    weights = part_weights(outcome.model, resolved, job.part)
    kept = None
    if not job.part and may_be_part(context, record):
        kept = packed(part_outputs(context, outcome.model) | folds)
    return _told(job, record, weights, kept)


def _told(
    job: Job, record: Record, weights: bytes | None = None, outputs: bytes | None = None
) -> Done | Failed:
    if record.state == "failed":
        return Failed(number=job.number, part=job.part, record=record)
    return Done(number=job.number, part=job.part, record=record, weights=weights, outputs=outputs)


def part_outputs(context: RunContext, model: Composite) -> dict[str, Tensor]:
    """The outputs of what may be a part of others, on rows held back, by the names of these."""
    splits = context.dataset.splits
    held = {VALIDATION: splits.validation, CALIBRATION: splits.calibration}
    return {
        name: raw_outputs(model, context.device_dataset, rows)
        for name, rows in held.items()
        if len(rows)
    }


def _ends_by(context: RunContext, job: Job, blank: Record) -> Deadline:
    """When the training of a job must have ended, that is now to begin.

    What frozen networks took before is no part of its time, here and where its parts were trained.
    """
    if job.begun is not None:
        once = max((each.record.once_seconds or 0.0 for each in job.given), default=0.0)
        job = replace(job, begun=job.begun + once + (blank.once_seconds or 0.0))
    ends = job.ends_by(context.trainer_config.ceiling_seconds)
    if fitted_end(context.resolved(job.strategy).strategy.root):
        return ends.within(POLICY.fit_share * ends.left)
    return ends


def _trained(
    context: RunContext, job: Job, rungs: _Rungs, deadline: Deadline, told: Told
) -> Outcome:
    """Train what the job asks for: a part, or the whole with what is given of it."""
    splits, resolved = context.dataset.splits, context.resolved(job.strategy)
    rows = TrainingRows(
        train=splits.train, calibration=splits.calibration, unlabelled=splits.unlabelled
    )
    given = {each.part: each.weights for each in job.given if each.weights is not None}
    fit = partial(train_part, part=job.part) if job.part else partial(train, given=given)
    return fit(
        resolved,
        context.device_dataset,
        rows,
        context.trainer_config,
        seed=job.seed,
        score=context.metric.score,
        on_rung=rungs,
        deadline=deadline,
        bank=_bank(job),
        told=told,
    )


def _bank(job: Job) -> Bank:
    """What the job may begin from: the same part and settings, on all rows, for as long."""

    def find(recipe: Recipe) -> tuple[Weights, float] | None:
        for part in job.begin:
            if part.is_of(str(recipe.strategy), recipe.rows, recipe.samples):
                with suppress(BundleError):  # it made room for others meanwhile: trained again
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
    if not any(memory.lacking(resolved.program).values()):
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
    """The record of a training that ran, to its end or not: what it took, and how it ended."""
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
    return replace(record, state="complete")


def _scored(
    context: RunContext, job: Job, record: Record, model: Composite
) -> tuple[Record, dict[str, Tensor]]:
    """The record of a whole training with its scores, and raw outputs on further folds.

    It has those where it promises much on the first one.
    """
    start = time.monotonic()
    rows, found, calibration = scored_outputs(context, model)
    eval_seconds = round(time.monotonic() - start, 3)
    folds: dict[str, Tensor] = {}
    if context.folds > 1 and promises(context, job, rows, found):
        record, folds = more_folds(context, job, record)
        held = held_rows(context)
        data = context.device_dataset
        rest = [finished_rows(raw, data, held[name]).numpy() for name, raw in folds.items()]
        rows = np.concatenate([rows, *(held[name] for name in folds)])
        found = np.concatenate([found, *rest])
    price = cost(context.resolved(job.strategy), model)
    val = context.scores(rows, found)
    record = replace(
        record,
        val=val,
        flops=price.flops,
        worst_flops=price.worst_flops,
        params=price.params,
        standard_error=context.standard_error(rows, found),
        calibration=calibration,
        eval_seconds=eval_seconds,
        # That which was held against the limit, so that none on the board is over it.
        latency_ms=record.latency_ms
        or latency_ms(model, context.device_dataset, context.dataset.splits),
        curve=(*record.curve, (1.0, context.error(val[context.metric.name]))),
    )
    return record, folds


def error_of(context: RunContext, model: nn.Module) -> tuple[float, float]:
    """The validation error and the standard error of a difference of two such errors."""
    select = context.dataset.splits.validation
    y, predictions = context.dataset.y[select], outputs(model, context.device_dataset, select)
    score, weights = context.score(select, predictions), context.dataset.weights_of(select)
    if not math.isfinite(score):
        raise TrialError("the outputs on held-back rows are not finite; a lower lr may help")
    # Forty resamples say enough of a width, and are drawn at every rung. A 95 % interval is 3.92
    # standard errors wide.
    low, high = bootstrap_interval(context.metric, y, predictions, weights, n=40)
    spread = abs(context.error(low) - context.error(high)) / 3.92
    return context.error(score), spread


def scored_outputs(
    context: RunContext, model: Composite
) -> tuple[NDArray[np.int64], NDArray[Any], Calibration]:
    """`validation` rows, and outputs at a temperature and thresholds fitted on `calibration`."""
    data, target, calibration = context.dataset, context.dataset.target, Calibration()
    splits, held = data.splits, data.splits.calibration
    predictions = outputs(model, context.device_dataset, splits.validation)
    if len(held) and task_of(target).is_calibrated:
        found = outputs(model, context.device_dataset, held)
        weights = data.weights_of(held)
        calibration = calibrate(data.y[held], found, context.metric, target, weights)
    return splits.validation, calibration.scores(predictions, target), calibration


def load_trained(context: RunContext, record: Record, resolved: Resolved) -> Composite:
    """The composite of a complete trial, from its kept weights."""
    model = build(resolved, context.seed)
    load_weights(model, weights_path(context.folder, record.trial))
    return model.to(context.device_dataset.device)
